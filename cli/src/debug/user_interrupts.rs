//! User interrupts, for people: the sender tables, the receivers of the UINTC, and who waits for what.

use std::fmt::Write;

use relsim_machine::Machine;
use relsim_uintr::uintc::{NAME, Uintc};
use serde_json::{Value, json};
use uintr_abi::csr::{SUIRS, SUIST};
use uintr_abi::{SenderEntry, Suirs, Suist};

/// Entries of a sender table that are shown.
const MAX_ENTRIES: u64 = 64;

/// What there is.
pub fn show(machine: &Machine) -> (String, Value) {
    let (mut text, mut harts) = (String::new(), Vec::new());
    for core in &machine.cores {
        let hart = &core.hart;
        let csr = |num| hart.peek_csr(&machine.bus, num);
        let (Some(suist), Some(suirs)) = (csr(SUIST), csr(SUIRS)) else { continue };
        let (suist, suirs) = (Suist::from_bits(suist), Suirs::from_bits(suirs));
        let sends =
            if suist.enable { format!("sends by {:#x}", suist.ppn << 12) } else { "does not send".into() };
        let receives = suirs.receiver().map_or("no receiver".to_string(), |n| format!("receiver {n}"));
        let _ = writeln!(text, "hart {}: {sends}, {receives}", hart.config.id);
        let mut entries = Vec::new();
        for index in 0..suist.entries().min(MAX_ENTRIES) {
            let address = suist.entry_address(index);
            let Some(bits) = address.and_then(|address| machine.bus.ram.get::<u64>(address)) else {
                continue;
            };
            let entry = SenderEntry::from_bits(bits);
            if entry.valid {
                let _ =
                    writeln!(text, "  entry {index}: vector {} of receiver {}", entry.vector, entry.receiver);
                entries.push(json!({"index": index, "vector": entry.vector, "receiver": entry.receiver}));
            }
        }
        harts.push(json!({
            "hart": hart.config.id, "sends": suist.enable, "receiver": suirs.receiver(), "entries": entries,
        }));
    }
    let state = machine.bus.devices().find(|(_, _, device)| device.name() == NAME);
    let receivers =
        state.and_then(|(_, _, device)| Uintc::receivers_in(&device.save()).ok()).unwrap_or_default();
    let mut all = Vec::new();
    for (index, receiver) in receivers.iter().enumerate() {
        if receiver.low.bits() == 0 && receiver.pending == 0 {
            continue;
        }
        let (active, hart) = (if receiver.low.active { "active" } else { "not active" }, receiver.low.hartid);
        let pending = receiver.pending;
        let _ = writeln!(text, "receiver {index}: {active}, hart {hart}, pending {pending:#x}");
        all.push(json!({
            "receiver": index, "active": receiver.low.active, "hart": hart, "pending": format!("{pending:#x}"),
        }));
    }
    if text.is_empty() {
        text.push_str("the machine has no user interrupts\n");
    }
    (text, json!({"harts": harts, "receivers": all}))
}
