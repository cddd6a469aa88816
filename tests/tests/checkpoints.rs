//! Checkpoints that are written and read again: a machine that goes on from one ends as one that was never interrupted,
//! and what is damaged, made up or of another run is refused.

use std::sync::atomic::AtomicBool;

use relsim_core::device::NoConsole;
use relsim_machine::{Checkpoint, Exit, Identity, Limits, Machine, Pause, ReadError, Report, Timing};
use relsim_tests::boot::Boot;
use relsim_tests::checkpoints::{Fate, Parts, change, small, summed, try_out};
use relsim_tests::lockstep::program::Program;
use relsim_tests::lockstep::rng::Rng;
use relsim_tests::lockstep::simulators;

/// How far runs go, in steps.
const END: u64 = 600_000;

fn timing(name: &str) -> Timing {
    Timing::by_name(name).expect("a timing model")
}

/// A guest that is built into relsim, with a disk.
fn guest(file: &str, harts: usize, model: &str) -> Machine {
    let boot = Boot { disk: Some(vec![7; 5000]), ..Boot::builtin(file, harts, model) };
    boot.machine(Box::new(NoConsole))
}

fn run(machine: &mut Machine, pause: Pause) -> Exit {
    machine.run(Limits { pause, ..Limits::default() }, &AtomicBool::new(false))
}

fn steps(steps: u64) -> Pause {
    Pause { steps, ..Pause::default() }
}

/// All that can be compared of a machine.
fn state(machine: &mut Machine, exit: Exit) -> ([u8; 32], u64, Report) {
    (machine.checkpoint().digest(), machine.steps(), machine.report(exit))
}

fn written(machine: &mut Machine, identity: &Identity) -> Vec<u8> {
    let mut bytes = Vec::new();
    machine.checkpoint().write(identity, &mut bytes).expect("memory can be written to");
    bytes
}

fn identity(machine: &Machine) -> Identity {
    Identity::new(machine.config())
}

/// A run that goes on in another machine at each of `count` random places ends as one that does not.
fn goes_on(name: &str, make: &dyn Fn() -> Machine, count: u64, seed: u64) {
    let mut whole = make();
    let end = run(&mut whole, steps(END));
    let whole = (whole.steps(), state(&mut whole, end));
    let identity = identity(&make());
    let mut rng = Rng::new(seed);
    let mut places: Vec<u64> = (0..count).map(|_| rng.below(whole.0)).collect();
    places.sort_unstable();
    let mut machine = make();
    for place in places {
        run(&mut machine, steps(place));
        let bytes = written(&mut machine, &identity);
        let mut other = make();
        let checkpoint =
            Checkpoint::read(&bytes, &identity, &other).unwrap_or_else(|e| panic!("{name}, {place}: {e}"));
        other.restore(&checkpoint).unwrap();
        assert_eq!(written(&mut other, &identity), bytes, "{name}, {place}: written again");
        let end = run(&mut other, steps(END));
        assert_eq!(state(&mut other, end), whole.1, "{name}, {place}: at the end");
        // And it goes on from there itself.
        machine = make();
        machine.restore(&Checkpoint::read(&bytes, &identity, &machine).unwrap()).unwrap();
    }
}

#[test]
fn runs_go_on_in_another_machine() {
    for model in ["functional", "simple", "rocket"] {
        for (file, harts) in [("kernel.elf", 1), ("kernel-smp.elf", 4), ("uintr.elf", 4), ("bench.elf", 1)] {
            goes_on(&format!("{model}, {file}, {harts} harts"), &|| guest(file, harts, model), 6, 5);
        }
    }
}

#[test]
fn random_programs_go_on_in_another_machine() {
    for model in ["functional", "simple", "rocket"] {
        for seed in 0..4 {
            let program = Program::new(seed);
            let make = || simulators::machine(&program, 1, timing(model)).expect("a machine");
            goes_on(&format!("{model}, program {seed}"), &make, 6, seed);
        }
    }
}

