//! The collector: an observer that charges each cycle to a function.

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::{Op, OpClass};
use relsim_core::observe::Observer;
use relsim_core::timing::{CycleCause, Ledger};
use relsim_core::trap::TrapTaken;

use super::stack::{Stack, Thread};
use super::tree::{Cost, FunctionId, Symbol, Tree};

/// Entries of a hart's table from instructions to functions.
const CACHE_ENTRIES: usize = 8192;
/// Every privilege that a ledger knows.
const PRIVILEGES: [Priv; 3] = [Priv::U, Priv::S, Priv::M];

/// `x1` or `x5`: registers that return addresses are in (unprivileged specification 2.5.1).
const fn is_link(register: u8) -> bool {
    matches!(register, 1 | 5)
}

#[derive(Debug, Clone, Copy)]
struct Cached {
    pc: u64,
    privilege: Priv,
    function: FunctionId,
}

/// What is known of a hart.
struct Watched {
    stack: Stack,
    /// Its ledger when the latest cycles were charged.
    ledger: Ledger,
    /// Its cycle count then.
    cycle: u64,
    /// Its retired instructions then.
    instret: u64,
    /// What is charged next.
    pending: Cost,
    /// Whether there are other causes in it than [`CycleCause::Issue`].
    held_up: bool,
    cache: Box<[Option<Cached>]>,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            stack: Stack::default(),
            ledger: Ledger::default(),
            cycle: 0,
            instret: 0,
            pending: Cost::default(),
            held_up: false,
            cache: vec![None; CACHE_ENTRIES].into(),
        }
    }
}

impl Watched {
    /// Takes what has passed up to `cycle` and `instret` into `pending`.
    fn advance(&mut self, cycle: u64, instret: u64) -> u64 {
        let cycles = cycle.saturating_sub(self.cycle);
        self.cycle = cycle;
        self.pending.cycles += cycles;
        self.pending.instructions += instret.saturating_sub(self.instret);
        self.instret = instret;
        cycles
    }

    /// Takes what `ledger` has got for one cause since the last time into `pending`.
    fn cause(&mut self, ledger: &Ledger, privilege: Priv, cause: CycleCause) -> u64 {
        let new = ledger.get(privilege, cause).saturating_sub(self.ledger.get(privilege, cause));
        if new > 0 {
            self.pending.causes[cause as usize] += new;
            self.ledger.charge(privilege, cause, new);
        }
        new
    }

    /// Moves what is pending to `cost`.
    fn pay(&mut self, cost: &mut Cost) {
        let issue = CycleCause::Issue as usize;
        if std::mem::take(&mut self.held_up) {
            cost.add(&std::mem::take(&mut self.pending));
            return;
        }
        cost.cycles += std::mem::take(&mut self.pending.cycles);
        cost.instructions += std::mem::take(&mut self.pending.instructions);
        cost.causes[issue] += std::mem::take(&mut self.pending.causes[issue]);
    }

    /// The same as [`Watched::cause`], for all causes.
    fn causes(&mut self, ledger: &Ledger) {
        self.held_up = true;
        for privilege in PRIVILEGES {
            for cause in CycleCause::ALL {
                self.cause(ledger, privilege, cause);
            }
        }
    }
}

/// Watches a run and charges its cycles to functions. `S` gives the function that an address belongs to.
pub struct Profile<S> {
    symbols: S,
    tree: Tree,
    harts: Vec<Watched>,
}

impl<S: Fn(u64) -> Option<Symbol>> Profile<S> {
    /// Nothing has been seen yet, of `harts` harts.
    pub fn new(harts: usize, symbols: S) -> Self {
        let mut tree = Tree::default();
        (0..harts).for_each(|hart| {
            tree.root(hart);
        });
        Self { symbols, tree, harts: std::iter::repeat_with(Watched::default).take(harts).collect() }
    }

    fn function(&mut self, hart: usize, pc: u64, privilege: Priv) -> FunctionId {
        let slot = (pc >> 1) as usize % CACHE_ENTRIES;
        match self.harts[hart].cache[slot] {
            Some(known) if known.pc == pc && known.privilege == privilege => known.function,
            _ => {
                let function = self.tree.intern(pc, privilege, (self.symbols)(pc));
                self.harts[hart].cache[slot] = Some(Cached { pc, privilege, function });
                function
            }
        }
    }

