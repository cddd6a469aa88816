//! Every floating-point row does what it says to registers, flags, memory and `mstatus.FS`. How results
//! are rounded is the business of `tests/fp_softfloat.rs`.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::flags::{DZ, NV, NX};
use super::rm::{DYN, RDN, RNE, RTZ, RUP};
use super::{F16, F32, F64, Float, Format};
use crate::bus::Bus;
use crate::csr::CsrTable;
use crate::decode::Decoder;
use crate::device::{Clock, NoConsole};
use crate::hart::{Hart, HartConfig};
use crate::insn::{File, InsnDef, Stop};
use crate::isa::{ExtSet, parse_isa};
use crate::ram::Ram;
use crate::rows::{d, f, zfh};
use crate::trap::Cause;

const BASE: u64 = 0x8000_0000;
/// Operand registers: destination and sources.
const RD: u32 = 10;
const RS: [u32; 3] = [11, 12, 13];
/// `mstatus.FS`: the field, and the state Initial.
const FS: u64 = 3 << 13;
const FS_INITIAL: u64 = 1 << 13;

fn rows() -> impl Iterator<Item = &'static InsnDef> {
    f::ROWS.iter().chain(d::ROWS).chain(zfh::ROWS)
}

fn row(name: &str) -> &'static InsnDef {
    rows().find(|r| r.name == name).unwrap_or_else(|| panic!("no row {name}"))
}

fn isa() -> ExtSet {
    parse_isa("rv64gc_zfh", &[]).unwrap()
}

struct Machine {
    hart: Hart,
    bus: Bus,
    decoder: Decoder,
}

impl Machine {
    fn new() -> Self {
        let config = HartConfig {
            id: 0,
            isa: isa(),
            misaligned_ok: false,
            firmware_calls: false,
            pmp_entries: 0,
            reset_pc: BASE,
            ids: [0; 3],
        };
        let mut hart = Hart::new(config, Arc::new(CsrTable::new(isa(), &[]).unwrap()));
        hart.csr.status.set_mstatus(FS_INITIAL, isa());
        let bus = Bus::new(Ram::new(BASE, 4096), 1, Clock::new(1, 1), Box::new(NoConsole));
        Self { hart, bus, decoder: Decoder::new(isa(), &[]).unwrap() }
    }

    /// Executes `row` on the operand registers, with `rm` and an immediate of 8 where it has them.
    fn execute(&mut self, row: &InsnDef, rm: u8) -> Result<(), Stop> {
        let files = row.fmt.files();
        let store = files.rd == File::None;
        let mut fields = RS[0] << 15;
        fields |= if store { 8 << 7 } else { RD << 7 };
        fields |= if files.rs2 == File::None { 8 << 20 } else { RS[1] << 20 };
        fields |= if files.rs3 == File::None { 0 } else { RS[2] << 27 };
        fields |= if row.fmt.has_rm() { u32::from(rm) << 12 } else { 0 };
        let word = row.pattern.bits | fields & !row.pattern.mask;
        let op = self.decoder.op(word, 0, 0);
        assert_eq!(self.decoder.row(op.row).name, row.name);
        (op.exec)(&mut self.hart, &mut self.bus, &op)
    }

    fn fs(&self) -> u64 {
        self.hart.csr.status.mstatus() & FS
    }
}

/// What the destination must hold, as 64 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Want {
    F(u64),
    X(u64),
}
use Want::{F, X};

struct Case {
    name: String,
    rm: u8,
    f: [u64; 3],
    x: u64,
    want: Want,
    flags: u8,
}

/// `value`, which the format has, in a register.
fn reg<T: Format>(value: f64) -> u64 {
    let mut inexact = 0;
    let bits = match T::WIDTH {
        16 => F64::convert::<F16>(value.to_bits(), RNE, &mut inexact),
        32 => (value as f32).to_bits().into(),
        _ => value.to_bits(),
    };
    assert_eq!(inexact, 0);
    T::boxed(if value.is_nan() { T::NAN } else { bits })
}

