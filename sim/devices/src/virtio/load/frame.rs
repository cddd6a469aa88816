//! Frames of the load: what is in one, and how to make one.

use serde::{Deserialize, Serialize};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpAddress, IpProtocol, Ipv4Address,
    Ipv4Packet, Ipv4Repr, TcpPacket, TcpRepr, UdpPacket, UdpRepr,
};

use super::Load;
use super::connection::{Segment, byte};

const HOP_LIMIT: u8 = 64;
/// What the peer has room for, all the time.
const WINDOW: u16 = u16::MAX;
/// Ethernet's, without options of IPv4 and TCP.
const MAX_SEGMENT_BYTES: u16 = 1460;

/// Who sends or receives a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Host {
    pub mac: [u8; 6],
    pub address: [u8; 4],
}

/// What a frame brings.
pub(super) enum Packet<'a> {
    Udp { from_port: u16, to_port: u16, payload: &'a [u8] },
    Tcp(TcpRepr<'a>),
}

/// Who has sent `frame` to `own`, and what; `None` if it is for somebody else, or damaged.
pub(super) fn parse(frame: &[u8], own: Host) -> Option<(Host, Packet<'_>)> {
    let checksums = ChecksumCapabilities::default();
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.dst_addr().0 != own.mac || frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let ip = Ipv4Repr::parse(&packet, &checksums).ok()?;
    let fragment = packet.more_frags() || packet.frag_offset() != 0;
    if fragment || ip.dst_addr.octets() != own.address || ip.src_addr.is_unspecified() {
        return None;
    }
    let from = Host { mac: frame.src_addr().0, address: ip.src_addr.octets() };
    let (source, destination) = (IpAddress::Ipv4(ip.src_addr), IpAddress::Ipv4(ip.dst_addr));
    let packet = match ip.next_header {
        IpProtocol::Udp => {
            let datagram = UdpPacket::new_checked(packet.payload()).ok()?;
            let udp = UdpRepr::parse(&datagram, &source, &destination, &checksums).ok()?;
            Packet::Udp { from_port: udp.src_port, to_port: udp.dst_port, payload: datagram.payload() }
        }
        IpProtocol::Tcp => {
            let segment = TcpPacket::new_checked(packet.payload()).ok()?;
            Packet::Tcp(TcpRepr::parse(&segment, &source, &destination, &checksums).ok()?)
        }
        _ => return None,
    };
    Some((from, packet))
}

impl Host {
    fn ip(&self) -> Ipv4Address {
        Ipv4Address::from(self.address)
    }

    /// A frame to `to` with `len` bytes behind its IPv4 header, which `emit` writes.
    fn ipv4(&self, to: Host, protocol: IpProtocol, len: usize, emit: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let ethernet = EthernetRepr {
            src_addr: EthernetAddress(self.mac),
            dst_addr: EthernetAddress(to.mac),
            ethertype: EthernetProtocol::Ipv4,
        };
        let ip = Ipv4Repr {
            src_addr: self.ip(),
            dst_addr: to.ip(),
            next_header: protocol,
            payload_len: len,
            hop_limit: HOP_LIMIT,
        };
        let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + len];
        let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
        ethernet.emit(&mut frame);
        let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
        ip.emit(&mut packet, &ChecksumCapabilities::default());
        emit(packet.payload_mut());
        bytes
    }

    /// A datagram from and to `ports`.
    pub fn udp(&self, to: Host, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let udp = UdpRepr { src_port: ports.0, dst_port: ports.1 };
        let (source, destination) = (IpAddress::Ipv4(self.ip()), IpAddress::Ipv4(to.ip()));
        self.ipv4(to, IpProtocol::Udp, udp.header_len() + payload.len(), |bytes| {
            let mut datagram = UdpPacket::new_unchecked(bytes);
            let fill = |bytes: &mut [u8]| bytes.copy_from_slice(payload);
            udp.emit(
                &mut datagram,
                &source,
                &destination,
                payload.len(),
                fill,
                &ChecksumCapabilities::default(),
            );
        })
    }

    /// `segment` from `port` to the server of `load`.
    pub fn tcp(&self, load: &Load, port: u16, segment: &Segment) -> Vec<u8> {
        let message = &segment.message;
        let payload: Vec<u8> =
            message.bytes.clone().map(|at| byte(message.connection, message.number, at)).collect();
        let tcp = TcpRepr {
            src_port: port,
            dst_port: load.port,
            control: segment.control,
            seq_number: number(segment.at),
            ack_number: segment.acknowledged.map(number),
            window_len: WINDOW,
            window_scale: None,
            max_seg_size: segment.acknowledged.is_none().then_some(MAX_SEGMENT_BYTES),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &payload,
        };
        let (source, destination) = (IpAddress::Ipv4(self.ip()), IpAddress::Ipv4(load.guest.ip()));
        self.ipv4(load.guest, IpProtocol::Tcp, tcp.buffer_len(), |bytes| {
            let mut packet = TcpPacket::new_unchecked(bytes);
            tcp.emit(&mut packet, &source, &destination, &ChecksumCapabilities::default());
        })
    }
}

/// A sequence number, as the library has it.
fn number(at: u32) -> smoltcp::wire::TcpSeqNumber {
    smoltcp::wire::TcpSeqNumber(at as i32)
}
