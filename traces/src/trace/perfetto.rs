//! Timelines for Perfetto (`ui.perfetto.dev`): TrackEvent packets.
//!
//! The group "harts" has a track for each hart: slices for user mode, for each trap with the kernel's path in it (as the
//! guest's markers tell), and for the handlers of user interrupts; and counters. Regions that begin in user mode may go on
//! over traps, and have a track beside it. The group "threads" has a track for each
//! thread of the guest, with slices for the times that it runs, if the guest says which thread runs by events that it
//! calls `context_switch` (or `fast_call`, `fast_reply_recv`, `fast_wait`), with a number that is the thread's. Arrows go
//! from the sending of a user interrupt to its handler, and from a call to the thread that answers it and back.
//!
//! Times are those of the guest; every slice has its cycle with it.

mod proto;
mod writer;

use std::collections::BTreeMap;
use std::io::{self, Write};

use relsim_core::hart::Priv;
use relsim_markers::Kind;

use super::event::{About, Event, Exporter, Mark, Names, Trap, Wants, What};
use writer::{Details, Packets, Track};

const HARTS_PID: i32 = 1;
const THREADS_PID: i32 = 2;
/// The first thread's number. Numbers are of a group, but some tools look them up without it.
const THREADS_TID: i32 = 1_000;
/// The counters are written at least so many cycles apart.
const COUNTER_CYCLES: u64 = 2_000;
/// Flows of messages that nobody has received are forgotten beyond so many.
const MAX_PENDING: usize = 4096;

/// What a slice on a hart's track is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slice {
    /// User mode.
    User,
    /// A trap that was taken to S or M.
    Trap,
    /// The handler of a user interrupt.
    Handler,
    /// A region of the guest.
    Region(u16),
}

/// A hart.
struct Lane {
    track: Track,
    ipc: Track,
    open: Vec<Slice>,
    /// The track of regions that begin in user mode, once there is one, and those that are open.
    regions: Option<Track>,
    open_regions: Vec<u16>,
    /// The thread that runs, as far as is known.
    thread: Option<u64>,
    /// A flow for the thread that runs next.
    handed_on: Option<u64>,
    /// When the counter was written last, and the instructions then.
    counted: (u64, u64),
    /// Its cycle at its latest event.
    latest: u64,
}

/// A thread.
struct Thread {
    track: Track,
    name: String,
    /// It runs: a slice is open.
    runs: bool,
    /// The flow of the call whose answer it waits for.
    calls: Option<u64>,
}

/// Writes the format.
pub struct Perfetto<W: Write> {
    packets: Packets<W>,
    names: Names,
    lanes: Vec<Lane>,
    threads: BTreeMap<u64, Thread>,
    sent: Track,
    taken: Track,
    counts: (u64, u64),
    /// By receiver: flows of user interrupts that have not been taken.
    pending: BTreeMap<u64, Vec<u64>>,
    flows: u64,
}