/// The cases that the three formats have in common; `suffix` is the letter in mnemonics.
fn common<T: Float>(suffix: char) -> Vec<Case> {
    const NAN: f64 = f64::NAN;
    const INF: f64 = f64::INFINITY;
    let r = reg::<T>;
    let n = |value| F(r(value));
    let one_case = |name: &str, rm, f: [f64; 3], x: u64, want, flags| {
        let name = if name.contains('*') {
            name.replace('*', &suffix.to_string())
        } else {
            format!("{name}.{suffix}")
        };
        Case { name, rm, f: f.map(r), x, want, flags }
    };
    let (min_i32, max_i32) = (i32::MIN as i64 as u64, i32::MAX as u64);
    [
        ("fadd", RNE, [1.5, 2.5, 0.0], n(4.0), 0),
        ("fadd", RDN, [1.0, -1.0, 0.0], n(-0.0), 0),
        ("fadd", RNE, [INF, -INF, 0.0], n(NAN), NV),
        ("fsub", RNE, [1.5, 2.5, 0.0], n(-1.0), 0),
        ("fmul", RNE, [1.5, -2.0, 0.0], n(-3.0), 0),
        ("fdiv", RNE, [3.0, 2.0, 0.0], n(1.5), 0),
        ("fdiv", RNE, [-1.0, 0.0, 0.0], n(-INF), DZ),
        ("fsqrt", RNE, [6.25, 0.0, 0.0], n(2.5), 0),
        ("fsqrt", RNE, [-1.0, 0.0, 0.0], n(NAN), NV),
        ("fmadd", RNE, [2.0, 3.0, 1.0], n(7.0), 0),
        ("fmadd", RNE, [0.0, INF, NAN], n(NAN), NV),
        ("fmsub", RNE, [2.0, 3.0, 1.0], n(5.0), 0),
        ("fnmsub", RNE, [2.0, 3.0, 1.0], n(-5.0), 0),
        ("fnmadd", RNE, [2.0, 3.0, 1.0], n(-7.0), 0),
        ("fsgnj", RNE, [1.5, -2.0, 0.0], n(-1.5), 0),
        ("fsgnjn", RNE, [1.5, -2.0, 0.0], n(1.5), 0),
        ("fsgnjx", RNE, [-1.5, -2.0, 0.0], n(1.5), 0),
        ("fmin", RNE, [0.0, -0.0, 0.0], n(-0.0), 0),
        ("fmin", RNE, [NAN, 1.0, 0.0], n(1.0), 0),
        ("fmax", RNE, [0.0, -0.0, 0.0], n(0.0), 0),
        ("fmax", RNE, [-3.0, -2.0, 0.0], n(-2.0), 0),
        ("feq", RNE, [-0.0, 0.0, 0.0], X(1), 0),
        ("feq", RNE, [NAN, 1.0, 0.0], X(0), 0),
        ("flt", RNE, [1.0, 2.0, 0.0], X(1), 0),
        ("flt", RNE, [2.0, 2.0, 0.0], X(0), 0),
        ("flt", RNE, [NAN, 1.0, 0.0], X(0), NV),
        ("fle", RNE, [2.0, 2.0, 0.0], X(1), 0),
        ("fle", RNE, [2.0, 1.0, 0.0], X(0), 0),
        ("fle", RNE, [1.0, NAN, 0.0], X(0), NV),
        ("fclass", RNE, [-INF, 0.0, 0.0], X(1 << 0), 0),
        ("fclass", RNE, [1.0, 0.0, 0.0], X(1 << 6), 0),
        ("fclass", RNE, [NAN, 0.0, 0.0], X(1 << 9), 0),
        ("fcvt.w", RTZ, [-1.5, 0.0, 0.0], X(-1i64 as u64), NX),
        ("fcvt.w", RNE, [2.5, 0.0, 0.0], X(2), NX),
        ("fcvt.w", RNE, [-INF, 0.0, 0.0], X(min_i32), NV),
        ("fcvt.w", RNE, [NAN, 0.0, 0.0], X(max_i32), NV),
        ("fcvt.wu", RUP, [2.5, 0.0, 0.0], X(3), NX),
        ("fcvt.wu", RNE, [-1.0, 0.0, 0.0], X(0), NV),
        ("fcvt.wu", RNE, [INF, 0.0, 0.0], X(u64::MAX), NV),
        ("fcvt.l", RNE, [-3.0, 0.0, 0.0], X(-3i64 as u64), 0),
        ("fcvt.l", RNE, [NAN, 0.0, 0.0], X(i64::MAX as u64), NV),
        ("fcvt.lu", RDN, [3.5, 0.0, 0.0], X(3), NX),
        ("fcvt.lu", RNE, [INF, 0.0, 0.0], X(u64::MAX), NV),
    ]
    .map(|(name, rm, f, want, flags)| one_case(name, rm, f, 0, want, flags))
    .into_iter()
    .chain(
        // Only the low half counts for the 32-bit ones.
        [
            ("fcvt.*.w", -2i64 as u64, -2.0),
            ("fcvt.*.w", 0x1_0000_0003, 3.0),
            ("fcvt.*.wu", 0xffff_ffff_0000_0007, 7.0),
            ("fcvt.*.l", -5i64 as u64, -5.0),
            ("fcvt.*.lu", 9, 9.0),
        ]
        .map(|(name, x, value)| one_case(name, RNE, [0.0; 3], x, n(value), 0)),
    )
    .collect()
}

