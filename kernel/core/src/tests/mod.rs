//! Tests on the host: the kernel in an arena of memory, with a machine that writes down what it is asked for.

mod caps;
mod derivation;
mod harness;
mod ipc;
mod lookups;
mod machines;
mod slots;
mod user_interrupts;
mod vspace;
