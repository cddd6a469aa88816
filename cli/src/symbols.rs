//! From addresses to functions, over all the files of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use relsim_loader::{
    Image, LoadError, ParseOptions, SourceLocation, SourceMap, SymbolKind, SymbolTable, demangle,
};
use relsim_markers::{MAX_ID, NAME_PREFIX};
use relsim_traces::profile::Symbol;

use crate::error::CliError;
use crate::payload::read;
use crate::units::parse_number;

/// `FILE[@ADDRESS]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolsArg {
    path: PathBuf,
    address: Option<u64>,
}

impl FromStr for SymbolsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.rsplit_once('@').map(|(path, address)| (path, parse_number(address))) {
            Some((path, Ok(address))) => Self { path: path.into(), address: Some(address) },
            // An at sign in a name.
            _ => Self { path: text.into(), address: None },
        })
    }
}

/// A piece of an image: where it lies, and where it was linked to.
#[derive(Debug, Clone, Copy)]
struct Moved {
    physical: u64,
    linked: u64,
    size_bytes: u64,
}

/// The symbols of a file.
#[derive(Debug, Clone)]
pub struct ImageSymbols {
    name: String,
    table: SymbolTable,
    /// Where code runs before translation is on, if that is not where it was linked to.
    moved: Vec<Moved>,
    /// Read when it is first asked. It cannot be asked by two at a time.
    source: Arc<Mutex<SourceMap>>,
}

impl ImageSymbols {
    /// Those of `image`, called by its file name.
    pub fn of(image: &Image) -> Self {
        let file = PathBuf::from(&image.name);
        let moved = image.segments.iter().filter(|s| s.paddr != s.vaddr).map(|s| Moved {
            physical: s.paddr,
            linked: s.vaddr,
            size_bytes: s.mem_size_bytes,
        });
        Self {
            name: file.file_name().map_or(image.name.clone(), |n| n.to_string_lossy().into_owned()),
            table: image.symbols.clone(),
            moved: moved.collect(),
            source: Arc::new(Mutex::new(SourceMap::new(image))),
        }
    }

    fn find(&self, address: u64) -> Option<Symbol> {
        let (symbol, _) = self.table.lookup(address)?;
        let name = demangle(symbol.name).into_owned();
        Some(Symbol { name, object: self.name.clone(), address: symbol.address })
    }

    fn source<T>(&self, ask: impl FnOnce(&SourceMap) -> Result<T, LoadError>) -> Result<T, LoadError> {
        ask(&self.source.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn linked(&self, address: u64) -> Option<u64> {
        let inside = |m: &&Moved| address.checked_sub(m.physical).is_some_and(|n| n < m.size_bytes);
        self.moved.iter().find(inside).map(|m| m.linked.wrapping_add(address - m.physical))
    }
}

/// The symbols of a run.
#[derive(Debug, Clone, Default)]
pub struct Symbols(Vec<ImageSymbols>);

impl Symbols {
    /// Those of `images`, and those in the files of `more`.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub fn new(mut images: Vec<ImageSymbols>, more: &[SymbolsArg]) -> Result<Self, CliError> {
        for arg in more {
            let options = ParseOptions { load_address: arg.address, ..ParseOptions::default() };
            let bytes = read("symbol file", &arg.path)?;
            let mut image = Image::parse(&arg.path.display().to_string(), &bytes, &options)?;
            // It is not loaded: the addresses that it was linked to are those that it runs at.
            image.segments.clear();
            images.push(ImageSymbols::of(&image));
        }
        Ok(Self(images))
    }

    /// The function that `address` belongs to, in the first file that has one there.
    pub fn find(&self, address: u64) -> Option<Symbol> {
        self.0.iter().find_map(|image| image.find(address)).or_else(|| {
            self.0.iter().find_map(|image| image.linked(address).and_then(|linked| image.find(linked)))
        })
    }

    /// The address of the symbol called `name`, in the first file that has one.
    pub fn address(&self, name: &str) -> Option<u64> {
        self.0.iter().find_map(|image| image.table.by_name(name)).map(|symbol| symbol.address)
    }

    /// The source line of the instruction at `address`, by the debug information of the first file that knows it. What is
    /// damaged knows nothing.
    pub fn location(&self, address: u64) -> Option<SourceLocation> {
        let at = |image: &ImageSymbols, address| image.source(|map| map.location(address)).ok().flatten();
        self.0
            .iter()
            .find_map(|image| at(image, address))
            .or_else(|| self.0.iter().find_map(|image| at(image, image.linked(address)?)))
    }

    /// Where a statement of line `line` of source file `file` begins: `file` is the end of a path.
    ///
    /// # Errors
    /// [`LoadError::Dwarf`] if debug information is damaged, and nothing was found elsewhere.
    pub fn addresses_of_line(&self, file: &str, line: u32) -> Result<Vec<u64>, LoadError> {
        let mut failed = None;
        for image in &self.0 {
            match image.source(|map| map.addresses(file, line)) {
                Ok(found) if !found.is_empty() => return Ok(found),
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(Vec::new()), Err)
    }

    /// The names of all symbols that begin with `prefix`, for completion: at most `limit`.
    pub fn names(&self, prefix: &str, limit: usize) -> Vec<String> {
        let all = self.0.iter().flat_map(|image| image.table.iter());
        let names = all.map(|symbol| demangle(symbol.name).into_owned());
        let mut found: Vec<String> = names.filter(|name| name.starts_with(prefix)).collect();
        found.sort();
        found.dedup();
        found.truncate(limit);
        found
    }

    /// What regions are called: by `given`, or else by the files.
    pub fn region_names(&self, given: &[(u16, String)]) -> BTreeMap<u16, String> {
        let all = self.0.iter().flat_map(|image| image.table.iter());
        let named = all.filter(|s| s.kind == SymbolKind::Absolute).filter_map(|s| {
            let name = s.name.strip_prefix(NAME_PREFIX)?;
            let id = u16::try_from(s.address).ok().filter(|&id| id <= MAX_ID)?;
            Some((id, name.to_string()))
        });
        named.chain(given.iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_an_address() {
        let arg = |text: &str| SymbolsArg::from_str(text).unwrap();
        assert_eq!(arg("a.elf@0x1000"), SymbolsArg { path: "a.elf".into(), address: Some(0x1000) });
        assert_eq!(arg("me@home"), SymbolsArg { path: "me@home".into(), address: None });
    }
}
