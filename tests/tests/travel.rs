//! Going back in time: a machine that is restored from a checkpoint goes on as the first one did, to the last cycle; and
//! one that is paused goes on as if it had not been.

use std::sync::atomic::AtomicBool;

use relsim_core::bus::Bus;
use relsim_core::device::NoConsole;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;
use relsim_machine::session::{Arrival, Hit, Options, Stop, Trigger};
use relsim_machine::{Exit, Limits, Machine, Pause, Session, Timing};
use relsim_tests::boot::Boot;
use relsim_tests::lockstep::program::Program;
use relsim_tests::lockstep::rng::Rng;
use relsim_tests::lockstep::simulators;

/// Random programs, each under each model.
const PROGRAMS: u64 = 6;
/// Random places of each.
const PLACES: u64 = 16;
/// How far runs go, in steps.
const END: u64 = 1_500_000;

fn timing(name: &str) -> Timing {
    Timing::by_name(name).expect("a timing model")
}

/// The built-in kernel with its root task.
fn kernel(harts: usize, model: &str) -> Machine {
    let file = if harts > 1 { "kernel-smp.elf" } else { "kernel.elf" };
    let boot = Boot { ram_bytes: 512 << 20, ..Boot::builtin(file, harts, model) };
    boot.machine(Box::new(NoConsole))
}

fn run_to(machine: &mut Machine, pause: Pause) -> Exit {
    machine.run(Limits { pause, ..Limits::default() }, &AtomicBool::new(false))
}

fn steps(steps: u64) -> Pause {
    Pause { steps, ..Pause::default() }
}

/// All that can be compared of a machine.
fn state(machine: &mut Machine) -> ([u8; 32], u64, u64, Vec<String>) {
    let harts = 0..machine.cores.len();
    let ledgers = harts.map(|hart| format!("{:?}", machine.ledger(hart))).collect();
    (machine.checkpoint().digest(), machine.steps(), machine.cycles(), ledgers)
}

/// Runs a machine to step [`END`] at once, and another in pieces with checkpoints taken and gone back to in between.
fn back_and_forth(name: &str, make: impl Fn() -> Machine, places: u64, seed: u64) {
    let mut whole = make();
    let end = run_to(&mut whole, steps(END));
    let total = whole.steps();
    let mut rng = Rng::new(seed);
    let mut machine = make();
    let reset = machine.checkpoint();
    let mut kept = vec![(reset, 0)];
    for place in 0..places {
        let (from, at) = &kept[rng.below(kept.len() as u64) as usize];
        machine.restore(from).unwrap();
        assert_eq!(machine.steps(), *at);
        let near = if rng.percent(50) { 2000 } else { total };
        let to = (at + rng.below(near)).min(total - 1);
        let further = (to + 1 + rng.below(near.min(100_000))).min(total);
        let context = format!("{name}, place {place}: {at} to {to} to {further} of {total}");
        let paused = run_to(&mut machine, steps(to));
        assert_eq!((paused, machine.steps()), (Exit::Stopped, to), "{context}");
        let checkpoint = machine.checkpoint();
        run_to(&mut machine, steps(further));
        let first = state(&mut machine);
        machine.restore(&checkpoint).unwrap();
        assert_eq!(machine.checkpoint().digest(), checkpoint.digest(), "{context}: restored");
        run_to(&mut machine, steps(further));
        assert_eq!(state(&mut machine), first, "{context}: replayed");
        // What another machine says that was never interrupted on its way, from the start.
        if place % 4 == 0 {
            let mut other = make();
            run_to(&mut other, steps(further));
            assert_eq!(state(&mut other), first, "{context}: from the start");
        }
        kept.push((checkpoint, to));
    }
    let (from, _) = &kept[rng.below(kept.len() as u64) as usize];
    machine.restore(from).unwrap();
    assert_eq!(run_to(&mut machine, steps(END)), end, "{name}");
    assert_eq!(state(&mut machine), state(&mut whole), "{name}: at the end");
}

#[test]
fn random_programs_repeat() {
    for model in ["functional", "simple", "rocket"] {
        for seed in 0..PROGRAMS {
            let program = Program::new(seed);
            let make = || simulators::machine(&program, 1, timing(model)).expect("a machine");
            back_and_forth(&format!("{model}, program {seed}"), make, PLACES, seed);
        }
    }
}

#[test]
fn the_kernel_repeats() {
    for (model, harts, places) in
        [("functional", 1, 24), ("rocket", 1, 12), ("functional", 4, 24), ("rocket", 4, 12)]
    {
        back_and_forth(&format!("{model}, {harts} harts"), || kernel(harts, model), places, 1);
    }
}

/// A pause by cycle is at the first step at which a hart has got there.
#[test]
fn a_cycle_is_a_place() {
    for (model, harts) in [("functional", 1), ("rocket", 1), ("functional", 4), ("rocket", 4)] {
        let mut machine = kernel(harts, model);
        let mut rng = Rng::new(7);
        let mut at = 0;
        for _ in 0..20 {
            at += 1 + rng.below(40_000);
            run_to(&mut machine, Pause { cycle: at, ..Pause::default() });
            let found = (machine.steps(), machine.cycles());
            assert!(found.1 >= at, "{model}, {harts}: {found:?}, not {at}");
            let mut other = kernel(harts, model);
            run_to(&mut other, steps(found.0 - 1));
            assert!(other.cycles() < at, "{model}, {harts}: a step before");
        }
    }
}

