//! Privileged instructions: trap returns, `wfi`, and the translation fences (also Svinval).

use crate::bus::Bus;
use crate::hart::{Hart, Priv, RunState};
use crate::insn::{Done, Fmt, InsnDef, Op, OpClass, Stop};
use crate::isa::Ext;
use crate::need;

fn mret(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    h.trap_return(op, Priv::M)
}

fn sret(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    h.trap_return(op, Priv::S)
}

fn uret(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    h.trap_return(op, Priv::U)
}

/// TW makes it illegal below M; in U it exists only with N, or where there is no S (privileged 3.1.6.5,
/// 3.3.3).
fn wfi(h: &mut Hart, bus: &mut Bus, op: &Op) -> Done {
    let in_user = h.privilege == Priv::U && h.has(Ext::S) && !h.has(Ext::N);
    if (h.privilege != Priv::M && h.csr.status.tw()) || in_user {
        return Err(h.illegal(op));
    }
    if !h.wakes(bus) {
        h.state = RunState::Waiting;
    }
    Err(Stop::Exit)
}

/// relsim forgets all translations, which is always allowed, whatever address and ASID are named.
fn sfence_vma(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    if h.privilege == Priv::U || (h.privilege == Priv::S && h.csr.status.tvm()) {
        return Err(h.illegal(op));
    }
    h.flush_translations();
    Err(Stop::Exit)
}

/// The ordering half of Svinval; the invalidation has already happened.
fn sfence_order(h: &mut Hart, _: &mut Bus, op: &Op) -> Done {
    if h.privilege == Priv::U { Err(h.illegal(op)) } else { Ok(()) }
}

/// Privileged instructions.
pub const ROWS: &[InsnDef] = &[
    InsnDef::new(
        "uret",
        need!(N),
        "00000000001000000000000001110011",
        Fmt::None,
        OpClass::TrapReturn,
        "N",
        uret,
    ),
    InsnDef::new(
        "sret",
        need!(S),
        "00010000001000000000000001110011",
        Fmt::None,
        OpClass::TrapReturn,
        "priv 3.3.2",
        sret,
    ),
    InsnDef::new(
        "mret",
        need!(I),
        "00110000001000000000000001110011",
        Fmt::None,
        OpClass::TrapReturn,
        "priv 3.3.2",
        mret,
    ),
    InsnDef::new(
        "wfi",
        need!(I),
        "00010000010100000000000001110011",
        Fmt::None,
        OpClass::Wait,
        "priv 3.3.3",
        wfi,
    ),
    InsnDef::new(
        "sfence.vma",
        need!(S),
        "0001001..........000000001110011",
        Fmt::Sfence,
        OpClass::SfenceVma,
        "priv 4.2.1",
        sfence_vma,
    ),
    InsnDef::new(
        "sinval.vma",
        need!(Svinval),
        "0001011..........000000001110011",
        Fmt::Sfence,
        OpClass::SfenceVma,
        "priv Svinval",
        sfence_vma,
    ),
    InsnDef::new(
        "sfence.w.inval",
        need!(Svinval),
        "00011000000000000000000001110011",
        Fmt::None,
        OpClass::Fence,
        "priv Svinval",
        sfence_order,
    ),
    InsnDef::new(
        "sfence.inval.ir",
        need!(Svinval),
        "00011000000100000000000001110011",
        Fmt::None,
        OpClass::Fence,
        "priv Svinval",
        sfence_order,
    ),
];
