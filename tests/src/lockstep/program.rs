//! A program: blocks, the runs of each block, address spaces and memory contents, as one image.

use super::block::{Block, Maker, Waits};
use super::code::{Code, lay_out};
use super::layout::{
    BODY, BODY_END, CELLS, DATA, DATA_BYTES, LOG, PLACE_MASK, RAM, RUNS, Run, SUMMED_BYTES, cell,
};
use super::paging::{PAGED_CODE, Space, USER_CODE};
use super::rng::Rng;
use super::rows::{Rows, Variant};
use super::runtime::{self, Options};
use super::values::{fp_register, integer};

const BLOCKS: usize = 200;
const RUNS_PER_BLOCK: usize = 20;
const SPACES: u64 = 6;
/// Traps after which a block is ended.
const TRAP_BUDGET: u64 = 60;

const S_INTERRUPTS: u64 = 0x222;
/// Causes that `medeleg` can have: all but the call from M.
const DELEGABLE: u64 = 0xb3ff;
const BREAKPOINT: u64 = 1 << 3;
const LOAD_ACCESS: u64 = 1 << 5;
const STORE_ACCESS: u64 = 1 << 7;
const CALL_S: u64 = 1 << 9;

/// Asks for a shortened program: only so many gadgets of one block, to find the one at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shorten {
    /// The block.
    pub block: usize,
    /// How many of its gadgets stay.
    pub keep: usize,
}

/// A block at its address.
pub struct Placed {
    /// The block.
    pub block: Block,
    /// Its physical address.
    pub address: u64,
    /// Its words.
    pub code: Code,
}

/// A program.
pub struct Program {
    /// What it was made from.
    pub seed: u64,
    /// Instruction set.
    pub variant: Variant,
    /// Blocks in the order of their addresses.
    pub blocks: Vec<Placed>,
    /// The runs, in order: block number and circumstances.
    pub runs: Vec<(usize, Run)>,
    /// What is to be loaded where.
    pub pieces: Vec<(u64, Vec<u8>)>,
    /// Instructions.
    pub rows: Rows,
}

fn bytes_of(words: impl IntoIterator<Item = u64>) -> Vec<u8> {
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// The instruction set of `seed`: one program in eight has no compressed instructions.
fn variant(seed: u64) -> Variant {
    Variant { compressed: seed % 8 != 7 }
}

impl Program {
    /// The program of `seed`.
    ///
    /// # Panics
    /// If the pieces do not fit where they belong: a mistake in the sizes above.
    pub fn new(seed: u64) -> Self {
        Self::make(seed, None)
    }

    /// The same, shortened.
    ///
    /// # Panics
    /// As [`Program::new`].
    pub fn shortened(seed: u64, shorten: Shorten) -> Self {
        Self::make(seed, Some(shorten))
    }

    fn make(seed: u64, shorten: Option<Shorten>) -> Self {
        let variant = variant(seed);
        // Some programs have PMP entries; what else they may not have is in `exceptions`.
        let protected = seed % 3 == 1;
        let mut rng = Rng::new(seed);
        let timer = seed.is_multiple_of(2);
        let runtime = runtime::build(Options { timer, protected });
        let fs_varies = seed % 5 == 4;
        let rows = Rows::new(variant, protected);
        let space = |n| Space::new(&mut rng, n, [8, 9, 8, 9, 10, 8][n as usize], protected);
        let spaces: Vec<Space> = (0..SPACES).map(space).collect();
        let satps: Vec<u64> = spaces.iter().map(|s| s.satp).chain([0]).collect();
        let maker = Maker { rows: &rows, runtime: &runtime, satps: &satps, status_hidden: fs_varies, timer };

        let mut blocks = Vec::new();
        let mut address = BODY;
        let mut code_bytes = Vec::new();
        for number in 0..BLOCKS {
            let block = maker.block(&mut rng);
            let keep = shorten.filter(|s| s.block == number).map_or(block.gadgets.len(), |s| s.keep);
            let code = lay_out(&block.gadgets, keep);
            let start = code_bytes.len();
            for &word in &code.words {
                let len = super::code::word_bytes(word) as usize;
                code_bytes.extend(&word.to_le_bytes()[..len]);
            }
            blocks.push(Placed { block, address, code });
            // Now and then a block straddles a page in the middle of an instruction.
            let unit = if variant.compressed { 2 } else { 4 };
            let gap = unit * rng.below(8) as usize;
            let end = (code_bytes.len() + gap).next_multiple_of(unit);
            code_bytes.resize(end, 0);
            address += (code_bytes.len() - start) as u64;
        }
        assert!(address <= BODY_END, "the blocks do not fit");

        let mut runs = Vec::new();
        for (number, placed) in blocks.iter().enumerate() {
            let home = &spaces[rng.below(SPACES) as usize];
            for _ in 0..RUNS_PER_BLOCK {
                let mut run = run(&mut rng, &rows, placed, home, &spaces);
                if fs_varies && rng.percent(80) {
                    run.mstatus = run.mstatus & !(3 << 13) | rng.below(4) << 13;
                }
                if protected && rng.percent(70) {
                    let space = spaces.iter().find(|s| s.satp == run.satp).unwrap_or(&spaces[0]);
                    // A calm block's safe pointer must stay good.
                    let table = (!placed.block.calm).then_some(space.sums()[0].0);
                    protect(&mut rng, &mut run, table);
                }
                runs.push((number, run));
            }
        }
        let descriptors = bytes_of(runs.iter().flat_map(|(_, run)| run.words()));
        assert!(RUNS + descriptors.len() as u64 <= LOG, "the descriptors do not fit");

        let mut pieces = vec![(RAM, runtime.bytes), (BODY, code_bytes), (RUNS, descriptors)];
        for space in &spaces {
            pieces.extend(space.tables.iter().map(|(at, words)| (*at, bytes_of(words.iter().copied()))));
        }
        let words = DATA_BYTES / 8;
        let data =
            (0..words).map(|_| if rng.percent(50) { fp_register(&mut rng) } else { integer(&mut rng) });
        pieces.push((DATA, bytes_of(data)));
        Self { seed, variant, blocks, runs, pieces, rows }
    }

    /// The block and the gadget at the place of `address`, through whatever alias.
    pub fn find(&self, address: u64) -> Option<(usize, usize)> {
        let place = RAM | address & PLACE_MASK;
        let number = self.blocks.iter().rposition(|b| b.address <= place)?;
        let starts = &self.blocks[number].code.starts;
        let offset = place - self.blocks[number].address;
        Some((number, starts.iter().rposition(|&s| s <= offset)?))
    }
}

/// Privilege and translation in which a block runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Machine,
    Supervisor,
    User,
}

