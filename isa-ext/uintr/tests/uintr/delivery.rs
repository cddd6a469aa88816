//! When a user software interrupt arrives.

use relsim_core::csr::irq;
use relsim_core::hart::Priv;
use relsim_core::run::SliceEnd;
use uintr_abi::uintc::{ACTIVE, HIGH, LOW};
use uintr_abi::{ReceiverLow, SenderEntry, n, uipi};

use crate::asm::{A0, A1, A2, MRET, NOP, SRET, URET, WFI, csrci, csrr, csrsi, csrwi};
use crate::harness::{CODE, Machine, S_HANDLER, U_HANDLER};

const SIP: u16 = 0x144;
const SEPC: u16 = 0x141;
const SSTATUS: u16 = 0x100;
const MEPC: u16 = 0x341;

/// A hart whose handler is `code` at `utvec`.
fn handler(m: &mut Machine, code: &[u32]) {
    for (word, n) in code.iter().zip(0..) {
        assert!(m.bus.ram.put(U_HANDLER + 4 * n, *word).is_some());
    }
}

/// "An interrupt goes to U when it is pending and enabled ...": at once, before the next instruction
#[test]
fn at_once() {
    let mut m = Machine::new(1);
    m.give_table(0, &[SenderEntry::new(3, 5)]);
    m.running_receiver(0, 3);
    let at = m.program(0, &[uipi::send(0), NOP]);
    m.step(0, 1);
    m.settle(0);
    assert!(m.in_user_handler(0, at + 4), "pc {:#x}", m.hart(0).pc);
    assert_eq!(m.csr(0, n::USTATUS), n::STATUS_UPIE);
}

/// Also by what the receiver itself does: ACTIVATE and WRITE raise the level, READ and DEACTIVATE lower it.
#[test]
fn by_own_operations() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.hart(0).write_x(A0 as u8, 2);
    let at = m.program(0, &[uipi::write(A0), NOP]);
    m.step(0, 1);
    m.settle(0);
    assert!(m.in_user_handler(0, at + 4));

    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.uintc_write(3, ACTIVE, 0);
    m.post(3, 1);
    let at = m.program(0, &[NOP, uipi::activate(), NOP]);
    m.step(0, 2);
    m.settle(0);
    assert!(m.in_user_handler(0, at + 8));
    assert!(m.level(0));
    m.exec(0, uipi::deactivate());
    assert!(!m.level(0));
    m.exec(0, uipi::activate());
    assert!(m.level(0));
    m.exec(0, uipi::read(A0));
    assert!(!m.level(0));
}

/// "... the hart is in U, and `ustatus.UIE` is 1": each condition is needed, and enough as the last to come
#[test]
fn last_condition_counts() {
    type Switch = fn(&mut Machine, bool);
    let conditions: [(&str, Switch); 6] = [
        ("pending", |m, on| m.bus.lines.set_mip(0, n::USER_SOFTWARE, on)),
        ("active", |m, on| m.uintc_write(3, ACTIVE, u64::from(on))),
        ("mode and hartid", |m, on| m.uintc_write(3, LOW, if on { 3 } else { 1 << 16 | 1 })),
        ("uie", |m, on| m.hart(0).csr.mie = u64::from(on)),
        ("privilege", |m, on| m.enter(0, if on { Priv::U } else { Priv::S })),
        ("ustatus.UIE", |m, on| m.set_csr(0, n::USTATUS, u64::from(on))),
    ];
    for (name, set) in conditions {
        let mut m = Machine::new(1);
        m.running_receiver(0, 3);
        m.post(3, 1);
        set(&mut m, false);
        let at = m.program(0, &[NOP; 8]);
        m.step(0, 3);
        assert_eq!(m.hart(0).pc, at + 12, "{name} off");
        set(&mut m, true);
        m.settle(0);
        assert!(m.in_user_handler(0, at + 12), "{name} on");
    }
}

/// User code opens the gate itself: after `csrsi ustatus, 1` (or `uie`) the next instruction is the handler's.
#[test]
fn at_csr_writes() {
    for (num, other) in [(n::USTATUS, n::UIE), (n::UIE, n::USTATUS)] {
        let mut m = Machine::new(1);
        m.give_receiver(0, 3, true);
        m.set_csr(0, n::SIDELEG, n::USIP);
        m.set_csr(0, other, 1);
        m.enter(0, Priv::U);
        m.post(3, 1);
        let at = m.program(0, &[NOP, csrsi(num, 1), NOP]);
        m.step(0, 2);
        m.settle(0);
        assert!(m.in_user_handler(0, at + 8));
    }
}

