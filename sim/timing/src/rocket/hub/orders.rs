//! Everybody gets what it asks for, and when does not depend on the order in which harts go on: random accesses and fetches,
//! under random orders.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::rocket::dcache::Found;
use crate::rocket::hart::WRITE_BACK;

const HARTS: usize = 4;
const LINES: u64 = 6;
const LINE: u64 = 0x200_0000;
/// How far a hart may run ahead of the others.
const QUANTUM: u64 = 4;
/// Long after everybody has got everything.
const TOO_LATE: u64 = 100_000;

/// What a hart does.
#[derive(Debug, Clone)]
enum Act {
    Access { line: u64, write: bool },
    Fetch { line: u64 },
    Reserve { line: u64 },
    Sleep { cycles: u64 },
}

/// How many cycles behind what it did before a hart does something.
type Planned = (u64, Act);

fn planned() -> impl Strategy<Value = Planned> {
    let line = || LINE..LINE + LINES;
    prop_oneof![
        6 => (0..40u64, (line(), any::<bool>()).prop_map(|(line, write)| Act::Access { line, write })),
        3 => (0..20u64, line().prop_map(|line| Act::Fetch { line })),
        1 => (0..20u64, line().prop_map(|line| Act::Reserve { line })),
        1 => (0..20u64, (20..400u64).prop_map(|cycles| Act::Sleep { cycles })),
    ]
}

/// A hart.
struct Hart {
    /// What it has left to do, the last one first.
    acts: Vec<Planned>,
    now: u64,
    /// It does nothing before.
    next: u64,
    /// Whether it waits for a line for its instruction cache.
    fetches: bool,
    /// When the line that it fetched last is there.
    fetched: u64,
    /// It sleeps until then. What its fetch side does meanwhile is worked out when it wakes up.
    woken: u64,
    /// Whether it waits for a line for its data cache.
    waits: bool,
    /// First and last beats of the lines that its data cache got, and its instruction cache.
    got: [Vec<(u64, u64)>; 2],
}

impl Hart {
    fn is_done(&self) -> bool {
        self.acts.is_empty() && !self.fetches && !self.waits
    }

    /// Its next instruction takes effect no earlier.
    fn local_time(&self) -> u64 {
        self.now.max(self.woken) + WRITE_BACK
    }

    /// It has done what was first, in cycle `at`.
    fn goes_on(&mut self, at: u64) {
        self.acts.pop();
        self.next = at + self.acts.last().map_or(0, |act| act.0);
    }

    /// The next cycle.
    fn step(&mut self, me: usize, hub: &mut Hub, around: &mut Around<'_>) {
        let now = self.now;
        let side = &mut around.dcaches[me].side;
        side.fetched = now - 1;
        // What it accesses next is in the first stage but one a cycle later.
        side.known = if self.waits { side.known } else { side.known.max(now + 1) };
        hub.advance(around);
        if self.waits
            && let Some(grant) = hub.grant(me)
        {
            assert!(grant.last >= now, "hart {me} has passed {grant:?} in {now}");
            self.got[0].push((grant.first, grant.last));
            (self.waits, self.next) = (false, grant.last + 1);
        }
        if self.fetches
            && let Some(beats) = hub.fetch(me)
        {
            assert!(beats.0 >= now || beats.0 <= self.woken, "hart {me} has passed {beats:?} in {now}");
            self.got[1].push(beats);
            (self.fetches, self.fetched) = (false, beats.1);
        }
        if !self.waits && now >= self.next {
            match self.acts.last().map(|act| &act.1) {
                Some(&Act::Access { line, write }) => self.accesses(me, hub, around, line, write),
                Some(&Act::Fetch { line }) if !self.fetches && now > self.fetched => {
                    let want = Want { line, exclusive: false, dirty: false, fetch: true };
                    hub.request(around, me, want, now);
                    self.fetches = true;
                    self.goes_on(now + 1);
                }
                Some(&Act::Reserve { line }) => {
                    let dcache = &mut around.dcaches[me];
                    if dcache.side.refuses(now + 1).is_none()
                        && dcache.access(line << 6, false) == Found::Hit
                        && !dcache.shares(line << 6)
                    {
                        (dcache.side.last, dcache.side.known) = (now + 1, now + 2);
                        dcache.side.reserved = now + WRITE_BACK + around.params.reservation + 1;
                    }
                    self.goes_on(now + 1);
                }
                Some(&Act::Sleep { cycles }) => {
                    self.woken = now + cycles;
                    self.goes_on(self.woken);
                }
                _ => {}
            }
        }
        around.dcaches[me].side.fetched = now;
        self.now += 1;
        if self.fetches {
            hub.take_own_probe(around, me, self.now);
        }
    }

