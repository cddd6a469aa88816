//! Symbols: addresses to names and names to addresses.
//!
//! Sources: gABI chapter "Symbol Table"; RISC-V ELF psABI, "Mapping Symbol".

mod ranges;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::{Arc, OnceLock};

use object::elf::{
    FileHeader64, SHF_ALLOC, SHN_ABS, SHN_COMMON, SHN_LORESERVE, SHN_UNDEF, STB_LOCAL, STT_FUNC,
    STT_GNU_IFUNC, STT_NOTYPE, STT_OBJECT, Sym64,
};
use object::read::elf::{SectionHeader as _, SectionTable, Sym as _};
use object::{LittleEndian, U64Bytes};

use ranges::CoveredRange;

/// Longest name that is kept. Names may share bytes in a damaged file, so without a limit reading them takes quadratic time.
const MAX_NAME_BYTES: usize = 16 << 10;
/// Longest demangled name: demangling expands back references, and a few hundred bytes can make a megabyte.
const MAX_DEMANGLED_BYTES: usize = 1 << 10;

/// What a symbol stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymbolKind {
    /// `STT_FUNC`.
    Function,
    /// `STT_OBJECT`.
    Object,
    /// `STT_NOTYPE`: a label in assembly code, or defined by a linker script.
    Label,
    /// A number without a section (`SHN_ABS`). It is found by its name, never by an address.
    Absolute,
}

/// A symbol, with its name borrowed from the [`SymbolTable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol<'a> {
    /// Name as in the file; see [`demangle`].
    pub name: &'a str,
    /// Virtual address (after the bias of a position-independent file).
    pub address: u64,
    /// Size in bytes; 0 if not said.
    pub size_bytes: u64,
    /// Kind.
    pub kind: SymbolKind,
    /// Global or weak, not local.
    pub global: bool,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    address: u64,
    size_bytes: u64,
    /// Where the symbol's section ends: what has no size reaches at most to here.
    section_end: u64,
    name_start: u32,
    name_len: u16,
    kind: SymbolKind,
    global: bool,
}

/// The functions, objects and labels of a file, sorted by address.
///
/// Left out: undefined symbols, files, sections, thread-local symbols, mapping symbols (`$x`, `$d`) and assembler-local labels (`.L…`).
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct SymbolTable {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The string table, with bytes that are not UTF-8 replaced.
    names: String,
    /// Sorted by address, then by usefulness for a human.
    entries: Vec<Entry>,
    /// Disjoint, sorted; each refers to the entry that an address in it belongs to.
    covered: Vec<CoveredRange>,
    /// Numbers of entries, sorted by name, the preferred one of a name first.
    by_name: Vec<u32>,
    /// Demangled names that differ from the names, sorted. Made when first asked for: demangling a large kernel takes a while.
    by_demangled: OnceLock<Vec<(String, u32)>>,
    skipped: usize,
}

impl fmt::Debug for SymbolTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SymbolTable({} symbols)", self.len())
    }
}

type ElfSections<'data> = SectionTable<'data, FileHeader64<LittleEndian>>;
type ElfSymbols<'data> = object::read::elf::SymbolTable<'data, FileHeader64<LittleEndian>>;

