//! What all harts of an instruction set share.

use std::sync::Arc;

use relsim_core::csr::CsrTable;
use relsim_core::decode::Decoder;
use relsim_core::isa::ExtSet;

use crate::config::MachineConfig;
use crate::wiring::BuildError;

/// The decoder and the CSR rows of an instruction set. Making them takes longer than making the rest of a small
/// machine; cloning them is free.
#[derive(Clone)]
pub struct Tables {
    isa: ExtSet,
    /// Names of the extensions outside the core that are in them.
    outside: Vec<&'static str>,
    pub(crate) decoder: Arc<Decoder>,
    pub(crate) csrs: Arc<CsrTable>,
}

impl Tables {
    /// The tables of `config`'s instruction set.
    ///
    /// # Errors
    /// [`BuildError::Rows`] if rows contradict each other: a mistake in the rows of an extension.
    pub fn new(config: &MachineConfig) -> Result<Self, BuildError> {
        let insns: Vec<_> = config.active_extensions().map(|e| e.insns).collect();
        let csrs: Vec<_> = config.active_extensions().map(|e| e.csrs).collect();
        let rows = |e: &dyn std::fmt::Display| BuildError::Rows(e.to_string());
        Ok(Self {
            isa: config.isa,
            outside: outside(config).collect(),
            decoder: Arc::new(Decoder::new(config.isa, &insns).map_err(|e| rows(&e))?),
            csrs: Arc::new(CsrTable::new(config.isa, &csrs).map_err(|e| rows(&e))?),
        })
    }

    /// Decodes the instructions.
    pub fn decoder(&self) -> &Arc<Decoder> {
        &self.decoder
    }

    /// The CSR rows.
    pub fn csrs(&self) -> &Arc<CsrTable> {
        &self.csrs
    }

    /// Whether they are those of `config`.
    pub(crate) fn fit(&self, config: &MachineConfig) -> bool {
        self.isa == config.isa && outside(config).eq(self.outside.iter().copied())
    }
}

fn outside(config: &MachineConfig) -> impl Iterator<Item = &'static str> + '_ {
    config.active_extensions().map(|extension| extension.name)
}

#[cfg(test)]
mod tests {
    use relsim_core::device::NoConsole;
    use relsim_core::hart::Priv;
    use relsim_core::isa::parse_isa;

    use super::*;
    use crate::{Machine, Payload, Timing, platform};

    #[test]
    fn tables_are_shared_only_within_an_instruction_set() {
        let mut config = MachineConfig {
            platform: &platform::VIRT,
            harts: 1,
            ram_bytes: 1 << 16,
            isa: parse_isa("rv64gc", &[]).unwrap(),
            extensions: &[],
            timing: Timing::Functional(Box::default()),
            quantum_cycles: 1,
            sbi_call_cycles: 1,
        };
        let tables = Tables::new(&config).unwrap();
        let payload = Payload {
            pieces: Vec::new(),
            entry: platform::VIRT.ram_base,
            privilege: Priv::M,
            next_stage: None,
            dtb_address: 0,
            htif: None,
        };
        let build = |config| Machine::build_with(&tables, config, &payload, Vec::new(), Box::new(NoConsole));
        let machine = build(config.clone()).unwrap();
        assert!(Arc::ptr_eq(machine.cores[0].blocks.decoder(), &tables.decoder));
        config.set_isa("rv64i").unwrap();
        assert!(matches!(build(config).err(), Some(BuildError::Tables)));
    }
}
