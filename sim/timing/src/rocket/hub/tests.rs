//! Exact cycles of each kind of request, as the RTL of four cores takes with memory latencies of 20. A request
//! that misses in cycle 100 and finds the hub idle is accepted in 101.

use super::*;
use crate::rocket::dcache::{Copy, Found, Refusal};

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

    /// `me`, whose fetch side has run as far as the others allow, acts when those are at `floor`.
    fn with<R>(&mut self, floor: u64, me: usize, act: impl FnOnce(&mut Hub, &mut Around<'_>) -> R) -> R {
        let Self { hub, dcaches, port, params } = self;
        dcaches[me].side.fetched = floor;
        act(hub, &mut Around { params, dcaches, port, floor, me })
    }

    fn ask(&mut self, hart: usize, line: u64, write: bool, at: u64) {
        let want = Want { line, exclusive: write, dirty: write, fetch: false };
        self.with(0, hart, |hub, around| hub.request(around, hart, want, at));
    }

    /// What `hart` gets when the others are at `floor`.
    fn known(&mut self, hart: usize, floor: u64) -> Option<Grant> {
        self.with(floor, hart, |hub, around| {
            hub.advance(around);
            hub.grant(hart)
        })
    }

    fn granted(&mut self, hart: usize) -> Grant {
        self.known(hart, u64::MAX).expect("nobody is behind")
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
    // refill. Hart 1's other line comes out of memory behind that, as 3 takes its probes in order.
    assert_eq!(chip.granted(3).last, 137);
    assert_eq!(chip.granted(1).last, 177 + 8);
    let second = chip.granted(2);
    assert_eq!((second.last, second.remote), (137 + 8 + 3 + 1 + 28, true));
}

#[test]
fn nothing_is_accepted_while_probes_go_out() {
    let mut chip = Chip::new().holds(3, false, false);
    chip.params.refill_beats = 1;
    chip.dcaches[3].side.reserved = 120;
    for hart in 0..3 {
        chip.ask(hart, LINE + 9 + hart as u64, false, 100);
    }
    // Hart 2 first, in 101. Probes for 3 are at it in 105 and, from 1's request, in 109; a third one has no room
    // on the way until 3 has taken the first in 120, so that the last request's probes are out in 121.
    let last = [2, 1, 0].map(|hart| chip.granted(hart).last);
    assert_eq!(last, [123 + 22, 126 + 22, 129 + 22]);
    assert_eq!(chip.hub.free, 122);
}

#[test]
fn answers_wait_behind_a_line_that_is_written_back() {
    let mut chip = Chip::new().holds(1, true, false);
    chip.ask(0, LINE, false, 100);
    chip.ask(2, LINE + 1, false, 99);
    // Hart 2's is accepted in 100: answers in 105 to 107. Hart 0's in 104: hart 1 takes its probe in 106, its
    // data comes from 112 on.
    assert_eq!(chip.granted(2).last, 136);
    assert_eq!(chip.granted(0).last, 165 + 3);
    // A victim's data is in front of the answers, and its own cache answers ten cycles behind the first beat.
    let mut chip = Chip::new();
    chip.with(0, 3, |hub, around| hub.release(around, 3, 98, LINE + 9));
    assert_eq!(chip.miss(false), (102 + 10 + 30, true));
}

/// Hart 1's victim is at the hub from 102 to 109, and acknowledged in 130.
#[test]
fn a_probe_that_looks_like_a_victim_waits_for_its_acknowledgement() {
    for (victim, answer) in [(LINE, 131 + 3), (LINE + (1 << 15), 131 + 3), (LINE + (1 << 14), 110 + 3)] {
        let mut chip = Chip::new();
        chip.with(0, 1, |hub, around| hub.release(around, 1, 98, victim));
        assert_eq!(chip.miss(true), (answer + 29, true), "{victim:x}");
        // It keeps accesses out while it waits.
        assert_eq!(chip.dcaches[1].side.refuses(answer - 4), Some(Refusal::Unready));
        assert_eq!(chip.dcaches[1].side.refuses(answer + 1), None);
    }
}

#[test]
fn a_dirty_line_waits_for_the_acknowledgement_of_the_victim_in_front() {
    let mut chip = Chip::new().holds(1, true, false);
    chip.with(0, 1, |hub, around| hub.release(around, 1, 98, LINE + 9));
    // Its probe is taken in 110, and its beats would be there from 116 on.
    assert_eq!(chip.miss(true), (132 + 7 + 20 + 29, true));
}

#[test]
fn a_line_goes_back_to_the_tracker_that_it_had() {
    let mut chip = Chip::new();
    chip.ask(1, LINE, false, 100);
    chip.ask(0, LINE + 1, false, 100);
    chip.granted(1);
    let last = chip.granted(0).last;
    assert_eq!(
        [LINE + 1, LINE, LINE + 2].map(|line| chip.hub.tracker(line, last)),
        [Some(1), Some(0), Some(0)]
    );
}

/// Probes that go out wait for room on the way to a cache that waits for its line to get through: nothing comes before that
/// line all the same.
#[test]
fn a_line_gets_through_while_probes_wait_for_room() {
    let mut chip = Chip::new().holds(1, true, false);
    // Hart 1 takes the probe for its line in 102, and its data gets through in 119, behind two victims.
    chip.ask(0, LINE, false, 99);
    chip.with(0, 3, |hub, around| [2, 3].map(|hart| hub.release(around, hart, 99, LINE + 9)));
    // Two probes wait for hart 1 then, and a third one has no room.
    for (hart, fetch) in [(3, false), (2, false), (2, true)] {
        let line = LINE + 1 + hart as u64 + u64::from(fetch) * 4;
        let want = Want { line, exclusive: false, dirty: false, fetch };
        chip.with(0, hart, |hub, around| hub.request(around, hart, want, 100));
    }
    assert!(chip.known(0, u64::MAX).is_some());
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
        let mut side = chip.dcaches[1].side;
        for cycle in 95..130 {
            // It takes the probe in 105, and goes back on what it takes in the next.
            let how = if cycle == 106 { Refusal::Nacked } else { Refusal::Unready };
            let expected = refused.contains(&cycle).then_some(how);
            assert_eq!(side.refuses(cycle), expected, "{owner:?} {cycle}");
        }
        // A cycle behind the probe it is ready, whatever it has found.
        assert_eq!(side.ready_after(103), 106);
        assert_eq!(side.ready_after(107), if owner == Copy::Absent { 107 } else { refused.end });
    }
}

