//! Where what tasks wait for comes from, and how to wait when there is nothing.

use core::cell::Cell;

use kernel_user::invoke::Notification;
use kernel_user::user_interrupt;

use crate::Executor;

/// Where something comes from that tasks wait for.
pub trait Source {
    /// Takes what is there, and wakes the tasks that wait for it.
    fn poll(&self, executor: &Executor);

    /// The executor has nothing to do: has done for it now what it takes this thread to bring about.
    #[inline(always)]
    fn press(&self) -> Rest {
        Rest::Nothing
    }

    /// The executor has nothing to do, and sleeps unless this finds something: from now on the other side has to
    /// notify it.
    fn rest(&self) -> Rest;

    /// The executor is awake: the other side has no need to notify it.
    fn rise(&self);
}

/// What a source has when there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// Something has come, or was brought about.
    Something,
}

/// How a thread waits for user interrupts.
#[derive(Debug, Clone, Copy)]
pub enum Idle {
    /// In the kernel, which lets others run: the notification whose receiver the thread is.
    Sleep(Notification),
    /// On its hart, which stops: for a thread that has a hart to itself.
    Halt,
    /// It does not: it looks all the time. The other side never has to notify it.
    Poll,
}

impl Idle {
    /// Waits.
    #[inline(always)]
    pub(crate) fn wait(self) {
        match self {
            Self::Sleep(notification) => {
                let _ = user_interrupt::wait(notification);
            }
            Self::Halt => user_interrupt::wait_here(),
            Self::Poll => {}
        }
    }
}

/// What has happened, for whoever measures.
#[derive(Debug, Default)]
pub struct Statistics {
    /// User interrupts sent.
    pub notifications: Cell<u64>,
    /// System calls made.
    pub system_calls: Cell<u64>,
    /// How often the executor had nothing to do.
    pub sleeps: Cell<u64>,
}

impl Statistics {
    #[inline(always)]
    pub(crate) fn count(counter: &Cell<u64>) {
        counter.set(counter.get() + 1);
    }
}
