//! Harts that take interrupts, of timers and of each other, while they contend for lines.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_core::run::Core;
use relsim_core::timing::Ledger;
use relsim_machine::{Exit, Limits, Machine, MachineConfig, Timing, platform};
use relsim_tests::lockstep::asm::{Asm, Cond, MRET, addi, i_type, r_type, s_type};
use relsim_tests::{Watching, bare};
use relsim_uintr::UINTR;

static EXTENSIONS: &[&IsaExtension] = &[&UINTR];
const RAM: u64 = 0x8000_0000;
const DATA: u64 = RAM + 0x10_0000;
const ROUNDS: u64 = 400;
/// How far apart accesses are, at most.
const PHASES: u64 = 24;
/// Ticks of a hart's timer from interrupt to interrupt.
const TICKS: i32 = 30;
const MTVEC: u32 = 0x305;
const MIE: u32 = 0x304;
const MHARTID: u32 = 0xf14;
const MCYCLE: u32 = 0xb00;
/// `csrsi mstatus, MIE` and `csrci mstatus, MIE`.
const INTERRUPTS: [u32; 2] = [0x3004_6073, 0x3004_7073];

/// Registers of the program, by what is in them.
const SHARED: u32 = 5;
const LEFT: u32 = 6;
const VALUE: u32 = 7;
const ONE: u32 = 9;
const HART: u32 = 10;
const MTIMECMP: u32 = 18;
const MTIME: u32 = 19;
const MSIP: u32 = 20;
const OTHER_MSIP: u32 = 21;
const SCRATCH: u32 = 22;
const TAKEN: u32 = 23;
const COUNTED: u32 = 24;
const FINISHED: u32 = 25;

fn slli(rd: u32, rs1: u32, by: i32) -> u32 {
    i_type(0x13, 1, rd, rs1, by)
}

fn add(rd: u32, rs1: u32, rs2: u32) -> u32 {
    r_type(0x33, 0, 0, rd, rs1, rs2)
}

fn sw(rs2: u32, rs1: u32) -> u32 {
    s_type(0x23, 2, rs1, rs2, 0)
}

/// `amoadd.d x0, rs2, (rs1)`.
fn count(rs2: u32, rs1: u32) -> u32 {
    r_type(0x2f, 3, 0, 0, rs1, rs2)
}

/// Each hart counts in a word of all, stores to lines of all and loads from them, and sends the next one interrupts, `apart`
/// instructions later.
fn program(harts: u64, apart: u64) -> Vec<u8> {
    let mut a = Asm::new(RAM);
    let [handler, last, first, ready] = [(); 4].map(|()| a.label());
    a.csrr(HART, MHARTID);
    a.load_label(SCRATCH, handler);
    a.csrw(MTVEC, SCRATCH);
    a.la(SHARED, DATA);
    a.la(MTIME, 0x200_bff8);
    a.la(MTIMECMP, 0x200_4000);
    a.word(slli(SCRATCH, HART, 3));
    a.word(add(MTIMECMP, MTIMECMP, SCRATCH));
    a.la(MSIP, 0x200_0000);
    a.word(slli(SCRATCH, HART, 2));
    a.word(add(MSIP, MSIP, SCRATCH));
    a.word(addi(OTHER_MSIP, MSIP, 4));
    a.li(SCRATCH, harts - 1);
    a.branch(Cond::Ne, HART, SCRATCH, last);
    a.la(OTHER_MSIP, 0x200_0000);
    a.bind(last);
    a.li(ONE, 1);
    a.li(LEFT, ROUNDS);
    a.sd(0, MTIMECMP, 0);
    a.li(SCRATCH, 0x88);
    a.csrw(MIE, SCRATCH);
    a.word(INTERRUPTS[0]);
    let again = a.here_label();
    a.word(count(ONE, SHARED));
    a.sd(LEFT, SHARED, 64);
    a.ld(VALUE, SHARED, 128);
    a.sd(VALUE, SHARED, 136);
    a.sd(VALUE, SHARED, 256);
    (0..apart).for_each(|_| a.word(addi(SCRATCH, SCRATCH, 1)));
    a.word(sw(ONE, OTHER_MSIP));
    a.ld(VALUE, SHARED, 64);
    a.word(addi(LEFT, LEFT, -1));
    a.branch(Cond::Ne, LEFT, 0, again);
    // It has done its part.
    a.word(INTERRUPTS[1]);
    a.word(addi(SCRATCH, SHARED, 192));
    a.csrr(FINISHED, MCYCLE);
    a.word(count(ONE, SCRATCH));
    a.branch(Cond::Eq, HART, 0, first);
    let for_ever = a.here_label();
    a.jump(for_ever);
    a.bind(first);
    a.li(SCRATCH, harts);
    let wait = a.here_label();
    a.ld(VALUE, SHARED, 192);
    a.branch(Cond::Ne, VALUE, SCRATCH, wait);
    a.ld(COUNTED, SHARED, 0);
    a.li(SCRATCH, 0x10_0000);
    a.li(VALUE, 0x5555);
    a.word(sw(VALUE, SCRATCH));
    a.bind(ready);
    a.jump(ready);
    a.align(4);
    a.bind(handler);
    a.word(addi(TAKEN, TAKEN, 1));
    a.word(sw(0, MSIP));
    a.ld(SCRATCH, MTIME, 0);
    a.word(addi(SCRATCH, SCRATCH, TICKS));
    a.sd(SCRATCH, MTIMECMP, 0);
    a.word(MRET);
    a.finish()
}

