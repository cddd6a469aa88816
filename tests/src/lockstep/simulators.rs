//! Runs a program on each of the two simulators.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use relsim_core::bus::Bus;
use relsim_core::device::NoConsole;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;
use relsim_machine::{Exit, Limits, Machine, MachineConfig, Payload, Piece, Timing, platform};

use super::layout::{BODY, BODY_END, LOG_END, PLACE_MASK, RAM, RAM_BYTES};
use super::program::Program;

/// The simulator to compare with.
const QEMU: &str = "qemu-system-riscv64";
/// How long a program may take in QEMU; it takes about a second.
const QEMU_PATIENCE: Duration = Duration::from_secs(120);
/// How many instructions a program may take in relsim; it takes some millions.
const MAX_INSTRUCTIONS: u64 = 200_000_000;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// QEMU is not there.
    #[error("{QEMU} is not installed: run `cargo xtask setup`, which installs what the tests need")]
    NoQemu,
    /// relsim's machine cannot be built.
    #[error("relsim: {0}")]
    Relsim(String),
    /// The host.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What a simulator leaves.
pub struct Outcome {
    /// Memory from [`RAM`] to the end of the log.
    pub memory: Vec<u8>,
    /// Why the program did not come to its end, if it did not. What it left still tells where.
    pub trouble: Option<String>,
}

/// Fails with what to do about it if QEMU is not installed.
///
/// # Errors
/// [`RunError::NoQemu`].
pub fn qemu_version() -> Result<String, RunError> {
    let output = Command::new(QEMU).arg("--version").output().map_err(|_| RunError::NoQemu)?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().into())
}

/// QEMU while it runs. The guest's memory is a file, filled before and read afterwards.
pub struct Qemu {
    child: Child,
    memory: tempfile::NamedTempFile,
    started: Instant,
}

impl Qemu {
    /// Starts `program`.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn start(program: &Program) -> Result<Self, RunError> {
        let mut memory = tempfile::NamedTempFile::new()?;
        memory.as_file().set_len(RAM_BYTES)?;
        for (address, bytes) in &program.pieces {
            memory.seek(SeekFrom::Start(address - RAM))?;
            memory.write_all(bytes)?;
        }
        memory.flush()?;
        let path = memory.path().display();
        let size = RAM_BYTES >> 20;
        // With a second hart, QEMU makes AMOs really atomic; else it runs them as a load and a store, which
        // raise each other's exceptions.
        let child = Command::new(QEMU)
            .args(["-machine", "virt,memory-backend=ram", "-cpu", &program.variant.qemu_cpu()])
            .args(["-object", &format!("memory-backend-file,id=ram,size={size}M,mem-path={path},share=on")])
            .args(["-m", &format!("{size}M"), "-smp", "2", "-bios", "none", "-display", "none"])
            .args(["-serial", "none", "-monitor", "none", "-no-reboot", "-nodefaults"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|_| RunError::NoQemu)?;
        Ok(Self { child, memory, started: Instant::now() })
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// [`RunError::Io`].
    pub fn finish(mut self) -> Result<Outcome, RunError> {
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break Some(status);
            }
            if self.started.elapsed() > QEMU_PATIENCE {
                self.child.kill()?;
                self.child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text)?;
        }
        let trouble = match status {
            None => Some(format!("QEMU did not come to the end in {QEMU_PATIENCE:?}")),
            Some(status) if !status.success() => Some(format!("QEMU: {status}: {text}")),
            Some(_) => None,
        };
        let mut memory = fs::read(self.memory.path())?;
        memory.truncate((LOG_END - RAM) as usize);
        Ok(Outcome { memory, trouble })
    }
}

/// How often each row of the decoder retired in random code.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// By row name.
    pub rows: std::collections::BTreeMap<&'static str, u64>,
    /// Traps by cause; interrupts from 64 on.
    pub traps: std::collections::BTreeMap<u8, u64>,
    /// Instructions by privilege: U, S, reserved, M.
    pub levels: [u64; 4],
}

