//! The kernel's own suite, written from seL4's manual: on relsim in both timing models and on QEMU, on one hart and on
//! several; and what its operations cost.
//!
//! `cargo xtask test` builds the images.

use std::process::{Command, Stdio};

use relsim_machine::Timing;
use relsim_tests::Watching;
use relsim_tests::boot::{Boot, Outcome, assets};

const MIB: u64 = 1 << 20;
/// Fewer tests than this would be a suite that has lost some.
const TESTS: u64 = 370;
/// The same where there are no user interrupts.
const TESTS_OF_SEL4: u64 = 320;

/// The kernel with a root task.
fn boot(root: &str, harts: usize, timing: &str) -> Boot {
    Boot {
        harts,
        ram_bytes: 512 * MIB,
        firmware: None,
        kernel: assets::kernel(root, harts > 1),
        initrd: None,
        append: String::new(),
        disk: None,
        script: Vec::new(),
        timing: Timing::by_name(timing).expect("a timing model"),
        max_instructions: 3_000_000_000,
    }
}

/// Runs the kernel with a root task to its end.
fn run(root: &str, harts: usize, timing: &str) -> Outcome {
    let outcome = boot(root, harts, timing).run();
    outcome.assert_ended(0, 0);
    outcome
}

/// Checks the last line of the suite.
#[track_caller]
fn assert_passed(console: &str) {
    assert_all_passed(console, TESTS);
}

/// The same for a part of it, of `least` tests.
#[track_caller]
fn assert_all_passed(console: &str, least: u64) {
    let failed: Vec<_> = console.lines().filter(|line| line.starts_with("FAIL")).collect();
    let score = console.lines().rev().find_map(|line| line.strip_prefix("suite: "));
    let score = score.unwrap_or_else(|| panic!("the suite does not come to its end:\n{console}"));
    let (passed, rest) = score.split_once(" passed, ").unwrap_or_else(|| panic!("{score}"));
    assert_eq!(rest.trim(), "0 failed", "{}", failed.join("\n"));
    assert!(passed.parse::<u64>().is_ok_and(|passed| passed >= least), "only {passed} tests");
}

#[test]
fn suite_on_one_hart() {
    assert_passed(&run("suite", 1, "functional").console);
}

#[test]
fn suite_on_four_harts() {
    assert_passed(&run("suite", 4, "functional").console);
}

#[test]
fn suite_on_one_hart_timed() {
    assert_passed(&run("suite", 1, "rocket").console);
}

/// What was timed before is not timed again, and yet each cycle has the cause that it has instruction by instruction.
#[test]
fn suite_takes_what_it_takes_instruction_by_instruction() {
    let mut boot = boot("suite", 1, "rocket");
    boot.max_instructions = 20_000_000;
    let remembering = boot.run();
    assert_eq!(remembering.instructions(), boot.max_instructions);
    assert_eq!(remembering, boot.run_observed(&mut Watching));
}

/// Those about several harts; the others are timed on one.
#[test]
fn part_of_the_suite_on_four_harts_timed() {
    assert_all_passed(&run("suite-part", 4, "rocket").console, 24);
}

/// Runs the suite on QEMU, which `timeout` ends if it hangs.
fn assert_passes_on_qemu(smp: bool, options: &[&str]) {
    let mut command = Command::new("timeout");
    command.args([
        "600",
        "qemu-system-riscv64",
        "-machine",
        "virt",
        "-m",
        "512",
        "-nographic",
        "-monitor",
        "none",
    ]);
    command.args(options).arg("-kernel").arg(assets::kernel("suite", smp)).stdin(Stdio::null());
    let output = command.output().expect("QEMU, which `cargo xtask setup` installs");
    let console = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}\n{console}", String::from_utf8_lossy(&output.stderr));
    assert_all_passed(&console, TESTS_OF_SEL4);
}

#[test]
fn suite_on_qemu() {
    assert_passes_on_qemu(false, &[]);
}

/// All harts in one thread of the host: its time does not depend on how many processors are free.
#[test]
fn suite_on_qemu_on_four_harts() {
    assert_passes_on_qemu(true, &["-smp", "4", "-accel", "tcg,thread=single"]);
}

/// The kernel's column of the table in the book, which `cargo xtask cycles` makes, is what it costs now.
#[test]
fn cycles_are_those_of_the_book() {
    let book = include_str!("../../docs/src/reference/kernel-cycles.md");
    let table: Vec<(String, String)> = book
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim);
            Some((cells.next()?.trim_end_matches('`').to_owned(), cells.next()?.to_owned()))
        })
        .collect();
    let console = run("bench", 1, "rocket").console;
    let rows: Vec<(String, String)> = console
        .lines()
        .filter_map(|line| line.trim().strip_prefix("bench,"))
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells.len() == 4).then(|| (cells[0].to_owned(), cells[3].to_owned()))
        })
        .collect();
    assert!(rows.len() > 50, "{console}");
    assert_eq!(rows, table, "run `cargo xtask cycles`");
}
