//! The registers of a hart as gdb numbers them.

use std::num::NonZeroUsize;

use gdbstub::arch::{Arch, RegId, Registers};

/// RV64. What registers there are besides x and pc is up to the machine: see [`super::description`].
pub enum Rv64 {}

impl Arch for Rv64 {
    type Usize = u64;
    type Registers = CoreRegisters;
    type RegId = Register;
    type BreakpointKind = usize;
}

/// What gdb reads at every stop; it asks for all others one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CoreRegisters {
    /// The integer registers; number 0 is always 0.
    pub x: [u64; 32],
    /// Address of the next instruction.
    pub pc: u64,
}

impl Registers for CoreRegisters {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.pc
    }

    fn gdb_serialize(&self, write_byte: impl FnMut(Option<u8>)) {
        let values = self.x.iter().chain([&self.pc]);
        values.flat_map(|value| value.to_le_bytes()).map(Some).for_each(write_byte);
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let (words, rest) = bytes.as_chunks::<8>();
        if words.len() != 33 || !rest.is_empty() {
            return Err(());
        }
        for (value, word) in self.x.iter_mut().chain([&mut self.pc]).zip(words) {
            *value = u64::from_le_bytes(*word);
        }
        Ok(())
    }
}

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// An integer register.
    X(u8),
    /// Address of the next instruction.
    Pc,
    /// A floating-point register.
    F(u8),
    /// A CSR, by its number.
    Csr(u16),
    /// The privilege mode.
    Privilege,
}

/// gdb's number of the first floating-point register; these numbers are those of its riscv-tdep.h.
const FIRST_F: usize = 33;
/// gdb's number of CSR 0.
const FIRST_CSR: usize = 65;
/// gdb's number of the privilege mode, which follows the last CSR.
const PRIVILEGE: usize = FIRST_CSR + 4096;

impl Register {
    /// gdb's number.
    pub fn number(self) -> usize {
        match self {
            Self::X(r) => r.into(),
            Self::Pc => 32,
            Self::F(r) => FIRST_F + usize::from(r),
            Self::Csr(num) => FIRST_CSR + usize::from(num),
            Self::Privilege => PRIVILEGE,
        }
    }
}

impl RegId for Register {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        let register = match id {
            0..32 => Self::X(u8::try_from(id).ok()?),
            32 => Self::Pc,
            FIRST_F..FIRST_CSR => Self::F(u8::try_from(id - FIRST_F).ok()?),
            FIRST_CSR..PRIVILEGE => Self::Csr(u16::try_from(id - FIRST_CSR).ok()?),
            PRIVILEGE => Self::Privilege,
            _ => return None,
        };
        Some((register, None))
    }

    fn to_raw_id(&self) -> Option<usize> {
        Some(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_registers() {
        for id in 0..=PRIVILEGE {
            assert_eq!(Register::from_raw_id(id).unwrap().0.number(), id);
        }
        assert!(Register::from_raw_id(PRIVILEGE + 1).is_none());
    }

    #[test]
    fn the_core_registers_go_there_and_back() {
        let registers = CoreRegisters { x: std::array::from_fn(|n| n as u64 * 0x0102_0304_0506_0708), pc: 4 };
        let mut bytes = Vec::new();
        registers.gdb_serialize(|byte| bytes.extend(byte));
        let mut again = CoreRegisters::default();
        assert_eq!((again.gdb_deserialize(&bytes), &again), (Ok(()), &registers));
        assert_eq!(again.gdb_deserialize(&bytes[1..]), Err(()));
    }
}
