//! The comparison for people at a terminal, and for logs.

use std::fmt::Write;

use super::{Measure, Panel, Results, Row};

/// Causes that are named of each run.
const TOP_CAUSES: usize = 4;

/// A number with as many digits as say something.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 || size == 0.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && digit.is_ascii_digit() && (whole.len() - n).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

fn cell(value: Option<f64>) -> String {
    value.map_or("-".into(), number)
}

/// Everything: a table for each panel and measure, what crosses, where the cycles went, and what failed.
pub fn table(results: &Results<'_>) -> String {
    let mut text = String::new();
    for panel in results.panels() {
        self::panel(&mut text, &panel);
    }
    let failures = results.failures();
    for (run, why) in &failures {
        let mut lines = why.lines();
        let _ = writeln!(text, "failed: {run}: {}", lines.next().unwrap_or_default());
        for line in lines {
            let _ = writeln!(text, "    {line}");
        }
    }
    if !failures.is_empty() {
        let _ = writeln!(text, "{} of {} runs failed", failures.len(), results.runs().count());
    }
    text
}

// Writing to a string does not fail.

fn panel(text: &mut String, panel: &Panel<'_>) {
    let _ = writeln!(text, "{}: {}", panel.experiment.name.as_ref(), panel.title());
    let rows = panel.rows();
    for measure in panel.measures() {
        let _ = writeln!(text);
        grid(text, &cells(panel, &rows, measure));
    }
    let published = panel.published_crossings().into_iter().map(|crossing| format!("published: {crossing}"));
    let crossings: Vec<_> = panel.crossings().into_iter().chain(published).collect();
    if !crossings.is_empty() {
        let _ = writeln!(text, "\n{}", crossings.join("\n"));
    }
    causes(text, panel, &rows);
    let _ = writeln!(text);
}

/// The lines of a table: mechanisms, and below each what others measured.
pub(super) fn cells(panel: &Panel<'_>, rows: &[Row<'_>], measure: &Measure) -> Vec<Vec<String>> {
    let mut head = vec![measure.title()];
    let axis = panel.axis();
    head.extend(panel.xs().iter().enumerate().map(|(n, x)| match axis {
        Some(axis) if n == 0 => format!("{axis} {x}"),
        _ => x.to_string(),
    }));
    let mut lines = vec![head];
    for row in rows {
        let values = panel.series(row, measure);
        lines.push(std::iter::once(row.name.to_string()).chain(values.iter().map(|v| cell(*v))).collect());
        let published = panel.published(row, measure);
        if published.iter().any(Option::is_some) {
            let shown = |v: &Option<f64>| v.map_or(String::new(), number);
            lines.push(std::iter::once("  published".into()).chain(published.iter().map(shown)).collect());
            let ratio = |(ours, theirs): (&Option<f64>, &Option<f64>)| match (ours, theirs) {
                (Some(ours), Some(theirs)) if *theirs > 0.0 => format!("{:.2}", ours / theirs),
                _ => String::new(),
            };
            let ratios = values.iter().zip(&published).map(ratio);
            lines.push(std::iter::once("  ours / published".into()).chain(ratios).collect());
        }
    }
    lines
}

/// Writes `lines` in columns, the first to the left.
fn grid(text: &mut String, lines: &[Vec<String>]) {
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns).map(width).collect();
    for line in lines {
        let mut shown = String::new();
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let _ =
                if column == 0 { write!(shown, "{cell:<width$}") } else { write!(shown, "  {cell:>width$}") };
        }
        let _ = writeln!(text, "{}", shown.trim_end());
    }
}

/// Where the cycles went at both ends of the axis, and how busy each hart was.
fn causes(text: &mut String, panel: &Panel<'_>, rows: &[Row<'_>]) {
    let xs = panel.xs();
    let mut lines = Vec::new();
    for row in rows {
        let last = xs.len().saturating_sub(1);
        let ends = if row.constant || last == 0 { vec![0] } else { vec![0, last] };
        for x in ends {
            let Some(measured) = row.measured.get(x).copied().flatten() else { continue };
            let causes = measured.causes();
            let all: u64 = causes.iter().map(|(_, cycles)| cycles).sum();
            if all == 0 {
                continue;
            }
            let top = causes.iter().take(TOP_CAUSES);
            let top = top.map(|(cause, n)| format!("{cause} {:.1}%", *n as f64 * 100.0 / all as f64));
            let busy =
                measured.harts.iter().filter_map(|hart| hart.cpu_percent()).map(|p| format!("{p:.0}%"));
            let at = match panel.axis() {
                Some(axis) if !row.constant => format!("{}, {axis} {}", row.name, xs[x]),
                _ => row.name.to_string(),
            };
            lines.push(vec![at, String::new()]);
            let busy = busy.collect::<Vec<_>>().join(" ");
            if let Some(cell) = lines.last_mut().and_then(|line| line.last_mut()) {
                *cell = format!("{}; harts busy {busy}", top.collect::<Vec<_>>().join(", "));
            }
        }
    }
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\nwhere the cycles of all harts went");
    let width = lines.iter().map(|line| line[0].chars().count()).max().unwrap_or(0);
    for line in lines {
        let _ = writeln!(text, "{:<width$}  {}", line[0], line[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_digits_that_say_something() {
        for (value, shown) in [
            (0.0, "0.00"),
            (0.03125, "0.031"),
            (1.5, "1.50"),
            (12.34, "12.3"),
            (999.6, "1,000"),
            (1234567.0, "1,234,567"),
            (-1234.0, "-1,234"),
            (-123.0, "-123"),
        ] {
            assert_eq!(number(value), shown);
        }
    }
}
