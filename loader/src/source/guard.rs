//! A first pass over debug information, so that no later pass can exhaust stack or memory.
//!
//! addr2line calls itself once per level of nested inlined functions, and DWARF lets many entries refer to one table (abbreviations,
//! line programs, address ranges, strings). In files from compilers both are harmless; in a damaged file, a megabyte can ask for an
//! endless stack or for terabytes. So everything that a reader would do more than once per byte is counted here against a budget
//! that grows with the size of the debug information.

use std::collections::HashSet;

use gimli::{
    AbbreviationsCacheStrategy, AttributeValue, DW_AT_ranges, DW_TAG_inlined_subroutine, DW_TAG_subprogram,
    Reader as _, Section as _, Unit, UnitRef, UnitType,
};

use super::{Dwarf, Reader};

/// Nested inlined functions; compilers stay far below 100.
const MAX_INLINE_DEPTH: usize = 256;
/// Added to each budget, so that tiny files have room for sharing what larger ones have by their size.
const SLACK: u64 = 64 << 10;

/// Counts down; `what` names the thing in the message.
struct Budget {
    left: u64,
    what: &'static str,
}

impl Budget {
    fn new(what: &'static str, bytes: u64, factor: u64) -> Self {
        Self { left: bytes.saturating_mul(factor).saturating_add(SLACK), what }
    }

    fn charge(&mut self, amount: u64) -> Result<(), String> {
        self.left = self.left.checked_sub(amount).ok_or_else(|| {
            format!(
                "damaged: its {} refer to each other far more often than a compiler makes them",
                self.what
            )
        })?;
        Ok(())
    }
}

/// Checks `dwarf`, and fills its cache of abbreviations.
///
/// Errors inside of a unit are ignored: the reader that comes after stops at the same place.
pub(super) fn check(dwarf: &mut Dwarf) -> Result<(), String> {
    check_abbreviations(dwarf)?;
    // Without the cache every unit would have its own copy of a table that it shares.
    dwarf.populate_abbreviations_cache(AbbreviationsCacheStrategy::All);

    let bytes = total_bytes(dwarf);
    let mut budgets = Budgets {
        files: Budget::new("file tables", bytes, 4),
        // Paths repeat the compilation directory for each file.
        paths: Budget::new("file names", bytes, 64),
        programs: Budget::new("line programs", bytes, 2),
        attributes: Budget::new("attributes", bytes, 32),
        ranges: Budget::new("address ranges", bytes, 2),
    };
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        let kind = header.type_();
        if matches!(kind, UnitType::Type { .. } | UnitType::SplitType { .. }) {
            continue;
        }
        let Ok(unit) = dwarf.unit(header) else { continue };
        budgets.check_lines(dwarf, &unit, kind != UnitType::Partial)?;
        budgets.check_entries(UnitRef::new(dwarf, &unit))?;
    }
    Ok(())
}

/// Size of the sections that legitimate work is proportional to.
fn total_bytes(dwarf: &Dwarf) -> u64 {
    let sections = [
        dwarf.debug_info.reader().len(),
        dwarf.debug_line.reader().len(),
        dwarf.ranges.debug_ranges().reader().len(),
        dwarf.ranges.debug_rnglists().reader().len(),
    ];
    sections.iter().map(|&len| len as u64).sum()
}

/// Checks that the abbreviation tables of the units do not overlap: each byte belongs to one table.
fn check_abbreviations(dwarf: &Dwarf) -> Result<(), String> {
    let section = dwarf.debug_abbrev.reader();
    let mut budget = Budget::new("abbreviations", section.len() as u64, 2);
    let mut seen = HashSet::new();
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        let offset = header.debug_abbrev_offset();
        if seen.insert(offset) {
            budget.charge(table_bytes(section, offset.0).unwrap_or(0))?;
        }
    }
    Ok(())
}

