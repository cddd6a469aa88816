//! Capabilities that are made, moved and deleted at random, against a tree with explicit parents.

use std::collections::BTreeMap;
use std::vec::Vec;

use kernel_abi::{InitialCap, Invocation, ObjectType, bits};

use super::harness::{FREE, Interrupts, Rng, World, is_clear, log, scribble};
use crate::cap::{Cap, Kind};
use crate::mem::Ptr;
use crate::slot::Slot;
use crate::tcb::Tcb;

/// log2 of the untyped memory that everything is made of.
const MEMORY: u64 = 16;
/// Slots of the root task's CNode that take part.
const SLOTS: u64 = 20;
const ROOT: u64 = InitialCap::Cnode as u64;
const SLOT: u64 = 1 << bits::SLOT;

/// A capability as the model knows it.
#[derive(Clone, Debug)]
struct Node {
    /// Physical address of its slot.
    slot: u64,
    kind: Kind,
    paddr: u64,
    /// log2 of the object's bytes.
    size: u64,
    badge: u64,
    /// What is made from it derives from it.
    original: bool,
    parent: Option<usize>,
    children: Vec<usize>,
    /// Of untyped memory: bytes in use.
    used: u64,
    /// Of a zombie: where its slots are, and how many are left.
    zombie: Option<(u64, u64)>,
}

/// All of them, by numbers that are not used twice.
#[derive(Default)]
struct Model {
    nodes: BTreeMap<usize, Node>,
    at: BTreeMap<u64, usize>,
    next: usize,
}

impl Model {
    fn add(&mut self, node: Node) -> usize {
        let id = self.next;
        self.next += 1;
        assert!(self.at.insert(node.slot, id).is_none());
        self.nodes.insert(id, node);
        id
    }

    fn child(&mut self, parent: usize, place: usize, mut node: Node) {
        node.parent = Some(parent);
        let id = self.add(node);
        self.nodes.get_mut(&parent).unwrap().children.insert(place, id);
    }

    /// Behind `source`: below it if it is an original, else beside it.
    fn insert(&mut self, source: usize, node: Node) {
        let from = &self.nodes[&source];
        match (from.original, from.parent) {
            (true, _) => self.child(source, 0, node),
            (false, Some(parent)) => {
                let place = self.nodes[&parent].children.iter().position(|&id| id == source).unwrap();
                self.child(parent, place + 1, node);
            }
            (false, None) => drop(self.add(node)),
        }
    }

    /// What derives from it then derives from what it derived from.
    fn remove(&mut self, id: usize) {
        let node = self.nodes.remove(&id).unwrap();
        self.at.remove(&node.slot);
        for child in &node.children {
            self.nodes.get_mut(child).unwrap().parent = node.parent;
        }
        if let Some(parent) = node.parent {
            let siblings = &mut self.nodes.get_mut(&parent).unwrap().children;
            let place = siblings.iter().position(|&other| other == id).unwrap();
            siblings.splice(place..=place, node.children);
        }
    }

    fn relocate(&mut self, id: usize, slot: u64) {
        let node = self.nodes.get_mut(&id).unwrap();
        self.at.remove(&node.slot);
        node.slot = slot;
        assert!(self.at.insert(slot, id).is_none());
    }

    fn exchange(&mut self, one: u64, other: u64) {
        let (a, b) = (self.at.remove(&one), self.at.remove(&other));
        for (id, slot) in [(a, other), (b, one)] {
            if let Some(id) = id {
                self.nodes.get_mut(&id).unwrap().slot = slot;
                self.at.insert(slot, id);
            }
        }
    }

    fn is_last_for_container(&self, id: usize) -> bool {
        let node = &self.nodes[&id];
        let same = |other: &Node| other.kind == node.kind && other.paddr == node.paddr;
        matches!(node.kind, Kind::CNode | Kind::Thread)
            && self.nodes.values().filter(|other| same(other)).count() == 1
    }

    fn bury(&mut self, id: usize) {
        let node = self.nodes.get_mut(&id).unwrap();
        node.zombie = Some(match node.kind {
            Kind::CNode => (node.paddr, 1 << (node.size - bits::SLOT)),
            _ => (Ptr::<Tcb>::at(node.paddr).slots_paddr(), Tcb::SLOTS as u64),
        });
        node.kind = Kind::Zombie;
    }

