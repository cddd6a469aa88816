//! Registers of user interrupts: those of chapter N, which belong to the thread that runs if it is a receiver, and
//! those of the extension, by which it sends and receives. Beyond them the UINTC.

use core::cell::Cell;

use kernel_core::mem::to_virtual;
use kernel_core::{MAX_HARTS, Ptr, State, Tcb, UserCsr};
use uintr_abi::n::{STATUS_UIE, STATUS_UPIE, USIP};
use uintr_abi::uintc::{HIGH, LOW, RECEIVER_BYTES, SEND, register_offset};
use uintr_abi::{ReceiverLow, Suirs, Suist};

use crate::csr;
use crate::machine::Riscv;

/// What a hart's registers hold.
pub struct Loaded {
    /// Whose they are. Of a thread that has made room for the idle one, they are in its record, too.
    owner: Cell<Option<Ptr<Tcb>>>,
    /// They are not all zero.
    in_use: Cell<bool>,
}

impl Loaded {
    /// Nothing.
    pub const fn new() -> Self {
        Self { owner: Cell::new(None), in_use: Cell::new(false) }
    }
}

/// The UINTC.
pub struct Uintc {
    base: Cell<u64>,
}

impl Uintc {
    /// None yet.
    pub const fn new() -> Self {
        Self { base: Cell::new(0) }
    }

    /// It is at `base`, and has `size` bytes. How many receivers that are.
    pub fn start(&self, base: u64, size: u64) -> usize {
        self.base.set(base);
        (size / RECEIVER_BYTES) as usize
    }

    /// This hart sends there.
    pub fn start_hart(&self) {
        if self.base.get() != 0 {
            csr::set_suicfg(self.base.get());
        }
    }

    fn register(&self, number: u16, register: u64) -> *mut u64 {
        let at = self.base.get() + register_offset(number, register);
        core::ptr::with_exposed_provenance_mut(to_virtual(at))
    }

    fn read(&self, number: u16, register: u64) -> u64 {
        // SAFETY: a register of the device, which is mapped in the window; the number is one that it has.
        unsafe { self.register(number, register).read_volatile() }
    }

    fn write(&self, number: u16, register: u64, value: u64) {
        // SAFETY: as above.
        unsafe { self.register(number, register).write_volatile(value) }
    }

    /// What is pending for receiver `number` interrupts hart `hartid`, or nothing.
    pub fn aim(&self, number: u16, hartid: u64, on: bool) {
        let low = ReceiverLow { active: on, mode64: true, hartid: hartid as u16 };
        self.write(number, LOW, low.bits());
    }

    /// Whether something is pending for receiver `number`.
    pub fn has_pending(&self, number: u16) -> bool {
        // Reading takes it, and writing adds it to what has come meanwhile.
        let pending = self.read(number, HIGH);
        if pending != 0 {
            self.write(number, HIGH, pending);
        }
        pending != 0
    }

    /// Sends `vector` to receiver `number`.
    pub fn post(&self, number: u16, vector: u64) {
        self.write(number, SEND, vector);
    }

    /// Receiver `number` is nobody's.
    pub fn retire(&self, number: u16) {
        self.write(number, LOW, 0);
        self.read(number, HIGH);
    }
}

impl Riscv {
    /// Whether the registers have anything to do with a switch to `to`.
    #[inline(always)]
    pub fn user_interrupts_matter(&self, to: Ptr<Tcb>) -> bool {
        self.here().user.in_use.get() || to.has_user_interrupts.get()
    }

    /// `to` runs here instead of `from`.
    #[inline(never)]
    pub fn switch_user_interrupts(&self, from: Ptr<Tcb>, to: Ptr<Tcb>) {
        let user = &self.here().user;
        if user.owner.get() == Some(from) {
            self.save(from);
            // One that makes room for the idle thread and sleeps is to be heard at once.
            if !(from.asleep() && to.state() == State::Idle) {
                self.aim(from, false);
            }
        }
        if to.state() == State::Idle {
            // Whoever comes next is most often the one that was here.
            csr::set_sie_bits(USIP);
            return;
        }
        if user.owner.get() == Some(to) {
            self.enable(to);
            self.aim(to, true);
        } else {
            self.load(to);
        }
    }

