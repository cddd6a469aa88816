//! `relsim run --gdb`: Debian's gdb drives it, and so do packets that no gdb sends.

mod common;
#[path = "common/gdb.rs"]
mod stub;

use std::time::Duration;

use common::*;
use relsim_core::csr::CsrTable;
use stub::{Stub, packet};

/// What follows `mark` on each of the lines that begin with it.
fn lines<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(mark)).map(str::trim).collect()
}

/// Break, step, step back, go on, go back, watch, look at the user: with four harts.
/// `scause` is that of the first trap.
fn the_kernel_goes_back_and_forth(timing: &str, scause: &str) {
    let stub = Stub::new(&["--builtin", "kernel", "--harts", "4", "--timing", timing]);
    let commands = r#"
info threads
define where
  printf "pc %#lx\n", $pc
  monitor cycles
end
break trap_entry
continue
printf "entry %#lx\n", (unsigned long)&trap_entry
where
info registers scause satp ustatus suicfg priv ft0
x/4i $pc
set $slot = $sscratch + 8
set $user = $sepc + 4
stepi
where
reverse-stepi
where
continue
where
reverse-continue
where
delete
eval "awatch *(unsigned long *)%#lx", $slot
continue
where
reverse-continue
where
delete
eval "hbreak *%#lx", $user
continue
where
printf "user %#lx mode %ld\n", $user, $priv
monitor stats
kill
"#;
    let (out, err) = stub.gdb(commands);
    let all = format!("{out}\n{err}");
    for hart in 0..4 {
        assert_eq!(out.matches(&format!("(hart {hart} ")).count(), 1, "{all}");
    }
    let entry = u64::from_str_radix(lines(&out, "entry 0x")[0], 16).expect(&all);
    let pcs: Vec<u64> =
        lines(&out, "pc 0x").iter().filter_map(|pc| u64::from_str_radix(pc, 16).ok()).collect();
    let user = lines(&out, "user 0x")[0].strip_suffix(" mode 0").expect(&all);
    let user = u64::from_str_radix(user, 16).unwrap();
    // The first store of the entry is at its offset 12.
    assert_eq!(pcs, [entry, entry + 4, entry, entry, entry, entry + 14, entry + 12, user], "{all}");
    let places = lines(&err, "cycle ");
    assert_eq!(places.len(), 8, "{all}");
    // Under rocket the hart waits before the instruction for its turn, while the others go on: it is met once.
    assert_eq!((places[0], places[2]), (places[2], places[4]), "{all}");
    assert!(places[1] != places[2] && places[3] != places[2], "{all}");
    assert!(out.contains(&format!("scause         {scause}\t")), "{all}");
    assert!(out.contains("prv:1 [Supervisor]"), "{all}");
    assert!(out.contains("ft0            {float = 0, double = 0}"), "{all}");
    assert_eq!(out.matches("<trap_entry").count(), 4, "{all}");
    assert_eq!(out.matches("Hardware access (read/write) watchpoint").count(), 3, "{all}");
    assert_eq!(lines(&err, "hart ").len(), 4, "{all}");
    assert!(out.contains("killed]"), "{all}");
    assert_eq!(stub.finish().status.code(), Some(130), "kill");
}

#[test]
fn the_kernel_goes_back_and_forth_under_functional() {
    the_kernel_goes_back_and_forth("functional", "0x8");
}

#[test]
fn the_kernel_goes_back_and_forth_under_rocket() {
    the_kernel_goes_back_and_forth("rocket", "0x8000000000000005");
}

/// A guest that ends with code 3.
fn ends_with_3(files: &Files) -> String {
    let code = finish(3 << 16 | 0x3333);
    files.guest(&code).to_str().unwrap().into()
}

#[test]
fn the_end_of_the_guest_is_the_end_of_the_inferior() {
    let files = Files::new();
    let stub = Stub::new(&[&ends_with_3(&files)]);
    let commands = "stepi\nreverse-continue\nprintf \"pc %#lx\\n\", $pc\ncontinue\n";
    let (out, err) = stub.gdb(commands);
    assert!(out.contains("No more reverse-execution history"), "{out}{err}");
    assert_eq!(lines(&out, "pc "), ["0x1000"], "{out}{err}");
    assert!(out.contains("exited with code 03]"), "{out}{err}");
    assert_eq!(stub.finish().status.code(), Some(3));
}

#[test]
fn a_detached_guest_runs_on() {
    let files = Files::new();
    let stub = Stub::new(&[&ends_with_3(&files)]);
    let (out, err) = stub.gdb("stepi\ndetach\n");
    assert!(out.contains("detached]"), "{out}{err}");
    assert_eq!(stub.finish().status.code(), Some(3));
}

/// More than may wait at once: it is read bit by bit, and what comes behind it is answered.
#[test]
fn a_flood_is_read_to_its_end() {
    let files = Files::new();
    let mut stub = Stub::new(&[&ends_with_3(&files)]);
    let mut wire = stub.connect();
    wire.send(&vec![b'+'; 1 << 20]);
    assert!(wire.ask("?").starts_with("T05"));
    wire.send(&packet(b"c"));
    wire.send(&vec![b'+'; 1 << 20]);
    assert!(wire.packet().starts_with("W03"));
}