    /// As the manual has it (section "Deletion and Revocation").
    fn delete(&mut self, slot: u64) {
        let Some(&id) = self.at.get(&slot) else { return };
        if self.is_last_for_container(id) {
            self.bury(id);
        }
        // Its slots, from the last on.
        while let Some(&Node { zombie: Some((base, left)), .. }) = self.nodes.get(&id) {
            if self.nodes[&id].slot != slot {
                // It has found itself and has been moved out of the way.
                return;
            }
            if left == 0 || (left == 1 && base == slot) {
                break;
            }
            let last = base + SLOT * (left - 1);
            self.delete_within(last);
            let node = self.nodes.get_mut(&id).unwrap();
            if node.slot == slot {
                assert!(!self.at.contains_key(&last));
                node.zombie = Some((base, left - 1));
            }
        }
        if self.at.get(&slot) == Some(&id) {
            self.remove(id);
        }
    }

    /// What is found in a container that goes: other containers are made unreachable, not emptied.
    fn delete_within(&mut self, slot: u64) {
        while let Some(&id) = self.at.get(&slot) {
            if self.is_last_for_container(id) {
                self.bury(id);
            }
            match self.nodes[&id].zombie {
                Some((base, _)) => {
                    assert_ne!(base, slot);
                    self.exchange(base, slot);
                }
                None => self.remove(id),
            }
        }
    }

    fn revoke(&mut self, slot: u64) {
        let Some(&id) = self.at.get(&slot) else { return };
        while let Some(&child) = self.nodes.get(&id).and_then(|node| node.children.first()) {
            self.delete(self.nodes[&child].slot);
        }
    }

    fn has_children(&self, id: usize) -> bool {
        !self.nodes[&id].children.is_empty()
    }

    /// From `id` on, parents first.
    fn pre_order(&self, id: usize, into: &mut Vec<usize>) {
        into.push(id);
        for &child in &self.nodes[&id].children {
            self.pre_order(child, into);
        }
    }
}

/// A CNode that slots are named in: its capability, bits to resolve, physical address of its first slot, slots.
#[derive(Clone, Copy)]
struct View {
    cap: u64,
    depth: u64,
    base: u64,
    first: u64,
    count: u64,
}

impl View {
    fn slot(&self, n: u64) -> u64 {
        self.base + SLOT * (self.first + n)
    }
}

