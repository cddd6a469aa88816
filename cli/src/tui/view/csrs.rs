//! CSRs, decoded.

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv};
use relsim_core::trap::{Cause, interrupt_name};

use crate::debug::places::symbol;
use crate::debug::{Debugger, show};

/// What is shown, if the hart has it, in this order: supervisor, user, machine.
const SHOWN: &[&str] = &[
    "sstatus",
    "scause",
    "sepc",
    "stval",
    "stvec",
    "sscratch",
    "satp",
    "sie",
    "sip",
    "stimecmp",
    "scounteren",
    "sedeleg",
    "sideleg",
    "suist",
    "suirs",
    "suicfg",
    "ustatus",
    "ucause",
    "uepc",
    "utval",
    "utvec",
    "uscratch",
    "uie",
    "uip",
    "fcsr",
    "mstatus",
    "mcause",
    "mepc",
    "mtval",
    "mtvec",
    "mscratch",
    "mie",
    "mip",
    "medeleg",
    "mideleg",
    "mcounteren",
    "menvcfg",
    "misa",
    "mhartid",
    "cycle",
    "time",
    "instret",
];

/// A CSR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsrLine {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// It had another one before the last movement.
    pub changed: bool,
    /// Its fields, or the symbol that it points to.
    pub fields: String,
}

/// Numbers and values of those that are shown.
pub fn values(hart: &Hart, bus: &Bus) -> Vec<(u16, u64)> {
    let defs = SHOWN.iter().filter_map(|name| hart.csr_table.by_name(name));
    defs.map(|def| (def.num, (def.read)(hart, bus, def.num))).collect()
}

/// Those of the hart that is looked at.
pub fn take(debugger: &Debugger, before: Option<&[(u16, u64)]>) -> Vec<CsrLine> {
    let moment = debugger.moment();
    let line = |(num, value): (u16, u64)| {
        let name = moment.hart.csr_table.get(num)?.name;
        let was = before.and_then(|before| before.iter().find(|(n, _)| *n == num));
        // Counters always change.
        let counts = matches!(name, "cycle" | "time" | "instret");
        Some(CsrLine {
            name,
            value,
            changed: !counts && was.is_some_and(|(_, was)| *was != value),
            fields: decoded(name, value).or_else(|| pointed(debugger, name, value)).unwrap_or_default(),
        })
    };
    values(moment.hart, moment.bus).into_iter().filter_map(line).collect()
}

/// The function that an address belongs to.
fn pointed(debugger: &Debugger, name: &str, value: u64) -> Option<String> {
    let symbol = symbol(debugger.symbols(), value).filter(|_| name.ends_with("epc") && value != 0)?;
    Some(format!("<{symbol}>"))
}

/// The fields of a CSR that has some.
pub fn decoded(name: &str, value: u64) -> Option<String> {
    let fields: Vec<(&str, u64)> = show::csr_fields(name, value).collect();
    if fields.is_empty() {
        return None;
    }
    if name.ends_with("cause") {
        let code = value as u8;
        let what = if value >> 63 == 1 {
            format!("interrupt {code}: {}", interrupt_name(code & 15))
        } else {
            let cause = Cause::ALL.iter().find(|cause| **cause as u64 == value);
            format!("exception {value}: {}", cause.map_or("unknown", |cause| cause.name()))
        };
        return Some(what);
    }
    let shown = fields.into_iter().filter_map(|(field, value)| {
        let letter = |value| Priv::from_bits(value).map_or('?', Priv::letter);
        Some(match (name, field, value) {
            // `sstatus` and `ustatus` are views of a part of `mstatus`.
            ("sstatus" | "ustatus", "MPP", _) | ("ustatus", "SPP" | "FS", _) => return None,
            (_, "SPP" | "MPP", value) => format!("{field}={}", letter(value)),
            (_, "FS", value) => {
                format!("FS={}", ["off", "initial", "clean", "dirty"][value as usize & 3])
            }
            ("satp", "MODE", value) => match value {
                0 => "bare".into(),
                8 => "Sv39".into(),
                9 => "Sv48".into(),
                10 => "Sv57".into(),
                _ => format!("MODE={value}"),
            },
            ("satp", "ASID", value) => format!("ASID={value}"),
            ("satp", "PPN", value) => format!("table={:#x}", value << 12),
            ("mtvec" | "stvec" | "utvec", "BASE/4", value) => format!("base={:#x}", value << 2),
            ("mtvec" | "stvec" | "utvec", "MODE", value) => {
                ["direct", "vectored", "MODE=2", "MODE=3"][value as usize & 3].into()
            }
            (_, _, 0) | (_, "UXL" | "SXL", 2) => return None,
            (_, _, 1) => field.to_string(),
            _ => format!("{field}={value:#x}"),
        })
    });
    Some(shown.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn fields_are_words() {
        for (name, value, text) in [
            ("scause", 8, "exception 8: user_ecall"),
            ("scause", 1 << 63 | 5, "interrupt 5: supervisor_timer"),
            ("satp", 8 << 60 | 0x80123, "table=0x80123000 ASID=0 Sv39"),
            ("sstatus", 2 << 32 | 3 << 13 | 1 << 8 | 2, "SIE SPP=S FS=dirty"),
            ("stvec", 0x8000_0001, "vectored base=0x80000000"),
        ] {
            assert_eq!(decoded(name, value).as_deref(), Some(text), "{name}");
        }
        assert_eq!(decoded("sscratch", 5), None);
    }
}