    /// The registers become those of `to`, which runs here from now on; zero if it has none.
    pub fn load(&self, to: Ptr<Tcb>) {
        let user = &self.here().user;
        let has = &to.user_interrupts;
        let receiver = has.receiver();
        let value = |csr: UserCsr| has.csrs[csr as usize].get();
        csr::clear_sip(USIP);
        csr::set_utvec(value(UserCsr::Tvec));
        csr::set_uscratch(value(UserCsr::Scratch));
        csr::set_uepc(value(UserCsr::Epc));
        csr::set_ucause(value(UserCsr::Cause));
        csr::set_utval(value(UserCsr::Tval));
        csr::set_sstatus(csr::sstatus() & !STATUS | value(UserCsr::Status));
        csr::set_sideleg(if receiver.is_some() { USIP } else { 0 });
        let suirs = receiver.map(|index| Suirs { enable: true, index });
        csr::set_suirs(suirs.map_or(0, Suirs::bits));
        let senders = has.senders.get();
        let suist = Suist { enable: senders != 0, size_pages: 1, ppn: senders >> 12 };
        csr::set_suist(if senders != 0 { suist.bits() } else { 0 });
        self.enable(to);
        self.aim(to, true);
        user.owner.set(to.has_user_interrupts.get().then_some(to));
        user.in_use.set(to.has_user_interrupts.get());
    }

    /// What is pending for `to` interrupts it if it says so; of one that is no receiver, it interrupts the kernel.
    fn enable(&self, to: Ptr<Tcb>) {
        let enabled = to.user_interrupts.csrs[UserCsr::Enabled as usize].get();
        if to.user_interrupts.receiver().is_none() || enabled & USIP != 0 {
            csr::set_sie_bits(USIP);
        } else {
            csr::clear_sie_bits(USIP);
        }
    }

    fn aim(&self, thread: Ptr<Tcb>, on: bool) {
        if let Some(number) = thread.user_interrupts.receiver() {
            self.uintc.aim(number, self.hart_ids[crate::hart_number() % MAX_HARTS].get(), on);
        }
    }

    /// The registers are in the record of `thread`, whose they are.
    fn save(&self, thread: Ptr<Tcb>) {
        if thread.user_interrupts.receiver().is_some() {
            self.save_csrs(thread);
        }
    }

    /// The registers of chapter N are in the record of `thread`.
    pub fn save_csrs(&self, thread: Ptr<Tcb>) {
        let set = |csr: UserCsr, value| thread.user_interrupts.csrs[csr as usize].set(value);
        set(UserCsr::Tvec, csr::utvec());
        set(UserCsr::Scratch, csr::uscratch());
        set(UserCsr::Epc, csr::uepc());
        set(UserCsr::Cause, csr::ucause());
        set(UserCsr::Tval, csr::utval());
        set(UserCsr::Status, csr::sstatus() & STATUS);
        set(UserCsr::Enabled, csr::sie() & USIP);
    }

    /// The registers are nobody's any more.
    pub fn unload(&self) {
        let user = &self.here().user;
        if let Some(owner) = user.owner.take() {
            self.save(owner);
            self.aim(owner, false);
        }
    }

    /// The registers are not those of `thread`, if it comes back here.
    pub fn forget_user_interrupts_of(&self, thread: Ptr<Tcb>) {
        for hart in self.all_harts() {
            if hart.user.owner.get() == Some(thread) {
                hart.user.owner.set(None);
            }
        }
    }
}

/// Bits of `ustatus`.
const STATUS: u64 = STATUS_UIE | STATUS_UPIE;
