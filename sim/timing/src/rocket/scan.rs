//! Predecode of a fetch group: the control transfers in it, and where fetch goes (Frontend.scala, scanInsns).

use super::btb::{Btb, BtbUpdate, Cfi, NO_ENTRY, Packed, Prediction};
use super::memo::Origin;

/// What is left over at the end of a group: the first half of an instruction of 32 bits with this bit, or 0.
pub(super) type LeftOver = u32;
const HALF: LeftOver = 1 << 16;

/// A control transfer that ends in a half of a group.
type Kind = u8;
const BRANCH: Kind = 1;
/// Its target is in the instruction.
const JUMP: Kind = 1 << 1;
/// Its target is in a register.
const INDIRECT: Kind = 1 << 2;
const CALL: Kind = 1 << 3;
const RETURN: Kind = 1 << 4;
/// No transfer: an instruction of 32 bits begins here.
const BEGINS: Kind = 1 << 5;

/// A group with control transfers, whatever is predicted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfers {
    pc: u64,
    /// Its word, and what was left over at the end of the group before.
    bits: u64,
    /// By the half that they end in.
    kinds: [Kind; 2],
    partial: LeftOver,
    targets: [u64; 2],
}

/// No group begins at an odd address.
const NO_GROUP: Transfers = Transfers { pc: 1, bits: 0, kinds: [0; 2], partial: 0, targets: [0; 2] };

/// Groups at hand.
const GROUPS: usize = 256;

/// Groups with control transfers that were looked at lately.
pub(super) struct Scans {
    groups: Box<[Transfers; GROUPS]>,
}

impl Default for Scans {
    fn default() -> Self {
        Self { groups: Box::new([NO_GROUP; GROUPS]) }
    }
}

/// What predecode finds in a group, with what was predicted for it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scan {
    /// A transfer is taken,
    pub taken: bool,
    /// which ends in this half.
    pub taken_idx: u8,
    /// Where it goes, if predecode says so.
    pub npc: Option<u64>,
    /// Nobody knows where it goes.
    unpredicted: bool,
    call: bool,
    ret: bool,
    branch: bool,
    /// The BTB is to have an entry for it.
    update: Option<Cfi>,
    pub partial: LeftOver,
    /// The prediction is for the middle of an instruction.
    flush: bool,
}

impl Scan {
    /// Of a group without control transfers, and without a prediction.
    #[inline(always)]
    pub fn plain(pc: u64, word: u32, partial: LeftOver) -> Self {
        Self { partial: plain_partial(pc, word, partial), ..Self::default() }
    }

    /// The group, which is at `pc` and for which `made` was predicted, goes from the second stage to the queue, on the
    /// wrong path or not: what that tells the predictor. Gives whether what follows is on the wrong path, and the entry that
    /// it wants, unless the queue is `crowded`.
    #[inline(always)]
    pub fn tell(
        &self,
        btb: &mut Btb,
        pc: u64,
        made: &Prediction,
        wrong_path: bool,
        crowded: bool,
    ) -> (bool, Option<BtbUpdate>) {
        let base = pc & !3;
        if self.flush {
            btb.flush();
        }
        if !wrong_path {
            if self.call {
                btb.push(base.wrapping_add(2 * (u64::from(self.taken_idx) + 1)));
            } else if self.ret {
                btb.pop();
            }
            if self.branch {
                btb.advance_history(made);
            }
        }
        let update = |cfi| BtbUpdate {
            entry: NO_ENTRY,
            origin: Origin::default(),
            valid: true,
            pc: base,
            br_pc: base | u64::from(self.taken_idx) << 1,
            cfi,
        };
        let wanted = self.update.filter(|_| !wrong_path && !crowded).map(update);
        (wrong_path || self.flush || self.unpredicted, wanted)
    }

    /// What is left over at its end.
    pub fn left_over(&self) -> Option<u16> {
        (self.partial != 0).then_some(self.partial as u16)
    }
}

