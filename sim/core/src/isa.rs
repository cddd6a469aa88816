//! Which extensions a hart has, and the standard ISA string that says so.

use std::fmt;

use crate::extension::IsaExtension;

macro_rules! extensions {
    ($($(#[$doc:meta])* $id:ident = $name:literal),* $(,)?) => {
        /// One ISA extension that relsim knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Ext { $($(#[$doc])* $id),* }

        impl Ext {
            /// Every extension, in the order of the canonical ISA string.
            pub const ALL: &[Ext] = &[$(Ext::$id),*];

            /// Its name in lower case, as ISA strings have it.
            pub const fn name(self) -> &'static str {
                match self { $(Ext::$id => $name),* }
            }

            /// Whether it is a slot for an extension outside the core.
            pub const fn is_custom(self) -> bool {
                matches!(self, Ext::Custom0 | Ext::Custom1 | Ext::Custom2 | Ext::Custom3)
            }
        }
    };
}

extensions! {
    /// Base integer instructions.
    I = "i",
    /// Multiplication and division.
    M = "m",
    /// Atomics.
    A = "a",
    /// Single-precision floating point.
    F = "f",
    /// Double-precision floating point.
    D = "d",
    /// Compressed instructions.
    C = "c",
    /// User-level interrupts (draft, privileged specification v1.11).
    N = "n",
    /// Supervisor mode.
    S = "s",
    /// User mode.
    U = "u",
    /// Cache-block management.
    Zicbom = "zicbom",
    /// Cache-block prefetch hints.
    Zicbop = "zicbop",
    /// Cache-block zero.
    Zicboz = "zicboz",
    /// cycle, time, instret.
    Zicntr = "zicntr",
    /// Integer conditional operations.
    Zicond = "zicond",
    /// CSR instructions.
    Zicsr = "zicsr",
    /// fence.i.
    Zifencei = "zifencei",
    /// pause.
    Zihintpause = "zihintpause",
    /// Hardware performance counters.
    Zihpm = "zihpm",
    /// Compare and swap.
    Zacas = "zacas",
    /// Wait on reservation set.
    Zawrs = "zawrs",
    /// Half-precision floating point.
    Zfh = "zfh",
    /// Half-precision loads, stores, moves and conversions.
    Zfhmin = "zfhmin",
    /// Address generation.
    Zba = "zba",
    /// Basic bit manipulation.
    Zbb = "zbb",
    /// Carry-less multiplication.
    Zbc = "zbc",
    /// Bit manipulation for cryptography.
    Zbkb = "zbkb",
    /// Carry-less multiplication for cryptography.
    Zbkc = "zbkc",
    /// Crossbar permutations.
    Zbkx = "zbkx",
    /// Single-bit instructions.
    Zbs = "zbs",
    /// Supervisor timer compare.
    Sstc = "sstc",
    /// 39-bit virtual addresses.
    Sv39 = "sv39",
    /// 48-bit virtual addresses.
    Sv48 = "sv48",
    /// 57-bit virtual addresses.
    Sv57 = "sv57",
    /// Hardware updates A and D bits when `menvcfg.ADUE` says so (with Svade as the reset behaviour).
    Svadu = "svadu",
    /// A page fault where A or D would have to be set.
    Svade = "svade",
    /// Fine-grained address-translation invalidation.
    Svinval = "svinval",
    /// 64 KiB naturally aligned power-of-two translations.
    Svnapot = "svnapot",
    /// Page-based memory types.
    Svpbmt = "svpbmt",
    /// Slot of an extension outside the core; [`crate::extension::IsaExtension`] gives it a name.
    Custom0 = "custom0",
    /// As [`Ext::Custom0`].
    Custom1 = "custom1",
    /// As [`Ext::Custom0`].
    Custom2 = "custom2",
    /// As [`Ext::Custom0`].
    Custom3 = "custom3",
}

/// A set of extensions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ExtSet(u64);

impl ExtSet {
    /// No extension.
    pub const EMPTY: Self = Self(0);

    /// The set of `exts`.
    pub const fn of(exts: &[Ext]) -> Self {
        let (mut bits, mut n) = (0, 0);
        while n < exts.len() {
            bits |= 1 << exts[n] as u8;
            n += 1;
        }
        Self(bits)
    }

    /// Whether `ext` is in.
    #[inline]
    pub const fn has(self, ext: Ext) -> bool {
        self.0 >> ext as u8 & 1 == 1
    }

    /// Whether all of `other` is in.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Adds `ext`.
    pub fn insert(&mut self, ext: Ext) {
        self.0 |= 1 << ext as u8;
    }

    /// Takes `ext` out.
    pub fn remove(&mut self, ext: Ext) {
        self.0 &= !(1 << ext as u8);
    }

    /// The members in canonical order.
    pub fn iter(self) -> impl Iterator<Item = Ext> {
        Ext::ALL.iter().copied().filter(move |&e| self.has(e))
    }
}

impl fmt::Debug for ExtSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Ext::name)).finish()
    }
}

