//! `relsim debug` on a terminal, tmux: keys are sent, and the screen is looked at.

mod common;

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::*;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tempfile::TempDir;

/// How long something may take that takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal of its own.
struct Terminal {
    directory: TempDir,
}

impl Terminal {
    /// A terminal of `width` columns and `height` lines in which `relsim debug ARGUMENTS` runs, and then a shell says its
    /// exit status.
    fn new(arguments: &str, (width, height): (u16, u16)) -> Self {
        Self::again(TempDir::new().unwrap(), arguments, (width, height))
    }

    /// The same with the state of one before.
    fn again(directory: TempDir, arguments: &str, (width, height): (u16, u16)) -> Self {
        let terminal = Self { directory };
        let relsim = env!("CARGO_BIN_EXE_relsim");
        let command = format!("'{relsim}' debug {arguments}; echo \"status $?\"; exec sleep 1000");
        let state = format!("XDG_STATE_HOME={}", terminal.directory.path().display());
        let size = [width.to_string(), height.to_string()];
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &size[0],
            "-y",
            &size[1],
            "-e",
            &state,
            "-e",
            "NO_COLOR=",
            &command,
        ]);
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let socket = self.directory.path().join("tmux");
        let output = Command::new("tmux").arg("-S").arg(socket).args(["-u"]).args(arguments).output();
        let output = output.expect("tmux is installed (cargo xtask setup installs it)");
        assert!(output.status.success(), "tmux {arguments:?}: {output:?}");
        output
    }

    /// Sends keys, by tmux's names.
    fn keys(&self, keys: &[&str]) {
        if !keys.is_empty() {
            self.tmux(&[&["send-keys"], keys].concat());
        }
    }

    /// Types `text`.
    fn typed(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// The processes that the shell in it has started.
    fn children(&self) -> Vec<String> {
        let shell = String::from_utf8(self.tmux(&["display-message", "-p", "#{pane_pid}"]).stdout).unwrap();
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        children.split_whitespace().map(String::from).collect()
    }

    fn screen(&self) -> String {
        String::from_utf8(self.tmux(&["capture-pane", "-p"]).stdout).unwrap()
    }

    /// The screen, once it has `text`.
    fn wait(&self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "no {text:?} on the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let socket = self.directory.path().join("tmux");
        // It may have ended by itself.
        let _ = Command::new("tmux").arg("-S").arg(socket).arg("kill-server").output();
    }
}

#[test]
fn the_trap_entry_forwards_and_backwards() {
    let terminal = Terminal::new("--no-state", (80, 24));
    terminal.wait("step 0");
    terminal.typed("btrap_entry");
    terminal.keys(&["Enter", "c"]);
    let screen = terminal.wait("stop 1: break 0xffffffff80200100 <trap_entry>");
    assert!(screen.contains("●► 80200100  csrrw     sp,sscratch,sp"), "{screen}");
    assert!(screen.contains("hart 0 S · cycle 310455 · step 310455"), "{screen}");
    terminal.keys(&["F11"]);
    let screen = terminal.wait("cycle 310456 · step 310456");
    assert!(screen.contains("► 80200104  beq "), "{screen}");
    assert!(screen.contains("•sp  ffffffc09ffb8800"), "{screen}");
    terminal.typed("SS");
    let screen = terminal.wait("hart 0 U · cycle 310454 · step 310454");
    assert!(screen.contains("► 198f2a  ecall"), "{screen}");
    terminal.typed("q");
    // The terminal is what it was.
    let screen = terminal.wait("status 0");
    assert!(!screen.contains("registers"), "{screen}");
}

