//! A profile as a table for people.

use std::io::{self, Write};

use super::Metric;
use super::summary::{FunctionCost, Summary};
use super::tree::{Cost, Tree};

/// Causes shown beside a function.
const CAUSES: usize = 3;
/// A cause is shown beside a function if it has at least this part of it, in per cent.
const CAUSE_PERCENT: u64 = 5;

/// `part` of `whole` in per cent.
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 }
}

/// The largest causes of `cost`, in per cent of it.
fn causes(cost: &Cost) -> String {
    let shown =
        cost.top_causes().into_iter().take(CAUSES).filter(|c| c.1 * 100 >= cost.cycles * CAUSE_PERCENT);
    shown
        .map(|(cause, n)| format!("{} {:.0}%", cause.name(), percent(n, cost.cycles)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Writes the `top` functions, which are in the order of `metric`.
///
/// # Errors
/// Those of `out`.
pub fn write(
    out: &mut impl Write,
    tree: &Tree,
    summary: &Summary,
    metric: Metric,
    top: usize,
) -> io::Result<()> {
    let total = &summary.total;
    writeln!(out, "{} cycles, {} instructions", total.cycles, total.instructions)?;
    let known = total.top_causes();
    if !known.is_empty() {
        writeln!(out)?;
        writeln!(out, "{:>15} {:>6}  cause", "cycles", "%")?;
        for (cause, n) in &known {
            writeln!(out, "{n:>15} {:>6.2}  {}", percent(*n, total.cycles), cause.name())?;
        }
    }
    writeln!(out)?;
    let has_causes = !known.is_empty();
    let head = if has_causes { "  where its cycles went" } else { "" };
    let shown = &summary.functions[..top.min(summary.functions.len())];
    let width = |f: &FunctionCost| tree.function(f.function).name.chars().count();
    let name_width = if has_causes { shown.iter().map(width).max().unwrap_or(0).clamp(8, 50) } else { 0 };
    writeln!(
        out,
        "{:>15} {:>6} {:>15} {:>6} {:>15} {:>6}  mode  {:name_width$}{head}",
        metric.name(),
        "%",
        "with callees",
        "%",
        "instructions",
        "CPI",
        "function",
    )?;
    let whole = metric.of(total);
    for f in shown {
        let info = tree.function(f.function);
        let (own, inclusive) = (metric.of(&f.own), metric.of(&f.inclusive));
        let cpi = match f.own.instructions {
            0 => "-".into(),
            n => format!("{:.2}", f.own.cycles as f64 / n as f64),
        };
        let text = format!(
            "{own:>15} {:>6.2} {inclusive:>15} {:>6.2} {:>15} {cpi:>6}  {:<4}  {:name_width$}  {}",
            percent(own, whole),
            percent(inclusive, whole),
            f.own.instructions,
            info.privilege.map_or('-', relsim_core::hart::Priv::letter),
            info.name,
            causes(&f.own),
        );
        writeln!(out, "{}", text.trim_end())?;
    }
    let rest = summary.functions.len() - shown.len();
    if rest > 0 {
        let own: u64 = summary.functions[shown.len()..].iter().map(|f| metric.of(&f.own)).sum();
        writeln!(out, "{own:>15} {:>6.2}  in {rest} other functions", percent(own, whole))?;
    }
    Ok(())
}