    /// Charges what is pending to the function at `pc`, which runs.
    fn settle(&mut self, hart: usize, pc: u64, privilege: Priv) {
        let function = self.function(hart, pc, privilege);
        let watched = &mut self.harts[hart];
        let top = watched.stack.top();
        let node = match top {
            Some(node) if self.tree.node(node).function == function => node,
            _ => {
                let parent = match top {
                    Some(node) => self.tree.node(node).parent,
                    None => self.tree.root(hart),
                };
                let node = self.tree.child(parent, function, hart);
                self.tree.node_mut(node).entries += 1;
                watched.stack.replace(node);
                node
            }
        };
        watched.pay(&mut self.tree.node_mut(node).cost);
    }

    /// A node for the function at `pc`, called by the one that runs.
    fn enter(&mut self, hart: usize, pc: u64, privilege: Priv) -> u32 {
        let function = self.function(hart, pc, privilege);
        let caller = self.harts[hart].stack.top().unwrap_or_else(|| self.tree.root(hart));
        let node = self.tree.child(caller, function, hart);
        self.tree.node_mut(node).entries += 1;
        node
    }

    fn call(&mut self, hart: usize, target: u64, privilege: Priv, back: u64) {
        if self.harts[hart].stack.has_room() {
            let node = self.enter(hart, target, privilege);
            self.harts[hart].stack.call(node, back);
        }
    }

    /// What has passed on `hart` behind its last instruction: it sleeps. `ledger` is where all its cycles went,
    /// if the timing model tells. To be called once for each hart, in the end.
    pub fn finish_hart(&mut self, hart: &Hart, ledger: Option<&Ledger>) {
        let id = hart.config.id;
        let watched = &mut self.harts[id];
        watched.advance(hart.cycle, hart.instret);
        ledger.into_iter().for_each(|ledger| watched.causes(ledger));
        let node = watched.stack.top().unwrap_or_else(|| self.tree.root(id));
        watched.pay(&mut self.tree.node_mut(node).cost);
    }

    /// The calls that were seen.
    pub fn into_tree(self) -> Tree {
        self.tree
    }
}

impl<S: Fn(u64) -> Option<Symbol>> Observer for Profile<S> {
    const ON: bool = true;

    fn charged(&mut self, hart: &Hart, ledger: Option<&Ledger>) {
        // Without a ledger a block is counted as a whole: only `retired` knows how far it has got.
        let Some(ledger) = ledger else { return };
        let watched = &mut self.harts[hart.config.id];
        let cycles = watched.advance(hart.cycle, watched.instret);
        // Else it is the usual instruction, which nothing held up; what is not looked at now is found later.
        if watched.cause(ledger, hart.privilege, CycleCause::Issue) != cycles {
            watched.causes(ledger);
        }
    }

    fn retired(&mut self, hart: &Hart, _: &Bus, op: &Op, pc: u64, privilege: Priv) {
        let id = hart.config.id;
        // Calls of the built-in firmware count as instructions and are not told: they come with what follows.
        self.harts[id].advance(hart.cycle_at(op) + hart.cycles_per_op, hart.instret_at(op) + 1);
        self.settle(id, pc, privilege);
        match op.class {
            OpClass::Jump | OpClass::JumpIndirect => {
                let back = pc.wrapping_add(u64::from(op.len));
                let returns = op.class == OpClass::JumpIndirect
                    && is_link(op.rs1)
                    && (!is_link(op.rd) || op.rd != op.rs1);
                if returns {
                    self.harts[id].stack.ret(hart.next_pc);
                }
                if is_link(op.rd) {
                    self.call(id, hart.next_pc, privilege, back);
                }
            }
            OpClass::TrapReturn => {
                self.harts[id].stack.trap_return(Thread::of(hart, hart.privilege));
            }
            _ => {}
        }
    }

    fn trapped(&mut self, hart: &Hart, _: &Bus, trap: &TrapTaken) {
        let id = hart.config.id;
        self.harts[id].advance(hart.cycle, hart.instret);
        self.settle(id, trap.epc, trap.from);
        if self.harts[id].stack.has_room() {
            let node = self.enter(id, hart.pc, trap.to);
            self.harts[id].stack.trap(node, Thread::of(hart, trap.from));
        }
    }
}