/// Moves, conversions between formats, and operands that are not boxed.
fn special() -> Vec<Case> {
    let case = |name: &str, rm, f0: u64, x, want, flags| Case {
        name: name.into(),
        rm,
        f: [f0, reg::<F32>(1.0), 0],
        x,
        want,
        flags,
    };
    let (s, d, h) = (reg::<F32>, reg::<F64>, reg::<F16>);
    let one_more = F32::boxed(0x3f80_0001);
    vec![
        // Bit moves take what is there, boxed or not.
        case("fmv.x.w", RNE, 0x1234_5678_8000_0001, 0, X(0xffff_ffff_8000_0001), 0),
        case("fmv.w.x", RNE, 0, 0x1_7fa0_0001, F(0xffff_ffff_7fa0_0001), 0),
        case("fmv.x.d", RNE, 0x7ff0_0000_0000_0001, 0, X(0x7ff0_0000_0000_0001), 0),
        case("fmv.d.x", RNE, 0, 0x7ff0_0000_0000_0001, F(0x7ff0_0000_0000_0001), 0),
        case("fmv.x.h", RNE, 0x1234_5678_1234_8001, 0, X(0xffff_ffff_ffff_8001), 0),
        case("fmv.h.x", RNE, 0, 0x1_7d01, F(0xffff_ffff_ffff_7d01), 0),
        case("fcvt.s.d", RNE, d(1.5), 0, F(s(1.5)), 0),
        case("fcvt.s.d", RUP, d(1.0 + 1e-12), 0, F(one_more), NX),
        case("fcvt.s.d", RDN, d(1.0 + 1e-12), 0, F(s(1.0)), NX),
        case("fcvt.d.s", RNE, s(-2.5), 0, F(d(-2.5)), 0),
        case("fcvt.d.s", RNE, 0xffff_ffff_7f80_0001, 0, F(F64::NAN), NV),
        case("fcvt.s.h", RNE, h(-2.5), 0, F(s(-2.5)), 0),
        case("fcvt.h.s", RNE, s(0.1), 0, F(F16::boxed(0x2e66)), NX),
        case("fcvt.d.h", RNE, h(65504.0), 0, F(d(65504.0)), 0),
        case("fcvt.h.d", RNE, d(1e-300), 0, F(h(0.0)), NX | super::flags::UF),
        // Not boxed: read as the canonical NaN, which is quiet.
        case("fadd.s", RNE, d(1.0), 0, F(F32::boxed(F32::NAN)), 0),
        case("fsgnj.s", RNE, d(1.0), 0, F(F32::boxed(F32::NAN)), 0),
        case("fmin.s", RNE, d(1.0), 0, F(s(1.0)), 0),
        case("fclass.s", RNE, d(1.0), 0, X(1 << 9), 0),
        case("fcvt.w.s", RNE, d(1.0), 0, X(i32::MAX as u64), NV),
        case("fclass.h", RNE, s(1.0), 0, X(1 << 9), 0),
        case("fcvt.d.s", RNE, d(1.0), 0, F(F64::NAN), 0),
    ]
}

fn cases() -> Vec<Case> {
    [common::<F32>('s'), common::<F64>('d'), common::<F16>('h'), special()].into_iter().flatten().collect()
}

#[test]
fn rows_compute() {
    for Case { name, rm, f, x, want, flags } in cases() {
        let mut m = Machine::new();
        for (r, value) in RS.into_iter().zip(f) {
            m.hart.f[r as usize] = value;
        }
        m.hart.x[RS[0] as usize] = x;
        assert_eq!(m.execute(row(&name), rm), Ok(()), "{name}");
        let got = match want {
            F(_) => F(m.hart.f(RD as u8)),
            X(_) => X(m.hart.x(RD as u8)),
        };
        assert_eq!((got, m.hart.csr.fflags), (want, flags), "{name} rm={rm} {f:x?} {x:#x}: {got:x?}");
        let dirty = matches!(want, F(_)) || flags != 0;
        assert_eq!(m.fs(), if dirty { FS } else { FS_INITIAL }, "{name}: mstatus.FS");
    }
}

/// Name, what memory holds, and the register that a load gives or a store takes.
const MEMORY: [(&str, u64, u64); 6] = [
    ("flw", 0x8877_6655_7fa0_0001, 0xffff_ffff_7fa0_0001),
    ("fld", 0x8877_6655_4433_2211, 0x8877_6655_4433_2211),
    ("flh", 0x8877_6655_4433_7d01, 0xffff_ffff_ffff_7d01),
    ("fsw", 0x0000_0000_7fa0_0001, 0x1234_5678_7fa0_0001),
    ("fsd", 0x1234_5678_7fa0_0001, 0x1234_5678_7fa0_0001),
    ("fsh", 0x0000_0000_0000_0001, 0x1234_5678_7fa0_0001),
];

