//! The first instructions of a root task, and what happens when it panics.

use core::cell::UnsafeCell;
use core::panic::PanicInfo;

use kernel_abi::BootInfo;

use crate::{bootinfo, exit, println};

/// Bytes of the first thread's stack.
const STACK_SIZE: usize = 64 << 10;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: only the first thread uses it, as its stack.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(UnsafeCell::new([0; STACK_SIZE]));

/// Makes `$main`, a `fn(&'static BootInfo) -> !`, what the root task runs.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        #[unsafe(no_mangle)]
        extern "Rust" fn kernel_user_main(info: &'static $crate::abi::BootInfo) -> ! {
            let main: fn(&'static $crate::abi::BootInfo) -> ! = $main;
            main(info)
        }
    };
}

unsafe extern "Rust" {
    safe fn kernel_user_main(info: &'static BootInfo) -> !;
}

/// The kernel enters here with the address of the boot information in `a0` and no stack.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text._start")]
unsafe extern "C" fn _start() -> ! {
    core::arch::naked_asm!(
        "la sp, {stack}",
        "li t0, {size}",
        "add sp, sp, t0",
        "mv ra, zero",
        "j {rust}",
        stack = sym STACK,
        size = const STACK_SIZE,
        rust = sym start,
    )
}

extern "C" fn start(info: &'static BootInfo) -> ! {
    // SAFETY: the kernel has mapped the buffer and nobody has taken a reference to it yet.
    unsafe { crate::ipc::set_buffer(info.ipc_buffer) };
    bootinfo::init();
    kernel_user_main(info)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    exit::halt()
}
