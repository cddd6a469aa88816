//! When a machine is stuck: harts that can only trap, alone and among others, whatever the quantum and the
//! timing model.

use std::sync::atomic::AtomicBool;

use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_machine::{Exit, Limits, Machine, MachineConfig, Timing, platform};
use relsim_tests::bare;
use relsim_tests::lockstep::asm::reg::{T0, T1, ZERO};
use relsim_tests::lockstep::asm::{self, Asm, Cond};
use relsim_uintr::UINTR;

static EXTENSIONS: &[&IsaExtension] = &[&UINTR];
const RAM: u64 = 0x8000_0000;
const FINISHER: u64 = 0x10_0000;
const MTIMECMP: u64 = 0x200_4000;
/// No instruction.
const ILLEGAL: u32 = 0;
const MSTATUS: u32 = 0x300;
const MEDELEG: u32 = 0x302;
const MIE: u32 = 0x304;
const MTVEC: u32 = 0x305;
const MEPC: u32 = 0x341;
const MHARTID: u32 = 0xf14;
const MTIE: u64 = 1 << 7;
/// Far more than a stuck machine takes until it is found out: 10,000 traps of a few dozen cycles each.
const MAX_CYCLES: u64 = 1_000_000;
/// A time after which a hart that only traps has long been stuck, in ticks of ten cycles.
const LATER_TICKS: u64 = 50_000;

/// Every way in which `harts` can run.
fn configs(harts: usize) -> Vec<MachineConfig> {
    let mut all = Vec::new();
    for timing in [Timing::Functional(Box::default()), Timing::Rocket(Box::default())] {
        for quantum_cycles in [1, 100] {
            let mut config = MachineConfig::new(&platform::VIRT, EXTENSIONS).expect("the platform's own ISA");
            (config.harts, config.timing, config.quantum_cycles) = (harts, timing.clone(), quantum_cycles);
            config.ram_bytes = 1 << 20;
            all.push(config);
        }
    }
    all
}

/// Runs `program`, which every hart enters in M-mode with no trap handler.
fn run(config: MachineConfig, program: &[u8]) -> (Exit, Machine) {
    let payload = bare(RAM, program.to_vec());
    let mut machine = Machine::build(config, &payload, Vec::new(), Box::new(NoConsole)).expect("it fits");
    let limits = Limits { max_cycles: MAX_CYCLES, ..Limits::default() };
    let exit = machine.run(limits, &AtomicBool::new(false));
    (exit, machine)
}

/// Runs the program that `write` writes on `harts` harts in every way, and shows each exit to `check`.
fn in_every_way(harts: usize, write: impl Fn(&mut Asm), check: impl Fn(&Exit, &str)) {
    for config in configs(harts) {
        let how = config.to_string();
        let mut a = Asm::new(RAM);
        write(&mut a);
        let (exit, machine) = run(config, &a.finish());
        if exit == (Exit::Guest { code: 0 }) && harts > 1 {
            // Others have been stuck for long, or nothing has been shown.
            assert!(machine.cores.iter().any(|core| core.hart.only_traps()), "{how}");
        }
        check(&exit, &how);
    }
}

/// Ends the run with status 0.
fn finish(a: &mut Asm) {
    a.li(T0, FINISHER);
    a.li(T1, 0x5555);
    a.word(asm::s_type(0x23, 2, T0, T1, 0));
    let here = a.here_label();
    a.jump(here);
}

/// Hart 0 goes on; the others do what `others` says.
fn but_hart_0(a: &mut Asm, others: impl Fn(&mut Asm)) {
    let first = a.label();
    a.csrr(T0, MHARTID);
    a.branch(Cond::Eq, T0, ZERO, first);
    others(a);
    a.bind(first);
}

/// Works for two instructions a round.
fn count_down(a: &mut Asm, rounds: u64) {
    a.li(T0, rounds);
    let again = a.here_label();
    a.word(asm::addi(T0, T0, -1));
    a.branch(Cond::Ne, T0, ZERO, again);
}

/// The timer of hart `hart` rings [`LATER_TICKS`] after the start.
fn ring_later(a: &mut Asm, hart: u64) {
    a.li(T0, MTIMECMP + 8 * hart);
    a.li(T1, LATER_TICKS);
    a.sd(T1, T0, 0);
    a.li(T0, MTIE);
    a.csrw(MIE, T0);
}

fn detail<'a>(exit: &'a Exit, how: &str) -> &'a str {
    match exit {
        Exit::Stuck { detail } => detail,
        other => panic!("{how}: {other:?}"),
    }
}

fn ended(exit: &Exit, how: &str) {
    assert_eq!(*exit, Exit::Guest { code: 0 }, "{how}");
}

