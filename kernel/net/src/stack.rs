//! TCP/IP on a network device, for clients that may have to wait.

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, IpEndpoint};

use crate::socket::{Answer, Buffers, MAX_BYTES, Request};
use crate::virtio::Nic;

/// Bytes of a connection that are under way, in each direction.
const WINDOW_BYTES: usize = 2048;
/// Datagrams, and bytes of them, that wait.
const DATAGRAMS: usize = 4;
const DATAGRAM_BYTES: usize = 1024;
/// The stack's random numbers begin with this, so that runs repeat.
const SEED: u64 = 1;

/// An IPv4 address with the bits of its network.
pub type Address = ([u8; 4], u8);

/// A connection, or a place for one; `T` says who waits.
struct Connection<T> {
    handle: SocketHandle,
    /// A client has accepted it.
    accepted: bool,
    /// Who waits for bytes.
    receiver: Option<T>,
}

/// The stack. Nothing happens in it unless it is polled: it has no clock to wake it, so that what only a timer brings
/// about, like sending again, waits for the next frame or request.
pub struct Stack<T> {
    nic: Nic,
    interface: Interface,
    sockets: SocketSet<'static>,
    control: SocketHandle,
    connections: Vec<Connection<T>>,
    /// Who waits for connections.
    accepting: VecDeque<T>,
    buffers: Buffers,
    /// Something may have to be sent.
    dirty: bool,
}

