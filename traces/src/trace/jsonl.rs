//! One JSON object a line.
//!
//! ```text
//! {"event":"instruction","hart":0,"cycle":71,"cycles":2,"pc":"0x80000004","word":"0x0002b303","privilege":"M","text":"ld t1,0(t0)","address":"0x80000000","write":false,"causes":{"issue":1,"load-use":1}}
//! {"event":"trap","hart":0,"cycle":80,"cycles":5,"cause":"ecall-u","code":8,"interrupt":false,"epc":"0x1000","tval":"0x0","from":"U","to":"S","handler":"0x80200000"}
//! {"event":"return","hart":0,"cycle":99,"to":"U"}
//! {"event":"mark","hart":0,"cycle":99,"kind":"begin","id":960,"name":"kernel","value":1}
//! {"event":"send","hart":0,"cycle":120,"receiver":3}
//! ```
//!
//! `cycle` is the hart's when the event was done, `cycles` how long it took since the event before it on that hart. Fields
//! that do not apply are left out. Addresses and words are strings, since JSON's numbers are not wide enough for them.

use std::io::{self, Write};

use relsim_core::hart::Priv;
use relsim_core::timing::CycleCause;
use relsim_markers::Kind;

use super::event::{Event, Exporter, Instruction, Mark, Names, Trap, Wants, What};
use crate::text::{Lines, Text};

/// Writes events as lines of JSON.
pub struct JsonLines<W: Write> {
    lines: Lines<W>,
    names: Names,
}

impl<W: Write> JsonLines<W> {
    /// To `out`, which need not be buffered.
    pub fn new(out: W, names: Names) -> Self {
        Self { lines: Lines::new(out), names }
    }
}

/// The fields of an object. A key stands as it is in the file, from the comma to the colon.
struct Fields<'a>(&'a mut Text);

impl Fields<'_> {
    fn key<const N: usize>(&mut self, key: &[u8; N]) -> &mut Text {
        self.0.piece(key);
        self.0
    }

    fn number<const N: usize>(&mut self, key: &[u8; N], value: u64) {
        self.key(key).decimal(value);
    }

    fn hex<const N: usize>(&mut self, key: &[u8; N], value: u64) {
        self.key(key).piece(b"\"0x");
        self.0.hex(value);
        self.0.piece(b"\"");
    }

    fn truth<const N: usize>(&mut self, key: &[u8; N], value: bool) {
        self.key(key).bytes(if value { b"true" } else { b"false" });
    }

    fn letter<const N: usize>(&mut self, key: &[u8; N], value: Priv) {
        self.string(key, value.letter().encode_utf8(&mut [0; 4]));
    }

    fn string<const N: usize>(&mut self, key: &[u8; N], value: &str) {
        self.key(key).piece(b"\"");
        let is_special = |byte: u8| byte < b' ' || matches!(byte, b'"' | b'\\');
        if value.bytes().any(is_special) {
            // Its quotes are there already.
            let quoted = serde_json::Value::from(value).to_string();
            self.0.bytes(quoted.get(1..quoted.len() - 1).unwrap_or_default().as_bytes());
        } else {
            self.0.bytes(value.as_bytes());
        }
        self.0.piece(b"\"");
    }

    fn causes(&mut self, causes: &[(CycleCause, u64)]) {
        for (index, (cause, cycles)) in causes.iter().enumerate() {
            self.0.bytes(if index == 0 { b",\"causes\":{\"" } else { b",\"" });
            self.0.bytes(cause.name().as_bytes());
            self.number(b"\":", *cycles);
        }
        if !causes.is_empty() {
            self.0.piece(b"}");
        }
    }

    fn instruction(&mut self, instruction: &Instruction<'_>) {
        self.hex(b",\"pc\":", instruction.pc);
        self.hex(b",\"word\":", instruction.word.into());
        if let Some(privilege) = instruction.privilege {
            self.letter(b",\"privilege\":", privilege);
        }
        if !instruction.text.is_empty() {
            self.string(b",\"text\":", instruction.text);
        }
        if let Some(access) = instruction.access {
            self.hex(b",\"address\":", access.address);
            self.truth(b",\"write\":", access.is_write);
        }
    }

    fn trap(&mut self, trap: &Trap) {
        self.string(b",\"cause\":", trap.name);
        self.number(b",\"code\":", trap.code.into());
        self.truth(b",\"interrupt\":", trap.interrupt);
        self.hex(b",\"epc\":", trap.epc);
        self.hex(b",\"tval\":", trap.tval);
        self.letter(b",\"from\":", trap.from);
        self.letter(b",\"to\":", trap.to);
        self.hex(b",\"handler\":", trap.handler);
        if let Some(receiver) = trap.receiver {
            self.number(b",\"receiver\":", receiver);
        }
    }

    fn mark(&mut self, mark: &Mark, name: &str) {
        self.string(b",\"kind\":", kind(mark.kind));
        self.number(b",\"id\":", mark.id.into());
        self.string(b",\"name\":", name);
        if let Some(value) = mark.value {
            self.number(b",\"value\":", value);
        }
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Begin => "begin",
        Kind::End => "end",
        Kind::Instant => "event",
    }
}

impl<W: Write> Exporter for JsonLines<W> {
    fn wants(&self) -> Wants {
        Wants { instructions: true, text: true, causes: true }
    }

    fn event(&mut self, event: &Event<'_>) -> io::Result<()> {
        let mut fields = Fields(&mut self.lines.text);
        let name = match event.what {
            What::Instruction(_) => "instruction",
            What::Trap(_) => "trap",
            What::Return(_) => "return",
            What::Mark(_) => "mark",
            What::Send(_) => "send",
        };
        fields.string(b"{\"event\":", name);
        fields.number(b",\"hart\":", event.hart as u64);
        fields.number(b",\"cycle\":", event.cycle);
        if matches!(event.what, What::Instruction(_) | What::Trap(_)) {
            fields.number(b",\"cycles\":", event.cycles);
        }
        match &event.what {
            What::Instruction(instruction) => fields.instruction(instruction),
            What::Trap(trap) => fields.trap(trap),
            What::Return(to) => fields.letter(b",\"to\":", *to),
            What::Mark(mark) => fields.mark(mark, &self.names.region(mark.id)),
            What::Send(receiver) => fields.number(b",\"receiver\":", *receiver),
        }
        fields.causes(event.causes);
        self.lines.text.piece(b"}");
        self.lines.end()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.lines.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What is special in JSON comes back as it was.
    #[test]
    fn any_name_is_json() {
        let name = "a \"name\"\\\n\u{1}é";
        let names = Names { regions: BTreeMap::from([(7, name.into())]), function: Box::new(|_| None) };
        let mut out = Vec::new();
        let mut lines = JsonLines::new(&mut out, names);
        let what = What::Mark(Mark { kind: Kind::Begin, id: 7, value: Some(u64::MAX) });
        lines
            .event(&Event { hart: 1, cycle: 2, cycles: 0, instructions: 3, causes: &[], what })
            .and_then(|()| lines.finish())
            .unwrap();
        let line: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(line["name"], name);
        assert_eq!(line["value"], u64::MAX);
    }
}
