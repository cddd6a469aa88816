//! `uipi` (U-interrupt specification 0.1.1, chapter "Instructions"). It can be executed at every privilege.
//!
//! funct3 010 and 110 are the same instruction. Register fields that an operation does not use must be zero:
//! an early draft put the operation where rs2 is now, and would silently be taken for `uipi.send`.
//!
//! Accesses go to physical addresses. The entry is read before the UINTC is written, and nothing has happened
//! when [`Stop::Alone`] asks to begin anew, so executing a function twice is harmless.

use relsim_core::bus::Bus;
use relsim_core::hart::Hart;
use relsim_core::insn::{Done, Fmt, InsnDef, Op, OpClass, Stop};
use relsim_core::need;
use relsim_core::trap::Cause;
use uintr_abi::SenderEntry;
use uintr_abi::uintc::{ACCESS_BYTES, ACTIVE, HIGH, SEND, register_offset};

use crate::csrs::{SENDS_WORD, suicfg, suirs, suist};
use crate::{SLOT, uintc};

/// Physical address of `register` of receiver `index`; `None` where the UINTC has no such receiver, which
/// must not become an access to whatever device comes next.
///
/// # Errors
/// [`Stop::Trap`] with access fault `cause` if `suicfg` is not the address of a UINTC.
fn locate(h: &mut Hart, bus: &Bus, index: u16, register: u64, cause: Cause) -> Result<Option<u64>, Stop> {
    let base = suicfg(h);
    let offset = register_offset(index, register);
    let uintc = bus.devices().find(|(at, _, device)| *at == base && device.name() == uintc::NAME);
    match uintc {
        Some((_, len, _)) => Ok((offset + ACCESS_BYTES <= len).then(|| base + offset)),
        None => Err(h.raise(cause, base.wrapping_add(offset))),
    }
}

/// Writes `value` to a register of the hart's own receiver, if it has one.
fn write_own(h: &mut Hart, bus: &mut Bus, op: &Op, register: u64, value: u64) -> Done {
    let Some(index) = suirs(h).receiver() else { return Ok(()) };
    match locate(h, bus, index, register, Cause::StoreAccess)? {
        Some(pa) => h.store_physical(bus, op, pa, value),
        None => Ok(()),
    }
}

fn send(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    let done = notify(h, bus, op);
    // Only when it retires: it is executed anew after `Stop::Alone`.
    if matches!(done, Ok(()) | Err(Stop::Exit)) {
        h.ext_words(SLOT)[SENDS_WORD] += 1;
    }
    done
}

/// Posts the vector of the entry that `op` names, if there is one.
fn notify(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    let Some(entry_pa) = suist(h).entry_address(h.x(op.rs1)) else { return Ok(()) };
    let entry = SenderEntry::from_bits(h.load_physical(bus, op, entry_pa)?);
    if !entry.valid {
        return Ok(());
    }
    match locate(h, bus, entry.receiver, SEND, Cause::StoreAccess)? {
        Some(pa) => h.store_physical(bus, op, pa, u64::from(entry.vector)),
        None => Ok(()),
    }
}

fn read(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    let mut pending = 0;
    if let Some(index) = suirs(h).receiver()
        && let Some(pa) = locate(h, bus, index, HIGH, Cause::LoadAccess)?
    {
        pending = h.load_physical::<u64>(bus, op, pa)?;
    }
    h.set_x(op.rd, pending);
    Ok(())
}

fn write(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    write_own(h, bus, op, HIGH, h.x(op.rs1))
}

fn activate(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    write_own(h, bus, op, ACTIVE, 1)
}

fn deactivate(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    write_own(h, bus, op, ACTIVE, 0)
}

/// What sends.
pub(crate) const SEND_NAME: &str = "uipi.send";

/// The instructions.
pub(crate) const ROWS: &[InsnDef] = &[
    InsnDef::new(
        SEND_NAME,
        need!(Custom0),
        "0000000 00000 ..... .10 00000 1111011",
        Fmt::Rs1,
        OpClass::Custom,
        "uintr uipi",
        send,
    ),
    InsnDef::new(
        "uipi.read",
        need!(Custom0),
        "0000001 00000 00000 .10 ..... 1111011",
        Fmt::Rd,
        OpClass::Custom,
        "uintr uipi",
        read,
    ),
    InsnDef::new(
        "uipi.write",
        need!(Custom0),
        "0000010 00000 ..... .10 00000 1111011",
        Fmt::Rs1,
        OpClass::Custom,
        "uintr uipi",
        write,
    ),
    InsnDef::new(
        "uipi.activate",
        need!(Custom0),
        "0000011 00000 00000 .10 00000 1111011",
        Fmt::None,
        OpClass::Custom,
        "uintr uipi",
        activate,
    ),
    InsnDef::new(
        "uipi.deactivate",
        need!(Custom0),
        "0000100 00000 00000 .10 00000 1111011",
        Fmt::None,
        OpClass::Custom,
        "uintr uipi",
        deactivate,
    ),
];
