//! `relsim platform list` and `relsim platform show NAME`: the platform rows, for people and programs.

use std::fmt::Write;

use relsim_machine::platform::{self, DeviceKind, DeviceSpec, Platform};

use crate::args::PlatformCommand;
use crate::error::CliError;
use crate::units::{frequency, size};

/// Prints what was asked for.
///
/// # Errors
/// [`CliError::Write`].
pub fn run(command: &PlatformCommand) -> Result<(), CliError> {
    let text = match command {
        PlatformCommand::List => {
            platform::ALL.iter().map(|p| format!("{:<14}{}\n", p.name, p.summary)).collect()
        }
        PlatformCommand::Show { name, json } => {
            // The parser admits no other names.
            let platform = platform::by_name(name).unwrap_or(platform::ALL[0]);
            if *json { json_text(platform)? } else { show(platform) }
        }
    };
    super::print(text.as_bytes())
}

fn json_text(platform: &Platform) -> Result<String, CliError> {
    serde_json::to_string_pretty(platform).map(|text| text + "\n").map_err(|error| CliError::Write {
        what: "output",
        path: "standard output".into(),
        source: error.into(),
    })
}

/// What a device is, in words.
fn kind(spec: &DeviceSpec) -> String {
    match spec.kind {
        DeviceKind::BootRom => "boot ROM: reset code, hands over a0, a1, a2".into(),
        DeviceKind::StubRom => "ROM: loads the image's entry and jumps there".into(),
        DeviceKind::ReportPort { .. } => {
            "report port of the RTL harness: rows, interrupts, end of the run".into()
        }
        DeviceKind::TestFinisher => "SiFive test finisher".into(),
        DeviceKind::Rtc => "Goldfish real-time clock".into(),
        DeviceKind::Clint => "SiFive CLINT: machine timer and software interrupts".into(),
        DeviceKind::Plic { sources } => format!("PLIC, {sources} sources"),
        DeviceKind::Uart { reg_shift } => format!("UART 16550A, registers {} bytes apart", 1 << reg_shift),
        DeviceKind::Virtio { slots } => format!("virtio-mmio, {slots} slots"),
        DeviceKind::Htif => "HTIF (where the image has no tohost symbol)".into(),
        DeviceKind::Extension { name } => format!("device of the extension {name}"),
    }
}

fn interrupts(spec: &DeviceSpec) -> String {
    match (spec.interrupt, spec.kind) {
        (Some(first), DeviceKind::Virtio { slots }) => format!("{first}-{}", first + slots - 1),
        (Some(number), _) => number.to_string(),
        (None, _) => String::new(),
    }
}

fn show(platform: &Platform) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<18}{value}");
    };
    line("platform", platform.name.into());
    line("", platform.summary.into());
    line("compatible", platform.compatible.into());
    line("harts", format!("{}, at most {}", platform.default_harts, platform.max_harts));
    line("core clock", frequency(platform.core_freq_hz));
    line("timebase", frequency(platform.timebase_freq_hz));
    line("reset at", format!("{:#x}", platform.reset_pc));
    line("PMP entries", platform.pmp_entries.to_string());
    line("misaligned data", if platform.misaligned_ok { "works" } else { "traps" }.into());
    line("ISA", platform.default_isa.into());
    text.push_str("\naddress          size     interrupt  device\n");
    let ram = (platform.ram_base, platform.default_ram_bytes);
    for spec in platform.devices {
        let _ = writeln!(
            text,
            "{:#012x}  {:>9}  {:>9}  {:<9} {}",
            spec.base,
            size(spec.size_bytes),
            interrupts(spec),
            spec.name,
            kind(spec),
        );
    }
    let _ =
        writeln!(text, "{:#012x}  {:>9}  {:>9}  {:<9} main memory (--mem)", ram.0, size(ram.1), "", "ram");
    text
}
