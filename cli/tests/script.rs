//! `relsim script`: a session with the built-in kernel, and what is wrong with scripts.

mod common;

use common::*;
use predicates::prelude::*;
use predicates::str::{contains, starts_with};

/// Runs a script with the built-in kernel.
fn script(files: &Files, text: &str, args: &[&str]) -> assert_cmd::assert::Assert {
    let path = files.add("script", text.as_bytes());
    relsim(&["script"]).arg(path).args(args).assert()
}

#[test]
fn a_session_goes_back_and_forth() {
    let files = Files::new();
    let commands = "\
# Into the kernel, and out again backwards.
break trap_entry
continue
csr scause
reverse-step
regs a7
step
continue
reverse-continue
reverse-continue
quit
step
";
    let expected = "\
(relsim) break trap_entry
1: break 0xffffffff80200100 <trap_entry>
(relsim) continue
stop 1: break 0xffffffff80200100 <trap_entry>
";
    let first = script(&files, commands, &[]).success();
    let out = String::from_utf8(first.get_output().stdout.clone()).unwrap();
    assert!(out.starts_with(expected), "{out}");
    let places: Vec<&str> = out.lines().filter(|line| line.starts_with("step ")).collect();
    assert_eq!(places.len(), 6, "{out}");
    assert_eq!((places[0], places[0]), (places[2], places[4]), "{out}");
    assert_ne!(places[0], places[3], "{out}");
    assert!(places[1].ends_with(": ecall"), "{out}");
    assert_eq!(places[5].split_once(',').map(|p| p.0), Some("step 0"), "{out}");
    script(&files, commands, &[]).success().stdout(out);
}

#[test]
fn what_the_guest_prints_is_shown_once() {
    let files = Files::new();
    let commands = "goto 1100000\ngoto 1000\ngoto 1100000\n";
    let out = script(&files, commands, &[]).success();
    let out = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    assert_eq!(out.matches("root task: 1 hart").count(), 1, "{out}");
}

