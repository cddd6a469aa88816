//! What user interrupts do, sentence by sentence. Each test quotes in its comment what it covers: the
//! U-interrupt specification 0.1.1, or chapter "N" of the privileged architecture v1.11 draft.

mod abi;
mod asm;
mod csrs;
mod delivery;
mod harness;
mod misuse;
mod n_csrs;
mod n_traps;
mod rows;
mod uintc;
mod uipi;