#[test]
fn harts_that_only_trap_are_stuck_and_all_are_named() {
    for harts in [1, 2, 4] {
        in_every_way(
            harts,
            |a| a.word(ILLEGAL),
            |exit, how| {
                let each: Vec<_> = detail(exit, how).split("; ").collect();
                assert_eq!(each.len(), harts, "{how}");
                for (number, line) in each.iter().enumerate() {
                    let start = format!("hart {number} only traps: instruction_access_fault (mtval 0x0)");
                    assert!(line.starts_with(&start), "{how}: {line}");
                }
            },
        );
    }
}

#[test]
fn a_fault_in_the_handler_itself_is_stuck_too() {
    // The first instruction of the handler loads from where nothing is.
    let load = asm::i_type(0x03, 3, T1, ZERO, 0);
    let write = |a: &mut Asm| {
        let handler = a.label();
        a.load_label(T0, handler);
        a.csrw(MTVEC, T0);
        a.align(4);
        a.bind(handler);
        a.word(load);
    };
    for harts in [1, 2] {
        in_every_way(harts, write, |exit, how| assert!(detail(exit, how).contains("load_access_fault")));
    }
}

#[test]
fn one_stuck_hart_does_not_stop_the_others() {
    for harts in [2, 4] {
        let write = |a: &mut Asm| {
            but_hart_0(a, |a| a.word(ILLEGAL));
            count_down(a, 200_000);
            finish(a);
        };
        in_every_way(harts, write, ended);
    }
}

#[test]
fn the_last_hart_to_get_stuck_ends_the_run() {
    for harts in [2, 4] {
        let write = |a: &mut Asm| {
            but_hart_0(a, |a| a.word(ILLEGAL));
            count_down(a, 200_000);
            a.word(ILLEGAL);
        };
        in_every_way(harts, write, |exit, how| {
            assert_eq!(detail(exit, how).matches("only traps").count(), harts, "{how}");
        });
    }
}

#[test]
fn harts_asleep_for_ever_do_not_keep_a_stuck_machine_running() {
    for harts in [2, 4] {
        let write = |a: &mut Asm| {
            but_hart_0(a, |a| a.word(asm::WFI));
            a.word(ILLEGAL);
        };
        in_every_way(harts, write, |exit, how| {
            let detail = detail(exit, how);
            assert!(detail.starts_with("hart 0 only traps"), "{how}: {detail}");
            assert_eq!(detail.matches("waits for an interrupt").count(), harts - 1, "{how}: {detail}");
        });
    }
}

#[test]
fn a_stuck_hart_leaves_a_sleeper_its_alarm() {
    for harts in [2, 4] {
        let write = |a: &mut Asm| {
            but_hart_0(a, |a| {
                ring_later(a, 1);
                a.word(asm::WFI);
                finish(a);
            });
            a.word(ILLEGAL);
        };
        in_every_way(harts, write, ended);
    }
}

/// A hart in S-mode whose handler cannot be fetched, and is where its faults go.
fn trap_in_s(a: &mut Asm) {
    a.li(T0, u64::MAX);
    a.csrw(MEDELEG, T0);
    a.li(T0, 1 << 11);
    a.csrw(MSTATUS, T0);
    a.csrw(MEPC, ZERO);
    a.word(asm::MRET);
}

#[test]
fn an_interrupt_that_can_come_gets_a_hart_unstuck() {
    let write = |a: &mut Asm| {
        let handler = a.label();
        a.load_label(T0, handler);
        a.csrw(MTVEC, T0);
        ring_later(a, 0);
        trap_in_s(a);
        a.align(4);
        a.bind(handler);
        finish(a);
    };
    for harts in [1, 2] {
        in_every_way(harts, write, ended);
    }
}

#[test]
fn interrupts_that_nothing_raises_do_not() {
    let write = |a: &mut Asm| {
        a.li(T0, MTIE);
        a.csrw(MIE, T0);
        trap_in_s(a);
    };
    for harts in [1, 2] {
        in_every_way(harts, write, |exit, how| {
            let detail = detail(exit, how);
            assert!(detail.contains("(stval 0x0)") && detail.contains("in S-mode"), "{how}: {detail}");
        });
    }
}

#[test]
fn a_handler_that_retires_something_is_not_stuck() {
    let write = |a: &mut Asm| {
        let handler = a.label();
        a.load_label(T0, handler);
        a.csrw(MTVEC, T0);
        a.align(4);
        a.bind(handler);
        a.word(asm::NOP);
        a.word(ILLEGAL);
    };
    for harts in [1, 2] {
        in_every_way(harts, write, |exit, how| assert_eq!(*exit, Exit::CycleLimit, "{how}"));
    }
}
