//! The kernel's objects and what may be done with them: everything that is not RISC-V.

#![no_std]
