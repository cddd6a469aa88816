//! The target description: the features and register names that gdb knows for RISC-V (gdb manual, G.5.11), as far as the
//! hart has them.

use std::fmt::Write;

use relsim_core::disasm::{F_NAMES, X_NAMES};
use relsim_core::hart::Hart;
use relsim_core::isa::Ext;

use super::arch::Register;

/// The description of `hart` in XML. The CSRs are all rows of its table, with those that count as part of the
/// floating-point unit, so that each stands there once.
pub fn xml(hart: &Hart) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n\
         <architecture>riscv:rv64</architecture>\n",
    );
    let core = X_NAMES.iter().zip(0u8..).map(|(name, r)| {
        let kind = match *name {
            "ra" => "code_ptr",
            "sp" | "gp" | "tp" => "data_ptr",
            _ => "int64",
        };
        register(name, Register::X(r), 64, kind, "general")
    });
    let pc = register("pc", Register::Pc, 64, "code_ptr", "general");
    feature(&mut text, "cpu", "", core.chain([pc]));
    if let Some(bits) = float_bits(hart) {
        let (union, kind) = if bits == 64 { (DOUBLE, "riscv_double") } else { ("", "ieee_single") };
        let names = F_NAMES.iter().zip(0u8..);
        let registers = names.map(|(name, r)| register(name, Register::F(r), bits, kind, "float"));
        feature(&mut text, "fpu", union, registers);
    }
    let csrs = hart.csr_table.rows().iter();
    let csrs = csrs.map(|row| register(row.name, Register::Csr(row.num), 64, "uint64", "csr"));
    feature(&mut text, "csr", "", csrs);
    let privilege = register("priv", Register::Privilege, 64, "uint64", "general");
    feature(&mut text, "virtual", "", [privilege].into_iter());
    text + "</target>\n"
}

/// Width of the floating-point registers, if there are any.
pub fn float_bits(hart: &Hart) -> Option<u32> {
    match (hart.has(Ext::D), hart.has(Ext::F)) {
        (true, _) => Some(64),
        (false, true) => Some(32),
        (false, false) => None,
    }
}

/// A register with a double in it can be looked at as one of single precision.
const DOUBLE: &str = "<union id=\"riscv_double\"><field name=\"float\" type=\"ieee_single\"/>\
                      <field name=\"double\" type=\"ieee_double\"/></union>\n";

fn feature(text: &mut String, name: &str, types: &str, registers: impl Iterator<Item = String>) {
    let registers: String = registers.collect();
    // Writing to a string does not fail.
    let _ = writeln!(text, "<feature name=\"org.gnu.gdb.riscv.{name}\">\n{types}{registers}</feature>");
}

fn register(name: &str, register: Register, bits: u32, kind: &str, group: &str) -> String {
    let number = register.number();
    format!(
        "<reg name=\"{name}\" bitsize=\"{bits}\" regnum=\"{number}\" type=\"{kind}\" group=\"{group}\"/>\n"
    )
}
