//! The kernel for 64-bit RISC-V: entry, context switch, Sv39, interrupts, boot.

#![no_std]