struct Run {
    world: World,
    model: Model,
    rng: Rng,
    memory: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let world = World::new();
        world.retype(world.largest(), ObjectType::Untyped as u64, MEMORY, FREE, 1).ok();
        let mut model = Model::default();
        // The root task's CNode and its copy in the thread; they are never touched.
        let mut outside = |slot: Ptr<Slot>, original, size| {
            let cap = slot.cap();
            model.add(Node {
                slot: slot.paddr(),
                kind: cap.kind(),
                paddr: cap.paddr(),
                size,
                badge: 0,
                original,
                parent: None,
                children: Vec::new(),
                used: 0,
                zombie: None,
            })
        };
        outside(world.slot(ROOT), true, 18);
        outside(world.root.cspace(), false, 18);
        let memory = outside(world.slot(FREE), true, MEMORY);
        Self { world, model, rng: Rng::new(seed), memory }
    }

    /// CNodes that can be named: the root task's, and those with a capability in it.
    fn views(&self) -> Vec<View> {
        let root = self.world.root.cspace().cap();
        let mut views =
            std::vec![View { cap: ROOT, depth: 64, base: root.paddr(), first: FREE, count: SLOTS }];
        for n in FREE..FREE + SLOTS {
            let cap = self.world.slot(n).cap();
            if cap.is(Kind::CNode) {
                let (count, depth) = (1 << cap.radix(), cap.radix());
                views.push(View { cap: n, depth, base: cap.paddr(), first: 0, count });
            }
        }
        views
    }

    /// A slot: of which CNode, and where.
    fn place(&mut self) -> (View, u64) {
        let views = self.views();
        let view = if self.rng.below(2) == 0 { views[0] } else { self.rng.of(&views) };
        (view, self.rng.below(view.count))
    }

    /// The same; one time in two one with something that has a badge or could have one.
    fn badged_place(&mut self) -> (View, u64) {
        let mut found = Vec::new();
        for view in self.views() {
            found.extend(
                (0..view.count).map(|n| (view, n)).filter(|&(view, n)| self.is_badged_kind(view.slot(n))),
            );
        }
        if found.is_empty() || self.rng.below(2) == 0 { self.place() } else { self.rng.of(&found) }
    }

    fn address(view: View, n: u64) -> [u64; 2] {
        [view.first + n, view.depth]
    }

    /// A slot of the root task's CNode with something of `kind` in it.
    fn root_slot_of(&mut self, kind: Kind) -> Option<u64> {
        let list: Vec<u64> = (FREE..FREE + SLOTS).filter(|&n| self.world.slot(n).cap().is(kind)).collect();
        (!list.is_empty()).then(|| self.rng.of(&list))
    }

    fn retype(&mut self) {
        let Some(from) = self.root_slot_of(Kind::Untyped) else { return };
        let (view, _) = self.place();
        let offset = self.rng.below(view.count);
        let count = (1 + self.rng.below(3)).min(view.count - offset);
        let types = [(0, 12), (0, 5), (0, 11), (1, 0), (2, 0), (3, 0), (4, 1), (4, 3), (6, 0), (8, 0)];
        let (object, user_bits) = self.rng.of(&types);
        let object = ObjectType::from_number(object).unwrap();
        let size = object.size_bits(user_bits);
        let source = self.model.at[&self.world.slot(from).paddr()];
        let node = &self.model.nodes[&source];
        let used = if self.model.has_children(source) { node.used } else { 0 };
        let at = used.next_multiple_of(1 << size);
        let end = at + (count << size);
        let empty = (0..count).all(|n| !self.model.at.contains_key(&view.slot(offset + n)));
        let fits = empty && end <= 1 << node.size;
        let paddr = node.paddr;
        let words = [object as u64, user_bits, 0, 0, view.first + offset, count];
        let answer = self.world.invoke(from, Invocation::UntypedRetype, &[view.cap], &words);
        assert_eq!(answer.is_ok(), fits, "{object:?} {user_bits} {answer:?}");
        if !fits {
            return;
        }
        self.model.nodes.get_mut(&source).unwrap().used = end;
        for n in 0..count {
            let paddr = paddr + at + (n << size);
            let slot = view.slot(offset + n);
            let kind = Ptr::<Slot>::at(slot).cap().kind();
            let node = Node {
                slot,
                kind,
                paddr,
                size,
                badge: 0,
                original: true,
                parent: None,
                children: Vec::new(),
                used: 0,
                zombie: None,
            };
            if object != ObjectType::Tcb {
                assert!(is_clear(paddr, 1 << size), "{object:?} with something in it");
            }
            if object == ObjectType::Page {
                scribble(paddr, 1 << size);
            }
            self.model.child(source, 0, node);
        }
    }

    /// A copy of what is in `from`, with `badge`, if there may be one.
    fn copy_of(&self, from: u64, badge: u64, to: u64) -> Option<(usize, Node)> {
        let &source = self.model.at.get(&from)?;
        let node = &self.model.nodes[&source];
        let badge = match node.kind {
            Kind::Endpoint | Kind::Notification if badge == 0 => node.badge,
            Kind::Endpoint | Kind::Notification if node.badge != 0 => return None,
            Kind::Endpoint | Kind::Notification => badge,
            Kind::Untyped if self.model.has_children(source) => return None,
            // It is mapped nowhere.
            Kind::PageTable | Kind::Zombie | Kind::Reply => return None,
            _ => 0,
        };
        let original = badge != node.badge || node.kind == Kind::Untyped;
        let copy = Node { slot: to, badge, original, children: Vec::new(), ..node.clone() };
        Some((source, copy))
    }

    fn put_copy(&mut self, source: usize, copy: Node) {
        if copy.kind == Kind::Untyped {
            let node = self.model.nodes.get_mut(&source).unwrap();
            node.used = 1 << node.size;
        }
        self.model.insert(source, copy);
    }

    fn copy(&mut self) {
        let ((to, n), (from, m)) = (self.place(), self.badged_place());
        let mint = self.rng.below(2) == 0;
        let badge = if mint { self.rng.of(&[5, 5, 9]) } else { 0 };
        let is_badge = self.is_badged_kind(from.slot(m));
        let data = if is_badge { badge } else { 0 };
        let what = if mint { Invocation::CnodeMint } else { Invocation::CnodeCopy };
        let ([to_index, to_depth], [from_index, from_depth]) = (Self::address(to, n), Self::address(from, m));
        let mut words = std::vec![to_index, to_depth, from_index, from_depth, 15];
        if mint {
            words.push(data);
        }
        let answer = self.world.invoke(to.cap, what, &[from.cap], &words);
        let copy =
            self.copy_of(from.slot(m), data, to.slot(n)).filter(|_| !self.model.at.contains_key(&to.slot(n)));
        assert_eq!(answer.is_ok(), copy.is_some(), "{answer:?}");
        if let Some((source, copy)) = copy {
            self.put_copy(source, copy);
        }
    }

    fn is_badged_kind(&self, slot: u64) -> bool {
        let id = self.model.at.get(&slot);
        id.is_some_and(|id| matches!(self.model.nodes[id].kind, Kind::Endpoint | Kind::Notification))
    }

    /// The memory itself mostly stays where it is.
    fn is_spared(&mut self, slot: u64) -> bool {
        self.model.at.get(&slot) == Some(&self.memory) && self.rng.below(20) != 0
    }

    fn relocate(&mut self) {
        let ((to, n), (from, m)) = (self.place(), self.place());
        if self.is_spared(from.slot(m)) {
            return;
        }
        let mutate = self.rng.below(2) == 0;
        let what = if mutate { Invocation::CnodeMutate } else { Invocation::CnodeMove };
        let ([to_index, to_depth], [from_index, from_depth]) = (Self::address(to, n), Self::address(from, m));
        let words = [to_index, to_depth, from_index, from_depth, 0];
        let answer = self.world.invoke(to.cap, what, &[from.cap], &words);
        let there = self.model.at.get(&from.slot(m)).copied();
        let fits = !self.model.at.contains_key(&to.slot(n))
            && there.is_some()
            && !(mutate && self.is_badged_kind(from.slot(m)));
        assert_eq!(answer.is_ok(), fits, "{answer:?}");
        if let (true, Some(id)) = (fits, there) {
            self.model.relocate(id, to.slot(n));
        }
    }

    fn rotate(&mut self) {
        let ((to, n), (pivot, m), (mut from, mut k)) = (self.place(), self.place(), self.place());
        if self.rng.below(2) == 0 {
            (from, k) = (to, n);
        }
        let (to_at, pivot_at, from_at) = (to.slot(n), pivot.slot(m), from.slot(k));
        if self.is_spared(pivot_at) || self.is_spared(from_at) {
            return;
        }
        let words = [to.first + n, to.depth, 0, pivot.first + m, pivot.depth, 0, from.first + k, from.depth];
        let answer = self.world.invoke(to.cap, Invocation::CnodeRotate, &[pivot.cap, from.cap], &words);
        let there = |slot: u64| self.model.at.contains_key(&slot) && !self.is_badged_kind(slot);
        let free = from_at == to_at || !self.model.at.contains_key(&to_at);
        let fits = pivot_at != from_at && pivot_at != to_at && free && there(from_at) && there(pivot_at);
        assert_eq!(answer.is_ok(), fits, "{answer:?}");
        if fits {
            self.model.exchange(to_at, pivot_at);
            if from_at != to_at {
                self.model.exchange(pivot_at, from_at);
            }
        }
    }

    fn delete(&mut self) {
        let (view, n) = self.badged_place();
        if self.is_spared(view.slot(n)) {
            return;
        }
        self.world.invoke(view.cap, Invocation::CnodeDelete, &[], &Self::address(view, n)).ok();
        self.model.delete(view.slot(n));
    }

    fn revoke(&mut self) {
        let (view, n) = self.place();
        let slot = view.slot(n);
        // Not all of it all the time.
        if self.model.at.get(&slot) == Some(&self.memory) && self.rng.below(3) != 0 {
            return;
        }
        let answer = self.world.invoke(view.cap, Invocation::CnodeRevoke, &[], &Self::address(view, n));
        // The CNode in which the slot is named may have gone on the way, before the call was made again.
        assert!(answer.is_ok() || self.world.preempted.get() > 0);
        self.model.revoke(slot);
        if let Some(id) = self.model.at.get(&slot)
            && self.model.nodes[id].kind == Kind::Untyped
        {
            self.nothing_is_left(*id);
        }
    }

    /// Nothing derived from untyped memory exists anywhere, and all of it can be used again.
    fn nothing_is_left(&mut self, id: usize) {
        let node = self.model.nodes[&id].clone();
        let inside = |paddr: u64| (node.paddr..node.paddr + (1 << node.size)).contains(&paddr);
        for slot in self.world.slots().values() {
            let cap = slot.cap();
            assert!(!inside(slot.paddr()) || !inside(node.slot), "a slot in memory that is free");
            let above = cap.is(Kind::Untyped) && cap.untyped_bits() >= node.size;
            assert!(!cap.is_physical() || !inside(cap.paddr()) || above, "{:?} is left", cap.kind());
            assert!(!cap.is(Kind::Reply) || !inside(cap.paddr()), "a reply is left");
        }
        assert!(self.world.kernel.threads().all(|thread| !inside(thread.paddr())), "a thread is left");
        let ready = self.world.kernel.hart().ready.threads();
        assert!(ready.iter().all(|(_, thread)| !inside(thread.paddr())), "a thread is ready");
        let free = (FREE..FREE + SLOTS).find(|&n| self.world.slot(n).is_empty());
        let from = (FREE..FREE + SLOTS).find(|&n| self.world.slot(n).paddr() == node.slot);
        if let (Some(free), Some(from)) = (free, from) {
            self.world.retype(from, ObjectType::Untyped as u64, node.size, free, 1).ok();
            assert!(is_clear(node.paddr, 1 << node.size), "something is left in memory");
            self.world.delete(free).ok();
        }
    }

    /// Threads have capabilities, too.
    fn configure(&mut self) {
        let Some(thread) = self.root_slot_of(Kind::Thread) else { return };
        let Some(cnode) = self.root_slot_of(Kind::CNode) else { return };
        let tcb = self.world.slot(thread).cap().object::<Tcb>();
        let place = tcb.cspace().paddr();
        let vspace = InitialCap::Vspace as u64;
        let answer = self.world.invoke(thread, Invocation::TcbSetSpace, &[cnode, vspace], &[0, 0, 0]);
        // Not if that would be the end of a CNode.
        let long = self.model.at.get(&place).is_some_and(|&id| {
            self.model.is_last_for_container(id) || self.model.nodes[&id].kind == Kind::Zombie
        });
        assert_eq!(answer.is_ok(), !long, "{answer:?}");
        if long {
            return;
        }
        if let Some(&old) = self.model.at.get(&place) {
            self.model.remove(old);
        }
        let from = self.world.slot(cnode).paddr();
        let (source, copy) = self.copy_of(from, 0, place).unwrap();
        self.put_copy(source, copy);
        self.outside(tcb.vspace().paddr());
        self.world.invoke(thread, Invocation::TcbResume, &[], &[]).ok();
        self.outside(tcb.reply().paddr());
    }

    /// There is something from outside of the memory at `slot`.
    fn outside(&mut self, slot: u64) {
        if !self.model.at.contains_key(&slot) {
            let cap = Ptr::<Slot>::at(slot).cap();
            self.model.add(Node {
                slot,
                kind: cap.kind(),
                paddr: cap.paddr(),
                size: 12,
                badge: 0,
                original: false,
                parent: None,
                children: Vec::new(),
                used: 0,
                zombie: None,
            });
        }
    }

    fn check(&self) {
        self.world.check();
        // The list is the tree.
        let Some(memory) = self.model.nodes.get(&self.memory) else { return };
        let mut order = Vec::new();
        self.model.pre_order(self.memory, &mut order);
        let mut at = Some(Ptr::<Slot>::at(memory.slot));
        for id in &order {
            let node = &self.model.nodes[id];
            let slot = at.expect("the list is too short");
            let cap = slot.cap();
            let is = (slot.paddr(), cap.kind());
            assert_eq!(is, (node.slot, node.kind), "order, at {:?}", cap.paddr());
            match node.kind {
                Kind::Zombie => assert_eq!(Some((cap.paddr(), cap.zombie_left())), node.zombie),
                Kind::Endpoint | Kind::Notification => {
                    assert_eq!((cap.paddr(), cap.badge()), (node.paddr, node.badge))
                }
                _ => assert_eq!(cap.paddr(), node.paddr),
            }
            let first = node.children.first().map(|child| self.model.nodes[child].slot);
            assert_eq!(slot.first_child().map(Ptr::paddr), first, "children of {:?}", cap.kind());
            at = slot.neighbours().1;
        }
        let is_inside = |cap: Cap| (memory.paddr..memory.paddr + (1 << MEMORY)).contains(&cap.paddr());
        assert!(at.is_none_or(|slot| !is_inside(slot.cap())), "the list is too long");
        // Every object lies in what is used of the memory that it is made of.
        for id in &order {
            let node = &self.model.nodes[id];
            let mut up = node.parent;
            while let Some(parent) = up
                && let above = &self.model.nodes[&parent]
                && *id != self.memory
            {
                if above.kind == Kind::Untyped {
                    let used = Ptr::<Slot>::at(above.slot).cap().free_offset();
                    let end = node.paddr - above.paddr + (1 << node.size);
                    assert!(end <= used, "{:?} beyond what is used", node.kind);
                    break;
                }
                up = above.parent;
            }
        }
        // No two objects overlap.
        let mut objects: Vec<(u64, u64)> = order
            .iter()
            .map(|id| &self.model.nodes[id])
            .filter(|node| node.kind != Kind::Untyped)
            .map(|node| (node.paddr, node.paddr + (1 << node.size)))
            .collect();
        objects.sort_unstable();
        objects.dedup();
        assert!(objects.windows(2).all(|pair| pair[0].1 <= pair[1].0), "objects overlap");
    }

    fn step(&mut self) {
        match self.rng.below(16) {
            0..=3 => self.retype(),
            4..=6 => self.copy(),
            7 | 8 => self.relocate(),
            9 | 10 => self.rotate(),
            11 | 12 => self.delete(),
            13 => self.revoke(),
            _ => self.configure(),
        }
    }
}

