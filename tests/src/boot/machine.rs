//! From files to a machine that runs them: what `relsim run --firmware --initrd --append --disk` does, with
//! a console that answers.

use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use relsim_core::device::Console;
use relsim_core::extension::IsaExtension;
use relsim_core::hart::{Hart, Priv};
use relsim_core::observe::{Observer, Unobserved};
use relsim_devices::CowDisk;
use relsim_loader::{Image, ParseOptions, Region, place_dtb, place_initrd};
use relsim_machine::fdt::{self, Chosen};
use relsim_machine::{
    Exit, Limits, Machine, MachineConfig, Payload, Piece, Report, Timing, Virtio, platform,
};

use super::assets;
use super::console::{Scripted, Step};

static EXTENSIONS: &[&IsaExtension] = &[&relsim_uintr::UINTR];

/// What is booted.
#[derive(Debug, Clone)]
pub struct Boot {
    /// Number of harts.
    pub harts: usize,
    /// Main memory in bytes.
    pub ram_bytes: u64,
    /// Firmware in M-mode; without it, the built-in one.
    pub firmware: Option<PathBuf>,
    /// Kernel or boot loader.
    pub kernel: PathBuf,
    /// Initial RAM disk.
    pub initrd: Option<Vec<u8>>,
    /// Kernel command line.
    pub append: String,
    /// Contents of a virtio disk.
    pub disk: Option<Vec<u8>>,
    /// What is typed.
    pub script: Vec<Step>,
    /// The timing model.
    pub timing: Timing,
    /// Instructions of all harts after which the boot ends.
    pub max_instructions: u64,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Why it ended, and the counts.
    pub report: Report,
    /// All console output.
    pub console: String,
    /// Steps of the script that were reached.
    pub steps_done: usize,
    /// Where each hart was at the end, for messages.
    pub places: Vec<String>,
}

impl Boot {
    /// Boots to the end.
    ///
    /// # Panics
    /// If a file is missing or does not fit.
    pub fn run(&self) -> Outcome {
        self.run_observed(&mut Unobserved)
    }

    /// [`Boot::run`] with somebody watching.
    ///
    /// # Panics
    /// If a file is missing or does not fit.
    pub fn run_observed<O: Observer>(&self, observer: &mut O) -> Outcome {
        let (console, transcript) = Scripted::new(&self.script);
        let mut machine = self.machine(Box::new(console));
        let limits = Limits { max_instructions: self.max_instructions, ..Limits::default() };
        let exit = machine.run_observed(limits, &AtomicBool::new(false), observer);
        let transcript = transcript.lock().unwrap_or_else(PoisonError::into_inner);
        Outcome {
            report: machine.report(exit),
            console: String::from_utf8_lossy(&transcript.output).into_owned(),
            steps_done: transcript.steps_done,
            places: machine.cores.iter().map(|core| place(&core.hart)).collect(),
        }
    }

    /// A guest that is built into relsim, by the name of its image, in 64 MiB under timing model `model`.
    ///
    /// # Panics
    /// If there is no such model.
    pub fn builtin(image: &str, harts: usize, model: &str) -> Self {
        Self {
            harts,
            ram_bytes: 64 << 20,
            firmware: None,
            kernel: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../cli/guests").join(image),
            initrd: None,
            append: String::new(),
            disk: None,
            script: Vec::new(),
            timing: Timing::by_name(model).expect("a timing model"),
            max_instructions: u64::MAX,
        }
    }

    /// The machine, before its first instruction.
    ///
    /// # Panics
    /// If a file is missing or does not fit.
    pub fn machine(&self, console: Box<dyn Console>) -> Machine {
        let mut config = MachineConfig::new(&platform::VIRT, EXTENSIONS).expect("the platform's own ISA");
        config.harts = self.harts;
        config.ram_bytes = self.ram_bytes;
        config.timing = self.timing.clone();
        let payload = self.payload(&config);
        let disk = self.disk.clone().map(|bytes| Virtio::Block {
            backend: Box::new(CowDisk::new(bytes)),
            id: "disk".into(),
            read_only: false,
        });
        Machine::build(config, &payload, disk.into_iter().collect(), console)
            .expect("the machine fits together")
    }

    fn payload(&self, config: &MachineConfig) -> Payload {
        let ram = Region { base: config.platform.ram_base, size_bytes: config.ram_bytes };
        let parse = |path: &PathBuf| {
            let image =
                Image::parse(&path.display().to_string(), &assets::read(path), &ParseOptions::default());
            image.unwrap_or_else(|error| panic!("{error}"))
        };
        let kernel = parse(&self.kernel);
        let firmware = self.firmware.as_ref().map(parse);
        let mut pieces = Vec::new();
        let mut occupied = Vec::new();
        for segment in [firmware.as_ref(), Some(&kernel)].into_iter().flatten().flat_map(|i| &i.segments) {
            occupied.push(segment.region());
            pieces.push(piece("image", segment.paddr, segment.data.to_vec()));
        }
        let initrd = self.initrd.as_ref().map(|bytes| {
            let size_bytes = bytes.len() as u64;
            let base =
                place_initrd(ram, kernel.span(), size_bytes, &occupied).expect("room for the RAM disk");
            occupied.push(Region { base, size_bytes });
            pieces.push(piece("initrd", base, bytes.clone()));
            (base, base + size_bytes)
        });
        let chosen = Chosen { bootargs: self.append.clone(), initrd, ..Chosen::default() };
        let dtb = fdt::build(config, &chosen).expect("a device tree");
        let dtb_address = place_dtb(ram, dtb.len() as u64, &occupied).expect("room for the device tree");
        pieces.push(piece("device tree", dtb_address, dtb));
        Payload {
            pieces,
            entry: firmware.as_ref().map_or(kernel.entry, |firmware| firmware.entry),
            privilege: if firmware.is_some() { Priv::M } else { Priv::S },
            next_stage: firmware.is_some().then_some(kernel.entry),
            dtb_address,
            htif: None,
        }
    }
}

fn place(hart: &Hart) -> String {
    format!("hart {}: {:?} at {:#x} in {}-mode", hart.config.id, hart.state, hart.pc, hart.privilege.letter())
}

fn piece(name: &str, address: u64, bytes: Vec<u8>) -> Piece {
    Piece { name: name.into(), address, bytes }
}

impl Outcome {
    /// Checks that the guest ended with `code` after the whole script.
    ///
    /// # Panics
    /// If not, with the console's output.
    #[track_caller]
    pub fn assert_ended(&self, code: u32, steps: usize) {
        assert!(
            self.report.exit == (Exit::Guest { code }) && self.steps_done == steps,
            "expected exit code {code} after {steps} steps, found {:?} after {} steps\n{}",
            self.report.exit,
            self.steps_done,
            self.tail(),
        );
    }

    /// Checks that the guest printed `text`.
    ///
    /// # Panics
    /// If not, with the console's output.
    #[track_caller]
    pub fn assert_printed(&self, text: &str) {
        assert!(self.console.contains(text), "{text:?} was not printed\n{}", self.tail());
    }

    /// Instructions of all harts.
    pub fn instructions(&self) -> u64 {
        self.report.harts.iter().map(|hart| hart.instructions).sum()
    }

    /// The last lines of the console.
    fn tail(&self) -> String {
        let lines: Vec<&str> = self.console.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}
