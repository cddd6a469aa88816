//! Words of the few instructions that the guests of these tests are made of.

/// The registers that the guests use.
pub const ZERO: u32 = 0;
pub const A0: u32 = 10;
pub const A1: u32 = 11;
pub const A2: u32 = 12;

pub const NOP: u32 = 0x0000_0013;
/// `j .`
pub const STAY: u32 = 0x0000_006f;
pub const ECALL: u32 = 0x0000_0073;
pub const EBREAK: u32 = 0x0010_0073;
pub const URET: u32 = uintr_abi::n::URET;
pub const SRET: u32 = 0x1020_0073;
pub const MRET: u32 = 0x3020_0073;
pub const WFI: u32 = 0x1050_0073;

fn csr(funct3: u32, rd: u32, num: u16, rs1: u32) -> u32 {
    u32::from(num) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | 0x73
}

/// `csrrw rd, num, rs1`
pub fn csrrw(rd: u32, num: u16, rs1: u32) -> u32 {
    csr(1, rd, num, rs1)
}

/// `csrr rd, num`
pub fn csrr(rd: u32, num: u16) -> u32 {
    csr(2, rd, num, ZERO)
}

/// `csrsi num, bits`
pub fn csrsi(num: u16, bits: u32) -> u32 {
    csr(6, ZERO, num, bits)
}

/// `csrci num, bits`
pub fn csrci(num: u16, bits: u32) -> u32 {
    csr(7, ZERO, num, bits)
}

/// `csrwi num, bits`
pub fn csrwi(num: u16, bits: u32) -> u32 {
    csr(5, ZERO, num, bits)
}

/// `ld rd, 0(rs1)`
pub fn ld(rd: u32, rs1: u32) -> u32 {
    rs1 << 15 | 3 << 12 | rd << 7 | 0x03
}

/// `sd rs2, 0(rs1)`
pub fn sd(rs2: u32, rs1: u32) -> u32 {
    rs2 << 20 | rs1 << 15 | 3 << 12 | 0x23
}

/// `lw rd, 0(rs1)`
pub fn lw(rd: u32, rs1: u32) -> u32 {
    rs1 << 15 | 2 << 12 | rd << 7 | 0x03
}
