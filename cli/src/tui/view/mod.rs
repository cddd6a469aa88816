//! What the panes show: plain data, taken from the debugger after each command, so that panes know nothing of machines.

pub mod code;
pub mod csrs;
pub mod memory;
pub mod recent;
pub mod registers;
pub mod threads;
pub mod walk;

use relsim_core::hart::Hart;
use relsim_core::timing::Ledger;
use relsim_machine::session::expr::REGISTERS;

use crate::debug::places::{place, symbol};
use crate::debug::user_interrupts::UserInterruptView;
use crate::debug::{Debugger, show};
use code::{Code, Sources};
use csrs::CsrLine;
use memory::Memory;
use recent::Recent;
use registers::Register;
use threads::Threads;
use walk::Walk;

/// Where the user wants to look; where he does not say, at what the hart is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Code: else around the pc.
    pub code: Option<u64>,
    /// Memory: else from the stack pointer on.
    pub memory: Option<u64>,
    /// The address whose translation is shown: else the pc.
    pub walk: Option<u64>,
    /// Whether somebody sees what led here.
    pub recent: bool,
}

/// A hart in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HartLine {
    /// Its number.
    pub id: usize,
    /// `running`, `waiting`, `stopped`.
    pub state: String,
    /// Privilege.
    pub mode: char,
    /// Its local time.
    pub cycle: u64,
    /// Instructions retired.
    pub instructions: u64,
    /// Its pc, as a symbol if there is one.
    pub place: String,
    /// It is the one that goes on next.
    pub next: bool,
}

/// A call that led here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameLine {
    /// With a symbol.
    pub place: String,
    /// Source file and line.
    pub line: Option<String>,
}

/// A breakpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopLine {
    /// Its number.
    pub number: u32,
    /// What it waits for.
    pub text: String,
}

/// How things were before the last movement, to see what has changed.
#[derive(Debug, Clone, Default)]
pub struct Before {
    harts: Vec<HartBefore>,
    pending: Vec<(usize, u64)>,
}

#[derive(Debug, Clone)]
struct HartBefore {
    registers: [u64; 32],
    csrs: Vec<(u16, u64)>,
    cycle: u64,
    ledger: Option<Ledger>,
}

impl Before {
    /// How things are now.
    pub fn now(debugger: &Debugger) -> Self {
        let machine = debugger.session().machine();
        let harts = machine.cores.iter().enumerate().map(|(n, core)| HartBefore {
            registers: std::array::from_fn(|r| core.hart.x[r]),
            csrs: csrs::values(&core.hart, &machine.bus),
            cycle: core.hart.cycle,
            ledger: machine.ledger(n),
        });
        let receivers = UserInterruptView::of(machine).receivers;
        Self {
            harts: harts.collect(),
            pending: receivers.iter().map(|receiver| (receiver.index, receiver.pending)).collect(),
        }
    }

    /// What was pending for a receiver.
    fn pending(&self, receiver: usize) -> u64 {
        self.pending.iter().find(|(index, _)| *index == receiver).map_or(0, |(_, pending)| *pending)
    }
}

/// Everything that is shown.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Where in time the machine is: steps of all harts, and core cycles.
    pub steps: u64,
    /// The time of the hart that is furthest ahead.
    pub cycles: u64,
    /// The hart that is looked at.
    pub hart: usize,
    /// Its pc.
    pub pc: u64,
    /// The timing model.
    pub timing: &'static str,
    /// The platform.
    pub platform: &'static str,
    /// All harts.
    pub harts: Vec<HartLine>,
    /// Those of the hart that is looked at.
    pub registers: Vec<Register>,
    /// The same.
    pub csrs: Vec<CsrLine>,
    /// Source and disassembly.
    pub code: Code,
    /// Calls, the innermost first.
    pub frames: Vec<FrameLine>,
    /// Bytes.
    pub memory: Memory,
    /// The translation of an address.
    pub walk: Walk,
    /// What the kernel says of its threads.
    pub threads: Threads,
    /// Sender tables and receivers.
    pub user_interrupts: UserInterruptView,
    /// Receivers whose pending bits have changed, and what these were.
    pub pending_before: Vec<(usize, u64)>,
    /// What led here.
    pub recent: Recent,
    /// Breakpoints.
    pub stops: Vec<StopLine>,
}

