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
//! numbers (of the same number: integer register, floating-point register, CSR); then loads with their
//! virtual addresses; then stores with addresses and values. Traps have no line.
//!
//! Equal to Spike's own logs of riscv-tests from the first instruction in memory on, but for what the two
//! machines do differently within the specification: Spike's boot ROM is one instruction shorter (so
//! `mcycle` and `minstret` differ by one), its `mtimecmp` is 0 after reset (so `mip` shows a timer interrupt
//! until it is set), it gives up reservations between slices, has debug triggers, and lets `misa` be written.
//! One case cannot be told apart here: an `amocas.q` to x0 that fails although what it would store is there.
//!
//! Source: riscv-isa-sim `riscv/execute.cc` (`commit_log_print_insn`) and `riscv/csrs.cc`.

mod csrs;
mod line;
mod memory;

use std::io::{self, Write};

use relsim_core::bus::Bus;
use relsim_core::decode::Decoder;
use relsim_core::hart::{CsrWrite, Hart, Priv};
use relsim_core::insn::{File, Op, OpClass, X_SINK};
use relsim_core::isa::Ext;
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;

use csrs::CsrsBefore;
use line::Line;
use memory::{Compared, MemoryKind};

use crate::text::Lines;

/// What a row says about its log line.
#[derive(Debug, Clone, Copy)]
struct RowInfo {
    rd: File,
    memory: MemoryKind,
    /// `amocas.q` writes two registers.
    pair: bool,
}

/// Writes the log while a machine runs.
pub struct CommitLog<W: Write> {
    lines: Lines<W>,
    rows: Vec<RowInfo>,
    csrs_before: CsrsBefore,
    compared: Compared,
    writes: Vec<CsrWrite>,
    error: Option<io::Error>,
}

impl<W: Write> CommitLog<W> {
    /// A log of harts with `decoder` that goes to `out`, which need not be buffered.
    pub fn new(out: W, decoder: &Decoder) -> Self {
        // `Decoder::rows` leaves out row 0, the one for words that are no instruction: it never retires.
        let none = RowInfo { rd: File::None, memory: MemoryKind::None, pair: false };
        let rows = decoder.rows().map(|def| RowInfo {
            rd: def.fmt.files().rd,
            memory: MemoryKind::of(def),
            pair: def.name == "amocas.q",
        });
        Self {
            lines: Lines::new(out),
            rows: std::iter::once(none).chain(rows).collect(),
            csrs_before: CsrsBefore::default(),
            compared: Compared::default(),
            writes: Vec::new(),
            error: None,
        }
    }

    /// Ends the log.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.lines.finish(),
        }
    }
}

/// What went to the register files.
#[inline]
fn registers(line: &mut Line<'_>, hart: &Hart, op: &Op, info: RowInfo) {
    match info.rd {
        File::X if op.rd != X_SINK => {
            line.x(op.rd, hart.x(op.rd));
            if info.pair {
                line.x(op.rd + 1, hart.x(op.rd + 1));
            }
        }
        File::F => line.f(op.rd, hart.f(op.rd), hart.has(Ext::D)),
        File::X | File::None => {}
    }
}

impl<W: Write> Observer for CommitLog<W> {
    const ON: bool = true;

    #[inline]
    fn before(&mut self, hart: &Hart, bus: &Bus, op: &Op, _pc: u64) {
        self.csrs_before = CsrsBefore::of(hart, bus, op);
        if op.class == OpClass::Amo {
            self.compared = Compared::of(hart, op);
        }
    }

    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op, pc: u64, privilege: Priv) {
        let info = self.rows[usize::from(op.row)];
        let mut line = Line::begin(&mut self.lines.text, hart.config.id, privilege, pc, op);
        csrs::written(hart, bus, op, &self.csrs_before, &mut self.writes);
        // By number; a CSR comes after the integer and floating-point registers of its number.
        let rd = u16::from(op.rd);
        let name = |num| hart.csr_table.get(num).map(|row| row.name);
        let split = self.writes.partition_point(|write| write.num < rd);
        self.writes[..split].iter().for_each(|write| line.csr(*write, name(write.num)));
        registers(&mut line, hart, op, info);
        self.writes[split..].iter().for_each(|write| line.csr(*write, name(write.num)));
        memory::log(&mut line, hart, bus, op, info.memory, &self.compared);
        if let Err(error) = self.lines.end() {
            self.error.get_or_insert(error);
        }
    }

    fn trapped(&mut self, _: &Hart, _: &Bus, _: &TrapTaken) {}

    /// There is no use in going on without the log.
    fn wants_stop(&self) -> bool {
        self.error.is_some()
    }
}