/// What is written is there, is gone before, and is there again; what cannot be written is refused and changes nothing.
#[test]
fn what_gdb_writes_is_part_of_time() {
    let files = Files::new();
    let mut stub = Stub::new(&[&ends_with_3(&files)]);
    let mut wire = stub.connect();
    wire.ask("vCont;s:1");
    let before = (wire.ask("g"), wire.ask("m80000000,8"));
    // Read-only memory, the UART, a CSR that is read-only, an odd pc, a mode that there is not.
    for (packet, error) in [
        ("M1000,1:00", "E0e"),
        ("M10000000,1:00", "E0e"),
        ("Pf55=0000000000000000", "E01"),
        ("P20=0100000000000000", "E16"),
        ("P1041=0200000000000000", "E16"),
    ] {
        assert_eq!(wire.ask(packet), error, "{packet}");
    }
    assert_eq!((wire.ask("g"), wire.ask("m80000000,8")), before);
    assert_eq!(wire.ask("P1=0807060504030201"), "OK");
    assert_eq!(wire.ask("M80000002,2:abcd"), "OK");
    assert_eq!(wire.ask("P381=7700000000000000"), "OK", "mscratch");
    let after = (wire.ask("g"), wire.ask("m80000000,8"), wire.ask("p381"));
    assert_eq!(&after.0[16..32], "0807060504030201");
    assert_eq!((&after.1[4..8], after.2.as_str()), ("abcd", "7700000000000000"));
    wire.ask("bs");
    assert_eq!(wire.ask("m80000000,8"), before.1, "before");
    wire.ask("vCont;s:1");
    assert_eq!((wire.ask("g"), wire.ask("m80000000,8"), wire.ask("p381")), after, "again");
}

/// `monitor checkpoint` and `restore`, and a run that goes on from there.
#[test]
fn gdb_keeps_checkpoints() {
    let files = Files::new();
    let guest = ends_with_3(&files);
    let file = files.path("a checkpoint");
    let stub = Stub::new(&[&guest]);
    let (out, err) = stub.gdb(&format!(
        "stepi 5\nmonitor checkpoint {0}\nmonitor cycles\nstepi 2\nmonitor restore {0}\nmonitor seek 6\n\
         monitor restore /no/such\nmonitor checkpoint\nmonitor trace 4 {0}.jsonl\n\
         monitor trace 4 /no/such\nkill\n",
        file.display()
    ));
    let all = format!("{out}{err}");
    assert_eq!(lines(&err, "cycle "), ["5, step 5", "5, step 5", "6, step 6", "6, step 6"], "{all}");
    assert!(all.contains("trace: cannot write the trace /no/such"), "{all}");
    let trace = std::fs::read_to_string(format!("{}.jsonl", file.display())).unwrap();
    assert!(trace.lines().count() >= 4, "{trace}");
    assert!(all.contains("restore: cannot read the checkpoint /no/such"), "{all}");
    assert!(all.contains("checkpoint: cannot write the checkpoint"), "{all}");
    let run = relsim(&["run", "-q", &guest, "--restore"]).arg(file).assert();
    run.code(3);
}

#[test]
fn memory_is_read_without_devices() {
    let files = Files::new();
    let mut stub = Stub::new(&[&ends_with_3(&files)]);
    let mut wire = stub.connect();
    let first: String = finish(3 << 16 | 0x3333)[0].to_le_bytes().map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(wire.ask("m80000000,4"), first);
    // The UART, nothing at all, across the end of memory (512 MiB), and around the end of addresses.
    assert_eq!(wire.ask("m10000000,1"), "E0e");
    assert_eq!(wire.ask("m1,4"), "E0e");
    assert_eq!(wire.ask("m9ffffffe,8").len(), 4);
    assert_eq!(wire.ask("mffffffffffffffff,8"), "E0e");
}

#[test]
fn ctrl_c_stops_a_guest_that_runs() {
    let files = Files::new();
    let guest = files.guest(&[jal(0, 0)]);
    let mut stub = Stub::new(&[guest.to_str().unwrap()]);
    let mut wire = stub.connect();
    for resume in ["c", "vCont;c", "vCont;c:1"] {
        wire.send(&packet(resume.as_bytes()));
        std::thread::sleep(Duration::from_millis(100));
        wire.send(&[3]);
        assert!(wire.packet().starts_with("T02thread:"));
    }
    assert!(wire.ask("g").ends_with("0000008000000000"));
}

#[test]
fn nobody_goes_on_who_is_not_named() {
    let files = Files::new();
    let guest = files.guest(&[addi(T0, T0, 1), jal(0, -4)]);
    let mut stub = Stub::new(&[guest.to_str().unwrap()]);
    let mut wire = stub.connect();
    let registers = wire.ask("g");
    for resume in ["vCont", "vCont;c:63", "vCont;s:63"] {
        let answer = wire.ask(resume);
        assert!(answer.starts_with("T05thread:"), "{answer} to {resume}");
        assert_eq!(wire.ask("g"), registers, "{resume}");
    }
}

