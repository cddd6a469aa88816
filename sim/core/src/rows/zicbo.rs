//! Zicbom, Zicbop, Zicboz: cache-block operations.
//!
//! Caches here are timing only and memory is always up to date, so management operations check
//! permissions and change nothing; `cbo.zero` writes.

use crate::bus::Bus;
use crate::hart::{Hart, Priv};
use crate::insn::{Done, Op, Stop};
use crate::isa::Ext;
use crate::pmp::AccessKind;
use crate::timing::Fact;
use crate::trap::Cause;

rows! {
    "cbo.inval"  (Zicbom) "000000000000 ..... 010 00000 0001111" Cbo CacheBlock "unpriv 20 (Zicbom)" cbo_inval;
    "cbo.clean"  (Zicbom) "000000000001 ..... 010 00000 0001111" Cbo CacheBlock "unpriv 20 (Zicbom)" cbo_clean;
    "cbo.flush"  (Zicbom) "000000000010 ..... 010 00000 0001111" Cbo CacheBlock "unpriv 20 (Zicbom)" cbo_clean;
    "cbo.zero"   (Zicboz) "000000000100 ..... 010 00000 0001111" Cbo CacheBlock "unpriv 20 (Zicboz)" cbo_zero;
    // Hints in the encodings of ori with rd = x0: never fault.
    "prefetch.i" (Zicbop) "....... 00000 ..... 110 00000 0010011" Prefetch CacheBlock "unpriv 20 (Zicbop)" prefetch;
    "prefetch.r" (Zicbop) "....... 00001 ..... 110 00000 0010011" Prefetch CacheBlock "unpriv 20 (Zicbop)" prefetch;
    "prefetch.w" (Zicbop) "....... 00011 ..... 110 00000 0010011" Prefetch CacheBlock "unpriv 20 (Zicbop)" prefetch;
}

/// Bytes in a cache block, for the guest (`riscv,cbom-block-size`, `riscv,cboz-block-size`).
pub const BLOCK_BYTES: u64 = 64;

/// `menvcfg`, `senvcfg`: whether `cbo.inval` may execute, and as what.
const CBIE: u64 = 3 << 4;
/// `menvcfg`, `senvcfg`: whether `cbo.clean` and `cbo.flush` may execute.
const CBCFE: u64 = 1 << 6;
/// `menvcfg`, `senvcfg`: whether `cbo.zero` may execute.
const CBZE: u64 = 1 << 7;

/// Whether the levels above let the current one use what `field` enables.
fn enabled(h: &Hart, field: u64) -> bool {
    let by_machine = h.privilege == Priv::M || h.csr.menvcfg & field != 0;
    let by_supervisor = h.privilege != Priv::U || !h.has(Ext::S) || h.csr.senvcfg & field != 0;
    by_machine && by_supervisor
}

fn check(h: &mut Hart, op: &Op, field: u64) -> Done {
    if enabled(h, field) { Ok(()) } else { Err(h.illegal(op)) }
}

/// Management is permitted where a load or a store is, so where a load is: there is no memory that can be
/// written and not read. What it raises are the faults of stores.
fn manage(h: &mut Hart, bus: &mut Bus, op: &Op, field: u64) -> Done {
    check(h, op, field)?;
    let va = h.x(op.rs1);
    let privilege = h.data_privilege();
    match h.translate(bus, va, 1, AccessKind::Load, privilege) {
        Ok(pa) if bus.is_memory(pa) || bus.devices().any(|(base, len, _)| pa.wrapping_sub(base) < len) => {
            h.note(op, Fact { a: va, b: pa });
            Ok(())
        }
        Err(Cause::LoadPage) => Err(h.raise(Cause::StorePage, va)),
        _ => Err(h.raise(Cause::StoreAccess, va)),
    }
}

fn cbo_inval(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    manage(h, bus, op, CBIE)
}

/// `cbo.clean` and `cbo.flush`.
fn cbo_clean(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    manage(h, bus, op, CBCFE)
}

fn cbo_zero(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    check(h, op, CBZE)?;
    let va = h.x(op.rs1);
    h.probe_store(bus, op, va)?;
    let block = va & !(BLOCK_BYTES - 1);
    let mut exit = false;
    for offset in (0..BLOCK_BYTES).step_by(8) {
        match h.store::<u64>(bus, op, block + offset, 0) {
            Ok(()) => {}
            // The store is done; the rest of the block comes before the loop looks around.
            Err(Stop::Exit) => exit = true,
            Err(stop) => return Err(stop),
        }
    }
    if exit { Err(Stop::Exit) } else { Ok(()) }
}

fn prefetch(_: &mut Hart, _: &mut Bus, _: &Op) -> Done {
    Ok(())
}
