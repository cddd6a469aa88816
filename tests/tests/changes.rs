//! What a debugger writes is part of time: replays across it make it again, and what comes before it stays as it was.

use relsim_core::device::NoConsole;
use relsim_machine::session::{Arrival, NotWritten, Options, Place, Stop, Trigger};
use relsim_machine::{Machine, Session};
use relsim_tests::boot::Boot;

fn kernel(harts: usize, model: &str) -> Machine {
    let file = if harts > 1 { "kernel-smp.elf" } else { "kernel.elf" };
    Boot::builtin(file, harts, model).machine(Box::new(NoConsole))
}

fn session(harts: usize, model: &str) -> Session {
    Session::new(kernel(harts, model), Options { max_bytes: 64 << 20, interval: 7_000 })
}

fn digest(session: &mut Session) -> ([u8; 32], u64) {
    (session.checkpoint().digest(), session.position().cycles)
}

fn at(session: &mut Session, step: u64) -> ([u8; 32], u64) {
    assert_eq!(session.go_to_step(step), Ok(Arrival::There));
    digest(session)
}

/// Where something is written.
const AT: u64 = 60_000;

#[test]
fn changes_are_made_again() {
    for (model, harts) in [("functional", 1), ("functional", 4), ("simple", 1), ("rocket", 1), ("rocket", 4)]
    {
        let context = format!("{model}, {harts} harts");
        let mut plain = session(harts, model);
        let mut session = session(harts, model);
        session.go_to_step(AT).unwrap();
        let sp = session.machine().cores[0].hart.x(2);
        assert_eq!(session.write(0, Place::Register(10), 0x1234), Ok(()));
        assert_eq!(session.write(0, Place::Memory(sp - 8, 4), 0x5678), Ok(()), "{context}");
        assert_eq!(session.write(0, Place::Csr(0x140), 0x9abc), Ok(()));
        assert_eq!(session.write(0, Place::Float(3), 0x77), Ok(()));
        let changed = digest(&mut session);
        let hart = &session.machine().cores[0].hart;
        assert_eq!((hart.x(10), hart.csr.sscratch, hart.f(3)), (0x1234, 0x9abc, 0x77));
        let later = at(&mut session, AT + 20_000);
        assert_ne!(later, at(&mut plain, AT + 20_000), "{context}: it makes a difference");
        // Back to it, before it, and across it again: from its own checkpoint and from earlier ones.
        assert_eq!(at(&mut session, AT), changed, "{context}");
        for before in [AT - 1, AT - 10_000, 3] {
            assert_eq!(at(&mut session, before), at(&mut plain, before), "{context}: before");
            assert_eq!(at(&mut session, AT + 20_000), later, "{context}: across it from {before}");
            session.go_to_step(before).unwrap();
            session.step(AT - before);
            assert_eq!(digest(&mut session), changed, "{context}: up to it");
            session.step(20_000);
            assert_eq!(digest(&mut session), later, "{context}: on from it");
        }
        // With somebody looking, in both directions.
        let traps =
            Stop { number: 1, trigger: Trigger::Trap { interrupt: None, code: None }, condition: None };
        let cycle = Stop { number: 2, trigger: Trigger::Cycle(changed.1 + 3000), condition: None };
        let stops = [traps, cycle];
        session.go_to_step(AT - 5000).unwrap();
        let mut forth = Vec::new();
        while let Arrival::Hit(hit) = session.run_to(&stops) {
            if hit.steps > AT + 20_000 {
                break;
            }
            forth.push((hit, digest(&mut session)));
        }
        assert!(forth.last().is_some_and(|(hit, _)| hit.steps > AT), "{context}");
        for (hit, there) in forth.iter().rev() {
            assert_eq!(session.run_back_to(&stops), Ok(Arrival::Hit(*hit)), "{context}");
            assert_eq!(digest(&mut session), *there, "{context}");
        }
        // One that is made earlier takes the later ones away.
        session.go_to_step(AT - 1000).unwrap();
        session.write(0, Place::Register(5), 1).unwrap();
        let other = at(&mut session, AT + 20_000);
        assert_ne!(other, later, "{context}");
        assert_eq!(at(&mut session, AT - 1001), at(&mut plain, AT - 1001), "{context}");
        assert_eq!(at(&mut session, AT + 20_000), other, "{context}");
    }
}

/// Control goes where the program counter says, and what cannot be written is left alone.
#[test]
fn jumps_and_refusals() {
    for (model, harts) in [("functional", 1), ("rocket", 1), ("rocket", 4)] {
        let mut session = session(harts, model);
        session.go_to_step(AT).unwrap();
        let before = digest(&mut session);
        for (hart, place, value, why) in [
            (9, Place::Pc, 0, NotWritten::Hart),
            (0, Place::Pc, 0x8000_0001, NotWritten::Pc(0x8000_0001)),
            (0, Place::Privilege, 2, NotWritten::Privilege(2)),
            (0, Place::Csr(0xf14), 1, NotWritten::Csr),
            (0, Place::Csr(0x7c0), 1, NotWritten::Csr),
            (0, Place::Memory(4, 8), 1, NotWritten::Memory(4)),
        ] {
            assert_eq!(session.write(hart, place, value), Err(why));
        }
        assert_eq!(digest(&mut session), before, "a refusal changes nothing");
        let hart = session.machine().next_hart().unwrap();
        // To where it was some instructions before.
        session.go_to_step(AT - 40).unwrap();
        let target = session.machine().cores[hart].hart.pc;
        session.go_to_step(AT).unwrap();
        session.write(hart, Place::Pc, target).unwrap();
        let stop = Stop { number: 1, trigger: Trigger::Hart(hart), condition: None };
        session.step(1);
        let steps = session.position().steps;
        session.go_to_step(AT - 1).unwrap();
        session.go_to_step(steps).unwrap();
        assert_eq!(session.run_back_to(&[stop]).map(|arrival| matches!(arrival, Arrival::Hit(_))), Ok(true));
        assert_eq!(session.machine().cores[hart].hart.pc, target, "{model}, {harts}");
    }
}