/// A thousand random places, back and forth, with few checkpoints and many.
#[test]
fn a_session_goes_anywhere() {
    for (model, harts, interval) in [("functional", 4, 20_000), ("rocket", 4, 5_000), ("rocket", 1, 5_000)] {
        let mut session = Session::new(kernel(harts, model), Options { max_bytes: 64 << 20, interval });
        let mut rng = Rng::new(3);
        let mut known = std::collections::BTreeMap::new();
        for n in 0..350 {
            let to = if n % 5 == 0 { 400_000 } else { 40_000 } + rng.below(200) * 500;
            session.go_to_step(to).unwrap();
            assert_eq!(session.position().steps, to);
            let found = (session.machine_mut().checkpoint().digest(), session.position().cycles);
            let before = known.insert(to, found);
            assert!(before.is_none_or(|before| before == found), "{model}, {harts} harts, step {to}");
            let before = session.position();
            session.step(1);
            session.step_back(1).unwrap();
            assert_eq!(session.position(), before);
            assert_eq!(
                session.machine_mut().checkpoint().digest(),
                found.0,
                "{model}, {harts} harts, back to {to}"
            );
        }
        assert!(known.len() < 340, "places that were gone to twice");
        let (count, bytes) = session.history_size();
        assert!(count > 3 && bytes <= 80 << 20, "{count} checkpoints, {bytes} bytes");
    }
}

/// What is met on the way forth is met on the way back, in reverse.
#[test]
fn stops_are_met_both_ways() {
    for (model, harts) in [("functional", 1), ("functional", 4), ("rocket", 1), ("rocket", 4)] {
        let mut session =
            Session::new(kernel(harts, model), Options { max_bytes: 64 << 20, interval: 10_000 });
        session.go_to_step(400_000).unwrap();
        let traps =
            Stop { number: 1, trigger: Trigger::Trap { interrupt: None, code: None }, condition: None };
        let handler = session.machine().cores[0].hart.csr.stvec;
        let entries = Stop { number: 2, trigger: Trigger::Address(handler), condition: None };
        let privileges = Stop { number: 3, trigger: Trigger::Privilege, condition: None };
        let store = Stop {
            number: 4,
            trigger: Trigger::Access { bytes: 0..=u64::MAX, physical: true, read: false, write: true },
            condition: None,
        };
        for (stop, count) in [(traps, 30), (entries, 30), (privileges, 30), (store, 300)] {
            let start = session.position().steps;
            let mut forth: Vec<Hit> = Vec::new();
            for _ in 0..count {
                match session.run_to(std::slice::from_ref(&stop)) {
                    Arrival::Hit(hit) => forth.push(hit),
                    other => panic!("{model}, {harts}, {stop:?}: {other:?}"),
                }
                assert_eq!(
                    session.position().steps,
                    forth[forth.len() - 1].steps,
                    "{model}, {harts}, {stop:?}"
                );
            }
            let last = forth.pop().unwrap();
            for hit in forth.iter().rev() {
                assert_eq!(session.run_back_to(std::slice::from_ref(&stop)), Ok(Arrival::Hit(*hit)));
                assert_eq!(session.position().steps, hit.steps);
            }
            session.go_to_step(last.steps + 1).unwrap();
            assert_eq!(session.run_back_to(std::slice::from_ref(&stop)), Ok(Arrival::Hit(last)));
            session.go_to_step(start).unwrap();
        }
    }
}

/// Counts what it is told.
#[derive(Default)]
struct Count(u64);

impl Observer for Count {
    const ON: bool = true;

    fn retired(&mut self, _: &Hart, _: &Bus, _: &Op, _: u64, _: Priv) {
        self.0 += 1;
    }

    fn trapped(&mut self, _: &Hart, _: &Bus, _: &TrapTaken) {
        self.0 += 1;
    }
}

#[test]
fn a_replay_tells_what_happened_and_changes_nothing() {
    for (harts, model) in [(1, "functional"), (2, "rocket")] {
        let machine = kernel(harts, model);
        let options = Options { interval: 300_000, ..Options::of(&machine) };
        let mut session = Session::new(machine, options);
        session.step(400_000);
        let before = state(session.machine_mut());
        // The first makes a checkpoint close by, the second begins there.
        for _ in 0..2 {
            let mut count = Count::default();
            session.replay(before.1 - 5000, &mut count).unwrap();
            assert_eq!(count.0, 5000, "{model}");
            assert_eq!(state(session.machine_mut()), before, "{model}");
        }
        // All of it, as far as there is a past; calls of the built-in firmware are not told.
        let mut count = Count::default();
        session.replay(0, &mut count).unwrap();
        assert!((300_000..=400_000).contains(&count.0), "{model}: {}", count.0);
        assert_eq!(state(session.machine_mut()), before, "{model}");
    }
}
