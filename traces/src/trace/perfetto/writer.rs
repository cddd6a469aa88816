//! Tracks, slices, flows and counters as packets.

use std::io::{self, Write};

use prost::Message;

use super::proto::{
    CounterDescriptor, DebugAnnotation, ProcessDescriptor, ThreadDescriptor, Trace, TracePacket,
    TrackDescriptor, TrackEvent, Type,
};

/// All packets come from one sequence.
const SEQUENCE: u32 = 1;
const NANOSECONDS: u128 = 1_000_000_000;

/// A track, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Track(u64);

/// What an event says beside its name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Details<'a> {
    pub category: &'a str,
    /// Flows that go on from here.
    pub flows: &'a [u64],
    /// Flows that end here.
    pub ends: &'a [u64],
    pub numbers: &'a [(&'a str, u64)],
    pub texts: &'a [(&'a str, &'a str)],
}

/// Writes packets.
pub struct Packets<W: Write> {
    out: W,
    core_freq_hz: u64,
    tracks: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Packets<W> {
    pub fn new(out: W, core_freq_hz: u64) -> Self {
        Self { out, core_freq_hz: core_freq_hz.max(1), tracks: 0, buffer: Vec::new() }
    }

    fn write(&mut self, packet: TracePacket) -> io::Result<()> {
        let packet = TracePacket { trusted_packet_sequence_id: Some(SEQUENCE), ..packet };
        self.buffer.clear();
        // A vector takes it all.
        Trace { packet: vec![packet] }.encode(&mut self.buffer).map_err(io::Error::other)?;
        self.out.write_all(&self.buffer)
    }

    fn describe(&mut self, track: TrackDescriptor) -> io::Result<Track> {
        self.tracks += 1;
        let track_descriptor = Some(TrackDescriptor { uuid: Some(self.tracks), ..track });
        self.write(TracePacket { track_descriptor, ..TracePacket::default() })?;
        Ok(Track(self.tracks))
    }

    pub fn process(&mut self, pid: i32, name: &str) -> io::Result<Track> {
        let process = ProcessDescriptor { pid: Some(pid), process_name: Some(name.into()) };
        self.describe(TrackDescriptor { process: Some(process), ..TrackDescriptor::default() })
    }

    pub fn thread(&mut self, pid: i32, tid: i32, name: &str) -> io::Result<Track> {
        let thread = ThreadDescriptor { pid: Some(pid), tid: Some(tid), thread_name: Some(name.into()) };
        self.describe(TrackDescriptor { thread: Some(thread), ..TrackDescriptor::default() })
    }

    pub fn counter(&mut self, parent: Track, name: &str, unit: &str) -> io::Result<Track> {
        let counter = CounterDescriptor { unit_name: Some(unit.into()) };
        let (parent_uuid, name) = (Some(parent.0), Some(name.into()));
        self.describe(TrackDescriptor {
            parent_uuid,
            name,
            counter: Some(counter),
            ..TrackDescriptor::default()
        })
    }

    fn event(&mut self, cycle: u64, track: Track, kind: Type, event: TrackEvent) -> io::Result<()> {
        let nanoseconds = u128::from(cycle) * NANOSECONDS / u128::from(self.core_freq_hz);
        let track_event = TrackEvent { track_uuid: Some(track.0), r#type: Some(kind.into()), ..event };
        self.write(TracePacket {
            timestamp: Some(u64::try_from(nanoseconds).unwrap_or(u64::MAX)),
            track_event: Some(track_event),
            ..TracePacket::default()
        })
    }

    fn named(name: &str, cycle: u64, details: Details<'_>) -> TrackEvent {
        let number = |(name, value): &(&str, u64)| DebugAnnotation {
            name: Some((*name).into()),
            uint_value: Some(*value),
            string_value: None,
        };
        let text = |(name, value): &(&str, &str)| DebugAnnotation {
            name: Some((*name).into()),
            uint_value: None,
            string_value: Some((*value).into()),
        };
        let all = [("cycle", cycle)];
        TrackEvent {
            name: Some(name.into()),
            categories: vec![details.category.into()],
            flow_ids: details.flows.to_vec(),
            terminating_flow_ids: details.ends.to_vec(),
            debug_annotations: all
                .iter()
                .chain(details.numbers)
                .map(number)
                .chain(details.texts.iter().map(text))
                .collect(),
            ..TrackEvent::default()
        }
    }

    pub fn begin(&mut self, cycle: u64, track: Track, name: &str, details: Details<'_>) -> io::Result<()> {
        self.event(cycle, track, Type::SliceBegin, Self::named(name, cycle, details))
    }

    pub fn end(&mut self, cycle: u64, track: Track) -> io::Result<()> {
        self.event(cycle, track, Type::SliceEnd, TrackEvent::default())
    }

    pub fn instant(&mut self, cycle: u64, track: Track, name: &str, details: Details<'_>) -> io::Result<()> {
        self.event(cycle, track, Type::Instant, Self::named(name, cycle, details))
    }

    pub fn count(&mut self, cycle: u64, track: Track, value: u64) -> io::Result<()> {
        let counter_value = i64::try_from(value).ok();
        self.event(cycle, track, Type::Counter, TrackEvent { counter_value, ..TrackEvent::default() })
    }

    pub fn measure(&mut self, cycle: u64, track: Track, value: f64) -> io::Result<()> {
        let double_counter_value = Some(value);
        self.event(cycle, track, Type::Counter, TrackEvent { double_counter_value, ..TrackEvent::default() })
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