/// What is told of a run: when each hart did its part, and how many interrupts it took then; when the first one has ended
/// the run, and where its cycles went.
type Told = (Vec<(u64, u64)>, u64, Option<Ledger>);

/// Runs it on `harts` harts, `watched` by an observer or not.
fn run(harts: usize, apart: u64, quantum_cycles: u64, watched: bool) -> Told {
    let what = format!("{harts} harts, {apart} apart, quantum {quantum_cycles}, watched: {watched}");
    let mut config = MachineConfig::new(&platform::VIRT, EXTENSIONS).expect("the platform's own ISA");
    config.timing = Timing::Rocket(Box::default());
    (config.harts, config.quantum_cycles, config.ram_bytes) = (harts, quantum_cycles, 16 << 20);
    let payload = bare(RAM, program(harts as u64, apart));
    let mut machine = Machine::build(config, &payload, Vec::new(), Box::new(NoConsole)).expect("it fits");
    let stop = Arc::new(AtomicBool::new(false));
    // Harts that wait for each other for ever do not come to a limit of cycles.
    let watchdog = Arc::downgrade(&stop);
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_mins(2));
        watchdog.upgrade().inspect(|stop| stop.store(true, Ordering::Relaxed))
    });
    let limits = Limits { max_cycles: 3_000_000, ..Limits::default() };
    let exit =
        if watched { machine.run_observed(limits, &stop, &mut Watching) } else { machine.run(limits, &stop) };
    assert_eq!(exit, Exit::Guest { code: 0 }, "{what}");
    assert_eq!(machine.cores[0].hart.x(COUNTED as u8), harts as u64 * ROUNDS, "{what}");
    let told = |core: &Core| (core.hart.x(FINISHED as u8), core.hart.x(TAKEN as u8));
    let harts: Vec<_> = machine.cores.iter().map(told).collect();
    for &(_, taken) in &harts {
        assert!(taken > ROUNDS / 4, "{what}: a hart took {taken} interrupts");
    }
    (harts, machine.cores[0].hart.cycle, machine.ledger(0))
}

/// None waits for ever for another one that waits for it, nothing is lost, and it does not matter in which pieces harts are
/// simulated.
#[test]
fn harts_that_wait_for_lines_and_interrupts_get_on() {
    for harts in [1, 2, 3, 4] {
        for apart in 0..PHASES {
            let ran = run(harts, apart, 100, false);
            assert_eq!(ran, run(harts, apart, 100, true), "{harts} harts, {apart} apart, watched");
            assert_eq!(
                ran,
                run(harts, apart, 1, false),
                "{harts} harts, {apart} apart, one cycle after the other"
            );
        }
    }
}
