//! Debian's firmware, boot loader and kernel, unmodified, to their prompts and back.
//!
//! What is booted is put in place by `cargo xtask setup`. `RELSIM_BOOT_ECHO=1` shows the consoles while the
//! tests run.

use relsim_machine::{Exit, Timing};
use relsim_tests::Watching;
use relsim_tests::boot::{Boot, Outcome, Step, assets, linux};
use sha2::{Digest, Sha256};

const MIB: u64 = 1 << 20;

/// Starts U-Boot by OpenSBI, stops it from booting something else, and talks to it.
fn u_boot(harts: usize) -> Outcome {
    let steps = [
        Step { expect: "Hit any key to stop autoboot", send: " " },
        Step { expect: "=> ", send: "version\n" },
        Step { expect: "=> ", send: "poweroff\n" },
    ];
    let boot = Boot {
        harts,
        ram_bytes: 256 * MIB,
        firmware: Some(assets::opensbi()),
        kernel: assets::u_boot(),
        initrd: None,
        append: String::new(),
        disk: None,
        script: steps.to_vec(),
        timing: Timing::default(),
        max_instructions: 2_000_000_000,
    };
    let outcome = boot.run();
    outcome.assert_ended(0, steps.len());
    outcome.assert_printed("OpenSBI v");
    outcome.assert_printed(&format!("Platform HART Count       : {harts}\r\n"));
    // What `version` prints beyond U-Boot's own banner.
    outcome.assert_printed("GNU ld (GNU Binutils for Debian)");
    outcome
}

#[test]
fn opensbi_starts_u_boot_on_one_hart() {
    u_boot(1);
}

#[test]
fn opensbi_starts_u_boot_on_four_harts() {
    u_boot(4);
}

/// What process 1 runs: computes, reads the disk, writes to it and reads that back past the cache, and then
/// is a shell. `$?` and quotes keep what is printed apart from what is typed.
const SCRIPT: &str = r#"
sum=0
for i in $(seq 1 100); do sum=$((sum + i)); done
echo "relsim: the sum is $sum"
echo "relsim: $(nproc) harts"
echo "relsim: disk $(sha256sum </dev/vda)"
echo "written by the guest" | dd of=/dev/vda bs=512 seek=7 conv=notrunc,fsync 2>/dev/null
echo 3 >/proc/sys/vm/drop_caches
dd if=/dev/vda bs=512 skip=7 count=1 2>/dev/null | head -n 1
exec sh
"#;

/// A disk with contents that are not the same anywhere.
fn disk() -> Vec<u8> {
    (0u64..1 << 15).flat_map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect()
}

/// Debian's kernel, with `script` typed at the shell's prompt.
fn linux(harts: usize, script: &[Step]) -> Boot {
    Boot {
        harts,
        ram_bytes: 512 * MIB,
        firmware: None,
        kernel: linux::kernel(),
        initrd: Some(linux::initrd(SCRIPT)),
        // A panic is a reset, and that is an end with a message.
        append: "console=ttyS0 earlycon=sbi panic=-1".into(),
        disk: Some(disk()),
        script: script.to_vec(),
        timing: Timing::default(),
        max_instructions: 6_000_000_000,
    }
}

/// Boots Linux to its shell, leaves it with `last`, and checks what was printed and the exit code.
fn linux_to_shell(firmware: bool, harts: usize, last: &'static str, code: u32) {
    let steps = [
        Step { expect: "~ # ", send: "echo the answer is $((6 * 7))\n" },
        Step { expect: "~ # ", send: last },
    ];
    let mut boot = linux(harts, &steps);
    boot.firmware = firmware.then(assets::opensbi);
    let outcome = boot.run();
    outcome.assert_ended(code, steps.len());
    outcome.assert_printed("relsim: the sum is 5050\r\n");
    outcome.assert_printed(&format!("relsim: {harts} harts\r\n"));
    let hash: String = Sha256::digest(disk()).iter().map(|byte| format!("{byte:02x}")).collect();
    outcome.assert_printed(&format!("relsim: disk {hash}  -\r\n"));
    outcome.assert_printed("written by the guest\r\n");
    outcome.assert_printed("the answer is 42\r\n");
    println!("{} harts: {} instructions, {:?}", harts, outcome.instructions(), outcome.report);
}

#[test]
fn linux_reaches_a_shell_on_one_hart() {
    linux_to_shell(false, 1, "poweroff -f\n", 0);
}

/// The shell hands over an exit code by the test finisher.
#[test]
fn linux_reaches_a_shell_on_four_harts() {
    linux_to_shell(false, 4, "devmem 0x100000 32 $((42 << 16 | 0x3333))\n", 42);
}

#[test]
fn linux_reaches_a_shell_on_opensbi() {
    linux_to_shell(true, 2, "poweroff -f\n", 0);
}

/// The program that is compared with the microkernel: by each mechanism, every value arrives and is answered.
#[test]
fn linux_plays_ping_pong() {
    for mechanism in ["pipe", "eventfd", "signal"] {
        let mut boot = linux(1, &[]);
        boot.initrd = Some(linux::initrd_of_program(&assets::read(&assets::ping_pong())));
        boot.append = format!("console=ttyS0 quiet panic=-1 mech={mechanism} ops=20");
        let outcome = boot.run();
        outcome.assert_ended(0, 0);
        outcome.assert_printed("result operations=20 errors=0\r\n");
    }
}

/// Two boots are the same boot: counts, traps, console, and where each hart is. They end after all harts are
/// up.
#[test]
fn boots_repeat_exactly() {
    for harts in [1, 2, 4, 8] {
        let mut boot = linux(harts, &[]);
        boot.max_instructions = 250_000_000;
        let first = boot.run();
        first.assert_printed(&format!("smp: Brought up 1 node, {harts} CPU"));
        assert_eq!(first.report.exit, Exit::InstructionLimit);
        assert_eq!(first.instructions(), boot.max_instructions);
        assert_eq!(first, boot.run(), "{harts} harts");
    }
}

/// What was timed before is not timed again, and yet each cycle has the cause that it has instruction by instruction:
/// address spaces, page faults, interrupts, and a device that answers.
#[test]
fn linux_takes_what_it_takes_instruction_by_instruction() {
    let mut boot = linux(1, &[]);
    boot.timing = Timing::by_name("rocket").expect("a timing model");
    boot.max_instructions = 30_000_000;
    let remembering = boot.run();
    assert_eq!(remembering.instructions(), boot.max_instructions);
    assert_eq!(remembering, boot.run_observed(&mut Watching));
}
