//! Operand hazards, the write-back slot of late results, and the floating-point unit's write port (RocketCore.scala, FPU.scala).

use serde::{Deserialize, Serialize};
use serde_big_array::BigArray;

use relsim_core::insn::{File, Op, OpClass, X_SINK};
use relsim_core::saved::{Impossible, require};
use relsim_core::timing::CycleCause as Cause;

use super::muldiv;
use super::params::Params;
use crate::parts::saved::Latest;

/// Cycles that the floating-point write port looks ahead.
const PORT: usize = 32;

/// A register of either file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    float: bool,
    number: u8,
}

impl Register {
    /// What `op` writes.
    pub fn written_by(op: &Op) -> Self {
        Self { float: file(op, 0) == File::F as u8, number: op.rd }
    }

    /// Its number, if it is an integer register.
    pub fn integer(self) -> Option<u8> {
        (!self.float).then_some(self.number)
    }
}

/// A result of the multiplier that waits for a write-back slot.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Late {
    rd: u8,
    at: u64,
}

/// What is under way.
#[derive(Clone, Serialize, Deserialize)]
pub struct Scoreboard {
    #[serde(with = "BigArray")]
    x: [u64; 64],
    #[serde(with = "BigArray")]
    x_why: [Cause; 64],
    f: [u64; 32],
    late: Option<Late>,
    muldiv_free: u64,
    last_write_back: u64,
    port: [u64; PORT],
    port_busy_until: u64,
    fdiv_from: u64,
    fdiv_until: u64,
    flags_busy: u64,
    /// From when on no register is waited for, and no unit.
    #[serde(skip)]
    busy: u64,
}

impl Default for Scoreboard {
    fn default() -> Self {
        Self {
            x: [0; 64],
            x_why: [Cause::Result; 64],
            f: [0; 32],
            late: None,
            muldiv_free: 0,
            last_write_back: 0,
            port: [0; PORT],
            port_busy_until: 0,
            fdiv_from: 0,
            fdiv_until: 0,
            flags_busy: 0,
            busy: 0,
        }
    }
}

/// Whether the instruction uses the integer register file's write port at write-back, also with x0 as the
/// destination.
pub const fn produces_x(class: OpClass) -> bool {
    match class {
        OpClass::Alu
        | OpClass::Mul
        | OpClass::Div
        | OpClass::Load
        | OpClass::LoadReserved
        | OpClass::StoreConditional
        | OpClass::Amo
        | OpClass::Jump
        | OpClass::JumpIndirect
        | OpClass::FpToInt
        | OpClass::Csr => true,
        OpClass::Store
        | OpClass::FpLoad
        | OpClass::FpStore
        | OpClass::Branch
        | OpClass::FpArithSingle
        | OpClass::FpArithDouble
        | OpClass::FpDivSingle
        | OpClass::FpDivDouble
        | OpClass::FpMisc
        | OpClass::IntToFp
        | OpClass::Fence
        | OpClass::FenceI
        | OpClass::SfenceVma
        | OpClass::Call
        | OpClass::TrapReturn
        | OpClass::Wait
        | OpClass::CacheBlock
        | OpClass::Custom
        | OpClass::Illegal => false,
    }
}

/// Whether the instruction goes through the floating-point unit's decoder.
pub const fn is_fp(class: OpClass) -> bool {
    class.is_float() || matches!(class, OpClass::FpLoad | OpClass::FpStore)
}

/// Zero, infinity or NaN.
const fn special_double(bits: u64) -> bool {
    bits << 1 == 0 || bits >> 52 & 0x7ff == 0x7ff
}

/// Zero, infinity or NaN; also what is no single-precision number.
const fn special_single(bits: u64) -> bool {
    let low = bits as u32;
    bits >> 32 != 0xffff_ffff || low << 1 == 0 || low >> 23 & 0xff == 0xff
}

/// How long `op` takes as far as its operands decide it: iterations of a multiplication or division, cycles of
/// one in floating point.
pub fn operand_cycles(op: &Op, (a, b): (u64, u64), params: &Params) -> u64 {
    let root = op.raw >> 27 == 0b01011;
    let (special, mantissa, latency): (fn(u64) -> bool, _, _) = match op.class {
        OpClass::FpDivSingle => {
            (special_single, 23, if root { params.fsqrt_single } else { params.fdiv_single })
        }
        OpClass::FpDivDouble => {
            (special_double, 52, if root { params.fsqrt_double } else { params.fdiv_double })
        }
        _ => return muldiv::iterations(op, a, b, params),
    };
    if special(a) || (!root && special(b)) {
        return params.fdiv_special;
    }
    latency.saturating_sub(u64::from(steps_less(root, a, b, mantissa)))
}

