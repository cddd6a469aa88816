//! The event schema.

use std::collections::BTreeMap;
use std::io;

use relsim_core::hart::Priv;
use relsim_core::timing::CycleCause;
use relsim_markers::Kind;

/// A data access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Virtual address.
    pub address: u64,
    /// It writes.
    pub is_write: bool,
}

/// An instruction that has retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction<'a> {
    /// Its address.
    pub pc: u64,
    /// Its word; the low 16 bits of a compressed one.
    pub word: u32,
    /// Privilege that it ran at; `None` if a log does not tell.
    pub privilege: Option<Priv>,
    /// Its text; empty where [`Wants::text`] is not.
    pub text: &'a str,
    /// The memory that it accessed.
    pub access: Option<Access>,
}

/// A trap that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trap {
    /// Of the exception or interrupt.
    pub name: &'static str,
    /// Cause code.
    pub code: u8,
    /// Whether it is an interrupt.
    pub interrupt: bool,
    /// The value that went to `xtval`.
    pub tval: u64,
    /// The address that went to `xepc`.
    pub epc: u64,
    /// Privilege before.
    pub from: Priv,
    /// Privilege after.
    pub to: Priv,
    /// Where the handler begins.
    pub handler: u64,
    /// For a user interrupt: which receiver it is for, if that is known.
    pub receiver: Option<u64>,
}

/// A marker of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Whether something begins, ends, or happens.
    pub kind: Kind,
    /// Which region or event.
    pub id: u16,
    /// The value that it carries.
    pub value: Option<u64>,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What<'a> {
    /// An instruction retires.
    Instruction(Instruction<'a>),
    /// A trap is taken.
    Trap(Trap),
    /// A trap handler returns, to this privilege.
    Return(Priv),
    /// A marker retires.
    Mark(Mark),
    /// A user interrupt is sent to a receiver.
    Send(u64),
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Which hart.
    pub hart: usize,
    /// Its cycle when it is done.
    pub cycle: u64,
    /// Cycles since the event before it on this hart: for an instruction, with those that it waited. 0 for what comes with
    /// an instruction.
    pub cycles: u64,
    /// Instructions that the hart has retired.
    pub instructions: u64,
    /// Where these cycles went; empty where [`Wants::causes`] is not, or the timing model does not tell.
    pub causes: &'a [(CycleCause, u64)],
    /// What it is.
    pub what: What<'a>,
}

/// What an exporter looks at; the rest is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// Instructions.
    pub instructions: bool,
    /// Their text.
    pub text: bool,
    /// Causes of cycles.
    pub causes: bool,
}

/// What is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// Number of harts.
    pub harts: usize,
    /// Core clock in Hz.
    pub core_freq_hz: u64,
    /// Cycles from the decode stage to write-back, if the timing model has such stages.
    pub write_back_cycles: Option<u64>,
}

/// Writes a format.
pub trait Exporter {
    /// What it looks at.
    fn wants(&self) -> Wants;

    /// Something happens.
    ///
    /// # Errors
    /// Those of the writer.
    fn event(&mut self, event: &Event<'_>) -> io::Result<()>;

    /// Nothing more happens.
    ///
    /// # Errors
    /// Those of the writer.
    fn finish(&mut self) -> io::Result<()>;
}

/// Words for numbers.
pub struct Names {
    /// Regions and events of the guest.
    pub regions: BTreeMap<u16, String>,
    /// The function that an address belongs to.
    pub function: Box<dyn Fn(u64) -> Option<String>>,
}

impl Names {
    /// The name of region or event `id`.
    pub fn region(&self, id: u16) -> String {
        self.regions.get(&id).cloned().unwrap_or_else(|| format!("region {id}"))
    }
}