/// "If a user interrupt is pending and enabled ... after an `sret` that lands in U it is taken before the first
/// instruction there."
#[test]
fn at_sret() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.enter(0, Priv::S);
    m.post(3, 1);
    let at = m.program(0, &[NOP, SRET]);
    m.set_csr(0, SEPC, CODE + 0x80);
    m.step(0, 1);
    assert_eq!(m.hart(0).pc, at + 4, "not in S");
    m.step(0, 1);
    m.settle(0);
    assert!(m.in_user_handler(0, CODE + 0x80));
    assert_eq!(m.hart(0).counts.user_traps, 1);
}

/// "... or `mret` that lands in U"; one that lands in S does not deliver
#[test]
fn at_mret() {
    for (mpp, delivers) in [(Priv::U, true), (Priv::S, false)] {
        let mut m = Machine::new(1);
        m.running_receiver(0, 3);
        m.enter(0, Priv::M);
        m.post(3, 1);
        m.program(0, &[MRET]);
        m.set_csr(0, MEPC, CODE + 0x80);
        m.set_csr(0, 0x300, (mpp as u64) << 11 | n::STATUS_UIE);
        m.step(0, 1);
        m.settle(0);
        if delivers {
            assert!(m.in_user_handler(0, CODE + 0x80));
        } else {
            assert_eq!((m.hart(0).pc, m.hart(0).privilege), (CODE + 0x80, Priv::S));
        }
    }
}

/// "If a user interrupt is pending and enabled after `uret` it is taken before the first instruction there":
/// a handler that left the level up is entered again from the same place
#[test]
fn at_uret() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    let at = m.program(0, &[NOP; 4]);
    handler(&mut m, &[NOP, URET]);
    m.post(3, 1);
    m.step(0, 1);
    assert_eq!(m.hart(0).pc, U_HANDLER + 4, "UIE is off in the handler");
    m.step(0, 1);
    m.settle(0);
    assert!(m.in_user_handler(0, at));
    assert_eq!(m.hart(0).counts.user_traps, 2);
    m.uintc_read(3, HIGH);
    m.step(0, 2);
    m.settle(0);
    assert_eq!((m.hart(0).pc, m.csr(0, n::USTATUS)), (at, n::STATUS_UIE | n::STATUS_UPIE));
}

/// "hartid": to another hart, which is interrupted wherever it is in U; the sender is not
#[test]
fn to_another_hart() {
    let mut m = Machine::new(2);
    m.give_table(0, &[SenderEntry::new(3, 5)]);
    m.running_receiver(1, 3);
    m.listen(0);
    m.set_csr(0, n::USTATUS, 1);
    m.enter(0, Priv::U);
    let there = m.program(1, &[NOP; 8]);
    m.step(1, 3);
    m.exec(0, uipi::send(0));
    m.settle(0);
    assert_eq!(m.hart(0).counts.user_traps, 0);
    m.settle(1);
    assert!(m.in_user_handler(1, there + 12));
    m.exec(1, uipi::read(A0));
    assert_eq!(m.hart(1).x(A0 as u8), 1 << 5);
}

/// "ACTIVE clear": posted and kept, delivered when it is set
#[test]
fn to_a_receiver_that_is_not_active() {
    let mut m = Machine::new(2);
    m.give_table(0, &[SenderEntry::new(3, 5), SenderEntry::new(3, 6)]);
    m.running_receiver(1, 3);
    m.uintc_write(3, ACTIVE, 0);
    let there = m.program(1, &[NOP; 8]);
    m.exec(0, uipi::send(0));
    m.hart(0).write_x(A0 as u8, 1);
    m.exec(0, uipi::send(A0));
    m.step(1, 2);
    assert_eq!((m.hart(1).pc, m.pending(3)), (there + 8, 1 << 5 | 1 << 6));
    m.uintc_write(3, ACTIVE, 1);
    m.settle(1);
    assert!(m.in_user_handler(1, there + 8));
}