/// What a row needs: any one of these sets, whole.
#[derive(Debug, Clone, Copy)]
pub struct Need(pub &'static [ExtSet]);

impl Need {
    /// Whether a hart with `isa` has the row.
    pub fn met_by(self, isa: ExtSet) -> bool {
        self.0.iter().any(|&set| isa.contains(set))
    }
}

/// `need!(D)`, `need!(C + D)`, `need!(Zbb | Zbkb)`: what a row needs.
#[macro_export]
macro_rules! need {
    ($($first:ident $(+ $ext:ident)*)|+) => {
        $crate::isa::Need(const { &[$($crate::isa::ExtSet::of(&[$crate::isa::Ext::$first $(, $crate::isa::Ext::$ext)*])),+] })
    };
}

/// Why an ISA string was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IsaError {
    /// Not `rv64...`.
    #[error("ISA string {0:?} does not begin with rv64")]
    Base(String),
    /// A letter or name that relsim does not have.
    #[error("ISA string {isa:?}: unknown or unsupported extension {ext:?} at offset {offset}")]
    Unknown {
        /// The whole string.
        isa: String,
        /// The part in question.
        ext: String,
        /// Its byte offset.
        offset: usize,
    },
    /// One extension needs another that is missing.
    #[error("ISA string {isa:?}: {ext} needs {needs}")]
    Missing {
        /// The whole string.
        isa: String,
        /// The one that is there.
        ext: &'static str,
        /// The one that is not.
        needs: &'static str,
    },
}

/// What an extension brings along (the ratified specifications say "implies").
const IMPLIES: &[(Ext, &[Ext])] = &[
    (Ext::D, &[Ext::F]),
    (Ext::F, &[Ext::Zicsr]),
    (Ext::Zfh, &[Ext::Zfhmin]),
    (Ext::Zicntr, &[Ext::Zicsr]),
    (Ext::Zihpm, &[Ext::Zicsr]),
    (Ext::Sv57, &[Ext::Sv48]),
    (Ext::Sv48, &[Ext::Sv39]),
    (Ext::N, &[Ext::U]),
];

/// What an extension needs to be given beside it.
const NEEDS: &[(Ext, Ext)] = &[
    (Ext::Zfhmin, Ext::F),
    (Ext::Zacas, Ext::A),
    (Ext::Zawrs, Ext::A),
    (Ext::Sv39, Ext::S),
    (Ext::S, Ext::U),
    (Ext::Sstc, Ext::S),
    (Ext::Svnapot, Ext::Sv39),
    (Ext::Svpbmt, Ext::Sv39),
    (Ext::Svinval, Ext::S),
];

