//! Valgrind's callgrind format, version 1, for KCachegrind, QCachegrind and callgrind_annotate.
//!
//! Positions are instruction addresses: each function has one cost line, at its start. Events are cycles,
//! instructions, and the causes that occurred. A function that ran at several privileges appears as several, in
//! `objects` of their own.
//!
//! Source: Valgrind's manual, "Callgrind Format Specification".

use std::io::{self, Write};

use relsim_core::timing::CycleCause;

use super::summary::Summary;
use super::tree::{Cost, FunctionInfo, Tree};

/// The name of a cause as an event: letters and digits only.
fn event(cause: CycleCause) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    cause.name().split('-').map(capital).collect()
}

fn costs(cost: &Cost, causes: &[CycleCause]) -> String {
    let causes = causes.iter().map(|&cause| cost.causes[cause as usize]);
    let counts: Vec<_> =
        [cost.cycles, cost.instructions].into_iter().chain(causes).map(|n| n.to_string()).collect();
    counts.join(" ")
}

fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn object(function: &FunctionInfo) -> String {
    let object = line(function.object.as_deref().unwrap_or("(no symbols)"));
    match function.privilege {
        Some(privilege) => format!("{object} [{}]", privilege.letter()),
        None => "(harts)".into(),
    }
}

/// Writes a profile of `command`.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut impl Write, tree: &Tree, summary: &Summary, command: &str) -> io::Result<()> {
    let causes: Vec<_> =
        CycleCause::ALL.iter().copied().filter(|&c| summary.total.causes[c as usize] > 0).collect();
    writeln!(out, "# callgrind format")?;
    writeln!(out, "version: 1")?;
    writeln!(out, "creator: relsim {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "cmd: {}", line(command))?;
    writeln!(out, "positions: instr")?;
    for &cause in &causes {
        writeln!(out, "event: {} : {}", event(cause), line(cause.meaning()))?;
    }
    let events: Vec<_> = causes.iter().map(|&cause| event(cause)).collect();
    writeln!(out, "events: {}", [&["Cycles".into(), "Instructions".into()], &events[..]].concat().join(" "))?;
    writeln!(out, "summary: {}", costs(&summary.total, &causes))?;
    let name = |function: &FunctionInfo| line(&function.name);
    let start = |function: &FunctionInfo| format!("{:#x}", function.address);
    for (id, function) in (0..).zip(tree.functions()) {
        let own = summary.functions.iter().find(|f| f.function == id);
        let from = summary.calls.partition_point(|call| call.caller < id);
        let calls = &summary.calls[from..];
        let calls = &calls[..calls.partition_point(|call| call.caller == id)];
        if own.is_none() && calls.is_empty() {
            continue;
        }
        writeln!(out, "\nob={}\nfl=???\nfn={}", object(function), name(function))?;
        let own = own.map(|f| f.own).unwrap_or_default();
        writeln!(out, "{} {}", start(function), costs(&own, &causes))?;
        for call in calls {
            let callee = tree.function(call.callee);
            writeln!(out, "cob={}\ncfi=???\ncfn={}", object(callee), name(callee))?;
            writeln!(out, "calls={} {}", call.calls, start(callee))?;
            writeln!(out, "{} {}", start(function), costs(&call.inclusive, &causes))?;
        }
    }
    writeln!(out, "\ntotals: {}", costs(&summary.total, &causes))
}
