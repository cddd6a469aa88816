//! The load, against an echo server on a library's TCP.

use std::collections::VecDeque;

use proptest::prelude::*;
use relsim_devices::{CONTROL_PORT, Frames, LoadPeer, MAX_CONNECTIONS, MAX_MESSAGE_BYTES, NetPeer};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};

const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const GUEST_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const LATENCY: u64 = 5_000;
const PORT: u16 = 7;
/// Core cycles of a microsecond.
const CYCLES_PER_US: u64 = 100;

/// Frames between the guest and its peer.
#[derive(Default)]
struct Wire {
    arrived: VecDeque<Vec<u8>>,
    sent: Frames,
}

struct Arrived(Vec<u8>);
struct Sent<'a>(&'a mut Frames);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut frame = vec![0; len];
        let result = fill(&mut frame);
        self.0.push(frame);
        result
    }
}

impl Device for Wire {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived, Sent<'_>)> {
        Some((Arrived(self.arrived.pop_front()?), Sent(&mut self.sent)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// A guest that takes no time, and its peer.
struct World {
    now: u64,
    peer: LoadPeer,
    /// The peer's frames, and when they arrive.
    under_way: VecDeque<(u64, Vec<u8>)>,
    wire: Wire,
    interface: Interface,
    sockets: SocketSet<'static>,
    control: SocketHandle,
    servers: Vec<SocketHandle>,
    /// Echoes so far, and which one is damaged.
    echoes: u64,
    damaged: Option<u64>,
    /// TCP segments so far in both directions, and which of them are lost.
    segments: u64,
    lost: fn(u64) -> bool,
}

impl World {
    /// With `servers` connections that the guest can take.
    fn new(servers: usize) -> Self {
        let mut wire = Wire::default();
        let config = Config::new(EthernetAddress(GUEST_MAC).into());
        let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::v4(10, 0, 2, 15), 24)).unwrap();
        });
        let mut sockets = SocketSet::new(Vec::new());
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 4], vec![0; 1024]);
        let mut control = udp::Socket::new(buffer(), buffer());
        control.bind(9000).unwrap();
        let control = sockets.add(control);
        let server = |_| {
            let buffer = || tcp::SocketBuffer::new(vec![0; 2048]);
            let mut server = tcp::Socket::new(buffer(), buffer());
            server.listen(PORT).unwrap();
            sockets.add(server)
        };
        let servers = (0..servers).map(server).collect();
        let peer = LoadPeer::new(PEER_MAC);
        let (under_way, lost) = (VecDeque::new(), |_| false);
        let (now, echoes, damaged, segments) = (0, 0, None, 0);
        Self {
            now,
            peer,
            under_way,
            wire,
            interface,
            sockets,
            control,
            servers,
            echoes,
            damaged,
            segments,
            lost,
        }
    }

    fn is_lost(&mut self, frame: &[u8]) -> bool {
        const PROTOCOL_AT: usize = 14 + 9;
        let is_tcp = frame[PROTOCOL_AT] == 6;
        self.segments += u64::from(is_tcp);
        is_tcp && (self.lost)(self.segments)
    }

    fn sent_by_peer(&mut self, frames: Frames) {
        for frame in frames {
            if !self.is_lost(&frame) {
                self.under_way.push_back((self.now + LATENCY, frame));
            }
        }
        // What is saved is all that there is.
        let state = self.peer.save();
        self.peer = LoadPeer::new(PEER_MAC);
        self.peer.restore(&state).unwrap();
        assert_eq!(self.peer.save(), state);
    }

    /// Lets the guest do what it can at this time.
    fn guest(&mut self) {
        let now = Instant::from_micros((self.now / CYCLES_PER_US) as i64);
        loop {
            self.interface.poll(now, &mut self.wire, &mut self.sockets);
            for &server in &self.servers {
                let socket = self.sockets.get_mut::<tcp::Socket<'_>>(server);
                if socket.can_recv() {
                    let mut bytes = vec![0; 2048];
                    let len = socket.recv_slice(&mut bytes).unwrap();
                    self.echoes += 1;
                    bytes[0] ^= u8::from(self.damaged == Some(self.echoes));
                    assert_eq!(socket.send_slice(&bytes[..len]).unwrap(), len);
                } else if socket.state() == tcp::State::CloseWait {
                    socket.close();
                }
            }
            self.interface.poll(now, &mut self.wire, &mut self.sockets);
            if self.wire.sent.is_empty() {
                return;
            }
            for frame in std::mem::take(&mut self.wire.sent) {
                if !self.is_lost(&frame) {
                    let frames = self.peer.receive(self.now, &frame);
                    self.sent_by_peer(frames);
                }
            }
        }
    }

    /// Goes to when something happens next.
    fn advance(&mut self) {
        let now = Instant::from_micros((self.now / CYCLES_PER_US) as i64);
        let timer = self.interface.poll_at(now, &self.sockets);
        let timer = timer.map(|at| (at.total_micros() as u64 * CYCLES_PER_US).max(self.now + 1));
        let arrival = self.under_way.front().map(|&(due, _)| due);
        let next = arrival.into_iter().chain(timer).chain(self.peer.next_event()).min();
        self.now = next.expect("somebody waits for something");
        if self.peer.next_event().is_some_and(|due| due <= self.now) {
            let frames = self.peer.event(self.now);
            assert!(self.peer.next_event().is_none_or(|due| due > self.now));
            self.sent_by_peer(frames);
        }
        while self.under_way.front().is_some_and(|&(due, _)| due <= self.now) {
            self.wire.arrived.extend(self.under_way.pop_front().map(|(_, frame)| frame));
        }
    }

    /// The answer to a request.
    fn ask(&mut self, words: &[u64]) -> [u64; 5] {
        let to = IpEndpoint::new(IpAddress::v4(10, 0, 2, 2), CONTROL_PORT);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        self.sockets.get_mut::<udp::Socket<'_>>(self.control).send_slice(&bytes, to).unwrap();
        loop {
            self.guest();
            if let Ok((bytes, _)) = self.sockets.get_mut::<udp::Socket<'_>>(self.control).recv() {
                let (words, []) = bytes.as_chunks() else { panic!("words") };
                return std::array::from_fn(|n| u64::from_be_bytes(words[n]));
            }
            self.advance();
        }
    }
}

