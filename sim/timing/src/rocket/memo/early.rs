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
    /// Multiplications of doublewords and of words by their facts, a bit each.
    muls: [u32; 2],
    /// What is no such multiplication: the facts, and the numbers in the block.
    others: [(u8, u8); OTHERS],
    count: u8,
}

impl EarlyOuts {
    const NONE: Self = Self { muls: [0; 2], others: [(0, 0); OTHERS], count: 0 };

    /// The first ones of `ops`.
    pub fn of(ops: &[Op], lengths: &Lengths) -> Self {
        let mut early = Self::NONE;
        for (n, op) in (0..).zip(ops) {
            let fact = op.slot;
            let depends = matches!(op.fact, Some(FactKind::Integers | FactKind::Floats)) && !takes_always(op);
            if !depends || u32::from(fact) >= u32::BITS {
                continue;
            }
            if let Some(word) = is_early_out(op) {
                let count = early.muls.iter().map(|muls| muls.count_ones()).sum::<u32>();
                if (count + 1) * lengths.width <= u64::BITS {
                    early.muls[usize::from(word)] |= 1 << fact;
                }
            } else if let Some(other) = early.others.get_mut(usize::from(early.count)) {
                *other = (fact, n);
                early.count += 1;
            }
        }
        early
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.muls == [0; 2] && self.count == 0
    }

    /// Whether the instruction with fact `n` is one of them.
    pub fn has(&self, n: u8) -> bool {
        (self.muls[0] | self.muls[1]).checked_shr(n.into()).unwrap_or(0) & 1 == 1
            || self.others().any(|(fact, _)| fact == n)
    }

    fn others(&self) -> impl Iterator<Item = (u8, u8)> + '_ {
        self.others.iter().take(self.count.into()).copied()
    }

    /// How long they take in `run`.
    #[inline(always)]
    pub fn lengths(&self, run: &BlockRun<'_>, lengths: &Lengths, params: &Params) -> [u64; 2] {
        let mut muls = 0;
        for (word, of) in [false, true].into_iter().zip(self.muls) {
            let mut rest = of;
            while rest != 0 {
                let n = rest.trailing_zeros() as u8;
                rest &= rest - 1;
                let length = lengths.of(run.facts[usize::from(n)].a, word);
                muls = muls << lengths.width | u64::from(length);
            }
        }
        [muls, if self.count == 0 { 0 } else { self.other_lengths(run, params) }]
    }

    #[inline(never)]
    fn other_lengths(&self, run: &BlockRun<'_>, params: &Params) -> u64 {
        self.others().fold(0, |all, (fact, op)| {
            let fact = run.facts[usize::from(fact)];
            // In 16 bits, as parameters say.
            let cycles =
                run.ops.get(usize::from(op)).map_or(0, |op| operand_cycles(op, (fact.a, fact.b), params));
            all << 16 | cycles & 0xffff
        })
    }
}
