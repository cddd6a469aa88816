//! Source and disassembly.

use std::collections::HashMap;
use std::path::PathBuf;

use relsim_loader::SourceLocation;

use crate::debug::places::symbol;
use crate::debug::{Debugger, show};

/// Instructions before and behind the place of interest.
const BEFORE: usize = 100;
const BEHIND: usize = 160;
/// How far back is looked for where instructions begin.
const MAX_BACK_BYTES: u64 = 16 << 10;

/// A line of the pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeLine {
    /// Where a function begins.
    Symbol(String),
    /// A line of source, from here on.
    Source {
        /// File and line.
        place: String,
        /// The text, if there is the file.
        text: String,
    },
    /// An instruction.
    Instruction {
        /// Its address.
        address: u64,
        /// Its text.
        text: String,
        /// The symbol that it refers to.
        target: Option<String>,
        /// A breakpoint is there.
        stop: bool,
        /// The harts that are about to execute it.
        harts: Vec<usize>,
    },
    /// Nothing can be fetched from here on.
    Nothing(u64),
}

/// Code around a place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Code {
    /// The lines.
    pub lines: Vec<CodeLine>,
    /// Which is at the place of interest.
    pub focus: usize,
    /// The function.
    pub function: Option<String>,
    /// Source file and line.
    pub source: Option<String>,
}

/// Source files.
#[derive(Debug, Default)]
pub struct Sources {
    /// Where to look for those that are not where the compiler saw them.
    directories: Vec<PathBuf>,
    /// The lines of those that were asked for.
    read: HashMap<String, Option<Vec<String>>>,
}

impl Sources {
    /// Those that are where the compiler saw them, or in `directories`.
    pub fn new(directories: Vec<PathBuf>) -> Self {
        Self { directories, read: HashMap::new() }
    }

    /// Reads the file with the path `file`, or the longest end of it that is in a directory.
    fn read(&self, file: &str) -> Option<Vec<String>> {
        let parts: Vec<&str> = file.split('/').filter(|part| !part.is_empty()).collect();
        let ends = (0..parts.len()).map(|n| parts[n..].join("/"));
        let elsewhere =
            ends.flat_map(|end| self.directories.iter().map(move |directory| directory.join(&end)));
        let mut paths = std::iter::once(PathBuf::from(file)).chain(elsewhere);
        let text = paths.find_map(|path| std::fs::read_to_string(path).ok())?;
        Some(text.lines().map(|line| line.trim_end().replace('\t', "    ")).collect())
    }

    fn line(&mut self, file: &str, line: u32) -> Option<String> {
        if !self.read.contains_key(file) {
            let lines = self.read(file);
            self.read.insert(file.into(), lines);
        }
        self.read.get(file)?.as_ref()?.get((line as usize).checked_sub(1)?).cloned()
    }
}

/// The end of a path, and the line.
pub fn short(location: &SourceLocation) -> String {
    let file = location.file.rsplit('/').next().unwrap_or(&location.file);
    location.line.map_or(file.into(), |line| format!("{file}:{line}"))
}

impl Code {
    /// Around `center`, or the pc of the hart that is looked at.
    pub fn take(debugger: &Debugger, center: Option<u64>, sources: &mut Sources) -> Self {
        let (session, symbols, hart) = (debugger.session(), debugger.symbols(), debugger.hart());
        let pc = debugger.moment().hart.pc;
        let center = center.unwrap_or(pc) & !1;
        let mut at = start(debugger, center);
        let (mut lines, mut focus, mut behind) = (Vec::new(), None, 0);
        let (mut function, mut place) = (None, None);
        while behind < BEHIND {
            let name = symbols.find(at).filter(|symbol| at.wrapping_sub(symbol.address) < 1 << 24);
            if name.as_ref().map(|symbol| &symbol.name) != function.as_ref() {
                function = name.map(|symbol| symbol.name);
                lines.extend(function.clone().map(CodeLine::Symbol));
            }
            let location = symbols.location(at);
            if location != place {
                if let Some(SourceLocation { file, line: Some(line), .. }) = &location {
                    let text = sources.line(file, *line).unwrap_or_default();
                    let source =
                        CodeLine::Source { place: location.as_ref().map_or(String::new(), short), text };
                    if lines.iter().rev().find(|line| matches!(line, CodeLine::Source { .. }))
                        != Some(&source)
                    {
                        lines.push(source);
                    }
                }
                place = location;
            }
            if at == center {
                focus = Some(lines.len());
            }
            let Some((text, len)) = show::instruction_text(session, hart, at) else {
                lines.push(CodeLine::Nothing(at));
                break;
            };
            let target = text.rsplit([' ', ',']).next().and_then(|word| word.strip_prefix("0x"));
            let target = target.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            lines.push(CodeLine::Instruction {
                address: at,
                target: target.filter(|&target| target >= 0x1000).and_then(|target| symbol(symbols, target)),
                text,
                stop: debugger.stop_places().any(|(_, _, address)| address == Some(at)),
                harts: harts_at(debugger, at),
            });
            behind += usize::from(focus.is_some());
            at = at.wrapping_add(len);
        }
        Self {
            focus: focus.unwrap_or(lines.len().saturating_sub(1)),
            lines,
            function: symbol(symbols, center),
            source: symbols.location(center).map(|location| short(&location)),
        }
    }
}

fn harts_at(debugger: &Debugger, at: u64) -> Vec<usize> {
    let harts = debugger.session().machine().cores.iter().map(|core| &core.hart);
    harts.filter(|hart| hart.pc == at).map(|hart| hart.config.id).collect()
}

/// Where to begin so that `center` is met: instructions have 2 or 4 bytes, and cannot be read backwards.
fn start(debugger: &Debugger, center: u64) -> u64 {
    let symbol = debugger.symbols().find(center).map(|symbol| symbol.address);
    let begin = symbol.filter(|&begin| center.wrapping_sub(begin) <= MAX_BACK_BYTES);
    // Without a symbol any place before will do from which instructions lead here.
    let candidates = begin.into_iter().chain((1..24).rev().map(|n| center.wrapping_sub(2 * n)));
    for begin in candidates {
        let mut before = std::collections::VecDeque::from([begin]);
        let mut at = begin;
        while at < center {
            let Some((word, len)) = debugger.session().instruction(debugger.hart(), at) else { break };
            if word == 0 {
                // Memory that nobody has written to, not code.
                break;
            }
            at = at.wrapping_add(len);
            before.push_back(at);
            if before.len() > BEFORE {
                before.pop_front();
            }
        }
        if at == center {
            return before.front().copied().unwrap_or(center);
        }
    }
    center
}
