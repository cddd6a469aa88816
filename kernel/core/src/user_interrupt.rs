//! User interrupts: who may send them, who receives them, and how a receiver sleeps.
//!
//! A notification can have a receiver: a number in the UINTC, which is the notification's until it is destroyed. The
//! thread that it is bound to then takes what is sent there as user interrupts while it runs, without the kernel.
//!
//! Whoever has a capability to signal the notification can register it in its thread's sender table: an object made
//! of untyped memory, with the table that the hardware reads and, beside each entry, a slot. The registration is a
//! capability in that slot, derived from the one that it was made with, so that revoking that, or deleting the
//! notification, withdraws it like any other. An entry of the hardware's table is valid exactly while its slot is
//! full.
//!
//! A receiver that waits in the kernel is woken by what is sent to it. While it sleeps, its number interrupts the
//! kernel of its hart instead, as long as that hart runs something that receives no user interrupts itself, or
//! nothing; otherwise, since a hart has one line for all receivers, the kernel looks at those that sleep whenever it
//! chooses what runs, which is no later than the next tick.

use core::cell::Cell;

use kernel_abi::bits;
use uintr_abi::SenderEntry;
use uintr_abi::table::{ENTRIES_PER_PAGE, VECTORS};

use crate::cap::{Cap, Kind};
use crate::error::{Error, Stop};
use crate::hw;
use crate::kernel::Kernel;
use crate::mark;
use crate::mem::Ptr;
use crate::notification::Notification;
use crate::slot::Slot;
use crate::syscall::Call;
use crate::tcb::{Link, Pending, State, Tcb};

/// Entries of a sender table that can be used; the others of its page stay invalid.
const ENTRIES: usize = 1 << bits::SENDER_TABLE_ENTRIES;
/// Receivers that there is room for in the books; the device may have fewer.
const MAX_RECEIVERS: usize = 512;

/// What the registers of chapter N hold, in the order in which they are saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum UserCsr {
    /// `utvec`.
    Tvec = 0,
    /// `uscratch`.
    Scratch = 1,
    /// `uepc`.
    Epc = 2,
    /// `ucause`.
    Cause = 3,
    /// `utval`.
    Tval = 4,
    /// The bits of `ustatus`.
    Status = 5,
    /// `uie`.
    Enabled = 6,
}

/// What a thread has of user interrupts. All zero is nothing.
#[derive(Default)]
pub struct UserInterrupts {
    /// The registers of chapter N, by [`UserCsr`]. They belong to a thread while it is a receiver.
    pub csrs: [Cell<u64>; 7],
    /// Physical address of its sender table; 0 is none.
    pub senders: Cell<u64>,
    /// Its number as a receiver, plus one; 0 is none.
    pub receiver: Cell<u64>,
    /// Among those that sleep on its hart.
    sleeping: Link,
}

impl UserInterrupts {
    /// Nothing.
    #[allow(clippy::declare_interior_mutable_const)]
    pub(crate) const NONE: Self = Self {
        csrs: [const { Cell::new(0) }; 7],
        senders: Cell::new(0),
        receiver: Cell::new(0),
        sleeping: Link { next: Cell::new(None), previous: Cell::new(None) },
    };

    /// Its number as a receiver.
    #[inline(always)]
    pub fn receiver(&self) -> Option<u16> {
        self.receiver.get().checked_sub(1).map(|number| number as u16)
    }
}

/// The object.
#[repr(C, align(8192))]
pub(crate) struct SenderTable {
    /// What the hardware reads. No user can write here.
    entries: [Cell<u64>; ENTRIES_PER_PAGE as usize],
    /// The registration of each entry.
    slots: [Slot; ENTRIES],
}

const _: () = assert!(size_of::<SenderTable>() == 1 << bits::SENDER_TABLE);

impl Ptr<SenderTable> {
    /// The table that the registration in `slot` is in, and the number of its entry.
    fn of_slot(slot: Ptr<Slot>) -> (Self, usize) {
        let within = slot.addr() % size_of::<SenderTable>();
        let table = Ptr::new(slot.addr() - within).unwrap_or(Self::at(0));
        (table, (within - core::mem::offset_of!(SenderTable, slots)) / size_of::<Slot>() % ENTRIES)
    }

    fn slot(self, n: usize) -> Ptr<Slot> {
        Ptr::of(&self.slots[n % ENTRIES])
    }
}

/// Which numbers of the UINTC are in use.
pub struct Receivers {
    used: [Cell<u64>; MAX_RECEIVERS / 64],
    /// How many there are; 0 without a UINTC.
    count: Cell<usize>,
}

impl Receivers {
    pub(crate) const fn new() -> Self {
        Self { used: [const { Cell::new(0) }; MAX_RECEIVERS / 64], count: Cell::new(0) }
    }

