"""Reads a trace by the schema that Perfetto publishes (package `perfetto`), and prints what is in it as JSON.

As Perfetto's trace processor does, events are taken in the order of their timestamps. What that would drop, close by
itself or show in the wrong place ends this program: fields that the schema does not have, tracks that nobody described,
ends without beginnings, flows that lead nowhere.
"""

import collections
import json
import sys

from google.protobuf import unknown_fields
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as schema

Event = schema.TrackEvent


def check(holds, *what):
    if not holds:
        sys.exit("perfetto_reader: " + " ".join(map(str, what)))


def known(message):
    """Whether the schema has every field of a message."""
    if len(unknown_fields.UnknownFieldSet(message)):
        return False
    values = (value for field, value in message.ListFields() if field.message_type)
    return all(known(one) for value in values for one in ([value] if hasattr(value, "ListFields") else value))


class Track:
    def __init__(self, descriptor, tracks):
        self.is_counter = descriptor.HasField("counter")
        self.name = (
            descriptor.process.process_name or descriptor.thread.thread_name or descriptor.name
        )
        if descriptor.HasField("thread"):
            thread = descriptor.thread
            check(thread.pid and thread.tid, "a thread without numbers:", descriptor)
            self.name = f"{thread.pid}/{self.name}"
        check(self.name, "a track without a name:", descriptor)
        if descriptor.HasField("parent_uuid"):
            check(descriptor.parent_uuid in tracks, "no such parent:", descriptor)
        self.open = []
        self.slices = collections.Counter()
        self.instants = collections.Counter()
        self.nanoseconds = collections.Counter()
        self.counts = []

    def event(self, time, event):
        if event.type == Event.TYPE_COUNTER:
            check(self.is_counter, "a count on a track of slices:", event)
            field = event.WhichOneof("counter_value_field")
            check(field, "a count without a value:", event)
            self.counts.append(getattr(event, field))
            return
        check(not self.is_counter, "a slice on a counter:", event)
        if event.type == Event.TYPE_SLICE_BEGIN:
            check(event.name, "a slice without a name:", event)
            self.open.append((event.name, time))
            self.slices[event.name] += 1
        elif event.type == Event.TYPE_SLICE_END:
            check(self.open, "an end without a beginning at", time, "on", self.name)
            name, begun = self.open.pop()
            self.nanoseconds[name] += time - begun
        else:
            check(event.type == Event.TYPE_INSTANT, "an event of another type:", event)
            self.instants[event.name] += 1

    def summary(self):
        if self.is_counter:
            return {"counts": len(self.counts), "last": self.counts[-1] if self.counts else None}
        return {"slices": self.slices, "instants": self.instants, "nanoseconds": self.nanoseconds}


def main(path):
    trace = schema.Trace()
    with open(path, "rb") as file:
        trace.ParseFromString(file.read())
    check(known(trace), "a field that the schema does not have")
    tracks, events = {}, []
    for packet in trace.packet:
        check(packet.trusted_packet_sequence_id, "of no sequence:", packet)
        if packet.HasField("track_descriptor"):
            descriptor = packet.track_descriptor
            check(descriptor.uuid and descriptor.uuid not in tracks, "a track twice:", descriptor)
            tracks[descriptor.uuid] = Track(descriptor, tracks)
        else:
            check(packet.HasField("track_event") and packet.HasField("timestamp"), "neither:", packet)
            event = packet.track_event
            check(event.track_uuid in tracks, "on no track:", event)
            events.append((packet.timestamp, event))
    # Stable: what happens at the same time comes in the order of the file.
    events.sort(key=lambda event: event[0])
    flows, arrows = {}, collections.Counter()
    for time, event in events:
        tracks[event.track_uuid].event(time, event)
        for flow in [*event.terminating_flow_ids, *event.flow_ids]:
            if flow in flows:
                arrows[f"{flows[flow]} -> {event.name or event.type}"] += 1
            flows[flow] = event.name
        for flow in event.terminating_flow_ids:
            check(flows.pop(flow, None) and flow not in event.flow_ids, "a flow from nowhere:", event)
    for track in tracks.values():
        check(not track.open, "never ended:", track.name, track.open)
    json.dump({"tracks": {track.name: track.summary() for track in tracks.values()}, "arrows": arrows}, sys.stdout)


main(sys.argv[1])
