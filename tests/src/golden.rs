//! Rows of the golden ELF files: what Rocket's RTL took, and what the model says.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use relsim_core::device::Console;
use relsim_core::hart::Priv;
use relsim_loader::{Image, ParseOptions};
use relsim_machine::{Limits, Machine, MachineConfig, Payload, Piece, Timing, platform};

/// The RTL's rows.
pub const REFERENCE: &str = include_str!("../golden/rocket.csv");

/// The ELF files with the memory latencies that rows exist for.
pub const RUNS: &[(&str, &[u8], u64)] = &[
    ("core", include_bytes!("../golden/elf/core.elf.gz"), 20),
    ("mem", include_bytes!("../golden/elf/mem.elf.gz"), 20),
    ("mem", include_bytes!("../golden/elf/mem.elf.gz"), 40),
    ("sys", include_bytes!("../golden/elf/sys.elf.gz"), 20),
];

/// A row: `name,iterations,instret,cycles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The case.
    pub name: String,
    /// Instructions retired.
    pub instret: u64,
    /// Cycles.
    pub cycles: u64,
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        // Rows at another memory latency say so behind their name.
        let name = fields.next()?.split('@').next()?.to_string();
        let instret = fields.nth(1)?.parse().ok()?;
        let cycles = fields.next()?.parse().ok()?;
        Some(Self { name, instret, cycles })
    }
}

/// A row of the model beside that of the RTL.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// ELF file and memory latency.
    pub run: String,
    /// The model's.
    pub model: Row,
    /// The RTL's.
    pub rtl: Row,
}

impl Compared {
    /// The model's error in per cent of the RTL's cycles.
    pub fn error_percent(&self) -> f64 {
        (self.model.cycles as f64 - self.rtl.cycles as f64) / self.rtl.cycles as f64 * 100.0
    }
}

#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<Vec<u8>>>);

impl Console for Transcript {
    fn write(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
    }
    fn read(&mut self) -> Option<u8> {
        None
    }
}

/// A machine with the ELF file `bytes` in memory and `latency` cycles to memory.
///
/// # Panics
/// If the file is none, or does not fit.
pub fn machine(bytes: &[u8], latency: u64, console: Box<dyn Console>) -> Machine {
    let options = ParseOptions { ram_base: platform::ROCKET_GOLDEN.ram_base, ..ParseOptions::default() };
    let image = Image::parse("golden", bytes, &options).expect("a golden file is an ELF file");
    let pieces = image.segments.iter().map(|s| Piece {
        name: "golden".into(),
        address: s.region().base,
        bytes: s.data.to_vec(),
    });
    let payload = Payload {
        pieces: pieces.collect(),
        entry: image.entry,
        privilege: Priv::M,
        next_stage: None,
        dtb_address: 0,
        htif: None,
    };
    let mut config = MachineConfig::new(&platform::ROCKET_GOLDEN, &[]).expect("the platform's own ISA");
    config.timing = Timing::by_name("rocket").expect("a model");
    for name in ["memory_read_latency", "memory_write_latency"] {
        config.timing.set(name, latency).expect("a latency within bounds");
    }
    Machine::build(config, &payload, Vec::new(), console).expect("the machine fits together")
}

/// Runs an ELF file and sets its rows beside the RTL's.
///
/// # Panics
/// If the file cannot be run.
pub fn compare(name: &str, bytes: &[u8], latency: u64) -> Vec<Compared> {
    let transcript = Transcript::default();
    let mut machine = machine(bytes, latency, Box::new(transcript.clone()));
    machine.run(Limits::default(), &AtomicBool::new(false));
    let text = transcript.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let key = format!("elf={name}.elf rlat={latency} ");
    let reference: Vec<Row> =
        REFERENCE.lines().filter(|line| line.contains(&key)).filter_map(Row::parse).collect();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(Row::parse)
        .filter_map(|model| {
            let rtl = reference.iter().find(|row| row.name == model.name)?.clone();
            Some(Compared { run: format!("{name} {latency}"), model, rtl })
        })
        .collect()
}

/// Mean absolute error in per cent, and the shares of rows within 1 and 5 per cent.
pub fn statistics(rows: &[Compared]) -> (f64, f64, f64) {
    let count = rows.len().max(1) as f64;
    let mean = rows.iter().map(|r| r.error_percent().abs()).sum::<f64>() / count;
    let within =
        |limit: f64| rows.iter().filter(|r| r.error_percent().abs() <= limit).count() as f64 / count * 100.0;
    (mean, within(1.0), within(5.0))
}