#[test]
fn rows_load_and_store() {
    for (name, memory, register) in MEMORY {
        let mut m = Machine::new();
        let row = row(name);
        m.hart.x[RS[0] as usize] = BASE + 56;
        let load = row.fmt.files().rd == File::F;
        if load {
            m.bus.ram.put(BASE + 64, memory);
            assert_eq!(m.execute(row, RNE), Ok(()));
            assert_eq!(m.hart.f(RD as u8), register, "{name}");
        } else {
            m.hart.f[RS[1] as usize] = register;
            assert_eq!(m.execute(row, RNE), Ok(()));
            assert_eq!(m.bus.ram.get::<u64>(BASE + 64), Some(memory), "{name}");
        }
        assert_eq!(m.fs(), if load { FS } else { FS_INITIAL }, "{name}: mstatus.FS");

        m.hart.x[RS[0] as usize] = BASE + 57;
        assert_eq!(m.execute(row, RNE), Err(Stop::Trap));
        let cause = if load { Cause::LoadMisaligned } else { Cause::StoreMisaligned };
        assert_eq!((m.hart.raised.cause, m.hart.raised.tval), (cause, BASE + 65), "{name}");
    }
}

#[test]
fn every_row_has_a_case() {
    let mut tested: BTreeSet<String> = cases().into_iter().map(|c| c.name).collect();
    tested.extend(MEMORY.map(|(name, ..)| name.into()));
    let missing: Vec<_> = rows().map(|r| r.name).filter(|&n| !tested.contains(n)).collect();
    assert!(missing.is_empty(), "rows without a case: {missing:?}");
}

#[test]
fn every_row_needs_fs() {
    for row in rows() {
        let mut m = Machine::new();
        m.hart.csr.status.set_mstatus(0, isa());
        m.hart.x[RS[0] as usize] = BASE;
        assert_eq!(m.execute(row, RNE), Err(Stop::Trap), "{}", row.name);
        assert_eq!(m.hart.raised.cause, Cause::IllegalInstruction, "{}", row.name);
    }
}

#[test]
fn dynamic_rounding() {
    for row in rows().filter(|r| r.fmt.has_rm()) {
        // A third, and about that with smaller exponents: nothing that is computed is exact.
        let operand = |n: u64| match row.name.rsplit('.').next() {
            Some("s") => F32::boxed(0x3eaa_aaab - n * ((5 << 23) + 2)),
            Some("h") => F16::boxed(0x3555 - n * ((5 << 10) + 2)),
            _ => 0x3fd5_5555_5555_5555 - n * ((5 << 52) + 2),
        };
        let run = |rm: u8, frm: u8| {
            let mut m = Machine::new();
            for (n, r) in RS.into_iter().enumerate() {
                m.hart.f[r as usize] = operand(n as u64);
            }
            m.hart.x[RS[0] as usize] = 0x1234_5678_8765_4321;
            m.hart.csr.frm = frm;
            let done = m.execute(row, rm);
            (done, m.hart.raised.cause, m.hart.f(RD as u8), m.hart.x(RD as u8), m.hart.csr.fflags)
        };
        for rm in 0..5 {
            // A mode in the instruction does not look at frm, not even at a reserved one.
            assert_eq!(run(rm, 7), run(DYN, rm), "{} rm={rm}", row.name);
        }
        for reserved in 5..8 {
            let (done, cause, ..) = run(DYN, reserved);
            assert_eq!((done, cause), (Err(Stop::Trap), Cause::IllegalInstruction), "{}", row.name);
        }
        let (down, up) = (run(DYN, RDN), run(DYN, RUP));
        // Apart from conversions that are exact, all these are inexact.
        assert_eq!(down != up, down.4 & NX != 0, "{}", row.name);
        let exact = ["fcvt.d.w", "fcvt.d.wu", "fcvt.d.s", "fcvt.d.h", "fcvt.s.h"];
        assert_eq!(down == up, exact.contains(&row.name), "{}: {:x?} {:x?}", row.name, down, up);
    }
}

/// The flags accumulate: an operation never clears one.
#[test]
fn flags_accrue() {
    for row in rows().filter(|r| r.fmt.files().rs1 == File::F) {
        let mut m = Machine::new();
        m.hart.csr.fflags = 0x1f;
        assert_eq!(m.execute(row, RNE), Ok(()));
        assert_eq!(m.hart.csr.fflags, 0x1f, "{}", row.name);
    }
}
