//! What a machine is built from: a validated configuration and a payload, both plain data.

use std::fmt;

use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_core::isa::{ExtSet, IsaError, isa_string, parse_isa};
use relsim_core::ram::PAGE_BYTES;
use relsim_timing::params::ParamError;
use relsim_timing::registry::Timing;
use sha2::{Digest, Sha256};

use crate::platform::Platform;

/// Largest guest memory, in bytes.
pub const MAX_RAM_BYTES: u64 = 64 << 30;

/// Why a configuration was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The number of harts is not one that the platform can have.
    #[error("{platform} takes 1 to {max} harts, not {harts}")]
    Harts {
        /// The platform.
        platform: &'static str,
        /// Its limit.
        max: usize,
        /// What was asked for.
        harts: usize,
    },
    /// The memory size is zero, not whole pages, or too large.
    #[error(
        "memory of {bytes} bytes: it must be whole pages of {PAGE_BYTES} bytes, at least one, at most {MAX_RAM_BYTES} bytes in all"
    )]
    Memory {
        /// What was asked for.
        bytes: u64,
    },
    /// The ISA string.
    #[error(transparent)]
    Isa(#[from] IsaError),
    /// A parameter of the timing model.
    #[error(transparent)]
    Parameter(#[from] ParamError),
}

/// The hardware: everything that decides what a run does, apart from the payload.
#[derive(Clone)]
pub struct MachineConfig {
    /// The platform.
    pub platform: &'static Platform,
    /// Number of harts.
    pub harts: usize,
    /// Main memory in bytes.
    pub ram_bytes: u64,
    /// Extensions of every hart.
    pub isa: ExtSet,
    /// Extensions outside the core that may be asked for.
    pub extensions: &'static [&'static IsaExtension],
    /// Timing model, with its parameters.
    pub timing: Timing,
    /// How far a hart may run ahead of the others, in cycles. 1 is exact interleaving.
    pub quantum_cycles: u64,
    /// What one call of the built-in firmware costs, in cycles.
    pub sbi_call_cycles: u64,
}

impl MachineConfig {
    /// The platform's defaults.
    ///
    /// # Errors
    /// [`ConfigError::Isa`] if the platform's ISA string names an extension that is not among
    /// `extensions`.
    pub fn new(
        platform: &'static Platform,
        extensions: &'static [&'static IsaExtension],
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            platform,
            harts: platform.default_harts,
            ram_bytes: platform.default_ram_bytes,
            isa: parse_isa(platform.default_isa, extensions)?,
            extensions,
            timing: Timing::default(),
            quantum_cycles: 100,
            sbi_call_cycles: 100,
        })
    }

    /// Takes another ISA string.
    ///
    /// # Errors
    /// [`ConfigError::Isa`].
    pub fn set_isa(&mut self, text: &str) -> Result<(), ConfigError> {
        self.isa = parse_isa(text, self.extensions)?;
        Ok(())
    }

    /// Checks what the types do not.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Platform { name, max_harts, .. } = *self.platform;
        if self.harts == 0 || self.harts > max_harts {
            return Err(ConfigError::Harts { platform: name, max: max_harts, harts: self.harts });
        }
        if self.ram_bytes == 0 || !self.ram_bytes.is_multiple_of(PAGE_BYTES) || self.ram_bytes > MAX_RAM_BYTES
        {
            return Err(ConfigError::Memory { bytes: self.ram_bytes });
        }
        Ok(())
    }

    /// The canonical ISA string.
    pub fn isa_string(&self) -> String {
        isa_string(self.isa, self.extensions)
    }

    /// The extensions outside the core that are on.
    pub fn active_extensions(&self) -> impl Iterator<Item = &'static IsaExtension> + '_ {
        self.extensions.iter().copied().filter(|e| self.isa.has(e.slot))
    }
}

/// All that counts, in a fixed order: the text behind [`Payload::hash`].
impl fmt::Display for MachineConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "platform={} harts={} ram={} isa={} timing={} quantum={} sbi={}",
            self.platform.name,
            self.harts,
            self.ram_bytes,
            self.isa_string(),
            self.timing.model().name,
            self.quantum_cycles,
            self.sbi_call_cycles,
        )?;
        self.timing.parameters().try_for_each(|(param, value)| write!(f, " {}={value}", param.name))
    }
}

/// A piece of memory to fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is, for messages.
    pub name: String,
    /// Physical address.
    pub address: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Addresses of HTIF's two words in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HtifWords {
    /// `tohost`.
    pub tohost: u64,
    /// `fromhost`; without it nothing is answered.
    pub fromhost: Option<u64>,
}

/// The software: what is loaded, and where it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Memory contents; later pieces overwrite earlier ones.
    pub pieces: Vec<Piece>,
    /// Physical address at which the first software starts.
    pub entry: u64,
    /// Its privilege: M, or S on top of the built-in firmware.
    pub privilege: Priv,
    /// Where M-mode firmware finds the next stage (OpenSBI's `fw_dynamic`), if there is one.
    pub next_stage: Option<u64>,
    /// Address of the device tree, 0 for none.
    pub dtb_address: u64,
    /// HTIF in memory.
    pub htif: Option<HtifWords>,
}

impl Payload {
    /// A hash of the configuration and the payload: two runs with the same hash are the same run.
    pub fn hash(&self, config: &MachineConfig) -> String {
        let mut sha = Sha256::new();
        sha.update(config.to_string());
        sha.update(format!(
            "entry={:#x} privilege={} next={:?} dtb={:#x} htif={:?}",
            self.entry,
            self.privilege.letter(),
            self.next_stage,
            self.dtb_address,
            self.htif,
        ));
        for piece in &self.pieces {
            sha.update(piece.address.to_le_bytes());
            sha.update((piece.bytes.len() as u64).to_le_bytes());
            sha.update(&piece.bytes);
        }
        sha.finalize().iter().map(|b| format!("{b:02x}")).collect()
    }
}