fn run(seeds: core::ops::Range<u64>, steps: u64, interrupts: impl Fn(u64) -> Interrupts) -> u64 {
    let mut preempted = 0;
    for seed in seeds {
        let mut run = Run::new(seed);
        log(|log| log.interrupts = interrupts(seed));
        for step in 0..steps {
            std::eprintln!("seed {seed}, step {step}");
            run.step();
            run.check();
        }
        preempted += run.world.preempted.get();
        // In the end, everything goes.
        let largest = run.world.largest();
        run.world.revoke(largest).ok();
        run.world.check();
        assert_eq!(run.world.kernel.threads().count(), 1);
        assert!((FREE..FREE + SLOTS).all(|n| run.world.slot(n).is_empty()));
    }
    preempted
}

#[test]
fn the_list_is_the_tree() {
    assert_eq!(run(0..40, 300, |_| Interrupts::Never), 0);
}

#[test]
fn the_list_is_the_tree_with_interrupts_at_every_point() {
    assert!(run(0..20, 300, |_| Interrupts::Always) > 1000);
}

#[test]
fn the_list_is_the_tree_with_interrupts_here_and_there() {
    assert!(run(100..120, 300, |seed| Interrupts::Every(2 + seed % 7)) > 100);
}

/// What is left of a CNode in the middle of its deletion can be moved, and deleted from there, but nothing else.
#[test]
fn a_zombie_is_good_for_nothing() {
    let world = World::new();
    let from = world.largest();
    let (cnode, endpoint, thread) = (FREE + 1, FREE + 2, FREE + 4);
    world.retype(from, ObjectType::CapTable as u64, 3, cnode, 1).ok();
    world.retype(from, ObjectType::Endpoint as u64, 0, endpoint, 1).ok();
    world.retype(from, ObjectType::Tcb as u64, 0, thread, 1).ok();
    for n in 0..8 {
        let words = [n, 3, endpoint, 64, 15, 1 + n];
        world.invoke(cnode, Invocation::CnodeMint, &[ROOT], &words).ok();
    }
    log(|log| log.interrupts = Interrupts::Always);
    let delete = [cnode, 64];
    world.load(world.root, ROOT, Invocation::CnodeDelete.label(crate::SMP), &[], &delete);
    assert!(world.kernel.syscall(-1).is_err(), "it takes longer");
    world.leave();
    log(|log| log.interrupts = Interrupts::Never);
    let zombie = world.slot(cnode).cap();
    assert_eq!((zombie.kind(), zombie.zombie_left()), (Kind::Zombie, 7));
    world.check();

    let vspace = InitialCap::Vspace as u64;
    assert_eq!(world.mint(cnode, FREE + 5, 15, 0).label, 3);
    assert_eq!(world.invoke(cnode, Invocation::CnodeDelete, &[], &[0, 3]).label, 2);
    assert_eq!(world.invoke(ROOT, Invocation::CnodeDelete, &[], &[cnode << 3, 64 + 3]).label, 4);
    assert_eq!(world.invoke(ROOT, Invocation::CnodeCopy, &[cnode], &[FREE + 5, 64, 0, 3, 15]).label, 6);
    assert_eq!(world.invoke(thread, Invocation::TcbSetSpace, &[cnode, vspace], &[0, 0, 0]).label, 3);
    assert_eq!(world.invoke(thread, Invocation::TcbSetIpcBuffer, &[cnode], &[0x4000]).label, 3);
    // Nothing derives from it.
    world.revoke(cnode).ok();
    assert_eq!(world.slot(cnode).cap(), zombie);
    world.invoke(ROOT, Invocation::CnodeMove, &[ROOT], &[FREE + 6, 64, cnode, 64]).ok();
    world.retype(from, ObjectType::Endpoint as u64, 0, cnode, 1).ok();
    world.invoke(ROOT, Invocation::CnodeMutate, &[ROOT], &[FREE + 7, 64, FREE + 6, 64, 5]).ok();
    assert_eq!(world.slot(FREE + 7).cap(), zombie);
    world.check();
    world.delete(FREE + 7).ok();
    assert!(world.slot(FREE + 7).is_empty());
    // All badges were in it.
    world.revoke(endpoint).ok();
    world.check();
}

