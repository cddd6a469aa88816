//! Exact cycles of each kind of request, as the RTL of four cores takes with memory latencies of 20. A request
//! that misses in cycle 100 and finds the hub idle is accepted in 101.

use super::*;
use crate::rocket::dcache::{Copy, Found};

const HARTS: usize = 4;
const LINE: u64 = 0x200_0000;
const PA: u64 = LINE << 6;

struct Chip {
    hub: Hub,
    dcaches: Vec<Dcache>,
    port: MemoryPort,
    params: Params,
}

impl Chip {
    fn new() -> Self {
        Self {
            hub: Hub::new(HARTS),
            dcaches: (0..HARTS).map(|_| Dcache::new(&Params::default())).collect(),
            port: MemoryPort::default(),
            params: Params::default(),
        }
    }

    /// The line is there in `hart`'s cache.
    fn holds(mut self, hart: usize, dirty: bool, shared: bool) -> Self {
        self.dcaches[hart].install(LINE, dirty, shared);
        self
    }

    fn with<R>(&mut self, floor: u64, me: usize, act: impl FnOnce(&mut Hub, &mut Around<'_>) -> R) -> R {
        let Self { hub, dcaches, port, params } = self;
        act(hub, &mut Around { params, dcaches, port, floor, me })
    }

    fn ask(&mut self, hart: usize, line: u64, write: bool, at: u64) {
        let want = Want { line, exclusive: write, dirty: write };
        self.with(u64::MAX, hart, |hub, around| hub.request(around, hart, want, at));
    }

    fn granted(&mut self, hart: usize) -> Grant {
        self.with(u64::MAX, hart, |hub, around| hub.grant(around, hart)).expect("nobody is behind")
    }

    /// A miss of hart 0 in cycle 100.
    fn miss(&mut self, write: bool) -> (u64, bool) {
        self.ask(0, LINE, write, 100);
        let grant = self.granted(0);
        assert_eq!(grant.last, grant.first + 7);
        (grant.last, grant.remote)
    }
}

#[test]
fn memory_answers_after_all_probes() {
    // Accepted 101, read 109, first beat 129 at the hub.
    assert_eq!(Chip::new().miss(false), (137, false));
    assert_eq!(Chip::new().miss(true), (137, false));
    let mut slow = Chip::new();
    slow.params.memory_read_latency = 60;
    assert_eq!(slow.miss(false), (177, false));
}

#[test]
fn a_clean_line_elsewhere_costs_what_memory_costs() {
    let mut chip = Chip::new().holds(2, false, false);
    assert_eq!(chip.miss(false), (137, true));
    assert!(chip.dcaches[0].shares(PA) && chip.dcaches[2].shares(PA));
    let mut chip = Chip::new().holds(2, false, false);
    assert_eq!(chip.miss(true), (137, true));
    assert_eq!(chip.dcaches[2].probe(LINE, true), Copy::Absent);
}

#[test]
fn nobody_else_has_it_then_the_line_is_exclusive() {
    let mut chip = Chip::new();
    chip.miss(false);
    assert!(!chip.dcaches[0].shares(PA));
    assert_eq!(chip.dcaches[0].access(PA, true), Found::HitMakesDirty);
}

#[test]
fn a_dirty_line_is_written_and_read_again() {
    // Eight cycles and the write latency more than memory; each place behind in the order of probes one more.
    for (owner, last) in [(1, 165), (2, 166), (3, 167)] {
        let mut chip = Chip::new().holds(owner, true, false);
        assert_eq!(chip.miss(false), (last, true));
        assert_eq!(chip.dcaches[owner].probe(LINE, true), Copy::Clean);
        assert_eq!(Chip::new().holds(owner, true, false).miss(true), (last, true));
    }
    let mut slow = Chip::new().holds(1, true, false);
    slow.params.memory_write_latency = 60;
    assert_eq!(slow.miss(false), (205, true));
}

#[test]
fn an_upgrade_reads_memory_too() {
    let mut chip = Chip::new().holds(0, false, true).holds(1, false, true);
    assert_eq!(chip.dcaches[0].access(PA, true), Found::Upgrade);
    chip.dcaches[0].give_up(PA);
    assert_eq!(chip.miss(true), (137, true));
    assert_eq!(chip.dcaches[0].access(PA, true), Found::Hit);
    assert_eq!(chip.dcaches[1].access(PA, false), Found::Miss);
}

#[test]
fn a_line_in_flight_waits_and_blocks_the_port() {
    let mut chip = Chip::new();
    for (hart, line) in [(3, LINE), (2, LINE), (1, LINE + 1)] {
        chip.ask(hart, line, false, 100);
    }
    // Hart 2 is accepted behind the last beat of 3's, in 136, and 3 takes its probe eight cycles behind the
    // refill. Hart 1's other line comes out of memory behind that.
    assert_eq!(chip.granted(3).last, 137);
    assert_eq!(chip.granted(1).last, 177 + 8);
    let second = chip.granted(2);
    assert_eq!((second.last, second.remote), (137 + 8 + 3 + 1 + 28, true));
}

#[test]
fn lines_share_the_memory_port() {
    let mut chip = Chip::new();
    for hart in 0..HARTS {
        chip.ask(hart, LINE + hart as u64, false, 100);
    }
    // Round robin goes downwards; each line takes eight cycles of the port.
    let last = [3, 2, 1, 0].map(|hart| chip.granted(hart).last);
    assert_eq!(last, [137, 145, 153, 161]);
}

#[test]
fn a_reservation_keeps_probes_out() {
    let mut chip = Chip::new().holds(1, false, false);
    chip.dcaches[1].side.reserved = 150;
    // The answer comes three cycles behind 150.
    assert_eq!(chip.miss(true), (153 + 1 + 28, true));
    assert_eq!(chip.dcaches[1].side.reserved, 150);
}

#[test]
fn a_cache_that_is_busy_takes_its_probe_later_and_refuses_its_hart() {
    for (owner, refused) in [(Copy::Absent, 103..106), (Copy::Clean, 103..109), (Copy::Dirty, 103..119)] {
        let mut chip = Chip::new();
        if owner != Copy::Absent {
            chip = chip.holds(1, owner == Copy::Dirty, false);
        }
        // An access in the stage before the probe's arrival in 103: two cycles until both stages are empty.
        chip.dcaches[1].side.last = 102;
        chip.miss(true);
        let side = chip.dcaches[1].side;
        for cycle in 95..130 {
            assert_eq!(side.refuses(cycle), refused.contains(&cycle), "{owner:?} {cycle}");
        }
    }
}

#[test]
fn a_request_waits_until_the_others_have_come_far_enough() {
    let mut chip = Chip::new();
    chip.ask(0, LINE, false, 100);
    // Hart 1 may still ask first, or use its cache before the probe.
    let bound = chip.with(90, 0, |hub, around| hub.grant(around, 0)).unwrap_err();
    assert!(bound > 92, "others have to get on, not only to {bound}");
    let bound = chip.with(100, 0, |hub, around| hub.grant(around, 0)).unwrap_err();
    assert!(bound > 102, "others have to get on, not only to {bound}");
    assert_eq!(chip.with(105, 0, |hub, around| hub.grant(around, 0)).map(|grant| grant.last), Ok(137));
}

#[test]
fn a_fetch_probes_every_cache_and_gets_what_is_dirty_there() {
    let fetch = |mut chip: Chip| chip.with(u64::MAX, 0, |hub, around| hub.read(around, LINE, 100, Some(103)));
    assert_eq!(fetch(Chip::new()), (131, 138));
    assert_eq!(fetch(Chip::new().holds(0, true, false)), (158, 165));
    assert_eq!(fetch(Chip::new().holds(1, true, false)), (159, 166));
}
