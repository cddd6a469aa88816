//! Random programs about where control goes: functions in more pages than the BTB has room for, which call each other deeper
//! than the return-address stack reaches, through registers too, and branch as a random number of their own says.

use crate::lockstep::asm::{Asm, Cond, Label, NOP, addi, andi, i_type, r_type};
use crate::lockstep::rng::Rng;

/// How deep functions call each other: more than there are entries in a return-address stack.
const FUNCTIONS: usize = 8;
/// How often the outermost ones are called.
const ROUNDS: u64 = 8000;
/// Words between functions, at most: three pages.
const GAP: u64 = 3072;

const RA: u32 = 1;
const SP: u32 = 2;
const T0: u32 = 5;
const T1: u32 = 6;
/// The random number.
const S0: u32 = 8;
/// Rounds to go.
const S1: u32 = 9;

const fn jalr(rd: u32, rs1: u32) -> u32 {
    i_type(0x67, 0, rd, rs1, 0)
}

/// `ret`.
const RET: u32 = jalr(0, RA);

/// The random number goes on, by xorshift: `s0 ^= s0 << 13; s0 ^= s0 >> 7; s0 ^= s0 << 17`.
fn goes_on(a: &mut Asm) {
    for (funct3, shift) in [(1, 13), (5, 7), (1, 17)] {
        a.word(i_type(0x13, funct3, T0, S0, shift));
        a.word(r_type(0x33, 4, 0, S0, S0, T0));
    }
}

/// Branches to `target` once in so many times, as the random number says, which is `one_in` as a power of two.
fn branches(a: &mut Asm, rng: &mut Rng, one_in: u64, target: Label) {
    let shift = rng.below(32) as i32;
    // srli t0, s0, shift; andi t0, t0, one_in - 1
    a.word(i_type(0x13, 5, T0, S0, shift));
    a.word(andi(T0, T0, one_in as i32 - 1));
    a.branch(rng.pick(&[Cond::Eq, Cond::Eq, Cond::Ne]), T0, 0, target);
}

fn calls(a: &mut Asm, rng: &mut Rng, target: Label) {
    if rng.percent(25) {
        // la t1, target; jalr ra, t1
        a.load_label(T1, target);
        a.word(jalr(RA, T1));
    } else {
        a.call(target);
    }
}

fn straight(a: &mut Asm, rng: &mut Rng) {
    for _ in 0..rng.below(5) {
        match rng.below(5) {
            0 => a.half(),
            1 => a.ld(T1, SP, 0),
            2 => a.sd(T1, SP, 8),
            _ => a.word(addi(T1, T1, 1)),
        }
    }
}

fn enters(a: &mut Asm) {
    a.word(addi(SP, SP, -16));
    a.sd(RA, SP, 0);
}

/// Gets ready to return.
fn leaves(a: &mut Asm) {
    a.ld(RA, SP, 0);
    a.word(addi(SP, SP, 16));
}

/// Returns at random, or jumps past that by a register: fetch does not know where that goes, and comes to the return.
fn returns(a: &mut Asm, rng: &mut Rng) {
    let (now, later) = (a.label(), a.label());
    a.load_label(T1, later);
    leaves(a);
    branches(a, rng, 4, now);
    if rng.percent(50) {
        a.half();
    }
    a.word(jalr(0, T1));
    a.bind(now);
    a.word(RET);
    a.bind(later);
    enters(a);
}

/// The function at `labels[n]`, which calls the next one, and now and then others behind it.
fn function(a: &mut Asm, rng: &mut Rng, labels: &[Label], n: usize) {
    a.bind(labels[n]);
    enters(a);
    let parts = 1 + rng.below(3);
    let nested = rng.below(parts);
    for part in 0..parts {
        straight(a, rng);
        if rng.percent(30) {
            goes_on(a);
        }
        let over = a.label();
        let one_in = rng.pick(&[2, 4, 16]);
        match rng.below(3) {
            0 => {
                // A loop that ends at random.
                let again = a.here_label();
                straight(a, rng);
                goes_on(a);
                branches(a, rng, 4, over);
                a.jump(again);
            }
            1 if n + 2 < labels.len() => {
                branches(a, rng, one_in, over);
                let further = labels.len() - 1 - rng.below(2) as usize;
                calls(a, rng, labels[further]);
            }
            _ => {
                branches(a, rng, one_in, over);
                straight(a, rng);
            }
        }
        a.bind(over);
        if rng.percent(25) {
            returns(a, rng);
        }
        if part == nested && n + 1 < labels.len() {
            calls(a, rng, labels[n + 1]);
        }
    }
    leaves(a);
    a.word(RET);
    for _ in 0..rng.below(GAP) {
        a.word(NOP);
    }
}

/// The program of `seed`, at `base`, with its stack below `stack`. In the end it does what `finish` adds.
pub fn program(seed: u64, base: u64, stack: u64, finish: impl FnOnce(&mut Asm)) -> Asm {
    let mut rng = Rng::new(seed);
    let mut a = Asm::new(base);
    let labels: Vec<_> = (0..FUNCTIONS).map(|_| a.label()).collect();
    a.la(SP, stack);
    a.li(S0, seed + 1);
    a.li(S1, ROUNDS);
    let again = a.here_label();
    goes_on(&mut a);
    for n in [0, 3] {
        let over = a.label();
        branches(&mut a, &mut rng, 2, over);
        calls(&mut a, &mut rng, labels[n]);
        a.bind(over);
    }
    a.word(addi(S1, S1, -1));
    a.branch(Cond::Ne, S1, 0, again);
    finish(&mut a);
    for n in 0..FUNCTIONS {
        function(&mut a, &mut rng, &labels, n);
    }
    a.align(4);
    a
}
