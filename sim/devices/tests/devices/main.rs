//! Register-level scenarios for every device, from the specifications and from what drivers do.

mod bench;
mod clint;
mod fuzz;
mod htif;
mod on_the_bus;
mod plic;
mod rtc_goldfish;
mod test_finisher;
mod uart16550;
mod virtio_block;
mod virtio_console;
mod virtio_driver;
mod virtio_load;
mod virtio_mmio;
mod virtio_net;
