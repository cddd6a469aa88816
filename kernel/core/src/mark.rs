//! What the kernel does, in its own words, for whoever measures or traces it: markers, each of which is an
//! instruction without effect (see `relsim-markers`). Their names are symbols of the kernel's image.

use relsim_markers::{Region, begin, end, instant_with, name_region};

name_region!(960, "kernel");
name_region!(961, "idle");
name_region!(962, "call");
name_region!(963, "reply_recv");
name_region!(964, "send");
name_region!(965, "nb_send");
name_region!(966, "recv");
name_region!(967, "nb_recv");
name_region!(968, "reply");
name_region!(969, "yield");
name_region!(970, "debug_call");
name_region!(971, "fault");
name_region!(972, "interrupt");
name_region!(973, "async_calls");
name_region!(980, "context_switch");
name_region!(981, "ipc");
name_region!(982, "fast_call");
name_region!(983, "fast_reply_recv");
name_region!(984, "invocation");
name_region!(985, "user_interrupt_wakes");
name_region!(986, "fast_wait");

/// From entry to exit; the trap entry and exit mark it themselves.
pub const KERNEL: u16 = 960;
/// The same where no trap has led into the kernel: a hart starts.
#[inline(always)]
pub fn begin_kernel() {
    begin::<KERNEL>();
}

/// The same where no way leads out: the machine stops.
#[inline(always)]
pub(crate) fn end_kernel() {
    end::<KERNEL>();
}

/// A hart with nothing to run sleeps.
pub type Idle = Region<961>;
/// `Call`, the general way.
pub(crate) type Call = Region<962>;
/// `ReplyRecv`, the general way.
pub(crate) type ReplyRecv = Region<963>;
pub(crate) type Send = Region<964>;
pub(crate) type NbSend = Region<965>;
pub(crate) type Recv = Region<966>;
pub(crate) type NbRecv = Region<967>;
pub(crate) type Reply = Region<968>;
pub(crate) type Yield = Region<969>;
pub(crate) type DebugCall = Region<970>;
/// A fault becomes a message.
pub(crate) type FaultMessage = Region<971>;
/// Interrupts are served.
pub type Interrupt = Region<972>;

/// Asynchronous requests are served.
pub(crate) type AsyncCalls = Region<973>;

/// Another thread, with its record at `thread`, runs.
#[inline(always)]
pub(crate) fn context_switch(thread: usize) {
    instant_with::<980>(thread as u64);
}

/// A message of `words` words has been handed over.
#[inline(always)]
pub(crate) fn ipc(words: usize) {
    instant_with::<981>(words as u64);
}

/// The short way through `Call` was taken: `thread` runs.
#[inline(always)]
pub(crate) fn fast_call(thread: usize) {
    instant_with::<982>(thread as u64);
}

/// The short way through `ReplyRecv` was taken: `thread` runs.
#[inline(always)]
pub(crate) fn fast_reply_recv(thread: usize) {
    instant_with::<983>(thread as u64);
}

/// The short way through a wait of a receiver of user interrupts was taken: `thread`, which has been sent one, runs.
#[inline(always)]
pub(crate) fn fast_wait(thread: usize) {
    instant_with::<986>(thread as u64);
}

/// An object is asked for what has the number `label`.
#[inline(always)]
pub(crate) fn invocation(label: u64) {
    instant_with::<984>(label);
}

/// A user interrupt has woken a thread that waited in the kernel.
#[inline(always)]
pub(crate) fn user_interrupt_wakes(thread: usize) {
    instant_with::<985>(thread as u64);
}