/// What one caller has cleared when it is preempted, another one may use, and the first one then finds the rest.
#[test]
fn memory_is_used_while_it_is_cleared() {
    let world = World::new();
    let (memory, first) = (FREE, FREE + 1);
    world.retype(world.largest(), ObjectType::Untyped as u64, 14, memory, 1).ok();
    world.retype(memory, ObjectType::Page as u64, 0, first, 4).ok();
    let paddr = world.slot(memory).cap().paddr();
    scribble(paddr, 1 << 14);
    world.revoke(memory).ok();
    log(|log| log.interrupts = Interrupts::Always);
    let words = [ObjectType::Page as u64, 0, 0, 0, first, 1];
    world.load(world.root, memory, Invocation::UntypedRetype.label(crate::SMP), &[ROOT], &words);
    for n in 1..4u64 {
        assert!(world.kernel.syscall(-1).is_err());
        world.leave();
        assert_eq!(world.slot(memory).cap().free_offset(), (1 << 14) - (n << 8));
        assert!(world.slot(first).is_empty());
    }
    log(|log| log.interrupts = Interrupts::Never);
    world.retype(memory, ObjectType::Endpoint as u64, 0, first + 1, 2).ok();
    assert!(is_clear(paddr, 1 << 14));
    world.retype(memory, ObjectType::Page as u64, 0, first, 1).ok();
    assert_eq!(world.slot(first).cap().paddr(), paddr + 0x1000);
    world.check();
}