impl<W: Write> Perfetto<W> {
    /// To `out`, which should be buffered.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(out: W, names: Names, about: About) -> io::Result<Self> {
        let mut packets = Packets::new(out, about.core_freq_hz);
        let harts = packets.process(HARTS_PID, "harts")?;
        packets.process(THREADS_PID, "threads")?;
        let mut lanes = Vec::new();
        for (hart, tid) in (0..about.harts).zip(1..) {
            lanes.push(Lane {
                track: packets.thread(HARTS_PID, tid, &format!("hart {hart}"))?,
                ipc: packets.counter(harts, &format!("hart {hart}: instructions per cycle"), "1/cycle")?,
                open: Vec::new(),
                regions: None,
                open_regions: Vec::new(),
                thread: None,
                handed_on: None,
                counted: (0, 0),
                latest: 0,
            });
        }
        let sent = packets.counter(harts, "user interrupts sent", "")?;
        let taken = packets.counter(harts, "user interrupts taken", "")?;
        let (threads, pending) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { packets, names, lanes, threads, sent, taken, counts: (0, 0), pending, flows: 0 })
    }

    fn flow(&mut self) -> u64 {
        self.flows += 1;
        self.flows
    }

    /// Ends the slices of hart `hart` from number `from` on.
    fn close(&mut self, hart: usize, cycle: u64, from: usize) -> io::Result<()> {
        let lane = &mut self.lanes[hart];
        while lane.open.len() > from {
            lane.open.pop();
            self.packets.end(cycle, lane.track)?;
        }
        Ok(())
    }

    /// The same of the regions that began in user mode.
    fn close_regions(&mut self, hart: usize, cycle: u64, from: usize) -> io::Result<()> {
        let lane = &mut self.lanes[hart];
        let Some(track) = lane.regions else { return Ok(()) };
        lane.open_regions.drain(from..).try_for_each(|_| self.packets.end(cycle, track))
    }

    /// The track of hart `hart` for regions that begin in user mode.
    fn regions(&mut self, hart: usize) -> io::Result<Track> {
        if let Some(track) = self.lanes[hart].regions {
            return Ok(track);
        }
        let tid = 1 + (self.lanes.len() + hart) as i32;
        let track = self.packets.thread(HARTS_PID, tid, &format!("hart {hart}: regions of user mode"))?;
        self.lanes[hart].regions = Some(track);
        Ok(track)
    }

    fn open(
        &mut self,
        hart: usize,
        cycle: u64,
        slice: Slice,
        name: &str,
        with: Details<'_>,
    ) -> io::Result<()> {
        self.lanes[hart].open.push(slice);
        self.packets.begin(cycle, self.lanes[hart].track, name, with)
    }

    fn enter_user(&mut self, hart: usize, cycle: u64) -> io::Result<()> {
        let thread = self.lanes[hart].thread.and_then(|thread| self.threads.get(&thread));
        let name = thread.map_or_else(|| "user".into(), |thread| format!("user: {}", thread.name));
        self.open(hart, cycle, Slice::User, &name, Details { category: "user", ..Details::default() })
    }

    fn trap(&mut self, hart: usize, cycle: u64, trap: &Trap) -> io::Result<()> {
        let place = (self.names.function)(trap.epc);
        let texts = [("function", place.as_deref().unwrap_or("unknown"))];
        let numbers = [("epc", trap.epc), ("tval", trap.tval)];
        let mut with = Details { category: "trap", numbers: &numbers, texts: &texts, ..Details::default() };
        if trap.to == Priv::U {
            let flows = trap.receiver.and_then(|receiver| self.pending.remove(&receiver)).unwrap_or_default();
            (with.category, with.ends) = ("handler", &flows);
            if trap.interrupt {
                self.counts.1 += 1;
                self.packets.count(cycle, self.taken, self.counts.1)?;
            }
            if self.lanes[hart].open.is_empty() {
                self.enter_user(hart, cycle)?;
            }
            return self.open(hart, cycle, Slice::Handler, trap.name, with);
        }
        if trap.from == Priv::U {
            self.close(hart, cycle, 0)?;
        }
        self.open(hart, cycle, Slice::Trap, trap.name, with)
    }

    fn returns(&mut self, hart: usize, cycle: u64, to: Priv) -> io::Result<()> {
        let open = &self.lanes[hart].open;
        let handler = open.iter().rposition(|slice| *slice == Slice::Handler);
        let trap = open.iter().rposition(|slice| *slice == Slice::Trap);
        match (handler, trap) {
            // From a user interrupt's handler: what it interrupted goes on.
            (Some(handler), trap) if trap.is_none_or(|trap| trap < handler) => {
                self.close(hart, cycle, handler)
            }
            _ if to == Priv::U => {
                self.close(hart, cycle, 0)?;
                self.enter_user(hart, cycle)
            }
            (_, Some(trap)) => self.close(hart, cycle, trap),
            (_, None) => Ok(()),
        }
    }

    /// `thread` runs on hart `hart`.
    fn switch(&mut self, hart: usize, cycle: u64, thread: Option<u64>) -> io::Result<()> {
        let before = std::mem::replace(&mut self.lanes[hart].thread, thread);
        if before == thread {
            return Ok(());
        }
        if let Some(before) = before.and_then(|thread| self.threads.get_mut(&thread))
            && std::mem::take(&mut before.runs)
        {
            self.packets.end(cycle, before.track)?;
        }
        let Some(thread) = thread else { return Ok(()) };
        self.meet(thread)?;
        let handed_on = self.lanes[hart].handed_on.take();
        let Some(known) = self.threads.get_mut(&thread) else { return Ok(()) };
        // It may have been taken from another hart.
        if std::mem::replace(&mut known.runs, true) {
            self.packets.end(cycle, known.track)?;
        }
        let answered = known.calls.take();
        let name = format!("hart {hart}");
        let with = Details {
            category: "runs",
            flows: handed_on.as_slice(),
            ends: answered.as_slice(),
            ..Details::default()
        };
        self.packets.begin(cycle, known.track, &name, with)
    }

    /// Makes a track for `thread` if it is new.
    fn meet(&mut self, thread: u64) -> io::Result<()> {
        if self.threads.contains_key(&thread) {
            return Ok(());
        }
        let tid = THREADS_TID + self.threads.len() as i32;
        let name = format!("thread {thread:x}");
        let track = self.packets.thread(THREADS_PID, tid, &name)?;
        self.threads.insert(thread, Thread { track, name, runs: false, calls: None });
        Ok(())
    }

    /// The thread that runs on hart `hart` calls another one.
    fn call(&mut self, hart: usize, cycle: u64, name: &str) -> io::Result<()> {
        let flow = self.flow();
        let lane = &mut self.lanes[hart];
        let Some(thread) = lane.thread.and_then(|thread| self.threads.get_mut(&thread)) else {
            return Ok(());
        };
        lane.handed_on = Some(flow);
        thread.calls = Some(flow);
        let with = Details { category: "call", flows: &[flow], ..Details::default() };
        self.packets.instant(cycle, thread.track, name, with)
    }

    fn mark(&mut self, hart: usize, cycle: u64, mark: Mark) -> io::Result<()> {
        let name = self.names.region(mark.id);
        let number = mark.value.map(|value| ("value", value));
        let with = Details { category: "region", numbers: number.as_slice(), ..Details::default() };
        match mark.kind {
            Kind::Begin => {
                match name.as_str() {
                    "idle" => self.switch(hart, cycle, None)?,
                    "call" => self.call(hart, cycle, &name)?,
                    _ => {}
                }
                let open = &self.lanes[hart].open;
                if open.first() == Some(&Slice::User) && !open.contains(&Slice::Trap) {
                    let track = self.regions(hart)?;
                    self.lanes[hart].open_regions.push(mark.id);
                    return self.packets.begin(cycle, track, &name, with);
                }
                self.open(hart, cycle, Slice::Region(mark.id), &name, with)
            }
            Kind::End => {
                let lane = &self.lanes[hart];
                if let Some(begun) = lane.open.iter().rposition(|slice| *slice == Slice::Region(mark.id)) {
                    return self.close(hart, cycle, begun);
                }
                let begun = lane.open_regions.iter().rposition(|id| *id == mark.id);
                begun.map_or(Ok(()), |begun| self.close_regions(hart, cycle, begun))
            }
            Kind::Instant => {
                match name.as_str() {
                    "context_switch" => self.switch(hart, cycle, mark.value)?,
                    "fast_call" => {
                        self.call(hart, cycle, &name)?;
                        self.switch(hart, cycle, mark.value)?;
                    }
                    "fast_reply_recv" | "fast_wait" => self.switch(hart, cycle, mark.value)?,
                    _ => {}
                }
                self.packets.instant(cycle, self.lanes[hart].track, &name, with)
            }
        }
    }

    fn send(&mut self, hart: usize, cycle: u64, receiver: u64) -> io::Result<()> {
        let flow = self.flow();
        if self.pending.len() >= MAX_PENDING {
            self.pending.clear();
        }
        let waiting = self.pending.entry(receiver).or_default();
        // One arrow from each of the latest is enough to see them.
        waiting.truncate(MAX_PENDING);
        waiting.push(flow);
        self.counts.0 += 1;
        self.packets.count(cycle, self.sent, self.counts.0)?;
        let numbers = [("receiver", receiver)];
        let with = Details { category: "send", flows: &[flow], numbers: &numbers, ..Details::default() };
        self.packets.instant(cycle, self.lanes[hart].track, "uipi.send", with)
    }

    fn count(&mut self, event: &Event<'_>) -> io::Result<()> {
        let lane = &mut self.lanes[event.hart];
        let (cycle, instructions) = lane.counted;
        let cycles = event.cycle.saturating_sub(cycle);
        if cycles < COUNTER_CYCLES {
            return Ok(());
        }
        let retired = event.instructions.saturating_sub(instructions);
        lane.counted = (event.cycle, event.instructions);
        self.packets.measure(event.cycle, lane.ipc, retired as f64 / cycles as f64)
    }
}

impl<W: Write> Exporter for Perfetto<W> {
    fn wants(&self) -> Wants {
        Wants::default()
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let &Event { hart, cycle, .. } = event;
        if hart >= self.lanes.len() {
            return Ok(());
        }
        self.lanes[hart].latest = cycle;
        self.count(event)?;
        match event.what {
            What::Instruction(_) => Ok(()),
            What::Trap(trap) => self.trap(hart, cycle, &trap),
            What::Return(to) => self.returns(hart, cycle, to),
            What::Mark(mark) => self.mark(hart, cycle, mark),
            What::Send(receiver) => self.send(hart, cycle, receiver),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        // What is open ends with the last event of its hart.
        for hart in 0..self.lanes.len() {
            let (cycle, thread) = (self.lanes[hart].latest, self.lanes[hart].thread.take());
            self.close(hart, cycle, 0)?;
            self.close_regions(hart, cycle, 0)?;
            if let Some(thread) = thread.and_then(|thread| self.threads.get_mut(&thread))
                && std::mem::take(&mut thread.runs)
            {
                self.packets.end(cycle, thread.track)?;
            }
        }
        self.packets.flush()
    }
}
