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
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::event::{Event, Exporter, Names, Wants, What};

/// Writes events as lines of JSON.
pub struct JsonLines<W: Write> {
    out: W,
    names: Names,
}

impl<W: Write> JsonLines<W> {
    /// To `out`, which should be buffered.
    pub fn new(out: W, names: Names) -> Self {
        Self { out, names }
    }
}

struct Causes<'a>(&'a [(CycleCause, u64)]);

impl Serialize for Causes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (cause, cycles) in self.0 {
            map.serialize_entry(cause.name(), cycles)?;
        }
        map.end()
    }
}

struct Hex(u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#x}", self.0))
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line<'a> {
    Instruction {
        hart: usize,
        cycle: u64,
        cycles: u64,
        pc: Hex,
        word: Hex,
        #[serde(skip_serializing_if = "Option::is_none")]
        privilege: Option<char>,
        #[serde(skip_serializing_if = "str::is_empty")]
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<Hex>,
        #[serde(skip_serializing_if = "Option::is_none")]
        write: Option<bool>,
        #[serde(skip_serializing_if = "is_empty")]
        causes: Causes<'a>,
    },
    Trap {
        hart: usize,
        cycle: u64,
        cycles: u64,
        cause: &'a str,
        code: u8,
        interrupt: bool,
        epc: Hex,
        tval: Hex,
        from: char,
        to: char,
        handler: Hex,
        #[serde(skip_serializing_if = "Option::is_none")]
        receiver: Option<u64>,
        #[serde(skip_serializing_if = "is_empty")]
        causes: Causes<'a>,
    },
    Return {
        hart: usize,
        cycle: u64,
        to: char,
    },
    Mark {
        hart: usize,
        cycle: u64,
        kind: &'static str,
        id: u16,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<u64>,
    },
    Send {
        hart: usize,
        cycle: u64,
        receiver: u64,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_empty(causes: &Causes<'_>) -> bool {
    causes.0.is_empty()
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
        let &Event { hart, cycle, cycles, causes, what, .. } = event;
        let causes = Causes(causes);
        let line = match what {
            What::Instruction(i) => Line::Instruction {
                hart,
                cycle,
                cycles,
                pc: Hex(i.pc),
                word: Hex(i.word.into()),
                privilege: i.privilege.map(Priv::letter),
                text: i.text,
                address: i.access.map(|access| Hex(access.address)),
                write: i.access.map(|access| access.is_write),
                causes,
            },
            What::Trap(t) => Line::Trap {
                hart,
                cycle,
                cycles,
                cause: t.name,
                code: t.code,
                interrupt: t.interrupt,
                epc: Hex(t.epc),
                tval: Hex(t.tval),
                from: t.from.letter(),
                to: t.to.letter(),
                handler: Hex(t.handler),
                receiver: t.receiver,
                causes,
            },
            What::Return(to) => Line::Return { hart, cycle, to: to.letter() },
            What::Mark(m) => Line::Mark {
                hart,
                cycle,
                kind: kind(m.kind),
                id: m.id,
                name: self.names.region(m.id),
                value: m.value,
            },
            What::Send(receiver) => Line::Send { hart, cycle, receiver },
        };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
