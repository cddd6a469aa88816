//! What a run gives back: plain data, serialised by the CLI.

use std::collections::BTreeMap;

use relsim_core::hart::Hart;
use relsim_core::trap::{Cause, interrupt_name};
use serde::Serialize;

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Exit {
    /// The guest ended it with a status.
    Guest {
        /// The status; 0 is success.
        code: u32,
    },
    /// The guest asked for a reset.
    Reset,
    /// `--max-cycles`.
    CycleLimit,
    /// `--max-instructions`.
    InstructionLimit,
    /// Every hart sleeps and nothing can wake one.
    Dead {
        /// Where the harts are, for the message.
        detail: String,
    },
    /// Harts do nothing but trap into handlers that they cannot execute; the others, if any, sleep. No interrupt
    /// can come that would change that.
    Stuck {
        /// Which harts, and on what.
        detail: String,
    },
    /// Somebody outside asked the run to stop (Ctrl-C).
    Interrupted,
    /// The observer stopped it (a breakpoint).
    Stopped,
}

/// Counts of one hart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HartReport {
    /// Core cycles since reset.
    pub cycles: u64,
    /// Instructions retired since reset.
    pub instructions: u64,
    /// Exceptions and interrupts taken, by name; those that never happened are left out.
    pub traps: BTreeMap<&'static str, u64>,
    /// Interrupts that U-mode took itself.
    pub user_interrupts: u64,
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Why it ended.
    pub exit: Exit,
    /// Per hart, by number.
    pub harts: Vec<HartReport>,
    /// Calls that the built-in firmware served, each charged [`crate::MachineConfig::sbi_call_cycles`].
    pub firmware_calls: u64,
}

impl HartReport {
    /// The counts of `hart`.
    pub fn of(hart: &Hart) -> Self {
        let exceptions = Cause::ALL.iter().map(|&c| (c.name(), hart.counts.exceptions[c as usize]));
        let interrupts = (0u8..).zip(hart.counts.interrupts).map(|(code, n)| (interrupt_name(code), n));
        Self {
            cycles: hart.cycle,
            instructions: hart.instret,
            traps: exceptions.chain(interrupts).filter(|&(_, n)| n > 0).collect(),
            user_interrupts: hart.counts.interrupts[0]
                + hart.counts.interrupts[4]
                + hart.counts.interrupts[8],
        }
    }
}
