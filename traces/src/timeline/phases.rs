//! From steps to phases: what a hart did in one function, at one privilege, without a break.

use relsim_core::hart::Priv;
use relsim_core::timing::CycleCause;
use relsim_markers::{Kind, Marker};

use super::{EVENT, Operation, REGION, Step, What};

/// `wfi`.
const WFI: u32 = 0x1050_0073;

/// What a phase is spent in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a function, or in code that has no name.
    Code(String),
    /// On the way into a handler: the trap, and the privilege that it goes to.
    Trap(&'static str, Priv),
    /// In sleep that went on when the operation ended.
    Asleep,
    /// In something else that was not done then.
    Unfinished,
}

/// A phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// What it is spent in.
    pub place: Place,
    /// The privilege.
    pub privilege: Priv,
    /// When it began, from the begin of the operation on.
    pub begin: u64,
    /// How long it took.
    pub cycles: u64,
    /// Where these cycles went, the most first; nothing if the timing model does not tell.
    pub causes: Vec<(CycleCause, u64)>,
    /// What markers said in it.
    pub notes: Vec<String>,
    /// Its steps, as they are in the operation but for what was cut off at its ends.
    pub steps: Vec<Step>,
}

/// What one hart did in an operation. The cycles of its phases are those of the operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The hart.
    pub hart: usize,
    /// Its phases, in the order of time.
    pub phases: Vec<Phase>,
}

impl Lane {
    /// Cycles by cause, the most first.
    pub fn causes(&self) -> Vec<(CycleCause, u64)> {
        let mut sum = Vec::new();
        self.phases.iter().flat_map(|phase| &phase.causes).for_each(|&(cause, n)| add(&mut sum, cause, n));
        most_first(&mut sum);
        sum
    }

    /// Instructions that retired.
    pub fn instructions(&self) -> usize {
        let steps = self.phases.iter().flat_map(|phase| &phase.steps);
        steps.filter(|step| matches!(step.what, What::Instruction(_))).count()
    }

    /// Cycles by privilege: U, S and M.
    pub fn privileges(&self) -> [(Priv, u64); 3] {
        [Priv::U, Priv::S, Priv::M].map(|privilege| {
            let own = self.phases.iter().filter(|phase| phase.privilege == privilege);
            (privilege, own.map(|phase| phase.cycles).sum())
        })
    }
}

fn add(causes: &mut Vec<(CycleCause, u64)>, cause: CycleCause, cycles: u64) {
    match causes.iter_mut().find(|(known, _)| *known == cause) {
        Some((_, sum)) => *sum += cycles,
        None => causes.push((cause, cycles)),
    }
}

fn most_first(causes: &mut [(CycleCause, u64)]) {
    causes.sort_by_key(|&(cause, cycles)| (std::cmp::Reverse(cycles), cause));
}

/// Takes `cycles` off `causes`, from the largest first: what lies outside of the operation is a wait, mostly.
fn cut(causes: &mut Vec<(CycleCause, u64)>, mut cycles: u64) {
    most_first(causes);
    for (_, own) in causes.iter_mut() {
        let taken = cycles.min(*own);
        *own -= taken;
        cycles -= taken;
    }
    causes.retain(|(_, own)| *own > 0);
}

/// The lanes of an operation: the hart that measures first, then the others that did something. `function` names the
/// code at an address, `region` the numbers of markers.
pub fn lanes(
    operation: &Operation,
    function: &dyn Fn(u64) -> Option<String>,
    region: &dyn Fn(u16) -> Option<String>,
) -> Vec<Lane> {
    let others = (0..operation.harts).filter(|&hart| hart != operation.hart);
    let lanes =
        std::iter::once(operation.hart).chain(others).map(|hart| lane(operation, hart, function, region));
    lanes.filter(|lane| lane.phases.iter().any(|phase| !phase.steps.is_empty())).collect()
}