/// What is left over as predecode has it.
#[inline(always)]
pub(super) fn left_over(half: Option<u16>) -> LeftOver {
    half.map_or(0, |half| u32::from(half) | HALF)
}

/// Whether there may be a control transfer in the group that is `word`, behind what was left over.
#[inline(always)]
pub(super) fn transfers(word: u32, partial: LeftOver) -> bool {
    let half =
        |bits: u32| bits & 0x73 == 0x63 || (bits & 3 == 1 && bits >= 0xa000) || bits & 0xe07f == 0x8002;
    half(word & 0xffff) || half(word >> 16) || partial != 0 && half(partial & 0xffff)
}

/// Whether a branch may end in the group that is `word`, behind the half `before`.
pub(super) fn may_branch(before: u16, word: u32) -> bool {
    let is_long = |bits: u16| bits & 0x7f == 0x63;
    let is_short = |bits: u16| bits & 0xc003 == 0xc001;
    let (low, high) = (word as u16, (word >> 16) as u16);
    is_long(before) || is_long(low) || is_short(low) || is_short(high)
}

/// What is left over at the end of a group without control transfers.
#[inline(always)]
pub(super) fn plain_partial(pc: u64, word: u32, partial: LeftOver) -> LeftOver {
    let first_begins = pc & 2 == 0 && partial == 0;
    let (low, high) = (word as u16, (word >> 16) as u16);
    let second_begins = !first_begins || is_rvc(low);
    if second_begins && !is_rvc(high) { u32::from(high) | HALF } else { 0 }
}

/// Whether an instruction of 32 bits begins in half `idx` of the group at `pc`, if that is `word`.
pub(super) fn begins(pc: u64, word: u32, partial: LeftOver, idx: u32) -> bool {
    let (low, high) = (word as u16, (word >> 16) as u16);
    let first_begins = pc & 2 == 0 && partial == 0;
    if idx == 0 { first_begins && !is_rvc(low) } else { (!first_begins || is_rvc(low)) && !is_rvc(high) }
}

pub(super) fn is_rvc(bits: u16) -> bool {
    bits & 3 != 3
}

/// Whether the instruction that begins with `low` reads or writes memory.
pub(super) fn is_memory(low: u16) -> bool {
    match low & 3 {
        3 => matches!(low >> 2 & 31, 0 | 1 | 8 | 9 | 11),
        1 => false,
        // Quadrants 0 and 2: all but c.addi4spn, c.slli and the register moves.
        _ => !matches!(low >> 13, 0 | 4),
    }
}

fn sext(value: u32, bits: u32) -> i64 {
    i64::from((value << (32 - bits)) as i32 >> (32 - bits))
}

fn jal_offset(w: u32) -> i64 {
    sext((w >> 31 & 1) << 20 | (w >> 12 & 0xff) << 12 | (w >> 20 & 1) << 11 | (w >> 21 & 0x3ff) << 1, 21)
}

fn branch_offset(w: u32) -> i64 {
    sext((w >> 31 & 1) << 12 | (w >> 7 & 1) << 11 | (w >> 25 & 0x3f) << 5 | (w >> 8 & 0xf) << 1, 13)
}

fn cj_offset(w: u32) -> i64 {
    let b = |at: u32, to: u32| (w >> at & 1) << to;
    let imm = b(12, 11) | b(11, 4) | b(10, 9) | b(9, 8) | b(8, 10) | b(7, 6) | b(6, 7);
    sext(imm | (w >> 3 & 7) << 1 | b(2, 5), 12)
}

fn cb_offset(w: u32) -> i64 {
    sext(
        (w >> 12 & 1) << 8 | (w >> 10 & 3) << 3 | (w >> 5 & 3) << 6 | (w >> 3 & 3) << 1 | (w >> 2 & 1) << 5,
        9,
    )
}

