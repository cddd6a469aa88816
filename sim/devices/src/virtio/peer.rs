//! Who sits at the other end of a virtio-net device: deterministic answers without a network.
//!
//! Sources: RFC 826 (ARP), RFC 791 (IPv4), RFC 792 (ICMP), RFC 768 (UDP), RFC 862 (echo), RFC 5227
//! (address probes).

use crate::state::require;

/// Ethernet frames, without their checksums.
pub type Frames = Vec<Vec<u8>>;

/// Takes frames and sends some. What it sends may depend on nothing but what it was given, and when.
pub trait NetPeer: Send {
    /// The guest has sent `frame` at core cycle `now`: what the peer sends then. Harts do not see the same cycle, so
    /// `now` may be somewhat earlier than the last time.
    fn receive(&mut self, now: u64, frame: &[u8]) -> Frames;

    /// The core cycle at which [`NetPeer::event`] is wanted.
    fn next_event(&self) -> Option<u64> {
        None
    }

    /// That cycle has come: what the peer sends then. Afterwards the next event is later than `now`.
    fn event(&mut self, _now: u64) -> Frames {
        Frames::new()
    }

    /// The guest's driver begins anew: forget what there was.
    fn reset(&mut self) {}

    /// The state of the peer.
    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes a state that [`NetPeer::save`] gave.
    ///
    /// # Errors
    /// A description of what does not fit; the peer is unchanged then.
    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        require(state.is_empty(), "this network peer has no state")
    }
}

/// Sends every frame back as it came.
#[derive(Debug, Default, Clone, Copy)]
pub struct LoopPeer;

impl NetPeer for LoopPeer {
    fn receive(&mut self, _: u64, frame: &[u8]) -> Frames {
        vec![frame.to_vec()]
    }
}

/// A /24 full of hosts that share one Ethernet address: they answer ARP, ICMP echo and UDP echo (port
/// 7).
#[derive(Debug, Clone, Copy)]
pub struct EchoPeer {
    mac: [u8; 6],
    network: [u8; 3],
}

const BROADCAST: [u8; 6] = [0xff; 6];
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERNET_BYTES: usize = 14;
const ARP_BYTES: usize = 28;
/// Ethernet and IPv4, six- and four-byte addresses.
const ARP_KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];
const ARP_REQUEST: [u8; 2] = [0, 1];
const ARP_REPLY: [u8; 2] = [0, 2];
const IPV4_BYTES: usize = 20;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_UDP: u8 = 17;
const ICMP_ECHO_REQUEST: u8 = 8;
const UDP_BYTES: usize = 8;
const PORT_ECHO: [u8; 2] = [0, 7];
const TTL: u8 = 64;

/// Internet checksum of `bytes`; 0 over data that contains its own correct checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Exchanges the `N` bytes at `a` with those at `b` (apart from each other, inside `bytes`).
fn exchange<const N: usize>(bytes: &mut [u8], a: usize, b: usize) {
    for n in 0..N {
        bytes.swap(a + n, b + n);
    }
}

impl EchoPeer {
    /// Hosts `network`.1 to `network`.254 behind the Ethernet address `mac`.
    pub fn new(mac: [u8; 6], network: [u8; 3]) -> Self {
        Self { mac, network }
    }

    fn is_here(&self, address: &[u8]) -> bool {
        address.starts_with(&self.network) && !matches!(address[3], 0 | 255)
    }

    fn arp(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let packet = packet.get(..ARP_BYTES)?;
        let (sender_mac, sender, target) = (&packet[8..14], &packet[14..18], &packet[24..28]);
        let request = packet[..6] == ARP_KIND && packet[6..8] == ARP_REQUEST;
        // Who asks for its own address, or from none, wants to know whether it is taken: it is not.
        let probe = sender == target || sender == [0; 4];
        if !request || probe || !self.is_here(target) {
            return None;
        }
        let parts: [&[u8]; 6] = [&ARP_KIND, &ARP_REPLY, &self.mac, target, sender_mac, sender];
        Some(parts.concat())
    }

    fn ipv4(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let first = *packet.first()?;
        let header_len = usize::from(first & 0xf) * 4;
        let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        let sane = first >> 4 == 4 && header_len >= IPV4_BYTES && total >= header_len;
        // Behind the total length there may be Ethernet padding.
        let packet = packet.get(..total).filter(|_| sane)?;
        // More-fragments flag and fragment offset: only whole packets are answered.
        let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff != 0;
        if fragment || checksum(&packet[..header_len]) != 0 || !self.is_here(&packet[16..20]) {
            return None;
        }
        let mut reply = packet.to_vec();
        let (header, payload) = reply.split_at_mut(header_len);
        match header[9] {
            PROTOCOL_ICMP => answer_icmp(payload)?,
            PROTOCOL_UDP => answer_udp(payload)?,
            _ => return None,
        }
        exchange::<4>(header, 12, 16);
        header[8] = TTL;
        header[10..12].fill(0);
        let sum = checksum(header).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        Some(reply)
    }

    /// The frame that answers `frame`, if one does.
    pub fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (ethernet, packet) = frame.split_at_checked(ETHERNET_BYTES)?;
        let (to, from, kind) = (&ethernet[..6], &ethernet[6..12], &ethernet[12..]);
        let reply = if to != self.mac && to != BROADCAST {
            return None;
        } else if kind == ETHERTYPE_ARP {
            self.arp(packet)?
        } else if kind == ETHERTYPE_IPV4 {
            self.ipv4(packet)?
        } else {
            return None;
        };
        Some([from, &self.mac, kind, &reply].concat())
    }
}

fn answer_icmp(message: &mut [u8]) -> Option<()> {
    let echo = message.len() >= 8 && message[..2] == [ICMP_ECHO_REQUEST, 0];
    if !echo || checksum(message) != 0 {
        return None;
    }
    message[0] = 0;
    message[2..4].fill(0);
    let sum = checksum(message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    Some(())
}

/// The checksum covers ports and addresses as a sum, so exchanging them leaves it valid.
fn answer_udp(datagram: &mut [u8]) -> Option<()> {
    let len = usize::from(u16::from_be_bytes([*datagram.get(4)?, *datagram.get(5)?]));
    if len < UDP_BYTES || len > datagram.len() || datagram[2..4] != PORT_ECHO {
        return None;
    }
    exchange::<2>(datagram, 0, 2);
    Some(())
}

impl NetPeer for EchoPeer {
    fn receive(&mut self, _: u64, frame: &[u8]) -> Frames {
        self.answer(frame).into_iter().collect()
    }
}
