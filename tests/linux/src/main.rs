//! Process 1 of a Linux: plays ping-pong with another process, on whatever harts Linux gives them, in one of three ways:
//! `mech=pipe`, two pipes; `mech=eventfd`, two counters; `mech=signal`, queued signals that are waited for. In each, a
//! value goes there and another one comes back, `ops` times.
//!
//! Parameters are words on the kernel's command line; Linux hands those that it does not know to process 1, as its
//! environment. What is measured is region 1, and event 2 ends each round trip, as `relsim compare` wants it. When the
//! result is printed, the machine is switched off.
#![no_std]
#![no_main]

mod system;

use core::arch::global_asm;
use core::ffi::{CStr, c_char};
use core::fmt::Write;

use system::{Descriptor, Outcome, Output, Pid};

relsim_markers::name_region!(1, "measured");
relsim_markers::name_region!(2, "operation");

/// Round trips before those that are measured: by then both processes have their own pages, and caches know the way.
const WARM_UP: u64 = 64;
/// Round trips that are measured if nobody says how many.
const OPERATIONS: u64 = 200;

// Linux gives a program nothing but the stack, with arguments and environment on it.
global_asm!(
    ".globl _start",
    "_start:",
    "mv   a0, sp",
    "andi sp, sp, -16",
    "call {start}",
    start = sym start,
);

macro_rules! println {
    ($($arg:tt)*) => {
        // There is nobody to tell that printing failed.
        let _ = writeln!(Output, $($arg)*);
    };
}

/// One side's way to the other.
#[derive(Clone, Copy)]
enum Side {
    /// Files: to read from, and to write to.
    Files(Descriptor, Descriptor),
    /// Signals to a process.
    Signals(Pid),
}

impl Side {
    #[inline(always)]
    fn send(self, value: u64) -> Outcome<()> {
        match self {
            Self::Files(_, to) => to.send(value),
            Self::Signals(process) => system::send_signal(process, value),
        }
    }

    #[inline(always)]
    fn receive(self) -> Outcome<u64> {
        match self {
            Self::Files(from, _) => from.receive(),
            Self::Signals(_) => system::receive_signal(),
        }
    }
}

/// How values travel.
#[derive(Clone, Copy)]
enum Mechanism {
    Pipe,
    Eventfd,
    Signal,
}

impl Mechanism {
    fn by_name(name: &str) -> Option<Self> {
        match name {
            "pipe" => Some(Self::Pipe),
            "eventfd" => Some(Self::Eventfd),
            "signal" => Some(Self::Signal),
            _ => None,
        }
    }

    /// Makes what it needs, and a process that answers; gives our side.
    fn start(self) -> Outcome<Side> {
        match self {
            Self::Pipe => {
                let (there, back) = (system::pipe()?, system::pipe()?);
                with_files((back.0, there.1), (there.0, back.1))
            }
            Self::Eventfd => {
                let (there, back) = (system::eventfd()?, system::eventfd()?);
                with_files((back, there), (there, back))
            }
            Self::Signal => {
                system::hold_signals()?;
                let own = system::own_pid();
                match system::fork()? {
                    Some(other) => Ok(Side::Signals(other)),
                    None => answer(Side::Signals(own)),
                }
            }
        }
    }
}

/// Makes a process that answers by the files `theirs`; we use `ours`.
fn with_files(ours: (Descriptor, Descriptor), theirs: (Descriptor, Descriptor)) -> Outcome<Side> {
    match system::fork()? {
        Some(_) => Ok(Side::Files(ours.0, ours.1)),
        None => answer(Side::Files(theirs.0, theirs.1)),
    }
}

/// What comes back for `value`.
fn answer_to(value: u64) -> u64 {
    value + 1
}

/// The other process. It ends with the machine, since its end would be measured as part of the last round trip.
fn answer(side: Side) -> ! {
    loop {
        if let Err(failure) = side.receive().and_then(|value| side.send(answer_to(value))) {
            // The first process waits in vain, until the limit of the run.
            println!("the process that answers: {failure}");
            system::exit();
        }
    }
}

/// One round trip, with what no other round sends: the errors in it.
#[inline(always)]
fn round(side: Side, value: u64) -> Outcome<u64> {
    side.send(value)?;
    Ok(u64::from(side.receive()? != answer_to(value)))
}

/// Does `operations` round trips that are measured, and gives the wrong answers.
fn measure(mechanism: Mechanism, operations: u64) -> Outcome<u64> {
    system::seed_random_numbers()?;
    let side = mechanism.start()?;
    let mut errors = 0;
    // From 1 on, since a counter that is 0 has nothing to be received.
    for value in 1..=WARM_UP {
        errors += round(side, value)?;
    }
    let _region = relsim_markers::Region::<1>::enter();
    for value in 1..=operations {
        errors += round(side, WARM_UP + value)?;
        relsim_markers::instant::<2>();
    }
    Ok(errors)
}

/// The environment on the stack that Linux gave: the count of arguments, these and a null, and then as many texts as
/// there are before another null.
///
/// # Safety
/// `stack` is that stack.
unsafe fn environment(stack: *const usize) -> impl Iterator<Item = &'static str> {
    // SAFETY: by the caller.
    let mut next = unsafe { stack.add(1 + *stack + 1).cast::<*const c_char>() };
    core::iter::from_fn(move || {
        // SAFETY: the null is not passed; the texts stay as long as the process.
        unsafe {
            let text = *next;
            if text.is_null() {
                return None;
            }
            next = next.add(1);
            Some(CStr::from_ptr(text).to_str().unwrap_or(""))
        }
    })
}

extern "C" fn start(stack: *const usize) -> ! {
    let (mut name, mut operations) = ("pipe", OPERATIONS);
    // SAFETY: what `_start` was given.
    for variable in unsafe { environment(stack) } {
        match variable.split_once('=') {
            Some(("mech", value)) => name = value,
            Some(("ops", value)) => operations = value.parse().unwrap_or(operations),
            _ => {}
        }
    }
    match Mechanism::by_name(name).map(|mechanism| measure(mechanism, operations)) {
        Some(Ok(errors)) => {
            println!("result operations={operations} errors={errors}");
        }
        Some(Err(failure)) => {
            println!("{failure}");
        }
        None => {
            println!("mech={name}: there is pipe, eventfd and signal");
        }
    }
    system::power_off()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    println!("{info}");
    system::power_off()
}
