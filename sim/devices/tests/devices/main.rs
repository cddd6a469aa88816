//! Register-level scenarios for every device, from the specifications and from what drivers do.

mod bench;
mod clint;
mod plic;
mod test_finisher;