    /// There is a UINTC with `count` receivers.
    pub fn start(&self, count: usize) {
        self.count.set(count.min(MAX_RECEIVERS));
    }

    /// The numbers that are in use, for tests.
    #[cfg(test)]
    pub(crate) fn in_use(&self) -> std::vec::Vec<u16> {
        (0..MAX_RECEIVERS as u16)
            .filter(|n| self.used[usize::from(n / 64)].get() >> (n % 64) & 1 != 0)
            .collect()
    }

    /// Whether there is a UINTC.
    fn exist(&self) -> bool {
        self.count.get() != 0
    }

    fn take(&self) -> Option<u16> {
        for (n, word) in self.used.iter().enumerate() {
            let number = 64 * n + word.get().trailing_ones() as usize;
            if number < (64 * (n + 1)).min(self.count.get()) {
                word.set(word.get() | 1 << (number % 64));
                return Some(number as u16);
            }
        }
        None
    }

    #[cold]
    fn retire(&self, number: u16) {
        hw::retire_receiver(number);
        let word = &self.used[usize::from(number) / 64 % self.used.len()];
        word.set(word.get() & !(1 << (number % 64)));
    }
}

/// The vector that is sent by the notification `cap`: its badge.
pub(crate) fn vector_of(cap: Cap) -> Result<u16, Error> {
    let greatest = u64::from(VECTORS) - 1;
    if cap.badge() > greatest { Err(Error::Range(0, greatest)) } else { Ok(cap.badge() as u16) }
}

impl Kernel {
    /// The caller may send to the receiver of the notification in `slot`. The number of its entry.
    #[cold]
    pub(crate) fn register_sender(&self, call: &Call<'_>, slot: Ptr<Slot>) -> Result<usize, Stop> {
        let cap = slot.cap();
        let vector = vector_of(cap)?;
        let receiver = cap.object::<Notification>().receiver().ok_or(Error::IllegalOperation)?;
        let table = call.thread.sender_table().cap();
        if !table.is(Kind::SenderTable) {
            return Err(Error::IllegalOperation.into());
        }
        let table = table.object::<SenderTable>();
        let free = (0..ENTRIES).find(|&n| table.slot(n).is_empty());
        let Some(entry) = free else { return Err(Error::DeleteFirst.into()) };
        table.slot(entry).insert(Cap::registration(cap.paddr(), cap.badge()), slot);
        table.entries[entry].set(SenderEntry::new(receiver, vector).bits());
        Ok(call.answer(entry as u64))
    }

    /// The registration in `slot` is withdrawn: nothing is sent by its entry any more.
    #[cold]
    pub(crate) fn withdraw_sender(&self, slot: Ptr<Slot>) {
        let (table, entry) = Ptr::<SenderTable>::of_slot(slot);
        table.entries[entry].set(0);
    }

    /// If all other capabilities for the notification in `slot` are registrations, they go, since nobody has the
    /// notification any more that they stem from.
    #[cold]
    pub(crate) fn drop_orphaned_senders(&self, slot: Ptr<Slot>) {
        let notification = slot.cap();
        let same = |other: &Ptr<Slot>| {
            other.cap().is(Kind::Notification) && other.cap().paddr() == notification.paddr()
        };
        let owned = |other: Ptr<Slot>| !other.cap().is_registration();
        if slot.before().take_while(same).any(owned) || slot.behind().take_while(same).any(owned) {
            return;
        }
        let orphan = |slot: Option<Ptr<Slot>>| slot.filter(same);
        while let Some(sender) = orphan(slot.before().next()).or_else(|| orphan(slot.behind().next())) {
            self.withdraw_sender(sender);
            sender.remove();
        }
    }

    /// The last capability for the sender table `cap` goes, and all registrations with it.
    #[cold]
    pub(crate) fn retire_sender_table(&self, cap: Cap) {
        let table = cap.object::<SenderTable>();
        for slot in (0..ENTRIES).map(|n| table.slot(n)).filter(|slot| !slot.is_empty()) {
            self.withdraw_sender(slot);
            slot.remove();
        }
    }

    /// The thread that sender table `cap` was set for has it no longer.
    #[cold]
    pub(crate) fn unset_sender_table(&self, cap: Cap) {
        if let Some(thread) = cap.table_of() {
            self.stop_user_interrupts(thread);
            thread.user_interrupts.senders.set(0);
            self.use_user_interrupts(thread);
        }
    }

