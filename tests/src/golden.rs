//! Rows of the golden ELF files: what Rocket's RTL took, and what the model says.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use relsim_core::device::Console;
use relsim_core::hart::Priv;
use relsim_loader::{Image, ParseOptions};
use relsim_machine::{Exit, Limits, Machine, MachineConfig, Payload, Piece, Timing, platform};

/// The RTL's rows.
pub const REFERENCE: &str = include_str!("../golden/rocket.csv");

/// The ELF files with the memory latencies that rows exist for.
pub const RUNS: &[(&str, &[u8], u64)] = &[
    ("core", include_bytes!("../golden/elf/core.elf.gz"), 20),
    ("mem", include_bytes!("../golden/elf/mem.elf.gz"), 20),
    ("mem", include_bytes!("../golden/elf/mem.elf.gz"), 40),
    ("sys", include_bytes!("../golden/elf/sys.elf.gz"), 20),
];

/// The RTL's rows of four harts.
pub const MULTI_REFERENCE: &str = include_str!("../golden/multi/rocket.csv");

/// Harts of the ELF files in [`MULTI_RUNS`].
pub const MULTI_HARTS: usize = 4;

macro_rules! multi {
    ($name:literal, $read:literal, $write:literal) => {
        ($name, include_bytes!(concat!("../golden/multi/elf/", $name, ".elf.gz")), $read, $write)
    };
}

/// The ELF files for four harts with the latencies of reads and writes that rows exist for.
pub const MULTI_RUNS: &[(&str, &[u8], u64, u64)] = &[
    multi!("lat", 20, 20),
    multi!("lat", 20, 60),
    multi!("lat", 60, 20),
    multi!("lat", 60, 60),
    multi!("misc", 20, 20),
    multi!("misc", 60, 20),
    multi!("pp", 20, 20),
    multi!("pp", 20, 60),
    multi!("pp", 60, 20),
    multi!("ipi", 20, 20),
    multi!("ipi", 60, 60),
    multi!("lrsc", 20, 20),
    multi!("probe2", 20, 20),
];

/// The RTL's rows of the hazard programs.
pub const HAZARD_REFERENCE: &str = include_str!("../golden/hazards/rocket.csv");

/// The hazard programs.
pub const HAZARDS: &[u8] = include_bytes!("../golden/hazards/hazards.elf.gz");

/// A row: `name,iterations,instret,cycles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The case.
    pub name: String,
    /// Instructions retired.
    pub instret: u64,
    /// Cycles.
    pub cycles: u64,
    /// Least and most cycles of what the row counts, where it tells.
    pub range: Option<(i64, i64)>,
}