/// Whether the iterative unit needs one step less for a quotient or a root: if the quotient of the significands is at
/// least 1, or the exponent is odd (DivSqrtRecFN_small.scala, skipCycle2 and cycleNum). `mantissa` is the width of the
/// fraction; neither operand is special.
const fn steps_less(root: bool, a: u64, b: u64, mantissa: u32) -> bool {
    let (exponent, significand) = normalised(a, mantissa);
    if root { exponent % 2 != 0 } else { significand >= normalised(b, mantissa).1 }
}

/// Exponent and fraction of a number that is not special, subnormal ones as if they had more exponents.
const fn normalised(bits: u64, mantissa: u32) -> (i64, u64) {
    let exponent_bits = if mantissa == 52 { 11 } else { 8 };
    let bias = (1i64 << (exponent_bits - 1)) - 1;
    let fraction = bits & ((1 << mantissa) - 1);
    let exponent = (bits >> mantissa & ((1 << exponent_bits) - 1)) as i64;
    if exponent > 0 {
        return (exponent - bias, fraction);
    }
    let up = fraction.leading_zeros() + mantissa + 1 - 64;
    (1 - bias - up as i64, fraction << up & ((1 << mantissa) - 1))
}

const fn file(op: &Op, operand: u32) -> u8 {
    op.files >> (2 * operand) & 3
}

impl Scoreboard {
    /// Whether it can have come into this state.
    pub(super) fn check(&self, latest: Latest) -> Result<(), Impossible> {
        require(self.late.is_none_or(|late| late.rd < 64), "a late result for no register")?;
        latest.all(self.x.into_iter().chain(self.f).chain(self.port).chain(self.late.map(|late| late.at)))?;
        latest.all([
            self.muldiv_free,
            self.last_write_back,
            self.port_busy_until,
            self.fdiv_from,
            self.fdiv_until,
            self.flags_busy,
        ])
    }

    /// Works out what is left out of a state that was read.
    pub(super) fn complete(&mut self) {
        let registers = self.x.iter().chain(&self.f).copied().max().unwrap_or(0);
        self.busy = registers.max(self.muldiv_free).max(self.fdiv_until + 1);
    }

    /// Moves everything that is under way by `by` cycles, seen from cycle `now`.
    pub fn shift(&mut self, now: u64, by: u64) {
        for at in self.x.iter_mut().chain(&mut self.f) {
            *at = at.wrapping_add(by);
        }
        if let Some(late) = &mut self.late {
            late.at += by;
        }
        for at in [
            &mut self.muldiv_free,
            &mut self.last_write_back,
            &mut self.port_busy_until,
            &mut self.fdiv_from,
            &mut self.fdiv_until,
            &mut self.flags_busy,
            &mut self.busy,
        ] {
            *at = at.wrapping_add(by);
        }
        let mut port = [0; PORT];
        for write in self.port.into_iter().filter(|&write| write > now) {
            port[(write + by) as usize % PORT] = write + by;
        }
        self.port = port;
    }

    /// What of it still matters after cycle `now`, relative to it.
    pub fn describe(&self, now: u64, key: &mut Vec<u64>) {
        let ahead = |at: u64| at.saturating_sub(now);
        for (n, &at) in self.x.iter().enumerate() {
            if at > now + 1 {
                key.push((n as u64) << 32 | (self.x_why[n] as u64) << 24 | 1 << 56 | ahead(at));
            }
        }
        for (n, &at) in self.f.iter().enumerate() {
            if at > now + 1 {
                key.push((n as u64) << 32 | 2 << 56 | ahead(at));
            }
        }
        for &write in self.port.iter().filter(|&&write| write > now) {
            key.push(3 << 56 | ahead(write));
        }
        let late = self.late.map_or(0, |late| u64::from(late.rd) << 32 | ahead(late.at) << 1 | 1);
        key.extend([
            4 << 56,
            late,
            ahead(self.muldiv_free),
            self.last_write_back.wrapping_sub(now),
            ahead(self.port_busy_until),
            ahead(self.flags_busy),
            if self.fdiv_until > now { self.fdiv_from.wrapping_sub(now) } else { 0 },
            ahead(self.fdiv_until),
        ]);
    }

