//! Places in the guest, for people.

use relsim_core::hart::Hart;
use serde_json::{Value, json};

use crate::symbols::Symbols;

/// `symbol+0x4`, if there is one near.
pub fn symbol(symbols: &Symbols, address: u64) -> Option<String> {
    let symbol = symbols.find(address)?;
    let offset = address.wrapping_sub(symbol.address);
    // A physical address of code that was linked elsewhere is not near its symbol.
    Some(if offset == 0 || offset > 1 << 24 { symbol.name } else { format!("{}+{offset:#x}", symbol.name) })
}

/// An address, with its symbol.
pub fn place(symbols: &Symbols, address: u64) -> String {
    match symbol(symbols, address) {
        Some(symbol) => format!("{address:#x} <{symbol}>"),
        None => format!("{address:#x}"),
    }
}

/// Where a hart is, for programs.
pub fn hart_json(symbols: &Symbols, hart: &Hart) -> Value {
    json!({
        "hart": hart.config.id,
        "pc": format!("{:#x}", hart.pc),
        "symbol": symbol(symbols, hart.pc),
        "privilege": hart.privilege.letter().to_string(),
        "state": format!("{:?}", hart.state).to_lowercase(),
        "cycle": hart.cycle,
        "instructions": hart.instret,
    })
}