impl Scans {
    /// Predecodes the group at `pc` with its `word`, behind what was left over, with the prediction that was `made` for it.
    #[inline(always)]
    pub fn scan(&mut self, pc: u64, word: u32, partial: LeftOver, made: Packed, ras: Option<u64>) -> Scan {
        let bits = u64::from(word) | u64::from(partial) << 32;
        let group = &mut self.groups[(pc >> 2) as usize % GROUPS];
        if group.pc != pc || group.bits != bits {
            *group = Transfers::new(pc, word, partial);
        }
        group.scan(made, ras)
    }
}

impl Transfers {
    /// With what was `made` for it, and what the return-address stack says.
    #[inline(always)]
    pub fn scan(&self, made: Packed, ras: Option<u64>) -> Scan {
        let goes = |kind: Kind| kind & (JUMP | INDIRECT) != 0 || kind & BRANCH != 0 && made.direction();
        let [first, second] = self.kinds;
        let idx = usize::from(!goes(first));
        let kind = self.kinds[idx];
        let taken = goes(kind);
        let by_btb = made.taken();
        let (mut npc, mut unpredicted, mut update) = (None, false, None);
        if taken {
            let known = if kind & (BRANCH | JUMP) != 0 {
                Some(self.targets[idx])
            } else if kind & RETURN != 0 {
                ras
            } else {
                None
            };
            if !by_btb {
                npc = known;
                unpredicted = known.is_none();
            }
            if !made.hit() && known.is_some() {
                update = Some(match kind {
                    _ if kind & RETURN != 0 => Cfi::Return,
                    _ if kind & CALL != 0 => Cfi::Call,
                    _ if kind & BRANCH != 0 => Cfi::Branch,
                    _ => Cfi::Jump,
                });
            }
        }
        Scan {
            taken,
            taken_idx: idx as u8,
            npc,
            unpredicted,
            call: kind & CALL != 0,
            ret: kind & RETURN != 0,
            branch: (first | if idx == 1 { second } else { 0 }) & BRANCH != 0,
            update,
            partial: if by_btb || taken { 0 } else { self.partial },
            flush: made.hit() && self.kinds[made.bridx() as usize & 1] & BEGINS != 0,
        }
    }

    /// Whether a direction has a part in where the group goes: it does not if a jump ends in front of the first branch.
    pub fn asks_direction(&self) -> bool {
        let [first, second] = self.kinds;
        first & BRANCH != 0 || first & (JUMP | INDIRECT) == 0 && second & BRANCH != 0
    }

    /// Whether the return-address stack says where the group goes, for which `made` was predicted.
    pub fn asks_stack(&self, made: Packed) -> bool {
        let scan = self.scan(made, None);
        scan.unpredicted && self.kinds[usize::from(scan.taken_idx) & 1] & RETURN != 0
    }

    /// The half in which a branch ends, if that is the only transfer.
    pub fn only_branch(&self) -> Option<u8> {
        let [first, second] = self.kinds;
        match (first & !BEGINS, second & !BEGINS) {
            (BRANCH, 0) => Some(0),
            (0, BRANCH) => Some(1),
            _ => None,
        }
    }