const OPEN: u64 = 1;
const RUN: u64 = 2;
const CLOSE: u64 = 3;

#[test]
fn every_echo_is_counted_and_takes_as_long_as_the_wire() {
    let mut world = World::new(5);
    assert_eq!(world.ask(&[OPEN, 5, 64, PORT.into()]), [OPEN, 5, 0, 0, 0]);
    let before = world.now;
    assert_eq!(world.ask(&[RUN, 20]), [RUN, 100, 0, 100 * LATENCY, LATENCY]);
    // A message at a time on each connection, and the answer.
    assert_eq!(world.now - before, 21 * LATENCY);
    assert_eq!(world.echoes, 100);
    assert_eq!(world.ask(&[RUN, 1]), [RUN, 5, 0, 5 * LATENCY, LATENCY]);
    assert_eq!(world.ask(&[CLOSE]), [CLOSE, 5, 0, 0, 0]);
    assert_eq!(world.peer.next_event(), None);
}

#[test]
fn connections_can_be_opened_again() {
    let mut world = World::new(1);
    for bytes in [1, MAX_MESSAGE_BYTES] {
        let server = world.servers[0];
        let socket = world.sockets.get_mut::<tcp::Socket<'_>>(server);
        if !socket.is_open() {
            socket.listen(PORT).unwrap();
        }
        assert_eq!(world.ask(&[OPEN, 1, bytes, PORT.into()]), [OPEN, 1, 0, 0, 0]);
        assert_eq!(world.ask(&[RUN, 3])[..3], [RUN, 3, 0]);
        assert_eq!(world.ask(&[CLOSE]), [CLOSE, 1, 0, 0, 0]);
    }
}

#[test]
fn a_wrong_byte_is_an_error() {
    let mut world = World::new(2);
    world.damaged = Some(7);
    world.ask(&[OPEN, 2, 100, PORT.into()]);
    assert_eq!(world.ask(&[RUN, 10])[..3], [RUN, 20, 1]);
}

#[test]
fn what_is_lost_is_sent_again() {
    let mut world = World::new(3);
    world.lost = |segment| segment % 7 == 2;
    assert_eq!(world.ask(&[OPEN, 3, 200, PORT.into()])[..3], [OPEN, 3, 0]);
    let before = world.now;
    assert_eq!(world.ask(&[RUN, 8])[..3], [RUN, 24, 0]);
    assert!(world.now - before > 10_000_000, "nothing was lost");
}