impl View {
    /// What there is to see. Only the past is gone through; the machine stands where it stood.
    pub fn take(debugger: &mut Debugger, look: &Look, before: &Before, sources: &mut Sources) -> Self {
        let recent = if look.recent { Recent::take(debugger, before) } else { Recent::default() };
        let (hart, symbols) = (debugger.hart(), debugger.symbols());
        let machine = debugger.session().machine();
        let core = &machine.cores[hart];
        let position = debugger.session().position();
        let next = machine.next_hart();
        let line = |hart: &Hart| HartLine {
            id: hart.config.id,
            state: format!("{:?}", hart.state).to_lowercase(),
            mode: hart.privilege.letter(),
            cycle: hart.cycle,
            instructions: hart.instret,
            place: symbol(symbols, hart.pc).unwrap_or_else(|| format!("{:#x}", hart.pc)),
            next: next == Some(hart.config.id),
        };
        let frame = |at: u64| FrameLine {
            place: place(symbols, at),
            line: symbols.location(at).map(|location| code::short(&location)),
        };
        let user_interrupts = UserInterruptView::of(machine);
        let changed = user_interrupts.receivers.iter().filter_map(|receiver| {
            let was = before.pending(receiver.index);
            (was != receiver.pending).then_some((receiver.index, was))
        });
        let mut stops: Vec<StopLine> =
            debugger.stop_places().map(|(number, text, _)| StopLine { number, text: text.into() }).collect();
        stops.dedup();
        Self {
            steps: position.steps,
            cycles: position.cycles,
            hart,
            pc: core.hart.pc,
            timing: machine.config().timing.model().name,
            platform: machine.config().platform.name,
            harts: machine.cores.iter().map(|core| line(&core.hart)).collect(),
            registers: registers::take(debugger, before.harts.get(hart).map(|b| &b.registers)),
            csrs: csrs::take(debugger, before.harts.get(hart).map(|b| b.csrs.as_slice())),
            code: Code::take(debugger, look.code, sources),
            frames: show::frames(debugger.session(), hart, symbols).into_iter().map(frame).collect(),
            memory: Memory::take(debugger, look.memory.unwrap_or(core.hart.x(2))),
            walk: Walk::take(debugger, look.walk.unwrap_or(core.hart.pc)),
            threads: Threads::take(debugger),
            pending_before: changed.collect(),
            user_interrupts,
            recent,
            stops,
        }
    }
}

/// What a value seems to be: a symbol, or what it points at.
fn meaning(debugger: &Debugger, value: u64) -> Option<String> {
    /// Small numbers are numbers.
    const LEAST_POINTER: u64 = 0x1000;
    if value < LEAST_POINTER {
        return None;
    }
    if let Some(name) = symbol(debugger.symbols(), value) {
        return Some(format!("<{name}>"));
    }
    let word = memory::word(debugger, value)?;
    let bytes = word.to_le_bytes();
    let text: String =
        bytes.iter().take_while(|b| b.is_ascii_graphic() || **b == b' ').map(|&b| char::from(b)).collect();
    Some(match symbol(debugger.symbols(), word) {
        Some(name) if word >= LEAST_POINTER => format!("-> <{name}>"),
        _ if text.len() >= 4 => format!("-> {text:?}"),
        _ => format!("-> {word:#x}"),
    })
}

/// The name of integer register `r`.
fn register_name(r: usize) -> &'static str {
    REGISTERS.get(r).copied().unwrap_or("?")
}
