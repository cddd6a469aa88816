//! What the program asks of Linux: system calls of riscv64, whose numbers and structures are the kernel's generic ones
//! (`include/uapi/asm-generic`).

use core::arch::asm;
use core::ffi::CStr;
use core::fmt;

/// The number of a system call.
#[repr(usize)]
#[derive(Clone, Copy)]
enum Call {
    Eventfd2 = 19,
    Ioctl = 29,
    Openat = 56,
    Pipe2 = 59,
    Read = 63,
    Write = 64,
    ExitGroup = 94,
    RtSigprocmask = 135,
    RtSigtimedwait = 137,
    RtSigqueueinfo = 138,
    Reboot = 142,
    Getpid = 172,
    Clone = 220,
}

/// What failed, and the number by which Linux says why.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    what: &'static str,
    errno: isize,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed with error {}", self.what, self.errno)
    }
}

/// What a system call that may fail gives.
pub type Outcome<T> = Result<T, Failure>;

/// A process.
pub type Pid = usize;

/// The signal that carries values: the first of those that queue.
const SIGNAL: usize = 34;
/// `SIGCHLD`, by which a process hears that a child ended.
const CHILD_ENDED: usize = 17;
/// `SI_QUEUE`: the signal is one that a process sent with a value.
const QUEUED: i32 = -1;
/// The bytes of a set of signals.
const SIGNAL_SET: usize = 8;
/// `SIG_BLOCK`.
const BLOCK: usize = 0;
/// `TCSBRK`; with an argument that is not 0, it waits until everything is sent.
const DRAIN: usize = 0x5409;
/// `AT_FDCWD`; the path is absolute.
const HERE: usize = -100isize as usize;
/// `O_WRONLY`.
const WRITE_ONLY: usize = 1;
/// Where random numbers are seeded.
const RANDOM: &CStr = c"/dev/random";
/// `RNDADDENTROPY`.
const ADD_ENTROPY: usize = 0x4008_5203;
/// The standard output.
const OUTPUT: Descriptor = Descriptor(1);
/// The arguments of `reboot`: two magic numbers, and `LINUX_REBOOT_CMD_POWER_OFF`.
const POWER_OFF: [usize; 3] = [0xfee1_dead, 0x2812_1969, 0x4321_fedc];

#[inline(always)]
fn call(call: Call, arguments: [usize; 5]) -> isize {
    let [first, second, third, fourth, fifth] = arguments;
    let result;
    // SAFETY: each caller passes pointers to memory that is its own, and long enough for this call. Linux preserves all
    // other registers.
    unsafe {
        asm!(
            "ecall",
            in("a7") call as usize,
            inlateout("a0") first => result,
            in("a1") second,
            in("a2") third,
            in("a3") fourth,
            in("a4") fifth,
            options(nostack),
        );
    }
    result
}

#[inline(always)]
fn checked(what: &'static str, result: isize) -> Outcome<usize> {
    if result < 0 { Err(Failure { what, errno: -result }) } else { Ok(result as usize) }
}

/// An open file.
#[derive(Debug, Clone, Copy)]
pub struct Descriptor(usize);

impl Descriptor {
    /// Writes `value`, whole.
    #[inline(always)]
    pub fn send(self, value: u64) -> Outcome<()> {
        let n = call(Call::Write, [self.0, &raw const value as usize, size_of::<u64>(), 0, 0]);
        whole("write", n)
    }

    /// Reads a value, waiting until there is one.
    #[inline(always)]
    pub fn receive(self) -> Outcome<u64> {
        let mut value = 0u64;
        let n = call(Call::Read, [self.0, &raw mut value as usize, size_of::<u64>(), 0, 0]);
        whole("read", n).map(|()| value)
    }
}

/// A value is sent and received whole.
#[inline(always)]
fn whole(what: &'static str, result: isize) -> Outcome<()> {
    match checked(what, result)? {
        n if n == size_of::<u64>() => Ok(()),
        _ => Err(Failure { what, errno: 0 }),
    }
}

/// A pipe: the end to read from, and the end to write to.
pub fn pipe() -> Outcome<(Descriptor, Descriptor)> {
    let mut ends = [0i32; 2];
    checked("pipe2", call(Call::Pipe2, [&raw mut ends as usize, 0, 0, 0, 0]))?;
    let [read, write] = ends.map(|end| Descriptor(end as usize));
    Ok((read, write))
}

