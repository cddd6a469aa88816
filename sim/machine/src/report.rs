//! What a run gives back: plain data, serialised by the CLI.

use std::collections::BTreeMap;

use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_core::isa::Ext;
use relsim_core::region::{Instant, Region, Snapshot, Spread};
use relsim_core::timing::{CycleCause, Ledger};
use relsim_core::trap::{Cause, interrupt_name};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "reason")]
pub enum Exit {
    /// The guest ended it with a status.
    Guest {
        /// The status; 0 is success.
        code: u32,
    },
    /// The guest asked for a reset.
    Reset,
    /// `--max-cycles`.
    CycleLimit,
    /// `--max-instructions`.
    InstructionLimit,
    /// Every hart sleeps and nothing can wake one.
    Dead {
        /// Where the harts are, for the message.
        detail: String,
    },
    /// Harts do nothing but trap into handlers that they cannot execute; the others, if any, sleep. No interrupt
    /// can come that would change that.
    Stuck {
        /// Which harts, and on what.
        detail: String,
    },
    /// Somebody outside asked the run to stop (Ctrl-C).
    Interrupted,
    /// The observer stopped it (a breakpoint).
    Stopped,
}

/// Counts of one hart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HartReport {
    /// Core cycles since reset.
    pub cycles: u64,
    /// Instructions retired since reset.
    pub instructions: u64,
    /// Exceptions and interrupts taken, by name; those that never happened are left out.
    pub traps: BTreeMap<&'static str, u64>,
    /// Interrupts that U-mode took itself.
    pub user_interrupts: u64,
    /// Exceptions and interrupts that U-mode took itself.
    pub user_traps: u64,
    /// What the extensions outside the core count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<&'static str, u64>,
    /// Where the cycles went; their sum is `cycles`. Absent where the timing model does not tell: the
    /// functional one does not keep apart at which privilege a cycle passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles_by_cause: Option<CyclesByCause>,
    /// Regions of interest that markers in the guest spoke of, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<RegionReport>,
    /// Events that markers in the guest spoke of, by number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventReport>,
}

/// Cycles by privilege and cause; serialised as maps of the names, without what is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CyclesByCause(pub Ledger);

impl Serialize for CyclesByCause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Row<'a>(&'a Ledger, Priv);
        impl Row<'_> {
            fn cells(&self) -> impl Iterator<Item = (&'static str, u64)> {
                CycleCause::ALL.iter().map(|&c| (c.name(), self.0.get(self.1, c))).filter(|&(_, n)| n > 0)
            }
        }
        impl Serialize for Row<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.cells())
            }
        }
        let mut map = serializer.serialize_map(None)?;
        for (name, privilege) in [("u", Priv::U), ("s", Priv::S), ("m", Priv::M)] {
            let row = Row(&self.0, privilege);
            if row.cells().next().is_some() {
                map.serialize_entry(name, &row)?;
            }
        }
        map.end()
    }
}

/// Sum, extremes and mean of some values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpreadReport(pub Spread);

impl SpreadReport {
    /// The mean; 0 of nothing.
    pub fn mean(self) -> f64 {
        if self.0.count == 0 { 0.0 } else { self.0.total as f64 / self.0.count as f64 }
    }
}

impl Serialize for SpreadReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields {
            total: u64,
            min: u64,
            max: u64,
            mean: f64,
        }
        let Spread { total, min, max, .. } = self.0;
        Fields { total, min, max, mean: self.mean() }.serialize(serializer)
    }
}

/// A region on one hart: see [`Region`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionReport {
    /// Its number.
    pub id: u16,
    /// What the guest or the user calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Visits that have begun and ended.
    pub count: u64,
    /// Core cycles of a visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles: Option<SpreadReport>,
    /// Instructions of a visit, its end marker among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<SpreadReport>,
    /// Where the cycles of all visits went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cycles_by_cause: Option<CyclesByCause>,
    /// Traps taken in all visits.
    pub traps: u64,
    /// The values that its markers carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<SpreadReport>,
    /// Visits that have begun and not ended.
    pub unfinished: u64,
    /// End markers without a begin marker.
    pub unmatched_ends: u64,
    /// Visits that were not measured, since too many regions were open.
    pub unmeasured: u64,
}