#[test]
fn who_does_not_listen_or_answer_fails() {
    let mut world = World::new(1);
    // The second is refused.
    assert_eq!(world.ask(&[OPEN, 2, 64, PORT.into()])[..3], [OPEN, 1, 1]);
    assert_eq!(world.ask(&[RUN, 4])[..3], [RUN, 4, 4]);
    world.sockets.get_mut::<tcp::Socket<'_>>(world.servers[0]).abort();
    assert_eq!(world.ask(&[RUN, 4])[..3], [RUN, 0, 8]);
    assert_eq!(world.ask(&[CLOSE])[..3], [CLOSE, 0, 2]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut world = World::new(1);
    let port = u64::from(PORT);
    let senseless = [
        &[][..],
        &[0],
        &[4],
        &[RUN, 1],
        &[CLOSE],
        &[OPEN, 0, 64, port],
        &[OPEN, MAX_CONNECTIONS + 1, 64, port],
        &[OPEN, 1, 0, port],
        &[OPEN, 1, MAX_MESSAGE_BYTES + 1, port],
        &[OPEN, 1, 64, 0],
        &[OPEN, 1, 64, 65536],
    ];
    for words in senseless {
        assert_eq!(world.ask(words), [0; 5], "{words:?}");
    }
    world.ask(&[OPEN, 1, 64, port]);
    for words in [&[OPEN, 1, 64, port][..], &[RUN, 1 << 32]] {
        assert_eq!(world.ask(words), [0; 5], "{words:?}");
    }
    // While another one is under way: that one is answered behind it.
    let to = IpEndpoint::new(IpAddress::v4(10, 0, 2, 2), CONTROL_PORT);
    let run: Vec<u8> = [RUN, 2].iter().flat_map(|word: &u64| word.to_be_bytes()).collect();
    world.sockets.get_mut::<udp::Socket<'_>>(world.control).send_slice(&run, to).unwrap();
    assert_eq!(world.ask(&[CLOSE]), [0; 5]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    /// Frames of a session with some of their bytes changed, or cut, in any order, at any time.
    #[test]
    fn no_frame_makes_it_panic(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..3u8, 0..20_000_000u64),
            0..60,
        ),
        damage in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let frames = session();
        let mut peer = LoadPeer::new(PEER_MAC);
        let mut now = 0;
        for frame in &frames[..4] {
            peer.receive(now, frame);
        }
        for (which, place, byte, kind, pause) in changes {
            now += pause;
            let mut frame = which.get(&frames).clone();
            let at = place.index(frame.len());
            match kind {
                0 => frame.truncate(at),
                1 => {
                    frame[at] = byte;
                    repair(&mut frame);
                }
                _ => {}
            }
            peer.receive(now, &frame);
            if peer.next_event().is_some_and(|due| due <= now) {
                peer.event(now);
            }
            let mut state = peer.save();
            if let Some((at, byte)) = &damage {
                let at = at.index(state.len());
                state[at] = *byte;
            }
            let _ = peer.restore(&state);
        }
    }
}

/// What the guest sends in a session.
fn session() -> Frames {
    let mut world = World::new(2);
    let mut frames = Frames::new();
    for words in [&[OPEN, 2, 64, PORT.into()][..], &[RUN, 2], &[CLOSE]] {
        let to = IpEndpoint::new(IpAddress::v4(10, 0, 2, 2), CONTROL_PORT);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        world.sockets.get_mut::<udp::Socket<'_>>(world.control).send_slice(&bytes, to).unwrap();
        let mut done = false;
        while !done {
            let now = Instant::from_micros((world.now / CYCLES_PER_US) as i64);
            world.interface.poll(now, &mut world.wire, &mut world.sockets);
            frames.extend(world.wire.sent.iter().cloned());
            world.guest();
            done = world.sockets.get_mut::<udp::Socket<'_>>(world.control).recv().is_ok();
            if !done {
                world.advance();
            }
        }
    }
    frames
}

/// Makes the checksums of a frame right again, so that what was changed is looked at.
fn repair(frame: &mut [u8]) {
    use smoltcp::wire::{EthernetFrame, IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};
    let Ok(mut frame) = EthernetFrame::new_checked(frame) else { return };
    let Ok(mut packet) = Ipv4Packet::new_checked(frame.payload_mut()) else { return };
    packet.fill_checksum();
    let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
    match packet.next_header() {
        IpProtocol::Tcp => {
            if let Ok(mut segment) = TcpPacket::new_checked(packet.payload_mut()) {
                segment.fill_checksum(&from, &to);
            }
        }
        IpProtocol::Udp => {
            if let Ok(mut datagram) = UdpPacket::new_checked(packet.payload_mut()) {
                datagram.fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
}
