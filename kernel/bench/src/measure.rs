//! What is measured, and how it is reported.

use kernel_user::println;

/// What relsim measures: see its guide to comparisons.
const MEASURED: u16 = 1;
/// The end of an operation.
const OPERATION: u16 = 2;

relsim_markers::name_region!(1, "measured");
relsim_markers::name_region!(2, "operation");

/// The end of an operation.
#[inline(always)]
pub fn operation() {
    relsim_markers::instant::<OPERATION>();
}

/// How often something is done before it is measured.
pub const WARM_UP: u64 = 64;

/// Runs `body`, and that is what is measured.
#[inline(always)]
pub fn measure<T>(body: impl FnOnce() -> T) -> T {
    let _region = relsim_markers::Region::<MEASURED>::enter();
    body()
}

/// What came out.
#[derive(Debug, Clone, Copy, Default)]
pub struct Score {
    /// Operations that were measured.
    pub operations: u64,
    /// Wrong answers.
    pub errors: u64,
    /// User interrupts that the measuring thread sent, if it counts them.
    pub sent: u64,
    /// System calls that it made, if it counts them.
    pub calls: u64,
    /// Cycles from sending to receiving, if it knows them.
    pub latency: u64,
}

impl Score {
    /// Prints the line that relsim looks for.
    pub fn report(self) {
        let Self { operations, errors, sent, calls, latency } = self;
        println!(
            "result operations={operations} errors={errors} sent={sent} calls={calls} latency={latency}"
        );
    }
}