/// What has a right sum and says something else is refused, or is a state that the machine can be in: it never panics.
#[test]
fn changed_checkpoints_are_refused_or_run() {
    let count: u64 = std::env::var("RELSIM_CHECKPOINT_CHANGES").map_or(250, |text| text.parse().unwrap());
    for model in ["functional", "simple", "rocket"] {
        for (file, harts) in [("kernel.elf", 1), ("kernel-smp.elf", 4), ("", 1), ("", 4)] {
            let make = || if file.is_empty() { small(model, harts) } else { guest(file, harts, model) };
            let mut machine = make();
            let identity = identity(&machine);
            let mut rng = Rng::new(harts as u64);
            let mut fates = [0; 3];
            let mut parts = Parts::of(&written(&mut machine, &identity));
            for n in 0..count {
                if n % 100 == 0 {
                    machine = make();
                    run(&mut machine, steps(rng.below(END)));
                    parts = Parts::of(&written(&mut machine, &identity));
                }
                let mut changed = parts.clone();
                for _ in 0..=rng.below(2) {
                    change(&mut changed.state, &mut rng);
                }
                fates[try_out(&mut machine, &identity, &changed.bytes()) as usize] += 1;
            }
            eprintln!("{model}, {file}: {fates:?}");
            assert!(fates[Fate::Refused as usize] > count / 20 && fates[Fate::Taken as usize] > count / 20);
        }
    }
}

/// What was damaged is refused, whatever the damage.
#[test]
fn damage_is_found() {
    let mut machine = guest("uintr.elf", 4, "rocket");
    run(&mut machine, steps(20_000));
    let identity = identity(&machine);
    let bytes = written(&mut machine, &identity);
    let refusal = |bytes: &[u8]| Checkpoint::read(bytes, &identity, &machine).err().expect("a refusal");
    let mut rng = Rng::new(1);
    for n in 0..300 {
        let mut cut = bytes.clone();
        cut.truncate(if n < 60 { n } else { rng.below(bytes.len() as u64) as usize });
        assert!(matches!(refusal(&cut), ReadError::Magic | ReadError::Damaged(_)), "{} bytes", cut.len());
        // With a sum of its own, too; at the very end there is nothing but the frame's mark of its end.
        if cut.len() + 100 < bytes.len() {
            assert!(!matches!(refusal(&summed(cut)), ReadError::Other(_)));
        }
        let mut flipped = bytes.clone();
        flipped[rng.below(bytes.len() as u64) as usize] ^= 1 << rng.below(8);
        let why = refusal(&flipped);
        assert!(matches!(why, ReadError::Magic | ReadError::Damaged(_) | ReadError::Version(_)), "{why}");
    }
    assert!(matches!(refusal(b"something else"), ReadError::Magic));
    let newer = |version: u32| {
        let mut newer = bytes[..bytes.len() - 32].to_vec();
        newer[8..12].copy_from_slice(&version.to_le_bytes());
        summed(newer)
    };
    let own = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
    let said = format!("this checkpoint has format {}, and this relsim reads format {own}", own + 1);
    assert_eq!(refusal(&newer(own + 1)).to_string(), said);
    // Lengths that there is nothing for.
    for at in [12, 13, 15] {
        let mut longer = bytes[..bytes.len() - 32].to_vec();
        longer[at] = 0xff;
        refusal(&summed(longer));
    }
    let mut parts = Parts::of(&bytes);
    parts.pages.splice(0..4, u32::MAX.wrapping_sub(1).to_le_bytes());
    assert_eq!(
        refusal(&parts.bytes()).to_string(),
        "this checkpoint has an impossible state: a page beyond the end of memory"
    );
}

/// What differs is named.
#[test]
fn another_runs_checkpoint_is_refused() {
    let mut machine = guest("uintr.elf", 4, "rocket");
    let mut own = identity(&machine);
    own.add("image", "one");
    let bytes = written(&mut machine, &own);
    let refusal = |there: &Machine, identity: &Identity| {
        Checkpoint::read(&bytes, identity, there).err().expect("a refusal").to_string()
    };
    let mut other = identity(&machine);
    other.add("image", "another");
    assert_eq!(
        refusal(&machine, &other),
        "this checkpoint is of another run (image: one there, another here)"
    );
    other = own.clone();
    other.add("disk 0", "new");
    assert_eq!(
        refusal(&machine, &other),
        "this checkpoint is of another run (disk 0: missing there, new here)"
    );
    let mut config = machine.config().clone();
    config.timing.set("l1d_ways", 2).unwrap();
    assert_eq!(
        refusal(&machine, &Identity::new(&config)),
        "this checkpoint is of another run (timing parameter l1d_ways: 4 there, 2 here)"
    );
    // Whoever lies about what it is of meets the state itself.
    for (there, why) in [
        (guest("uintr.elf", 2, "rocket"), "another number of harts"),
        (guest("uintr.elf", 4, "simple"), "a timing model in another's state"),
    ] {
        assert_eq!(refusal(&there, &own), format!("this checkpoint has an impossible state: {why}"));
    }
}
