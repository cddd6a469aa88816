//! What holds for every timing model, and the exact cycles of the simple one.

use std::sync::atomic::AtomicBool;

use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_core::timing::CycleCause;
use relsim_machine::{Exit, Limits, Machine, MachineConfig, Payload, Shape, TIMING_MODELS, Timing, platform};
use relsim_tests::lockstep::asm::{Asm, Cond, addi, s_type};
use relsim_tests::lockstep::program::Program;
use relsim_tests::lockstep::simulators;
use relsim_tests::{Watching, bare, wandering};
use relsim_uintr::UINTR;

static EXTENSIONS: &[&IsaExtension] = &[&UINTR];
const RAM: u64 = 0x8000_0000;
const T0: u32 = 5;
const T1: u32 = 6;
const T2: u32 = 7;
const T3: u32 = 28;

fn store(width: u32, rs2: u32, rs1: u32) -> u32 {
    s_type(0x23, width, rs1, rs2, 0)
}

/// What `a` has assembled.
fn words(a: Asm) -> Vec<u32> {
    a.finish().as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// Ends the run with code 0.
fn finish() -> [u32; 5] {
    // lui t0, 0x100; lui t1, 5; addi t1, t1, 0x555; sw t1, 0(t0); j .
    [0x100 << 12 | T0 << 7 | 0x37, 5 << 12 | T1 << 7 | 0x37, addi(T1, T1, 0x555), store(2, T1, T0), 0x6f]
}

/// Loads one word of each of `lines` lines, twice over.
fn two_passes(lines: i32) -> Vec<u32> {
    // auipc t0, 0x100
    let mut code = vec![0x100 << 12 | T0 << 7 | 0x17];
    for _ in 0..2 {
        // lw t2, 0(t3); addi t3, t3, 64; addi t1, t1, -1; bnez t1, -12
        let lw = T3 << 15 | 2 << 12 | T2 << 7 | 0x03;
        let bnez = 0xfe00_0ae3 | T1 << 15 | 1 << 12;
        code.extend([addi(T1, 0, lines), addi(T3, T0, 0), lw, addi(T3, T3, 64), addi(T1, T1, -1), bnez]);
    }
    code.extend(finish());
    code
}

/// Sleeps until `mtime` is 100: cycle 1000.
fn sleeper() -> Vec<u32> {
    // lui t0, 0x2004; li t1, 100; sd t1, 0(t0); li t1, 0x80; csrw mie, t1; wfi
    let mut code = vec![0x2004 << 12 | T0 << 7 | 0x37, addi(T1, 0, 100), store(3, T1, T0)];
    code.extend([addi(T1, 0, 0x80), 0x304 << 20 | T1 << 15 | 1 << 12 | 0x73, 0x1050_0073]);
    code.extend(finish());
    code
}

/// The same, with the supervisor's timer set to cycle 10,000, and its interrupt enabled besides or not.
fn sleeper_with_two_timers(both: bool) -> Vec<u32> {
    const MENVCFG: u32 = 0x30a;
    const STIMECMP: u32 = 0x14d;
    const MIE: u32 = 0x304;
    let mut a = Asm::new(RAM);
    for (csr, value) in [(MENVCFG, 1 << 63), (STIMECMP, 1000), (MIE, if both { 0xa0 } else { 0x80 })] {
        a.li(T1, value);
        a.csrw(csr, T1);
    }
    let mut code = words(a);
    // lui t0, 0x2004; li t1, 100; sd t1, 0(t0); wfi
    code.extend([0x2004 << 12 | T0 << 7 | 0x37, addi(T1, 0, 100), store(3, T1, T0), 0x1050_0073]);
    code.extend(finish());
    code
}

/// Hart 0 does `body` so many `times`, with t0 for the address of memory that has it at 16. Other harts, with their number in
/// t1 and that address in t0, do `elsewhere` between sleeps.
fn loop_beside(elsewhere: impl FnOnce(&mut Asm), times: u64, body: impl FnOnce(&mut Asm)) -> Vec<u32> {
    const MHARTID: u32 = 0xf14;
    let mut a = Asm::new(RAM);
    a.la(T0, RAM + 0x10_0000);
    a.csrr(T1, MHARTID);
    let first = a.label();
    a.branch(Cond::Eq, T1, 0, first);
    let again = a.here_label();
    elsewhere(&mut a);
    // wfi
    a.word(0x1050_0073);
    a.jump(again);
    a.bind(first);
    a.sd(T0, T0, 16);
    a.li(T1, times);
    let again = a.here_label();
    body(&mut a);
    a.word(addi(T1, T1, -1));
    a.branch(Cond::Ne, T1, 0, again);
    a.words(&finish());
    words(a)
}

/// The same, where the others sleep for ever.
fn loop_of(body: impl FnOnce(&mut Asm)) -> Vec<u32> {
    loop_beside(|_| {}, 64, body)
}

/// Stores and loads, while each of the others wakes up every 70 microseconds and stores to the same lines.
fn disturbed() -> Vec<u32> {
    const MIE: u32 = 0x304;
    let wake = |a: &mut Asm| {
        // slli t1, t1, 3; add t1, t1, t2: where its timer is, the first time.
        let (slli, add) =
            (3 << 20 | T1 << 15 | 1 << 12 | T1 << 7 | 0x13, T2 << 20 | T1 << 15 | T1 << 7 | 0x33);
        let known = a.label();
        a.li(T2, 64);
        a.branch(Cond::Lt, T2, T1, known);
        a.la(T2, 0x200_4000);
        a.words(&[slli, add]);
        a.li(T3, 0x80);
        a.csrw(MIE, T3);
        a.bind(known);
        a.la(T2, 0x200_bff8);
        a.ld(T2, T2, 0);
        a.word(addi(T2, T2, 700));
        a.sd(T2, T1, 0);
        a.ld(T3, T0, 1 << 6);
        a.sd(T2, T0, 2 << 6);
        a.word(addi(T0, T0, 64));
        // fence.i: what it fetches as it falls asleep goes through the hub.
        a.word(0x100f);
    };
    loop_beside(wake, 4000, |a| {
        for line in 0..3 {
            a.sd(T1, T0, line << 6);
            a.ld(T3, T0, (line << 6) + 8);
            a.ld(T2, T0, line << 6);
        }
        a.word(addi(T0, T0, 64));
    })
}

/// Loads what was stored just before, by an address that is loaded in between: the store before is in the way of that
/// store's draining.
fn loads_behind_stores() -> Vec<u32> {
    loop_of(|a| {
        a.sd(T1, T0, 0);
        a.sd(T1, T0, 8);
        a.ld(T2, T0, 16);
        a.ld(T3, T2, 8);
    })
}

/// Stores and loads misaligned, line after line.
fn misaligned() -> Vec<u32> {
    loop_of(|a| {
        a.sd(T1, T0, 3);
        a.ld(T3, T0, 11);
        a.word(addi(T0, T0, 64));
    })
}

fn machine(timing: &Timing, harts: usize, code: &[u32]) -> Machine {
    let (config, payload) = plan(timing, harts, code);
    Machine::build(config, &payload, Vec::new(), Box::new(NoConsole)).unwrap()
}

fn plan(timing: &Timing, harts: usize, code: &[u32]) -> (MachineConfig, Payload) {
    let mut config = MachineConfig::new(&platform::VIRT, EXTENSIONS).unwrap();
    (config.timing, config.harts, config.ram_bytes) = (timing.clone(), harts, 16 << 20);
    let bytes = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    (config, bare(RAM, bytes))
}

fn run(timing: &Timing, harts: usize, code: &[u32]) -> Machine {
    let mut machine = machine(timing, harts, code);
    let exit = machine.run(Limits { max_cycles: 10_000_000, ..Limits::default() }, &AtomicBool::new(false));
    assert_eq!(exit, Exit::Guest { code: 0 });
    machine
}

fn cycles(machine: &Machine, cause: CycleCause) -> u64 {
    machine.ledger(0).unwrap().get(Priv::M, cause)
}

#[test]
fn a_sleeping_hart_wakes_by_what_comes_before_its_timer() {
    for model in TIMING_MODELS {
        let timing = (model.timing)();
        let [one, two] = [false, true].map(|both| run(&timing, 1, &sleeper_with_two_timers(both)).cycles());
        assert_eq!(one, two, "{}", model.name);
        assert!((1000..2000).contains(&two), "{}: {two}", model.name);
    }
}

#[test]
fn every_cycle_of_every_model_has_a_cause() {
    for model in TIMING_MODELS {
        let timing = (model.timing)();
        for (harts, code) in [(1, two_passes(64)), (3, two_passes(300)), (1, sleeper())] {
            let machine = run(&timing, harts, &code);
            for (number, core) in machine.cores.iter().enumerate() {
                if let Some(ledger) = machine.ledger(number) {
                    assert_eq!(ledger.total(), core.hart.cycle, "{} hart {number}", model.name);
                }
            }
            let again = run(&timing, harts, &code);
            assert_eq!(
                (machine.cycles(), machine.ledger(0)),
                (again.cycles(), again.ledger(0)),
                "{}",
                model.name
            );
        }
    }
}

/// `machine` takes what its instructions take one by one: what the same machine, `watched`, takes. Gives how both end.
fn assert_takes_as_watched(mut machine: Machine, mut watched: Machine, limits: Limits, what: &str) -> Exit {
    let stop = AtomicBool::new(false);
    let exit = machine.run(limits, &stop);
    assert_eq!(exit, watched.run_observed(limits, &stop, &mut Watching), "{what}");
    assert_eq!(machine.cycles(), watched.cycles(), "{what}");
    for hart in 0..machine.cores.len() {
        assert_eq!(machine.ledger(hart), watched.ledger(hart), "{what}: hart {hart}");
    }
    exit
}

/// Blocks take what their instructions take one by one, for a lone hart and for one whose others sleep, or wake up now and
/// then.
#[test]
fn blocks_take_what_their_instructions_take() {
    let codes = [loads_behind_stores(), misaligned(), disturbed()];
    for (model, code) in TIMING_MODELS.iter().flat_map(|model| codes.iter().map(move |code| (model, code))) {
        let timing = (model.timing)();
        for harts in [1, 2, 4] {
            let [one, other] = [(); 2].map(|()| machine(&timing, harts, code));
            let limits = Limits { max_cycles: 10_000_000, ..Limits::default() };
            let what = format!("{} of {harts} harts", model.name);
            assert_eq!(assert_takes_as_watched(one, other, limits, &what), Exit::Guest { code: 0 });
        }
    }
}

/// The same of random programs, for a lone hart and for several that do the same at once.
#[test]
fn random_programs_take_what_their_instructions_take() {
    for model in TIMING_MODELS {
        for (harts, seed) in (0..40).map(|seed| (1, seed)).chain((0..8).map(|seed| (3, seed))) {
            let program = Program::new(seed);
            let make = || simulators::machine(&program, harts, (model.timing)()).unwrap();
            let limits = Limits { max_instructions: 1_000_000, ..Limits::default() };
            let what = format!("{}, program {seed} on {harts} harts", model.name);
            assert_takes_as_watched(make(), make(), limits, &what);
        }
    }
}

/// The same of programs that go to and fro between functions.
#[test]
fn programs_that_wander_take_what_their_instructions_take() {
    let timing = Timing::by_name("rocket").unwrap();
    for seed in 0..12 {
        let code = words(wandering::program(seed, RAM, RAM + 0x80_0000, |a| a.words(&finish())));
        let [one, other] = [(); 2].map(|()| machine(&timing, 1, &code));
        let exit = assert_takes_as_watched(one, other, Limits::default(), &format!("program {seed}"));
        assert_eq!(exit, Exit::Guest { code: 0 }, "program {seed}");
    }
}

/// The extremes of a parameter run a guest to its end, and are another machine than the default.
#[test]
fn every_parameter_is_in_the_hash_and_does_no_harm() {
    let code = two_passes(16);
    let hash = |timing: &Timing| {
        let (config, payload) = plan(timing, 1, &code);
        payload.hash(&config)
    };
    for model in TIMING_MODELS {
        let default = (model.timing)();
        for param in model.parameters {
            for value in [param.min, param.max] {
                let mut timing = default.clone();
                timing.set(param.name, value).unwrap();
                assert_eq!(hash(&timing) == hash(&default), value == param.default, "{}", param.name);
                run(&timing, 1, &code);
            }
            if param.shape == Shape::PowerOfTwo {
                assert!(param.min.is_power_of_two() && param.max.is_power_of_two(), "{}", param.name);
            }
        }
    }
}

#[test]
fn the_simple_model_charges_instructions_and_misses() {
    let mut simple = Timing::by_name("simple").unwrap();
    let machine = run(&simple, 1, &two_passes(64));
    let instructions = machine.cores[0].hart.instret;
    assert_eq!(cycles(&machine, CycleCause::Issue), instructions);
    // 64 lines fit; the code lies in two lines, and the reset code in one.
    assert_eq!(cycles(&machine, CycleCause::DataCache), 64 * 40);
    assert_eq!(cycles(&machine, CycleCause::InstructionCache), 3 * 40);
    assert_eq!(machine.cycles(), instructions + 67 * 40);

    simple.set("l1d_sets", 8).unwrap();
    simple.set("l1d_ways", 1).unwrap();
    simple.set("l1d_miss", 7).unwrap();
    let machine = run(&simple, 1, &two_passes(64));
    assert_eq!(
        cycles(&machine, CycleCause::DataCache),
        2 * 64 * 7,
        "8 lines keep nothing for the second pass"
    );
}

#[test]
fn without_penalties_the_simple_model_is_functional() {
    let mut simple = Timing::by_name("simple").unwrap();
    simple.set("l1i_miss", 0).unwrap();
    simple.set("l1d_miss", 0).unwrap();
    for code in [two_passes(64), sleeper()] {
        assert_eq!(run(&simple, 2, &code).cycles(), run(&Timing::default(), 2, &code).cycles());
    }
}

#[test]
fn sleep_is_charged_as_such() {
    for name in ["simple", "rocket"] {
        let machine = run(&Timing::by_name(name).unwrap(), 1, &sleeper());
        let slept = cycles(&machine, CycleCause::Wait);
        assert!((500..1000).contains(&slept), "{name}: {slept}");
    }
}

/// The geometry of Rocket's caches shows in what a loop costs.
#[test]
fn smaller_caches_miss_more() {
    let default = Timing::by_name("rocket").unwrap();
    let mut small = default.clone();
    for (name, value) in [("l1d_sets", 8), ("l1d_ways", 1)] {
        small.set(name, value).unwrap();
    }
    let misses = |timing: &Timing| cycles(&run(timing, 1, &two_passes(64)), CycleCause::DataCache);
    let (once, twice) = (misses(&default), misses(&small));
    assert!(twice > once * 19 / 10, "{once} cycles where the second pass hits, {twice} where it misses");
}
