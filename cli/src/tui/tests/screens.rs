//! What screens look like.

use crossterm::event::KeyCode;
use insta::assert_snapshot;

use super::super::keymap::KEYS;
use super::super::panes::PANES;
use super::super::state::Kept;
use super::harness::Screen;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

fn kernel((width, height): (u16, u16)) -> Screen {
    Screen::new("", width, height)
}

/// At the trap entry of the kernel, for the root task's first system call.
fn trapped(size: (u16, u16)) -> Screen {
    let mut screen = kernel(size);
    screen.keys("btrap_entry\nc");
    screen
}

#[test]
fn a_start() {
    assert_snapshot!("start_80x24", kernel(SMALL).text());
    assert_snapshot!("start_120x40", kernel(LARGE).text());
}

#[test]
fn a_break_at_the_trap_entry_and_steps_from_there() {
    for (name, size) in [("80x24", SMALL), ("120x40", LARGE)] {
        let mut screen = trapped(size);
        screen.keys("e");
        assert_snapshot!(format!("trap_{name}"), screen.text());
        screen.keys("s");
        assert_snapshot!(format!("step_{name}"), screen.text());
        screen.keys("SS");
        assert_snapshot!(format!("step_back_{name}"), screen.text());
    }
}

#[test]
fn back_over_a_trap_is_where_it_was_before() {
    let mut screen = trapped(SMALL);
    screen.keys("S");
    let before = screen.text();
    screen.keys(":delete\nn");
    assert_ne!(screen.app.view.pc, 0x198f2a);
    screen.keys("N");
    assert_eq!(screen.app.view.pc, 0x198f2a);
    assert!(before.contains("step 310454") && screen.text().contains("step 310454"));
    screen.keys("s\n\n");
    assert_eq!(screen.app.view.steps, 310_457);
}

#[test]
fn panes_of_the_machine() {
    let mut screen = trapped(SMALL);
    for (key, name) in
        [("3", "csrs"), ("5", "stack"), ("6", "memory"), ("7", "walk"), ("4", "harts"), ("p", "breakpoints")]
    {
        screen.keys(key);
        assert_snapshot!(name, screen.text());
    }
    screen.keys("7/sp\n");
    assert_snapshot!("walk_of_sp", screen.text());
}

#[test]
fn threads_of_the_kernel() {
    let mut screen = Screen::new("", 120, 40);
    screen.keys(":goto 1500000\n8");
    assert_snapshot!("threads", screen.text());
    // In the kernel it is told by the threads' states.
    let mut screen = trapped(SMALL);
    screen.keys("8:step 40\n");
    assert_snapshot!("threads_in_kernel", screen.text());
}

#[test]
fn user_interrupts_before_and_after_a_send() {
    for (name, (width, height)) in [("80x24", SMALL), ("120x40", LARGE)] {
        let mut screen = Screen::new("--builtin uintr", width, height);
        screen.keys("9tinstruction uipi\nc");
        assert_snapshot!(format!("before_send_{name}"), screen.text());
        screen.keys("s");
        assert!(screen.text().contains("pending vector 0, was none"));
        assert_snapshot!(format!("after_send_{name}"), screen.text());
        screen.keys("S");
        assert!(!screen.text().contains("vector 0, was"));
    }
}

#[test]
fn cycles_have_causes() {
    let mut screen = Screen::new("--timing rocket --harts 2 --builtin uintr", 120, 40);
    screen.keys("0tinstruction uipi\ncs");
    assert_snapshot!("cycles", screen.text());
}

#[test]
fn the_help_fits() {
    let mut screen = kernel(SMALL);
    screen.keys("?");
    assert_snapshot!("help", screen.text());
    for help in KEYS.iter().map(|row| row.help).chain(PANES.iter().map(|def| def.help)) {
        assert!(help.len() <= 31, "{help}");
    }
}

#[test]
fn ascii_and_narrow() {
    let mut screen = Screen::new("--ascii", 80, 24);
    screen.keys("btrap_entry\nc");
    let text = screen.text();
    assert!(text.is_ascii(), "{text}");
    screen.resize(44, 12);
    assert_snapshot!("narrow_ascii", screen.text());
}

#[test]
fn commands_and_their_mistakes_are_shown() {
    let mut screen = kernel(SMALL);
    screen.keys(":info harts\n:break nowhere\n:pri");
    screen.key(KeyCode::Tab);
    screen.keys("tra");
    screen.key(KeyCode::Tab);
    assert_snapshot!("commands", screen.text());
}

#[test]
fn what_the_guest_prints_is_shown() {
    let mut screen = kernel(SMALL);
    screen.keys(":goto 1500000\noi");
    let text = screen.text();
    assert!(text.contains("root task: 1 hart") && text.contains("comes from elsewhere"), "{text}");
}

#[test]
fn breakpoints_and_panes_are_kept() {
    let mut screen = trapped(SMALL);
    screen.keys("tcycle 400000\nbpc if a0 == 1\n:delete 2\n3l");
    let kept = screen.app.kept();
    assert_eq!(kept.breakpoints, ["break trap_entry", "break pc if a0 == 1"]);
    assert_eq!(kept.panes, ["code", "CSRs", "commands", "harts"]);
    assert_eq!(kept.history.first().map(String::as_str), Some("break trap_entry"));
    let mut screen = Screen::with_state("", 80, 24, &kept);
    screen.keys("p");
    assert_snapshot!("kept", screen.text());
    // What no longer can be is said, and the rest is there.
    let kept = Kept { breakpoints: vec!["break gone".into(), "break trap_entry".into()], ..Kept::default() };
    let screen = Screen::with_state("", 80, 24, &kept);
    assert_eq!(screen.app.kept().breakpoints, ["break trap_entry"]);
}

#[test]
fn source_is_shown_where_there_is_some() {
    let fixtures = "../loader/tests/fixtures";
    let mut screen = Screen::new(&format!("{fixtures}/lines-rust.elf --source {fixtures}"), 80, 24);
    screen.keys("blines.rs:22\nc");
    assert_snapshot!("source", screen.text());
}
