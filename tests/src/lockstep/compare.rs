//! Holds the memory that relsim left against QEMU's, and finds what is to blame for a difference.

use std::fmt::Write;

use relsim_core::csr::CsrTable;
use relsim_core::disasm;

use super::exceptions;
use super::layout::{LOG, PLACE_MASK, RAM, RUNS, TABLES};
use super::program::{Program, Shorten};
use super::runtime::{END_CSRS, END_WORDS, LOGGED, TAG_END, TAG_M, TAG_S, TRAP_WORDS};
use super::simulators::{Outcome, Qemu, RunError, relsim};

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Number of the run in which it shows; `None` in memory after the last.
    pub run: Option<usize>,
    /// What differs.
    pub what: String,
    /// relsim's value.
    pub relsim: u64,
    /// QEMU's value.
    pub qemu: u64,
    /// What kept a simulator from its end.
    pub trouble: Vec<String>,
    /// Start of the record, as word number in memory.
    record: usize,
    /// Start of the first record of the run.
    run_start: usize,
}

/// What two equal logs held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Runs of blocks.
    pub runs: usize,
    /// Traps.
    pub traps: usize,
    /// Words compared, the rest of memory apart.
    pub words: usize,
}

impl Tally {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.traps += other.traps;
        self.words += other.words;
    }
}

/// Memory as words.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn at(&self, n: usize) -> u64 {
        self.0.get(8 * n..8 * n + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    /// The instruction at `address`, through whatever alias.
    fn code(&self, address: u64) -> u32 {
        let at = (address & PLACE_MASK) as usize;
        self.0.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
    }

    fn len(&self) -> usize {
        self.0.len() / 8
    }
}

/// Name of word `n` of a record with tag `tag`.
fn field(tag: u64, n: usize) -> String {
    const TRAP: [&str; TRAP_WORDS] = ["record", "cause", "epc", "tval", "status"];
    match (tag, n) {
        (_, 0) => "record".into(),
        (TAG_END, 1) => "descriptor".into(),
        (TAG_END, 2..=32) => format!("{} (x{})", disasm::X_NAMES[n - 1], n - 1),
        (TAG_END, 33..END_CSRS) => format!("{} (f{})", disasm::F_NAMES[n - 33], n - 33),
        (TAG_END, _) => match n - END_CSRS {
            n if n < LOGGED.len() => LOGGED[n].0.into(),
            n if n == LOGGED.len() => "checksum of the data window".into(),
            _ => "checksum of the page tables".into(),
        },
        (TAG_M, n) => format!("m{}", TRAP[n]),
        (_, n) => format!("s{}", TRAP[n]),
    }
}

/// Compares two outcomes.
///
/// # Errors
/// The first [`Difference`] that is no known exception.
pub fn compare(relsim: &Outcome, qemu: &Outcome) -> Result<Tally, Box<Difference>> {
    let (ours, theirs) = (Words(&relsim.memory), Words(&qemu.memory));
    let trouble: Vec<_> = relsim.trouble.iter().chain(&qemu.trouble).cloned().collect();
    let mut tally = Tally::default();
    let log = (LOG - RAM) as usize / 8;
    let (mut at, mut run_start) = (log, log);
    loop {
        let tag = ours.at(at);
        let length = match tag {
            TAG_END => END_WORDS,
            TAG_M | TAG_S => TRAP_WORDS,
            _ => 1,
        };
        for n in 0..length {
            let (a, b) = (ours.at(at + n), theirs.at(at + n));
            if a != b {
                let what = field(tag, n);
                let (cause, code) = (ours.at(at + 1), ours.code(ours.at(at + 2)));
                if !exceptions::forgiven(&what, cause, code, a, b) {
                    let run = Some(tally.runs);
                    return Err(Box::new(Difference {
                        run,
                        what,
                        relsim: a,
                        qemu: b,
                        trouble,
                        record: at,
                        run_start,
                    }));
                }
            }
        }
        tally.words += length;
        at += length;
        match tag {
            TAG_END => {
                tally.runs += 1;
                run_start = at;
            }
            TAG_M | TAG_S => tally.traps += 1,
            _ => break,
        }
    }
    for n in (0..ours.len()).filter(|&n| !(log..at).contains(&n)) {
        let (a, b) = (ours.at(n), theirs.at(n));
        if a != b {
            let what = format!("memory at {:#x}", RAM + 8 * n as u64);
            return Err(Box::new(Difference {
                run: None,
                what,
                relsim: a,
                qemu: b,
                trouble,
                record: n,
                run_start: n,
            }));
        }
    }
    if !trouble.is_empty() {
        let (run, what) = (Some(tally.runs), "how the program ends".into());
        return Err(Box::new(Difference { run, what, relsim: 0, qemu: 0, trouble, record: at, run_start }));
    }
    Ok(tally)
}

