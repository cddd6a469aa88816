//! The parts of a line: what `fprintf` would do, faster.

use relsim_core::hart::{CsrWrite, Priv};
use relsim_core::insn::Op;

use crate::text::{Text, hex};

/// A line that is being made, at the end of the text that it belongs to.
#[derive(Debug)]
pub(super) struct Line<'a> {
    text: &'a mut Text,
}

impl<'a> Line<'a> {
    /// `core   0: 3 0x0000000080000000 (0x00000297)`
    #[inline]
    pub fn begin(text: &'a mut Text, hart: usize, privilege: Priv, pc: u64, op: &Op) -> Self {
        // Right-aligned in four columns, wider if it has to be.
        match u8::try_from(hart) {
            Ok(hart @ 0..=9) => text.piece(&[b'c', b'o', b'r', b'e', b' ', b' ', b' ', b'0' + hart]),
            _ => text.bytes(format!("core{hart:>4}").as_bytes()),
        }
        let mut piece = *b": 3 0x0000000000000000 (0x";
        piece[2] = b'0' + privilege as u8;
        piece[6..22].copy_from_slice(&hex(pc));
        text.piece(&piece);
        text.hex_wide(op.raw.into(), 2 * usize::from(op.len));
        text.piece(b")");
        Self { text }
    }

    /// ` x5  0x...`
    #[inline]
    pub fn x(&mut self, number: u8, value: u64) {
        self.register(b'x', number, value, 8);
    }

    /// ` f5  0x...`, as wide as the registers are.
    pub fn f(&mut self, number: u8, value: u64, double: bool) {
        self.register(b'f', number, value, if double { 8 } else { 4 });
    }

    /// The number left-aligned in two columns.
    #[inline]
    fn register(&mut self, letter: u8, number: u8, value: u64, size_bytes: usize) {
        let (tens, ones) = (b'0' + number / 10 % 10, b'0' + number % 10);
        let [first, second] = if tens == b'0' { [ones, b' '] } else { [tens, ones] };
        self.text.piece(&[b' ', letter, first, second, b' ', b'0', b'x']);
        self.text.hex_wide(value, 2 * size_bytes);
    }

    /// ` c768_mstatus 0x...`
    pub fn csr(&mut self, write: CsrWrite, name: Option<&str>) {
        // Registers that Spike has and relsim does not.
        let name = name.unwrap_or(if write.num == super::csrs::MVIP { "mvip" } else { "unknown" });
        self.text.piece(b" c");
        self.text.decimal(write.num.into());
        self.text.piece(b"_");
        self.text.bytes(name.as_bytes());
        self.text.piece(b" 0x");
        self.text.hex_wide(write.value, 16);
    }

    /// ` mem 0x...`
    #[inline]
    pub fn load(&mut self, address: u64) {
        self.text.piece(b" mem 0x");
        self.text.hex_wide(address, 16);
    }

    /// ` mem 0x... 0x...`
    #[inline]
    pub fn store(&mut self, address: u64, value: u64, size_bytes: u32) {
        self.load(address);
        self.text.piece(b" 0x");
        self.text.hex_wide(value, 2 * size_bytes as usize);
    }
}
