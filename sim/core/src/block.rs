//! Blocks of pre-decoded instructions: found by virtual address and context, kept by physical address,
//! linked to those that follow.
//!
//! A block goes on behind a branch, which leaves it where it is taken, and at the target of a jump in its page, each so often.
//! It ends at any other jump, at anything that may change what follows means, at the end of its page, or after [`MAX_OPS`].
//! It is dropped when somebody stores to a line that it was decoded from.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::bus::Bus;
use crate::decode::Decoder;
use crate::hart::Hart;
use crate::insn::{Done, Op, OpClass, Stop, X_SINK};
use crate::isa::Ext;
use crate::pmp::AccessKind;
use crate::ram::PAGE_BYTES;
use crate::region;
use crate::trap::Cause;

/// Longest block, in instructions.
pub const MAX_OPS: usize = 64;
/// Most branches in a block, which ends with the last of them, and most jumps within it. With more of them code executes
/// no quicker, and there are more ways through a block for a timing model to know.
const MAX_BRANCHES: usize = 2;
const MAX_JUMPS: usize = 2;
/// Entries of the table from virtual address to block.
const JUMP_ENTRIES: usize = 8192;
/// Blocks kept at a time; beyond that all are dropped.
const MAX_BLOCKS: usize = 1 << 17;

/// Multiplicative hashing of addresses: the tables are only ever asked, never listed.
#[derive(Default)]
struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_u64(u64::from(b));
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }
}

type AddressMap<V> = HashMap<u64, V, BuildHasherDefault<AddressHasher>>;

/// Where a block is known to be: valid while address and context match.
#[derive(Clone, Copy)]
struct Link {
    pc: u64,
    context: u64,
    block: u32,
}

const NO_LINK: Link = Link { pc: 0, context: 0, block: 0 };

/// A run of instructions that is entered at its first.
pub struct Block {
    /// The instructions; never empty.
    pub ops: Box<[Op]>,
    /// Where control goes behind its last instruction, in bytes from its first one, unless a jump says.
    pub bytes: i64,
    /// A number that no other block of the hart ever has.
    pub serial: u64,
    /// How many instructions at its beginning are plain ([`crate::insn::OpClass::is_plain`]).
    pub plain: usize,
    /// More cycles than these take, unless memory is slower than in any machine; if there are none, more than there are.
    pub longest: u64,
    /// The two places where control went from here most lately.
    links: [Link; 2],
    oldest_link: u8,
    pa: u64,
    /// Found by physical address (not so for a block that spans two pages, or that PMP cuts short).
    by_address: bool,
}

impl Block {
    /// What comes after `op` of this block at `pc`, unless `op` says.
    #[inline]
    pub fn after(&self, pc: u64, op: &Op) -> u64 {
        let next = self.ops.get(usize::from(op.index) + 1).map_or(self.bytes, |next| next.pc_offset.into());
        pc.wrapping_add_signed(next)
    }
}

/// The blocks of a hart.
pub struct BlockCache {
    decoder: Arc<Decoder>,
    blocks: Vec<Block>,
    free: Vec<u32>,
    jump: Box<[Link]>,
    by_address: AddressMap<u32>,
    by_page: AddressMap<Vec<u32>>,
    /// Part of every context: a step makes all links and jump entries stale.
    epoch: u32,
    code_log_seen: u64,
    code_pages_seen: u64,
    next_serial: u64,
}

impl BlockCache {
    /// No blocks yet.
    pub fn new(decoder: Arc<Decoder>) -> Self {
        Self {
            decoder,
            blocks: Vec::new(),
            free: Vec::new(),
            jump: vec![NO_LINK; JUMP_ENTRIES].into_boxed_slice(),
            by_address: AddressMap::default(),
            by_page: AddressMap::default(),
            epoch: 1,
            code_log_seen: 0,
            code_pages_seen: 0,
            next_serial: 0,
        }
    }

    /// The decoder that fills it.
    pub fn decoder(&self) -> &Arc<Decoder> {
        &self.decoder
    }

    /// Block number `index`, as [`BlockCache::find`] gave it.
    #[inline(always)]
    pub fn get(&self, index: u32) -> &Block {
        &self.blocks[index as usize]
    }

    /// Catches up with stores to code, and with `fence.i`.
    #[inline]
    pub fn sync(&mut self, hart: &mut Hart, bus: &Bus) {
        if self.code_pages_seen != bus.ram.code_pages_epoch() {
            self.code_pages_seen = bus.ram.code_pages_epoch();
            hart.mmu.drop_write_translations();
        }
        if self.code_log_seen != bus.ram.code_log_end() {
            self.drop_overwritten(bus);
        }
        if hart.fetch_stale {
            hart.fetch_stale = false;
            self.drop_links();
        }
    }

