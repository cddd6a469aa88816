//! The text of files that have a line for each instruction: what `write!` would do, several times faster.

use std::io::{self, Write};

/// So much is gathered before it is written out.
const FULL_BYTES: usize = 1 << 16;
/// One in every byte.
const ONES: u64 = 0x0101_0101_0101_0101;

/// The digits of `value`, leading zeros included.
#[inline(always)]
pub const fn hex(value: u64) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = half((value >> 32) as u32);
    let [i, j, k, l, m, n, o, p] = half(value as u32);
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// The digits of a byte.
const fn bits(value: u8) -> [u8; 8] {
    // Each bit in its place in a byte of its own, then at the bottom of it.
    let bits = (value as u64 * ONES) & 0x8040_2010_0804_0201;
    let bits = (bits + 0x7f * ONES) >> 7 & ONES;
    (bits + b'0' as u64 * ONES).to_be_bytes()
}

/// The digits of half a word, without a table and without branches.
#[inline(always)]
const fn half(value: u32) -> [u8; 8] {
    // A byte for each four bits.
    let mut digits = value as u64;
    digits = (digits | digits << 16) & 0x0000_ffff_0000_ffff;
    digits = (digits | digits << 8) & 0x00ff_00ff_00ff_00ff;
    digits = (digits | digits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // Those beyond 9 carry into the upper half of their byte when 6 is added.
    let letters = (digits + 6 * ONES) >> 4 & ONES;
    let gap = (b'a' - b'9' - 1) as u64;
    (digits + b'0' as u64 * ONES + letters * gap).to_be_bytes()
}

/// Text in memory that grows at its end, in pieces whose size the compiler knows: such a copy is one or two moves.
#[derive(Debug, Default, Clone)]
pub struct Text {
    /// What is beyond `len` has no meaning.
    bytes: Vec<u8>,
    len: usize,
}

impl Text {
    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Forgets the text.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// The first `used` bytes of `piece`.
    #[inline(always)]
    pub fn part<const N: usize>(&mut self, piece: &[u8; N], used: usize) {
        match self.bytes.get_mut(self.len..).and_then(|rest| rest.first_chunk_mut()) {
            Some(place) => *place = *piece,
            None => self.grow(piece),
        }
        self.len += used.min(N);
    }

    /// Makes room.
    #[cold]
    #[inline(never)]
    fn grow(&mut self, bytes: &[u8]) {
        self.bytes.resize((2 * self.bytes.len()).max(self.len + bytes.len()), 0);
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
    }

    /// A text that is known when this is compiled.
    #[inline(always)]
    pub fn piece<const N: usize>(&mut self, piece: &[u8; N]) {
        self.part(piece, N);
    }

    /// Another text.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.len..self.len + bytes.len()) {
            Some(place) => place.copy_from_slice(bytes),
            None => self.grow(bytes),
        }
        self.len += bytes.len();
    }

    /// `value` with `count` (0 to 16) hexadecimal digits.
    #[inline]
    pub fn hex_wide(&mut self, value: u64, count: usize) {
        let count = count.min(16);
        // The digits that are wanted come first.
        let value = value.checked_shl(64 - 4 * count as u32).unwrap_or(0);
        self.part(&hex(value), count);
    }

    /// `value` with as many hexadecimal digits as it needs.
    #[inline]
    pub fn hex(&mut self, value: u64) {
        self.hex_wide(value, value.checked_ilog2().map_or(1, |highest| highest as usize / 4 + 1));
    }

    /// `value` with as many binary digits as it needs.
    #[inline]
    pub fn binary(&mut self, value: u64) {
        let count = value.checked_ilog2().map_or(1, |highest| highest + 1);
        // The digits that are wanted come first, eight by eight.
        for byte in (value << (64 - count)).to_be_bytes().into_iter().take(count.div_ceil(8) as usize) {
            self.piece(&bits(byte));
        }
        self.len -= (count.div_ceil(8) * 8 - count) as usize;
    }

    /// `value` in decimal.
    #[inline]
    pub fn decimal(&mut self, value: u64) {
        self.number(&Decimal::from(value));
    }

    /// A number whose digits are known.
    #[inline]
    pub fn number(&mut self, number: &Decimal) {
        self.part(&number.digits, number.count);
    }
}

/// A number in decimal.
#[derive(Debug, Default, Clone, Copy)]
pub struct Decimal {
    /// What is behind `count` has no meaning.
    digits: [u8; Self::MOST],
    count: usize,
}

impl Decimal {
    /// Digits of the greatest.
    const MOST: usize = 20;
}

impl From<u64> for Decimal {
    #[inline]
    fn from(value: u64) -> Self {
        let mut digits = [0; 2 * Self::MOST];
        let (mut at, mut rest) = (Self::MOST, value);
        // Two at a time: divisions wait for one another.
        while rest >= 10 {
            let pair = (rest % 100) as u8;
            (digits[at - 2], digits[at - 1]) = (b'0' + pair / 10, b'0' + pair % 10);
            rest /= 100;
            at -= 2;
        }
        if rest > 0 || at == Self::MOST {
            at -= 1;
            digits[at] = b'0' + rest as u8;
        }
        // From the first one on.
        let count = Self::MOST - at;
        Self { digits: digits[at..].first_chunk().copied().unwrap_or_default(), count }
    }
}

/// Text on its way to a file.
#[derive(Debug)]
pub struct Lines<W: Write> {
    out: W,
    /// What is not written out; to be appended to.
    pub text: Text,
}

impl<W: Write> Lines<W> {
    /// To `out`, which need not be buffered.
    pub fn new(out: W) -> Self {
        Self { out, text: Text::default() }
    }

    /// Ends a line.
    ///
    /// # Errors
    /// Those of the writer.
    #[inline]
    pub fn end(&mut self) -> io::Result<()> {
        self.text.piece(b"\n");
        if self.text.len < FULL_BYTES { Ok(()) } else { self.write_out() }
    }

    #[cold]
    #[inline(never)]
    fn write_out(&mut self) -> io::Result<()> {
        // What could not be written does not come again.
        let written = self.out.write_all(self.text.as_bytes());
        self.text.clear();
        written
    }

    /// Writes out what is left.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_format() {
        let values = (0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, 0x0123_4567_89ab_cdef >> bit]);
        for value in values.chain([9, 10, 99, 100, u64::MAX]) {
            let mut text = Text::default();
            text.hex(value);
            text.piece(b" ");
            text.hex_wide(value, 16);
            text.piece(b" ");
            text.hex_wide(value, 4);
            text.hex_wide(value, 0);
            text.bytes(b" ");
            text.decimal(value);
            text.bytes(b" ");
            text.binary(value);
            let expected = format!("{value:x} {value:016x} {:04x} {value} {value:b}", value & 0xffff);
            assert_eq!(String::from_utf8_lossy(text.as_bytes()), expected);
        }
    }

    /// Takes up to so many bytes.
    struct Small(usize);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let mut lines = Lines::new(Small(3));
        lines.text.piece(b"12");
        lines.end().and_then(|()| lines.finish()).unwrap();
        lines.end().unwrap();
        assert_eq!(lines.finish().unwrap_err().kind(), io::ErrorKind::WriteZero);
        let mut lines = Lines::new(Small(0));
        lines.text.bytes(&[b'x'; FULL_BYTES]);
        assert_eq!(lines.end().unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
