//! A strict reader of Konata's format, "Kanata" version 0004, made from its description (Konata's
//! `docs/kanata-log-format.md`), not from what relsim writes. What Konata would warn of, or mend by itself, is an error.

use std::collections::BTreeMap;

/// A stage of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    pub lane: u64,
    pub name: String,
    pub begin: u64,
    /// `None` while it is open.
    pub end: Option<u64>,
}

/// An instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    pub begin: u64,
    pub thread: u64,
    pub label: String,
    pub detail: String,
    pub stages: Vec<Stage>,
    /// When it is gone.
    pub end: u64,
    /// By its number among those that retire; `None` if it is flushed.
    pub retired: Option<u64>,
}

impl Op {
    /// Names and beginnings of its stages in a lane.
    pub fn lane(&self, lane: u64) -> Vec<(&str, u64)> {
        let stages = self.stages.iter().filter(|stage| stage.lane == lane);
        stages.map(|stage| (stage.name.as_str(), stage.begin)).collect()
    }

    fn open(&mut self, lane: u64) -> Option<&mut Stage> {
        self.stages.iter_mut().find(|stage| stage.lane == lane && stage.end.is_none())
    }
}

/// What there is to say about a command.
type Line = Result<(), &'static str>;

#[derive(Default)]
struct Reader {
    cycle: u64,
    begun: u64,
    open: BTreeMap<u64, Op>,
    gone: Vec<Op>,
}

/// Reads a file: its instructions in the order in which they end.
///
/// # Errors
/// The first line that is wrong, and why.
pub fn read(text: &str) -> Result<Vec<Op>, String> {
    let mut lines = (1..).zip(text.lines());
    if lines.next().map(|line| line.1) != Some("Kanata\t0004") {
        return Err("line 1: no header".into());
    }
    let mut reader = Reader::default();
    for (number, line) in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        reader.command(&fields, number == 2).map_err(|error| format!("line {number}: {error}: {line}"))?;
    }
    match reader.open.first_key_value() {
        Some((id, op)) => Err(format!("the end: {id} is not gone: {op:?}")),
        None => Ok(reader.gone),
    }
}

fn number(field: &str) -> Result<u64, &'static str> {
    field.parse().map_err(|_| "no number")
}

impl Reader {
    fn op(&mut self, id: &str) -> Result<&mut Op, &'static str> {
        self.open.get_mut(&number(id)?).ok_or("of no instruction that is there")
    }

    fn command(&mut self, fields: &[&str], first: bool) -> Line {
        let cycle = self.cycle;
        match *fields {
            ["C=", at] if first => self.cycle = number(at)?,
            _ if first => return Err("the file begins in no cycle"),
            ["C", cycles] => {
                let cycles = number(cycles)?;
                self.cycle += if cycles > 0 { cycles } else { return Err("time stands still") };
            }
            ["I", id, simulated, thread] => self.begin(number(id)?, number(simulated)?, number(thread)?)?,
            ["L", id, kind, text] => {
                let op = self.op(id)?;
                match kind {
                    "0" => op.label += text,
                    "1" => op.detail += text,
                    _ => return Err("text of another kind"),
                }
            }
            ["S", id, lane, name] => {
                let (op, lane) = (self.op(id)?, number(lane)?);
                // It ends the one before it.
                if let Some(stage) = op.open(lane) {
                    stage.end = Some(cycle);
                }
                op.stages.push(Stage { lane, name: name.into(), begin: cycle, end: None });
            }
            ["E", id, lane, name] => {
                let stage = self.op(id)?.open(number(lane)?).ok_or("no stage is open")?;
                if stage.name != name {
                    return Err("another stage is open");
                }
                stage.end = Some(cycle);
            }
            ["R", id, retired, flushed] => self.end(number(id)?, number(retired)?, flushed)?,
            _ => return Err("no such command"),
        }
        Ok(())
    }

    fn begin(&mut self, id: u64, _: u64, thread: u64) -> Line {
        if id != std::mem::replace(&mut self.begun, id + 1) {
            return Err("not the next number");
        }
        let (label, detail, stages) = (String::new(), String::new(), Vec::new());
        let op = Op { begin: self.cycle, thread, label, detail, stages, end: 0, retired: None };
        self.open.insert(id, op);
        Ok(())
    }

    fn end(&mut self, id: u64, retired: u64, flushed: &str) -> Line {
        let mut op = self.open.remove(&id).ok_or("of no instruction that is there")?;
        if op.stages.is_empty() || op.stages.iter().any(|stage| stage.end.is_none()) {
            return Err("without stages, or in one");
        }
        op.retired = match flushed {
            "0" => Some(retired),
            "1" => None,
            _ => return Err("neither retired nor flushed"),
        };
        op.end = self.cycle;
        self.gone.push(op);
        Ok(())
    }
}

#[test]
fn the_reader_is_strict() {
    let good = "Kanata\t0004\nC=\t7\nI\t0\t9\t1\nL\t0\t0\tnop\nS\t0\t0\tF\nC\t2\nS\t0\t0\tD\nC\t1\nE\t0\t0\tD\nR\t0\t0\t0\n";
    let ops = read(good).unwrap();
    assert_eq!((ops[0].lane(0), ops[0].begin, ops[0].end), (vec![("F", 7), ("D", 9)], 7, 10));
    for (from, to, error) in [
        ("0004", "0003", "line 1: no header"),
        ("C=\t7\n", "", "line 2: the file begins in no cycle"),
        ("C\t2", "C\t0", "line 6: time stands still"),
        ("I\t0", "I\t1", "line 3: not the next number"),
        ("L\t0\t0\t", "L\t0\t0\t\t", "line 4: no such command"),
        ("L\t0\t0\t", "L\t0\t3\t", "line 4: text of another kind"),
        ("S\t0\t0\tF", "S\t1\t0\tF", "line 5: of no instruction that is there"),
        ("E\t0\t0\tD", "E\t0\t0\tF", "line 9: another stage is open"),
        ("E\t0\t0\tD", "E\t0\t1\tD", "line 9: no stage is open"),
        ("E\t0\t0\tD\n", "", "line 9: without stages, or in one"),
        ("R\t0\t0\t0", "R\t0\t0\t2", "line 10: neither retired nor flushed"),
        ("R\t0\t0\t0\n", "", "the end: 0 is not gone"),
    ] {
        let found = read(&good.replacen(from, to, 1)).unwrap_err();
        assert!(found.starts_with(error), "{error}: {found}");
    }
}