impl Row {
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(',');
        // Rows at another memory latency say so behind their name.
        let name = fields.next()?.split('@').next()?.to_string();
        let instret = fields.nth(1)?.parse().ok()?;
        let cycles = fields.next()?.parse().ok()?;
        let rest: Vec<&str> = fields.collect();
        let range = match rest[..] {
            [_, _, least, most] => least.parse().ok().zip(most.parse().ok()),
            _ => None,
        };
        Some(Self { name, instret, cycles, range })
    }

    /// A row of the reference for several harts, which has its range in its notes.
    fn parse_multi(line: &str) -> Option<Self> {
        let note =
            |key: &str| line.split(&[' ', ';'][..]).find_map(|word| word.strip_prefix(key)?.parse().ok());
        let mut row = Self::parse(line)?;
        row.range = note("min=").zip(note("max="));
        Some(row)
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
    /// Whether what the row counts took the model no less and no more than the RTL, give or take a cycle or a
    /// twentieth.
    pub fn in_range(&self) -> bool {
        let (Some(model), Some(rtl)) = (self.model.range, self.rtl.range) else {
            return self.error_percent().abs() <= 5.0;
        };
        let slack = |value: i64| (value.abs() / 20).max(1);
        model.0 >= rtl.0 - slack(rtl.0) && model.1 <= rtl.1 + slack(rtl.1)
    }

    /// The model's error in per cent of the RTL's cycles.
    pub fn error_percent(&self) -> f64 {
        if self.rtl.cycles == 0 {
            return if self.model.cycles == 0 { 0.0 } else { 100.0 };
        }
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

/// A machine with one hart, the ELF file `bytes` in memory, and `latency` cycles to memory.
///
/// # Panics
/// If the file is none, or does not fit.
pub fn machine(bytes: &[u8], latency: u64, console: Box<dyn Console>) -> Machine {
    machine_of(1, bytes, (latency, latency), None, console)
}

/// A machine with `harts` harts, the ELF file `bytes` in memory, and so many cycles to read and to write memory.
///
/// # Panics
/// If the file is none, or does not fit.
pub fn machine_of(
    harts: usize,
    bytes: &[u8],
    latency: (u64, u64),
    quantum: Option<u64>,
    console: Box<dyn Console>,
) -> Machine {
    let latencies = [("memory_read_latency", latency.0), ("memory_write_latency", latency.1)];
    machine_with(harts, bytes, &latencies, quantum, console)
}

fn machine_with(
    harts: usize,
    bytes: &[u8],
    parameters: &[(&str, u64)],
    quantum: Option<u64>,
    console: Box<dyn Console>,
) -> Machine {
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
    config.harts = harts;
    config.quantum_cycles = quantum.unwrap_or(config.quantum_cycles);
    for &(name, value) in parameters {
        config.timing.set(name, value).expect("a parameter within bounds");
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

/// What the hazard programs take under the model with `parameters`, in their order.
///
/// # Panics
/// If they cannot be run, or do not come to their end.
pub fn run_hazards(parameters: &[(&str, u64)]) -> Vec<Row> {
    let transcript = Transcript::default();
    let mut machine = machine_with(1, HAZARDS, parameters, None, Box::new(transcript.clone()));
    let limits = Limits { max_cycles: 10_000_000, ..Limits::default() };
    let exit = machine.run(limits, &AtomicBool::new(false));
    assert_eq!(exit, Exit::Guest { code: 0 });
    let text = transcript.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    String::from_utf8_lossy(&text).lines().filter_map(Row::parse).collect()
}

/// What the RTL took for them, and how many cycles with one cycle more to read memory.
pub fn hazard_reference() -> Vec<(Row, u64)> {
    let row = |line| Some((Row::parse(line)?, line.rsplit(',').next()?.parse().ok()?));
    HAZARD_REFERENCE.lines().filter_map(row).collect()
}

/// What an ELF file prints on four harts, and their machine afterwards.
///
/// # Panics
/// If the file cannot be run.
pub fn run_multi(bytes: &[u8], latency: (u64, u64), quantum: Option<u64>) -> (String, Machine) {
    let transcript = Transcript::default();
    let mut machine = machine_of(MULTI_HARTS, bytes, latency, quantum, Box::new(transcript.clone()));
    machine.run(Limits::default(), &AtomicBool::new(false));
    let text = transcript.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (String::from_utf8_lossy(&text).into_owned(), machine)
}

/// Runs an ELF file on four harts and sets its rows beside the RTL's, which come in the same order.
///
/// # Panics
/// If the file cannot be run.
pub fn compare_multi(name: &str, bytes: &[u8], read: u64, write: u64) -> Vec<Compared> {
    let (text, _) = run_multi(bytes, (read, write), None);
    let key = format!("elf={name}.elf LitexFull4DConfig rlat={read} wlat={write} ");
    let reference = MULTI_REFERENCE.lines().filter(|line| line.contains(&key)).filter_map(Row::parse_multi);
    let reference: Vec<Row> = reference.collect();
    // Every file begins with the rows of the clocks' start, of which the reference has one set.
    let clocks = |row: &Row| row.name.starts_with("boot_clock");
    let keeps_clocks = reference.first().is_some_and(clocks);
    let model = text.lines().filter_map(Row::parse).filter(|row| keeps_clocks || !clocks(row));
    let run = format!("{name} {read}/{write}");
    model.zip(reference).map(|(model, rtl)| Compared { run: run.clone(), model, rtl }).collect()
}

/// Share of rows, in per cent, whose range lies inside the RTL's or next to it.
pub fn share_in_range(rows: &[Compared]) -> f64 {
    rows.iter().filter(|row| row.in_range()).count() as f64 / rows.len().max(1) as f64 * 100.0
}

/// Mean absolute error in per cent, and the shares of rows within 1 and 5 per cent.
pub fn statistics(rows: &[Compared]) -> (f64, f64, f64) {
    let count = rows.len().max(1) as f64;
    let mean = rows.iter().map(|r| r.error_percent().abs()).sum::<f64>() / count;
    let within =
        |limit: f64| rows.iter().filter(|r| r.error_percent().abs() <= limit).count() as f64 / count * 100.0;
    (mean, within(1.0), within(5.0))
}
