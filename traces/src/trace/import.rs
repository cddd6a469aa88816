//! Logs of instructions, read line by line.

use std::io::{self, BufRead};

/// A log's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Spike's `--log-commits`, and `relsim run --commit-log`.
    Spike,
    /// QEMU's `-d exec,nochain` with `-singlestep` (one instruction a line, without words).
    Qemu,
    /// [`super::jsonl`].
    JsonLines,
}

/// An instruction in a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// The line that it stands in, from 1.
    pub line: u64,
    /// Which hart.
    pub hart: usize,
    /// Its address.
    pub pc: u64,
    /// Its word, if the log tells.
    pub word: Option<u32>,
    /// Its privilege: 0 U, 1 S, 3 M, if the log tells.
    pub privilege: Option<u8>,
    /// When it was done, if the log tells.
    pub cycle: Option<u64>,
    /// What it wrote, as Spike's log has it; empty if the log does not tell.
    pub effects: String,
}

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("line {line}: {source}")]
    Read {
        /// Where.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is not of the format.
    #[error("line {line}: {what}")]
    Line {
        /// Where.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// No line is one of a format that is known.
    #[error("this is no log of Spike (--log-commits), QEMU (-d exec) or relsim (--trace-format jsonl)")]
    Unknown,
}

/// No line of a log is longer.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// Reads a log.
pub struct Steps<R> {
    input: R,
    format: Option<Format>,
    line: u64,
    bytes: Vec<u8>,
    /// Nothing comes behind an error.
    done: bool,
}

impl<R: BufRead> Steps<R> {
    /// Of `input`, in the format of its first line that is one.
    pub fn new(input: R) -> Self {
        Self { input, format: None, line: 0, bytes: Vec::new(), done: false }
    }

    /// The format, once an instruction was read.
    pub fn format(&self) -> Option<Format> {
        self.format
    }

    /// The next line, without its end; `None` behind the last.
    fn next_line(&mut self) -> Result<Option<String>, ImportError> {
        self.bytes.clear();
        self.line += 1;
        let line = self.line;
        let mut limited = io::Read::take(&mut self.input, MAX_LINE_BYTES);
        let count = limited
            .read_until(b'\n', &mut self.bytes)
            .map_err(|source| ImportError::Read { line, source })?;
        if count as u64 == MAX_LINE_BYTES {
            return Err(ImportError::Line { line, what: "longer than 1 MiB".into() });
        }
        let text = String::from_utf8_lossy(&self.bytes);
        Ok((count > 0).then(|| text.trim_end().to_string()))
    }

    fn advance(&mut self) -> Result<Option<Step>, ImportError> {
        while let Some(text) = self.next_line()? {
            let line = self.line;
            let read = |format: Format| match format {
                Format::Spike => spike(&text),
                Format::Qemu => qemu(&text),
                Format::JsonLines => json(&text),
            };
            let found = match self.format {
                Some(format) => read(format),
                None => {
                    let known = [Format::Spike, Format::Qemu, Format::JsonLines];
                    let first = known.into_iter().find_map(|format| {
                        let found = read(format).ok().flatten()?;
                        Some((format, found))
                    });
                    self.format = first.as_ref().map(|(format, _)| *format);
                    Ok(first.map(|(_, step)| step))
                }
            };
            match found {
                Ok(Some(step)) => return Ok(Some(Step { line, ..step })),
                Ok(None) => {}
                Err(what) => return Err(ImportError::Line { line, what }),
            }
        }
        if self.format.is_none() && self.line > 1 { Err(ImportError::Unknown) } else { Ok(None) }
    }
}

impl<R: BufRead> Iterator for Steps<R> {
    type Item = Result<Step, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.advance().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x").unwrap_or(text), 16).ok()
}

/// `core   0: 3 0x0000000080000000 (0x00000297) x5  0x0000000080000000`; other lines, such as those about exceptions, are
/// passed over.
fn spike(text: &str) -> Result<Option<Step>, String> {
    let Some(rest) = text.strip_prefix("core") else { return Ok(None) };
    let Some((hart, rest)) = rest.split_once(':') else { return Ok(None) };
    let mut words = rest.trim_start().splitn(4, ' ');
    let (Some(privilege), Some(pc), Some(word)) = (words.next(), words.next(), words.next()) else {
        return Ok(None);
    };
    let Ok(privilege @ 0..=3) = privilege.parse::<u8>() else { return Ok(None) };
    let hart = hart.trim().parse().map_err(|_| format!("{:?} is no hart", hart.trim()))?;
    let pc = hexadecimal(pc).ok_or_else(|| format!("{pc:?} is no address"))?;
    let bare = word.strip_prefix('(').and_then(|word| word.strip_suffix(')'));
    let word = bare.and_then(hexadecimal).and_then(|word| u32::try_from(word).ok());
    let word = word.ok_or("an instruction in parentheses is wanted behind the address")?;
    let effects = words.next().unwrap_or("").trim().to_string();
    let (word, privilege) = (Some(word), Some(privilege));
    Ok(Some(Step { hart, pc, word, privilege, effects, ..Step::default() }))
}

/// `Trace 0: 0x7f2c40000100 [00000000/0000000080000000/00000000/ff000000] main`.
fn qemu(text: &str) -> Result<Option<Step>, String> {
    let Some(rest) = text.strip_prefix("Trace ") else { return Ok(None) };
    let Some((hart, rest)) = rest.split_once(':') else { return Ok(None) };
    let hart = hart.trim().parse().map_err(|_| format!("{hart:?} is no hart"))?;
    let fields = rest.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    let pc = fields.and_then(|(fields, _)| hexadecimal(fields.split('/').nth(1)?));
    let pc = pc.ok_or("an address is wanted as the second field in brackets")?;
    Ok(Some(Step { hart, pc, ..Step::default() }))
}

#[derive(serde::Deserialize)]
struct JsonStep {
    event: String,
    hart: usize,
    cycle: Option<u64>,
    pc: Option<String>,
    word: Option<String>,
    privilege: Option<char>,
}

fn json(text: &str) -> Result<Option<Step>, String> {
    if !text.starts_with('{') {
        return Ok(None);
    }
    let step: JsonStep = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if step.event != "instruction" {
        return Ok(None);
    }
    let pc = step.pc.as_deref().and_then(hexadecimal).ok_or("an instruction without an address")?;
    let word = step.word.as_deref().and_then(hexadecimal).and_then(|word| u32::try_from(word).ok());
    let privilege = step.privilege.and_then(|letter| match letter {
        'U' => Some(0),
        'S' => Some(1),
        'M' => Some(3),
        _ => None,
    });
    let Step { line, effects, .. } = Step::default();
    Ok(Some(Step { line, hart: step.hart, pc, word, privilege, cycle: step.cycle, effects }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str) -> Vec<Result<Step, String>> {
        Steps::new(text.as_bytes()).map(|step| step.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn three_formats_are_told_apart() {
        let spike = "core   1: 3 0x0000000080000000 (0x00000297) x5  0x0000000080000000\n\
                     core   1: exception trap_illegal_instruction, epc 0x0000000080000004\n\
                     core   1: 0 0x0000000080000008 (0xe11c) mem 0x0000000080001000 0x0000000000000297\n";
        let read = steps(spike);
        assert_eq!(read.len(), 2);
        let first = read[0].as_ref().unwrap();
        assert_eq!((first.hart, first.pc, first.word, first.line), (1, 0x8000_0000, Some(0x297), 1));
        assert_eq!(first.effects, "x5  0x0000000080000000");
        let second = read[1].as_ref().unwrap();
        assert_eq!((second.privilege, second.word, second.line), (Some(0), Some(0xe11c), 3));

        let qemu = "Trace 0: 0x7f2c40000100 [00000000/0000000080000004/00000000/ff000000] main\n";
        assert_eq!(steps(qemu)[0].as_ref().unwrap().pc, 0x8000_0004);

        let json = "{\"event\":\"mark\",\"hart\":0,\"cycle\":1}\n\
                    {\"event\":\"instruction\",\"hart\":2,\"cycle\":71,\"pc\":\"0x80000004\",\"word\":\"0x13\"}\n";
        let step = steps(json).remove(0).unwrap();
        assert_eq!((step.hart, step.pc, step.word, step.cycle), (2, 0x8000_0004, Some(0x13), Some(71)));
    }

    /// Whatever becomes of a log, there are steps, or an error that says where.
    #[test]
    fn no_log_is_too_odd() {
        let logs = [
            "core   0: 3 0x0000000080000000 (0x00000297) x5  0x0000000080000000\n",
            "Trace 0: 0x7f2c40000100 [00000000/0000000080000004/00000000/ff000000] main\n",
            "{\"event\":\"instruction\",\"hart\":2,\"cycle\":71,\"pc\":\"0x80000004\",\"word\":\"0x13\"}\n",
        ];
        let mut seed = 1u64;
        let mut next = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % below
        };
        for round in 0..20_000 {
            let good = logs[round % logs.len()];
            let mut bytes = good.repeat(2).into_bytes();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                match next(3) {
                    0 => bytes[at] = next(256) as u8,
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, b" \t/[(:x0\n"[next(9)]),
                }
            }
            let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() as u64 + 1;
            for step in Steps::new(&*bytes) {
                match step {
                    Ok(step) => assert!((1..=lines).contains(&step.line)),
                    Err(error) => {
                        assert!(!error.to_string().is_empty());
                        break;
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let good = "core   0: 3 0x0000000080000000 (0x00000297) x5  0x0000000080000000\n";
        let wrong = [
            ("core   0: 3 0x80000g00 (0x00000297)\n", "line 2: \"0x80000g00\" is no address"),
            ("core   z: 3 0x80000000 (0x00000297)\n", "line 2: \"z\" is no hart"),
            ("core   0: 3 0x80000000 (0x1000000297)\n", "line 2: an instruction in parentheses is wanted"),
        ];
        for (bad, message) in wrong {
            let read = steps(&format!("{good}{bad}"));
            assert!(read[1].as_ref().unwrap_err().starts_with(message), "{read:?}");
        }
        assert!(steps("nothing\nof this\n")[0].as_ref().unwrap_err().contains("no log"));
        assert!(steps("").is_empty());
    }
}
