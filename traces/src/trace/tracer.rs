//! From what an observer is told to events.

use std::io;
use std::sync::Arc;

use relsim_core::bus::Bus;
use relsim_core::decode::Decoder;
use relsim_core::disasm;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::{Op, OpClass};
use relsim_core::observe::Observer;
use relsim_core::timing::{CycleCause, Ledger};
use relsim_core::trap::TrapTaken;
use relsim_markers::Marker;
use rustc_hash::FxHashMap;

use super::event::{Access, Event, Exporter, Instruction, Mark, Trap, Wants, What};
use crate::observed::{add_causes, trap_name};

/// Texts of instructions that are kept; beyond that all are forgotten.
const MAX_TEXTS: usize = 1 << 20;
/// Cause code of the user software interrupt (chapter "N").
const USER_SOFTWARE: u8 = 0;

/// Whether what a hart does is traced: told of the hart behind it, the address of the instruction, and how many cycles
/// and instructions the hart has behind it.
pub type Condition = Box<dyn Fn(&Hart, &Bus, u64, (u64, u64)) -> bool>;

/// How an extension sends user interrupts, for those who show where they go.
#[derive(Debug, Clone, Copy)]
pub struct Messages {
    /// Before `op` executes: the receiver that it sends to, if it sends.
    pub sends: fn(&Hart, &Bus, &Op) -> Option<u64>,
    /// The receiver whose user interrupts a hart takes.
    pub receives: fn(&Hart) -> Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct Watched {
    ledger: Ledger,
    cycle: u64,
    causes: Vec<(CycleCause, u64)>,
    sends: Option<u64>,
}

/// Watches a run and tells an exporter.
pub struct Tracer {
    exporter: Box<dyn Exporter>,
    wants: Wants,
    decoder: Option<Arc<Decoder>>,
    messages: Option<Messages>,
    condition: Option<Condition>,
    harts: Vec<Watched>,
    /// By address: an instruction and its text.
    texts: FxHashMap<u64, (u32, String)>,
    /// Whether what a hart does now is traced.
    on: bool,
    error: Option<io::Error>,
}

impl Tracer {
    /// Tells `exporter` of `harts` harts. Without a decoder, instructions have no text.
    pub fn new(exporter: Box<dyn Exporter>, harts: usize, decoder: Option<Arc<Decoder>>) -> Self {
        Self {
            wants: exporter.wants(),
            exporter,
            decoder,
            messages: None,
            condition: None,
            harts: vec![Watched::default(); harts],
            texts: FxHashMap::default(),
            on: true,
            error: None,
        }
    }

    /// With user interrupts by `messages`.
    #[must_use]
    pub fn with_messages(mut self, messages: Messages) -> Self {
        self.messages = Some(messages);
        self
    }

    /// Only while `condition` holds.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Ends the trace.
    ///
    /// # Errors
    /// The first failure to write.
    pub fn finish(mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.exporter.finish(),
        }
    }

    /// `what` has happened on hart `id` by `cycle`, in the cycles since the event before it.
    fn tell(&mut self, id: usize, (cycle, instructions): (u64, u64), what: What<'_>) {
        let Some(watched) = self.harts.get_mut(id) else { return };
        let cycles = cycle.saturating_sub(watched.cycle);
        watched.cycle = cycle;
        let mut causes = std::mem::take(&mut watched.causes);
        if self.on {
            self.put(&Event { hart: id, cycle, cycles, instructions, causes: &causes, what });
        }
        causes.clear();
        self.harts[id].causes = causes;
    }

    /// The same of what comes with an instruction.
    fn tell_more(&mut self, id: usize, (cycle, instructions): (u64, u64), what: What<'_>) {
        if self.on {
            self.put(&Event { hart: id, cycle, cycles: 0, instructions, causes: &[], what });
        }
    }

    fn put(&mut self, event: &Event<'_>) {
        if let Err(error) = self.exporter.event(event) {
            self.error.get_or_insert(error);
        }
    }

