//! What clients of the network server ask for. A request is a label and two words, an answer a label and a word; the
//! bytes that are sent and received are in memory that both sides share.

/// Bytes that can be sent or received at a time: a segment's.
pub const MAX_BYTES: usize = 1460;
/// Bytes of a connection's buffer.
const BUFFER_BYTES: usize = 2048;

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Takes up to `backlog` connections to `port`.
    Listen {
        /// The port.
        port: u64,
        /// How many.
        backlog: u64,
    },
    /// Waits for a connection; the answer is its number.
    Accept,
    /// Waits for bytes, which are in the connection's buffer then; the answer is their number, 0 at the end.
    Receive {
        /// The connection.
        connection: u64,
    },
    /// Sends the first bytes of the connection's buffer; the answer is how many were taken.
    Send {
        /// The connection.
        connection: u64,
        /// How many.
        len: u64,
    },
    /// Sends nothing any more.
    Close {
        /// The connection.
        connection: u64,
    },
}

const LISTEN: u64 = 1;
const ACCEPT: u64 = 2;
const RECEIVE: u64 = 3;
const SEND: u64 = 4;
const CLOSE: u64 = 5;

impl Request {
    /// As label and words.
    #[inline(always)]
    #[must_use]
    pub const fn encode(self) -> (u64, [u64; 2]) {
        match self {
            Self::Listen { port, backlog } => (LISTEN, [port, backlog]),
            Self::Accept => (ACCEPT, [0, 0]),
            Self::Receive { connection } => (RECEIVE, [connection, 0]),
            Self::Send { connection, len } => (SEND, [connection, len]),
            Self::Close { connection } => (CLOSE, [connection, 0]),
        }
    }

    /// What label and words say, if it is something.
    #[inline(always)]
    #[must_use]
    pub const fn decode(label: u64, [a, b]: [u64; 2]) -> Option<Self> {
        Some(match label {
            LISTEN => Self::Listen { port: a, backlog: b },
            ACCEPT => Self::Accept,
            RECEIVE => Self::Receive { connection: a },
            SEND => Self::Send { connection: a, len: b },
            CLOSE => Self::Close { connection: a },
            _ => return None,
        })
    }
}

/// What comes of it: a number, or a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer(pub Option<u64>);

impl Answer {
    /// It cannot be done.
    pub const FAILED: Self = Self(None);

    /// It is done.
    #[inline(always)]
    #[must_use]
    pub const fn new(value: u64) -> Self {
        Self(Some(value))
    }

    /// As label and word.
    #[inline(always)]
    #[must_use]
    pub const fn encode(self) -> (u64, u64) {
        match self.0 {
            Some(value) => (0, value),
            None => (1, 0),
        }
    }

    /// What label and word say.
    #[inline(always)]
    #[must_use]
    pub const fn decode(label: u64, value: u64) -> Self {
        Self(if label == 0 { Some(value) } else { None })
    }
}

/// The buffers of connections, which server and client share.
#[derive(Debug, Clone, Copy)]
pub struct Buffers {
    memory: *mut u8,
    count: usize,
}

impl Buffers {
    /// As many as `bytes` of memory have room for.
    ///
    /// # Safety
    /// The memory is there for reading and writing as long as they are used, and nobody has references to it.
    #[must_use]
    pub const unsafe fn new(memory: *mut u8, bytes: usize) -> Self {
        Self { memory, count: bytes / BUFFER_BYTES }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    #[inline(always)]
    fn place(&self, connection: usize) -> Option<*mut u8> {
        // SAFETY: it is one of those that there is memory for: see `new`.
        (connection < self.count).then(|| unsafe { self.memory.add(connection * BUFFER_BYTES) })
    }

    /// Fills the beginning of a connection's buffer: how many bytes there was room for.
    #[inline(always)]
    pub fn put(&self, connection: usize, bytes: &[u8]) -> usize {
        let Some(place) = self.place(connection) else { return 0 };
        let len = bytes.len().min(MAX_BYTES);
        // SAFETY: there is room, and `bytes` lie elsewhere. The other side may write there at the same time, and has
        // spoilt its own bytes then.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), place, len) };
        len
    }

    /// Takes the beginning of a connection's buffer: how many bytes that were.
    #[inline(always)]
    pub fn get(&self, connection: usize, bytes: &mut [u8]) -> usize {
        let Some(place) = self.place(connection) else { return 0 };
        let len = bytes.len().min(MAX_BYTES);
        // SAFETY: as above.
        unsafe { core::ptr::copy_nonoverlapping(place, bytes.as_mut_ptr(), len) };
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for request in [
            Request::Listen { port: 7, backlog: 3 },
            Request::Accept,
            Request::Receive { connection: 5 },
            Request::Send { connection: 5, len: u64::MAX },
            Request::Close { connection: 2 },
        ] {
            let (label, words) = request.encode();
            assert_eq!(Request::decode(label, words), Some(request));
        }
        assert_eq!([0, 6, u64::MAX].map(|label| Request::decode(label, [0, 0])), [None; 3]);
        for answer in [Answer::new(0), Answer::new(u64::MAX), Answer::FAILED] {
            let (label, value) = answer.encode();
            assert_eq!(Answer::decode(label, value), answer);
        }
    }

    #[test]
    fn nobody_gets_at_memory_beyond_the_buffers() {
        let mut memory = [0xaa_u8; 2 * BUFFER_BYTES + 100];
        // SAFETY: the memory outlives them, and is looked at when they are not used.
        let buffers = unsafe { Buffers::new(memory.as_mut_ptr(), 2 * BUFFER_BYTES + 100) };
        assert_eq!(buffers.count(), 2);
        assert_eq!(buffers.put(1, &[7; 3000]), MAX_BYTES);
        assert_eq!((buffers.put(2, &[7; 10]), buffers.put(usize::MAX, &[7; 10])), (0, 0));
        let mut bytes = [0; 3000];
        assert_eq!(buffers.get(1, &mut bytes), MAX_BYTES);
        assert!(
            bytes[..MAX_BYTES].iter().all(|&byte| byte == 7) && bytes[MAX_BYTES..] == [0; 3000 - MAX_BYTES]
        );
        assert_eq!(buffers.get(2, &mut bytes), 0);
        let others = memory[..BUFFER_BYTES].iter().chain(&memory[BUFFER_BYTES + MAX_BYTES..]);
        assert!(others.copied().all(|byte| byte == 0xaa));
    }
}
