//! Where the cycles went, and what regions of interest took, for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use relsim_core::hart::Priv;
use relsim_core::region::Spread;
use relsim_core::timing::{CycleCause, Ledger};
use relsim_machine::{RegionReport, Report, SpreadReport};

use crate::units::grouped;

/// Causes that the summary names.
const TOP_CAUSES: usize = 4;
/// Up to this many harts have a column each.
const MAX_COLUMNS: usize = 8;

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// The sum of `ledgers`.
fn sum<'a>(ledgers: impl Iterator<Item = &'a Ledger>) -> Ledger {
    let mut total = Ledger::default();
    ledgers.for_each(|ledger| total.add_difference(ledger, &Ledger::default()));
    total
}

/// Causes with their cycles, the largest first, without what is 0.
fn by_cause(ledger: &Ledger) -> Vec<(CycleCause, u64)> {
    let mut causes: Vec<_> =
        CycleCause::ALL.iter().map(|&c| (c, ledger.by_cause(c))).filter(|c| c.1 > 0).collect();
    causes.sort_by_key(|&(cause, cycles)| (std::cmp::Reverse(cycles), cause));
    causes
}

fn top(ledger: &Ledger, count: usize) -> String {
    let causes = by_cause(ledger);
    let shown = causes.iter().take(count);
    let text =
        |&(cause, n): &(CycleCause, u64)| format!("{} {:.1}%", cause.name(), percent(n, ledger.total()));
    shown.map(text).collect::<Vec<_>>().join(", ")
}

fn ledgers(report: &Report) -> Vec<&Ledger> {
    report.harts.iter().filter_map(|h| h.cycles_by_cause.as_ref()).map(|cycles| &cycles.0).collect()
}

/// The lines that belong to the summary of every run: the main causes, and what is odd about regions. With
/// `all`, tables follow them.
pub fn notes(report: &Report, all: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let ledgers = ledgers(report);
    if !ledgers.is_empty() {
        let more = if all { "" } else { "; --breakdown shows all" };
        notes.push(format!("cycles went to {}{more}", top(&sum(ledgers.iter().copied()), TOP_CAUSES)));
    } else if all {
        notes.push("functional timing does not tell where cycles go; --timing rocket does".into());
    }
    let regions = regions(report);
    let measured = regions.values().filter(|r| r.count > 0).count();
    if measured > 0 && !all {
        let (s, them) = if measured == 1 { ("", "it") } else { ("s", "them") };
        notes.push(format!("{measured} region{s} of interest measured; --breakdown or --stats shows {them}"));
    }
    for region in regions.values() {
        let odd = [
            (region.unfinished, "begun and not ended"),
            (region.unmatched_ends, "ended without having begun"),
            (region.unmeasured, "not measured, since too many regions were open"),
        ];
        for (n, what) in odd.into_iter().filter(|o| o.0 > 0) {
            let times = if n == 1 { "once".into() } else { format!("{} times", grouped(n)) };
            notes.push(format!("region {} was {what} {times}", label(region)));
        }
    }
    notes
}

fn label(region: &RegionReport) -> String {
    region.name.as_ref().map_or(region.id.to_string(), |name| format!("{} ({name})", region.id))
}

fn merge(a: Option<SpreadReport>, b: Option<SpreadReport>) -> Option<SpreadReport> {
    match (a, b) {
        (Some(a), Some(b)) => Some(SpreadReport(a.0.merged(b.0))),
        (a, b) => a.or(b),
    }
}

/// The regions of all harts together, by number.
fn regions(report: &Report) -> BTreeMap<u16, RegionReport> {
    let mut all: BTreeMap<u16, RegionReport> = BTreeMap::new();
    for region in report.harts.iter().flat_map(|h| &h.regions) {
        let Some(merged) = all.get_mut(&region.id) else {
            all.insert(region.id, region.clone());
            continue;
        };
        merged.count += region.count;
        merged.cycles = merge(merged.cycles, region.cycles);
        merged.instructions = merge(merged.instructions, region.instructions);
        merged.values = merge(merged.values, region.values);
        merged.traps += region.traps;
        merged.unfinished += region.unfinished;
        merged.unmatched_ends += region.unmatched_ends;
        merged.unmeasured += region.unmeasured;
        if let Some(cycles) = &region.cycles_by_cause {
            match &mut merged.cycles_by_cause {
                Some(sum) => sum.0.add_difference(&cycles.0, &Ledger::default()),
                none => *none = Some(cycles.clone()),
            }
        }
    }
    all
}