    fn asks(&mut self, hart: &Hart, bus: &Bus, pc: u64, now: (u64, u64)) {
        if let Some(condition) = &self.condition {
            self.on = condition(hart, bus, pc, now);
        }
    }
}

/// The memory that `op`, which has retired, accessed.
fn access(hart: &Hart, op: &Op) -> Option<Access> {
    let is_write = match op.class {
        OpClass::Load | OpClass::FpLoad | OpClass::LoadReserved => false,
        OpClass::Store | OpClass::FpStore | OpClass::StoreConditional | OpClass::Amo => true,
        _ => return None,
    };
    Some(Access { address: hart.access(op).va, is_write })
}

impl Observer for Tracer {
    const ON: bool = true;

    fn before(&mut self, hart: &Hart, bus: &Bus, op: &Op, _: u64) {
        if let Some(messages) = self.messages
            && op.class == OpClass::Custom
            && let Some(watched) = self.harts.get_mut(hart.config.id)
        {
            watched.sends = (messages.sends)(hart, bus, op);
        }
    }

    fn charged(&mut self, hart: &Hart, ledger: Option<&Ledger>) {
        if !self.wants.causes {
            return;
        }
        let (Some(ledger), Some(watched)) = (ledger, self.harts.get_mut(hart.config.id)) else { return };
        add_causes(&mut watched.causes, ledger, &mut watched.ledger);
    }

    fn retired(&mut self, hart: &Hart, bus: &Bus, op: &Op, pc: u64, privilege: Priv) {
        // Without a timing model that counts, a block's cycles are added when it ends.
        let now = (hart.cycle_at(op) + hart.cycles_per_op, hart.instret_at(op) + 1);
        let id = hart.config.id;
        self.asks(hart, bus, pc, now);
        if self.wants.instructions {
            // Taken out while it is told.
            let mut texts = std::mem::take(&mut self.texts);
            let text = match &self.decoder {
                Some(decoder) if self.on && self.wants.text => {
                    let name = |number| hart.csr_table.get(number).map(|row| row.name);
                    let make = || (op.raw, disasm::text(decoder.row(op.row), op.raw, pc, &name));
                    if texts.len() >= MAX_TEXTS {
                        texts.clear();
                    }
                    let known = texts.entry(pc).or_insert_with(make);
                    if known.0 != op.raw {
                        *known = make();
                    }
                    &*known.1
                }
                _ => "",
            };
            let access = access(hart, op);
            let retired = Instruction { pc, word: op.raw, privilege: Some(privilege), text, access };
            self.tell(id, now, What::Instruction(retired));
            self.texts = texts;
        }
        if let Some(receiver) = self.harts.get_mut(id).and_then(|watched| watched.sends.take()) {
            self.tell_more(id, now, What::Send(receiver));
        }
        if let Some(marker) = Marker::decode(op.raw) {
            let value = marker.has_value.then(|| hart.x(op.rs1));
            self.tell_more(id, now, What::Mark(Mark { kind: marker.kind, id: marker.id, value }));
        }
        if op.class == OpClass::TrapReturn {
            self.tell_more(id, now, What::Return(hart.privilege));
        }
    }

    fn trapped(&mut self, hart: &Hart, bus: &Bus, trap: &TrapTaken) {
        self.asks(hart, bus, trap.epc, (hart.cycle, hart.instret));
        let delivered = trap.interrupt && trap.code == USER_SOFTWARE && trap.to == Priv::U;
        let receiver = self.messages.filter(|_| delivered).and_then(|messages| (messages.receives)(hart));
        let taken = Trap {
            name: trap_name(trap),
            code: trap.code,
            interrupt: trap.interrupt,
            tval: trap.tval,
            epc: trap.epc,
            from: trap.from,
            to: trap.to,
            handler: hart.pc,
            receiver,
        };
        self.tell(hart.config.id, (hart.cycle, hart.instret), What::Trap(taken));
    }

    /// There is no use in going on without the trace.
    fn wants_stop(&self) -> bool {
        self.error.is_some()
    }
}
