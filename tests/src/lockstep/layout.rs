//! Where things lie in the guest's memory. Offsets below 1 GiB are the same in every alias of the code.

/// Start of memory, and of the code that both simulators enter in M-mode.
pub const RAM: u64 = 0x8000_0000;
/// Size of the guest's memory.
pub const RAM_BYTES: u64 = 64 << 20;
/// Random code.
pub const BODY: u64 = RAM + 0x1_0000;
/// Where random code ends at the latest.
pub const BODY_END: u64 = RAM + 0x1f_0000;
/// The data window, at the start of a 2 MiB page so that large pages can map it.
pub const DATA: u64 = RAM + 0x20_0000;
/// Size of the data window: what one Svnapot page covers.
pub const DATA_BYTES: u64 = 0x1_0000;
/// The part of the window whose checksum goes to the log after each block.
pub const SUMMED_BYTES: u64 = 0x4000;
/// Cells of the runtime, see [`cell`].
pub const CELLS: u64 = RAM + 0x28_0000;
/// Page tables.
pub const TABLES: u64 = RAM + 0x30_0000;
/// One descriptor for each run of a block.
pub const RUNS: u64 = RAM + 0x40_0000;
/// The log.
pub const LOG: u64 = RAM + 0x100_0000;
/// No block starts when the log has come this far.
pub const LOG_END: u64 = RAM + RAM_BYTES - 0x20_0000;

/// Bits of an address that tell a place in the code, whatever alias it is seen through.
pub const PLACE_MASK: u64 = (1 << 30) - 1;

/// Offsets from [`CELLS`].
pub mod cell {
    /// t0, t1, t2, t3 of the code that trapped into M.
    pub const SAVE_M: i32 = 0;
    /// Where the next log record goes.
    pub const LOG: i32 = 32;
    /// Traps that the block may still take.
    pub const BUDGET: i32 = 40;
    /// The current descriptor.
    pub const RUN: i32 = 48;
    /// Place at which the block ends.
    pub const END: i32 = 56;
    /// How S-mode's handler leaves: 0 with `ecall`, else with `ebreak`.
    pub const ESCAPE: i32 = 64;
    /// t0, t1, t2, t3 of the code that trapped into S.
    pub const SAVE_S: i32 = 128;
    /// A word for stores that mean nothing.
    pub const SCRATCH: i32 = 192;
}

/// A machine that the random code can see differently in each run of a block.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// Where the block is entered: a virtual address.
    pub mepc: u64,
    /// `mstatus` before the `mret` that enters the block.
    pub mstatus: u64,
    /// `medeleg`.
    pub medeleg: u64,
    /// `mideleg`.
    pub mideleg: u64,
    /// `mie`.
    pub mie: u64,
    /// Interrupts that software has raised.
    pub mip: u64,
    /// `satp`.
    pub satp: u64,
    /// `mcounteren`.
    pub mcounteren: u64,
    /// `scounteren`.
    pub scounteren: u64,
    /// Entries 0 to 7 of the PMP.
    pub pmpcfg0: u64,
    /// `pmpaddr0` to `pmpaddr3`.
    pub pmpaddr: [u64; 4],
    /// `fcsr`.
    pub fcsr: u64,
    /// 1 for a vectored `mtvec`.
    pub mtvec_mode: u64,
    /// 1 for a vectored `stvec`.
    pub stvec_mode: u64,
    /// 1 for an `sfence.vma`; without it there must be no pokes.
    pub fence: u64,
    /// Place at which the block ends.
    pub end: u64,
    /// See [`cell::ESCAPE`].
    pub escape: u64,
    /// Traps after which the block is ended.
    pub budget: u64,
    /// Page-table entries written before the block: address and value.
    pub pokes: [(u64, u64); 4],
    /// Page-table words to be summed after the block: address and count.
    pub sums: [(u64, u64); 3],
    /// x1 to x31.
    pub x: [u64; 31],
    /// f0 to f31.
    pub f: [u64; 32],
}

/// Word numbers in a descriptor.
pub mod word {
    /// 1 where a run follows, 0 at the end.
    pub const MORE: usize = 0;
    /// The scalars of [`super::Run`], in order.
    pub const MEPC: usize = 1;
    /// `mstatus`.
    pub const MSTATUS: usize = 2;
    /// First of `medeleg`, `mideleg`, `mie`, `mip`, `satp`, `mcounteren`, `scounteren`.
    pub const MEDELEG: usize = 3;
    /// `pmpcfg0`.
    pub const PMPCFG: usize = 10;
    /// First of four `pmpaddr`.
    pub const PMPADDR: usize = 11;
    /// `fcsr`.
    pub const FCSR: usize = 15;
    /// `mtvec`'s mode.
    pub const MTVEC: usize = 16;
    /// `stvec`'s mode.
    pub const STVEC: usize = 17;
    /// Whether there is a fence.
    pub const FENCE: usize = 18;
    /// End.
    pub const END: usize = 19;
    /// Escape.
    pub const ESCAPE: usize = 20;
    /// Budget.
    pub const BUDGET: usize = 21;
    /// Pokes.
    pub const POKES: usize = 22;
    /// Sums.
    pub const SUMS: usize = 30;
    /// x1.
    pub const X: usize = 36;
    /// f0.
    pub const F: usize = X + 31;
    /// How many words a descriptor has.
    pub const COUNT: usize = F + 32;
}

impl Run {
    /// The descriptor's words.
    pub fn words(&self) -> Vec<u64> {
        let mut words =
            vec![1, self.mepc, self.mstatus, self.medeleg, self.mideleg, self.mie, self.mip, self.satp];
        words.extend([self.mcounteren, self.scounteren, self.pmpcfg0]);
        words.extend(self.pmpaddr);
        words.extend([
            self.fcsr,
            self.mtvec_mode,
            self.stvec_mode,
            self.fence,
            self.end,
            self.escape,
            self.budget,
        ]);
        words.extend(self.pokes.iter().chain(&self.sums).flat_map(|&(a, b)| [a, b]));
        words.extend(self.x);
        words.extend(self.f);
        assert_eq!(words.len(), word::COUNT);
        words
    }
}
