//! Register-level scenarios for every device, from the specifications and from what drivers do.

mod bench;
mod clint;
mod htif;
mod plic;
mod rtc_goldfish;
mod test_finisher;
mod uart16550;