    /// As [`super::super::memory`] does: an access that issues now.
    fn accesses(&mut self, me: usize, hub: &mut Hub, around: &mut Around<'_>, line: u64, write: bool) {
        let (issue, pa) = (self.now, line << 6);
        let (cycle, refused) = (issue + 1, issue + WRITE_BACK);
        let dcache = &mut around.dcaches[me];
        if dcache.side.refuses(cycle).is_some() {
            return;
        }
        let found = dcache.access(pa, write);
        dcache.side.last = cycle;
        // It ends a reservation.
        dcache.side.reserved = dcache.side.reserved.min(refused + 1);
        match found {
            Found::Hit | Found::HitMakesDirty => {
                dcache.side.known = cycle + 1;
                self.goes_on(issue + 1);
                return;
            }
            Found::Upgrade => dcache.give_up(pa),
            Found::Miss => {
                if let Some(victim) = dcache.evict(pa) {
                    self.next = issue + around.params.writeback;
                    hub.release(around, me, refused, victim);
                    return;
                }
            }
        }
        dcache.side.busy = dcache.side.busy.max(refused + 2);
        let want = Want { line, exclusive: write, dirty: write, fetch: false };
        hub.request(around, me, want, refused);
        self.waits = true;
        self.goes_on(refused);
    }
}

/// What each hart gets, and when, if `order` says who goes on first.
fn run(acts: &[Vec<Planned>; HARTS], mut order: impl FnMut() -> usize) -> [[Vec<(u64, u64)>; 2]; HARTS] {
    let params = Params { l1d_sets: 1, l1d_ways: 2, ..Params::default() };
    let mut dcaches: Vec<_> = (0..HARTS).map(|_| Dcache::new(&params)).collect();
    let (mut hub, mut port) = (Hub::new(HARTS), MemoryPort::default());
    let hart = |acts: &Vec<Planned>| Hart {
        acts: acts.iter().rev().cloned().collect(),
        now: 100,
        next: 100 + acts.first().map_or(0, |act| act.0),
        fetches: false,
        fetched: 0,
        woken: 0,
        waits: false,
        got: Default::default(),
    };
    let mut harts = acts.each_ref().map(hart);
    while harts.iter().any(|hart| !hart.is_done()) {
        let me = order() % HARTS;
        let others = (0..HARTS).filter(|&hart| hart != me).map(|hart| harts[hart].local_time()).min();
        let floor = others.unwrap_or(u64::MAX);
        let hart = &mut harts[me];
        let depends = hart.waits || hart.fetches || hart.now >= hart.next;
        let asleep = hart.now < hart.woken;
        let ahead = if asleep {
            hart.local_time() > floor
        } else if depends {
            hart.now + 2 > floor
        } else {
            hart.local_time() >= floor + QUANTUM
        };
        if ahead {
            continue;
        }
        assert!(hart.now < TOO_LATE, "hart {me} waits for ever: {:?}", hart.got);
        let mut around = Around { params: &params, dcaches: &mut dcaches, port: &mut port, floor, me };
        hart.step(me, &mut hub, &mut around);
        while asleep && hart.now < hart.woken {
            hart.step(me, &mut hub, &mut around);
        }
    }
    harts.map(|hart| hart.got)
}

proptest! {
    #[test]
    fn the_order_of_harts_does_not_matter(
        acts in [vec(planned(), 0..30), vec(planned(), 0..30), vec(planned(), 0..30), vec(planned(), 0..30)],
        seed in any::<u64>(),
    ) {
        let (mut turn, mut random) = (0, seed);
        let one = run(&acts, || {
            turn += 1;
            turn
        });
        let other = run(&acts, || {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (random >> 60) as usize
        });
        prop_assert_eq!(one, other);
    }
}
