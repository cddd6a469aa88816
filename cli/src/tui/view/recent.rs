//! What led here: the last steps, gone through again.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use relsim_core::timing::{CycleCause, Ledger};
use relsim_markers::Kind;
use relsim_traces::trace::{Event, Exporter, Instruction, Messages, Tracer, Wants, What};

use super::Before;
use crate::debug::Debugger;
use crate::debug::places::{place, symbol};

/// How many steps are gone through, of all harts.
pub const STEPS: u64 = 20_000;
/// How many instructions and events are kept.
const KEPT_INSTRUCTIONS: usize = 64;
const KEPT_EVENTS: usize = 256;

/// An instruction that has retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstructionLine {
    /// On which hart.
    pub hart: usize,
    /// When it was done.
    pub cycle: u64,
    /// Cycles since the one before it there; `None` of the first.
    pub cycles: Option<u64>,
    /// Where these went.
    pub causes: String,
    /// Its address, as symbol where there is one.
    pub place: String,
    /// Its text.
    pub text: String,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine {
    /// On which hart.
    pub hart: usize,
    /// When.
    pub cycle: u64,
    /// What.
    pub text: String,
    /// It is about user interrupts.
    pub user_interrupt: bool,
    /// It came after the last stop.
    pub fresh: bool,
}

/// Where a hart's cycles went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CauseLine {
    /// The hart.
    pub hart: usize,
    /// Cause, cycles since the last stop, cycles in all; the most first.
    pub causes: Vec<(&'static str, u64, u64)>,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent {
    /// The last instructions, in order.
    pub instructions: Vec<InstructionLine>,
    /// The last events, in order.
    pub events: Vec<EventLine>,
    /// By hart.
    pub causes: Vec<CauseLine>,
}

#[derive(Default)]
struct Collected {
    instructions: VecDeque<(InstructionLine, u64)>,
    events: VecDeque<EventLine>,
    seen: Vec<usize>,
}

struct Collector {
    all: Arc<Mutex<Collected>>,
    /// Names of the guest's regions and events.
    names: BTreeMap<u16, String>,
}

fn push<T>(list: &mut VecDeque<T>, item: T, most: usize) {
    if list.len() >= most {
        list.pop_front();
    }
    list.push_back(item);
}

impl Exporter for Collector {
    fn wants(&self) -> Wants {
        Wants { instructions: true, text: true, causes: true }
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let &Event { hart, cycle, cycles, .. } = event;
        let first = !all.seen.contains(&hart);
        if first {
            all.seen.push(hart);
        }
        let text = match &event.what {
            What::Instruction(Instruction { pc, text, .. }) => {
                let causes = if first { String::new() } else { in_words(event.causes) };
                let cycles = (!first).then_some(cycles);
                let (place, text) = (String::new(), (*text).to_string());
                let line = InstructionLine { hart, cycle, cycles, causes, place, text };
                push(&mut all.instructions, (line, *pc), KEPT_INSTRUCTIONS);
                return Ok(());
            }
            What::Trap(trap) => {
                let receiver = trap.receiver.map_or(String::new(), |n| format!(" for receiver {n}"));
                let (from, to) = (trap.from.letter(), trap.to.letter());
                format!("{from} -> {to}  {}{receiver}, from {:#x}", trap.name, trap.epc)
            }
            What::Return(to) => format!("  -> {}  returns", to.letter()),
            What::Send(receiver) => format!("uipi    sends to receiver {receiver}"),
            What::Mark(mark) => {
                let kind = match mark.kind {
                    Kind::Begin => "begin",
                    Kind::End => "end",
                    Kind::Instant => "event",
                };
                match self.names.get(&mark.id) {
                    Some(name) => format!("marker  {kind} {name}"),
                    None => format!("marker  {kind} {}", mark.id),
                }
            }
        };
        let user_interrupt = match &event.what {
            What::Send(_) => true,
            What::Trap(trap) => trap.receiver.is_some(),
            _ => false,
        };
        let line = EventLine { hart, cycle, text, user_interrupt, fresh: false };
        push(&mut all.events, line, KEPT_EVENTS);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The causes of an instruction's cycles; that it took one of its own goes without saying.
fn in_words(causes: &[(CycleCause, u64)]) -> String {
    let mut causes: Vec<_> = causes.iter().filter(|(cause, _)| *cause != CycleCause::Issue).collect();
    causes.sort_by_key(|(_, cycles)| std::cmp::Reverse(*cycles));
    causes.iter().map(|(cause, cycles)| format!("{} {cycles}", cause.name())).collect::<Vec<_>>().join(", ")
}

fn by_cause(hart: usize, now: &Ledger, before: Option<&Ledger>) -> CauseLine {
    let mut causes: Vec<_> = CycleCause::ALL
        .iter()
        .map(|&cause| {
            let total = now.by_cause(cause);
            let since = total.saturating_sub(before.map_or(0, |before| before.by_cause(cause)));
            (cause.name(), since, total)
        })
        .filter(|row| row.2 > 0)
        .collect();
    causes.sort_by_key(|&(_, since, total)| std::cmp::Reverse((since, total)));
    CauseLine { hart, causes }
}

impl Recent {
    /// The last [`STEPS`] steps.
    pub fn take(debugger: &mut Debugger, before: &Before) -> Self {
        let now = debugger.session().position().steps;
        let machine = debugger.session().machine();
        let collected = Arc::new(Mutex::new(Collected::default()));
        let decoder = machine.cores.first().map(|core| core.blocks.decoder().clone());
        let messages =
            Messages { sends: relsim_uintr::messages::sends, receives: relsim_uintr::messages::receives };
        let names = debugger.symbols().region_names(&[]);
        let exporter = Box::new(Collector { all: Arc::clone(&collected), names });
        let mut tracer = Tracer::new(exporter, machine.cores.len(), decoder).with_messages(messages);
        // Its own checkpoints are always good.
        let _ = debugger.session_mut().replay(now.saturating_sub(STEPS), &mut tracer);
        let _ = debugger.stand_at(now);
        drop(tracer);
        let mut all = std::mem::take(&mut *collected.lock().unwrap_or_else(PoisonError::into_inner));
        let symbols = debugger.symbols();
        for event in &mut all.events {
            event.fresh = before.harts.get(event.hart).is_some_and(|hart| event.cycle > hart.cycle);
        }
        let instructions = all.instructions.into_iter().map(|(line, pc)| InstructionLine {
            place: symbol(symbols, pc).unwrap_or_else(|| place(symbols, pc)),
            ..line
        });
        let machine = debugger.session().machine();
        let causes = (0..machine.cores.len()).filter_map(|n| {
            let before = before.harts.get(n).and_then(|hart| hart.ledger.as_ref());
            Some(by_cause(n, &machine.ledger(n)?, before))
        });
        Self { instructions: instructions.collect(), events: all.events.into(), causes: causes.collect() }
    }
}