/// An event on one hart: see [`Instant`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventReport {
    /// Its number.
    pub id: u16,
    /// What the guest or the user calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How often it happened.
    pub count: u64,
    /// Core cycle of the first.
    pub first_cycle: u64,
    /// Core cycle of the last.
    pub last_cycle: u64,
    /// The values that its markers carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<SpreadReport>,
}

impl RegionReport {
    fn new(id: u16, region: &Region) -> Self {
        Self {
            id,
            name: None,
            count: region.cycles.map_or(0, |cycles| cycles.count),
            cycles: region.cycles.map(SpreadReport),
            instructions: region.instructions.map(SpreadReport),
            cycles_by_cause: region.ledger.clone().map(CyclesByCause),
            traps: region.traps,
            values: region.values.map(SpreadReport),
            unfinished: region.unfinished,
            unmatched_ends: region.unmatched_ends,
            unmeasured: region.unmeasured,
        }
    }
}

impl EventReport {
    fn new(id: u16, instant: &Instant) -> Self {
        Self {
            id,
            name: None,
            count: instant.count,
            first_cycle: instant.first_cycle,
            last_cycle: instant.last_cycle,
            values: instant.values.map(SpreadReport),
        }
    }
}

/// A hart has entered or left the region that was watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossed {
    /// Which hart.
    pub hart: usize,
    /// Every hart then, by number; those that slept did so up to this moment.
    pub harts: Vec<HartReport>,
    /// Calls that the built-in firmware had served.
    pub firmware_calls: u64,
}

/// The first visit of a region that is watched, on whatever hart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Visit {
    /// When it began.
    pub begin: Option<Crossed>,
    /// When it ended.
    pub end: Option<Crossed>,
}

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Why it ended.
    pub exit: Exit,
    /// Per hart, by number.
    pub harts: Vec<HartReport>,
    /// Calls that the built-in firmware served, each charged [`crate::MachineConfig::sbi_call_cycles`].
    pub firmware_calls: u64,
}

impl HartReport {
    /// The counts of a hart that has `extensions`, as they were at `snapshot`.
    pub fn of(snapshot: Snapshot, extensions: impl Iterator<Item = &'static IsaExtension>) -> Self {
        let Snapshot { cycle, instret, counts, ledger, regions, ext_state } = snapshot;
        let exceptions = Cause::ALL.iter().map(|&c| (c.name(), counts.exceptions[c as usize]));
        let interrupts = (0u8..).zip(counts.interrupts).map(|(code, n)| (interrupt_name(code), n));
        let counters = extensions.flat_map(|extension| {
            let words = ext_state[extension.slot as usize - Ext::Custom0 as usize];
            extension.counters.iter().map(move |&(name, word)| (name, words[word]))
        });
        Self {
            cycles: cycle,
            instructions: instret,
            traps: exceptions.chain(interrupts).filter(|&(_, n)| n > 0).collect(),
            user_interrupts: counts.interrupts[0] + counts.interrupts[4] + counts.interrupts[8],
            user_traps: counts.user_traps,
            counters: counters.collect(),
            cycles_by_cause: ledger.map(CyclesByCause),
            regions: regions.regions().map(|(id, region)| RegionReport::new(id, region)).collect(),
            events: regions.instants().map(|(id, instant)| EventReport::new(id, instant)).collect(),
        }
    }
}

impl Report {
    /// Gives regions and events the names that `name` has for their numbers.
    pub fn name_regions(&mut self, name: impl Fn(u16) -> Option<String>) {
        for hart in &mut self.harts {
            hart.regions.iter_mut().for_each(|region| region.name = name(region.id));
            hart.events.iter_mut().for_each(|event| event.name = name(event.id));
        }
    }
}