    /// The group at `pc` that is `word`, behind what was left over.
    #[inline(never)]
    pub fn new(pc: u64, word: u32, partial: LeftOver) -> Self {
        let base = pc & !3;
        let start = (pc >> 1 & 1) as u8;
        let mut group = Self {
            pc,
            bits: u64::from(word) | u64::from(partial) << 32,
            kinds: [0; 2],
            partial: 0,
            targets: [0; 2],
        };
        let mut previous = (partial != 0).then_some(partial as u16);
        for idx in 0..2u8 {
            let prev_rvi = previous.is_some_and(|bits| !is_rvc(bits));
            let valid = idx >= start && !prev_rvi;
            let bits = (word >> (16 * idx)) as u16;
            let pc = base + 2 * u64::from(idx);
            let (mut kind, mut target) = (0, 0);
            if prev_rvi {
                let w = u32::from(bits) << 16 | u32::from(previous.unwrap_or(0));
                let link = w >> 7 & 1 == 1;
                let from = pc.wrapping_sub(2);
                match w & 0x7f {
                    0x63 => (kind, target) = (BRANCH, from.wrapping_add_signed(branch_offset(w))),
                    0x6f => {
                        kind = JUMP | if link { CALL } else { 0 };
                        target = from.wrapping_add_signed(jal_offset(w));
                    }
                    0x67 if link => kind = INDIRECT | CALL,
                    0x67 => kind = INDIRECT | if matches!(w >> 15 & 31, 1 | 5) { RETURN } else { 0 },
                    _ => {}
                }
            } else if valid {
                let c = u32::from(bits);
                if c & 0xc003 == 0xc001 {
                    (kind, target) = (BRANCH, pc.wrapping_add_signed(cb_offset(c)));
                } else if c & 0xe003 == 0xa001 {
                    (kind, target) = (JUMP, pc.wrapping_add_signed(cj_offset(c)));
                } else if c & 0xf07f == 0x8002 {
                    kind = INDIRECT | if matches!(c >> 7 & 31, 1 | 5) { RETURN } else { 0 };
                } else if c & 0xf07f == 0x9002 {
                    kind = INDIRECT | CALL;
                }
            }
            if valid && !is_rvc(bits) {
                kind |= BEGINS;
                if idx == 1 {
                    group.partial = u32::from(bits) | HALF;
                }
            }
            (group.kinds[usize::from(idx)], group.targets[usize::from(idx)]) = (kind, target);
            previous = valid.then_some(bits);
        }
        group
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What of a scan something comes of.
    fn outcome(scan: &Scan) -> impl PartialEq + std::fmt::Debug {
        let Scan { taken, taken_idx, npc, unpredicted, call, ret, branch, update, partial, flush } = *scan;
        ((taken, taken_idx, npc, unpredicted), (call, ret, branch), (update, partial, flush))
    }

    /// Halves of which most begin or end a control transfer.
    fn half() -> impl Strategy<Value = u16> {
        let transfers = prop::sample::select(vec![
            0x0063, // beq
            0x006f, // jal
            0x80e7, // jalr ra
            0x8067, // ret
            0xc001, // c.beqz
            0xa001, // c.j
            0x8082, // c.ret
            0x9082, // c.jalr ra
        ]);
        prop_oneof![3 => transfers, 1 => any::<u16>()]
    }

    proptest! {
        /// Nothing depends on a direction or on the stack that is not asked for.
        #[test]
        fn what_is_not_asked_has_no_part(
            pc in (0x8000_0000u64..0x8000_0100).prop_map(|pc| pc & !1),
            (low, high, before) in (half(), half(), prop::option::of(half())),
            (hit, taken, bridx) in (any::<bool>(), any::<bool>(), 0u8..2),
        ) {
            let word = u32::from(low) | u32::from(high) << 16;
            let group = Transfers::new(pc, word, left_over(before.filter(|half| !is_rvc(*half))));
            let made = |bht_taken| {
                Packed::looked_up(&Prediction { hit, taken: hit && taken, bridx, bht_taken, ..Prediction::default() })
            };
            let [not_taken, is_taken] = [false, true].map(|direction| group.scan(made(direction), Some(0x8000_4000)));
            if !group.asks_direction() {
                prop_assert_eq!(outcome(&not_taken), outcome(&is_taken));
            }
            for direction in [false, true] {
                let [here, there] = [0x8000_4000, 0x8000_5000].map(|to| group.scan(made(direction), Some(to)));
                prop_assert_eq!(group.asks_stack(made(direction)), outcome(&here) != outcome(&there));
                let empty = group.scan(made(direction), None);
                prop_assert_eq!(group.asks_stack(made(direction)), outcome(&here) != outcome(&empty));
            }
        }
    }
}