/// The circumstances of a run of `placed`, mostly in address space `home`.
fn run(rng: &mut Rng, rows: &Rows, placed: &Placed, home: &Space, spaces: &[Space]) -> Run {
    let block = &placed.block;
    let mode = match rng.below(20) {
        _ if block.waits == Waits::Wakes => Mode::Machine,
        0..=4 if block.waits == Waits::No => Mode::Machine,
        0..=11 => Mode::Supervisor,
        _ => Mode::User,
    };
    let space = if rng.percent(60) { home } else { &spaces[rng.below(spaces.len() as u64) as usize] };
    let paged = rng.percent(if mode == Mode::Machine { 90 } else { 75 });
    let alias = match mode {
        Mode::Machine => 0,
        _ if paged && rng.percent(30) => PAGED_CODE,
        Mode::User if paged => USER_CODE,
        _ => 0,
    };

    // Interrupt enables of the return, SPP, SUM, MXR, and with less weight what makes instructions trap.
    let mut mstatus = 0xa << 32 | rng.bits() & (1 << 1 | 1 << 5 | 1 << 7 | 1 << 8 | 3 << 18);
    mstatus |= if rng.percent(92) { 3 << 13 } else { 0 };
    mstatus |= [3, 1, 0][mode as usize] << 11;
    if mode == Mode::Machine && !block.calm && rng.percent(40) {
        mstatus |= 1 << 17;
    }
    for bit in [20, 21, 22] {
        mstatus |= u64::from(rng.percent(10)) << bit;
    }
    match block.waits {
        Waits::No => {}
        Waits::Traps => mstatus |= 1 << 21,
        // MPIE: interrupts are off in the block.
        Waits::Wakes => mstatus &= !(1 << 7),
    }
    let returns_trap = mstatus >> 22 & 1 == 1;
    let escape = rng.below(2);
    let mut medeleg = if rng.percent(35) { 0 } else { rng.bits() & DELEGABLE };
    // Bit 0 may be wired to zero where jumps are always aligned (privileged 3.1.8).
    medeleg &= if rows.compressed { !1 } else { u64::MAX };
    // QEMU takes some faults of AMOs for those of loads (see `exceptions`): both go to the same level.
    medeleg = medeleg & !STORE_ACCESS | if medeleg & LOAD_ACCESS != 0 { STORE_ACCESS } else { 0 };
    medeleg &= if escape == 1 { !BREAKPOINT } else { !CALL_S };
    let mut mideleg = rng.bits() & S_INTERRUPTS;
    if returns_trap {
        // S-mode's handler could not return.
        (medeleg, mideleg) = (0, 0);
    }

    let mut run = Run {
        mepc: placed.address + alias,
        mstatus,
        medeleg,
        mideleg,
        mie: rng.bits() & S_INTERRUPTS,
        mip: if rng.percent(20) { rng.bits() & S_INTERRUPTS } else { 0 },
        satp: if paged { space.satp } else { 0 },
        mcounteren: rng.bits() & 0xffff_ffff,
        scounteren: rng.bits() & 0xffff_ffff,
        fcsr: rng.bits() & 0x1f | rng.pick(&[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6, 7]) << 5,
        mtvec_mode: rng.below(2),
        stvec_mode: rng.below(2),
        end: (placed.address + placed.code.starts[block.gadgets.len()]) & PLACE_MASK,
        escape,
        budget: TRAP_BUDGET,
        sums: space.sums(),
        ..Run::default()
    };
    // Nothing to poke: a cell that means nothing.
    run.pokes = [(CELLS + cell::SCRATCH as u64, 0); 4];
    // The return into the block changes MPP under MPRV, or S may meet a page of U's that it has read under
    // SUM: see `exceptions`.
    let (lent, user_pages) = (mstatus >> 17 & 1 == 1, mstatus >> 18 & 1 == 1 && alias == PAGED_CODE);
    run.fence = u64::from(lent || user_pages && mode == Mode::Supervisor);
    if rng.percent(40) {
        run.fence = 1;
        run.pokes = [0; 4].map(|_| space.poke(rng));
    }
    if alias == PAGED_CODE && run.fence == 1 && rng.percent(50) {
        run.pokes[0] = space.poke_code(rng, placed.address);
    }
    run.x = [0; 31].map(|_| integer(rng));
    run.f = [0; 32].map(|_| fp_register(rng));
    let mut set = |register: u8, value: u64| run.x[usize::from(register) - 1] = value;
    for &register in &block.pointers {
        set(register, pointer(rng, mode, paged, rows.aligned, space, placed.address / 4));
    }
    set(block.counter, rng.below(16));
    set(block.nowhere, rng.pick(&NOWHERE));
    let inside = (8 + rng.below(240)) * 16;
    let safe = if mode == Mode::User && paged { Space::SAFE_USER } else { DATA + 0x2000 };
    set(block.safe, safe + inside);
    run
}

