//! The way from the data caches to the hub: answers to probes, and dirty lines, which take it for eight cycles.

use serde::{Deserialize, Serialize};

use super::{Around, Hub, UNKNOWN, Way, answered};
use crate::rocket::dcache::Copy;
use crate::rocket::hart::WRITE_BACK;
use crate::rocket::params::Params;

/// Issue of an access that finds a dirty victim to the victim's first beat.
const VICTIM: u64 = WRITE_BACK + 4;
/// A data cache seeing the acknowledgement of its victim to the hub getting the first beat of what waits for that.
const ACKNOWLEDGED: u64 = 2;
/// A beat of a dirty line being read out of the data array to the hub getting it.
const BEAT: u64 = 3;

/// What a data cache sends to the hub: an answer, or a dirty line.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) hart: usize,
    /// The request whose probe it answers; 0 for a victim.
    pub(super) serial: u64,
    /// When it would be at the hub if the channel were free.
    pub(super) at: u64,
    pub(super) dirty: bool,
}

/// The buffer on the way from a data cache to the hub, which holds two answers without data: the third waits in the cache.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Buffer {
    /// When the latest two have got through, the later one first: [`UNKNOWN`] while that is not known.
    pub(super) through: [u64; 2],
    /// The probe whose answer has no room, as far as is known: when it was taken, and whether it has found the line.
    pub(super) full: Option<(u64, bool)>,
}

impl Hub {
    /// The data cache of `hart`, refused in cycle `refused`, writes its dirty `victim` back.
    pub fn release(&mut self, around: &mut Around<'_>, hart: usize, refused: u64, victim: u64) {
        self.victims[hart] = victim;
        // Until it is known when its data gets through.
        let side = &mut around.dcaches[hart].side;
        side.takes(refused, refused, UNKNOWN);
        side.busy = UNKNOWN;
        // Its first beat is ready four cycles later (DCache.scala, s_voluntary_writeback).
        self.messages.push(Message { hart, serial: 0, at: refused + VICTIM - WRITE_BACK, dirty: true });
    }

    /// The data cache of `hart` answers probe number `serial`, which it has taken in a cycle and found something for.
    pub(super) fn sends(
        &mut self,
        around: &mut Around<'_>,
        hart: usize,
        serial: u64,
        (taken, copy): (u64, Copy),
    ) {
        let (dirty, found) = (copy == Copy::Dirty, copy == Copy::Clean);
        let params = around.params;
        let at = taken + if dirty { params.probe_data - 1 } else { params.probe_answer };
        self.messages.push(Message { hart, serial, at, dirty });
        let buffer = &mut self.buffers[hart];
        let room = buffer.through[1];
        buffer.through = if dirty { [0; 2] } else { [UNKNOWN, buffer.through[0]] };
        if dirty || room == UNKNOWN {
            // Until it is known when its data gets through, or another answer, which makes room for this one.
            let side = &mut around.dcaches[hart].side;
            side.busy = UNKNOWN;
            side.keeps_until(UNKNOWN);
        }
        if !dirty && room == UNKNOWN {
            buffer.full = Some((taken, found));
            self.hold_answer(hart, UNKNOWN);
        } else if !dirty {
            self.answers_from(around, hart, (taken, found), room);
        }
    }

    /// The latest answer of `hart` gets to the hub in cycle `at`, if the channel is free.
    fn hold_answer(&mut self, hart: usize, at: u64) {
        if let Some(message) = self.messages.iter_mut().rfind(|m| m.hart == hart && !m.dirty) {
            message.at = at;
        }
    }

    /// The answer of `hart` to the probe that it took in cycle `taken`, and that has found the line or not, has room from the cycle
    /// behind `through` on, in which another one got through: until then the cache waits (DCache.scala, s_probe_rep_clean and
    /// s_probe_rep_miss).
    fn answers_from(
        &mut self,
        around: &mut Around<'_>,
        hart: usize,
        (taken, found): (u64, bool),
        through: u64,
    ) {
        let goes = taken + around.params.probe_answer - 1;
        let late = (through + 1).saturating_sub(goes);
        let side = &mut around.dcaches[hart].side;
        if late > 0 {
            let free = goes + late + 1 + u64::from(found);
            side.busy = free;
            side.keeps_until(free);
            self.hold_answer(hart, goes + late + 1);
        } else if side.busy == UNKNOWN {
            let (idle, free) = answered(taken, found);
            side.busy = idle;
            side.keeps_until(free);
            self.hold_answer(hart, goes + 1);
        }
    }

    /// An answer without data of `hart` gets through in cycle `at`.
    fn makes_room(&mut self, around: &mut Around<'_>, hart: usize, at: u64) {
        let behind = self.messages.iter().filter(|m| m.hart == hart && !m.dirty).count();
        if let Some(through) = self.buffers[hart].through.get_mut(behind) {
            *through = at;
        }
        if let Some(full) = self.buffers[hart].full.take() {
            self.answers_from(around, hart, full, at);
        }
    }