/// Length of the abbreviation table at `offset`, or up to where it is damaged. DWARF 5, section 7.5.3.
fn table_bytes(section: &Reader, offset: usize) -> gimli::Result<u64> {
    let mut rest = section.clone();
    rest.skip(offset)?;
    let start = rest.len();
    let mut walk = || -> gimli::Result<()> {
        // Code, tag, children, then pairs of name and form up to a pair of zeroes; an implicit constant has a value behind them.
        while rest.read_uleb128()? != 0 {
            rest.read_uleb128()?;
            rest.read_u8()?;
            loop {
                let (name, form) = (rest.read_uleb128()?, rest.read_uleb128()?);
                if (name, form) == (0, 0) {
                    break;
                }
                if form == u64::from(gimli::DW_FORM_implicit_const.0) {
                    rest.read_sleb128()?;
                }
            }
        }
        Ok(())
    };
    // A damaged table counts up to the damage: a reader gets that far, too.
    let _ = walk();
    Ok((start - rest.len()) as u64)
}

struct Budgets {
    files: Budget,
    paths: Budget,
    programs: Budget,
    attributes: Budget,
    ranges: Budget,
}

impl Budgets {
    /// Counts the line program of a unit. `run` says whether a reader will run it, not only look at its file names.
    fn check_lines(&mut self, dwarf: &Dwarf, unit: &Unit<Reader>, run: bool) -> Result<(), String> {
        let Some(program) = &unit.line_program else { return Ok(()) };
        let header = program.header();
        let files = header.file_names();
        self.files.charge((files.len() + header.include_directories().len()) as u64)?;
        if !run {
            return Ok(());
        }
        self.programs.charge(header.raw_program_buf().len() as u64)?;
        let length = |value: AttributeValue<Reader>| {
            dwarf.attr_string(unit, value).map_or(0, |text| text.len() as u64)
        };
        let base = unit.comp_dir.as_ref().map_or(0, |directory| directory.len() as u64);
        for file in files {
            let directory = file.directory(header).map_or(0, length);
            self.paths.charge(base + directory + length(file.path_name()))?;
        }
        Ok(())
    }

    /// Counts the entries of a unit, and bounds the nesting of inlined functions.
    fn check_entries(&mut self, unit: UnitRef<'_, Reader>) -> Result<(), String> {
        let Ok(mut entries) = unit.entries_raw(None) else { return Ok(()) };
        let mut inlined: Vec<isize> = Vec::new();
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let abbreviation = match entries.read_abbreviation() {
                Ok(Some(abbreviation)) => abbreviation,
                Ok(None) => continue,
                Err(_) => return Ok(()),
            };
            // Attributes may take no bytes, so they are not bounded by the section's size.
            self.attributes.charge(abbreviation.attributes().len() as u64)?;
            let tag = abbreviation.tag();
            if tag == DW_TAG_inlined_subroutine {
                inlined.truncate(inlined.partition_point(|&outer| outer < depth));
                inlined.push(depth);
                if inlined.len() > MAX_INLINE_DEPTH {
                    return Err(format!("damaged: inlined functions nested deeper than {MAX_INLINE_DEPTH}"));
                }
            }
            // The entry at depth 0 is the unit.
            if depth == 0 || tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine {
                // Read aside: an attribute that cannot be read must not end the walk where a reader, which skips it, goes on.
                let mut aside = entries.clone();
                for &specification in abbreviation.attributes() {
                    let Ok(attribute) = aside.read_attribute(specification) else { break };
                    if attribute.name() == DW_AT_ranges {
                        self.check_ranges(unit, attribute.value())?;
                    }
                }
            }
            if entries.skip_attributes(abbreviation.attributes()).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Counts the address ranges that an entry refers to.
    fn check_ranges(
        &mut self,
        unit: UnitRef<'_, Reader>,
        value: AttributeValue<Reader>,
    ) -> Result<(), String> {
        let Ok(Some(offset)) = unit.attr_ranges_offset(value) else { return Ok(()) };
        let Ok(mut ranges) = unit.raw_ranges(offset) else { return Ok(()) };
        while let Ok(Some(_)) = ranges.next() {
            self.ranges.charge(1)?;
        }
        Ok(())
    }
}
