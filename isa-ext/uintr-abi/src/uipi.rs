//! `uipi`: the instructions that user code sends and receives with (U-interrupt specification 0.1.1, chapter
//! "Instructions").
//!
//! R-type words in the custom-3 opcode. funct7 selects the operation, funct3 is one of two equivalent values,
//! and register fields that an operation does not use are zero.

/// Opcode, bits 6:0: custom-3.
pub const OPCODE: u32 = 0x7b;
/// funct3 in the specification.
pub const FUNCT3: u32 = 0b010;
/// funct3 in deployed software, where it is Rocket's xd, xs1, xs2. Means the same.
pub const FUNCT3_DEPLOYED: u32 = 0b110;

/// funct7 of `uipi.send rs1`: notify the target in entry rs1 of the sender table.
pub const SEND: u32 = 0;
/// funct7 of `uipi.read rd`: take the pending bits.
pub const READ: u32 = 1;
/// funct7 of `uipi.write rs1`: post pending bits back.
pub const WRITE: u32 = 2;
/// funct7 of `uipi.activate`: let what is pending interrupt.
pub const ACTIVATE: u32 = 3;
/// funct7 of `uipi.deactivate`: keep what is pending from interrupting.
pub const DEACTIVATE: u32 = 4;

const fn word(funct7: u32, funct3: u32, rs1: u32, rd: u32) -> u32 {
    assert!(rs1 < 32 && rd < 32, "register numbers are 0 to 31");
    funct7 << 25 | rs1 << 15 | funct3 << 12 | rd << 7 | OPCODE
}

/// `uipi.send xN`.
pub const fn send(rs1: u32) -> u32 {
    word(SEND, FUNCT3, rs1, 0)
}

/// `uipi.read xN`.
pub const fn read(rd: u32) -> u32 {
    word(READ, FUNCT3, 0, rd)
}

/// `uipi.write xN`.
pub const fn write(rs1: u32) -> u32 {
    word(WRITE, FUNCT3, rs1, 0)
}

/// `uipi.activate`.
pub const fn activate() -> u32 {
    word(ACTIVATE, FUNCT3, 0, 0)
}

/// `uipi.deactivate`.
pub const fn deactivate() -> u32 {
    word(DEACTIVATE, FUNCT3, 0, 0)
}

/// The same instruction with [`FUNCT3_DEPLOYED`].
pub const fn deployed(word: u32) -> u32 {
    word & !(7 << 12) | FUNCT3_DEPLOYED << 12
}
