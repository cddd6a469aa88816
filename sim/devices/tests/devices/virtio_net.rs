use relsim_core::device::Device;
use relsim_devices::{EchoPeer, Frames, LoopPeer, Net, NetPeer, VirtioMmio};

use crate::bench::Bench;
use crate::virtio_driver::*;

const RX: u64 = 0;
const TX: u64 = 1;
const LATENCY: u64 = 700;
const GUEST_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const PEER_MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
const TX_BUFFER: u64 = BUFFERS;
const RX_BUFFER: u64 = BUFFERS + 0x1000;

fn bench(peer: Box<dyn NetPeer>) -> Bench<VirtioMmio<Net>> {
    let net = Net::new(GUEST_MAC, LATENCY, peer);
    let mut b = Bench::new(VirtioMmio::new("virtio0", WIRE, net));
    b.start(1 << 5, 2);
    b
}

impl Bench<VirtioMmio<Net>> {
    fn send(&mut self, frame: &[u8]) {
        self.ram.write(TX_BUFFER, &[0; 12]);
        self.ram.write(TX_BUFFER + 12, frame);
        self.chain(TX, &[(TX_BUFFER, 12), (TX_BUFFER + 12, frame.len() as u32)], &[]);
        self.submit(TX, 0);
    }

    fn offer_receive(&mut self, len: u32) {
        self.chain(RX, &[], &[(RX_BUFFER, len)]);
        self.submit(RX, 0);
    }
}