impl<T> Stack<T> {
    /// On `nic`, with `address`, for clients that share `buffers`. Datagrams to `port` are for the owner.
    #[must_use]
    pub fn new(mut nic: Nic, address: Address, port: u16, buffers: Buffers) -> Self {
        let mut config = Config::new(EthernetAddress(nic.mac()).into());
        config.random_seed = SEED;
        let mut interface = Interface::new(config, &mut nic, Instant::ZERO);
        let ([a, b, c, d], bits) = address;
        interface.update_ip_addrs(|addresses| {
            // There is room for one.
            let _ = addresses.push(IpCidr::new(IpAddress::v4(a, b, c, d), bits));
        });
        let mut sockets = SocketSet::new(Vec::new());
        let buffer =
            || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; DATAGRAMS], vec![0; DATAGRAM_BYTES]);
        let mut control = udp::Socket::new(buffer(), buffer());
        // A port of 0 is the owner's mistake: it gets no datagrams.
        let _ = control.bind(port);
        let control = sockets.add(control);
        let (connections, accepting) = (Vec::new(), VecDeque::new());
        Self { nic, interface, sockets, control, connections, accepting, buffers, dirty: false }
    }

    /// The device.
    #[inline(always)]
    pub fn nic(&self) -> &Nic {
        &self.nic
    }

    /// Whether there are places for connections.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Sends a datagram; whether there was room.
    pub fn send_datagram(&mut self, to: ([u8; 4], u16), bytes: &[u8]) -> bool {
        let ([a, b, c, d], port) = to;
        let to = IpEndpoint::new(IpAddress::v4(a, b, c, d), port);
        self.dirty = true;
        self.sockets.get_mut::<udp::Socket<'_>>(self.control).send_slice(bytes, to).is_ok()
    }

    /// Whether a datagram has come.
    #[inline(always)]
    #[must_use]
    pub fn has_datagram(&self) -> bool {
        self.sockets.get::<udp::Socket<'_>>(self.control).can_recv()
    }

    /// Takes a datagram that has come: its bytes.
    pub fn take_datagram(&mut self, bytes: &mut [u8]) -> Option<usize> {
        let datagram = self.sockets.get_mut::<udp::Socket<'_>>(self.control).recv_slice(bytes);
        datagram.ok().map(|(len, _)| len)
    }

    /// Does what `request` asks for: its answer, or `None` if whoever `asker` says gets it from [`Stack::poll`] later.
    /// It is called only then; if it says nobody, the request fails.
    #[inline(always)]
    pub fn request(&mut self, request: Request, asker: impl FnOnce() -> Option<T>) -> Option<Answer> {
        Some(match request {
            Request::Listen { port, backlog } => self.listen(port, backlog),
            Request::Accept => {
                if let Some(number) = self.ready() {
                    return Some(self.accept(number));
                }
                let Some(asker) = asker() else { return Some(Answer::FAILED) };
                self.accepting.push_back(asker);
                return None;
            }
            Request::Receive { connection } => {
                let Some(number) = self.number(connection) else { return Some(Answer::FAILED) };
                if let Some(answer) = self.receive(number) {
                    return Some(answer);
                }
                let Some(asker) = asker() else { return Some(Answer::FAILED) };
                // Whoever waited already has lost it.
                self.connections[number].receiver = Some(asker);
                return None;
            }
            Request::Send { connection, len } => self.send(connection, len),
            Request::Close { connection } => match self.number(connection) {
                Some(number) => {
                    self.socket(number).close();
                    self.dirty = true;
                    Answer::new(0)
                }
                None => Answer::FAILED,
            },
        })
    }

    /// Takes frames that have come and sends what there is; whoever waited for something that is there is told by
    /// `tell`.
    #[inline(always)]
    pub fn poll(&mut self, now_us: u64, mut tell: impl FnMut(T, Answer)) {
        if !self.nic.has_input() && !self.dirty {
            return;
        }
        let now = Instant::from_micros(now_us as i64);
        let (nic, sockets) = (&mut self.nic, &mut self.sockets);
        while self.interface.poll_ingress_single(now, nic, sockets) != PollIngressSingleResult::None {}
        // Every socket sends a segment, and none has more: what is sent together is no longer, and whatever else is left
        // waits for the other side's word. A pass looks at all sockets, which is not for nothing.
        self.interface.poll_egress(now, nic, sockets);
        nic.tell();
        self.dirty = !nic.has_room();
        while !self.accepting.is_empty()
            && let Some(number) = self.ready()
            && let Some(asker) = self.accepting.pop_front()
        {
            let answer = self.accept(number);
            tell(asker, answer);
        }
        for number in 0..self.connections.len() {
            if self.connections[number].receiver.is_some()
                && let Some(answer) = self.receive(number)
                && let Some(asker) = self.connections[number].receiver.take()
            {
                tell(asker, answer);
            }
        }
    }

    /// A client's number of a connection, if it is one.
    #[inline(always)]
    fn number(&self, connection: u64) -> Option<usize> {
        let number = usize::try_from(connection).ok()?;
        self.connections.get(number).filter(|connection| connection.accepted).map(|_| number)
    }

    #[inline(always)]
    fn socket(&mut self, number: usize) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(self.connections[number].handle)
    }

    /// A connection that nobody has accepted.
    fn ready(&mut self) -> Option<usize> {
        (0..self.connections.len()).find(|&number| {
            let Connection { handle, accepted, .. } = self.connections[number];
            !accepted && self.sockets.get::<tcp::Socket<'_>>(handle).may_recv()
        })
    }

    fn accept(&mut self, number: usize) -> Answer {
        self.connections[number].accepted = true;
        Answer::new(number as u64)
    }

    fn listen(&mut self, port: u64, backlog: u64) -> Answer {
        let (Ok(port @ 1..), Ok(backlog)) = (u16::try_from(port), usize::try_from(backlog)) else {
            return Answer::FAILED;
        };
        if backlog > self.buffers.count() - self.connections.len() {
            return Answer::FAILED;
        }
        for _ in 0..backlog {
            let buffer = || tcp::SocketBuffer::new(vec![0; WINDOW_BYTES]);
            let mut socket = tcp::Socket::new(buffer(), buffer());
            if socket.listen(port).is_err() {
                return Answer::FAILED;
            }
            let handle = self.sockets.add(socket);
            self.connections.push(Connection { handle, accepted: false, receiver: None });
        }
        Answer::new(0)
    }

    /// Bytes that have come, or the end.
    #[inline(always)]
    fn receive(&mut self, number: usize) -> Option<Answer> {
        let buffers = self.buffers;
        let socket = self.socket(number);
        if socket.can_recv() {
            let put = |bytes: &mut [u8]| {
                let len = buffers.put(number, bytes);
                (len, len)
            };
            return Some(socket.recv(put).map_or(Answer::FAILED, |len| Answer::new(len as u64)));
        }
        (!socket.may_recv()).then_some(Answer::new(0))
    }

    #[inline(always)]
    fn send(&mut self, connection: u64, len: u64) -> Answer {
        let (Some(number), Ok(len)) = (self.number(connection), usize::try_from(len)) else {
            return Answer::FAILED;
        };
        let buffers = self.buffers;
        let take = |room: &mut [u8]| {
            let len = len.min(room.len()).min(MAX_BYTES);
            (buffers.get(number, &mut room[..len]), len)
        };
        let sent = self.socket(number).send(take);
        self.dirty = true;
        sent.map_or(Answer::FAILED, |len| Answer::new(len as u64))
    }
}
