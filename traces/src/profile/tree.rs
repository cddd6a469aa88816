//! The tree of calls: a node is a function in the place that it was called from.

use std::collections::HashMap;

use relsim_core::hart::Priv;
use relsim_core::timing::CycleCause;

/// Nodes kept; what is called beyond that hangs directly below its hart.
const MAX_NODES: usize = 1 << 18;
/// Functions kept (pages without symbols are functions too); beyond that all others are one.
const MAX_FUNCTIONS: usize = 1 << 16;
/// Size of the pieces that code without symbols is told apart by, in bytes.
const PAGE_BYTES: u64 = 4096;

/// Number of a function in its tree.
pub type FunctionId = u32;
/// Number of a node in its tree.
pub type NodeId = u32;

/// What an address belongs to, for whoever knows symbols.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Name of the function, readable.
    pub name: String,
    /// The file that it comes from.
    pub object: String,
    /// Address of its first instruction.
    pub address: u64,
}

/// A function, or a page without symbols, at one privilege.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its name; for a page `0x` and its address.
    pub name: String,
    /// The file that it comes from, if that is known.
    pub object: Option<String>,
    /// Address of its first instruction, or of the page.
    pub address: u64,
    /// The privilege at which it ran; `None` for a hart, which stands as the root of its calls.
    pub privilege: Option<Priv>,
}

/// What something cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Core cycles.
    pub cycles: u64,
    /// Instructions retired.
    pub instructions: u64,
    /// Cycles by cause; all 0 where the timing model does not tell.
    pub causes: [u64; CycleCause::ALL.len()],
}

impl Default for Cost {
    fn default() -> Self {
        Self { cycles: 0, instructions: 0, causes: [0; CycleCause::ALL.len()] }
    }
}

impl Cost {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.cycles += other.cycles;
        self.instructions += other.instructions;
        self.causes.iter_mut().zip(other.causes).for_each(|(sum, n)| *sum += n);
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Causes with their cycles, the largest first, without what is 0.
    pub fn top_causes(&self) -> Vec<(CycleCause, u64)> {
        let mut causes: Vec<_> =
            CycleCause::ALL.iter().map(|&c| (c, self.causes[c as usize])).filter(|c| c.1 > 0).collect();
        causes.sort_by_key(|&(cause, cycles)| (std::cmp::Reverse(cycles), cause));
        causes
    }
}

/// A function in the place that it was called from.
#[derive(Debug, Clone)]
pub struct Node {
    /// The caller; a hart's root is its own.
    pub parent: NodeId,
    /// The function.
    pub function: FunctionId,
    /// How often it was entered from there.
    pub entries: u64,
    /// What it cost itself.
    pub cost: Cost,
}

/// Calls, and what they cost.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    children: HashMap<(NodeId, FunctionId), NodeId>,
    functions: Vec<FunctionInfo>,
    by_address: HashMap<(u64, Priv), FunctionId>,
    roots: Vec<NodeId>,
    elsewhere: Option<FunctionId>,
}

impl Tree {
    /// The root of hart number `hart`; those of lower numbers come to be with it.
    pub fn root(&mut self, hart: usize) -> NodeId {
        while self.roots.len() <= hart {
            let name = format!("hart {}", self.roots.len());
            let function = self.functions.len() as FunctionId;
            self.functions.push(FunctionInfo { name, object: None, address: 0, privilege: None });
            let node = self.nodes.len() as NodeId;
            self.nodes.push(Node { parent: node, function, entries: 0, cost: Cost::default() });
            self.roots.push(node);
        }
        self.roots[hart]
    }

    /// The roots, by hart.
    pub fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// The nodes; a parent comes before its children.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node.
    pub fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node as usize]
    }

    pub(super) fn node_mut(&mut self, node: NodeId) -> &mut Node {
        &mut self.nodes[node as usize]
    }

    /// The functions.
    pub fn functions(&self) -> &[FunctionInfo] {
        &self.functions
    }

    /// A function.
    pub fn function(&self, function: FunctionId) -> &FunctionInfo {
        &self.functions[function as usize]
    }

    /// The function that `address` belongs to according to `symbol`, at `privilege`.
    pub fn intern(&mut self, address: u64, privilege: Priv, symbol: Option<Symbol>) -> FunctionId {
        let (name, object, start) = match symbol {
            Some(symbol) => (symbol.name, Some(symbol.object), symbol.address),
            None => {
                let page = address & !(PAGE_BYTES - 1);
                (format!("{page:#x}"), None, page)
            }
        };
        if let Some(&id) = self.by_address.get(&(start, privilege)) {
            return id;
        }
        if self.functions.len() >= MAX_FUNCTIONS {
            let next = self.functions.len() as FunctionId;
            let id = *self.elsewhere.get_or_insert(next);
            if id == next {
                self.functions.push(FunctionInfo {
                    name: "elsewhere".into(),
                    object: None,
                    address: 0,
                    privilege: Some(privilege),
                });
            }
            return id;
        }
        let id = self.functions.len() as FunctionId;
        self.functions.push(FunctionInfo { name, object, address: start, privilege: Some(privilege) });
        self.by_address.insert((start, privilege), id);
        id
    }

    /// `function` as called by `parent` on `hart`.
    pub fn child(&mut self, parent: NodeId, function: FunctionId, hart: usize) -> NodeId {
        if let Some(&node) = self.children.get(&(parent, function)) {
            return node;
        }
        let root = self.root(hart);
        if self.nodes.len() >= MAX_NODES && parent != root {
            return self.child(root, function, hart);
        }
        let node = self.nodes.len() as NodeId;
        self.nodes.push(Node { parent, function, entries: 0, cost: Cost::default() });
        self.children.insert((parent, function), node);
        node
    }

    /// The cost of each node with all that it called.
    pub fn inclusive(&self) -> Vec<Cost> {
        let mut costs: Vec<Cost> = self.nodes.iter().map(|node| node.cost).collect();
        for (n, node) in self.nodes.iter().enumerate().rev() {
            let parent = node.parent as usize;
            if parent != n {
                let cost = costs[n];
                costs[parent].add(&cost);
            }
        }
        costs
    }

    /// Whether `wanted` is true of a node above `node`.
    pub fn any_above(&self, node: NodeId, wanted: impl Fn(NodeId) -> bool) -> bool {
        let mut at = node;
        loop {
            let parent = self.node(at).parent;
            if parent == at {
                return false;
            }
            if wanted(parent) {
                return true;
            }
            at = parent;
        }
    }

    /// What all nodes cost together.
    pub fn total(&self) -> Cost {
        let mut total = Cost::default();
        self.nodes.iter().for_each(|node| total.add(&node.cost));
        total
    }
}
