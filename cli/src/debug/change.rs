//! Commands that change the machine, keep it in a file, or go on from one.

use std::path::Path;

use relsim_core::disasm::F_NAMES;
use relsim_core::isa::Ext;
use relsim_machine::Identity;
use relsim_machine::session::{Place, expr};
use serde_json::json;

use super::command::{CommandError, Text};
use super::debugger::{Answer, Debugger};
use crate::checkpoint;

/// What a session can keep of itself in files: what it is a session of, or why it cannot.
pub type Kept = Result<Identity, String>;

impl Debugger {
    /// Writes the value of `value` to what `target` names.
    pub(super) fn set(&mut self, target: &Text, value: &Text) -> Result<Answer, CommandError> {
        let place = self.target(target)?;
        let value = self.value(value)?;
        let hart = self.hart;
        self.session
            .write(hart, place, value)
            .map_err(|why| CommandError { at: target.at, message: why.to_string() })?;
        let text = format!("{} = {} ({value})\n", target.text, self.place(value));
        Ok(Answer::new((text, json!({"target": target.text, "value": format!("{value:#x}")}))))
    }

    fn target(&self, target: &Text) -> Result<Place, CommandError> {
        let name = target.text.as_str();
        for (prefix, size) in [("mem8", 1), ("mem16", 2), ("mem32", 4), ("mem64", 8)] {
            let inner = name.strip_prefix(prefix).map(str::trim_start);
            if let Some(inner) = inner.and_then(|rest| rest.strip_prefix('(')?.strip_suffix(')')) {
                let at = target.at + name.len() - 1 - inner.len();
                let address = self.value(&Text { at, text: inner.into() })?;
                return Ok(Place::Memory(address, size));
            }
        }
        let hart = &self.core().hart;
        let number = || name.strip_prefix('f')?.parse().ok().filter(|&n: &usize| n < F_NAMES.len());
        let float = || F_NAMES.iter().position(|&f| f == name).or_else(number).filter(|_| hart.has(Ext::F));
        let csr = || hart.csr_table.by_name(name).map(|row| Place::Csr(row.num));
        match name {
            "pc" => Some(Place::Pc),
            "priv" => Some(Place::Privilege),
            _ => expr::register(name).map(Place::Register),
        }
        .or_else(|| float().map(|f| Place::Float(f as u8)))
        .or_else(csr)
        .ok_or_else(|| CommandError {
            at: target.at,
            message: format!(
                "expected a register, pc, priv, a CSR, or mem8(ADDRESS) to mem64(ADDRESS), not {name:?}"
            ),
        })
    }

    /// Sets what checkpoints in files are of.
    pub fn keeps(&mut self, kept: Kept) {
        self.kept = kept;
    }

    fn identity(&self, file: &Text) -> Result<&Identity, CommandError> {
        self.kept.as_ref().map_err(|why| CommandError { at: file.at, message: why.clone() })
    }

    /// Writes the machine as it is now to a file.
    pub(super) fn write_checkpoint(&mut self, file: &Text) -> Result<Answer, CommandError> {
        let identity = self.identity(file)?.clone();
        let written = checkpoint::write(self.session.machine_mut(), &identity, Path::new(&file.text));
        let bytes = written.map_err(|error| failed(file, &error))?;
        let text = format!("{}, {} KiB\n", file.text, bytes.div_ceil(1024));
        Ok(Answer::new((text, json!({"file": file.text, "bytes": bytes}))))
    }

    /// Goes on from a file.
    pub(super) fn restore(&mut self, file: &Text) -> Result<Answer, CommandError> {
        let path = Path::new(&file.text);
        let read = checkpoint::read(self.session.machine(), self.identity(file)?, path);
        let checkpoint = read.map_err(|error| failed(file, &error))?;
        let begun = self.session.begin_at(&checkpoint);
        begun.map_err(|error| failed(file, &checkpoint::refused(path, &error)))?;
        Ok(self.arrived(&relsim_machine::session::Arrival::There))
    }
}

fn failed(file: &Text, error: &dyn std::error::Error) -> CommandError {
    CommandError { at: file.at, message: checkpoint::said(error) }
}
