//! What a run will be: everything that can be checked before anything is started or written.

use relsim_machine::{MachineConfig, Peer, Virtio, platform};

use crate::args::{MachineArgs, NetPeer, RunArgs};
use crate::console::InputSource;
use crate::disk::DiskInfo;
use crate::error::CliError;
use crate::extensions;
use crate::payload::{self, Software};
use crate::stats::{Given, InputStats};
use crate::timing_file;

/// A run that can begin.
pub struct Plan {
    /// The hardware.
    pub config: MachineConfig,
    /// The software.
    pub software: Software,
    /// What is plugged in.
    pub virtio: Vec<Virtio>,
    /// The disks among it.
    pub disks: Vec<DiskInfo>,
    /// Where console input comes from.
    pub input_source: InputSource,
    /// The part of it that is known now.
    pub input: Vec<u8>,
    /// Remarks for the user.
    pub notes: Vec<String>,
    /// What a user whose guest does not come to its end may want to know about its input.
    pub input_note: Option<&'static str>,
}

impl MachineArgs {
    /// The configuration that the arguments describe, validated.
    ///
    /// # Errors
    /// [`CliError::Isa`], [`CliError::Config`], and what is wrong with the timing model.
    pub fn config(&self) -> Result<MachineConfig, CliError> {
        // The parser admits no other names.
        let platform = platform::by_name(&self.platform).unwrap_or(platform::ALL[0]);
        let mut config = MachineConfig::new(platform, extensions::ALL)?;
        if let Some(isa) = &self.isa {
            config.set_isa(isa).map_err(|error| match error {
                relsim_machine::ConfigError::Isa(error) => CliError::isa(isa, &error),
                error => error.into(),
            })?;
        }
        config.harts = self.harts.unwrap_or(config.harts);
        config.ram_bytes = self.mem.unwrap_or(config.ram_bytes);
        config.timing = timing_file::load(&self.timing)?;
        for (key, value) in &self.set {
            let set = config.timing.set(key, *value);
            set.map_err(|error| CliError::setting(config.timing.model(), &error))?;
        }
        config.quantum_cycles = self.quantum.unwrap_or(config.quantum_cycles);
        config.validate()?;
        Ok(config)
    }
}

impl Plan {
    /// Validates the arguments and reads the files that they name.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(args: &RunArgs) -> Result<Self, CliError> {
        Self::of(args, false)
    }

    /// [`Plan::new`] for a run that goes back in time.
    ///
    /// # Errors
    /// The same.
    pub fn travelling(args: &RunArgs) -> Result<Self, CliError> {
        Self::of(args, true)
    }

    fn of(args: &RunArgs, travels: bool) -> Result<Self, CliError> {
        let mut config = args.machine.config()?;
        if let Some(builtin) = args.builtin() {
            let platform = config.platform.name;
            if !builtin.platforms.contains(&platform) {
                return Err(CliError::NoImage { platform, made_for: builtin.platforms.join(", ") });
            }
            config.harts = args.machine.harts.unwrap_or(builtin.harts);
            let quantum = args.machine.quantum.or(builtin.quantum_cycles);
            config.quantum_cycles = quantum.unwrap_or(config.quantum_cycles);
            config.validate()?;
        }
        let mut software = payload::load(args, &config)?;
        if args.signature.is_some() && software.signature.is_none() {
            return Err(CliError::NoSignature { image: software.name });
        }
        let (mut virtio, mut disks) = (Vec::new(), Vec::new());
        for (index, disk) in args.disk.iter().enumerate() {
            let (device, info) = disk.open(index, travels)?;
            virtio.push(device);
            disks.push(info);
        }
        virtio.extend(args.net.iter().map(|peer| match peer {
            NetPeer::Echo => Virtio::Net(Peer::Echo),
            NetPeer::Loop => Virtio::Net(Peer::Loop),
            NetPeer::Load => Virtio::Net(Peer::Load),
        }));
        if args.virtio_console {
            virtio.push(Virtio::Console);
        }
        let (input_source, input_note) = InputSource::choose(&args.stdin);
        let input = input_source.read()?;
        let notes = std::mem::take(&mut software.notes);
        Ok(Self { config, software, virtio, disks, input_source, input, notes, input_note })
    }

    /// What the statistics say about all this.
    pub fn given(&self) -> Given {
        Given {
            hash: self.software.payload.hash(&self.config),
            image: self.software.name.clone(),
            disks: self.disks.clone(),
            input: InputStats::new(&self.input, self.input_source == InputSource::Terminal),
        }
    }
}
