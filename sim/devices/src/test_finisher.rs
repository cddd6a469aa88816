//! SiFive test finisher: one store ends the run.
//!
//! | offset | width | register |
//! |---|---|---|
//! | 0 | 2, 4 or 8 (written), reads 0 | bits 15:0 command, bits 31:16 exit status |
//!
//! Commands: 0x5555 passes (status 0), 0x3333 fails with the status in the upper half (0 there is
//! reported as 1, since a failure must not look like a success), 0x7777 asks for a reset. Anything
//! else, and the rest of the window, is ignored.
//!
//! Sources: the `sifive,test0` / `sifive,test1` device tree bindings and the drivers in OpenSBI
//! (`lib/utils/reset/fdt_reset_sifive_test.c`) and Linux (`syscon-poweroff` on the same register).

use relsim_core::device::{BusFault, Device, DeviceCx, GuestExit};

use crate::state::require;

const PASS: u64 = 0x5555;
const FAIL: u64 = 0x3333;
const RESET: u64 = 0x7777;

/// The test finisher; it holds no state.
pub struct TestFinisher {
    name: String,
}

impl TestFinisher {
    /// A finisher called `name` in messages.
    pub fn new(name: &str) -> Self {
        Self { name: name.into() }
    }
}

impl Device for TestFinisher {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, _: &mut DeviceCx<'_>, _: u64, _: u8) -> Result<u64, BusFault> {
        Ok(0)
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        if size < 2 {
            return Err(BusFault);
        }
        // The bus may leave rubbish above the bytes that were written.
        let value = if size == 2 { value & 0xffff } else { value };
        let status = (value >> 16 & 0xffff) as u32;
        match value & 0xffff {
            _ if offset != 0 => {}
            PASS => *cx.exit = Some(GuestExit::Done(0)),
            FAIL => *cx.exit = Some(GuestExit::Done(status.max(1))),
            RESET => *cx.exit = Some(GuestExit::Reset),
            _ => {}
        }
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        require(state.is_empty(), "the test finisher has none")
    }
}
