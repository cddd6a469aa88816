//! How long multiplications and divisions of a block take, which their operands say: paths are for blocks in which they
//! take as long.

use relsim_core::insn::{FactKind, Op};
use relsim_core::timing::BlockRun;

use super::super::muldiv::{Lengths, is_early_out, takes_always};
use super::super::params::Params;
use super::super::scoreboard::operand_cycles;

/// What is no multiplication, and told apart together: 16 bits each.
const OTHERS: usize = 4;

/// Instructions of a block that take as long as their operands say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EarlyOuts {
    /// Multiplications by their facts, a bit each, and those of words.
    muls: u32,
    words: u32,
    /// What is no such multiplication: the facts, and the numbers in the block.
    others: [(u8, u8); OTHERS],
    count: u8,
}

impl EarlyOuts {
    const NONE: Self = Self { muls: 0, words: 0, others: [(0, 0); OTHERS], count: 0 };

    /// The first ones of `ops`.
    pub fn of(ops: &[Op], lengths: &Lengths) -> Self {
        let mut early = Self::NONE;
        let with_facts = (0..).zip(ops).filter(|(_, op)| op.fact.is_some());
        for (fact, (n, op)) in (0..u32::BITS as u8).zip(with_facts) {
            if op.fact == Some(FactKind::Access) || takes_always(op) {
                continue;
            }
            if let Some(word) = is_early_out(op) {
                if (early.muls.count_ones() + 1) * lengths.width <= u64::BITS {
                    early.muls |= 1 << fact;
                    early.words |= u32::from(word) << fact;
                }
            } else if let Some(other) = early.others.get_mut(usize::from(early.count)) {
                *other = (fact, n);
                early.count += 1;
            }
        }
        early
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.muls == 0 && self.count == 0
    }

    /// Whether the instruction with fact `n` is one of them.
    pub fn has(&self, n: u8) -> bool {
        self.muls.checked_shr(n.into()).unwrap_or(0) & 1 == 1 || self.others().any(|(fact, _)| fact == n)
    }

    fn others(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.others.iter().take(self.count.into()).copied()
    }

    /// How long they take in `run`.
    #[inline(always)]
    pub fn lengths(&self, run: &BlockRun<'_>, lengths: &Lengths, params: &Params) -> [u64; 2] {
        let (mut muls, mut rest) = (0, self.muls);
        while rest != 0 {
            let n = rest.trailing_zeros();
            rest &= rest - 1;
            let operand = run.facts.get(n as usize).map_or(0, |fact| fact.a);
            muls = muls << lengths.width | u64::from(lengths.of(operand, self.words >> n & 1 == 1));
        }
        [muls, if self.count == 0 { 0 } else { self.other_lengths(run, params) }]
    }

    #[inline(never)]
    fn other_lengths(&self, run: &BlockRun<'_>, params: &Params) -> u64 {
        self.others().fold(0, |all, (fact, op)| {
            let timed = run.ops.get(usize::from(op)).zip(run.facts.get(usize::from(fact)));
            // In 16 bits, as parameters say.
            let cycles = timed.map_or(0, |(op, fact)| operand_cycles(op, (fact.a, fact.b), params));
            all << 16 | cycles & 0xffff
        })
    }
}