#[test]
fn every_command_has_its_line_of_json() {
    let files = Files::new();
    let commands = "step 3\ninfo harts\nx/2w pc\nuintr\n";
    let out = script(&files, commands, &["--json", "--harts", "4", "--timing", "rocket"]).success();
    let out = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0]["answer"]["steps"], 3);
    assert_eq!(lines[1]["answer"]["harts"].as_array().map(Vec::len), Some(4));
    assert_eq!(lines[2]["answer"]["values"].as_array().map(Vec::len), Some(2));
    assert_eq!(lines[3]["answer"]["harts"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_wrong_command_is_said_and_ends_the_script() {
    let files = Files::new();
    for (line, column, message) in [
        ("  stepp", 3, "\"stepp\" is no command; `help` lists them"),
        ("print 1 +", 10, "expected a number, a name or an opening parenthesis"),
        ("break nowhere", 7, "\"nowhere\" is no register, CSR or symbol"),
        ("break pc if a0 ==", 18, "expected a number, a name or an opening parenthesis"),
        ("print 1 / 0", 7, "a division by zero"),
        ("hart 1", 6, "there are harts 0 to 0"),
        ("csr nothing", 5, "the hart has no CSR \"nothing\""),
    ] {
        let out = script(&files, &format!("step\n{line}\nstep\n"), &[]).code(3);
        out.stderr(contains(format!(":2:{column}: {message}\n")))
            .stdout(starts_with("(relsim) step\nstep 1,"));
    }
    let deep = format!("print {}1\n", "(".repeat(100_000));
    script(&files, &deep, &[]).code(3).stderr(contains("this is nested too deeply"));
}

/// The store that has just retired, and one that is long ago.
#[test]
fn who_wrote_last_is_known() {
    let files = Files::new();
    let store = [auipc(T0, 0), addi(T1, 0, 7), sd(T1, T0, 64), addi(T1, 0, 8), sd(T1, T0, 128), LOOP];
    let guest = files.guest(&store);
    let commands = "break 0x80000000\ncontinue\nstep 3\nlast-write t0 + 64\nstep 100000\nlast-write t0 + 60\n\
                    last-write t0 + 200\n";
    let path = files.add("script", commands.as_bytes());
    let out = relsim(&["script"]).arg(path).arg(guest).arg("--json").assert().success();
    let out = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answer = |line: usize| &lines[line]["answer"];
    for line in [3, 5] {
        assert_eq!(answer(line)["steps"], answer(1)["steps"].as_u64().unwrap() + 2, "{out}");
        assert_eq!(answer(line)["pc"], "0x80000008", "{out}");
    }
    assert_eq!(answer(6)["found"], false, "{out}");
}

/// A line of source: where its statements begin, once in the list, or what is wrong with it.
#[test]
fn lines_of_source_are_places() {
    let files = Files::new();
    let image = "../loader/tests/fixtures/lines-rust.elf";
    let commands = "break lines.rs:22\nbreak lines.rs:16 if a0 == 1\ninfo breakpoints\ncontinue\ndelete 2\ninfo breakpoints\n";
    let out = script(&files, commands, &[image]).success();
    let out = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    assert!(out.contains("\n1: break lines.rs:22 at 0x80000000 <_start>\n"), "{out}");
    assert!(out.contains("\nstop 1: break lines.rs:22 at 0x80000000 <_start>\n"), "{out}");
    // When it is made, and in the list.
    let second = "2: break lines.rs:16 at 0x80000016 <lines::sum+0x2> and 10 more places if a0 == 1\n";
    assert_eq!(out.matches(second).count(), 2, "{out}");
    for line in ["break lines.rs:2", "break other.rs:16"] {
        let out = script(&files, line, &[image]).code(3);
        out.stderr(contains(":1:7: no statement begins at line "));
    }
}

/// Back over a call as a whole, into it where the hart has not come out of it, and over a system call.
#[test]
fn back_by_an_instruction_of_this_hart() {
    let files = Files::new();
    // A call of a function of two instructions, then another one.
    let code = [jal(RA, 12), addi(T0, 0, 1), LOOP, addi(T1, T1, 1), jalr(0, RA)];
    let guest = files.guest(&code);
    let commands = "break 0x80000004\ncontinue\nreverse-next\nnext\nreverse-step\nreverse-next\n";
    let path = files.add("script", commands.as_bytes());
    let out = relsim(&["script"]).arg(path).arg(guest).arg("--json").assert().success();
    let out = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    let pcs: Vec<String> = out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["answer"]["pc"].to_string())
        .collect();
    let expected = ["0x80000004", "0x80000000", "0x80000004", "0x80000010", "0x8000000c"];
    assert_eq!(pcs[1..], expected.map(|pc| format!("\"{pc}\"")), "{out}");
    // The kernel's root task makes a system call, and is back at it.
    let commands = "break trap_entry\ncontinue\ndelete\nreverse-step\nnext\nreverse-next\n";
    let out = script(&files, commands, &[]).success();
    let out = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    assert!(
        out.ends_with(
            "step 310454, cycle 310454, hart 0 U: 0x198f2a <kernel_user::bootinfo::init+0x16>: ecall\n"
        ),
        "{out}"
    );
}

/// All instructions of a family.
#[test]
fn families_of_instructions_are_caught() {
    let files = Files::new();
    let commands = "catch instruction uipi\ncontinue\n";
    let out = script(&files, commands, &["--builtin", "uintr"]).success();
    out.stdout(contains("stop 1: catch instruction uipi\nstep 8852, cycle 4426, hart 0 M: 0x8000024c"));
}

/// The places that a script with `guest` answers with: steps, from the lines of JSON.
fn answers(files: &Files, text: &str, args: &[&str]) -> Vec<serde_json::Value> {
    let out = script(files, text, &[args, &["--json"]].concat()).success();
    let out = String::from_utf8(out.get_output().stdout.clone()).unwrap();
    let line = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["answer"].clone();
    out.lines().map(line).collect()
}

/// Forth over calls and traps, and back over the same.
#[test]
fn calls_are_gone_back_over() {
    let files = Files::new();
    for args in [&["--timing", "functional"][..], &["--timing", "rocket", "--harts", "4"]] {
        // Into the handler of the first system call; its exit and its entry.
        let text = "catch trap 8\ncontinue\ncycles\nstep 12 hart\nreverse-finish\nnext\nreverse-next\n\
                    step hart\nstep hart\nreverse-step 2 hart\n";
        let all = answers(&files, text, args);
        let steps = |line: usize| all[line]["steps"].as_u64().unwrap();
        let hart = |line: usize| all[line]["hart"].as_u64().unwrap();
        let pc = |line: usize| all[line]["pc"].as_str().unwrap();
        // The ecall is the step before the trap's end.
        assert_eq!(steps(4) + 1, steps(2), "{all:?}");
        assert!(all[4]["instruction"].as_str().unwrap().ends_with("ecall"), "{all:?}");
        assert!(steps(5) > steps(3), "{all:?}");
        assert_eq!((pc(6), hart(6)), (pc(4), hart(4)), "{all:?}");
        assert_eq!((pc(9), hart(9)), (pc(4), hart(4)), "{all:?}");
    }
}

#[test]
fn what_is_set_is_part_of_time() {
    let files = Files::new();
    let text = "step 100\nset a0 = 0x1234\nset mem32(sp - 64) = a0 + 1\nset sscratch = 7\nstep 50\n\
                reverse-step 51\nprint mem32(sp - 64)\nstep 1\nprint mem32(sp - 64)\nprint a0\n\
                print sscratch\nset pc = 0x80200000\nprint pc\nset f3 = 9\n";
    let all = answers(&files, text, &[]);
    let value = |line: usize| all[line]["value"].as_str().unwrap();
    assert_ne!(value(6), "0x1235", "before it");
    assert_eq!((value(8), value(9), value(10), value(12)), ("0x1235", "0x1234", "0x7", "0x80200000"));
    for (line, column, message) in [
        (
            "set a9 = 1",
            5,
            "expected a register, pc, priv, a CSR, or mem8(ADDRESS) to mem64(ADDRESS), not \"a9\"",
        ),
        ("set a0 == 1", 12, "expected `= EXPR`"),
        ("set a0 =", 9, "expected an expression"),
        ("set a0 = 1 +", 13, "expected a number, a name or an opening parenthesis"),
        (
            "set mem8(1) = 1",
            5,
            "there is no memory at 0x1 that can be written: devices and read-only memory cannot",
        ),
        ("set mhartid = 1", 5, "this CSR is read-only, or the hart does not have it"),
        ("set priv = 2", 5, "there is no privilege mode 2"),
        ("set pc = 1", 5, "no instruction begins at 0x1"),
    ] {
        let out = script(&files, &format!("{line}\n"), &[]).code(3);
        out.stderr(contains(format!(":1:{column}: {message}\n")));
    }
}

#[test]
fn a_session_is_kept_and_gone_on_from() {
    let files = Files::new();
    let file = files.path("kept").display().to_string();
    let text = format!(
        "goto 1000\ncheckpoint {file}\ngoto 1100000\nrestore {file}\ngoto 1100000\nreverse-continue\n"
    );
    let all = answers(&files, &text, &[]);
    assert!(all[1]["bytes"].as_u64().unwrap() > 1000);
    assert_eq!(all[0], all[3]);
    assert_eq!(all[2], all[4]);
    assert_eq!(all[5]["steps"], all[0]["steps"], "the past begins there");
    // In another session, and in a run.
    let again = answers(&files, &format!("restore {file}\ngoto 1100000\n"), &[]);
    assert_eq!((&again[0], &again[1]), (&all[0], &all[2]));
    let limit = ["--max-cycles", "1100000", "--restore", &file];
    let printed = |args: &[&str]| {
        relsim(&[&["run", "-q"], args].concat()).assert().code(124).get_output().stdout.clone()
    };
    assert_eq!(printed(&limit), printed(&limit[..2]));
    script(&files, &format!("restore {file}\n"), &["--harts", "2"])
        .code(3)
        .stderr(contains(":1:9: ").and(contains("another run (harts: 1 there, 2 here)")));
    script(&files, "checkpoint /no/such/place\n", &[])
        .code(3)
        .stderr(contains(":1:12: cannot write the checkpoint"));
}

/// Options of a run are heeded, or refused.
#[test]
fn options_come_to_something() {
    let files = Files::new();
    let out = script(&files, "continue\n", &["--max-cycles", "5000"]).success();
    out.stdout(contains("the cycle limit was reached\nstep 5000, cycle 5000,"));
    for option in [["--stats", "x"], ["--commit-log", "x"], ["--trace", "x"], ["--signature", "x"]] {
        let message = format!("`relsim script` does not take {}", option[0]);
        script(&files, "step\n", &option).code(125).stderr(contains(message));
    }
}

/// What firmware and devices store is seen by watchpoints, forwards and backwards, and by `last-write`.
#[test]
fn stores_of_firmware_are_seen() {
    let files = Files::new();
    // The firmware reads a byte of console input into memory: debug console, function 1.
    let mut code = set(A7, 0x4442_434e).to_vec();
    code.extend([addi(A6, 0, 1), addi(A0, 0, 1)]);
    code.extend([auipc(11, 1), addi(A2, 0, 0), ECALL, addi(T0, 0, 1), LOOP]);
    let image = elf(RAM + 0x20_0000, &bytes(&code), &[]);
    let guest = files.add("sbi.elf", &image);
    let input = files.add("input", b"xyz");
    let place = "0x80201010";
    let text = format!(
        "watch {place}\ncontinue\nlast-write {place}\nstep 20\n\
         last-write {place}\nreverse-continue\nprint mem8({place})\n"
    );
    let args = [guest.to_str().unwrap(), "--stdin", input.to_str().unwrap()];
    let all = answers(&files, &text, &args);
    assert_eq!(all[1]["why"], format!("stop 1: watch {place}"), "{all:?}");
    for line in [2, 4] {
        assert_eq!((&all[line]["outside"], &all[line]["steps"]), (&true.into(), &all[1]["steps"]), "{all:?}");
    }
    assert_eq!(all[5]["steps"], all[1]["steps"], "{all:?}");
    assert_eq!(all[6]["value"], "0x78", "{all:?}");
}

/// Ctrl-C ends the command that runs, which says where, and the script.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_script() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let files = Files::new();
    let script = files.add("script", b"step 3\ncontinue\nstep 1\n");
    let guest = files.guest(&[LOOP]);
    // It may come before the second command has begun, and ends the script then.
    let text = std::iter::repeat_with(|| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_relsim"))
            .arg("script")
            .args([&script, &guest])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        // What the first command says comes when the handler is there.
        for _ in 0..2 {
            out.read_line(&mut text).unwrap();
        }
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        out.read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
        text
    })
    .take(100)
    .find(|text| text.lines().count() > 2)
    .expect("the second command is interrupted at some time");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[2..4], ["(relsim) continue", "interrupted"], "{text}");
    assert!(lines[4].starts_with("step ") && lines.len() == 5, "{text}");
}