    /// The hart is in another state than the one in which it was linked up here, and memory may be, too.
    pub fn restored(&mut self, hart: &mut Hart, bus: &Bus) {
        hart.mmu.keep_off_code(&bus.ram);
        self.code_pages_seen = bus.ram.code_pages_epoch();
        if self.code_log_seen != bus.ram.code_log_end() {
            self.drop_overwritten(bus);
        }
        self.drop_links();
    }

    fn drop_links(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        if self.epoch == 0 {
            // Numbers start anew: nothing old may look current.
            self.clear();
        }
    }

    #[cold]
    fn drop_overwritten(&mut self, bus: &Bus) {
        match bus.ram.code_log_since(self.code_log_seen) {
            Some(pages) => pages.for_each(|page| {
                for index in self.by_page.remove(&page).unwrap_or_default() {
                    let block = &self.blocks[index as usize];
                    if block.by_address && self.by_address.get(&block.pa) == Some(&index) {
                        self.by_address.remove(&block.pa);
                    }
                    self.free.push(index);
                }
            }),
            None => self.clear(),
        }
        self.code_log_seen = bus.ram.code_log_end();
        self.drop_links();
    }

    /// Drops every block.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.free.clear();
        self.by_address.clear();
        self.by_page.clear();
        self.jump.fill(NO_LINK);
        self.epoch = 1;
    }

    /// The block at `hart.pc`, which control reaches from block `from` (if that is still known).
    ///
    /// # Errors
    /// [`Stop::Trap`] with the fetch fault raised.
    #[inline(always)]
    pub fn find(&mut self, hart: &mut Hart, bus: &mut Bus, from: Option<u32>) -> Result<u32, Stop> {
        match from.and_then(|from| self.linked(hart, from)) {
            Some(block) => Ok(block),
            None => self.find_unlinked(hart, bus, from),
        }
    }

    /// The same, if control came from block `from` to there before.
    #[inline(always)]
    pub fn linked(&self, hart: &Hart, from: u32) -> Option<u32> {
        let (pc, context) = (hart.pc, self.context(hart));
        let mut links = self.get(from).links.iter();
        links.find(|link| link.pc == pc && link.context == context).map(|link| link.block)
    }

    /// What a link holds for.
    #[inline(always)]
    fn context(&self, hart: &Hart) -> u64 {
        u64::from(hart.mmu.fetch_context) << 32 | u64::from(self.epoch)
    }

    #[inline(never)]
    fn find_unlinked(&mut self, hart: &mut Hart, bus: &mut Bus, from: Option<u32>) -> Result<u32, Stop> {
        let (pc, context) = (hart.pc, self.context(hart));
        let at = (pc >> 1 ^ pc >> 14 ^ (u64::from(hart.mmu.fetch_context) * 0x35)) as usize % JUMP_ENTRIES;
        let known = self.jump[at];
        let link = if known.pc == pc && known.context == context {
            known
        } else {
            let epoch = self.epoch;
            let block = self.find_by_address(hart, bus)?;
            if self.epoch != epoch {
                // All were dropped to make room, `from` among them.
                return Ok(block);
            }
            let link = Link { pc, context, block };
            self.jump[at] = link;
            link
        };
        if let Some(from) = from {
            let from = &mut self.blocks[from as usize];
            from.links[usize::from(from.oldest_link)] = link;
            from.oldest_link ^= 1;
        }
        Ok(link.block)
    }

    fn find_by_address(&mut self, hart: &mut Hart, bus: &mut Bus) -> Result<u32, Stop> {
        let pc = hart.pc;
        let pa = hart.translate_fetch(bus, pc).map_err(|cause| hart.raise(cause, pc))?;
        let whole_page = hart.pmp.uniform_page(pa);
        if let (Some(&index), true) = (self.by_address.get(&pa), whole_page) {
            return Ok(index);
        }
        let mut block = self.decode(hart, bus, pa, whole_page)?;
        if self.blocks.len() - self.free.len() >= MAX_BLOCKS {
            let epoch = self.epoch.wrapping_add(1).max(1);
            self.clear();
            self.epoch = epoch;
        }
        block.serial = self.next_serial;
        self.next_serial += 1;
        let by_address = block.by_address;
        let index = match self.free.pop() {
            Some(index) => {
                self.blocks[index as usize] = block;
                index
            }
            None => {
                self.blocks.push(block);
                (self.blocks.len() - 1) as u32
            }
        };
        if by_address {
            self.by_address.insert(pa, index);
        }
        self.by_page.entry(pa & !(PAGE_BYTES - 1)).or_default().push(index);
        self.sync_pages(hart, bus);
        Ok(index)
    }

    /// Decoding may have made pages code pages: stores to them must take the slow path from now on.
    fn sync_pages(&mut self, hart: &mut Hart, bus: &Bus) {
        if self.code_pages_seen != bus.ram.code_pages_epoch() {
            self.code_pages_seen = bus.ram.code_pages_epoch();
            hart.mmu.drop_write_translations();
        }
    }

    fn decode(&self, hart: &mut Hart, bus: &mut Bus, pa: u64, whole_page: bool) -> Result<Block, Stop> {
        let pc = hart.pc;
        let fault = |hart: &mut Hart, at| Err(hart.raise(Cause::InstructionAccess, at));
        // Places in the page: of the first instruction, of the one at hand, and from where on they lie in a row.
        let (start, mut at) = (pa % PAGE_BYTES, pa % PAGE_BYTES);
        let mut row = start;
        let page = pa - start;
        let max_ops = if whole_page { MAX_OPS } else { 1 };
        let mut ops: Vec<Op> = Vec::with_capacity(8);
        let mut spans = false;
        let (mut branches, mut jumps) = (0, 0);
        while at < PAGE_BYTES && ops.len() < max_ops {
            let Ok(low) = bus.fetch(page + at) else {
                if ops.is_empty() {
                    return fault(hart, pc);
                }
                break;
            };
            let mut word = u32::from(low);
            let mut len = 2;
            if low & 3 == 3 {
                len = 4;
                let high = if at + 2 < PAGE_BYTES {
                    if !whole_page && !hart.pmp.allows(pa + 2, 2, AccessKind::Fetch, hart.privilege) {
                        return fault(hart, pc.wrapping_add(2));
                    }
                    bus.fetch(page + at + 2)
                } else if ops.is_empty() {
                    // The only instruction of its block: found again by virtual address only, since what
                    // follows depends on the translation of a second page.
                    spans = true;
                    let next = pc.wrapping_add(2);
                    let pa_high = hart.translate_fetch(bus, next).map_err(|cause| hart.raise(cause, next))?;
                    bus.ram.mark_code(pa_high, 2);
                    bus.fetch(pa_high)
                } else {
                    break;
                };
                match high {
                    Ok(high) => word |= u32::from(high) << 16,
                    Err(_) if ops.is_empty() => return fault(hart, pc.wrapping_add(2)),
                    Err(_) => break,
                }
            }
            let mut op = self.decoder.op(word, at.wrapping_sub(start) as i16, ops.len() as u8);
            op.slot = ops.last().map_or(0, Op::facts);
            if op.class == OpClass::Branch {
                // Where one goes on to the next instruction either way, only registers tell whether it is taken.
                branches = if op.imm == i32::from(op.len) { MAX_BRANCHES } else { branches + 1 };
            }
            let target = if whole_page && jumps < MAX_JUMPS { target(hart, &op, at) } else { None };
            let ends = op.class.ends_block() && target.is_none()
                || region::ends_block(word)
                || branches == MAX_BRANCHES;
            at += len;
            if let Some(target) = target {
                bus.ram.mark_code(page + row, at - row);
                op.exec = goes_on;
                (row, at) = (target, target);
                jumps += 1;
            }
            ops.push(op);
            if ends || spans {
                break;
            }
        }
        bus.ram.mark_code(page + row, at.min(PAGE_BYTES) - row);
        let by_address = whole_page && !spans;
        let plain = if by_address { ops.iter().take_while(|op| op.class.is_plain()).count() } else { 0 };
        Ok(Block {
            plain,
            longest: if plain > 0 { longest(plain) } else { u64::MAX },
            ops: ops.into_boxed_slice(),
            bytes: at.wrapping_sub(start) as i64,
            serial: 0,
            links: [NO_LINK; 2],
            oldest_link: 0,
            pa,
            by_address,
        })
    }
}

/// More cycles than a plain block of `ops` instructions takes, unless memory is slower than in any machine.
const fn longest(ops: usize) -> u64 {
    256 + 256 * ops as u64
}

/// The place in the page to which `op` at place `at` jumps, if it does nothing but that and cannot trap.
fn target(hart: &Hart, op: &Op, at: u64) -> Option<u64> {
    if op.class != OpClass::Jump || op.rd != X_SINK {
        return None;
    }
    let unit = if hart.has(Ext::C) { 2 } else { 4 };
    at.checked_add_signed(op.imm.into()).filter(|target| *target < PAGE_BYTES && target.is_multiple_of(unit))
}

/// What a jump does with whose target the block goes on.
fn goes_on(_: &mut Hart, _: &mut Bus, _: &Op) -> Done {
    Ok(())
}
