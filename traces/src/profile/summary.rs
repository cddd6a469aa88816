//! The tree added up by function.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::Metric;
use super::tree::{Cost, FunctionId, NodeId, Tree};

/// What a function cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCost {
    /// The function.
    pub function: FunctionId,
    /// How often it was entered.
    pub entries: u64,
    /// Itself.
    pub own: Cost,
    /// With all that it called, a cycle counted once however often the function is above it.
    pub inclusive: Cost,
}

/// What one function's calls of another cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallCost {
    /// The caller.
    pub caller: FunctionId,
    /// The callee.
    pub callee: FunctionId,
    /// How often.
    pub calls: u64,
    /// The callee with all that it called; in recursions each cycle once.
    pub inclusive: Cost,
}

/// The costs of a run.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The whole run; the sum of what the functions cost themselves.
    pub total: Cost,
    /// The functions that cost something, in the order of the metric they were sorted by; harts are not among
    /// them unless something passed on them before their first instruction.
    pub functions: Vec<FunctionCost>,
    /// The calls, by caller and callee.
    pub calls: Vec<CallCost>,
}

impl Summary {
    /// Adds `tree` up; the function that itself has most of `metric` comes first.
    pub fn new(tree: &Tree, metric: Metric) -> Self {
        let inclusive = tree.inclusive();
        let mut functions: HashMap<FunctionId, FunctionCost> = HashMap::new();
        let mut calls: HashMap<(FunctionId, FunctionId), CallCost> = HashMap::new();
        let function_of = |node: NodeId| tree.node(node).function;
        for (n, node) in tree.nodes().iter().enumerate() {
            let id = n as NodeId;
            let entry = functions.entry(node.function).or_insert_with(|| FunctionCost {
                function: node.function,
                entries: 0,
                own: Cost::default(),
                inclusive: Cost::default(),
            });
            entry.own.add(&node.cost);
            entry.entries += node.entries;
            if !tree.any_above(id, |above| function_of(above) == node.function) {
                entry.inclusive.add(&inclusive[n]);
            }
            if node.parent == id {
                continue;
            }
            let (caller, callee) = (function_of(node.parent), node.function);
            let call = calls.entry((caller, callee)).or_insert_with(|| CallCost {
                caller,
                callee,
                calls: 0,
                inclusive: Cost::default(),
            });
            call.calls += node.entries;
            let again = tree.any_above(id, |above| {
                function_of(above) == callee && above != id && function_of(tree.node(above).parent) == caller
            });
            if !again {
                call.inclusive.add(&inclusive[n]);
            }
        }
        let is_root = |f: &FunctionCost| tree.function(f.function).privilege.is_none();
        let mut functions: Vec<_> =
            functions.into_values().filter(|f| !f.own.is_zero() || (f.entries > 0 && !is_root(f))).collect();
        functions.sort_by_key(|f| {
            (Reverse(metric.of(&f.own)), Reverse(metric.of(&f.inclusive)), Reverse(f.own.cycles), f.function)
        });
        let mut calls: Vec<_> = calls.into_values().collect();
        calls.sort_by_key(|call| (call.caller, call.callee));
        Self { total: tree.total(), functions, calls }
    }
}
