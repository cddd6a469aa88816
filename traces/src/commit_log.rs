//! Spike's `--log-commits` format, bit by bit: one line per retired instruction.
//!
//! ```text
//! core   0: 3 0x0000000080000000 (0x00000297) x5  0x0000000080000000
//! core   0: 3 0x0000000080000004 (0x0002b303) x6  0x0000000000000297 mem 0x0000000080000000
//! core   0: 3 0x0000000080000008 (0x30529073) c773_mtvec 0x0000000080000000
//! core   0: 3 0x000000008000000c (0xe11c) mem 0x0000000080001000 0x0000000000000297
//! ```
//!
//! Hart, privilege before the instruction, address, word; then what was written, in the order of register
//! numbers (an integer register before the floating-point one and the CSR of the same number); then loads
//! with their addresses; then stores with addresses and values. Traps have no line.
//!
//! Source: riscv-isa-sim `riscv/execute.cc`, `commit_log_print_insn`.

use std::io::{self, Write};

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;

/// Writes the log while a machine runs.
pub struct CommitLog<W: Write> {
    out: W,
    error: Option<io::Error>,
}

impl<W: Write> CommitLog<W> {
    /// A log that goes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out, error: None }
    }

    /// Ends the log.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}

impl<W: Write> Observer for CommitLog<W> {
    const ON: bool = true;

    fn retired(&mut self, _hart: &Hart, _bus: &Bus, _op: &Op, _pc: u64, _privilege: Priv) {}

    fn trapped(&mut self, _: &Hart, _: &Bus, _: &TrapTaken) {}

    /// There is no use in going on without the log.
    fn wants_stop(&self) -> bool {
        self.error.is_some()
    }
}
