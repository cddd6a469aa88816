//! `--stats` and the summary: what a run did, for programs and for people.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use relsim_machine::{Exit, HartReport, Limits, MachineConfig, Report};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::disk::DiskInfo;
use crate::status;
use crate::units::grouped;

/// The document that `--stats` writes.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// Version of relsim.
    pub relsim_version: &'static str,
    /// How the run ended.
    pub exit: ExitStats,
    /// Per hart, by number.
    pub harts: Vec<HartReport>,
    /// Core cycles of the hart that is furthest ahead.
    pub cycles: u64,
    /// Instructions of all harts.
    pub instructions: u64,
    /// Calls that the built-in SBI served, each charged `config.sbi_call_cycles`.
    pub sbi_calls: u64,
    /// Host time of the run, without loading.
    pub host_seconds: f64,
    /// Runs with the same hash, disks and console input are the same run.
    pub hash: String,
    /// The machine.
    pub config: ConfigStats,
    /// The image.
    pub image: String,
    /// Disks.
    pub disks: Vec<DiskInfo>,
    /// Console input that was known before the run.
    pub input: InputStats,
}

/// What a run was given, apart from the machine.
#[derive(Debug)]
pub struct Given {
    /// [`Stats::hash`].
    pub hash: String,
    /// The image's name.
    pub image: String,
    /// Disks.
    pub disks: Vec<DiskInfo>,
    /// Console input that was known before the run.
    pub input: InputStats,
}

impl Stats {
    /// The document of a run of a machine of `config` that was `given` something, did what `report` says,
    /// and took `host` time.
    pub fn new(
        given: Given,
        config: &MachineConfig,
        limits: Limits,
        report: Report,
        exit: ExitStats,
        host: Duration,
    ) -> Self {
        Self {
            relsim_version: env!("CARGO_PKG_VERSION"),
            exit,
            cycles: report.harts.iter().map(|h| h.cycles).max().unwrap_or(0),
            instructions: report.harts.iter().map(|h| h.instructions).sum(),
            harts: report.harts,
            sbi_calls: report.firmware_calls,
            host_seconds: host.as_secs_f64(),
            hash: given.hash,
            config: ConfigStats::new(config, limits),
            image: given.image,
            disks: given.disks,
            input: given.input,
        }
    }
}

/// How a run ended.
#[derive(Debug, Serialize)]
pub struct ExitStats {
    /// `guest`, `reset`, `cycle-limit`, `instruction-limit`, `dead`, `stuck`, `interrupted` or
    /// `output-closed`.
    pub reason: &'static str,
    /// The guest's code where the reason is `guest`, relsim's exit status otherwise.
    pub code: u32,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The configuration as it was used.
#[derive(Debug, Serialize)]
pub struct ConfigStats {
    platform: &'static str,
    harts: usize,
    mem_bytes: u64,
    isa: String,
    timing: &'static str,
    timing_parameters: BTreeMap<&'static str, u64>,
    quantum_cycles: u64,
    sbi_call_cycles: u64,
    core_freq_hz: u64,
    timebase_freq_hz: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_cycles: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_instructions: Option<u64>,
}

/// Console input.
#[derive(Debug, Serialize)]
pub struct InputStats {
    /// Whether somebody typed: then runs may differ.
    pub interactive: bool,
    /// Bytes that were known before the run.
    pub bytes: usize,
    /// Their hash.
    pub sha256: Option<String>,
}

impl InputStats {
    /// About `bytes`, or about a terminal.
    pub fn new(bytes: &[u8], interactive: bool) -> Self {
        let sha256 = (!bytes.is_empty()).then(|| hex(&Sha256::digest(bytes)));
        Self { interactive, bytes: bytes.len(), sha256 }
    }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The exit part of the document. `output_closed` overrides the machine's own view.
pub fn exit_stats(exit: &Exit, output_closed: bool) -> ExitStats {
    let (reason, detail) = match exit {
        Exit::Guest { .. } => ("guest", None),
        Exit::Reset => ("reset", None),
        Exit::CycleLimit => ("cycle-limit", None),
        Exit::InstructionLimit => ("instruction-limit", None),
        Exit::Dead { detail } => ("dead", Some(detail.clone())),
        Exit::Stuck { detail } => ("stuck", Some(detail.clone())),
        Exit::Interrupted | Exit::Stopped if output_closed => ("output-closed", None),
        Exit::Interrupted | Exit::Stopped => ("interrupted", None),
    };
    let code = match exit {
        Exit::Guest { code } => *code,
        Exit::Interrupted | Exit::Stopped if output_closed => status::OUTPUT_CLOSED.into(),
        exit => status::of(exit).into(),
    };
    ExitStats { reason, code, detail }
}

impl ConfigStats {
    /// What `config` says. A limit that is open was not given.
    pub fn new(config: &MachineConfig, limits: Limits) -> Self {
        let given = |limit: u64| (limit != u64::MAX).then_some(limit);
        Self {
            platform: config.platform.name,
            harts: config.harts,
            mem_bytes: config.ram_bytes,
            isa: config.isa_string(),
            timing: config.timing.model().name,
            timing_parameters: config.timing.parameters().map(|(param, value)| (param.name, value)).collect(),
            quantum_cycles: config.quantum_cycles,
            sbi_call_cycles: config.sbi_call_cycles,
            core_freq_hz: config.platform.core_freq_hz,
            timebase_freq_hz: config.platform.timebase_freq_hz,
            max_cycles: given(limits.max_cycles),
            max_instructions: given(limits.max_instructions),
        }
    }
}

/// The counts as a line for people.
pub fn summary(report: &Report, config: &MachineConfig, host: Duration, before: u64) -> String {
    let instructions: u64 = report.harts.iter().map(|h| h.instructions).sum();
    let cycles = report.harts.iter().map(|h| h.cycles).max().unwrap_or(0);
    let guest_s = cycles as f64 / config.platform.core_freq_hz as f64;
    let host_s = host.as_secs_f64();
    let retired = instructions.saturating_sub(before) as f64;
    let mips = if host_s > 0.0 { retired / host_s / 1e6 } else { 0.0 };
    let harts = if config.harts == 1 { String::new() } else { format!(" on {} harts", config.harts) };
    let user: u64 = report.harts.iter().map(|h| h.user_interrupts).sum();
    let user = if user == 0 { String::new() } else { format!(", {} user interrupts", grouped(user)) };
    format!(
        "{} instructions{harts}, {} cycles ({guest_s:.6} s of the guest's time){user}; {host_s:.3} s, {mips:.1} MIPS",
        grouped(instructions),
        grouped(cycles),
    )
}

/// Where `--stats` goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsTarget {
    /// Standard output.
    Standard,
    /// A file.
    File(PathBuf),
}

impl From<&PathBuf> for StatsTarget {
    fn from(path: &PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Standard } else { Self::File(path.clone()) }
    }
}