    /// No message that has not been sent yet is at the hub before this cycle.
    pub(super) fn messages_from(&self, around: &Around<'_>) -> u64 {
        let answer = around.params.probe_answer;
        let mut from = self.horizon(around).saturating_add(around.params.hub_probe + answer);
        for (hart, way) in self.ways.iter().enumerate() {
            let side = &around.dcaches[hart].side;
            // What is behind a line that waits for the channel itself comes later than that.
            if way.count > 0 && side.busy != UNKNOWN {
                // Its own it takes as its fetch goes on, which may be further behind than its next instruction is.
                let behind = self.behind_victim(around.params, hart);
                let seen = if self.takes_its_own(around, hart) {
                    side.fetched.saturating_add(1)
                } else if behind > way.probes[0].0 {
                    // It is not taken as soon as the hart has been seen.
                    behind
                } else {
                    around.known(hart)
                };
                from = from.min(way.probes[0].0.max(seen).saturating_add(answer));
            }
        }
        if let Some(walk) = self.walk
            && let Some(room) = self.ways.get(walk.targets.trailing_zeros() as usize).and_then(Way::room)
        {
            // Without room, what is in front of it answers first.
            from = from.min(walk.at.max(room) + 1 + answer);
        }
        from
    }

    /// When the message would be at the hub if the channel were free: the dirty line that a probe has found not before the victim
    /// in front of it has been acknowledged, for which it is tried every other cycle (DCache.scala, release_ack_wait and
    /// releaseRejected).
    fn comes(&self, params: &Params, message: &Message) -> u64 {
        if !message.dirty || message.serial == 0 {
            return message.at;
        }
        message.at
            + (self.acknowledges(params, message.hart) + ACKNOWLEDGED)
                .saturating_sub(message.at)
                .next_multiple_of(2)
    }

    /// When the next of the messages that are on their way gets through, at the earliest.
    pub(super) fn next_message(&self, params: &Params) -> Option<u64> {
        Some(self.messages.iter().map(|m| self.comes(params, m)).min()?.max(self.channel))
    }

    /// The next message gets through, if it is clear which it is; whether one did. A line takes the channel for
    /// eight cycles, in which it is written to memory.
    pub(super) fn receive(&mut self, around: &mut Around<'_>) -> bool {
        let params = around.params;
        let Some(at) = self.next_message(params) else { return false };
        if at >= self.messages_from(around) {
            return false;
        }
        let harts = self.harts();
        let rank = |hart: usize| (self.sender + 2 * harts - 1 - hart) % harts;
        let there = self.messages.iter().enumerate().filter(|(_, m)| self.comes(params, m) <= at);
        let Some((index, &message)) = there.min_by_key(|(_, m)| (rank(m.hart), m.at)) else { return false };
        let comes = self.comes(params, &message);
        if message.dirty && self.transactions.iter().any(|t| t.missing == 0 && self.ready(t) < at) {
            // What is read before may be in the way of the acknowledgement that it waits for, or comes to its cache meanwhile.
            return false;
        }
        self.messages.remove(index);
        self.sender = message.hart;
        let mut done = at;
        if message.dirty {
            let side = &mut around.dcaches[message.hart].side;
            // Two beats wait in the buffer on the way, and the third, which is turned away, comes out of its array
            // again every other cycle (DCache.scala, releaseRejected).
            let late = at - comes;
            done = at + params.refill_beats - 1 + late % 2;
            // Its beats are not read out of the data array while others come in (DCache.scala, dataArb).
            let first = side.grant.0;
            let comes_in = first..first + params.refill_beats;
            let read = at.saturating_sub(BEAT);
            if read < comes_in.end && comes_in.start + BEAT <= done {
                done += comes_in.end - comes_in.start.max(read);
            }
            self.puts = [(at + 1, done), self.puts[0]];
            if message.serial == 0 {
                self.written[message.hart] = around.port.response(done + params.memory_write_latency);
                self.releases[message.hart] = true;
            }
            let free = if message.serial == 0 {
                done + params.writeback - VICTIM - params.refill_beats
            } else {
                done + params.probe_dirty + 2 - params.probe_data - params.refill_beats
            };
            side.busy = free;
            side.keeps_until(free);
        }
        self.channel = done + 1;
        if let Some(transaction) = self.transactions.iter_mut().find(|t| t.serial == message.serial) {
            transaction.missing &= !(1 << message.hart);
            if message.dirty {
                transaction.answers.written = around.port.response(done + params.memory_write_latency);
            } else {
                transaction.answers.done = transaction.answers.done.max(done);
            }
        }
        if !message.dirty {
            self.makes_room(around, message.hart, at);
        }
        true
    }
}