/// Runs `program` in both simulators, at the same time.
///
/// # Errors
/// [`RunError`].
pub fn run_both(program: &Program) -> Result<(Outcome, Outcome), RunError> {
    let qemu = Qemu::start(program)?;
    let ours = relsim(program);
    let theirs = qemu.finish()?;
    Ok((ours?, theirs))
}

/// Looks for the shortest beginning of the block that still differs in the same run, and tells all that is
/// known about it.
///
/// # Errors
/// [`RunError`] if a shortened program does not run.
pub fn explain(program: &Program, found: &Difference) -> Result<String, RunError> {
    if std::env::var_os("RELSIM_LOCKSTEP_RAW").is_some() {
        return Ok(values(found));
    }
    let Some(run) = found.run.filter(|&r| r < program.runs.len()) else {
        return Ok(format!("seed {}: {}", program.seed, values(found)));
    };
    let block = program.runs[run].0;
    let (mut good, mut bad) = (0, program.blocks[block].block.gadgets.len());
    let mut shown = None;
    while good < bad || shown.is_none() {
        let keep = good + (bad - good) / 2;
        let short = Program::shortened(program.seed, Shorten { block, keep });
        let (a, b) = run_both(&short)?;
        match compare(&a, &b) {
            Err(found) if found.run.is_some_and(|r| program.runs.get(r).is_some_and(|r| r.0 == block)) => {
                bad = keep;
                shown = Some((found, a, b));
            }
            _ if good == bad => break,
            _ => good = keep + 1,
        }
    }
    let Some((found, ours, theirs)) = shown else {
        return Ok(format!(
            "seed {}, run {run}: {}; it does not show a second time",
            program.seed,
            values(found)
        ));
    };
    let short = Program::shortened(program.seed, Shorten { block, keep: bad });
    Ok(describe(&short, &found, block, bad, &Words(&ours.memory), &Words(&theirs.memory)))
}

fn values(d: &Difference) -> String {
    format!("{}: relsim {:#x}, QEMU {:#x} {}", d.what, d.relsim, d.qemu, d.trouble.join("; "))
}

/// The page-table entries for `va` before run number `run`, but for A and D bits set by then.
fn walk(program: &Program, run: usize, va: u64) -> Vec<u64> {
    let entry_at = |at: u64| {
        let poked =
            program.runs[..=run].iter().rev().flat_map(|(_, r)| r.pokes.iter().rev()).find(|p| p.0 == at);
        let piece = program
            .pieces
            .iter()
            .rev()
            .find(|(from, bytes)| (*from..from + bytes.len() as u64).contains(&at));
        let loaded = piece.map(|(from, bytes)| Words(&bytes[(at - from) as usize..]).at(0));
        poked.map(|p| p.1).or(loaded).unwrap_or_default()
    };
    let satp = program.runs[run].1.satp;
    let mut table = (satp & ((1 << 44) - 1)) << 12;
    let mut entries = Vec::new();
    for level in (0..(satp >> 60).saturating_sub(5)).rev() {
        let entry = entry_at(table + (va >> (12 + 9 * level) & 0x1ff) * 8);
        entries.push(entry);
        if entry & 0xf != 1 {
            break;
        }
        table = (entry >> 10 & ((1 << 44) - 1)) << 12;
    }
    entries
}

