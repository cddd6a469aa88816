//! The debugger's expressions: what they are worth, what is wrong with others, and that nothing makes them panic.

use relsim_core::device::NoConsole;
use relsim_core::extension::IsaExtension;
use relsim_core::hart::Priv;
use relsim_machine::session::{Expr, Moment, NoValue};
use relsim_machine::{Machine, MachineConfig, Payload, Piece, platform};
use relsim_tests::lockstep::rng::Rng;

static EXTENSIONS: &[&IsaExtension] = &[&relsim_uintr::UINTR];

const RAM: u64 = 0x8000_0000;

fn machine() -> Machine {
    let config = MachineConfig::new(&platform::VIRT, EXTENSIONS).expect("the platform's own ISA");
    let bytes = 0x1122_3344_5566_7788_u64.to_le_bytes().to_vec();
    let payload = Payload {
        pieces: vec![Piece { name: "words".into(), address: RAM, bytes }],
        entry: RAM,
        privilege: Priv::M,
        next_stage: None,
        dtb_address: 0,
        htif: None,
    };
    let mut machine = Machine::build(config, &payload, Vec::new(), Box::new(NoConsole)).expect("a machine");
    let hart = &mut machine.cores[0].hart;
    (hart.pc, hart.cycle, hart.instret) = (RAM, 77, 70);
    hart.write_x(10, 5);
    hart.write_x(2, RAM);
    hart.csr.mscratch = 9;
    machine
}

fn value(machine: &Machine, text: &str) -> Result<Result<u64, NoValue>, (usize, String)> {
    let hart = &machine.cores[0].hart;
    let symbol = |name: &str| (name == "kernel::main").then_some(0x1000);
    let parsed = Expr::parse(text, &hart.csr_table, &symbol).map_err(|error| (error.at, error.message))?;
    Ok(parsed.value(&Moment::of(hart, &machine.bus)))
}

#[test]
fn expressions_have_cs_values() {
    let machine = machine();
    for (text, expected) in [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("10 - 3 - 2", 5),
        ("1 << 4 | 1", 17),
        ("1 << 64", 0),
        ("1 << 0xffffffffffffffff", 0),
        ("0 - 1 >> 63", 1),
        ("-1", u64::MAX),
        ("~0 == -1 && !0", 1),
        ("1 | 2 ^ 3 & 2", 1),
        ("3 < 4 == 1", 1),
        ("1 == 1 && 2 == 2 && 3 == 3", 1),
        ("0 == 1 || 0 || 2 & 3", 1),
        ("1 == 1 && 2 == 3 || 4 == 4", 1),
        ("a0 == 5 ? 0b11 : 0o17", 3),
        ("a0 != 5 ? 1 : a0 > 6 ? 2 : 4", 4),
        ("x10 + $a0 + zero", 10),
        ("pc", RAM),
        ("cycle - instret", 7),
        ("hart + priv", 3),
        ("mscratch", 9),
        ("kernel::main+1", 0x1001),
        ("1?kernel::main:2", 0x1000),
        ("mem8(sp)", 0x88),
        ("mem16(sp + 1)", 0x6677),
        ("mem32(sp + 4)", 0x1122_3344),
        ("mem64(sp)", 0x1122_3344_5566_7788),
        ("0x8000000000000000 / -1", 0),
    ] {
        assert_eq!(value(&machine, text), Ok(Ok(expected)), "{text}");
    }
    assert_eq!(value(&machine, "1 / (a0 - 5)"), Ok(Err(NoValue::Division)));
    assert_eq!(value(&machine, "1 % 0"), Ok(Err(NoValue::Division)));
    assert_eq!(value(&machine, "mem8(0)"), Ok(Err(NoValue::Memory(0))));
    assert_eq!(value(&machine, "mem64(-1)"), Ok(Err(NoValue::Memory(u64::MAX))));
}

#[test]
fn errors_say_where_and_what_was_expected() {
    let machine = machine();
    for (text, at, message) in [
        ("", 0, "expected a number, a name or an opening parenthesis"),
        ("1 +", 3, "expected a number, a name or an opening parenthesis"),
        ("(1", 2, "expected \")\""),
        ("1 2", 2, "expected an operator or the end"),
        ("a0 ? 1", 6, "expected \":\""),
        ("a0 + what", 5, "\"what\" is no register, CSR or symbol"),
        ("0x1_0000_0000_0000_0000", 0, "\"0x1_0000_0000_0000_0000\" is no number of 64 bits"),
        ("mem8 + 1", 5, "expected \"(\""),
    ] {
        assert_eq!(value(&machine, text), Err((at, message.into())), "{text}");
    }
    for open in ["(", "-", "!", "mem8(", "1?", "1+("] {
        let (_, message) = value(&machine, &open.repeat(50_000)).unwrap_err();
        assert_eq!(message, "this is nested too deeply", "{open}");
    }
    assert_eq!(value(&machine, &format!("0{}", "+1".repeat(50_000))), Ok(Ok(50_000)));
}

#[test]
fn any_text_has_an_answer() {
    let machine = machine();
    let parts = [
        "(",
        ")",
        "?",
        ":",
        "::",
        "+",
        "-",
        "*",
        "/",
        "%",
        "<<",
        ">>",
        "<",
        ">",
        "=",
        "!",
        "~",
        "&",
        "&&",
        "|",
        "^",
        "0",
        "1",
        "0x",
        "64",
        "18446744073709551616",
        "a0",
        "sp",
        "pc",
        "mem8",
        "mem64(",
        "mstatus",
        "é",
        "$",
        " ",
        "\u{3000}",
        "kernel::main",
        ".",
        "_",
    ];
    let mut rng = Rng::new(1);
    let mut values = 0;
    for _ in 0..50_000 {
        let text: String = (0..1 + rng.below(9)).map(|_| rng.pick(&parts)).collect();
        match value(&machine, &text) {
            Ok(_) => values += 1,
            Err((at, message)) => assert!(text.is_char_boundary(at) && !message.is_empty(), "{text}"),
        }
    }
    assert!(values > 1000, "{values} had a value");
}