    /// `thread`, whose capability is in `own`, sends user interrupts by the table that goes with the call.
    #[cold]
    pub(crate) fn set_sender_table(
        &self,
        call: &Call<'_>,
        own: Ptr<Slot>,
        thread: Ptr<Tcb>,
    ) -> Result<(), Stop> {
        let source = call.extra.get(0)?;
        let cap = source.cap();
        if !cap.is(Kind::SenderTable) {
            return Err(Error::InvalidCapability(1).into());
        }
        if !self.receivers.exist() {
            return Err(Error::IllegalOperation.into());
        }
        let place = thread.sender_table();
        self.delete(place)?;
        // Deleting what was there may have taken them along.
        if !cap.is_same_object(source.cap()) || own.cap() != Cap::thread(thread.paddr()) {
            return Ok(());
        }
        self.stop_user_interrupts(thread);
        place.insert(Cap::sender_table(cap.paddr(), Some(thread)), source);
        thread.user_interrupts.senders.set(cap.paddr());
        self.use_user_interrupts(thread);
        Ok(())
    }

    /// The thread that goes with the call, which the notification `cap` is bound to, receives user interrupts for it.
    #[cold]
    pub(crate) fn register_receiver(&self, call: &Call<'_>, cap: Cap) -> Result<usize, Stop> {
        let thread = call.extra.get(0)?.cap();
        if !thread.is(Kind::Thread) {
            return Err(Error::InvalidCapability(1).into());
        }
        let (thread, notification) = (thread.object::<Tcb>(), cap.object::<Notification>());
        if notification.bound() != Some(thread) || thread.user_interrupts.receiver().is_some() {
            return Err(Error::IllegalOperation.into());
        }
        let number = match notification.receiver() {
            Some(number) => number,
            None => self.receivers.take().ok_or(Error::NotEnoughMemory(0))?,
        };
        notification.set_receiver(Some(number));
        self.stop_user_interrupts(thread);
        if thread == self.current() {
            hw::save_user_csrs(thread);
        }
        thread.user_interrupts.receiver.set(u64::from(number) + 1);
        self.use_user_interrupts(thread);
        Ok(0)
    }

    /// `thread` receives no user interrupts any more. What is pending waits for whoever comes after it.
    #[inline(always)]
    pub(crate) fn unregister_receiver(&self, thread: Ptr<Tcb>) {
        if thread.has_user_interrupts.get() {
            self.stop_receiving(thread);
        }
    }

    #[cold]
    fn stop_receiving(&self, thread: Ptr<Tcb>) {
        if thread.user_interrupts.receiver().is_some() {
            self.rouse(thread);
            self.stop_user_interrupts(thread);
            thread.user_interrupts.receiver.set(0);
            thread.user_interrupts.csrs.iter().for_each(|csr| csr.set(0));
            self.use_user_interrupts(thread);
        }
    }

    /// `notification` is destroyed, and nobody can send to its receiver any more.
    #[inline(always)]
    pub(crate) fn retire_receiver(&self, notification: Ptr<Notification>) {
        if let Some(number) = notification.receiver() {
            notification.set_receiver(None);
            self.receivers.retire(number);
        }
    }

    /// No hart has the user-interrupt registers of `thread`.
    fn stop_user_interrupts(&self, thread: Ptr<Tcb>) {
        self.evict(thread);
        if thread == self.current() {
            hw::unload_user_interrupts();
        } else {
            hw::forget_user_interrupts(thread);
        }
    }

    /// What `thread` has of user interrupts has changed.
    fn use_user_interrupts(&self, thread: Ptr<Tcb>) {
        let has = &thread.user_interrupts;
        thread.has_user_interrupts.set(has.senders.get() != 0 || has.receiver.get() != 0);
        if thread == self.current() {
            hw::load_user_interrupts(thread);
        }
    }

    /// `thread`, which runs here and is a receiver, waits from now on.
    #[inline(always)]
    pub(crate) fn fall_asleep(&self, thread: Ptr<Tcb>) {
        if thread.has_user_interrupts.get() && thread.user_interrupts.receiver().is_some() {
            // It has been running, so that others that sleep were not watched.
            self.add_sleeper(thread, false);
        }
    }

    #[cold]
    fn add_sleeper(&self, thread: Ptr<Tcb>, watched: bool) {
        let hart = self.hart_number(usize::from(thread.affinity.get()));
        let first = hart.sleepers.replace(Some(thread));
        match first {
            Some(first) => first.user_interrupts.sleeping.previous.set(Some(thread)),
            None => hart.watches.set(watched),
        }
        thread.user_interrupts.sleeping.next.set(first);
        thread.user_interrupts.sleeping.previous.set(None);
        thread.asleep.set(true);
        self.watch(thread, hart.watches.get());
    }

    fn watch(&self, thread: Ptr<Tcb>, on: bool) {
        if let Some(number) = thread.user_interrupts.receiver() {
            hw::aim_receiver(number, usize::from(thread.affinity.get()), on);
        }
    }

