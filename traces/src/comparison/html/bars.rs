//! Bars: of a measure, where there is no axis to draw lines over, and of where the cycles went.

use super::scale::Scale;
use super::svg::{LETTER_WIDTH, Svg, shortened};
use crate::comparison::table::number;
use crate::comparison::{Measure, Measured, Panel};

const WIDTH: f64 = 900.0;
const BAR: f64 = 20.0;
const STEP: f64 = 26.0;
const HEAD: f64 = 26.0;
/// Names are not longer than this, in letters.
const NAME_LETTERS: usize = 34;
/// Causes with a colour of their own; the rest is one.
const CAUSES: usize = 7;
/// Points of the axis whose cycles are shown.
const POINTS: usize = 3;

/// Where bars begin, behind the names of the mechanisms.
fn names_width(panel: &Panel<'_>) -> f64 {
    let longest =
        panel.rows().iter().map(|row| row.name.chars().count()).max().unwrap_or(0).min(NAME_LETTERS);
    longest as f64 * LETTER_WIDTH + 16.0
}

/// What stands above the bars of point number `x`.
fn point(panel: &Panel<'_>, x: usize) -> Option<String> {
    panel.axis().map(|axis| format!("{axis} = {}", panel.xs()[x]))
}

/// `measure` of every mechanism, for each value of the axis.
pub fn chart(panel: &Panel<'_>, measure: &Measure) -> String {
    let rows = panel.rows();
    let left = names_width(panel);
    let right = WIDTH - 110.0;
    let values: Vec<_> =
        rows.iter().map(|row| (panel.series(row, measure), panel.published(row, measure))).collect();
    let all = values.iter().flat_map(|(ours, theirs)| ours.iter().chain(theirs)).flatten().copied();
    let scale = Scale::linear(all.fold(0.0, f64::max));
    let points = panel.xs().len();
    let head = if panel.axis().is_some() { HEAD } else { 8.0 };
    let height = points as f64 * (head + rows.len() as f64 * STEP) + 8.0;
    let mut svg = Svg::new(WIDTH, height, &format!("{}: {}", panel.title(), measure.title()));
    let mut y = 0.0;
    for x in 0..points {
        if let Some(text) = point(panel, x) {
            svg.text("label", (0.0, y + head - 8.0), &text);
        }
        y += head;
        for (n, (row, (ours, theirs))) in rows.iter().zip(&values).enumerate() {
            svg.text("tick end", (left - 8.0, y + BAR - 6.0), &shortened(row.name, NAME_LETTERS));
            svg.begin_series(n);
            let Some(value) = ours[x] else {
                svg.text("tick", (left + 4.0, y + BAR - 6.0), "failed");
                svg.end_series();
                y += STEP;
                continue;
            };
            let length = scale.part(value) * (right - left);
            svg.bar("bar", (left, y), (length.max(1.0), BAR), &format!("{}: {}", row.name, number(value)));
            svg.end_series();
            let mut text = number(value);
            if let Some(published) = theirs[x] {
                let at = left + scale.part(published) * (right - left);
                svg.line("there", (at, y - 2.0), (at, y + BAR + 2.0));
                text.push_str(&format!(" (published {})", number(published)));
            }
            let end = theirs[x].map_or(length, |value| length.max(scale.part(value) * (right - left)));
            svg.text("tick", (left + end + 8.0, y + BAR - 6.0), &text);
            y += STEP;
        }
    }
    svg.finish()
}

