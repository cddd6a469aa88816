//! Markers: instructions by which a guest says where something of interest begins and ends.
//!
//! A marker is `slti x0, rs1, imm`. With `x0` as its destination that is a hint "designated for custom use"
//! (unprivileged specification 2.9, table of RV32I hints, which RV64I inherits): hardware executes it as an ALU
//! operation whose result goes nowhere, and no standard will ever give it another meaning. A program that
//! contains markers is the same program everywhere; relsim, under every timing model, charges a marker what it
//! charges that `slti`.
//!
//! | `imm[11:10]` | marker |
//! |---|---|
//! | 0 | region `imm[9:0]` begins |
//! | 1 | region `imm[9:0]` ends |
//! | 2 | event `imm[9:0]` happens |
//! | 3 | none: reserved |
//!
//! `rs1` carries a value to be recorded; `x0` stands for none.
//!
//! The crate serves both sides, as `uintr-abi` does: relsim decodes with it, guests and kernels execute with
//! it. It needs neither `std` nor other crates. On targets other than RISC-V the functions do nothing, so that
//! code with markers can be tested on the host. `include/relsim_markers.h` is the same for C.
//!
//! ```
//! relsim_markers::name_region!(1, "checksum");
//!
//! fn checksum(data: &[u8]) -> u32 {
//!     let _region = relsim_markers::Region::<1>::enter();
//!     data.iter().map(|&byte| u32::from(byte)).sum()
//! }
//! # assert_eq!(checksum(&[1, 2]), 3);
//! ```
#![no_std]

/// The bits of a word that make it a marker: opcode, destination and `funct3`.
pub const MASK: u32 = 0x0000_7fff;
/// Their values: `slti x0`.
pub const BITS: u32 = 0x0000_2013;
/// Highest number of a region or event.
pub const MAX_ID: u16 = 1023;
/// What the name of a symbol begins with whose value is the number of a region, and the rest of whose name
/// is what that region is called.
pub const NAME_PREFIX: &str = "__relsim_region_";

/// What a marker says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A region begins.
    Begin = 0,
    /// A region ends.
    End = 1,
    /// An event happens.
    Instant = 2,
}

/// A marker, without the register that its value is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Marker {
    /// What it says.
    pub kind: Kind,
    /// Of which region or event; at most [`MAX_ID`].
    pub id: u16,
    /// Whether it carries a value: its source is not `x0`.
    pub has_value: bool,
}

impl Marker {
    /// The marker that the instruction `word` is, if it is one.
    pub const fn decode(word: u32) -> Option<Self> {
        if word & MASK != BITS {
            return None;
        }
        let kind = match word >> 30 {
            0 => Kind::Begin,
            1 => Kind::End,
            2 => Kind::Instant,
            _ => return None,
        };
        Some(Self { kind, id: (word >> 20) as u16 & MAX_ID, has_value: word >> 15 & 31 != 0 })
    }
}

/// The 12-bit immediate of a marker, sign-extended as assemblers want it.
///
/// # Panics
/// If `id` is above [`MAX_ID`]; at compile time in the functions of this crate.
pub const fn immediate(kind: Kind, id: u16) -> i32 {
    assert!(id <= MAX_ID, "regions and events have numbers up to 1023");
    (((kind as u32) << 30 | (id as u32) << 20) as i32) >> 20
}

/// The word of a marker whose value is in register `rs1` (0 for none; only the low five bits count).
///
/// # Panics
/// If `id` is above [`MAX_ID`].
pub const fn word(kind: Kind, id: u16, rs1: u8) -> u32 {
    (immediate(kind, id) as u32) << 20 | (rs1 as u32 & 31) << 15 | BITS
}