/// "It is never taken in S or M: it stays pending until the hart is back in U."
#[test]
fn never_in_s_or_m() {
    for privilege in [Priv::S, Priv::M] {
        let mut m = Machine::new(1);
        m.running_receiver(0, 3);
        m.enter(0, privilege);
        // Every enable on.
        m.set_csr(0, 0x300, 0b1011);
        m.hart(0).csr.mie = u64::MAX;
        m.post(3, 1);
        let at = m.program(0, &[NOP; 4]);
        m.step(0, 3);
        assert_eq!((m.hart(0).pc, m.hart(0).privilege), (at + 12, privilege));
        m.enter(0, Priv::U);
        m.settle(0);
        assert!(m.in_user_handler(0, at + 12));
    }
}

/// "Order: M before S before U."
#[test]
fn order() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.set_csr(0, 0x304, irq::MSIP | irq::SSIP | irq::USIP);
    m.post(3, 1);
    m.hart(0).csr.mip_soft |= irq::SSIP;
    m.bus.lines.set_mip(0, 3, true);
    let at = m.program(0, &[NOP]);
    m.settle(0);
    assert_eq!((m.hart(0).privilege, m.hart(0).csr.mcause), (Priv::M, 1 << 63 | 3));
    m.bus.lines.set_mip(0, 3, false);
    m.enter(0, Priv::U);
    m.hart(0).pc = at;
    m.settle(0);
    assert_eq!((m.hart(0).privilege, m.hart(0).csr.scause), (Priv::S, 1 << 63 | 1));
    assert_eq!(m.hart(0).pc, S_HANDLER);
    m.hart(0).csr.mip_soft = 0;
    m.enter(0, Priv::U);
    m.hart(0).pc = at;
    m.settle(0);
    assert!(m.in_user_handler(0, at));
}

/// "delegated ... by `sideleg`": without it the interrupt is S-mode's
#[test]
fn without_sideleg_it_goes_to_s() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.set_csr(0, n::SIDELEG, 0);
    m.post(3, 1);
    let at = m.program(0, &[NOP]);
    m.settle(0);
    let h = m.hart(0);
    assert_eq!((h.privilege, h.csr.scause, h.csr.sepc, h.pc), (Priv::S, 1 << 63, at, S_HANDLER));
}

/// "the handler runs `uipi.read` (which lowers the level), then clears `uip.USIP`, works, and posts back what it
/// left with `uipi.write`"
#[test]
fn handler_of_deployed_software() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    handler(&mut m, &[uipi::read(A0), csrci(n::UIP, 1), csrr(A1, n::UIP), uipi::write(A2), URET]);
    let at = m.program(0, &[NOP; 4]);
    m.post(3, 1);
    m.post(3, 2);
    m.step(0, 5);
    assert_eq!((m.hart(0).x(A0 as u8), m.hart(0).x(A1 as u8)), (0b110, 0));
    m.settle(0);
    assert_eq!(m.hart(0).pc, at, "nothing left: no second interrupt");
    // Posting back something interrupts again, once UIE is back on.
    m.hart(0).write_x(A2 as u8, 0b100);
    m.post(3, 1);
    m.step(0, 5);
    m.settle(0);
    assert!(m.in_user_handler(0, at));
    assert_eq!(m.pending(3), 0b100);
}

