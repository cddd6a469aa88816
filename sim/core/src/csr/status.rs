//! `mstatus` and its views `sstatus` and `ustatus` (privileged specification 3.1.6, 4.1.1; chapter N).

use serde::{Deserialize, Serialize};

use crate::hart::Priv;
use crate::isa::{Ext, ExtSet};

/// The value of `mstatus`; SD is computed when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status(u64);

const UIE: u64 = 1 << 0;
const SIE: u64 = 1 << 1;
const MIE: u64 = 1 << 3;
const UPIE: u64 = 1 << 4;
const SPIE: u64 = 1 << 5;
const MPIE: u64 = 1 << 7;
const SPP: u64 = 1 << 8;
const MPP: u64 = 3 << 11;
const FS: u64 = 3 << 13;
const MPRV: u64 = 1 << 17;
const SUM: u64 = 1 << 18;
const MXR: u64 = 1 << 19;
const TVM: u64 = 1 << 20;
const TW: u64 = 1 << 21;
const TSR: u64 = 1 << 22;
const UXL: u64 = 3 << 32;
const SXL: u64 = 3 << 34;
const SD: u64 = 1 << 63;

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:ident),* $(,)?) => {
        $($(#[$doc])* #[inline] pub const fn $name(self) -> bool { self.0 & $bit != 0 })*
    };
}

impl Status {
    flags! {
        /// UIE.
        uie = UIE,
        /// SIE.
        sie = SIE,
        /// MIE.
        mie = MIE,
        /// MPRV.
        mprv = MPRV,
        /// SUM.
        sum = SUM,
        /// MXR.
        mxr = MXR,
        /// TVM.
        tvm = TVM,
        /// TW.
        tw = TW,
        /// TSR.
        tsr = TSR,
    }

    /// The reset value: all clear, the XLEN fields read-only 64.
    pub const fn reset(isa: ExtSet) -> Self {
        let mut value = 0;
        if isa.has(Ext::U) {
            value |= 2 << 32;
        } else {
            value |= MPP;
        }
        if isa.has(Ext::S) {
            value |= 2 << 34;
        }
        Self(value)
    }

    /// The whole value, SD included.
    #[inline]
    pub const fn mstatus(self) -> u64 {
        self.0 | if self.0 & FS == FS { SD } else { 0 }
    }

    const fn writable(isa: ExtSet) -> u64 {
        let mut mask = MIE | MPIE | MPP;
        if isa.has(Ext::U) {
            mask |= MPRV | TW;
        }
        if isa.has(Ext::S) {
            mask |= SIE | SPIE | SPP | SUM | MXR | TVM | TSR | FS;
        }
        if isa.has(Ext::F) {
            mask |= FS;
        }
        if isa.has(Ext::N) {
            mask |= UIE | UPIE;
        }
        mask
    }

    const fn s_view(isa: ExtSet) -> u64 {
        let n = if isa.has(Ext::N) { UIE | UPIE } else { 0 };
        SIE | SPIE | SPP | FS | SUM | MXR | UXL | n
    }

    /// A write to `mstatus`. MPP takes only levels that exist; an attempt at another leaves it.
    pub fn set_mstatus(&mut self, value: u64, isa: ExtSet) {
        let mut mask = Self::writable(isa);
        let mpp_ok = match Priv::from_bits((value & MPP) >> 11) {
            Some(Priv::M) => true,
            Some(Priv::S) => isa.has(Ext::S),
            Some(Priv::U) => isa.has(Ext::U),
            None => false,
        };
        if !mpp_ok {
            mask &= !MPP;
        }
        self.0 = (self.0 & !mask) | (value & mask);
        debug_assert!(self.0 & (SXL | UXL | SD) & !(2 << 32 | 2 << 34) == 0);
    }

    /// `sstatus`.
    pub const fn sstatus(self, isa: ExtSet) -> u64 {
        self.mstatus() & (Self::s_view(isa) | SD)
    }

    /// A write to `sstatus`.
    pub fn set_sstatus(&mut self, value: u64, isa: ExtSet) {
        let view = Self::s_view(isa);
        self.set_mstatus((self.0 & !view) | (value & view), isa);
    }

    /// `ustatus`.
    pub const fn ustatus(self) -> u64 {
        self.0 & (UIE | UPIE)
    }

    /// A write to `ustatus`.
    pub fn set_ustatus(&mut self, value: u64) {
        self.0 = (self.0 & !(UIE | UPIE)) | (value & (UIE | UPIE));
    }

    /// Whether floating point is on (FS is not Off).
    #[inline(always)]
    pub const fn fp_on(self) -> bool {
        self.0 & FS != 0
    }

    /// FS becomes Dirty.
    #[inline(always)]
    pub fn dirty_fp(&mut self) {
        self.0 |= FS;
    }

    /// MPP.
    pub const fn mpp(self) -> Priv {
        match Priv::from_bits((self.0 & MPP) >> 11) {
            Some(p) => p,
            None => Priv::U,
        }
    }

    fn set(&mut self, bit: u64, on: bool) {
        self.0 = (self.0 & !bit) | if on { bit } else { 0 };
    }

    /// Trap into M from `from`.
    pub fn enter_m(&mut self, from: Priv) {
        self.set(MPIE, self.0 & MIE != 0);
        self.set(MIE, false);
        self.0 = (self.0 & !MPP) | (from as u64) << 11;
    }

    /// Trap into S from `from`.
    pub fn enter_s(&mut self, from: Priv) {
        self.set(SPIE, self.0 & SIE != 0);
        self.set(SIE, false);
        self.set(SPP, from == Priv::S);
    }

    /// Trap into U.
    pub fn enter_u(&mut self) {
        self.set(UPIE, self.0 & UIE != 0);
        self.set(UIE, false);
    }

    /// `mret`: the privilege to return to.
    pub fn leave_m(&mut self, isa: ExtSet) -> Priv {
        let to = self.mpp();
        self.set(MIE, self.0 & MPIE != 0);
        self.0 = (self.0 | MPIE) & !MPP;
        if !isa.has(Ext::U) {
            self.0 |= MPP;
        }
        if to != Priv::M {
            self.0 &= !MPRV;
        }
        to
    }

    /// `sret`: the privilege to return to.
    pub fn leave_s(&mut self, _isa: ExtSet) -> Priv {
        let to = if self.0 & SPP != 0 { Priv::S } else { Priv::U };
        self.set(SIE, self.0 & SPIE != 0);
        self.0 = (self.0 | SPIE) & !(SPP | MPRV);
        to
    }

    /// `uret`.
    pub fn leave_u(&mut self) {
        self.set(UIE, self.0 & UPIE != 0);
        // Like every return to a level below M, it ends MPRV.
        self.0 = (self.0 | UPIE) & !MPRV;
    }

    /// The raw value, for checkpoints.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Takes a raw value from a checkpoint of a hart with the same extensions.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & !SD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::parse_isa;

    #[test]
    fn views_and_stacks() {
        let isa = parse_isa("rv64gc", &[]).unwrap();
        let mut s = Status::reset(isa);
        assert_eq!(s.mstatus(), 0xa_0000_0000);
        s.set_mstatus(u64::MAX, isa);
        assert!(s.mstatus() & SD != 0 && s.mpp() == Priv::M);
        assert_eq!(s.mstatus() & (UIE | UPIE), 0, "no N, no UIE");
        s.set_mstatus(2 << 11, isa);
        assert_eq!(s.mpp(), Priv::M, "the reserved level is not taken");
        s.set_mstatus(MIE, isa);
        s.enter_m(Priv::S);
        assert_eq!(s.mstatus() & (MIE | MPIE | MPP), MPIE | 1 << 11);
        assert_eq!(s.leave_m(isa), Priv::S);
        assert_eq!(s.mstatus() & (MIE | MPIE | MPP), MIE | MPIE);
    }
}