macro_rules! markers {
    ($($(#[doc = $doc:literal])+ $plain:ident, $with:ident = $kind:ident;)*) => {$(
        $(#[doc = $doc])+
        #[inline(always)]
        pub fn $plain<const ID: u16>() {
            // Checked on every target.
            const { immediate(Kind::$kind, ID) };
            // The compiler keeps memory accesses on their side of the marker.
            #[cfg(target_arch = "riscv64")]
            #[allow(unsafe_code, reason = "a hint has no effect on the program")]
            // SAFETY: changes nothing.
            unsafe {
                core::arch::asm!(
                    "slti x0, x0, {imm}",
                    imm = const immediate(Kind::$kind, ID),
                    options(nostack, preserves_flags),
                );
            }
        }

        $(#[doc = $doc])+
        ///
        /// `value` is recorded with it.
        #[inline(always)]
        pub fn $with<const ID: u16>(value: u64) {
            const { immediate(Kind::$kind, ID) };
            #[cfg(not(target_arch = "riscv64"))]
            let _ = value;
            #[cfg(target_arch = "riscv64")]
            #[allow(unsafe_code, reason = "a hint has no effect on the program")]
            // SAFETY: changes nothing.
            unsafe {
                core::arch::asm!(
                    "slti x0, {value}, {imm}",
                    value = in(reg) value,
                    imm = const immediate(Kind::$kind, ID),
                    options(nostack, preserves_flags),
                );
            }
        }
    )*};
}

markers! {
    /// Region `ID` begins.
    begin, begin_with = Begin;
    /// Region `ID` ends: the one of that number which began last.
    end, end_with = End;
    /// Event `ID` happens.
    instant, instant_with = Instant;
}

/// Region `ID`, from [`Region::enter`] until the value goes out of scope.
#[derive(Debug)]
#[must_use = "the region ends when this is dropped"]
pub struct Region<const ID: u16>(());

impl<const ID: u16> Region<ID> {
    /// The region begins.
    #[inline(always)]
    pub fn enter() -> Self {
        begin::<ID>();
        Self(())
    }
}

impl<const ID: u16> Drop for Region<ID> {
    #[inline(always)]
    fn drop(&mut self) {
        end::<ID>();
    }
}

/// Gives region or event `ID`, a number written out, a name for reports: a string of letters, digits and
/// underscores. It becomes the absolute symbol `__relsim_region_NAME`, which takes no memory and survives
/// everything but the removal of all symbols.
#[macro_export]
macro_rules! name_region {
    ($id:literal, $name:literal) => {
        const _: i32 = $crate::immediate($crate::Kind::Begin, $id);
        #[cfg(target_arch = "riscv64")]
        core::arch::global_asm!(
            concat!(".globl __relsim_region_", $name),
            concat!(".set __relsim_region_", $name, ", ", stringify!($id)),
        );
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_hints_and_come_back() {
        for kind in [Kind::Begin, Kind::End, Kind::Instant] {
            for id in [0, 1, 0x155, MAX_ID] {
                for rs1 in [0, 5, 31] {
                    let word = word(kind, id, rs1);
                    // slti: opcode 0010011, funct3 010; rd is x0.
                    assert_eq!((word & 0x7f, word >> 12 & 7, word >> 7 & 31), (0b001_0011, 0b010, 0));
                    assert_eq!(Marker::decode(word), Some(Marker { kind, id, has_value: rs1 != 0 }));
                }
            }
        }
    }

    #[test]
    fn other_words_are_no_markers() {
        // slti x0, x0, -1 (reserved kind); slti x1, x0, 0; sltiu x0, x0, 0; nop.
        for word in [0xfff0_2013, 0x0000_2093, 0x0000_3013, 0x0000_0013] {
            assert_eq!(Marker::decode(word), None, "{word:#x}");
        }
    }

    #[test]
    fn immediates_are_what_an_assembler_takes() {
        assert_eq!(immediate(Kind::Begin, 7), 7);
        assert_eq!(immediate(Kind::End, 7), 1024 + 7);
        assert_eq!(immediate(Kind::Instant, 7), 7 - 2048);
    }
}