/// "the kernel, on every return to a receiver, reads HIGH, re-writes LOW with the current hartid and mode=1, writes
/// HIGH back, and sets or clears `sip.USIP` by whether anything was pending. That kernel never sets ACTIVE, so
/// *all* its deliveries happen at `sret`; a model that interrupts with ACTIVE clear is wrong"
#[test]
fn kernel_that_never_sets_active() {
    let low = ReceiverLow { active: false, mode64: true, hartid: 0 }.bits();
    let return_to_receiver = |m: &mut Machine| {
        let pending = m.uintc_read(3, HIGH);
        m.uintc_write(3, LOW, low);
        m.uintc_write(3, HIGH, pending);
        let word = if pending != 0 { csrsi(SIP, 1) } else { csrci(SIP, 1) };
        m.enter(0, Priv::S);
        m.exec(0, word);
        m.set_csr(0, SEPC, CODE + 0x80);
        m.program(0, &[SRET]);
        m.step(0, 1);
        m.settle(0);
    };
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.uintc_write(3, LOW, low);
    handler(&mut m, &[uipi::read(A0), csrci(n::UIP, 1), URET]);
    assert!(m.bus.ram.put(CODE + 0x80, NOP).is_some());

    return_to_receiver(&mut m);
    assert_eq!(m.hart(0).pc, CODE + 0x80, "nothing pending");
    // Sent while the receiver runs: it waits for the next entry into the kernel.
    m.post(3, 7);
    m.step(0, 1);
    assert_eq!(m.hart(0).pc, CODE + 0x84);
    m.set_csr(0, SSTATUS, n::STATUS_UIE);
    return_to_receiver(&mut m);
    assert!(m.in_user_handler(0, CODE + 0x80));
    m.step(0, 3);
    m.settle(0);
    assert_eq!((m.hart(0).x(A0 as u8), m.hart(0).pc), (1 << 7, CODE + 0x80), "once");
    return_to_receiver(&mut m);
    assert_eq!(m.hart(0).pc, CODE + 0x80, "and not again");
}

/// "that kernel writes `uie` before `sideleg` on return, so its first write is lost and its second holds"
#[test]
fn uie_before_sideleg() {
    let mut m = Machine::new(1);
    m.enter(0, Priv::S);
    m.exec(0, csrwi(n::UIE, 1));
    m.exec(0, csrwi(n::SIDELEG, 1));
    assert_eq!(m.csr(0, n::UIE), 0);
    m.exec(0, csrwi(n::UIE, 1));
    assert_eq!(m.csr(0, n::UIE), 1);
}

/// "`uipi.send` is executed in S-mode too": it interrupts the user that the kernel returns to
#[test]
fn send_from_the_kernel() {
    let mut m = Machine::new(1);
    m.give_table(0, &[SenderEntry::new(3, 5)]);
    m.running_receiver(0, 3);
    m.enter(0, Priv::S);
    m.program(0, &[uipi::send(0), SRET]);
    m.set_csr(0, SEPC, CODE + 0x80);
    m.step(0, 2);
    m.settle(0);
    assert!(m.in_user_handler(0, CODE + 0x80));
}

/// A hart that is ahead of the others waits before it touches the UINTC, and the operation that is executed
/// anew happens once.
#[test]
fn in_the_order_of_time() {
    let mut m = Machine::new(2);
    m.give_table(0, &[SenderEntry::new(3, 5), SenderEntry::new(4, 6)]);
    m.give_receiver(0, 4, false);
    m.enter(0, Priv::U);
    m.post(4, 1);
    let at = m.program(0, &[NOP, NOP, uipi::send(0), NOP, uipi::read(A0)]);
    assert_eq!(m.slice_until(0, 100, 1), SliceEnd::Device);
    assert_eq!((m.hart(0).pc, m.hart(0).cycle, m.pending(3)), (at + 8, 2, 0), "cycle 1 has to pass first");
    assert_eq!(m.slice_until(0, 100, 1), SliceEnd::Device);
    assert_eq!((m.hart(0).instret, m.pending(3)), (2, 0));
    assert_eq!(m.slice_until(0, 100, 2), SliceEnd::Device);
    assert_eq!((m.hart(0).instret, m.pending(3)), (3, 1 << 5));
    assert_eq!(m.slice_until(0, 100, 3), SliceEnd::Device);
    assert_eq!((m.hart(0).instret, m.pending(4)), (4, 1 << 1), "not read yet");
    m.post(4, 2);
    assert_eq!(m.slice_until(0, 100, 4), SliceEnd::Device);
    assert_eq!((m.hart(0).x(A0 as u8), m.pending(4)), (0b110, 0), "and sees what came before");
}

/// A hart that waits is woken by it: `wfi` ends when an enabled interrupt is pending.
#[test]
fn ends_wfi() {
    let mut m = Machine::new(1);
    m.running_receiver(0, 3);
    m.post(3, 1);
    m.set_csr(0, n::USTATUS, 0);
    m.exec(0, WFI);
    m.uintc_read(3, HIGH);
    assert!(!m.cores[0].hart.wakes(&m.bus));
    m.post(3, 1);
    assert!(m.cores[0].hart.wakes(&m.bus));
}