fn describe(
    program: &Program,
    difference: &Difference,
    block: usize,
    keep: usize,
    ours: &Words<'_>,
    theirs: &Words<'_>,
) -> String {
    let run = difference.run.unwrap_or_default();
    let mut out = format!(
        "seed {}, run {run} (block {block}, which differs from gadget {} on)\n{}\n",
        program.seed,
        keep.saturating_sub(1),
        values(difference)
    );
    let (_, how) = &program.runs[run];
    let _ = writeln!(
        out,
        "entered at {:#x}, mstatus {:#x}, satp {:#x}, medeleg {:#x}, mideleg {:#x}, mie {:#x}, mip {:#x}, \
         fcsr {:#x}, pmpcfg0 {:#x}, pmpaddr {:x?}, fence {}\n",
        how.mepc,
        how.mstatus,
        how.satp,
        how.medeleg,
        how.mideleg,
        how.mie,
        how.mip,
        how.fcsr,
        how.pmpcfg0,
        how.pmpaddr,
        how.fence,
    );
    let placed = &program.blocks[block];
    let _ = writeln!(out, "pointers x{:?}, safe x{}:", placed.block.pointers, placed.block.safe);
    let csrs = program.variant.isa().ok().and_then(|isa| CsrTable::new(isa, &[]).ok());
    let csr_name = |num: u16| csrs.as_ref().and_then(|t| t.get(num)).map(|row| row.name);
    let mut at = placed.address;
    let end = placed.address + placed.code.starts[keep.min(placed.code.starts.len() - 1)];
    for &word in &placed.code.words {
        if at >= end {
            break;
        }
        let row = program.rows.decoder.decode(word).map_or(0, |(number, _)| number);
        let text = disasm::text(program.rows.decoder.row(row), word, at, &csr_name);
        let mark = if placed.code.starts.contains(&(at - placed.address)) { "-" } else { " " };
        let _ = writeln!(out, " {mark} {at:#x}: {word:08x} {text}");
        at += super::code::word_bytes(word);
    }
    let _ = writeln!(out, "\nregisters at entry:");
    for (n, value) in (1..).zip(how.x) {
        let _ = write!(out, " x{n}={value:x}");
    }
    let _ = writeln!(out);
    for (n, value) in how.f.iter().enumerate() {
        let _ = write!(out, " f{n}={value:x}");
    }
    let _ = writeln!(out, "\n\nlog of the run (relsim, QEMU):");
    let mut record = difference.run_start;
    for _ in 0..100 {
        let tag = ours.at(record);
        match tag {
            TAG_M | TAG_S => {
                for n in 1..TRAP_WORDS {
                    let _ = write!(out, " {} {:#x}", field(tag, n), ours.at(record + n));
                    if ours.at(record + n) != theirs.at(record + n) {
                        let _ = write!(out, " (QEMU {:#x})", theirs.at(record + n));
                    }
                }
                if matches!(ours.at(record + 1), 12 | 13 | 15) {
                    let _ = write!(out, " by way of {:x?}", walk(program, run, ours.at(record + 3)));
                }
                let _ = writeln!(out);
                record += TRAP_WORDS;
            }
            TAG_END => {
                for n in (0..END_WORDS).filter(|n| ours.at(record + n) != theirs.at(record + n)) {
                    let (a, b) = (ours.at(record + n), theirs.at(record + n));
                    let _ = writeln!(out, " {}: {a:#x}, {b:#x}", field(tag, n));
                }
                break;
            }
            _ => break,
        }
        if record > difference.record {
            break;
        }
    }
    let tables = (TABLES - RAM) as usize / 8..(RUNS - RAM) as usize / 8;
    for n in tables.filter(|&n| ours.at(n) != theirs.at(n)).take(10) {
        let at = RAM + 8 * n as u64;
        let _ =
            writeln!(out, "in the end, table entry {at:#x} is {:#x} (QEMU {:#x})", ours.at(n), theirs.at(n));
    }
    out
}
