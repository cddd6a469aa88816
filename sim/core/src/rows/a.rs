//! A (load-reserved, store-conditional, read-modify-write) and Zacas (compare and swap).
//!
//! The `aq` and `rl` bits are part of the text only: memory is sequentially consistent.

use super::sext32;
use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op, Stop, X_SINK};
use crate::trap::Cause;

rows! {
    "lr.w"      (A) "00010 .. 00000 ..... 010 ..... 0101111" Lr  LoadReserved     "unpriv 14.2" lr_w;
    "lr.d"      (A) "00010 .. 00000 ..... 011 ..... 0101111" Lr  LoadReserved     "unpriv 14.2" lr_d;
    "sc.w"      (A) "00011 .. ..... ..... 010 ..... 0101111" Amo StoreConditional "unpriv 14.2" sc_w;
    "sc.d"      (A) "00011 .. ..... ..... 011 ..... 0101111" Amo StoreConditional "unpriv 14.2" sc_d;

    "amoswap.w" (A) "00001 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amoswap_w;
    "amoadd.w"  (A) "00000 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amoadd_w;
    "amoxor.w"  (A) "00100 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amoxor_w;
    "amoand.w"  (A) "01100 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amoand_w;
    "amoor.w"   (A) "01000 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amoor_w;
    "amomin.w"  (A) "10000 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amomin_w;
    "amomax.w"  (A) "10100 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amomax_w;
    "amominu.w" (A) "11000 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amominu_w;
    "amomaxu.w" (A) "11100 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 14.4" amomaxu_w;
    "amoswap.d" (A) "00001 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amoswap_d;
    "amoadd.d"  (A) "00000 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amoadd_d;
    "amoxor.d"  (A) "00100 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amoxor_d;
    "amoand.d"  (A) "01100 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amoand_d;
    "amoor.d"   (A) "01000 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amoor_d;
    "amomin.d"  (A) "10000 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amomin_d;
    "amomax.d"  (A) "10100 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amomax_d;
    "amominu.d" (A) "11000 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amominu_d;
    "amomaxu.d" (A) "11100 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 14.4" amomaxu_d;

    "amocas.w"  (Zacas) "00101 .. ..... ..... 010 ..... 0101111" Amo Amo "unpriv 16.1" amocas_w;
    "amocas.d"  (Zacas) "00101 .. ..... ..... 011 ..... 0101111" Amo Amo "unpriv 16.1" amocas_d;
    // Register pairs: odd numbers are reserved.
    "amocas.q"  (Zacas) "00101 .. ....0 ..... 100 ....0 0101111" Amo Amo "unpriv 16.1" amocas_q;
}

fn lr_w(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    h.load_reserved::<u32>(bus, op)
}

fn lr_d(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    h.load_reserved::<u64>(bus, op)
}

fn sc_w(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    h.store_conditional::<u32>(bus, op)
}

fn sc_d(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    h.store_conditional::<u64>(bus, op)
}

macro_rules! amos {
    ($($name:ident $scalar:ty, |$old:ident, $operand:ident| $new:expr;)*) => {$(
        fn $name(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
            h.amo::<$scalar>(bus, op, |$old, $operand| $new)
        }
    )*};
}
amos! {
    amoswap_w u32, |_old, b| b;
    amoadd_w u32, |old, b| old.wrapping_add(b);
    amoxor_w u32, |old, b| old ^ b;
    amoand_w u32, |old, b| old & b;
    amoor_w u32, |old, b| old | b;
    amomin_w u32, |old, b| (old as i32).min(b as i32) as u32;
    amomax_w u32, |old, b| (old as i32).max(b as i32) as u32;
    amominu_w u32, |old, b| old.min(b);
    amomaxu_w u32, |old, b| old.max(b);
    amoswap_d u64, |_old, b| b;
    amoadd_d u64, |old, b| old.wrapping_add(b);
    amoxor_d u64, |old, b| old ^ b;
    amoand_d u64, |old, b| old & b;
    amoor_d u64, |old, b| old | b;
    amomin_d u64, |old, b| (old as i64).min(b as i64) as u64;
    amomax_d u64, |old, b| (old as i64).max(b as i64) as u64;
    amominu_d u64, |old, b| old.min(b);
    amomaxu_d u64, |old, b| old.max(b);
}

/// The value that a compare-and-swap expects: `rd` as a source, where x0 reads as zero.
fn expected(h: &Hart, op: &Op) -> u64 {
    if op.rd == X_SINK { 0 } else { h.x(op.rd) }
}

/// `Ok`, or `Exit` where the access asks the loop to look up.
fn done(exit: bool) -> Done {
    if exit { Err(Stop::Exit) } else { Ok(()) }
}

fn amocas_w(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    let (expected, new) = (expected(h, op) as u32, h.x(op.rs2) as u32);
    let swap = |old| if old == expected { new } else { old };
    let (old, exit) = h.amo_raw::<u32>(bus, op, h.x(op.rs1), swap)?;
    h.set_x(op.rd, sext32(old.into()));
    done(exit)
}

fn amocas_d(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    let (expected, new) = (expected(h, op), h.x(op.rs2));
    let swap = |old| if old == expected { new } else { old };
    let (old, exit) = h.amo_raw::<u64>(bus, op, h.x(op.rs1), swap)?;
    h.set_x(op.rd, old);
    done(exit)
}

/// The 128-bit value in `r` (low half) and `r + 1`; zero for the pair that begins with x0.
fn pair(h: &Hart, r: u8) -> u128 {
    if r == 0 || r == X_SINK {
        return 0;
    }
    u128::from(h.x(r + 1)) << 64 | u128::from(h.x(r))
}

fn amocas_q(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    let (expected, new) = (pair(h, op.rd), pair(h, op.rs2));
    let swap = |old| if old == expected { new } else { old };
    let va = h.x(op.rs1);
    // Checked here since the tags of the software TLB tell misalignment only up to eight bytes.
    if !va.is_multiple_of(16) {
        return Err(h.raise(Cause::StoreMisaligned, va));
    }
    let (old, exit) = h.amo_raw::<u128>(bus, op, va, swap)?;
    if op.rd != X_SINK {
        h.set_x(op.rd, old as u64);
        h.set_x(op.rd + 1, (old >> 64) as u64);
    }
    done(exit)
}
