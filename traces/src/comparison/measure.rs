//! What a run measured, and the quantities that are made of it.

use std::collections::BTreeMap;

use serde::Serialize;

/// Cycles of a hart at a privilege, for a cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CauseCycles {
    /// `u`, `s` or `m`.
    pub privilege: char,
    /// Name of the cause.
    pub cause: &'static str,
    /// How many.
    pub cycles: u64,
}

/// What a hart did in the measured region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HartMeasured {
    /// Core cycles that passed.
    pub cycles: u64,
    /// Those in which it waited for an interrupt, if the timing model tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_cycles: Option<u64>,
    /// Instructions that retired.
    pub instructions: u64,
    /// Times that the kernel was entered.
    pub kernel_entries: u64,
    /// User interrupts taken.
    pub user_interrupts: u64,
    /// `uipi.send` instructions.
    pub sends: u64,
    /// Traps taken, by cause.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub traps: BTreeMap<String, u64>,
    /// Where the cycles went, in the order of the causes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<CauseCycles>,
}

/// What a run measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Measured {
    /// Operations, as the guest says.
    pub operations: u64,
    /// Core cycles from the begin of the measured region to its end, on the hart that marked it.
    pub cycles: u64,
    /// That hart.
    pub hart: usize,
    /// Core clock in Hz.
    pub core_freq_hz: u64,
    /// Every hart, by number.
    pub harts: Vec<HartMeasured>,
    /// What else the guest says, by key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub result: BTreeMap<String, f64>,
    /// Hash of the configuration and of everything loaded.
    pub hash: String,
    /// Hash of the image.
    pub image_sha256: String,
    /// The machine as it was used: `name=value`, separated by blanks.
    pub machine: String,
}

/// A quantity that runs are compared by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Cycles of the hart that measures, per operation.
    Cycles,
    /// Instructions of all harts, per operation.
    Instructions,
    /// Kernel entries of all harts, per operation.
    KernelEntries,
    /// User interrupts of all harts, per operation.
    UserInterrupts,
    /// `uipi.send` of all harts, per operation.
    Sends,
    /// Share of the cycles of all harts in which they did not wait.
    Cpu,
    /// Operations a second of the guest's time.
    Throughput,
    /// What the guest's result line has for a key.
    Result(String),
}

/// What the name of a key of the result line begins with.
const RESULT: &str = "result.";

impl Measure {
    /// All that need no result line.
    pub const ALL: [Self; 7] = [
        Self::Cycles,
        Self::Instructions,
        Self::KernelEntries,
        Self::UserInterrupts,
        Self::Sends,
        Self::Cpu,
        Self::Throughput,
    ];

    /// The one called `name`.
    pub fn by_name(name: &str) -> Option<Self> {
        if let Some(key) = name.strip_prefix(RESULT).filter(|key| !key.is_empty()) {
            return Some(Self::Result(key.into()));
        }
        Self::ALL.into_iter().find(|measure| measure.name() == name)
    }

    /// Its name in files.
    pub fn name(&self) -> String {
        match self {
            Self::Cycles => "cycles".into(),
            Self::Instructions => "instructions".into(),
            Self::KernelEntries => "kernel-entries".into(),
            Self::UserInterrupts => "user-interrupts".into(),
            Self::Sends => "sends".into(),
            Self::Cpu => "cpu".into(),
            Self::Throughput => "throughput".into(),
            Self::Result(key) => format!("{RESULT}{key}"),
        }
    }

    /// Its title.
    pub fn title(&self) -> String {
        match self {
            Self::Cycles => "cycles per operation".into(),
            Self::Instructions => "instructions per operation, all harts".into(),
            Self::KernelEntries => "kernel entries per operation".into(),
            Self::UserInterrupts => "user interrupts per operation".into(),
            Self::Sends => "uipi.send per operation".into(),
            Self::Cpu => "CPU use, % of all harts".into(),
            Self::Throughput => "operations per second".into(),
            Self::Result(key) => key.clone(),
        }
    }