/// The tables of `--breakdown`; nothing where there is nothing to tell.
pub fn tables(report: &Report) -> String {
    let mut text = String::new();
    causes_table(&mut text, &ledgers(report));
    regions_table(&mut text, &regions(report));
    events_table(&mut text, report);
    text
}

// Writing to a string does not fail.

fn causes_table(text: &mut String, harts: &[&Ledger]) {
    if harts.is_empty() {
        return;
    }
    let all = sum(harts.iter().copied());
    let privileges = [Priv::U, Priv::S, Priv::M];
    let at = |p: Priv| CycleCause::ALL.iter().map(|&c| all.get(p, c)).sum::<u64>();
    let used: Vec<_> = privileges.into_iter().filter(|&p| at(p) > 0).collect();
    let columns = if (2..=MAX_COLUMNS).contains(&harts.len()) { harts } else { &[] };
    let mut row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!(" {cell:>15}")).collect();
        let _ = writeln!(text, "{name:<15}{cells}");
    };
    let heads = ["cycles".to_string(), "%".into()].into_iter();
    let heads = heads.chain(used.iter().map(|p| format!("{}-mode", p.letter())));
    row("cause", heads.chain((0..columns.len()).map(|n| format!("hart {n}"))).collect());
    for (cause, n) in by_cause(&all) {
        let cells = [grouped(n), format!("{:.2}", percent(n, all.total()))].into_iter();
        let cells = cells.chain(used.iter().map(|&p| grouped(all.get(p, cause))));
        let cells = cells.chain(columns.iter().map(|l| grouped(l.by_cause(cause))));
        row(cause.name(), cells.collect());
    }
    let cells = [grouped(all.total()), "100.00".into()].into_iter();
    let cells = cells.chain(used.iter().map(|&p| grouped(at(p))));
    row("all", cells.chain(columns.iter().map(|l| grouped(l.total()))).collect());
}

fn regions_table(text: &mut String, regions: &BTreeMap<u16, RegionReport>) {
    let measured: Vec<_> = regions.values().filter(|r| r.count > 0).collect();
    if measured.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "{:<20} {:>10} {:>15} {:>15} {:>15} {:>15} {:>12} {:>8}",
        "region", "visits", "cycles", "mean", "least", "most", "instructions", "traps"
    );
    let spread = |s: Option<SpreadReport>| s.map_or(Spread { count: 0, total: 0, min: 0, max: 0 }, |s| s.0);
    for region in measured {
        let cycles = spread(region.cycles);
        let line = format!(
            "{:<20} {:>10} {:>15} {:>15.1} {:>15} {:>15} {:>12} {:>8}  {}",
            label(region),
            grouped(region.count),
            grouped(cycles.total),
            region.cycles.map_or(0.0, SpreadReport::mean),
            grouped(cycles.min),
            grouped(cycles.max),
            grouped(spread(region.instructions).total),
            grouped(region.traps),
            region.cycles_by_cause.as_ref().map_or(String::new(), |c| top(&c.0, TOP_CAUSES)),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn events_table(text: &mut String, report: &Report) {
    if report.harts.iter().all(|h| h.events.is_empty()) {
        return;
    }
    let _ = writeln!(
        text,
        "{:<20} {:>5} {:>10} {:>15} {:>15}",
        "event", "hart", "times", "first in cycle", "last in cycle"
    );
    for (hart, events) in report.harts.iter().map(|h| &h.events).enumerate() {
        for event in events {
            let name = event.name.as_ref().map_or(event.id.to_string(), |n| format!("{} ({n})", event.id));
            let _ = writeln!(
                text,
                "{name:<20} {hart:>5} {:>10} {:>15} {:>15}",
                grouped(event.count),
                grouped(event.first_cycle),
                grouped(event.last_cycle),
            );
        }
    }
}
