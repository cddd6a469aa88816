//! Address spaces against a table of what is mapped where.

use std::collections::BTreeMap;
use std::vec::Vec;

use kernel_abi::{InitialCap, Invocation, VmAttributes};

use super::harness::{BASE, FREE, Rng, World, log};
use crate::cap::Kind;
use crate::mem::Ptr;
use crate::vspace::{PTES, Pte};

const POOL: u64 = InitialCap::AsidPool as u64;
const PAGE_TABLE: u64 = 8;
const PAGE: u64 = 6;
const MEGA_PAGE: u64 = 7;

/// What the hardware finds at `vaddr` below `root`: address and flags.
fn translate(root: u64, vaddr: u64) -> Option<(u64, u64)> {
    let mut table = root;
    for level in [30, 21, 12] {
        let index = (vaddr >> level) as usize % PTES;
        let pte = Ptr::<core::cell::Cell<Pte>>::at(table).nth(index).get().0;
        if pte & 1 == 0 {
            return None;
        }
        let paddr = pte >> 10 << 12;
        if pte & 0xe != 0 {
            assert_eq!(paddr % (1 << level), 0, "a page is not aligned");
            return Some((paddr + vaddr % (1 << level), pte & 0xff));
        }
        table = paddr;
    }
    panic!("a table in the place of a page");
}

/// Every user page that the hardware finds below `root`: virtual address, physical one, size.
fn pages(root: u64) -> Vec<(u64, u64, u64)> {
    let mut found = Vec::new();
    let mut todo: Vec<(u64, u64, u64)> = std::vec![(root, 0, 30)];
    while let Some((table, base, level)) = todo.pop() {
        let entries = if level == 30 { PTES / 2 } else { PTES };
        for n in 0..entries {
            let pte = Ptr::<core::cell::Cell<Pte>>::at(table).nth(n).get().0;
            let (paddr, vaddr) = (pte >> 10 << 12, base + ((n as u64) << level));
            if pte & 1 != 0 && pte & 0xe != 0 {
                found.push((vaddr, paddr, level));
            } else if pte & 1 != 0 {
                todo.push((paddr, vaddr, level - 9));
            }
        }
    }
    found.sort_unstable();
    found
}

/// Makes an address space of its own, with a capability in `slot`.
fn new_space(world: &World, slot: u64) -> u64 {
    world.retype(world.largest(), PAGE_TABLE, 0, slot, 1).ok();
    world.invoke(POOL, Invocation::AsidPoolAssign, &[slot], &[]).ok();
    world.slot(slot).cap().paddr()
}

