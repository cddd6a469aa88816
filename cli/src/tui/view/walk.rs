//! The translation of an address, entry by entry (privileged specification 4.3 to 4.5).

use relsim_core::mmu::satp_levels;
use relsim_core::pmp::AccessKind;

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

/// A translation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// The virtual address.
    pub va: u64,
    /// The translation mode.
    pub mode: &'static str,
    /// As which privilege.
    pub privilege: char,
    /// The entries, the root's first.
    pub entries: Vec<EntryLine>,
    /// What loads, stores and fetches come to: a physical address, or a fault.
    pub results: Vec<(&'static str, Result<u64, &'static str>)>,
}

impl Walk {
    /// That of `va` for the hart that is looked at.
    pub fn take(debugger: &Debugger, va: u64) -> Self {
        let moment = debugger.moment();
        let (hart, bus) = (moment.hart, moment.bus);
        let privilege = hart.data_privilege();
        let satp = hart.csr.satp;
        let levels = if privilege == relsim_core::hart::Priv::M { 0 } else { satp_levels(satp) };
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
        let kinds = [
            ("load", AccessKind::Load, privilege),
            ("store", AccessKind::Store, privilege),
            ("fetch", AccessKind::Fetch, hart.privilege),
        ];
        let results = kinds.map(|(name, kind, privilege)| {
            (name, hart.walk(bus, va, kind, privilege).map(|walk| walk.pa).map_err(|cause| cause.name()))
        });
        Self {
            va,
            mode: ["bare", "", "", "Sv39", "Sv48", "Sv57"].get(usize::from(levels)).copied().unwrap_or("?"),
            privilege: privilege.letter(),
            entries: entries.collect(),
            results: results.to_vec(),
        }
    }
}

fn size(level: u8) -> &'static str {
    ["4 KiB", "2 MiB", "1 GiB", "512 GiB", "256 TiB"].get(usize::from(level)).copied().unwrap_or("?")
}
