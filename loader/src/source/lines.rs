//! The line tables turned around: from lines to addresses.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use gimli::{LineProgramHeader, Reader as _, Unit, UnitType};

use super::{Dwarf, Reader};

/// The start of a range of instructions that belongs to one line. Ordered by file, line, address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Start {
    file: u32,
    line: u32,
    address: u64,
}

/// Where the code of each line begins.
#[derive(Debug, Default)]
pub(super) struct LineIndex {
    /// Paths, in order of appearance.
    files: Vec<String>,
    /// Sorted, without duplicates.
    starts: Vec<Start>,
}

impl LineIndex {
    /// Runs all line programs of `dwarf`, which must have passed the guard. Rows outside of `code` are left out.
    pub(super) fn new(dwarf: &Dwarf, code: &[Range<u64>]) -> gimli::Result<Self> {
        let mut builder = Builder { dwarf, code, index: Self::default(), numbers: HashMap::new() };
        let mut seen = HashSet::new();
        let mut headers = dwarf.units();
        while let Some(header) = headers.next()? {
            if matches!(
                header.type_(),
                UnitType::Type { .. } | UnitType::SplitType { .. } | UnitType::Partial
            ) {
                continue;
            }
            // A damaged unit does not spoil the others.
            let Ok(unit) = dwarf.unit(header) else { continue };
            if let Some(program) = &unit.line_program
                && seen.insert(program.header().offset().0)
            {
                let _ = builder.add(&unit);
            }
        }
        let Builder { mut index, .. } = builder;
        index.starts.sort_unstable();
        index.starts.dedup();
        Ok(index)
    }

    /// Addresses of a line in all files that match.
    pub(super) fn addresses(&self, file: &str, line: u32) -> Vec<u64> {
        let of_line = self.matching(file).flat_map(|starts| {
            let first = starts.partition_point(|start| start.line < line);
            starts[first..].iter().take_while(move |start| start.line == line).map(|start| start.address)
        });
        let mut all: Vec<u64> = of_line.collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Lines with code in all files that match.
    pub(super) fn lines(&self, file: &str) -> Vec<u32> {
        let mut all: Vec<u32> = self.matching(file).flatten().map(|start| start.line).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Files with code.
    pub(super) fn files(&self) -> Vec<&str> {
        let numbers = self.starts.chunk_by(|a, b| a.file == b.file).map(|starts| starts[0].file);
        let mut all: Vec<&str> = numbers.map(|number| self.files[number as usize].as_str()).collect();
        all.sort_unstable();
        all
    }

    /// The starts of each file that `pattern` matches.
    fn matching(&self, pattern: &str) -> impl Iterator<Item = &[Start]> {
        let by_file = self.starts.chunk_by(|a, b| a.file == b.file);
        by_file.filter(move |starts| ends_in(&self.files[starts[0].file as usize], pattern))
    }
}

/// Whether `path` ends in `pattern`, by whole components.
fn ends_in(path: &str, pattern: &str) -> bool {
    let front = path.strip_suffix(pattern);
    !pattern.is_empty()
        && front.is_some_and(|front| front.is_empty() || front.ends_with('/') || pattern.starts_with('/'))
}

struct Builder<'a> {
    dwarf: &'a Dwarf,
    code: &'a [Range<u64>],
    index: LineIndex,
    /// Numbers of the paths in `index.files`.
    numbers: HashMap<String, u32>,
}

impl Builder<'_> {
    /// Adds the rows of a unit's line program.
    fn add(&mut self, unit: &Unit<Reader>) -> gimli::Result<()> {
        let Some(program) = unit.line_program.clone() else { return Ok(()) };
        // Numbers of the unit's files, found when first used.
        let mut numbers: HashMap<u64, Option<u32>> = HashMap::new();
        let mut previous = None;
        let mut rows = program.rows();
        while let Some((header, row)) = rows.next_row()? {
            if row.end_sequence() {
                previous = None;
                continue;
            }
            let line = row.line().and_then(|line| u32::try_from(line.get()).ok());
            let here = Some((row.file_index(), line));
            // A debugger should stop where a statement begins, not at each row of it.
            let Some(line) = line.filter(|_| row.is_stmt() && previous != here) else { continue };
            previous = here;
            if !self.code.iter().any(|range| range.contains(&row.address())) {
                continue;
            }
            let file_index = row.file_index();
            let number = match numbers.get(&file_index) {
                Some(&number) => number,
                None => {
                    let number = self.file_number(unit, header, file_index);
                    numbers.insert(file_index, number);
                    number
                }
            };
            if let Some(file) = number {
                self.index.starts.push(Start { file, line, address: row.address() });
            }
        }
        Ok(())
    }

    /// The number of a file of a unit; `None` if its name cannot be read.
    fn file_number(
        &mut self,
        unit: &Unit<Reader>,
        header: &LineProgramHeader<Reader>,
        index: u64,
    ) -> Option<u32> {
        let path = self.path(unit, header, index)?;
        if let Some(&number) = self.numbers.get(&path) {
            return Some(number);
        }
        let number = u32::try_from(self.index.files.len()).ok()?;
        self.index.files.push(path.clone());
        self.numbers.insert(path, number);
        Some(number)
    }

    /// The path of a file of a unit: compilation directory, include directory, name; an absolute one drops what stands before it.
    fn path(&self, unit: &Unit<Reader>, header: &LineProgramHeader<Reader>, index: u64) -> Option<String> {
        let file = header.file(index)?;
        let text = |reader: &Reader| Some(reader.to_string_lossy().ok()?.into_owned());
        let mut path = unit.comp_dir.as_ref().and_then(text).unwrap_or_default();
        let mut push = |part: &str| {
            if part.starts_with('/') {
                path.clear();
            } else if !path.is_empty() && !path.ends_with('/') {
                path.push('/');
            }
            path.push_str(part);
        };
        // Directory 0 is the compilation directory, which is there already.
        if file.directory_index() != 0 {
            push(&text(&self.dwarf.attr_string(unit, file.directory(header)?).ok()?)?);
        }
        push(&text(&self.dwarf.attr_string(unit, file.path_name()).ok()?)?);
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::ends_in;

    #[test]
    fn files_are_matched_by_whole_components() {
        assert!(ends_in("/build/src/main.rs", "main.rs"));
        assert!(ends_in("/build/src/main.rs", "src/main.rs"));
        assert!(ends_in("/build/src/main.rs", "/build/src/main.rs"));
        assert!(!ends_in("/build/src/domain.rs", "main.rs"));
        assert!(!ends_in("/build/src/main.rs", ""));
    }
}
