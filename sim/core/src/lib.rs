//! The machine's core: instruction and CSR rows, harts, traps, translation, the bus, and the hot loop.
//!
//! Nothing here knows a platform, a file format, a terminal, or an extension outside the ratified ones and
//! N. There are no threads and no host time: a run is a function of its inputs.

pub mod block;
pub mod bus;
pub mod csr;
pub mod decode;
pub mod device;
pub mod disasm;
pub mod extension;
pub mod fp;
pub mod hart;
pub mod insn;
pub mod isa;
pub mod mmu;
pub mod observe;
pub mod pmp;
pub mod ram;
pub mod region;
pub mod rows;
pub mod run;
pub mod saved;
pub mod timing;
pub mod trap;