/// A terminal that is closed takes the debugger with it, in whatever it is doing.
#[test]
fn it_ends_with_its_terminal() {
    for keys in [&[][..], &["c"]] {
        let terminal = Terminal::new("--no-state --builtin bench --append bench=stress", (80, 24));
        terminal.wait("step 0");
        terminal.keys(keys);
        let relsim = terminal.children();
        assert_eq!(relsim.len(), 1, "{relsim:?}");
        drop(terminal);
        let begun = Instant::now();
        while Path::new(&format!("/proc/{}/cmdline", relsim[0])).exists() {
            assert!(begun.elapsed() < PATIENCE, "relsim goes on without a terminal");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The benchmarks of mechanisms: the first send from hart to hart, by its effect at the UINTC.
#[test]
fn a_receiver_has_something_pending_when_another_hart_sends() {
    let arguments = "--no-state --builtin bench --append bench=oneway --platform rocket-uintr --harts 2";
    let terminal = Terminal::new(arguments, (120, 40));
    terminal.wait("step 0");
    // Receiver 1.
    terminal.typed("9wsuicfg + 32 * 1");
    terminal.keys(&["Enter", "c"]);
    let screen = terminal.wait("stop 1: watch 0x");
    assert!(screen.contains("hart 0 U"), "{screen}");
    assert!(screen.contains("•receiver 1  hart 1 on  pending vector 1, was none"), "{screen}");
    assert!(screen.contains("uipi.send a0"), "{screen}");
    terminal.typed("S");
    let screen = terminal.wait("receiver 1  hart 1 on  pending none, was vector 1");
    let here = screen.lines().find(|line| line.contains('►')).unwrap_or_default();
    assert!(here.contains("uipi.send a0"), "{screen}");
}

/// What is typed to the guest is read by it when it runs, and what it prints is shown.
#[test]
fn the_guest_is_typed_to() {
    let terminal = Terminal::new("--no-state", (80, 24));
    terminal.wait("step 0");
    terminal.typed("i");
    terminal.keys(&["Enter"]);
    terminal.wait("it will be read when the guest runs on");
    // To tmux, an escape and a letter right behind it are one key.
    terminal.keys(&["Escape"]);
    terminal.wait("finish continue");
    terminal.typed("c");
    terminal.wait("try help");
    terminal.typed("ihelp");
    terminal.keys(&["Enter"]);
    terminal.wait("> help");
    terminal.keys(&["Escape"]);
    terminal.wait("finish continue");
    terminal.keys(&["Escape"]);
    terminal.wait("interrupted");
}

#[test]
fn what_runs_long_is_stopped() {
    let files = Files::new();
    let guest = files.guest(&[addi(T0, T0, 1), jal(0, -4)]);
    let terminal = Terminal::new(&format!("--no-state '{}'", guest.display()), (80, 24));
    terminal.wait("step 0");
    terminal.typed("bpc + 0x1000");
    terminal.keys(&["Enter"]);
    // A breakpoint is stopped, too, while it is set.
    terminal.wait("1: break 0x2000");
    terminal.keys(&["c"]);
    terminal.wait("Esc stops it");
    terminal.keys(&["Escape"]);
    terminal.wait("interrupted");
    terminal.typed("s");
    terminal.wait("hart 0 M");
}

#[test]
fn breakpoints_come_back() {
    let first = Terminal::new("", (80, 24));
    first.wait("step 0");
    first.typed("btrap_entry");
    first.keys(&["Enter"]);
    first.wait("1: break");
    first.typed("q");
    first.wait("status 0");
    let kept = state_files(first.directory.path());
    assert_eq!(kept.len(), 1);
    assert!(std::fs::read_to_string(&kept[0]).unwrap().contains("break trap_entry"));
    let second = Terminal::again(copy(first.directory.path()), "", (80, 24));
    second.wait("1: break 0xffffffff80200100 <trap_entry>");
    // What is broken is said, and left alone.
    std::fs::write(&kept[0], "breakpoints = 7").unwrap();
    let third = Terminal::again(copy(first.directory.path()), "", (80, 24));
    third.wait("left as it is");
    third.typed("q");
    third.wait("status 0");
    let kept = state_files(third.directory.path());
    assert_eq!(std::fs::read_to_string(&kept[0]).unwrap(), "breakpoints = 7");
}

/// The files of state below `directory`.
fn state_files(directory: &Path) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(directory.join("relsim/debug")).unwrap();
    files.map(|entry| entry.unwrap().path()).collect()
}

/// A directory with the same state.
fn copy(from: &Path) -> TempDir {
    let directory = TempDir::new().unwrap();
    std::fs::create_dir_all(directory.path().join("relsim/debug")).unwrap();
    for file in state_files(from) {
        let name = file.file_name().unwrap();
        std::fs::copy(&file, directory.path().join("relsim/debug").join(name)).unwrap();
    }
    directory
}

#[test]
fn without_a_terminal_there_is_an_error() {
    let out = relsim(&["debug"]).assert().code(125);
    out.stderr(contains("needs a terminal").and(contains("relsim script")));
}
