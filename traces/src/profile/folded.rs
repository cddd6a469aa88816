//! Folded stacks: a line per stack with its frames from the root on, `;` between them, and how much of the metric
//! its innermost function has itself. Flame graph tools read it: flamegraph.pl, inferno, speedscope.
//!
//! ```text
//! hart 0;_start;guest_main;core::fmt::write 5312
//! ```

use std::io::{self, Write};

use super::Metric;
use super::tree::{NodeId, Tree};

/// Writes the stacks that have something of `metric`.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut impl Write, tree: &Tree, metric: Metric) -> io::Result<()> {
    for (n, node) in tree.nodes().iter().enumerate() {
        let count = metric.of(&node.cost);
        if count == 0 {
            continue;
        }
        let mut frames = Vec::new();
        let mut at = n as NodeId;
        loop {
            let node = tree.node(at);
            frames.push(tree.function(node.function).name.replace(';', ":").replace(['\n', '\r'], " "));
            if node.parent == at {
                break;
            }
            at = node.parent;
        }
        frames.reverse();
        writeln!(out, "{} {count}", frames.join(";"))?;
    }
    Ok(())
}
