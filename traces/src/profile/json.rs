//! A profile as JSON: totals, functions, and the calls between them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::summary::Summary;
use super::tree::{Cost, FunctionId, Tree};

#[derive(Serialize)]
struct CostJson {
    cycles: u64,
    instructions: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    cycles_by_cause: BTreeMap<&'static str, u64>,
}

impl From<&Cost> for CostJson {
    fn from(cost: &Cost) -> Self {
        Self {
            cycles: cost.cycles,
            instructions: cost.instructions,
            cycles_by_cause: cost.top_causes().into_iter().map(|(cause, n)| (cause.name(), n)).collect(),
        }
    }
}

#[derive(Serialize)]
struct FunctionJson<'a> {
    id: FunctionId,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<&'a str>,
    /// A string, since JSON's numbers end at 2^53 in many readers.
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    privilege: Option<char>,
    entries: u64,
    own: CostJson,
    inclusive: CostJson,
}

#[derive(Serialize)]
struct CallJson {
    caller: FunctionId,
    callee: FunctionId,
    calls: u64,
    inclusive: CostJson,
}

#[derive(Serialize)]
struct ProfileJson<'a> {
    image: &'a str,
    total: CostJson,
    functions: Vec<FunctionJson<'a>>,
    calls: Vec<CallJson>,
}

/// Writes the `top` functions of a profile of `image`, or all, and the calls among them.
///
/// # Errors
/// Those of `out`.
pub fn write(
    out: &mut impl Write,
    tree: &Tree,
    summary: &Summary,
    image: &str,
    top: Option<usize>,
) -> io::Result<()> {
    let shown = &summary.functions[..top.unwrap_or(usize::MAX).min(summary.functions.len())];
    let functions = shown.iter().map(|f| {
        let info = tree.function(f.function);
        FunctionJson {
            id: f.function,
            name: &info.name,
            object: info.object.as_deref(),
            address: format!("{:#x}", info.address),
            privilege: info.privilege.map(relsim_core::hart::Priv::letter),
            entries: f.entries,
            own: (&f.own).into(),
            inclusive: (&f.inclusive).into(),
        }
    });
    let is_shown: std::collections::HashSet<_> = shown.iter().map(|f| f.function).collect();
    let calls = summary.calls.iter().filter(|c| is_shown.contains(&c.caller) && is_shown.contains(&c.callee));
    let profile = ProfileJson {
        image,
        total: (&summary.total).into(),
        functions: functions.collect(),
        calls: calls
            .map(|c| CallJson {
                caller: c.caller,
                callee: c.callee,
                calls: c.calls,
                inclusive: (&c.inclusive).into(),
            })
            .collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &profile)?;
    writeln!(out)
}