impl Coverage {
    /// Instructions of random code, altogether.
    pub fn instructions(&self) -> u64 {
        self.levels.iter().sum()
    }

    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        other.rows.iter().for_each(|(name, n)| *self.rows.entry(name).or_default() += n);
        other.traps.iter().for_each(|(code, n)| *self.traps.entry(*code).or_default() += n);
        self.levels.iter_mut().zip(other.levels).for_each(|(a, b)| *a += b);
    }
}

/// Counts what random code does.
struct Counter {
    rows: Vec<u64>,
    traps: [u64; 128],
    levels: [u64; 4],
}

/// Whether `pc` is in random code, through whatever alias.
fn in_body(pc: u64) -> bool {
    (BODY & PLACE_MASK..BODY_END & PLACE_MASK).contains(&(pc & PLACE_MASK))
}

impl Observer for Counter {
    const ON: bool = true;

    fn retired(&mut self, _: &Hart, _: &Bus, op: &Op, pc: u64, privilege: Priv) {
        if in_body(pc) {
            let row = usize::from(op.row);
            if self.rows.len() <= row {
                self.rows.resize(row + 1, 0);
            }
            self.rows[row] += 1;
            self.levels[privilege as usize] += 1;
        }
    }

    fn trapped(&mut self, _: &Hart, _: &Bus, trap: &TrapTaken) {
        self.traps[usize::from(trap.code & 63) + if trap.interrupt { 64 } else { 0 }] += 1;
    }
}

/// The machine that runs `program`, before its first instruction.
///
/// # Errors
/// [`RunError::Relsim`].
pub fn machine(program: &Program, harts: usize, timing: Timing) -> Result<Machine, RunError> {
    let broken = |e: &dyn std::fmt::Display| RunError::Relsim(e.to_string());
    let config = MachineConfig {
        platform: &platform::VIRT,
        harts,
        ram_bytes: RAM_BYTES,
        isa: program.variant.isa().map_err(|e| broken(&e))?,
        extensions: &[],
        timing,
        quantum_cycles: 1000,
        sbi_call_cycles: 100,
    };
    let piece = |&(address, ref bytes): &(u64, Vec<u8>)| Piece {
        name: "program".into(),
        address,
        bytes: bytes.clone(),
    };
    let payload = Payload {
        pieces: program.pieces.iter().map(piece).collect(),
        entry: RAM,
        privilege: Priv::M,
        next_stage: None,
        dtb_address: 0,
        htif: None,
    };
    Machine::build(config, &payload, Vec::new(), Box::new(NoConsole)).map_err(|e| broken(&e))
}

/// Runs `program` in relsim.
///
/// # Errors
/// [`RunError::Relsim`].
pub fn relsim(program: &Program) -> Result<Outcome, RunError> {
    let mut machine = machine(program, 1, Timing::default())?;
    let exit = machine.run(limits(), &AtomicBool::new(false));
    Ok(outcome(&machine, &exit))
}

/// [`relsim`] with every instruction observed.
///
/// # Errors
/// [`RunError::Relsim`].
pub fn relsim_observed(program: &Program) -> Result<(Outcome, Coverage), RunError> {
    let mut machine = machine(program, 1, Timing::default())?;
    let mut counter = Counter { rows: Vec::new(), traps: [0; 128], levels: [0; 4] };
    let exit = machine.run_observed(limits(), &AtomicBool::new(false), &mut counter);
    let mut coverage = Coverage { levels: counter.levels, ..Coverage::default() };
    for (row, &n) in (0u16..).zip(&counter.rows) {
        *coverage.rows.entry(program.rows.decoder.row(row).name).or_default() += n;
    }
    coverage.traps = (0u8..).zip(counter.traps).filter(|&(_, n)| n > 0).collect();
    Ok((outcome(&machine, &exit), coverage))
}

fn limits() -> Limits {
    Limits { max_instructions: MAX_INSTRUCTIONS, ..Limits::default() }
}

fn outcome(machine: &Machine, exit: &Exit) -> Outcome {
    let hart = &machine.cores[0].hart;
    let trouble = (*exit != (Exit::Guest { code: 0 }))
        .then(|| format!("relsim: {exit:?} at pc {:#x} in {}-mode", hart.pc, hart.privilege.letter()));
    let memory = machine.bus.ram.slice(RAM, LOG_END - RAM).unwrap_or_default().to_vec();
    Outcome { memory, trouble }
}
