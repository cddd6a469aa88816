//! A checkpoint with numbers of its state replaced, and a sum that is right: refused, or a state that the machine goes on from.
//! Also any bytes as a checkpoint.
#![no_main]

use std::cell::RefCell;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use relsim_machine::{Identity, Limits, Machine, Pause};
use relsim_tests::checkpoints::{Parts, replace_number, small, try_out};

/// Where checkpoints are made, in steps: with caches filled, and something under way.
const STEPS: u64 = 5000;

/// A machine with a checkpoint of it.
struct Base {
    machine: Machine,
    identity: Identity,
    parts: Parts,
}

impl Base {
    fn new(model: &str, harts: usize) -> Self {
        let mut machine = small(model, harts);
        let identity = Identity::new(machine.config());
        let limits = Limits { pause: Pause { steps: STEPS, ..Pause::default() }, ..Limits::default() };
        machine.run(limits, &AtomicBool::new(false));
        let mut bytes = Vec::new();
        machine.checkpoint().write(&identity, &mut bytes).expect("memory can be written to");
        Self { machine, identity, parts: Parts::of(&bytes) }
    }
}

thread_local! {
    static BASES: RefCell<Vec<Base>> = RefCell::new(
        ["functional", "simple", "rocket"]
            .into_iter()
            .flat_map(|model| [1, 4].map(|harts| Base::new(model, harts)))
            .collect(),
    );
}

fuzz_target!(|input: (u8, Vec<(u16, u64)>, &[u8])| {
    let (which, numbers, bytes) = input;
    BASES.with_borrow_mut(|bases| {
        let count = bases.len();
        let Base { machine, identity, parts } = &mut bases[usize::from(which) % count];
        let mut changed = parts.clone();
        for (at, number) in numbers {
            let at = usize::from(at) % changed.state.len().max(1);
            replace_number(&mut changed.state, at, number);
        }
        try_out(machine, identity, &changed.bytes());
        try_out(machine, identity, bytes);
    });
});
