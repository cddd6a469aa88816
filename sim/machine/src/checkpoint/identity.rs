//! What a checkpoint is one of: all that decides what a run does, in words, so that what differs can be named.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::{MachineConfig, Payload};

/// What a run is of: properties with their values, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity(Vec<(String, String)>);

/// A property in which two runs differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its name.
    pub what: String,
    /// Its value in the checkpoint, if it has one there.
    pub there: Option<String>,
    /// Its value in the run that was to go on with it.
    pub here: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "missing".into());
        write!(f, "{}: {} there, {} here", self.what, value(&self.there), value(&self.here))
    }
}

impl Identity {
    /// Of a machine with `config`, made by this version of relsim.
    pub fn new(config: &MachineConfig) -> Self {
        let mut this = Self(Vec::new());
        this.add("relsim", env!("CARGO_PKG_VERSION"));
        this.add("platform", config.platform.name);
        this.add("harts", config.harts);
        this.add("memory", format_args!("{} bytes", config.ram_bytes));
        this.add("ISA", config.isa_string());
        this.add("timing model", config.timing.model().name);
        for (param, value) in config.timing.parameters() {
            this.add(format_args!("timing parameter {}", param.name), value);
        }
        this.add("quantum", config.quantum_cycles);
        this.add("cycles of a firmware call", config.sbi_call_cycles);
        this
    }

    /// Adds what `payload` brings into memory, and where it starts.
    pub fn add_payload(&mut self, payload: &Payload) {
        for piece in &payload.pieces {
            let what = format!("memory loaded at {:#x}", piece.address);
            self.add(what, format_args!("SHA-256 {}", hex(&Sha256::digest(&piece.bytes))));
        }
        self.add("entry", format_args!("{:#x} in {}-mode", payload.entry, payload.privilege.letter()));
        if let Some(next) = payload.next_stage {
            self.add("next stage", format_args!("{next:#x}"));
        }
        self.add("device tree", format_args!("{:#x}", payload.dtb_address));
        if let Some(htif) = payload.htif {
            let from = htif.fromhost.map_or(String::new(), |from| format!(" and {from:#x}"));
            self.add("HTIF", format_args!("{:#x}{from}", htif.tohost));
        }
    }

    /// Adds a property: of what is plugged in, for instance, and what its contents are.
    pub fn add(&mut self, what: impl fmt::Display, value: impl fmt::Display) {
        self.0.push((what.to_string(), value.to_string()));
    }

    /// The first property in which this, a checkpoint's, differs from that of the run `here`.
    pub fn difference(&self, here: &Self) -> Option<Difference> {
        let find = |list: &Self, what: &str| list.0.iter().find(|row| row.0 == what).map(|row| row.1.clone());
        let all = here.0.iter().chain(&self.0).map(|row| &row.0);
        let differs = |what: &String| {
            let (there, here) = (find(self, what), find(here, what));
            (there != here).then(|| Difference { what: what.clone(), there, here })
        };
        all.into_iter().find_map(differs)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