/// The causes with a colour of their own: those that took most in all runs of `panel`.
pub fn main_causes(panel: &Panel<'_>) -> Vec<&'static str> {
    let mut all: Vec<(&'static str, f64)> = Vec::new();
    for measured in panel.rows().iter().flat_map(|row| row.measured.iter().copied().flatten()) {
        let causes = measured.causes();
        let sum: u64 = causes.iter().map(|cause| cause.1).sum();
        for (cause, cycles) in causes {
            // Long runs do not count for more than short ones.
            let share = cycles as f64 / sum as f64;
            match all.iter_mut().find(|(name, _)| *name == cause) {
                Some((_, total)) => *total += share,
                None => all.push((cause, share)),
            }
        }
    }
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    all.into_iter().map(|(cause, _)| cause).filter(|cause| *cause != WAIT).take(CAUSES).collect()
}

/// The cause that has a quiet colour, whatever its share.
const WAIT: &str = "wait";

/// The class of a cause among the `main` ones.
pub fn class(main: &[&str], cause: &str) -> String {
    match main.iter().position(|name| *name == cause) {
        Some(n) => format!("c{n}"),
        None if cause == WAIT => "wait".into(),
        None => "other".into(),
    }
}

/// Cycles per operation of all harts by cause, for some points of the axis; nothing if no timing model told. Within a
/// point, bars are as long as the cycles are many.
pub fn causes(panel: &Panel<'_>, main: &[&'static str]) -> Option<String> {
    let rows = panel.rows();
    let count = panel.xs().len();
    let mut points = vec![0, count / 2, count - 1];
    points.dedup();
    points.truncate(POINTS);
    let total = |measured: &Measured| measured.causes().iter().map(|cause| cause.1).sum::<u64>();
    let any = rows.iter().flat_map(|row| row.measured.iter().copied().flatten()).any(|m| total(m) > 0);
    if !any {
        return None;
    }
    let left = names_width(panel);
    let right = WIDTH - 90.0;
    let head = if panel.axis().is_some() { HEAD } else { 8.0 };
    let height = points.len() as f64 * (head + rows.len() as f64 * STEP) + 8.0;
    let mut svg = Svg::new(WIDTH, height, &format!("{}: where the cycles went", panel.title()));
    let mut y = 0.0;
    for x in points {
        if let Some(text) = point(panel, x) {
            svg.text("label", (0.0, y + head - 8.0), &text);
        }
        y += head;
        let per_operation = |m: &Measured, cycles: u64| cycles as f64 / m.operations.max(1) as f64;
        let longest = rows.iter().filter_map(|row| row.measured[x].map(|m| per_operation(m, total(m))));
        let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
        for row in &rows {
            svg.text("tick end", (left - 8.0, y + BAR - 6.0), &shortened(row.name, NAME_LETTERS));
            let Some(measured) = row.measured[x] else {
                svg.text("tick", (left + 4.0, y + BAR - 6.0), "failed");
                y += STEP;
                continue;
            };
            let mut at = left;
            for (cause, cycles) in in_order(measured, main) {
                let value = per_operation(measured, cycles);
                let length = value / longest * (right - left);
                let share = cycles as f64 * 100.0 / total(measured) as f64;
                let tip =
                    format!("{}: {cause} {share:.1} %, {} cycles per operation", row.name, number(value));
                svg.bar(&format!("cause {}", class(main, cause)), (at, y), (length, BAR), &tip);
                if length > cause.len() as f64 * LETTER_WIDTH + 8.0 {
                    svg.text(
                        &format!("inside {}", class(main, cause)),
                        (at + length / 2.0, y + BAR - 6.0),
                        cause,
                    );
                }
                at += length;
            }
            svg.text("tick", (at + 8.0, y + BAR - 6.0), &number(per_operation(measured, total(measured))));
            y += STEP;
        }
    }
    Some(svg.finish())
}

/// The cycles of `measured` in the order of the colours: main causes, all others, waiting.
fn in_order(measured: &Measured, main: &[&'static str]) -> Vec<(&'static str, u64)> {
    let causes = measured.causes();
    let of = |wanted: &str| causes.iter().find(|cause| cause.0 == wanted).map_or(0, |cause| cause.1);
    let others =
        causes.iter().filter(|cause| !main.contains(&cause.0) && cause.0 != WAIT).map(|cause| cause.1).sum();
    let main = main.iter().map(|&cause| (cause, of(cause)));
    main.chain([("other", others), (WAIT, of(WAIT))]).filter(|cause| cause.1 > 0).collect()
}
