//! What runs in a hostile program. It has the root task's code and constants but none of its data, so it must not
//! print, panic, or use a static variable.

use core::sync::atomic::{AtomicU64, Ordering};

use kernel_user::abi::{Syscall, UserContext, bits};

use super::STACK_PAGES;

/// What a thread shares with the root task.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Shared {
    /// State of the generator.
    pub(super) random: AtomicU64,
    /// Calls that were begun.
    pub(super) done: AtomicU64,
    /// Calls to make.
    pub(super) target: AtomicU64,
}

/// The IPC buffer of the thread with memory at `base`.
pub(super) const fn buffer(base: u64) -> u64 {
    base + (STACK_PAGES << bits::PAGE)
}

const fn shared(base: u64) -> u64 {
    buffer(base) + (1 << bits::PAGE)
}

/// The registers that a thread with memory at `base` begins with.
pub(super) fn context(base: u64) -> UserContext {
    let mut context = UserContext {
        pc: run as *const () as u64,
        sp: buffer(base),
        tp: buffer(base),
        ..UserContext::default()
    };
    context.a[0] = base;
    context
}

/// Makes the system call with the registers `a0` to `a7` that `registers` points at, and comes back without any.
#[unsafe(naked)]
unsafe extern "C" fn system_call(registers: *const [u64; 8]) {
    core::arch::naked_asm!(
        "ld a1, 8(a0)",
        "ld a2, 16(a0)",
        "ld a3, 24(a0)",
        "ld a4, 32(a0)",
        "ld a5, 40(a0)",
        "ld a6, 48(a0)",
        "ld a7, 56(a0)",
        "ld a0, 0(a0)",
        ".global hostile_ecall",
        "hostile_ecall:",
        ".option push",
        ".option norvc",
        "ecall",
        ".option pop",
        "ret",
    )
}

unsafe extern "C" {
    static hostile_ecall: u8;
}

/// Where the system calls are made.
pub(super) fn call_address() -> u64 {
    &raw const hostile_ecall as u64
}

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 3 | self.0 << 61
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 8) % limit
    }

    /// A word of the kinds that arguments are: small, an address, a slot, anything.
    fn word(&mut self) -> u64 {
        match self.below(10) {
            0 => 0,
            1 => self.below(4),
            2 => self.below(64),
            3 => self.below(300),
            4 => self.below(1 << 20) << 12,
            5 => super::BASE + self.below(0x20_0000),
            6 => 1 << self.below(64),
            7 => (1 << self.below(64)) - 1,
            8 => u64::MAX - self.below(1 << 13),
            _ => self.next(),
        }
    }

    /// The address of a capability, mostly of one that may exist.
    fn cap(&mut self) -> u64 {
        match self.below(16) {
            0 => self.word(),
            1 => self.below(1 << super::RADIX),
            2..4 => super::slot::CSPACE + self.below(6),
            _ => 1 + self.below(super::slot::TCB),
        }
    }

    /// The number of a system call; those of the debug interface that print or stop the machine are left out.
    fn number(&mut self) -> u64 {
        let number = match self.below(32) {
            0 => self.next() as i64,
            1 => self.below(64) as i64 - 32,
            2..20 => Syscall::Call.number(),
            _ => -1 - self.below(8) as i64,
        };
        let debug = Syscall::DebugGetThreadAffinity.number()..=Syscall::DebugPutChar.number();
        let harmless = Syscall::DebugCapIdentify.number();
        (if debug.contains(&number) { harmless } else { number }) as u64
    }

    /// The description of a message: mostly the label of an invocation, of a plausible length.
    fn info(&mut self) -> u64 {
        let label = if self.below(16) == 0 { self.next() } else { self.below(46) };
        let length = if self.below(8) == 0 { self.below(128) } else { self.below(9) };
        label << 12 | self.below(8) << 9 | self.below(4) << 7 | length
    }
}

/// Makes random system calls, and stops.
extern "C" fn run(base: u64) -> ! {
    // SAFETY: the page is mapped for this thread, and used as atomics only.
    let shared = unsafe { &*(shared(base) as *const Shared) };
    let words = (buffer(base) + 8) as *mut u64;
    loop {
        let done = shared.done.load(Ordering::Relaxed);
        if done >= shared.target.load(Ordering::Relaxed) {
            // Nothing to receive there: the fault stops the thread until it is moved on.
            let registers = [0, 0, 0, 0, 0, 0, 0, Syscall::Recv.number() as u64];
            // SAFETY: a system call cannot harm this program's memory but for its IPC buffer.
            unsafe { system_call(&raw const registers) };
            continue;
        }
        let mut random = Random(shared.random.load(Ordering::Relaxed));
        for n in 4..10 {
            // SAFETY: message words in the IPC buffer.
            unsafe { words.add(n).write_volatile(random.word()) };
        }
        for n in 121..124 {
            // SAFETY: capabilities to send, behind the 120 words and the user's.
            unsafe { words.add(n).write_volatile(random.cap()) };
        }
        for n in 124..127 {
            // SAFETY: where to receive capabilities.
            unsafe { words.add(n).write_volatile(random.word()) };
        }
        let registers = [
            random.cap(),
            random.info(),
            random.word(),
            random.word(),
            random.word(),
            random.word(),
            random.word(),
            random.number(),
        ];
        // Whatever happens to the thread, it goes on with the next one.
        shared.random.store(random.0, Ordering::Relaxed);
        shared.done.store(done + 1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { system_call(&raw const registers) };
    }
}