/// Addresses at which nothing can be fetched in any mode. (`DATA` could be executed in M.)
const NOWHERE: [u64; 6] =
    [0x8800_0000, 0x8800_0001, 0x0123_4567_89ab_cdee, 0x1_000c_8000, 0xffff_ffff_0000_0000, 0x1_c000_0000];

/// Protects parts of the window (never its third page), or page table `table`, from S and U.
fn protect(rng: &mut Rng, run: &mut Run, table: Option<u64>) {
    const TOR: u64 = 1;
    const NA4: u64 = 2;
    const NAPOT: u64 = 3;
    for entry in 0..3 {
        // Write without read is reserved.
        let rights = rng.pick(&[0, 1, 3, 4, 5, 7]);
        let page = DATA + rng.pick(&[0, 1, 3]) * 0x1000;
        let (mode, address) = match rng.below(8) {
            0 => (TOR, page + rng.below(0x200) * 8),
            1 => (NA4, page + rng.below(0x400) * 4),
            2 => (NAPOT, table.unwrap_or(page) | 0x7ff),
            3..=5 => (NAPOT, page | 0x7ff),
            _ => {
                let size = 8 << rng.below(9);
                (NAPOT, (page + rng.below(0x1000 / size) * size) | (size / 2 - 1))
            }
        };
        if mode == TOR && entry == 0 {
            // From zero up: it would take everything else away from S and U.
            continue;
        }
        if mode == TOR {
            // The entry below gives the start, whatever it is for itself.
            run.pmpaddr[entry - 1] = (page + 0x100) >> 2;
            run.pmpcfg0 &= !(0xff << (8 * (entry - 1)));
        }
        run.pmpaddr[entry] = address >> 2;
        run.pmpcfg0 |= (mode << 3 | rights) << (8 * entry);
    }
}

/// A data pointer: mostly to the window, as the mode sees it.
fn pointer(rng: &mut Rng, mode: Mode, paged: bool, aligned: bool, space: &Space, favourite: u64) -> u64 {
    let offset = match rng.below(20) {
        0..=12 => rng.below(512) * 8,
        _ if aligned => rng.below(512) * 8,
        13 => rng.below(1024) * 4,
        14 | 15 => rng.below(4096),
        _ => 0xff8 + rng.below(8),
    };
    let physical = DATA + rng.below(SUMMED_BYTES / 4096) * 4096 + offset;
    let bad = [0x8800_0000, 0x0123_4567_89ab_c000, u64::MAX - 0xf_ffff, 1 << 38, 1 << 47, 1 << 56];
    let natural = match (mode, paged) {
        (Mode::User, true) => Space::SAFE_USER + offset,
        _ => physical,
    };
    // A block has some views that its runs come back to, under other rights.
    let number = if rng.percent(75) { favourite + 37 * rng.below(5) } else { rng.bits() };
    let view = space.views[(number % space.views.len() as u64) as usize] + offset;
    let (own, seen) = if paged && mode != Mode::Machine { (35, 85) } else { (70, 85) };
    match rng.below(100) {
        n if n < own => natural,
        n if n < seen => view,
        n if n < 90 => physical + USER_CODE,
        n if n < 94 => physical,
        _ => rng.pick(&bad) + offset % 4096 / 8 * 8,
    }
}
