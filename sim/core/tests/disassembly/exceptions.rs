//! Where an oracle is known to differ, and why relsim is right.

/// An oracle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oracle {
    /// GNU objdump 2.40.
    Objdump,
    /// disc-v 0.1.3.
    Disc,
}

/// A word, and what the two sides say of it (`None`: no instruction).
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub word: u32,
    pub ours: Option<&'a str>,
    pub theirs: Option<&'a str>,
}

impl Case<'_> {
    /// Whether the oracle alone thinks that there is an instruction, and calls it one of `names`.
    fn only_theirs(&self, names: &[&str]) -> bool {
        self.ours.is_none() && self.theirs.is_some_and(|text| names.contains(&mnemonic(text)))
    }

    /// Whether relsim alone thinks that there is an instruction, and calls it one of `names`, perhaps with
    /// ordering bits.
    fn only_ours(&self, names: &[&str]) -> bool {
        let base = |text| {
            let name = mnemonic(text);
            [".aqrl", ".aq", ".rl"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
        };
        self.theirs.is_none() && self.ours.is_some_and(|text| names.contains(&base(text)))
    }

    /// The texts of both, split into mnemonic and operands.
    fn both(&self) -> Option<[(&str, &str); 2]> {
        Some([self.ours?, self.theirs?].map(|text| text.split_once(' ').unwrap_or((text, ""))))
    }
}

fn mnemonic(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// A difference that is accepted.
pub struct Exception {
    pub oracle: Oracle,
    /// What differs, why relsim does as it does, and the section that says so.
    pub reason: &'static str,
    /// Whether a difference is this one.
    pub covers: fn(&Case<'_>) -> bool,
}

pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        oracle: Oracle::Objdump,
        reason: "rounding modes 5 and 6 are reserved and raise illegal-instruction (unpriv 21.2); \
                 objdump shows them as `unknown`",
        covers: reserved_rounding_mode,
    },
    Exception {
        oracle: Oracle::Disc,
        reason: "rounding modes 5 and 6 are reserved and raise illegal-instruction (unpriv 21.2); \
                 disc-v shows them as `unknown`",
        covers: reserved_rounding_mode,
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "c.addi16sp with a zero immediate is reserved (unpriv 28.5.2)",
        covers: |case| case.word == 0x6101 && case.only_theirs(&["c.addi16sp"]),
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "shifts by zero are hints in RV64C (unpriv 28.5.2, 28.7); the names that end in 64 are \
                 those of RV128C",
        covers: |case| {
            case.both().is_some_and(|[(our_name, ours), (their_name, theirs)]| {
                their_name.strip_suffix("64") == Some(our_name) && ours.strip_suffix(",0x0") == Some(theirs)
            })
        },
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "fm, rd and rs1 of a fence are ignored where no meaning is defined (unpriv 2.7)",
        covers: |case| case.word & 0xf00f_8f80 != 0 && case.only_ours(&["fence", "fence.tso"]),
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "the immediate, rs1 and rd of fence.i are ignored (unpriv 6)",
        covers: |case| case.word != 0x100f && case.only_ours(&["fence.i"]),
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "conversions that never round take every valid rounding mode (unpriv 22.5); objdump knows \
                 only rne",
        covers: |case| {
            let exact = ["fcvt.d.w", "fcvt.d.wu", "fcvt.d.s", "fcvt.d.h", "fcvt.s.h"];
            case.word & 0x7000 != 0 && case.only_ours(&exact)
        },
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "Zacas is ratified (unpriv 16) and newer than binutils 2.40",
        covers: |case| case.only_ours(&["amocas.w", "amocas.d", "amocas.q"]),
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "Zicond is ratified (unpriv 12) and newer than binutils 2.40",
        covers: |case| case.only_ours(&["czero.eqz", "czero.nez"]),
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "hret and sfence.vm are of privileged architecture 1.9 and gone since 1.10",
        covers: |case| case.only_theirs(&["hret", "sfence.vm"]),
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "there is no hypervisor extension here; objdump shows its instructions without being told",
        covers: |case| case.only_theirs(&["hinval.gvma", "hinval.vvma", "hfence.gvma", "hfence.vvma"]),
    },
    Exception {
        oracle: Oracle::Objdump,
        reason: "there is no debug mode here, to which dret belongs",
        covers: |case| case.only_theirs(&["dret"]),
    },
    Exception {
        oracle: Oracle::Disc,
        reason: "uret belongs to N (privileged v1.11 draft), which disc-v does not have",
        covers: |case| case.only_ours(&["uret"]),
    },
    Exception {
        oracle: Oracle::Disc,
        reason: "prefetches are hints encoded as ori (unpriv 20); disc-v takes them for aliases",
        covers: |case| {
            case.both().is_some_and(|[(our_name, _), (their_name, theirs)]| {
                our_name.starts_with("prefetch.") && their_name == "ori" && theirs.starts_with("zero,")
            })
        },
    },
    Exception {
        oracle: Oracle::Disc,
        reason: "pause is an instruction of its own extension, encoded as a fence (unpriv 10); disc-v takes it \
                 for an alias",
        covers: |case| case.both() == Some([("pause", ""), ("fence", "w,unknown")]),
    },
    Exception {
        oracle: Oracle::Disc,
        reason: "c.nop with its immediate is c.addi with rd = x0, and objdump writes it so without aliases \
                 (unpriv 28.5.5, 28.7)",
        covers: |case| {
            let is_nop = case.word & 0xef83 == 1;
            is_nop
                && case.both().is_some_and(|[(ours, _), (theirs, _)]| (ours, theirs) == ("c.addi", "c.nop"))
        },
    },
    Exception {
        oracle: Oracle::Disc,
        reason: "disc-v gives compressed instructions the operands of their expansion; assemblers and \
                 objdump take those of the compressed format (unpriv 28.8)",
        covers: |case| {
            case.both().is_some_and(|[(our_name, ours), (their_name, theirs)]| {
                our_name == their_name
                    && our_name.starts_with("c.")
                    && expanded(ours).iter().any(|text| text == theirs)
            })
        },
    },
];

fn reserved_rounding_mode(case: &Case<'_>) -> bool {
    let reserved = matches!(case.word >> 12 & 7, 5 | 6);
    reserved && case.ours.is_none() && case.theirs.is_some_and(|text| text.ends_with(",unknown"))
}

/// The operands of the 32-bit twin, as the compressed format implies them: the destination is the first
/// source too, a branch compares with x0, a jump links to x0.
fn expanded(operands: &str) -> [String; 3] {
    let (first, rest) = operands.split_once(',').unwrap_or((operands, ""));
    [format!("{first},{operands}"), format!("{first},zero,{rest}"), format!("zero,{operands}")]
}
