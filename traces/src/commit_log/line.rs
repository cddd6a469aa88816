//! A line, byte by byte: what `fprintf` would do, faster.

use std::io::{self, Write};

use relsim_core::hart::{CsrWrite, Priv};
use relsim_core::insn::Op;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A line that is being made.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
}

impl Line {
    /// `core   0: 3 0x0000000080000000 (0x00000297)`
    pub fn begin(&mut self, hart: usize, privilege: Priv, pc: u64, op: &Op) {
        self.bytes.clear();
        self.bytes.extend_from_slice(b"core");
        // Right-aligned in four columns, wider if it has to be.
        let width = self.decimal_width(hart as u64);
        self.bytes.extend(std::iter::repeat_n(b' ', 4usize.saturating_sub(width)));
        self.decimal(hart as u64);
        self.bytes.extend_from_slice(b": ");
        self.bytes.push(b'0' + privilege as u8);
        self.bytes.push(b' ');
        self.hex(pc, 8);
        self.bytes.extend_from_slice(b" (");
        self.hex(op.raw.into(), op.len.into());
        self.bytes.push(b')');
    }

    /// ` x5  0x...`
    pub fn x(&mut self, number: u8, value: u64) {
        self.register(b'x', number);
        self.hex(value, 8);
    }

    /// ` f5  0x...`, as wide as the registers are.
    pub fn f(&mut self, number: u8, value: u64, double: bool) {
        self.register(b'f', number);
        self.hex(value, if double { 8 } else { 4 });
    }

    fn register(&mut self, letter: u8, number: u8) {
        self.bytes.extend_from_slice(&[b' ', letter]);
        self.decimal(number.into());
        self.bytes.extend_from_slice(if number < 10 { b"  " } else { b" " });
    }

    /// ` c768_mstatus 0x...`
    pub fn csr(&mut self, write: CsrWrite, name: Option<&str>) {
        self.bytes.extend_from_slice(b" c");
        self.decimal(write.num.into());
        self.bytes.push(b'_');
        // Registers that Spike has and relsim does not.
        let name = name.unwrap_or(if write.num == super::csrs::MVIP { "mvip" } else { "unknown" });
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(b' ');
        self.hex(write.value, 8);
    }

    /// ` mem 0x...`
    pub fn load(&mut self, address: u64) {
        self.bytes.extend_from_slice(b" mem ");
        self.hex(address, 8);
    }

    /// ` mem 0x... 0x...`
    pub fn store(&mut self, address: u64, value: u64, size_bytes: u32) {
        self.load(address);
        self.bytes.push(b' ');
        self.hex(value, size_bytes);
    }

    /// Writes the line out.
    pub fn end(&mut self, out: &mut impl Write) -> io::Result<()> {
        self.bytes.push(b'\n');
        out.write_all(&self.bytes)
    }

    fn hex(&mut self, value: u64, size_bytes: u32) {
        let mut text = *b"0x0000000000000000";
        let digits = 2 * size_bytes as usize;
        for (index, digit) in text[2..2 + digits].iter_mut().enumerate() {
            *digit = DIGITS[(value >> (4 * (digits - 1 - index)) & 15) as usize];
        }
        self.bytes.extend_from_slice(&text[..2 + digits]);
    }

    fn decimal_width(&self, value: u64) -> usize {
        value.checked_ilog10().unwrap_or(0) as usize + 1
    }

    fn decimal(&mut self, value: u64) {
        let mut text = [0; 20];
        let mut at = text.len();
        let mut rest = value;
        loop {
            at -= 1;
            text[at] = DIGITS[(rest % 10) as usize];
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&text[at..]);
    }
}
