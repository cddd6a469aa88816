//! Timelines for people at a terminal: two operations side by side.

use std::fmt::Write;

use relsim_core::timing::CycleCause;

use super::phases::{Lane, Phase, Place};
use super::{Operation, Step, What};

/// Columns of a side, and between two.
const WIDTH: usize = 68;
const GAP: usize = 3;
/// Columns for what a line is about.
const SUBJECT: usize = 24;
/// Causes that are named of a phase.
const CAUSES: usize = 2;

/// A side of the table.
pub struct Side<'a> {
    /// What it is called.
    pub name: &'a str,
    /// The operation.
    pub operation: &'a Operation,
    /// What its harts did.
    pub lanes: Vec<Lane>,
    /// The text of an instruction, by its word and address, if every instruction is wanted.
    pub disassemble: Option<&'a dyn Fn(u32, u64) -> String>,
}

/// All sides.
pub fn text(sides: &[Side<'_>]) -> String {
    let columns: Vec<Vec<String>> = sides.iter().map(lines).collect();
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::new();
    for row in 0..rows {
        let mut line = String::new();
        for (n, column) in columns.iter().enumerate() {
            let cell = column.get(row).map_or("", String::as_str);
            let width = if n + 1 < columns.len() { WIDTH + GAP } else { 0 };
            // Writing to a string does not fail.
            let _ = write!(line, "{:<width$}", shortened(cell, WIDTH));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    text.chars().take(width.saturating_sub(1)).chain(['\u{2026}']).collect()
}

fn causes(causes: &[(CycleCause, u64)], count: usize) -> String {
    let shown = causes.iter().take(count).map(|(cause, cycles)| format!("{} {cycles}", cause.name()));
    let more = if causes.len() > count { ", ..." } else { "" };
    shown.collect::<Vec<_>>().join(", ") + more
}

/// What a side says, a line each.
fn lines(side: &Side<'_>) -> Vec<String> {
    let mut lines = vec![side.name.to_string(), format!("{} cycles", side.operation.cycles()), String::new()];
    for lane in &side.lanes {
        if side.operation.harts > 1 {
            lines.push(format!("hart {}", lane.hart));
        }
        lines.push(line("cycle", "takes", ' ', "", "went to"));
        for phase in &lane.phases {
            lines.push(self::phase(phase));
            match side.disassemble {
                Some(disassemble) => {
                    let mut at = phase.begin;
                    for step in &phase.steps {
                        if let What::Instruction(word) = step.what {
                            lines.push(instruction(step, at, &disassemble(word, step.pc)));
                        }
                        at += step.cycles;
                    }
                }
                None => {
                    lines.extend(phase.notes.iter().map(|note| line("", "", ' ', &format!("  . {note}"), "")))
                }
            }
        }
        let cycles: u64 = lane.phases.iter().map(|phase| phase.cycles).sum();
        let all = format!("all, {} instructions", lane.instructions());
        lines.push(line("", &cycles.to_string(), ' ', &all, ""));
        let privileges = lane.privileges().into_iter().filter(|(_, cycles)| *cycles > 0);
        let privileges = privileges.map(|(privilege, cycles)| format!("{} {cycles}", privilege.letter()));
        lines.push(line("", "", ' ', &privileges.collect::<Vec<_>>().join(", "), ""));
        // Three to a line.
        let all = lane.causes();
        for some in all.chunks(3) {
            lines.push(format!("{:15}{}", "", causes(some, some.len())));
        }
        lines.push(String::new());
    }
    lines
}

fn line(at: &str, takes: &str, privilege: char, subject: &str, causes: &str) -> String {
    let subject = shortened(subject, SUBJECT);
    format!("{at:>6} {takes:>6} {privilege} {subject:<SUBJECT$} {causes}").trim_end().into()
}

fn phase(phase: &Phase) -> String {
    let subject = match &phase.place {
        Place::Code(name) => name.clone(),
        Place::Trap(name, to) => format!("-> {}: {name}", to.letter()),
        Place::Asleep => "(asleep)".into(),
        Place::Unfinished => "(goes on)".into(),
    };
    line(
        &phase.begin.to_string(),
        &phase.cycles.to_string(),
        phase.privilege.letter(),
        &subject,
        &causes(&phase.causes, CAUSES),
    )
}

fn instruction(step: &Step, at: u64, text: &str) -> String {
    let subject = format!("  {text}");
    // What an instruction takes in any case says nothing.
    let held_up: Vec<_> =
        step.causes.iter().copied().filter(|(cause, _)| *cause != CycleCause::Issue).collect();
    line(&at.to_string(), &step.cycles.to_string(), ' ', &subject, &causes(&held_up, CAUSES))
}