    /// Whether less of it is better; of some, nobody can say.
    pub fn less_is_better(&self) -> Option<bool> {
        match self {
            Self::Cycles | Self::Instructions | Self::KernelEntries | Self::Cpu => Some(true),
            Self::Throughput => Some(false),
            Self::UserInterrupts | Self::Sends | Self::Result(_) => None,
        }
    }

    /// Its value in `measured`, if that has one.
    pub fn of(&self, measured: &Measured) -> Option<f64> {
        let operations = measured.operations as f64;
        let sum = |of: fn(&HartMeasured) -> u64| {
            let sum: u64 = measured.harts.iter().map(of).sum();
            (measured.operations > 0).then_some(sum as f64 / operations)
        };
        match self {
            Self::Cycles => (measured.operations > 0).then_some(measured.cycles as f64 / operations),
            Self::Instructions => sum(|hart| hart.instructions),
            Self::KernelEntries => sum(|hart| hart.kernel_entries),
            Self::UserInterrupts => sum(|hart| hart.user_interrupts),
            Self::Sends => sum(|hart| hart.sends),
            Self::Cpu => measured.cpu_percent(),
            Self::Throughput => (measured.cycles > 0)
                .then_some(operations * measured.core_freq_hz as f64 / measured.cycles as f64),
            Self::Result(key) => measured.result.get(key).copied(),
        }
    }
}

impl HartMeasured {
    /// Share of its cycles in which it did not wait, in per cent.
    pub fn cpu_percent(&self) -> Option<f64> {
        let idle = self.idle_cycles?;
        (self.cycles > 0).then(|| (self.cycles - idle.min(self.cycles)) as f64 * 100.0 / self.cycles as f64)
    }
}

impl Measured {
    /// The same of all harts together.
    pub fn cpu_percent(&self) -> Option<f64> {
        let mut all = HartMeasured { idle_cycles: Some(0), ..HartMeasured::default() };
        for hart in &self.harts {
            all.cycles += hart.cycles;
            all.idle_cycles = Some(all.idle_cycles? + hart.idle_cycles?);
        }
        all.cpu_percent()
    }

    /// Cycles of all harts by cause, whatever the privilege, the largest first.
    pub fn causes(&self) -> Vec<(&'static str, u64)> {
        let mut causes: BTreeMap<&'static str, u64> = BTreeMap::new();
        for cell in self.harts.iter().flat_map(|hart| &hart.causes) {
            *causes.entry(cell.cause).or_default() += cell.cycles;
        }
        let mut causes: Vec<_> = causes.into_iter().filter(|&(_, cycles)| cycles > 0).collect();
        causes.sort_by_key(|&(cause, cycles)| (std::cmp::Reverse(cycles), cause));
        causes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for measure in Measure::ALL.into_iter().chain([Measure::Result("latency".into())]) {
            assert_eq!(Measure::by_name(&measure.name()), Some(measure));
        }
        assert_eq!(Measure::by_name("result."), None);
        assert_eq!(Measure::by_name("speed"), None);
    }

    #[test]
    fn quantities() {
        let hart = |idle| HartMeasured { cycles: 100, idle_cycles: idle, sends: 5, ..Default::default() };
        let mut measured = Measured {
            operations: 10,
            cycles: 100,
            core_freq_hz: 1_000_000,
            harts: vec![hart(Some(0)), hart(Some(50))],
            result: [("latency".to_string(), 7.5)].into(),
            ..Default::default()
        };
        for (measure, value) in [
            (Measure::Cycles, Some(10.0)),
            (Measure::Sends, Some(1.0)),
            (Measure::Cpu, Some(75.0)),
            (Measure::Throughput, Some(100_000.0)),
            (Measure::Result("latency".into()), Some(7.5)),
            (Measure::Result("jitter".into()), None),
        ] {
            assert_eq!(measure.of(&measured), value, "{measure:?}");
        }
        // A timing model that tells nothing, and a guest that did nothing.
        measured.harts[1].idle_cycles = None;
        assert_eq!(Measure::Cpu.of(&measured), None);
        measured.operations = 0;
        assert_eq!(Measure::Cycles.of(&measured), None);
        assert_eq!(Measured::default().cpu_percent(), None);
    }
}
