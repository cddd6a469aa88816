//! What a word of a command may become.

use relsim_machine::Machine;
use relsim_machine::session::expr::REGISTERS;

use crate::debug::command::HELP;
use crate::symbols::Symbols;

/// Words behind certain commands.
const ARGUMENTS: &[(&str, &[&str])] = &[
    ("info", &["breakpoints", "harts", "history"]),
    (
        "catch",
        &["trap", "interrupt", "user-interrupt", "privilege", "csr", "register", "instruction", "cycle"],
    ),
];
/// Symbols that are offered at most.
const MAX_SYMBOLS: usize = 200;

/// Knows the words.
#[derive(Debug, Clone, Default)]
pub struct Completer {
    names: Vec<String>,
    instructions: Vec<&'static str>,
    symbols: Symbols,
}

impl Completer {
    /// For a machine with `symbols`.
    pub fn new(machine: &Machine, symbols: Symbols) -> Self {
        let csrs = machine.cores.first().map(|core| core.hart.csr_table.rows()).unwrap_or_default();
        let registers = REGISTERS.iter().copied().chain(["pc", "cycle", "instret", "hart", "priv"]);
        let names = registers.chain(csrs.iter().map(|def| def.name)).map(String::from);
        let decoder = machine.cores.first().map(|core| core.blocks.decoder().clone());
        let instructions = decoder.map(|decoder| decoder.rows().map(|def| def.name).collect());
        Self { names: names.collect(), instructions: instructions.unwrap_or_default(), symbols }
    }

    /// What `line`, up to the cursor, may go on to, and the words to choose from if there are several.
    pub fn complete(&self, line: &str) -> (String, Vec<String>) {
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '$' | '-' | ':');
        let start = line
            .rfind(|c: char| !inside(c))
            .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
        let (before, word) = line.split_at(start);
        let mut words = self.words(before, word);
        words.sort();
        words.dedup();
        let Some(first) = words.first() else { return (line.into(), words) };
        let common = words.iter().fold(first.as_str(), |common, word| {
            let same = common.char_indices().zip(word.chars()).find(|((_, a), b)| a != b);
            &common[..same.map_or(common.len().min(word.len()), |((at, _), _)| at)]
        });
        let end = if words.len() == 1 { " " } else { "" };
        (format!("{before}{common}{end}"), words)
    }

    fn words(&self, before: &str, word: &str) -> Vec<String> {
        let fits = |name: &&str| name.starts_with(word);
        let command = before.split_whitespace().next();
        let Some(command) = command else {
            let commands = HELP.iter().filter_map(|(form, _)| form.split([' ', '[']).next());
            return commands.chain(["rwatch", "awatch"]).filter(fits).map(String::from).collect();
        };
        if let Some((_, words)) = ARGUMENTS.iter().find(|(name, _)| *name == command)
            && before.split_whitespace().count() == 1
        {
            return words.iter().copied().filter(fits).map(String::from).collect();
        }
        if before.trim_end().ends_with(" instruction") {
            return self.instructions.iter().copied().filter(fits).map(String::from).collect();
        }
        if word.is_empty() {
            return Vec::new();
        }
        let names = self.names.iter().map(String::as_str).filter(fits).map(String::from);
        names.chain(self.symbols.names(word, MAX_SYMBOLS)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_as_far_as_they_are_clear() {
        let completer = Completer {
            names: ["sstatus", "sscratch", "sp"].map(String::from).into(),
            ..Completer::default()
        };
        for (line, completed, choices) in [
            ("rev", "reverse-", 4),
            ("disas", "disassemble ", 1),
            ("catch user", "catch user-interrupt ", 1),
            ("print (ss", "print (ss", 2),
            ("print sst", "print sstatus ", 1),
            ("print 1 + ", "print 1 + ", 0),
            ("é", "é", 0),
        ] {
            let (text, words) = completer.complete(line);
            assert_eq!((text.as_str(), words.len()), (completed, choices), "{line}: {words:?}");
        }
    }
}
