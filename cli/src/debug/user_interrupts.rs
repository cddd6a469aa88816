//! User interrupts: the sender tables, the receivers of the UINTC, and who waits for what.

use std::fmt::Write;

use relsim_machine::Machine;
use relsim_uintr::uintc::{NAME, Uintc};
use serde_json::{Value, json};
use uintr_abi::csr::{SUIRS, SUIST};
use uintr_abi::{SenderEntry, Suirs, Suist};

/// Entries of a sender table that are looked at.
const MAX_ENTRIES: u64 = 64;

/// A valid entry of a sender table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub index: u64,
    /// The vector that it sends.
    pub vector: u16,
    /// To whom.
    pub receiver: u16,
}

/// What a hart has to do with user interrupts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HartView {
    /// Its number.
    pub hart: usize,
    /// Where its sender table is, if it may send.
    pub table: Option<u64>,
    /// As whom it receives.
    pub receiver: Option<u16>,
    /// What can be sent.
    pub entries: Vec<Entry>,
}

/// A receiver that somebody has set up, or that something is pending for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverView {
    /// Its number.
    pub index: usize,
    /// Whether it takes interrupts.
    pub active: bool,
    /// The hart that it interrupts.
    pub hart: u16,
    /// Pending vectors: bit v for vector v.
    pub pending: u64,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserInterruptView {
    /// The harts that have user interrupts.
    pub harts: Vec<HartView>,
    /// Receivers.
    pub receivers: Vec<ReceiverView>,
}

impl UserInterruptView {
    /// What there is.
    pub fn of(machine: &Machine) -> Self {
        let harts = machine.cores.iter().filter_map(|core| {
            let csr = |num| core.hart.peek_csr(&machine.bus, num);
            let (suist, suirs) = (Suist::from_bits(csr(SUIST)?), Suirs::from_bits(csr(SUIRS)?));
            let entry = |index| {
                let bits = machine.bus.ram.get::<u64>(suist.entry_address(index)?)?;
                let SenderEntry { valid, vector, receiver, .. } = SenderEntry::from_bits(bits);
                valid.then_some(Entry { index, vector, receiver })
            };
            Some(HartView {
                hart: core.hart.config.id,
                table: suist.enable.then_some(suist.ppn << 12),
                receiver: suirs.receiver(),
                entries: (0..suist.entries().min(MAX_ENTRIES)).filter_map(entry).collect(),
            })
        });
        let device = machine.bus.devices().find(|(_, _, device)| device.name() == NAME);
        let receivers =
            device.and_then(|(_, _, device)| Uintc::receivers_in(&device.save()).ok()).unwrap_or_default();
        let known = receivers.iter().enumerate().filter(|(_, r)| r.low.bits() != 0 || r.pending != 0);
        let receivers = known.map(|(index, receiver)| ReceiverView {
            index,
            active: receiver.low.active,
            hart: receiver.low.hartid,
            pending: receiver.pending,
        });
        Self { harts: harts.collect(), receivers: receivers.collect() }
    }
}

/// What there is, for people and for programs.
pub fn show(machine: &Machine) -> (String, Value) {
    let view = UserInterruptView::of(machine);
    let (mut text, mut harts) = (String::new(), Vec::new());
    for HartView { hart, table, receiver, entries } in &view.harts {
        let sends = table.map_or("does not send".into(), |table| format!("sends by {table:#x}"));
        let receives = receiver.map_or("no receiver".to_string(), |n| format!("receiver {n}"));
        let _ = writeln!(text, "hart {hart}: {sends}, {receives}");
        for Entry { index, vector, receiver } in entries {
            let _ = writeln!(text, "  entry {index}: vector {vector} of receiver {receiver}");
        }
        let entries: Vec<_> = entries
            .iter()
            .map(|e| json!({"index": e.index, "vector": e.vector, "receiver": e.receiver}))
            .collect();
        harts.push(json!({"hart": hart, "sends": table.is_some(), "receiver": receiver, "entries": entries}));
    }
    let mut all = Vec::new();
    for ReceiverView { index, active, hart, pending } in &view.receivers {
        let state = if *active { "active" } else { "not active" };
        let _ = writeln!(text, "receiver {index}: {state}, hart {hart}, pending {pending:#x}");
        all.push(
            json!({"receiver": index, "active": active, "hart": hart, "pending": format!("{pending:#x}")}),
        );
    }
    if text.is_empty() {
        text.push_str("the machine has no user interrupts\n");
    }
    (text, json!({"harts": harts, "receivers": all}))
}
