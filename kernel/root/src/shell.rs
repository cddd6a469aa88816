//! A shell on the UART. The kernel prints characters but reads none, so the shell polls the device itself.

use kernel_user::abi::{BootInfo, bits};
use kernel_user::cspace::Slots;
use kernel_user::invoke::Frame;
use kernel_user::{memory, print, println, syscall, time};

use crate::env::Env;
use crate::{bench, harness, hostile, platform, tests};

/// Longest line.
const LINE: usize = 80;

/// The UART's receiver.
#[derive(Debug)]
pub struct Input {
    registers: *mut u8,
}

impl Input {
    /// Maps the UART, if the machine is known to have one.
    #[must_use]
    pub fn new(env: &mut Env) -> Option<Self> {
        if !platform::is_virt(env.info) {
            return None;
        }
        let frame = uart_frame(env.info, &mut env.slots)?;
        // Device memory is not the tests' memory: the mapping survives them, and so must its page tables.
        let address = env.map_for_good(frame, bits::PAGE).ok()?;
        Some(Self { registers: address as *mut u8 })
    }

    /// Whether a byte waits to be read.
    fn is_ready(&self) -> bool {
        const LINE_STATUS: usize = 5;
        const READY: u8 = 1;
        // SAFETY: the UART's registers are mapped there for good.
        unsafe { self.registers.add(LINE_STATUS).read_volatile() & READY != 0 }
    }

    /// Waits for a byte.
    fn read(&mut self) -> u8 {
        while !self.is_ready() {
            syscall::yield_now();
        }
        // SAFETY: as above, and nobody else reads what it receives.
        unsafe { self.registers.read_volatile() }
    }

    /// Whether a byte comes within `ticks` of the timebase. It is not read.
    #[must_use]
    pub fn comes_within(&self, ticks: u64) -> bool {
        let start = time::ticks();
        while !self.is_ready() {
            if time::ticks() - start > ticks {
                return false;
            }
            syscall::yield_now();
        }
        true
    }

    /// Reads a line, with echo.
    fn line<'a>(&mut self, buffer: &'a mut [u8; LINE]) -> &'a str {
        let mut length = 0;
        loop {
            match self.read() {
                b'\r' | b'\n' => break,
                8 | 127 if length > 0 => {
                    length -= 1;
                    print!("\x08 \x08");
                }
                byte @ b' '..=b'~' if length < LINE => {
                    buffer[length] = byte;
                    length += 1;
                    print!("{}", byte as char);
                }
                _ => {}
            }
        }
        println!();
        str::from_utf8(&buffer[..length]).unwrap_or("")
    }
}

fn uart_frame(info: &'static BootInfo, slots: &mut Slots) -> Option<Frame> {
    memory::device_frame(info, slots, platform::VIRT_UART.0).ok().map(Frame)
}

/// Reads commands and does them, until one says to stop.
pub fn run(env: &mut Env, input: &mut Input) {
    loop {
        print!("> ");
        let mut buffer = [0; LINE];
        let line = input.line(&mut buffer);
        let (command, argument) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let argument = argument.trim();
        match command {
            "" => {}
            "help" => println!("help, test [NAME], hostile, bench [NAME], ps, halt"),
            // The shell has the UART, which one of the tests wants.
            "test" => score(harness::run(env, argument, "of_the_uart", tests::ALL)),
            "hostile" => score(harness::run(env, argument, "", hostile::GROUPS)),
            "bench" => bench::run(env, argument),
            "ps" => syscall::debug_dump_scheduler(),
            "halt" => return,
            other => println!("{other}: unknown; try help"),
        }
    }
}

fn score(score: harness::Score) {
    println!("{} passed, {} failed", score.passed, score.failed);
}
