//! Debian's kernel, started as a user starts it: every file by an option, the guest's code as our status.

use std::process::Command;

use relsim_tests::boot::{assets, linux};
use serde_json::Value;

/// Process 1: looks at what it was given, and ends with a code of its own by the test finisher.
const SCRIPT: &str = r#"
echo "disk says $(head -n 1 /dev/vda)"
echo "command line says $(cat /proc/cmdline)"
devmem 0x100000 32 $((7 << 16 | 0x3333))
"#;

#[test]
fn linux_runs_a_script_and_hands_over_its_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    std::fs::write(file("initrd"), linux::initrd(SCRIPT)).unwrap();
    let mut disk = b"hello\n".to_vec();
    disk.resize(1 << 16, 0);
    std::fs::write(file("disk"), &disk).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_relsim"))
        .args(["run", "--quiet", "--harts", "2", "--max-instructions", "6e9", "--stdin", "none"])
        .args(["--append", "console=ttyS0 panic=-1 quiet relsim.test"])
        .args(["--initrd".as_ref(), file("initrd").as_os_str()])
        .args(["--disk".as_ref(), file("disk").as_os_str()])
        .args(["--stats".as_ref(), file("stats").as_os_str()])
        .arg(linux::kernel())
        .output()
        .unwrap();
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(7), "{printed}\n{said}");
    assert!(printed.contains("disk says hello\r\n"), "{printed}");
    assert!(printed.contains("command line says console=ttyS0 panic=-1 quiet relsim.test\r\n"), "{printed}");
    let stats: Value = serde_json::from_slice(&assets::read(&file("stats"))).unwrap();
    assert_eq!(stats["exit"]["code"], 7);
    assert_eq!(stats["harts"].as_array().map(Vec::len), Some(2));
    assert!(stats["sbi_calls"].as_u64().unwrap() > 0);
    println!("{} instructions, {} s", stats["instructions"], stats["host_seconds"]);
}