/// Parses a standard ISA string such as `rv64imafdc_zba_zbb_sstc` (`g` is `imafd_zicsr_zifencei`;
/// version numbers such as `2p1` are skipped). Machine mode is always there; `s` and `u` may stand among
/// the single letters, and a string without either gets both, as simulators do by custom. The `svXX`
/// modes come with `s` unless one of them is named: naming `sv48` gives Sv39 and Sv48 only. `custom`
/// are the extensions outside the core that the machine knows.
///
/// # Errors
/// [`IsaError`] with the offending part.
pub fn parse_isa(text: &str, custom: &[&IsaExtension]) -> Result<ExtSet, IsaError> {
    let isa = text.to_ascii_lowercase();
    let rest = isa.strip_prefix("rv64").ok_or_else(|| IsaError::Base(text.into()))?;
    let mut set = ExtSet::EMPTY;
    let unknown = |ext: &str, offset| IsaError::Unknown { isa: text.into(), ext: ext.into(), offset };
    let mut offset = 4;
    for (index, part) in rest.split('_').enumerate() {
        let at = offset;
        offset += part.len() + 1;
        let named = Ext::ALL.iter().copied().filter(|e| e.name().len() > 1 && !e.is_custom()).find(|e| {
            part.strip_prefix(e.name()).is_some_and(|v| v.chars().all(|c| c.is_ascii_digit() || c == 'p'))
        });
        let outside = custom.iter().find(|e| e.name == part).map(|e| e.slot);
        if let (Some(ext), true) = (outside.or(named), index > 0) {
            set.insert(ext);
            continue;
        }
        if part.is_empty() {
            return Err(unknown("", at));
        }
        let bytes = part.as_bytes();
        let mut n = 0;
        while n < bytes.len() {
            if !part.is_char_boundary(n + 1) {
                return Err(unknown(part, at));
            }
            let letter = &part[n..=n];
            if letter == "g" {
                for e in [Ext::I, Ext::M, Ext::A, Ext::F, Ext::D, Ext::Zicsr, Ext::Zifencei] {
                    set.insert(e);
                }
            } else if letter == "b" {
                for e in [Ext::Zba, Ext::Zbb, Ext::Zbs] {
                    set.insert(e);
                }
            } else {
                let ext = Ext::ALL.iter().copied().find(|e| e.name() == letter);
                // "z..." and "s..." words that nobody knows are named whole.
                let long = matches!(letter, "z" | "x") || (letter == "s" && n + 1 < bytes.len() && !matches!(bytes[n + 1], b'u' | b'0'..=b'9'));
                match ext {
                    Some(ext) if !long => set.insert(ext),
                    _ => return Err(unknown(if long { &part[n..] } else { letter }, at + n)),
                }
            }
            n += 1;
            // A version: digits, then perhaps p and digits.
            let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
            let major = digits(n);
            if major > 0 {
                n += major;
                if bytes.get(n) == Some(&b'p') && digits(n + 1) > 0 {
                    n += 1 + digits(n + 1);
                }
            }
        }
    }
    if !set.has(Ext::I) {
        return Err(IsaError::Missing { isa: text.into(), ext: "rv64", needs: "i or g" });
    }
    if !set.has(Ext::S) && !set.has(Ext::U) {
        set.insert(Ext::S);
        set.insert(Ext::U);
    }
    let has_mode = [Ext::Sv39, Ext::Sv48, Ext::Sv57].iter().any(|&e| set.has(e));
    if set.has(Ext::S) && !has_mode {
        set.insert(Ext::Sv57);
    }
    for &(ext, implied) in IMPLIES {
        if set.has(ext) {
            implied.iter().for_each(|&e| set.insert(e));
        }
    }
    // A second round: Sv57 brings Sv48, which brings Sv39, whatever the order above.
    for &(ext, implied) in IMPLIES {
        if set.has(ext) {
            implied.iter().for_each(|&e| set.insert(e));
        }
    }
    for &(ext, needs) in NEEDS {
        if set.has(ext) && !set.has(needs) {
            return Err(IsaError::Missing { isa: text.into(), ext: ext.name(), needs: needs.name() });
        }
    }
    for ext in custom.iter().filter(|e| set.has(e.slot)) {
        if let Some(needs) = ext.needs.iter().find(|&&n| !set.has(n)) {
            return Err(IsaError::Missing { isa: text.into(), ext: ext.name, needs: needs.name() });
        }
    }
    Ok(set)
}

/// The canonical ISA string of `set`, as `riscv,isa` in a device tree has it.
pub fn isa_string(set: ExtSet, custom: &[&IsaExtension]) -> String {
    let mut text = String::from("rv64");
    for ext in set.iter().filter(|e| e.name().len() == 1 && !matches!(e, Ext::S | Ext::U | Ext::N)) {
        text.push_str(ext.name());
    }
    for ext in set.iter().filter(|e| e.name().len() > 1 && !e.is_custom()) {
        // The translation modes are not extensions of the string; the tree says them in mmu-type.
        if !matches!(ext, Ext::Sv39 | Ext::Sv48 | Ext::Sv57) {
            text.push('_');
            text.push_str(ext.name());
        }
    }
    for ext in custom.iter().filter(|e| set.has(e.slot)) {
        text.push('_');
        text.push_str(ext.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_round_trip_and_imply() {
        let set = parse_isa("rv64gc_zba_zbb_sstc", &[]).unwrap();
        assert!(set.has(Ext::Zicsr) && set.has(Ext::Zifencei) && set.has(Ext::S) && set.has(Ext::Sv39));
        assert_eq!(isa_string(set, &[]), "rv64imafdc_zicsr_zifencei_zba_zbb_sstc");
        assert!(parse_isa("RV64IMAC", &[]).is_ok());
        assert!(parse_isa("rv64i2p1m2_zba1p0", &[]).unwrap().has(Ext::Zba));
        let sv48 = parse_isa("rv64gcsu_sv48", &[]).unwrap();
        assert!(sv48.has(Ext::Sv39) && !sv48.has(Ext::Sv57));
    }

    #[test]
    fn nonsense_is_named() {
        assert!(matches!(parse_isa("rv32i", &[]), Err(IsaError::Base(_))));
        assert!(matches!(parse_isa("rv64gc_zfoo", &[]), Err(IsaError::Unknown { offset: 7, .. })));
        assert!(matches!(parse_isa("rv64q", &[]), Err(IsaError::Unknown { .. })));
        assert!(matches!(parse_isa("rv64imzacas", &[]), Err(IsaError::Unknown { .. })));
        assert!(matches!(parse_isa("rv64i_zacas", &[]), Err(IsaError::Missing { .. })));
        assert!(matches!(parse_isa("rv64", &[]), Err(IsaError::Unknown { .. } | IsaError::Missing { .. })));
        assert!(parse_isa("rv64gé", &[]).is_err());
        assert!(parse_isa("rv64g_é", &[]).is_err());
    }
}