    /// Whether nothing that issues in cycle `at` or later has to wait.
    #[inline(always)]
    pub fn is_idle(&self, at: u64) -> bool {
        self.busy <= at && self.late.is_none()
    }

    /// `op`, which leaves its result for the next instruction, issued in cycle `issue`.
    #[inline(always)]
    pub fn computes(&mut self, op: &Op, issue: u64) {
        if self.late.is_some() {
            self.write_back(issue, true);
            self.set_x(op.rd, issue + 1, Cause::Result);
        } else {
            // It has waited for whatever was to come to its register: nobody waits for that any more.
            self.last_write_back = issue + 3;
        }
    }

    /// The earliest cycle in which `op` can issue, and for what reason.
    #[inline]
    pub fn earliest(&self, op: &Op) -> (u64, Cause) {
        const X: u8 = File::X as u8;
        const F: u8 = File::F as u8;
        let (mut at, mut why) = (0, Cause::Result);
        let mut wait = |until: u64, cause: Cause| {
            if until > at {
                (at, why) = (until, cause);
            }
        };
        for (operand, register) in [(0, op.rd), (1, op.rs1), (2, op.rs2)] {
            if file(op, operand) == X {
                let n = usize::from(register & 63);
                wait(self.x[n], self.x_why[n]);
            }
        }
        if is_fp(op.class) {
            for (operand, register) in [(0, op.rd), (1, op.rs1), (2, op.rs2), (3, op.rs3)] {
                if file(op, operand) == F {
                    wait(self.f[usize::from(register & 31)], Cause::FloatingPoint);
                }
            }
        }
        if let Some(late) = self.late {
            let uses = |operand, register| file(op, operand) == X && register == late.rd;
            if uses(0, op.rd) || uses(1, op.rs1) || uses(2, op.rs2) {
                wait(late.at, Cause::MulDiv);
            }
        }
        if matches!(op.class, OpClass::Mul | OpClass::Div) {
            wait(self.muldiv_free, Cause::MulDiv);
            if let Some(late) = self.late {
                wait(late.at, Cause::MulDiv);
            }
        }
        if op.class == OpClass::Csr && matches!(op.raw >> 20, 1..=3) {
            wait(self.flags_busy, Cause::FloatingPoint);
        }
        (at, why)
    }

    /// An instruction issued in cycle `issue` goes through write-back: a late result takes a slot that is free.
    #[inline]
    pub fn write_back(&mut self, issue: u64, writes: bool) {
        let slot = issue + 3;
        if let Some(late) = &mut self.late {
            let free = late.at.max(self.last_write_back + 1);
            if free < slot || (free == slot && !writes) {
                let (rd, at) = (usize::from(late.rd), free);
                self.late = None;
                self.muldiv_free = at;
                self.busy = self.busy.max(at);
                if rd != usize::from(X_SINK) {
                    self.x[rd] = self.x[rd].max(at);
                    self.x_why[rd] = Cause::MulDiv;
                }
            } else {
                late.at = free.max(slot + 1);
            }
        }
        self.last_write_back = slot;
    }

    fn set_x(&mut self, rd: u8, at: u64, why: Cause) {
        if rd < X_SINK {
            self.busy = self.busy.max(at);
            self.x[usize::from(rd)] = at;
            self.x_why[usize::from(rd)] = why;
        }
    }

    /// The load `op` delivers its register for instructions that issue at `at`.
    pub fn loaded(&mut self, op: &Op, at: u64, why: Cause) {
        self.delivers(Register::written_by(op), at, why);
    }

    /// A load delivers `register` for instructions that issue at `at`.
    pub fn delivers(&mut self, register: Register, at: u64, why: Cause) {
        if register.float {
            self.busy = self.busy.max(at);
            self.f[usize::from(register.number & 31)] = at;
        } else {
            self.set_x(register.number, at, why);
        }
    }