/// The registers of every privilege and extension, from the table that the harts themselves have.
#[test]
fn every_csr_is_described_once() {
    let mut stub = Stub::new(&["--builtin", "kernel"]);
    let mut wire = stub.connect();
    let mut xml = String::new();
    loop {
        let part = wire.ask(&format!("qXfer:features:read:target.xml:{:x},fff", xml.len()));
        xml.push_str(&part[1..]);
        if part.starts_with('l') {
            break;
        }
    }
    let platform = &relsim_machine::platform::VIRT;
    const EXTENSIONS: &[&relsim_core::extension::IsaExtension] = &[&relsim_uintr::UINTR];
    let config = relsim_machine::MachineConfig::new(platform, EXTENSIONS).unwrap();
    let outside: Vec<_> = config.active_extensions().map(|e| e.csrs).collect();
    let table = CsrTable::new(config.isa, &outside).unwrap();
    for row in table.rows() {
        let (name, number) = (format!("name=\"{}\"", row.name), 65 + row.num);
        assert_eq!(xml.matches(&name).count(), 1, "{name}");
        assert_eq!(xml.matches(&format!("regnum=\"{number}\"")).count(), 1, "{name}");
    }
    assert_eq!(xml.matches("group=\"csr\"").count(), table.rows().len());
    for name in ["ustatus", "uip", "fcsr", "mstatus", "satp"] {
        assert!(table.by_name(name).is_some(), "{name}");
    }
    // With a value for each.
    for row in table.rows() {
        let value = wire.ask(&format!("p{:x}", 65 + row.num));
        assert_eq!(value.len(), 16, "{}: {value}", row.name);
    }
}

/// Packets that are wrong, each on a connection of its own: none ends relsim, and the next one is served.
#[test]
fn what_is_no_packet_ends_a_connection_at_most() {
    let files = Files::new();
    // Nothing below lets the guest go: what some packets write would end it.
    let mut stub = Stub::new(&[files.guest(&[LOOP]).to_str().unwrap()]);
    let wrong: &[&[u8]] = &[
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"-",
        b"$g#00",
        b"$g#zz",
        b"$",
        b"$#",
        b"$m#6d",
        &[0xff; 64],
        &[b'$'; 40000],
    ];
    let commands: &[&str] = &[
        "",
        "m",
        "m80000000",
        "m80000000,ffffffffffffffff",
        "mffffffffffffffffffff,4",
        "M80000000,ffffffffffffffff:00",
        "X80000000,4:",
        "G",
        "G00",
        "P",
        "P0=",
        "P0=00000000000000000000",
        "pffffffffffffffff",
        "p10000",
        "Z0,80000000",
        "Z0,ffffffffffffffffff,4",
        "Z2,ffffffffffffffff,ffffffffffffffff",
        "Z2,0,0",
        "Z9,0,0",
        "z0,0,0",
        "Hg0",
        "Hg-1",
        "Hcp1.99",
        "Hgffffffffffffffff",
        "T99",
        "vCont",
        "vCont;",
        "vCont;x",
        "vCont;s",
        "vCont;t",
        "vCont;c:63",
        "vCont;s:63",
        "bs",
        "qXfer:features:read:target.xml:ffffffffffffffff,ffff",
        "qXfer:features:read:other.xml:0,ffff",
        "qXfer:features:read:target.xml:0,ffffffffffffffff",
        "qThreadExtraInfo,99",
        "qRcmd,zz",
        "qRcmd,676f746f20",
        "qRcmd,676f746f2039393939393939393939393939393939393939393939",
        "vFile:open:",
        "QNonStop:1",
    ];
    let packets = commands.iter().map(|text| packet(text.as_bytes()));
    for bytes in wrong.iter().map(|bytes| bytes.to_vec()).chain(packets) {
        let mut wire = stub.connect();
        wire.send(&bytes);
        wire.shut();
        wire.drain();
        let mut wire = stub.connect();
        let (answer, after) = (wire.ask("?"), bytes.escape_ascii().to_string());
        assert!(answer.starts_with("T05") || answer.starts_with("S05"), "{answer} after {after:?}");
    }
    // Pieces of packets that are right, put together at random: the commands that let the guest go are left out.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for _ in 0..300 {
        let mut text = vec![b"gGmMpPXzZTHq?"[random(13)]];
        for _ in 0..random(24) {
            text.push(b"0123456789abcdef,:;=-p.$#}*"[random(25)]);
        }
        let mut wire = stub.connect();
        wire.send(&packet(&text));
        wire.shut();
        wire.drain();
    }
    let mut wire = stub.connect();
    assert_eq!(wire.ask("m80000000,4").len(), 8);
    wire.send(&packet(b"k"));
    let output = stub.finish();
    assert_eq!(output.status.code(), Some(130));
    // What is too long for the buffer, both ways, is not collected in memory.
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("oversized packet"), "{err}");
    assert!(err.contains("the answer does not fit into a packet"), "{err}");
}