fn lane(
    operation: &Operation,
    hart: usize,
    function: &dyn Fn(u64) -> Option<String>,
    region: &dyn Fn(u16) -> Option<String>,
) -> Lane {
    let mut phases: Vec<Phase> = Vec::new();
    // Up to where the hart's time is told.
    let mut told = operation.begin_cycle;
    let mut privilege = Priv::U;
    for step in operation.steps.iter().filter(|step| step.hart == hart) {
        let end = step.end_cycle.min(operation.end_cycle);
        if end <= told && step.cycles > 0 {
            continue;
        }
        let mut step = step.clone();
        // Harts are a few cycles apart: what belongs to another operation is cut off.
        let cycles = end.saturating_sub(told);
        let charged: u64 = step.causes.iter().map(|(_, cycles)| cycles).sum();
        cut(&mut step.causes, charged.saturating_sub(cycles));
        step.cycles = cycles;
        let begin = told - operation.begin_cycle;
        told += cycles;
        privilege = step.privilege;
        let place = match step.what {
            What::Trap(name, to) => {
                privilege = to;
                Place::Trap(name, to)
            }
            What::Instruction(_) => Place::Code(function(step.pc).unwrap_or_else(|| page(step.pc))),
        };
        let goes_on = |last: &&mut Phase| {
            last.place == place && last.privilege == step.privilege && matches!(place, Place::Code(_))
        };
        let note = note(&step, region);
        match phases.last_mut().filter(goes_on) {
            Some(phase) => {
                phase.cycles += cycles;
                step.causes.iter().for_each(|&(cause, n)| add(&mut phase.causes, cause, n));
                phase.notes.extend(note);
                phase.steps.push(step);
            }
            None => phases.push(Phase {
                place,
                privilege: step.privilege,
                begin,
                cycles,
                causes: step.causes.clone(),
                notes: note.into_iter().collect(),
                steps: vec![step],
            }),
        }
    }
    if told < operation.end_cycle {
        let last = phases.last().and_then(|phase| phase.steps.last());
        let asleep = last.is_some_and(|step| step.what == What::Instruction(WFI));
        phases.push(Phase {
            place: if asleep { Place::Asleep } else { Place::Unfinished },
            privilege,
            begin: told - operation.begin_cycle,
            cycles: operation.end_cycle - told,
            causes: Vec::new(),
            notes: Vec::new(),
            steps: Vec::new(),
        });
    }
    phases.iter_mut().for_each(|phase| most_first(&mut phase.causes));
    Lane { hart, phases }
}

/// What code without a name is called: its page.
fn page(pc: u64) -> String {
    format!("{:#x}", pc & !0xfff)
}

/// What a marker says, apart from those that frame operations, and ends.
fn note(step: &Step, region: &dyn Fn(u16) -> Option<String>) -> Option<String> {
    let What::Instruction(word) = step.what else { return None };
    let marker = Marker::decode(word)?;
    match (marker.kind, marker.id) {
        (Kind::End, _) | (Kind::Begin, REGION) | (Kind::Instant, EVENT) => None,
        (_, id) => Some(region(id).unwrap_or_else(|| id.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(hart: usize, end_cycle: u64, cycles: u64, pc: u64) -> Step {
        Step {
            hart,
            end_cycle,
            cycles,
            privilege: Priv::U,
            pc,
            what: What::Instruction(0x13),
            causes: vec![(CycleCause::Issue, 1), (CycleCause::Wait, cycles - 1)],
        }
    }

    fn operation(steps: Vec<Step>) -> Operation {
        Operation { hart: 0, harts: 3, begin_cycle: 100, end_cycle: 120, steps }
    }

    fn named(pc: u64) -> Option<String> {
        (pc < 0x1000).then(|| format!("f{}", pc / 16))
    }

    #[test]
    fn phases_add_up_to_the_operation() {
        let mut trap = step(0, 115, 5, 0x14);
        trap.what = What::Trap("user_ecall", Priv::S);
        let operation = operation(vec![
            step(0, 104, 4, 0x10),
            // Began long before.
            step(1, 110, 90, 0x20),
            step(0, 110, 6, 0x14),
            trap,
            // Ends behind the operation, on another hart.
            step(1, 124, 14, 0x2345),
            step(0, 120, 5, 0x20),
        ]);
        let lanes = lanes(&operation, &named, &|_| None);
        assert_eq!(lanes.iter().map(|lane| lane.hart).collect::<Vec<_>>(), [0, 1]);
        for lane in &lanes {
            assert_eq!(lane.phases.iter().map(|phase| phase.cycles).sum::<u64>(), operation.cycles());
            assert_eq!(lane.causes().iter().map(|cause| cause.1).sum::<u64>(), operation.cycles());
            let mut at = 0;
            for phase in &lane.phases {
                assert_eq!(phase.begin, at);
                at += phase.cycles;
            }
        }
        let places: Vec<_> = lanes[0].phases.iter().map(|phase| phase.place.clone()).collect();
        let code = |name: &str| Place::Code(name.into());
        assert_eq!(places, [code("f1"), Place::Trap("user_ecall", Priv::S), code("f2")]);
        assert_eq!(lanes[1].phases[1].place, code("0x2000"));
        assert_eq!(lanes[0].instructions(), 3);
        // The longer wait is what lies outside.
        assert_eq!(lanes[1].phases[0].causes, [(CycleCause::Wait, 9), (CycleCause::Issue, 1)]);
    }

    #[test]
    fn a_hart_may_be_in_the_middle_of_something() {
        let lanes = lanes(&operation(vec![step(1, 108, 8, 0)]), &named, &|_| None);
        assert_eq!(lanes[0].phases[1].place, Place::Unfinished);
        assert_eq!((lanes[0].phases[1].begin, lanes[0].phases[1].cycles), (8, 12));
    }
}
