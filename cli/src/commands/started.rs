//! A machine that is ready to run, whose guest's output is kept rather than shown.

use relsim_machine::Machine;

use super::recorder::{Recorder, Tail};
use crate::args::RunArgs;
use crate::error::CliError;
use crate::plan::Plan;
use crate::symbols::{Symbols, SymbolsArg};

/// The machine, and what is known of its software.
pub struct Started {
    /// The machine.
    pub machine: Machine,
    /// The functions of the software.
    pub symbols: Symbols,
    /// What the guest prints.
    pub tail: Tail,
    /// Hash of configuration and software.
    pub hash: String,
    /// Hash of the image; empty if there is none.
    pub image_sha256: String,
}

impl Started {
    /// What `args` describe, with `typed` as console input in the place of theirs, and more symbols.
    ///
    /// # Errors
    /// What is wrong with the arguments or their files.
    pub fn new(args: &RunArgs, typed: Option<&str>, more: &[SymbolsArg]) -> Result<Self, CliError> {
        let mut plan = Plan::new(args)?;
        if let Some(text) = typed {
            plan.input = text.bytes().collect();
        }
        let hash = plan.given().hash;
        let image = plan.software.inputs.iter().find(|(what, _)| *what == "image");
        let image_sha256 = image.map_or(String::new(), |(_, hash)| hash.clone());
        let symbols = Symbols::new(std::mem::take(&mut plan.software.symbols), more)?;
        let tail = Tail::default();
        let console = Box::new(Recorder { tail: tail.clone(), input: plan.input.into() });
        let machine = Machine::build(plan.config, &plan.software.payload, plan.virtio, console)?;
        Ok(Self { machine, symbols, tail, hash, image_sha256 })
    }

    /// `why` something is wrong with what the guest did, and the end of what it printed.
    pub fn with_output(&self, why: &str) -> String {
        /// Lines that are shown.
        const OUTPUT_LINES: usize = 10;
        let lines = self.tail.lines(OUTPUT_LINES);
        lines.iter().fold(why.to_string(), |text, line| text + "\nconsole: " + line)
    }
}
