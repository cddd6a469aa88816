//! Printing, character by character through the kernel's debug call.

use core::fmt::{self, Write};

use crate::syscall;

/// The kernel's console.
#[derive(Debug, Clone, Copy, Default)]
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(syscall::debug_put_char);
        Ok(())
    }
}

/// Prints formatted text. Used by the macros.
pub fn print(text: fmt::Arguments<'_>) {
    // The console takes everything.
    let _ = Console.write_fmt(text);
}

/// Prints as `format_args!` says.
#[macro_export]
macro_rules! print {
    ($($arg:tt)*) => { $crate::console::print(format_args!($($arg)*)) };
}

/// Prints as `format_args!` says, and ends the line.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($arg:tt)*) => { $crate::console::print(format_args!("{}\n", format_args!($($arg)*))) };
}