#[test]
fn frames_come_back_after_the_latency() {
    let mut b = bench(Box::new(LoopPeer));
    assert_eq!(b.read(0x100, 4), 0x1200_5452);
    assert_eq!((b.read(0x104, 2), b.read(0x106, 2)), (0x5634, 1));
    b.offer_receive(1526);
    assert_eq!(b.next_event(), None);
    b.run_to(100);
    b.send(b"a frame of some length");
    assert_eq!((b.used_index(TX), b.next_event()), (1, Some(100 + LATENCY)));
    b.run_to(100 + LATENCY - 1);
    assert_eq!(b.used_index(RX), 0);
    b.run_to(100 + LATENCY);
    assert_eq!(b.used_element(RX, 0), (0, 12 + 22));
    assert_eq!(b.bytes(RX_BUFFER, 12), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(b.bytes(RX_BUFFER + 12, 22), b"a frame of some length");
    assert_eq!(b.next_event(), None);
}

#[test]
fn frames_wait_for_buffers_in_order() {
    let mut b = bench(Box::new(LoopPeer));
    b.send(b"first");
    b.send(b"second");
    b.run_to(5000);
    assert_eq!((b.used_index(RX), b.next_event()), (0, None));
    b.round_trip();
    b.offer_receive(100);
    assert_eq!(b.bytes(RX_BUFFER + 12, 5), b"first");
    b.offer_receive(100);
    assert_eq!(b.bytes(RX_BUFFER + 12, 6), b"second");
    assert_eq!(b.used_index(RX), 2);
}

#[test]
fn short_buffers_lose_the_frame_and_floods_are_cut() {
    let mut b = bench(Box::new(LoopPeer));
    b.send(b"too long");
    b.offer_receive(19);
    b.run_to(LATENCY);
    assert_eq!(b.used_element(RX, 0), (0, 0));
    for _ in 0..1000 {
        b.send(b"flood");
    }
    b.run_to(10_000);
    for _ in 0..520 {
        b.offer_receive(100);
    }
    // One short, 512 kept.
    let filled = b.used_index(RX);
    assert_eq!((filled, b.needs_reset()), (513, false));
}

#[test]
fn a_frame_without_a_header_needs_a_reset() {
    let mut b = bench(Box::new(LoopPeer));
    b.chain(TX, &[(TX_BUFFER, 11)], &[]);
    b.submit(TX, 0);
    assert!(b.needs_reset());
}

/// Sends a frame back as often as its first byte says, every 50 cycles, beginning 50 cycles later.
#[derive(Default)]
struct Metronome {
    left: u8,
    due: u64,
}

impl NetPeer for Metronome {
    fn receive(&mut self, now: u64, frame: &[u8]) -> Frames {
        (self.left, self.due) = (frame[0], now + 50);
        Frames::new()
    }

    fn next_event(&self) -> Option<u64> {
        (self.left > 0).then_some(self.due)
    }

    fn event(&mut self, _: u64) -> Frames {
        self.left -= 1;
        self.due += 50;
        vec![vec![self.left]]
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    fn save(&self) -> Vec<u8> {
        [&[self.left][..], &self.due.to_le_bytes()].concat()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let (&left, due) = state.split_first().ok_or("nothing")?;
        (self.left, self.due) = (left, u64::from_le_bytes(due.try_into().map_err(|_| "its length")?));
        Ok(())
    }
}

#[test]
fn a_peer_has_time_and_state_of_its_own() {
    let mut b = bench(Box::new(Metronome::default()));
    b.offer_receive(100);
    b.run_to(1000);
    b.send(&[3]);
    assert_eq!(b.next_event(), Some(1050));
    b.round_trip();
    b.run_to(1050 + LATENCY - 1);
    assert_eq!(b.used_index(RX), 0);
    b.run_to(1050 + LATENCY);
    assert_eq!((b.used_index(RX), b.bytes(RX_BUFFER + 12, 1)), (1, vec![2]));
    // Two more frames are on their way, and find no buffer.
    b.run_to(1150 + LATENCY);
    assert_eq!((b.used_index(RX), b.next_event()), (1, None));
    // A reset reaches the peer.
    b.send(&[1]);
    assert!(b.next_event().is_some());
    b.write(0x070, 4, 0);
    b.ram.put(available(TX) + 2, 0u16);
    b.start(1 << 5, 2);
    assert_eq!(b.next_event(), None);
}

fn echo() -> EchoPeer {
    EchoPeer::new(PEER_MAC, [10, 0, 2])
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn arp(sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    [
        &[0xff; 6][..],
        &GUEST_MAC,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        &GUEST_MAC,
        &sender,
        &[0; 6],
        &target,
        &[0; 18],
    ]
    .concat()
}

fn ipv4(protocol: u8, target: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len() as u16).to_be_bytes();
    let mut header = vec![0x45, 0, total[0], total[1], 0x12, 0x34, 0x40, 0, 33, protocol, 0, 0];
    header.extend([10, 0, 2, 15]);
    header.extend(target);
    let sum = checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    [&PEER_MAC[..], &GUEST_MAC, &[8, 0], &header, payload].concat()
}

fn ping() -> Vec<u8> {
    let mut icmp = vec![8, 0, 0, 0, 0xbe, 0xef, 0, 1, b'd', b'a', b't'];
    let sum = checksum(&icmp).to_be_bytes();
    icmp[2..4].copy_from_slice(&sum);
    icmp
}

#[test]
fn arp_is_answered_for_the_whole_network() {
    let reply = echo().answer(&arp([10, 0, 2, 15], [10, 0, 2, 77])).unwrap();
    let expected = [
        &GUEST_MAC[..],
        &PEER_MAC,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
        &PEER_MAC,
        &[10, 0, 2, 77],
        &GUEST_MAC,
        &[10, 0, 2, 15],
    ]
    .concat();
    assert_eq!(reply, expected);
    // Another network, a probe for an address, an announcement of one.
    assert_eq!(echo().answer(&arp([10, 0, 2, 15], [10, 0, 3, 77])), None);
    assert_eq!(echo().answer(&arp([0; 4], [10, 0, 2, 15])), None);
    assert_eq!(echo().answer(&arp([10, 0, 2, 15], [10, 0, 2, 15])), None);
    assert_eq!(echo().answer(&arp([10, 0, 2, 15], [10, 0, 2, 255])), None);
}

#[test]
fn ping_is_answered() {
    let mut frame = ipv4(1, [10, 0, 2, 2], &ping());
    frame.extend([0; 15]);
    let reply = echo().answer(&frame).unwrap();
    assert_eq!((&reply[..6], &reply[6..12]), (&GUEST_MAC[..], &PEER_MAC[..]));
    assert_eq!((checksum(&reply[14..34]), checksum(&reply[34..])), (0, 0));
    assert_eq!((&reply[26..30], &reply[30..34]), (&[10, 0, 2, 2][..], &[10, 0, 2, 15][..]));
    assert_eq!((reply[34], &reply[38..]), (0, &ping()[4..]));
}

#[test]
fn udp_echo_exchanges_ports_and_keeps_the_checksum() {
    let datagram = [&[0x30, 0x39, 0, 7, 0, 12, 0xaa, 0xbb][..], b"data"].concat();
    let reply = echo().answer(&ipv4(17, [10, 0, 2, 9], &datagram)).unwrap();
    assert_eq!(reply[34..], [&[0, 7, 0x30, 0x39, 0, 12, 0xaa, 0xbb][..], b"data"].concat());
    let mut other = datagram.clone();
    other[3] = 8;
    assert_eq!(echo().answer(&ipv4(17, [10, 0, 2, 9], &other)), None);
    let mut long = datagram;
    long[5] = 13;
    assert_eq!(echo().answer(&ipv4(17, [10, 0, 2, 9], &long)), None);
}

#[test]
fn damaged_frames_are_dropped() {
    let good = ipv4(1, [10, 0, 2, 2], &ping());
    for len in 0..good.len() {
        assert_eq!(echo().answer(&good[..len]), None, "{len} bytes");
    }
    for at in (0..6).chain(12..14).chain(14..26).chain(30..good.len()) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        assert_eq!(echo().answer(&bad), None, "byte {at}");
    }
}

#[test]
fn nonsense_state_is_refused() {
    let mut b = bench(Box::new(echo()));
    b.send(&arp([10, 0, 2, 15], [10, 0, 2, 2]));
    b.round_trip();
    let saved = b.device.save();
    for len in 0..saved.len() {
        assert!(b.device.restore(&saved[..len]).is_err());
    }
}
