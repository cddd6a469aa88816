//! The commands beside `run`.

mod common;

use common::*;
use predicates::prelude::*;
use predicates::str::contains;
use relsim_machine::platform;

#[test]
fn platforms_are_listed_and_shown_whole() {
    let list = relsim(&["platform", "list"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.lines().count(), platform::ALL.len());
    for platform in platform::ALL {
        assert!(list.contains(platform.name));
        let shown = relsim(&["platform", "show", platform.name]).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        for device in platform.devices {
            let row = shown.lines().find(|l| l.contains(&format!("  {} ", device.name))).unwrap();
            assert!(row.starts_with(&format!("{:#012x}", device.base)), "{row}");
        }
        let json = relsim(&["platform", "show", "--json", platform.name]).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["devices"].as_array().unwrap().len(), platform.devices.len());
    }
    relsim(&["platform", "show", "toaster"]).assert().code(2);
}

#[test]
fn the_device_tree_is_written() {
    let files = Files::new();
    let path = files.path("virt.dtb");
    relsim(&["dtb", "--harts", "3", "--append", "console=ttyS0", "-o"])
        .arg(&path)
        .assert()
        .success()
        .stdout("");
    let to_file = std::fs::read(&path).unwrap();
    let to_pipe = relsim(&["dtb", "--harts", "3", "--append", "console=ttyS0"]).output().unwrap().stdout;
    assert_eq!(to_file, to_pipe);
    assert!(to_file.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]));
    let has = |text: &str| to_file.windows(text.len()).any(|w| w == text.as_bytes());
    assert!(has("cpu@2") && !has("cpu@3") && has("console=ttyS0"));
    relsim(&["dtb", "--harts", "0"]).assert().code(125);
}

#[test]
fn every_extension_is_listed() {
    let text = relsim(&["isa"]).assert().success();
    text.stdout(contains("zacas").and(contains("sv57")).and(contains("xuintr")));
}

#[test]
fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        relsim(&["completions", shell]).assert().success().stdout(contains("max-instructions"));
    }
}

#[test]
fn man_pages() {
    let files = Files::new();
    let directory = files.path("man");
    relsim(&["man"]).arg(&directory).assert().success().stdout("");
    let page = std::fs::read_to_string(directory.join("relsim-run.1")).unwrap();
    assert!(page.contains("Exit status") && page.contains("commit\\-log"));
    relsim(&["man"]).assert().success().stdout(contains(".TH relsim 1"));
}