/// A counter: what is sent is added to it, what is received is its value, which becomes 0; 0 is waited on.
pub fn eventfd() -> Outcome<Descriptor> {
    checked("eventfd2", call(Call::Eventfd2, [0; 5])).map(Descriptor)
}

/// A process like this one: its number here, and none there.
pub fn fork() -> Outcome<Option<Pid>> {
    let pid = checked("clone", call(Call::Clone, [CHILD_ENDED, 0, 0, 0, 0]))?;
    Ok((pid != 0).then_some(pid))
}

/// This process.
pub fn own_pid() -> Pid {
    call(Call::Getpid, [0; 5]) as Pid
}

/// `siginfo_t` of a signal with a value.
#[repr(C, align(8))]
struct SignalInfo {
    signal: i32,
    errno: i32,
    code: i32,
    _padding: i32,
    pid: i32,
    uid: u32,
    value: u64,
    _rest: [u64; 12],
}

const _: () = assert!(size_of::<SignalInfo>() == 128, "the size that Linux reads and writes");

impl SignalInfo {
    const fn new(value: u64) -> Self {
        Self {
            signal: SIGNAL as i32,
            errno: 0,
            code: QUEUED,
            _padding: 0,
            pid: 0,
            uid: 0,
            value,
            _rest: [0; 12],
        }
    }
}

/// The set that has only [`SIGNAL`].
static ONLY_SIGNAL: u64 = 1 << (SIGNAL - 1);

/// Lets signals that carry values wait until they are received, in this process and in those that it makes.
pub fn hold_signals() -> Outcome<()> {
    let arguments = [BLOCK, &raw const ONLY_SIGNAL as usize, 0, SIGNAL_SET, 0];
    checked("rt_sigprocmask", call(Call::RtSigprocmask, arguments)).map(drop)
}

/// Sends `value` to `process` by a signal.
#[inline(always)]
pub fn send_signal(process: Pid, value: u64) -> Outcome<()> {
    let info = SignalInfo::new(value);
    let arguments = [process, SIGNAL, &raw const info as usize, 0, 0];
    checked("rt_sigqueueinfo", call(Call::RtSigqueueinfo, arguments)).map(drop)
}

/// Receives a value by a signal, waiting until there is one.
#[inline(always)]
pub fn receive_signal() -> Outcome<u64> {
    let mut info = SignalInfo::new(0);
    let arguments = [&raw const ONLY_SIGNAL as usize, &raw mut info as usize, 0, SIGNAL_SET, 0];
    checked("rt_sigtimedwait", call(Call::RtSigtimedwait, arguments)).map(|_| info.value)
}

/// `struct rand_pool_info`, with as much as Linux wants before it trusts its random numbers.
#[repr(C)]
struct Entropy {
    bits: u32,
    bytes: u32,
    seed: [u8; 32],
}

/// Gives Linux's random numbers a seed. The simulated machine has no source of them, and until they are seeded, Linux
/// mixes its pool anew for each: there is one in every system call, to place the kernel's stack, and that would be most
/// of what is measured. A system with an init of its own has seeded them long before it does anything else.
pub fn seed_random_numbers() -> Outcome<()> {
    let path = RANDOM.as_ptr() as usize;
    let random = checked("openat", call(Call::Openat, [HERE, path, WRITE_ONLY, 0, 0]))?;
    // The same seed in every run, for the same cycles.
    let entropy = Entropy { bits: 256, bytes: 32, seed: [0x5a; 32] };
    checked("RNDADDENTROPY", call(Call::Ioctl, [random, ADD_ENTROPY, &raw const entropy as usize, 0, 0]))
        .map(drop)
}

/// Ends this process.
pub fn exit() -> ! {
    loop {
        call(Call::ExitGroup, [0; 5]);
    }
}

/// Switches the machine off, when everything is printed.
pub fn power_off() -> ! {
    // Otherwise, what the driver still has to send is lost. Where it fails, so be it.
    call(Call::Ioctl, [OUTPUT.0, DRAIN, 1, 0, 0]);
    let [first, second, command] = POWER_OFF;
    call(Call::Reboot, [first, second, command, 0, 0]);
    // Process 1 that ends is a panic, which is a message.
    exit()
}

/// The standard output.
pub struct Output;

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let n = call(Call::Write, [OUTPUT.0, rest.as_ptr() as usize, rest.len(), 0, 0]);
            let n = usize::try_from(n).ok().filter(|&n| n > 0).ok_or(fmt::Error)?;
            rest = rest.get(n..).ok_or(fmt::Error)?;
        }
        Ok(())
    }
}
