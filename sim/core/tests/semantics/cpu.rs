//! A hart with memory that executes single instructions.

use std::sync::Arc;

use relsim_core::bus::Bus;
use relsim_core::csr::CsrTable;
use relsim_core::decode::Decoder;
use relsim_core::device::{Clock, NoConsole};
use relsim_core::hart::{Hart, HartConfig};
use relsim_core::insn::{Done, InsnDef, Stop};
use relsim_core::isa::{Ext, ExtSet};
use relsim_core::ram::Ram;
use relsim_core::rows;
use relsim_core::trap::Cause;

/// Where memory begins.
pub const RAM: u64 = 0x8000_0000;
/// How much there is.
pub const RAM_BYTES: u64 = 0x1_0000;
/// Where instructions stand.
pub const PC: u64 = RAM + 0x8000;

/// Every extension.
pub fn everything() -> ExtSet {
    let mut isa = ExtSet::EMPTY;
    Ext::ALL.iter().for_each(|&ext| isa.insert(ext));
    isa
}

/// The row called `name`.
pub fn row(name: &str) -> &'static InsnDef {
    let mut all = rows::BASE.iter().flat_map(|file| file.iter());
    all.find(|def| def.name == name).unwrap_or_else(|| panic!("no row is called {name}"))
}

/// The word of `name` with these registers; for formats that have them in the usual places.
pub fn word(name: &str, rd: u32, rs1: u32, rs2: u32) -> u32 {
    let pattern = row(name).pattern;
    pattern.bits | (rd << 7 | rs1 << 15 | rs2 << 20) & !pattern.mask
}

/// The word of `name` with a 12-bit immediate in the place of loads and arithmetic.
pub fn word_imm(name: &str, rd: u32, rs1: u32, imm: i32) -> u32 {
    word(name, rd, rs1, 0) | (imm as u32) << 20
}

/// A hart, its memory, its decoder.
pub struct Cpu {
    pub hart: Hart,
    pub bus: Bus,
    pub decoder: Decoder,
}

impl Cpu {
    /// A hart with every extension, in M-mode, without PMP.
    pub fn new() -> Self {
        Self::with_isa(everything())
    }

    pub fn with_isa(isa: ExtSet) -> Self {
        let config = HartConfig {
            id: 0,
            isa,
            misaligned_ok: true,
            pmp_entries: 0,
            reset_pc: PC,
            ids: [0; 3],
            firmware_calls: false,
        };
        let csrs = CsrTable::new(isa, &[]).expect("no CSR stands twice");
        Self {
            hart: Hart::new(config, Arc::new(csrs)),
            bus: Bus::new(Ram::new(RAM, RAM_BYTES), 1, Clock::new(1_000_000, 1_000_000), Box::new(NoConsole)),
            decoder: Decoder::new(isa, &[]).expect("the rows make a decoder"),
        }
    }

    /// Executes `word` at [`PC`]; afterwards `hart.next_pc` is where control goes.
    pub fn execute(&mut self, word: u32) -> Done {
        let op = self.decoder.op(word, 0, 0);
        self.hart.pc = PC;
        self.hart.next_pc = PC + u64::from(op.len);
        let mut done = (op.exec)(&mut self.hart, &mut self.bus, &op);
        if done == Err(Stop::Alone) {
            // What the hot loop does before an access that is not to memory.
            self.hart.mmu.alone = true;
            done = (op.exec)(&mut self.hart, &mut self.bus, &op);
            self.hart.mmu.alone = false;
        }
        assert_eq!(self.hart.x(0), 0, "{word:#010x} wrote x0");
        done
    }

    /// Executes `word`, which must retire and fall through.
    pub fn run(&mut self, word: u32) {
        let done = self.execute(word);
        assert_eq!(done, Ok(()), "{word:#010x} raised {:?}", self.hart.raised);
        assert_eq!(self.hart.next_pc, PC + if word & 3 == 3 { 4 } else { 2 }, "{word:#010x} jumped");
    }

    /// Executes `word`, which must trap; the cause and value. Registers must stay as they are.
    pub fn fault(&mut self, word: u32) -> (Cause, u64) {
        let before = *self.hart.x;
        let done = self.execute(word);
        assert_eq!(done, Err(Stop::Trap), "{word:#010x} did not trap");
        assert_eq!(before, *self.hart.x, "{word:#010x} trapped and wrote a register");
        (self.hart.raised.cause, self.hart.raised.tval)
    }

    /// Sets integer register `r`.
    pub fn set(&mut self, r: u8, value: u64) {
        self.hart.write_x(r, value);
    }

    /// Integer register `r`.
    pub fn x(&self, r: u8) -> u64 {
        self.hart.x(r)
    }

    /// Eight bytes of memory.
    pub fn peek(&self, pa: u64) -> u64 {
        self.bus.ram.get(pa).expect("inside memory")
    }

    pub fn poke(&mut self, pa: u64, value: u64) {
        self.bus.ram.put(pa, value).expect("inside memory");
    }
}

/// Values with corners in them: around zero, around the ends of 8, 16, 32 and 64 bits, single bits, patterns.
pub fn corners() -> Vec<u64> {
    let mut values =
        vec![0, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, 0xaaaa_aaaa_aaaa_aaaa, 0x5555_5555_5555_5555];
    values.extend([
        0x0080_ff00_0100_8000,
        0xffff_ffff_0000_0000,
        0x0000_0000_ffff_ffff,
        0x8000_0000_8000_0000,
    ]);
    for bit in [0, 1, 7, 8, 15, 16, 31, 32, 33, 62, 63] {
        let one = 1u64 << bit;
        values.extend([one, one.wrapping_sub(1), one.wrapping_neg(), one.wrapping_neg().wrapping_sub(1)]);
    }
    values.sort_unstable();
    values.dedup();
    values
}
