//! The translation of an address, entry by entry (privileged specification 4.3 to 4.5).

use relsim_core::hart::Priv;
use relsim_core::mmu::satp_levels;
use relsim_core::pmp::AccessKind;
use relsim_core::trap::Cause;

use crate::debug::Debugger;

/// Flags of an entry from bit 7 down to 0.
const FLAGS: [(u32, char); 8] =
    [(7, 'D'), (6, 'A'), (5, 'G'), (4, 'U'), (3, 'X'), (2, 'W'), (1, 'R'), (0, 'V')];

/// An entry that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLine {
    /// Level, 0 for 4 KiB.
    pub level: u8,
    /// Index in its table.
    pub index: u64,
    /// Its physical address.
    pub at: u64,
    /// Its value.
    pub value: u64,
    /// `DAGUXWRV`, a dot for what is clear.
    pub flags: String,
    /// What it is: where it leads to.
    pub what: String,
}

/// What an access comes to: loads, stores or fetches, and the physical address, or the fault.
pub type Outcome = (&'static str, Result<u64, &'static str>);

/// A translation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// The virtual address.
    pub va: u64,
    /// The translation mode.
    pub mode: &'static str,
    /// The entries, the root's first.
    pub entries: Vec<EntryLine>,
    /// What accesses of each privilege come to.
    pub results: Vec<(char, Vec<Outcome>)>,
}

impl Walk {
    /// That of `va` for the hart that is looked at.
    pub fn take(debugger: &Debugger, va: u64) -> Self {
        let moment = debugger.moment();
        let (hart, bus) = (moment.hart, moment.bus);
        let privilege = hart.data_privilege();
        let satp = hart.csr.satp;
        let levels = if privilege == Priv::M { 0 } else { satp_levels(satp) };
        let (ptes, reads) = hart.walked(bus, va, AccessKind::Load, privilege);
        let entries = ptes.iter().take(usize::from(reads)).zip((0..levels).rev()).map(|(&at, level)| {
            let value = bus.ram.get::<u64>(at).unwrap_or(0);
            let (index, next) = (at >> 3 & 0x1ff, (value >> 10 & ((1 << 44) - 1)) << 12);
            let what = match value & 0xf {
                v if v & 1 == 0 => "not valid".into(),
                1 if level > 0 => format!("table at {next:#x}"),
                _ => format!("{} page at {next:#x}", size(level)),
            };
            let flag = |(bit, name): (u32, char)| if value >> bit & 1 == 1 { name } else { '.' };
            EntryLine { level, index, at, value, flags: FLAGS.into_iter().map(flag).collect(), what }
        });
        let kinds = [("load", AccessKind::Load), ("store", AccessKind::Store), ("fetch", AccessKind::Fetch)];
        // Whom translation is for, or the only one that there is to ask.
        let asked = if levels == 0 { vec![privilege] } else { vec![Priv::S, Priv::U] };
        let results = asked.into_iter().map(|privilege| {
            let result = |(name, kind)| {
                let walk = hart.walk(bus, va, kind, privilege);
                (name, walk.map(|walk| walk.pa).map_err(fault))
            };
            (privilege.letter(), kinds.map(result).to_vec())
        });
        Self {
            va,
            mode: ["bare", "", "", "Sv39", "Sv48", "Sv57"].get(usize::from(levels)).copied().unwrap_or("?"),
            entries: entries.collect(),
            results: results.collect(),
        }
    }
}

fn fault(cause: Cause) -> &'static str {
    match cause {
        Cause::LoadPage | Cause::StorePage | Cause::InstructionPage => "page fault",
        _ => "access fault",
    }
}

fn size(level: u8) -> &'static str {
    ["4 KiB", "2 MiB", "1 GiB", "512 GiB", "256 TiB"].get(usize::from(level)).copied().unwrap_or("?")
}
