//! Address spaces: the same outline in each (so that code and handlers are always mapped), random leaves
//! where the data window is seen.

use super::layout::{BODY, BODY_END, DATA, RAM, TABLES};
use super::rng::Rng;

const PAGE: u64 = 4096;
const MEGA: u64 = 1 << 21;
const GIGA: u64 = 1 << 30;

/// What is added to a physical address of the code to reach U-mode's view of it: a gigapage.
pub const USER_CODE: u64 = GIGA;
/// The same for the view in 4 KiB pages with random rights.
pub const PAGED_CODE: u64 = 6 * GIGA;
/// Virtual address of the first data slot.
const SLOTS: u64 = 4 * GIGA;
/// 4 KiB slots.
pub const SMALL_SLOTS: u64 = 64;
/// 2 MiB slots, after the one that holds the small slots.
pub const MEGA_SLOTS: u64 = 15;
/// Numbers of the gigapages that are slots.
const GIGA_SLOTS: [u64; 2] = [5, 6];
/// Gigapage whose entry points to a table, with bits set that a pointer must not have.
const BAD_POINTER: u64 = 7;
/// A page of the negative half: the small slots again.
const NEGATIVE: u64 = 0xffff_ffff_c000_0000;

const V: u64 = 1;
const R: u64 = 2;
const W: u64 = 4;
const X: u64 = 8;
const U: u64 = 0x10;
const G: u64 = 0x20;
const A: u64 = 0x40;
const D: u64 = 0x80;

/// An address space.
#[derive(Debug, Clone)]
pub struct Space {
    /// Value of `satp`.
    pub satp: u64,
    /// Table of the small slots.
    small: u64,
    /// Table whose entries 1 to 15 are the 2 MiB slots.
    mega: u64,
    /// Table with the gigapages.
    giga: u64,
    /// Table of the code in 4 KiB pages.
    code_pages: u64,
    /// A and D are set in all leaves.
    used: bool,
    /// Virtual addresses at which something of the data window, or of nothing, can be seen.
    pub views: Vec<u64>,
    /// Its tables: address and words.
    pub tables: Vec<(u64, Vec<u64>)>,
}

fn entry(pa: u64, flags: u64) -> u64 {
    (pa >> 12) << 10 | flags
}

/// Rights of a leaf: mostly sensible, all combinations possible, with the bits of the extensions. `used` sets
/// A and D beforehand.
fn leaf_flags(rng: &mut Rng, used: bool) -> u64 {
    let mut flags = match rng.below(10) {
        0 => rng.bits() & 0xff,
        1 => V | R,
        2 => V | X,
        3 => V | R | X,
        _ => V | R | W,
    };
    flags |= if rng.percent(50) { U } else { 0 } | if rng.percent(20) { G } else { 0 };
    flags |= if rng.percent(75) { A } else { 0 } | if rng.percent(60) { D } else { 0 };
    flags |= if used { A | D } else { 0 };
    flags |= rng.below(4) << 8;
    if rng.percent(6) {
        flags |= rng.below(3) << 61;
    }
    flags
}

/// A leaf for a small slot.
fn small_leaf(rng: &mut Rng, used: bool) -> u64 {
    let flags = leaf_flags(rng, used);
    if rng.percent(8) {
        // Svnapot: the window as one 64 KiB page, sometimes with a size that does not exist.
        // QEMU sets A and D before it sees that: they are set already.
        let (size, used) = if rng.percent(80) { (0x8000, 0) } else { (rng.below(16) << 12, A | D) };
        return entry(DATA | size, flags | used | 1 << 63);
    }
    entry(DATA + PAGE * rng.below(4), flags)
}

/// Rights of a page of code.
fn code_flags(rng: &mut Rng, used: bool) -> u64 {
    match rng.below(24) {
        0 => leaf_flags(rng, used) & 0xff & !W,
        1..=12 => V | R | X | U | A | D,
        13 => V | X | U,
        14 => V | X,
        _ => V | R | W | X | A | D,
    }
}

/// A leaf for a larger slot; sometimes not aligned to its size.
fn large_leaf(rng: &mut Rng, pa: u64, used: bool) -> u64 {
    let skew = if rng.percent(8) { PAGE << rng.below(9) } else { 0 };
    entry(pa | skew, leaf_flags(rng, used))
}

/// Hands out pages for tables.
struct Pool {
    next: u64,
    tables: Vec<(u64, Vec<u64>)>,
}

impl Pool {
    fn table(&mut self) -> u64 {
        let at = self.next;
        self.next += PAGE;
        self.tables.push((at, vec![0; 512]));
        at
    }

    fn set(&mut self, table: u64, index: u64, value: u64) {
        if let Some((_, words)) = self.tables.iter_mut().find(|(at, _)| *at == table) {
            words[index as usize] = value;
        }
    }
}