    /// `op` issued in cycle `issue`: when others can use its result.
    #[inline]
    pub fn produce(
        &mut self,
        op: &Op,
        issue: u64,
        operands: (u64, u64),
        floats: (u64, u64),
        params: &Params,
    ) {
        match op.class {
            OpClass::Alu | OpClass::Jump => self.set_x(op.rd, issue + 1, Cause::Result),
            OpClass::JumpIndirect => self.set_x(op.rd, issue + params.link_result, Cause::Result),
            OpClass::Csr => self.set_x(op.rd, issue + params.late_result, Cause::Result),
            OpClass::FpToInt => {
                self.set_x(op.rd, issue + params.late_result, Cause::FloatingPoint);
                self.flags_busy = self.flags_busy.max(issue + 4);
            }
            OpClass::Mul | OpClass::Div => {
                let at = issue + 2 + operand_cycles(op, operands, params);
                self.set_x(op.rd, issue + 4, Cause::MulDiv);
                self.muldiv_free = issue + 2;
                self.busy = self.busy.max(at);
                self.late = Some(Late { rd: op.rd, at });
            }
            OpClass::FpArithSingle => self.float(op, issue, params.fma_single),
            OpClass::FpArithDouble => self.float(op, issue, params.fma_double),
            OpClass::FpMisc | OpClass::IntToFp => self.float(op, issue, params.fp_short),
            OpClass::FpDivSingle | OpClass::FpDivDouble => {
                self.divides(op, issue, operand_cycles(op, floats, params));
            }
            OpClass::Load
            | OpClass::Store
            | OpClass::FpLoad
            | OpClass::FpStore
            | OpClass::LoadReserved
            | OpClass::StoreConditional
            | OpClass::Amo
            | OpClass::Branch
            | OpClass::Fence
            | OpClass::FenceI
            | OpClass::SfenceVma
            | OpClass::Call
            | OpClass::TrapReturn
            | OpClass::Wait
            | OpClass::CacheBlock
            | OpClass::Custom
            | OpClass::Illegal => {}
        }
    }

    fn float(&mut self, op: &Op, issue: u64, latency: u64) {
        let write = issue + 1 + latency;
        self.port[write as usize % PORT] = write;
        self.port_busy_until = self.port_busy_until.max(write);
        // Beyond three cycles the scoreboard is needed, which is read a cycle after it was cleared.
        let at = if latency > 3 { write + 1 } else { issue + 4 };
        self.busy = self.busy.max(at);
        self.f[usize::from(op.rd & 31)] = at;
        self.flags_busy = self.flags_busy.max(write + 1);
    }

    fn divides(&mut self, op: &Op, issue: u64, latency: u64) {
        self.fdiv_from = issue + 3;
        self.fdiv_until = issue + 2 + latency;
        self.f[usize::from(op.rd & 31)] = self.fdiv_until + 1;
        self.busy = self.busy.max(self.fdiv_until + 1);
        self.flags_busy = self.flags_busy.max(self.fdiv_until + 1);
    }

    /// Whether the floating-point unit refuses `op`, issued in cycle `issue`: the cycle from which on it is
    /// worth to try again.
    #[inline]
    pub fn refuses(&self, op: &Op, issue: u64, params: &Params) -> Option<u64> {
        let memory_stage = issue + 2;
        if (self.fdiv_from..=self.fdiv_until).contains(&memory_stage) {
            return Some(0);
        }
        let latency = match op.class {
            OpClass::FpArithSingle => params.fma_single,
            OpClass::FpArithDouble => params.fma_double,
            OpClass::FpMisc | OpClass::IntToFp => params.fp_short,
            OpClass::FpDivSingle | OpClass::FpDivDouble => {
                return (self.port_busy_until > memory_stage).then_some(0);
            }
            _ => return None,
        };
        let write = issue + 1 + latency;
        (self.port[write as usize % PORT] == write).then_some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_step_less() {
        let double = |root, a: f64, b: f64| steps_less(root, a.to_bits(), b.to_bits(), 52);
        let single = |root, a: f32, b: f32| steps_less(root, a.to_bits().into(), b.to_bits().into(), 23);
        for (a, b, less) in
            [(3.0, 7.0, false), (7.0, 3.0, true), (7.0, 7.0, true), (1.0, 7.0, false), (-1024.0, 0.5, true)]
        {
            assert_eq!(double(false, a, b), less, "{a} / {b}");
            assert_eq!(single(false, a as f32, b as f32), less, "{a} / {b}");
        }
        for (a, less) in [(3.0, true), (7.0, false), (1.0, false), (0.5, true), (0.25, false)] {
            assert_eq!(double(true, a, 0.0), less, "root of {a}");
            assert_eq!(single(true, a as f32, 0.0), less, "root of {a}");
        }
        // Subnormal: 2^-1074 and 2^-149, and 1.5 times the double of them.
        assert_eq!((normalised(1, 52), normalised(1, 23)), ((-1074, 0), (-149, 0)));
        assert_eq!((normalised(3, 52), normalised(3, 23)), ((-1073, 1 << 51), (-148, 1 << 22)));
        assert_eq!(normalised(1 << 52, 52), (-1022, 0));
    }
}