impl SymbolTable {
    /// Collects the symbols of an ELF file, `bias` added to each address.
    pub(crate) fn from_elf(
        sections: &ElfSections<'_>,
        symbols: &ElfSymbols<'_>,
        file: &[u8],
        bias: u64,
    ) -> Self {
        let strings = sections
            .section(symbols.string_section())
            .ok()
            .and_then(|section| section.data(LittleEndian, file).ok())
            .unwrap_or_default();
        let names = same_length_utf8(strings);
        let mut entries = Vec::new();
        let mut skipped = 0;
        for symbol in symbols.iter() {
            let Some(kind) = kind(symbol) else { continue };
            let start = symbol.st_name(LittleEndian);
            let Some(name) = name_at(&names, start) else {
                skipped += 1;
                continue;
            };
            if name.is_empty() || name.starts_with(".L") || is_mapping_symbol(name) {
                continue;
            }
            let section = sections.section(object::SectionIndex(symbol.st_shndx(LittleEndian).into()));
            // Symbols of debug sections have offsets, not addresses.
            if section.is_ok_and(|section| section.sh_flags(LittleEndian) & u64::from(SHF_ALLOC) == 0) {
                continue;
            }
            let section_end = section.map_or(0, |section| {
                section.sh_addr(LittleEndian).wrapping_add(section.sh_size(LittleEndian))
            });
            let bias = if kind == SymbolKind::Absolute { 0 } else { bias };
            entries.push(Entry {
                address: value(symbol).wrapping_add(bias),
                size_bytes: symbol.st_size(LittleEndian),
                section_end: section_end.wrapping_add(bias),
                name_start: start,
                name_len: name.len() as u16,
                kind,
                global: symbol.st_bind() != STB_LOCAL,
            });
        }
        Self::from_entries(names, entries, skipped)
    }

    fn from_entries(names: String, mut entries: Vec<Entry>, skipped: usize) -> Self {
        let name = |entry: &Entry| &names[entry.name_start as usize..][..entry.name_len.into()];
        entries.sort_by(|a, b| {
            let key = |entry: &Entry| (entry.address, entry.kind, !entry.global, entry.size_bytes == 0);
            key(a).cmp(&key(b)).then_with(|| name(a).cmp(name(b)))
        });
        let mut by_name: Vec<u32> = (0..entries.len() as u32).collect();
        by_name.sort_by(|&a, &b| {
            let (a, b) = (&entries[a as usize], &entries[b as usize]);
            name(a).cmp(name(b)).then_with(|| (!a.global, a.address).cmp(&(!b.global, b.address)))
        });
        let covered = ranges::cover(&entries);
        Self {
            inner: Arc::new(Inner {
                names,
                entries,
                covered,
                by_name,
                by_demangled: OnceLock::new(),
                skipped,
            }),
        }
    }

    /// Number of symbols.
    pub fn len(&self) -> usize {
        self.inner.entries.len()
    }

    /// Whether there are no symbols.
    pub fn is_empty(&self) -> bool {
        self.inner.entries.is_empty()
    }

    /// How many symbols were left out because their names are damaged or too long.
    pub fn skipped(&self) -> usize {
        self.inner.skipped
    }

    /// All symbols, by rising address.
    pub fn iter(&self) -> impl Iterator<Item = Symbol<'_>> {
        self.inner.entries.iter().map(|entry| self.symbol(entry))
    }

    /// The symbol that `address` belongs to, and the offset from its start.
    ///
    /// That is the innermost function or object whose size covers the address; else the closest label without a size before it, up
    /// to the next symbol and the end of its section. Of several symbols at one address, functions come before objects and labels, and
    /// global ones before local ones.
    pub fn lookup(&self, address: u64) -> Option<(Symbol<'_>, u64)> {
        let covered = &self.inner.covered;
        let range = covered[..covered.partition_point(|range| range.start <= address)].last()?;
        if address > range.last {
            return None;
        }
        let entry = &self.inner.entries[range.entry as usize];
        Some((self.symbol(entry), address - entry.address))
    }

    /// The symbol with this name: as in the file, or demangled without its hash (`core::fmt::write`). Exact names win.
    pub fn by_name(&self, name: &str) -> Option<Symbol<'_>> {
        self.all_by_name(name).next()
    }

    /// All symbols with this name (see [`by_name`](Self::by_name)), the preferred one first; local functions often share one.
    pub fn all_by_name(&self, name: &str) -> impl Iterator<Item = Symbol<'_>> + use<'_> {
        let mut found = self.exact(name).to_vec();
        if found.is_empty() {
            let all = self.demangled();
            let start = all.partition_point(|(other, _)| other.as_str() < name);
            let same = all[start..].iter().take_while(|(other, _)| other == name);
            found.extend(same.map(|&(_, index)| index));
        }
        found.into_iter().map(|index| self.symbol(&self.inner.entries[index as usize]))
    }

    /// The symbol with exactly this name, a global one if there is one. Does not demangle.
    pub fn by_exact_name(&self, name: &str) -> Option<Symbol<'_>> {
        self.exact(name).first().map(|&index| self.symbol(&self.inner.entries[index as usize]))
    }

    fn exact(&self, name: &str) -> &[u32] {
        let all = &self.inner.by_name;
        let name_of = |index: u32| self.symbol(&self.inner.entries[index as usize]).name;
        let start = all.partition_point(|&index| name_of(index) < name);
        let end = start + all[start..].partition_point(|&index| name_of(index) == name);
        &all[start..end]
    }

    fn demangled(&self) -> &[(String, u32)] {
        self.inner.by_demangled.get_or_init(|| {
            let mut all: Vec<(String, u32)> = Vec::new();
            for (index, symbol) in self.iter().enumerate() {
                if let Cow::Owned(demangled) = demangle(symbol.name) {
                    all.push((demangled, index as u32));
                }
            }
            all.sort();
            all
        })
    }

    fn symbol(&self, entry: &Entry) -> Symbol<'_> {
        Symbol {
            name: &self.inner.names[entry.name_start as usize..][..entry.name_len.into()],
            address: entry.address,
            size_bytes: entry.size_bytes,
            kind: entry.kind,
            global: entry.global,
        }
    }
}