impl Space {
    /// A slot in which the window is readable and writable from U-mode whatever happens.
    pub const SAFE_USER: u64 = SLOTS + (SMALL_SLOTS + 2) * PAGE;
    /// Pages that a space takes at most.
    const TABLE_BYTES: u64 = 16 * PAGE;

    /// Space `number` of a program. `mode` is 8, 9 or 10: Sv39, Sv48, Sv57. `used`: A and D are set in all
    /// leaves.
    pub fn new(rng: &mut Rng, number: u64, mode: u64, used: bool) -> Self {
        let mut pool = Pool { next: TABLES + number * Self::TABLE_BYTES, tables: Vec::new() };
        let root = pool.table();
        // Down the left edge, and down the right edge for the negative half, to the table of gigapages.
        let (mut giga, mut top) = (root, root);
        let mut huge = Vec::new();
        for level in (3..mode - 5).rev() {
            let (left, right) = (pool.table(), pool.table());
            pool.set(giga, 0, entry(left, V));
            pool.set(top, 511, entry(right, V));
            // A page of 512 GiB or more; its physical addresses begin at zero.
            pool.set(giga, 1, large_leaf(rng, 0, used));
            huge.push((1 << (12 + 9 * level)) + DATA);
            (giga, top) = (left, right);
        }
        let [mega, small, code, code_pages] = [0; 4].map(|_| pool.table());
        pool.set(giga, 2, entry(RAM, V | R | W | X | A | D | G));
        pool.set(giga, 3, entry(RAM, V | R | X | U | A | D));
        pool.set(giga, 4, entry(mega, V));
        pool.set(top, 511, entry(mega, V));
        pool.set(giga, 8, entry(code, V));
        pool.set(code, 0, entry(code_pages, V));
        let mut views = huge;
        for n in GIGA_SLOTS {
            pool.set(giga, n, large_leaf(rng, RAM, used));
            views.push(n * GIGA + (DATA - RAM));
        }
        pool.set(giga, BAD_POINTER, entry(mega, V | rng.pick(&[U, A, D, W, 1 << 61, 1 << 63])));
        views.push(BAD_POINTER * GIGA);
        pool.set(mega, 0, entry(small, V));
        for n in 1..=MEGA_SLOTS {
            pool.set(mega, n, large_leaf(rng, DATA, used));
            views.push(SLOTS + n * MEGA);
        }
        for n in 0..SMALL_SLOTS {
            pool.set(small, n, small_leaf(rng, used));
            views.extend([SLOTS + n * PAGE, SLOTS + n * PAGE, NEGATIVE + n * PAGE]);
        }
        // A pointer at the last level, a safe slot, and pages that are not there.
        pool.set(small, SMALL_SLOTS, entry(DATA, V));
        pool.set(small, SMALL_SLOTS + 2, entry(DATA + 2 * PAGE, V | R | W | U | A | D));
        views.extend([SLOTS + SMALL_SLOTS * PAGE, SLOTS + 200 * PAGE, 0xffff_ffff_0000_0000]);
        for page in (BODY..BODY_END).step_by(PAGE as usize) {
            let flags = code_flags(rng, used);
            pool.set(code_pages, page / PAGE % 512, entry(page, flags));
        }
        let asid = if rng.percent(50) { rng.below(1 << 16) << 44 } else { 0 };
        Self {
            satp: mode << 60 | asid | root >> 12,
            small,
            mega,
            giga,
            code_pages,
            used,
            views,
            tables: pool.tables,
        }
    }

    /// A random new value for a random slot: address and entry.
    pub fn poke(&self, rng: &mut Rng) -> (u64, u64) {
        let used = self.used;
        match rng.below(8) {
            0 => (self.giga + 8 * rng.pick(&GIGA_SLOTS), large_leaf(rng, RAM, used)),
            1 | 2 => (self.mega + 8 * (1 + rng.below(MEGA_SLOTS)), large_leaf(rng, DATA, used)),
            _ => (self.small + 8 * rng.below(SMALL_SLOTS), small_leaf(rng, used)),
        }
    }

    /// New rights for the page of code at physical address `pa`, or the one after it.
    pub fn poke_code(&self, rng: &mut Rng, pa: u64) -> (u64, u64) {
        let page = pa / PAGE * PAGE + PAGE * rng.below(2);
        (self.code_pages + page / PAGE % 512 * 8, entry(page, code_flags(rng, self.used)))
    }

    /// The page-table words that blocks may change (A and D): address and count.
    pub fn sums(&self) -> [(u64, u64); 3] {
        [(self.small, SMALL_SLOTS), (self.mega, 16), (self.giga, 16)]
    }
}