    /// `thread` does not sleep any more.
    #[inline(always)]
    pub(crate) fn rouse(&self, thread: Ptr<Tcb>) {
        if thread.asleep.get() {
            self.remove_sleeper(thread);
        }
    }

    #[cold]
    fn remove_sleeper(&self, thread: Ptr<Tcb>) {
        thread.asleep.set(false);
        let link = &thread.user_interrupts.sleeping;
        let (previous, next) = (link.previous.take(), link.next.take());
        match previous {
            Some(previous) => previous.user_interrupts.sleeping.next.set(next),
            None => self.hart_number(usize::from(thread.affinity.get())).sleepers.set(next),
        }
        if let Some(next) = next {
            next.user_interrupts.sleeping.previous.set(previous);
        }
        // One that has not been switched away from is a receiver that runs.
        self.watch(thread, thread == self.current());
    }

    /// `thread`, which has been running here, sleeps instead of `sleeper`, the first that does.
    #[inline(always)]
    pub(crate) fn take_sleepers_place(&self, thread: Ptr<Tcb>, sleeper: Ptr<Tcb>) {
        let (from, to) = (&sleeper.user_interrupts.sleeping, &thread.user_interrupts.sleeping);
        let next = from.next.take();
        to.next.set(next);
        to.previous.set(None);
        if let Some(next) = next {
            next.user_interrupts.sleeping.previous.set(Some(thread));
        }
        self.hart().sleepers.set(Some(thread));
        sleeper.asleep.set(false);
        thread.asleep.set(true);
    }

    /// `thread`, which does not run on another hart than this, is on hart `hart` from now on, where it goes on to
    /// sleep if it does.
    pub(crate) fn move_user_interrupts(&self, thread: Ptr<Tcb>, hart: usize) {
        if thread.has_user_interrupts.get() {
            self.stop_user_interrupts(thread);
        }
        let asleep = thread.asleep.get();
        self.rouse(thread);
        thread.affinity.set(hart as u8);
        if asleep {
            let runs = self.hart_number(hart).current.get();
            self.add_sleeper(thread, runs.is_none_or(|runs| runs.user_interrupts.receiver().is_none()));
        }
    }

    /// `thread` is about to run here: those that sleep interrupt the kernel, unless it is a receiver itself.
    #[inline(always)]
    pub(crate) fn watch_sleepers(&self, thread: Ptr<Tcb>) {
        if self.hart().sleepers.get().is_some() {
            self.watch_all(thread.user_interrupts.receiver().is_none());
        }
    }

    #[cold]
    fn watch_all(&self, on: bool) {
        if self.hart().watches.replace(on) != on {
            for thread in self.sleepers() {
                self.watch(thread, on);
            }
        }
    }

    fn sleepers(&self) -> impl Iterator<Item = Ptr<Tcb>> {
        core::iter::successors(self.hart().sleepers.get(), |thread| {
            thread.user_interrupts.sleeping.next.get()
        })
    }

    /// Those that sleep on this hart and have been sent something may run.
    #[cold]
    pub(crate) fn wake_sleepers(&self) {
        let mut next = self.hart().sleepers.get();
        while let Some(thread) = next {
            next = thread.user_interrupts.sleeping.next.get();
            if thread.user_interrupts.receiver().is_some_and(hw::receiver_has_pending) {
                mark::user_interrupt_wakes(thread.addr());
                if thread.state() == State::Waiting {
                    self.leave_notification(thread);
                } else {
                    self.leave_endpoint(thread);
                    thread.pending.set(Pending::NONE);
                }
                // What was sent is for the thread itself to take.
                self.deliver(thread, 0);
                self.set_state(thread, State::Running);
                self.enqueue(thread);
            }
        }
    }

    /// Whether something has been sent to `thread`, which runs here, so that it does not have to wait.
    #[inline(always)]
    pub(crate) fn has_user_interrupt(&self, thread: Ptr<Tcb>) -> bool {
        thread.has_user_interrupts.get() && has_pending(thread)
    }
}

#[cold]
fn has_pending(thread: Ptr<Tcb>) -> bool {
    thread.user_interrupts.receiver().is_some_and(hw::receiver_has_pending)
}

/// The entries of the sender table `cap`, each with its registration, for tests.
#[cfg(test)]
pub(crate) fn entries(cap: Cap) -> impl Iterator<Item = (SenderEntry, Option<Cap>)> {
    let table = cap.object::<SenderTable>();
    (0..table.entries.len()).map(move |n| {
        let registration = (n < ENTRIES).then(|| table.slot(n).cap()).filter(|cap| !cap.is(Kind::Null));
        (SenderEntry::from_bits(table.entries[n].get()), registration)
    })
}