#[test]
fn a_request_waits_until_the_others_have_come_far_enough() {
    let mut chip = Chip::new();
    chip.ask(0, LINE, false, 100);
    // Hart 1 may still ask first, or use its cache before the probe.
    assert_eq!(chip.known(0, 90), None);
    assert_eq!(chip.known(0, 102), None);
    assert_eq!(chip.known(0, 109).map(|grant| grant.last), Some(137));
}

#[test]
fn a_fetch_probes_every_cache_and_gets_what_is_dirty_there() {
    let want = Want { line: LINE, exclusive: false, dirty: false, fetch: true };
    let fetch = |mut chip: Chip| {
        chip.with(u64::MAX, 0, |hub, around| {
            around.dcaches[0].side.fetched = 102;
            hub.request(around, 0, want, 100);
            hub.advance(around);
            assert_eq!(hub.own_probe(0), Some(103));
            hub.take_own_probe(around, 0, 103);
        });
        chip.with(u64::MAX, 0, |hub, around| {
            hub.advance(around);
            hub.fetch(0).expect("nobody is behind")
        })
    };
    assert_eq!(fetch(Chip::new()), (131, 138));
    assert_eq!(fetch(Chip::new().holds(0, true, false)), (158, 165));
    assert_eq!(fetch(Chip::new().holds(1, true, false)), (159, 166));
}

#[test]
fn harts_fetch_from_a_device_one_at_a_time() {
    let mut chip = Chip::new();
    let beats = |chip: &mut Chip, hart| chip.with(u64::MAX, 0, |hub, _| hub.fetch(hart));
    chip.with(u64::MAX, 0, |hub, around| {
        around.dcaches[0].side.fetched = 100;
        for hart in 0..HARTS {
            hub.request_burst(hart, 0, 100, 4);
        }
        hub.advance(around);
    });
    // Downwards from the last hart on.
    assert_eq!(beats(&mut chip, 3), Some((104, 111)));
    assert_eq!(beats(&mut chip, 2), None);
    chip.with(u64::MAX, 0, |hub, around| {
        around.dcaches[0].side.fetched = 200;
        hub.advance(around);
    });
    assert_eq!(
        [2, 1, 0].map(|hart| beats(&mut chip, hart)),
        [Some((112, 119)), Some((120, 127)), Some((128, 135))]
    );
    chip.with(u64::MAX, 0, |hub, _| {
        assert_eq!(hub.behind_bursts(0, 110), 139);
        assert_eq!(hub.behind_bursts(0, 150), 150);
    });
}