#[test]
fn a_page_is_where_it_was_mapped() {
    let world = World::new();
    let (from, space, table, frame) = (world.largest(), FREE, FREE + 1, FREE + 3);
    let root = new_space(&world, space);
    world.retype(from, PAGE_TABLE, 0, table, 2).ok();
    world.retype(from, PAGE, 0, frame, 1).ok();
    let vaddr = 0x12_3456_7000;
    let map =
        |rights, attributes| world.invoke(frame, Invocation::PageMap, &[space], &[vaddr, rights, attributes]);
    let missing = map(3, 0);
    // Failed lookup, of no source, nothing there, and the bits that are left.
    assert_eq!((missing.label, &missing.words[..]), (6, &[0, 2, 30][..]));
    for n in 0..2 {
        world.invoke(table + n, Invocation::PageTableMap, &[space], &[vaddr, 0]).ok();
    }
    assert_eq!(translate(root, vaddr), None);
    let paddr = world.slot(frame).cap().paddr();
    let (v, r, w, x, u, ad) = (1, 2, 4, 8, 16, 0xc0);
    for (rights, attributes, flags) in [
        (3, 0, v | r | w | x | u | ad),
        (2, 0, v | r | x | u | ad),
        (3, VmAttributes::EXECUTE_NEVER.0, v | r | w | u | ad),
        // Writing alone is nothing; not for users.
        (1, 0, v | r | ad),
    ] {
        map(rights, attributes).ok();
        assert_eq!(translate(root, vaddr + 8), Some((paddr + 8, flags)));
    }
    let asid = world.slot(frame).cap().asid();
    assert!(log(|log| log.flushes.contains(&(asid, Some(vaddr)))));
    // Elsewhere only after it is taken out.
    assert_eq!(world.invoke(frame, Invocation::PageMap, &[space], &[vaddr + 4096, 3, 0]).label, 1);
    for bad in [u64::MAX, u64::MAX - 4095, kernel_abi::USER_TOP, 1 << 38, 1 << 40] {
        assert_eq!(world.invoke(frame, Invocation::PageMap, &[space], &[bad, 3, 0]).label, 1, "{bad:#x}");
    }
    assert_eq!(world.invoke(frame, Invocation::PageMap, &[space], &[vaddr + 1, 3, 0]).label, 5);
    // A table that frames are in is not the root of anything.
    assert_eq!(world.invoke(frame, Invocation::PageMap, &[table], &[vaddr, 3, 0]).label, 2);
    assert_eq!(world.invoke(space, Invocation::PageTableUnmap, &[], &[]).label, 9);
    log(|log| log.flushes.clear());
    world.delete(frame).ok();
    assert_eq!(translate(root, vaddr), None);
    assert_eq!(log(|log| log.flushes.clone()), [(asid, Some(vaddr))]);
    // The kernel is in all of them.
    for n in PTES / 2..PTES {
        let entry = |root| Ptr::<core::cell::Cell<Pte>>::at(root).nth(n).get();
        assert_eq!(entry(root), entry(BASE));
    }
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Mapped {
    vaddr: u64,
    paddr: u64,
    size: u64,
}

/// Maps, unmaps, deletes and revokes at random: at all times exactly those pages are found whose frame has a
/// capability that maps it there, and below tables that are in place.
#[test]
fn only_what_is_mapped_is_found() {
    let mut done = [0; 3];
    for seed in 0..12 {
        std::eprintln!("seed {seed}");
        let world = World::new();
        let mut rng = Rng::new(seed);
        let from = world.largest();
        let spaces = [FREE, FREE + 1];
        let roots = spaces.map(|slot| new_space(&world, slot));
        // Slots of frames (twelve, then copies of them), and of tables.
        let frames: Vec<u64> = (FREE + 10..FREE + 34).collect();
        let tables: Vec<u64> = (FREE + 40..FREE + 52).collect();
        // By slot: what it maps, in which space. By space: tables, by slot, with address and level.
        let mut mapped: BTreeMap<u64, (usize, Mapped)> = BTreeMap::new();
        let mut placed: BTreeMap<u64, (usize, u64, u64)> = BTreeMap::new();
        // A mega page fits in few places of the arena.
        world.retype(from, MEGA_PAGE, 0, frames[0], 1);
        // Something to begin with.
        for (&slot, n) in frames[1..12].iter().zip(0..) {
            world.retype(from, PAGE, 0, slot, 1).ok();
            world.retype(from, PAGE_TABLE, 0, tables[n], 1).ok();
        }
        for (n, level) in [30, 21, 30, 21].into_iter().enumerate() {
            world.invoke(tables[n], Invocation::PageTableMap, &[spaces[n / 2]], &[0, 0]).ok();
            placed.insert(tables[n], (n / 2, 0, level));
        }
        let vaddrs = |rng: &mut Rng| {
            let base = rng.of(&[0, 0, 0, 1 << 30]) + rng.of(&[0, 0, 5 << 21]);
            base + rng.of(&[0, 0x1000, 0x7000, 511 << 12])
        };
        for step in 0..1500 {
            let space = rng.below(2) as usize;
            let frame = rng.of(&frames);
            let table = rng.of(&tables);
            let vaddr = vaddrs(&mut rng);
            // Down to where tables are in place.
            let level_at = |placed: &BTreeMap<u64, (usize, u64, u64)>, vaddr: u64| {
                let has = |level: u64| {
                    placed
                        .values()
                        .any(|&(s, at, l)| s == space && l == level && at == vaddr >> level << level)
                };
                if !has(30) {
                    30
                } else if !has(21) {
                    21
                } else {
                    12
                }
            };
            let taken = |mapped: &BTreeMap<u64, (usize, Mapped)>, vaddr: u64, size: u64| {
                let at = vaddr >> size << size;
                mapped.values().any(|&(s, m)| s == space && m.vaddr >> size << size == at && m.size == size)
            };
            match rng.below(12) {
                0 if world.slot(frame).is_empty() => {
                    // Until there is no more memory.
                    world.retype(from, PAGE, 0, frame, 1);
                }
                1 if world.slot(table).is_empty() => {
                    world.retype(from, PAGE_TABLE, 0, table, 1);
                }
                2 if world.slot(table).cap().is(Kind::PageTable) => {
                    let answer = world.invoke(table, Invocation::PageTableMap, &[spaces[space]], &[vaddr, 0]);
                    let level = level_at(&placed, vaddr);
                    let fits = level > 12 && !taken(&mapped, vaddr, level) && !placed.contains_key(&table);
                    assert_eq!(answer.is_ok(), fits, "step {step}: {answer:?}");
                    if fits {
                        placed.insert(table, (space, vaddr >> level << level, level));
                    }
                }
                // Taken out or deleted: all that was below it is gone.
                n @ (3 | 4) if world.slot(table).cap().is(Kind::PageTable) && rng.below(16) == 0 => {
                    if n == 3 {
                        world.invoke(table, Invocation::PageTableUnmap, &[], &[]).ok();
                    } else {
                        world.delete(table).ok();
                    }
                    if let Some((space, at, level)) = placed.remove(&table) {
                        let below = |vaddr: u64| vaddr >> level << level == at;
                        mapped.retain(|_, &mut (s, m)| s != space || !below(m.vaddr));
                        // Tables below a table are not found any more, but keep their place until they are taken out.
                        let gone: Vec<u64> = placed
                            .iter()
                            .filter(|&(_, &(s, at, l))| s == space && l < level && below(at))
                            .map(|(&slot, _)| slot)
                            .collect();
                        for slot in gone {
                            placed.remove(&slot);
                            world.invoke(slot, Invocation::PageTableUnmap, &[], &[]).ok();
                        }
                    }
                }
                5..=8 if world.slot(frame).cap().is(Kind::Frame) => {
                    let cap = world.slot(frame).cap();
                    let size = cap.frame_bits();
                    let vaddr = vaddr >> size << size;
                    let answer = world.invoke(frame, Invocation::PageMap, &[spaces[space]], &[vaddr, 3, 0]);
                    let in_place = level_at(&placed, vaddr) == size;
                    // A capability whose table has gone still has its place, and may go there again.
                    let was = (cap.asid() != 0).then(|| (cap.asid(), cap.mapped_at()));
                    let here = (world.slot(spaces[space]).cap().asid(), vaddr);
                    let fits = in_place
                        && match was {
                            Some(was) => was == here,
                            None => !taken(&mapped, vaddr, size),
                        };
                    assert_eq!(answer.is_ok(), fits, "step {step}: {answer:?}");
                    if fits {
                        // Whoever was there is not any more.
                        mapped.retain(|_, &mut (s, m)| s != space || m.vaddr != vaddr);
                        done[2] += 1;
                        mapped.insert(frame, (space, Mapped { vaddr, paddr: cap.paddr(), size }));
                    }
                }
                9..=11 if world.slot(frame).cap().is(Kind::Frame) => {
                    let cap = world.slot(frame).cap();
                    // Capabilities that say no longer where the frame is.
                    let mut gone = Vec::new();
                    match rng.below(6) {
                        0 => {
                            world.invoke(frame, Invocation::PageUnmap, &[], &[]).ok();
                            gone.push((frame, cap));
                        }
                        1 => {
                            done[0] +=
                                usize::from(mapped.contains_key(&frame) && !world.slot(frame).is_final());
                            world.delete(frame).ok();
                            gone.push((frame, cap));
                        }
                        2 => {
                            let is_original = world.slot(frame).first_child().is_some();
                            gone.extend(
                                frames
                                    .iter()
                                    .map(|&other| (other, world.slot(other).cap()))
                                    .filter(|&(other, copy)| other != frame && copy.is_same_object(cap))
                                    .filter(|_| is_original),
                            );
                            world.revoke(frame).ok();
                            for (copy, _) in &gone {
                                assert!(world.slot(*copy).is_empty());
                                done[1] += usize::from(mapped.contains_key(copy));
                            }
                        }
                        _ => {
                            let to = rng.of(&frames);
                            if world.slot(to).is_empty() {
                                world.mint(frame, to, 3, 0).ok();
                                assert_eq!(world.slot(to).cap().asid(), 0, "a copy is mapped nowhere");
                            }
                        }
                    }
                    let asids = spaces.map(|slot| world.slot(slot).cap().asid());
                    for (slot, cap) in gone {
                        mapped.remove(&slot);
                        // Whatever maps the same frame at the same place goes with it.
                        let was = (cap.asid(), cap.mapped_at(), cap.paddr());
                        mapped.retain(|_, &mut (s, m)| (asids[s], m.vaddr, m.paddr) != was);
                    }
                }
                _ => continue,
            }
            for (n, &root) in roots.iter().enumerate() {
                let mut expected: Vec<_> = mapped
                    .values()
                    .filter(|&&(s, _)| s == n)
                    .map(|&(_, m)| (m.vaddr, m.paddr, m.size))
                    .collect();
                expected.sort_unstable();
                assert_eq!(pages(root), expected, "step {step}");
                for (vaddr, paddr, _) in expected {
                    assert_eq!(translate(root, vaddr).map(|found| found.0), Some(paddr));
                    let has = |&&slot: &&u64| world.slot(slot).cap().paddr() == paddr;
                    assert!(frames.iter().find(has).is_some(), "no capability is left");
                }
            }
        }
        world.check();
        // And nothing is left in the end.
        world.revoke(from).ok();
        for slot in spaces {
            assert!(world.slot(slot).is_empty());
        }
        for asid in 2..512 {
            assert_eq!(world.kernel.asids.root(asid), None);
        }
    }
    std::eprintln!("copies deleted and revoked while mapped, frames mapped: {done:?}");
    assert!(done.iter().all(|&count| count > 20));
}

/// A frame's capability that says where it was in an address space that is gone says nothing of the next one.
#[test]
fn an_asid_comes_back_without_its_past() {
    let world = World::new();
    let (from, space, tables, frame) = (world.largest(), FREE, FREE + 2, FREE + 10);
    let root = new_space(&world, space);
    let asid = world.slot(space).cap().asid();
    world.retype(from, PAGE_TABLE, 0, tables, 4).ok();
    world.retype(from, PAGE, 0, frame, 2).ok();
    for n in 0..2 {
        world.invoke(tables + n, Invocation::PageTableMap, &[space], &[0, 0]).ok();
    }
    world.invoke(frame, Invocation::PageMap, &[space], &[0x5000, 3, 0]).ok();
    log(|log| log.flushes.clear());
    world.delete(space).ok();
    assert!(log(|log| log.flushes.contains(&(asid, None))), "the translations were not forgotten");
    assert_eq!(world.kernel.asids.root(asid), None);
    // The old tables are not taken over.
    let next = new_space(&world, space);
    assert_eq!(world.slot(space).cap().asid(), asid, "for this test, the same again");
    assert_ne!(next, root);
    assert_eq!(pages(next), []);
    assert_eq!(world.invoke(tables, Invocation::PageTableMap, &[space], &[0, 0]).label, 2);
    assert_eq!(world.invoke(frame, Invocation::PageMap, &[space], &[0x5000, 3, 0]).label, 6);
    for n in 2..4 {
        world.invoke(tables + n, Invocation::PageTableMap, &[space], &[0, 0]).ok();
    }
    world.invoke(frame + 1, Invocation::PageMap, &[space], &[0x5000, 3, 0]).ok();
    // Taking out what was in the old one leaves the new one alone.
    world.invoke(frame, Invocation::PageUnmap, &[], &[]).ok();
    world.delete(tables).ok();
    world.delete(tables + 1).ok();
    assert_eq!(pages(next), [(0x5000, world.slot(frame + 1).cap().paddr(), 12)]);
    // A pool goes with all that it had, and nothing new comes in after what was is forgotten.
    log(|log| log.flushes.clear());
    log(|log| log.flushed_in_use.clear());
    world.delete(POOL).ok();
    assert_eq!(log(|log| log.flushed_all), 1);
    assert_eq!(log(|log| log.flushed_in_use.clone()), []);
    assert_eq!(world.kernel.asids.root(asid), None);
    assert_eq!(log(|log| log.vspace), None, "the root task's own address space is in use");
}

/// Who runs in an address space that goes is made to leave it, however little it still has to do with it.
#[cfg(feature = "smp")]
#[test]
fn harts_leave_an_address_space_that_goes() {
    for revoked_first in [false, true] {
        let world = World::with_harts(2);
        let (from, space, thread) = (world.largest(), FREE, FREE + 2);
        new_space(&world, space);
        let other = world.spawn(from, thread, 10);
        let cnode = InitialCap::Cnode as u64;
        world.invoke(thread, Invocation::TcbSetSpace, &[cnode, space], &[0, 0, 0]).ok();
        world.invoke(thread, Invocation::TcbSetAffinity, &[], &[1]).ok();
        world.invoke(thread, Invocation::TcbResume, &[], &[]).ok();
        world.kernel.enter(1);
        world.leave();
        assert_eq!(world.kernel.current(), other);
        world.kernel.enter(0);
        if revoked_first {
            world.revoke(space).ok();
            assert!(other.vspace().is_empty());
        } else {
            world.mint(space, FREE + 1, 15, 0).ok();
        }
        assert_eq!(log(|log| log.stopped.clone()), []);
        world.delete(FREE + 1).ok();
        if !revoked_first {
            // Its own is the last.
            world.delete(space).ok();
            assert_eq!(log(|log| log.stopped.clone()), []);
            world.delete(POOL).ok();
        } else {
            world.delete(space).ok();
        }
        assert_eq!(log(|log| log.stopped.clone()), [1]);
        world.kernel.enter(1);
        assert!(world.kernel.was_evicted());
        world.leave();
        assert_eq!(world.kernel.current(), other, "it goes on, and faults");
        assert_eq!(log(|log| log.vspace), None);
    }
}

/// A hart that is idle is not told of changed translations, but forgets all before it runs a thread; one that runs a
/// thread is told.
#[cfg(feature = "smp")]
#[test]
fn idle_harts_are_not_told_of_changed_translations() {
    let world = World::with_harts(3);
    let thread = FREE;
    let other = world.spawn(world.largest(), thread, 10);
    let told = || world.kernel.harts_to_tell().collect::<Vec<_>>();
    let flushed = || log(|log| core::mem::take(&mut log.flushed_here));
    let run_on = |hart| {
        world.invoke(thread, Invocation::TcbSetAffinity, &[], &[hart]).ok();
        world.invoke(thread, Invocation::TcbResume, &[], &[]).ok();
        world.kernel.enter(hart as usize);
        world.leave();
        assert_eq!(world.kernel.current(), other);
        world.kernel.enter(0);
    };
    run_on(1);
    assert_eq!(flushed(), 0, "nothing has changed yet");
    assert_eq!(told(), [1], "hart 1 runs a thread, hart 2 is idle");
    world.invoke(thread, Invocation::TcbSuspend, &[], &[]).ok();
    assert_eq!(flushed(), 0, "who was told has nothing to catch up with");
    run_on(2);
    assert_eq!(flushed(), 1, "hart 2 was not told");
    // Once is enough.
    world.invoke(thread, Invocation::TcbSuspend, &[], &[]).ok();
    run_on(2);
    assert_eq!(flushed(), 0);
}