/// The readable form of a Rust symbol name, without its hash; other names are returned as they are, and so are names whose readable
/// form is longer than 1 KiB.
pub fn demangle(name: &str) -> Cow<'_, str> {
    /// Stops the demangler when there is enough.
    struct Limited(String);

    impl fmt::Write for Limited {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            if self.0.len() + text.len() > MAX_DEMANGLED_BYTES {
                return Err(fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }

    let Ok(demangled) = rustc_demangle::try_demangle(name) else { return Cow::Borrowed(name) };
    let mut text = Limited(String::new());
    match write!(text, "{demangled:#}") {
        Ok(()) => Cow::Owned(text.0),
        Err(fmt::Error) => Cow::Borrowed(name),
    }
}

/// The kind of a symbol that is kept.
fn kind(symbol: &Sym64<LittleEndian>) -> Option<SymbolKind> {
    let kind = match symbol.st_type() {
        STT_FUNC | STT_GNU_IFUNC => SymbolKind::Function,
        STT_OBJECT => SymbolKind::Object,
        STT_NOTYPE => SymbolKind::Label,
        _ => return None,
    };
    match symbol.st_shndx(LittleEndian) {
        SHN_UNDEF | SHN_COMMON => None,
        SHN_ABS => Some(SymbolKind::Absolute),
        // SHN_XINDEX and others: more than 65,000 sections exist in object files only. Keep the symbol, without a section.
        SHN_LORESERVE.. => Some(kind),
        _ => Some(kind),
    }
}

/// `st_value`.
fn value(symbol: &Sym64<LittleEndian>) -> u64 {
    let raw: U64Bytes<LittleEndian> = symbol.st_value;
    raw.get(LittleEndian)
}

/// `$x`, `$d`, and both with something behind them (`$x.12`, `$xrv64gc`).
fn is_mapping_symbol(name: &str) -> bool {
    name.starts_with("$x") || name.starts_with("$d")
}

/// The name that starts at byte `start` of the string table.
fn name_at(names: &str, start: u32) -> Option<&str> {
    let start = start as usize;
    let tail = names.as_bytes().get(start..)?;
    let len = tail.iter().take(MAX_NAME_BYTES + 1).position(|&byte| byte == 0)?;
    // `get` fails if the name starts inside of a character.
    names.get(start..start + len)
}

/// The bytes as text, each byte that is not UTF-8 replaced by `?`: offsets must stay what they are.
fn same_length_utf8(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}
