//! Asynchronous system calls: requests in a frame that is shared with the kernel. Only where there is a UINTC.

use core::sync::atomic::AtomicU64;

use kernel_user::abi::{
    AsyncChannel, CapRights, ClientEnd, Completion, Error as Label, Invocation, MessageInfo, Request,
    RequestKind, VmAttributes, bits,
};
use kernel_user::bootinfo;
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{self, Frame, Notification, SenderTable, Tcb};
use kernel_user::order::Order;
use kernel_user::user_interrupt;
use kernel_user::{abi::ObjectType, syscall};

use crate::env::{ABOVE, Env, SELF, VSPACE};
use crate::harness::{Failure, Outcome};
use crate::{check, check_eq, check_err, tests};

tests!("async_call":
    maps_and_unmaps,
    rights_are_those_of_calls,
    address_spaces_are_looked_at_anew,
    many_with_one_call,
    errors_are_those_of_calls,
    what_waits_is_refused,
    unknown_kinds_are_refused,
    long_requests,
    signals_and_prints,
    authority_is_the_threads_own,
    bad_registrations,
    completion_interrupts_one_that_sleeps,
    full_rings_wait,
    nonsense_in_the_frame,
    revoked_frame_is_not_used,
    request_that_takes_its_frame_along,
    request_that_takes_its_thread_along,
    another_hart_serves,
);

const ITEMS: u64 = 8;
/// The word in the frame that says how many requests the kernel has served.
const DONE: u64 = 8;

/// What this thread shares with the kernel.
struct Shared {
    channel: AsyncChannel<'static>,
    ring: ClientEnd<'static>,
    frame: Frame,
    notification: Notification,
    sent: u32,
}

impl Shared {
    fn new(env: &mut Env) -> Result<Self, Failure> {
        let notification = env.notification()?;
        SELF.bind_notification(notification)?;
        notification.register_receiver(SELF)?;
        let frame = env.frame()?;
        let address = env.map(frame, bits::PAGE)?;
        let told = Notification(env.mint(notification.0, CapRights::ALL, 5)?);
        told.register_async(frame, ITEMS)?;
        // SAFETY: the frame was just mapped, and is used for nothing else.
        let channel = unsafe { AsyncChannel::new(address as *const AtomicU64, ITEMS as usize) };
        let channel = channel.ok_or_else(|| Failure::new(format_args!("no room in a frame")))?;
        Ok(Self { channel, ring: ClientEnd::new(channel), frame, notification, sent: 0 })
    }

    fn put(&mut self, head: u64, words: &[u64]) -> bool {
        let there = self.ring.put(head, [], words);
        self.ring.publish();
        there
    }

    fn order(&mut self, number: u32, order: Order) -> bool {
        let mut words = [0; Request::WORDS];
        words[Request::HEAD] = Request::head(number, RequestKind::Invoke);
        words[Request::INFO] = order.info.0;
        words[Request::CPTR] = order.cptr;
        for (&at, &cap) in Request::CAPS.iter().zip(&order.caps) {
            words[at] = cap;
        }
        for (&at, &word) in Request::MESSAGE.iter().zip(&order.words) {
            words[at] = word;
        }
        self.put(words[Request::HEAD], &words[1..])
    }

    /// The next completion: number, description, first words.
    fn take(&mut self) -> Option<(u64, MessageInfo, [u64; 2])> {
        let item = self.ring.completion()?;
        let (number, _) = Request::parse_head(item.word(Request::HEAD));
        let info = MessageInfo(item.word(Completion::INFO));
        // Behind the reply stand words of the request.
        let word = |n: usize| if n < info.length() { item.word(Completion::MESSAGE + n) } else { 0 };
        let [a, b] = [word(0), word(1)];
        self.ring.take();
        Some((u64::from(number), info, [a, b]))
    }

    /// Runs one order: its label, and the first words of its reply.
    fn run(&mut self, order: Order) -> Result<(u64, [u64; 2]), Failure> {
        let number = self.sent;
        self.sent += 1;
        if !self.order(number, order) {
            return Err(Failure::new(format_args!("no room for a request")));
        }
        syscall::wake_async(false);
        match self.take() {
            Some((done, info, words)) if done == u64::from(number) => Ok((info.label(), words)),
            other => Err(Failure::new(format_args!("{other:?} came for {number}"))),
        }
    }
}

fn map(frame: Frame, address: u64) -> Order {
    frame.map_order(VSPACE, address, CapRights::ALL, VmAttributes::EXECUTE_NEVER)
}

fn maps_and_unmaps(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    frame.unmap()?;
    for n in 0..20 {
        check_eq!(shared.run(map(frame, address))?.0, 0);
        // SAFETY: it is mapped now.
        unsafe { (address as *mut u64).write_volatile(n) };
        check_eq!(shared.run(frame.unmap_order())?.0, 0);
    }
    Ok(())
}

/// A page that was mapped to be read, and one that was not, are read-only.
fn rights_are_those_of_calls(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    frame.unmap()?;
    let reads = Frame(env.copy(frame.0, CapRights::READ)?);
    for (frame, rights) in [(frame, CapRights::READ), (reads, CapRights::ALL)] {
        let order = frame.map_order(VSPACE, address, rights, VmAttributes::EXECUTE_NEVER);
        check_eq!(shared.run(order)?.0, 0);
        let thread = env.spawn(ABOVE, move || {
            // SAFETY: it faults.
            unsafe { (address as *mut u64).write_volatile(1) };
            0
        })?;
        check_eq!(thread.result(), None);
        check_eq!(shared.run(frame.unmap_order())?.0, 0);
    }
    Ok(())
}

/// In a row of requests, the capability of an address space goes, and another one comes in its place.
fn address_spaces_are_looked_at_anew(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let frame = env.frame()?;
    let address = env.map(frame, bits::PAGE)?;
    frame.unmap()?;
    let space = env.copy(VSPACE.0, CapRights::ALL)?;
    let map = frame.map_order(invoke::PageTable(space), address, CapRights::ALL, VmAttributes::EXECUTE_NEVER);
    let again = ROOT_CNODE.mint_order((space, DEPTH), ROOT_CNODE, (VSPACE.0, DEPTH), CapRights::ALL, 0);
    let row = [map, frame.unmap_order(), ROOT_CNODE.delete_order(space, DEPTH), map, again, map];
    for (n, &order) in (0..).zip(&row) {
        check!(shared.order(n, order));
    }
    syscall::wake_async(false);
    let labels: [u64; 6] = core::array::from_fn(|_| shared.take().map_or(u64::MAX, |done| done.1.label()));
    check_eq!(labels, [0, 0, 0, Label::InvalidCapability as u64, 0, 0]);
    frame.unmap()?;
    Ok(())
}

fn many_with_one_call(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let first = env.slots.take_range(ITEMS);
    let endpoint = env.endpoint()?;
    for round in 0..10 {
        for n in 0..ITEMS {
            let to = (first + n, DEPTH);
            let order = if round % 2 == 0 {
                ROOT_CNODE.mint_order(to, ROOT_CNODE, (endpoint.0, DEPTH), CapRights::ALL, n + 1)
            } else {
                ROOT_CNODE.delete_order(to.0, to.1)
            };
            check!(shared.order(n as u32, order));
        }
        check!(shared.take().is_none());
        syscall::wake_async(false);
        for n in 0..ITEMS {
            check_eq!(shared.take(), Some((n, MessageInfo(0), [0, 0])));
        }
    }
    Ok(())
}

fn errors_are_those_of_calls(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let frame = env.frame()?;
    let (label, words) = shared.run(map(frame, !0xfff))?;
    check_err!(map(frame, !0xfff).run().map(drop), InvalidArgument, words[0]);
    check_eq!(label, Label::InvalidArgument as u64);
    // A capability that is not there, and one that does not do that.
    check_eq!(shared.run(Order::with_label(1 << 40, 1, &[], &[]))?.0, Label::FailedLookup as u64);
    check_eq!(shared.run(Order::with_label(0, 1, &[], &[]))?.0, Label::InvalidCapability as u64);
    check_eq!(shared.run(Order::with_label(frame.0, 999, &[], &[]))?.0, Label::IllegalOperation as u64);
    let missing = Order::new(frame.0, Invocation::PageMap, &[1 << 40], &[0, 3, 0]);
    check_eq!(shared.run(missing)?.0, Label::FailedLookup as u64);
    // What a frame is mapped into has to be an address space.
    let elsewhere =
        frame.map_order(invoke::PageTable(frame.0), 1 << 30, CapRights::ALL, VmAttributes::default());
    let (label, words) = shared.run(elsewhere)?;
    check_err!(elsewhere.run().map(drop), InvalidCapability, words[0]);
    check_eq!(label, Label::InvalidCapability as u64);
    let short = Order::new(frame.0, Invocation::PageMap, &[VSPACE.0], &[0]);
    check_eq!(shared.run(short)?.0, Label::TruncatedMessage as u64);
    Ok(())
}

fn what_waits_is_refused(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let endpoint = env.endpoint()?;
    let order = Order::with_label(endpoint.0, 0, &[], &[1]);
    check_eq!(shared.run(order)?.0, Label::IllegalOperation as u64);
    // Even with somebody waiting there.
    let thread = env.spawn(ABOVE, move || syscall::recv(endpoint.0).badge)?;
    check_eq!(shared.run(order)?.0, Label::IllegalOperation as u64);
    check_eq!(thread.result(), None);
    Ok(())
}

fn unknown_kinds_are_refused(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    for kind in [2, 3, u64::from(u32::MAX)] {
        check!(shared.put(7 | kind << 32, &[u64::MAX; 3]));
        syscall::wake_async(false);
        let done = shared.take().map(|(number, info, _)| (number, info.label()));
        check_eq!(done, Some((7, Label::InvalidArgument as u64)));
    }
    Ok(())
}

fn long_requests(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let (tcb, slot) = (env.tcb()?, env.slots.take());
    let buffer = env.frame()?;
    // Six words; three capabilities.
    let made = env.untyped.retype_order(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, slot, 1);
    check_eq!(shared.run(made)?.0, 0);
    let configured = tcb.configure_order(0, (ROOT_CNODE, 0), VSPACE, (0x1000, buffer));
    check_eq!(shared.run(configured)?.0, 0);
    check_eq!(shared.run(tcb.set_priority_order(SELF, 7))?.0, 0);
    // More words than there is room for are as if they had not been sent.
    let label = bootinfo::label(Invocation::TcbWriteRegisters);
    let registers =
        Order { info: MessageInfo::new(label, 0, 0, 34), ..Order::with_label(tcb.0, 0, &[], &[0, 32]) };
    check_eq!(shared.run(registers)?.0, Label::TruncatedMessage as u64);
    Ok(())
}

fn signals_and_prints(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let other = env.notification()?;
    let signal = Notification(env.mint(other.0, CapRights::ALL, 0x30)?);
    check_eq!(shared.run(signal.signal_order())?.0, 0);
    check_eq!(syscall::nb_recv(other.0).badge, 0x30);
    let mut words = [0; Request::WORDS];
    words[Request::INFO] = 8;
    words[Request::TEXT] = u64::from_le_bytes(*b"  async\n");
    check!(shared.put(Request::head(3, RequestKind::Print), &words[1..]));
    syscall::wake_async(false);
    check_eq!(shared.take().map(|done| (done.0, done.1.label())), Some((3, 0)));
    Ok(())
}

fn authority_is_the_threads_own(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    // What only a thread can do for itself cannot be asked for so.
    let (one, table) = (Notification(env.mint(shared.notification.0, CapRights::ALL, 1)?), table(env)?);
    SELF.set_sender_table(table)?;
    for invocation in [Invocation::NotificationRegisterSender, Invocation::NotificationRegisterAsync] {
        let order = Order::new(one.0, invocation, &[shared.frame.0], &[]);
        check_eq!(shared.run(order)?.0, Label::IllegalOperation as u64);
    }
    check_eq!(shared.run(Order::new(ROOT_CNODE.0, Invocation::CnodeSaveCaller, &[], &[1, 64]))?.0 != 0, true);
    Ok(())
}

fn table(env: &mut Env) -> invoke::Result<SenderTable> {
    env.make(ObjectType::SenderTable, 0).map(SenderTable)
}

fn bad_registrations(env: &mut Env) -> Outcome {
    let notification = env.notification()?;
    let frame = env.frame()?;
    check_err!(notification.register_async(frame, 1), IllegalOperation);
    SELF.bind_notification(notification)?;
    check_err!(notification.register_async(frame, 1), IllegalOperation);
    notification.register_receiver(SELF)?;
    check_err!(notification.register_async(Frame(notification.0), 1), InvalidCapability, 1);
    let read_only = Frame(env.copy(frame.0, CapRights::READ)?);
    check_err!(notification.register_async(read_only, 1), InvalidCapability, 1);
    let badged = Notification(env.mint(notification.0, CapRights::ALL, 64)?);
    check_err!(badged.register_async(frame, 1), RangeError, 0, 63);
    // Without anything shared, waking does nothing.
    syscall::wake_async(false);
    syscall::wake_async(true);
    notification.register_async(frame, 0)?;
    notification.register_async(frame, u64::MAX)?;
    Ok(())
}

fn completion_interrupts_one_that_sleeps(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let frame = env.frame()?;
    for awake in [false, true] {
        if awake {
            shared.channel.client().raise();
        } else {
            shared.channel.client().lower();
        }
        check_eq!(shared.run(frame.unmap_order())?.0, 0);
        check_eq!(user_interrupt::take(), u64::from(!awake) << 5);
    }
    Ok(())
}

fn full_rings_wait(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let frame = env.frame()?;
    for n in 0..ITEMS {
        check!(shared.order(n as u32, frame.unmap_order()));
    }
    check!(!shared.order(99, frame.unmap_order()));
    syscall::wake_async(false);
    // Completions stand in the places of their requests until they are taken.
    check!(!shared.order(99, frame.unmap_order()));
    for n in 0..ITEMS {
        check_eq!(shared.take().map(|done| done.0), Some(n));
    }
    check!(shared.take().is_none());
    check!(shared.order(100, frame.unmap_order()));
    syscall::wake_async(false);
    check_eq!(shared.take().map(|done| done.0), Some(100));
    Ok(())
}

fn nonsense_in_the_frame(env: &mut Env) -> Outcome {
    let shared = Shared::new(env)?;
    let (mut state, mut done) = (1_u64, 0);
    for _ in 0..200 {
        for word in 0..512 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            // Mostly small numbers, and kinds that there are.
            let value = if state >> 62 == 0 { state } else { state >> 58 };
            // Capabilities that do harm are not at such addresses.
            let value = if word % 8 == 2 { 1 << 50 | value } else { value };
            // Often enough, there are as many requests as there may be.
            let value = if word == 0 && value % 4 != 0 { done + value % (ITEMS + 2) } else { value };
            let place = shared.frame_address() + 8 * word;
            // SAFETY: the frame is mapped, and nobody else uses it.
            unsafe { (place as *mut u64).write_volatile(value) };
        }
        syscall::wake_async(false);
        // SAFETY: as above. The kernel says how many it has served, whatever stood there.
        done = unsafe { ((shared.frame_address() + 8 * DONE) as *const u64).read_volatile() };
    }
    check!(done > 200);
    Ok(())
}

impl Shared {
    /// Where the frame is mapped: the client's flag is in its header.
    fn frame_address(&self) -> u64 {
        self.channel.address() as u64
    }
}

fn revoked_frame_is_not_used(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let frame = env.frame()?;
    check!(shared.order(1, frame.unmap_order()));
    ROOT_CNODE.revoke(shared.frame.0, DEPTH)?;
    syscall::wake_async(false);
    check!(shared.take().is_none());
    Ok(())
}

fn request_that_takes_its_frame_along(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    check!(shared.order(1, ROOT_CNODE.revoke_order(shared.frame.0, DEPTH)));
    check!(shared.order(2, ROOT_CNODE.revoke_order(shared.frame.0, DEPTH)));
    syscall::wake_async(false);
    check!(shared.take().is_none());
    Ok(())
}

fn request_that_takes_its_thread_along(env: &mut Env) -> Outcome {
    let mut shared = Shared::new(env)?;
    let thread: Tcb = env.tcb()?;
    check_eq!(shared.run(ROOT_CNODE.delete_order(thread.0, DEPTH))?.0, 0);
    // Itself stopped: it goes on when somebody lets it.
    let helper = env.spawn(crate::env::BELOW, || SELF.resume().is_err().into())?;
    check!(shared.order(9, SELF.suspend_order()));
    syscall::wake_async(false);
    check_eq!(shared.take().map(|done| (done.0, done.1.label())), Some((9, 0)));
    syscall::recv(helper.done.0);
    check_eq!(helper.result(), Some(0));
    Ok(())
}

fn another_hart_serves(env: &mut Env) -> Outcome {
    // With one hart it is this one.
    let mut shared = Shared::new(env)?;
    let frame = env.frame()?;
    for n in 0..50 {
        check!(shared.order(n, frame.unmap_order()));
        if shared.channel.server().wake() {
            syscall::wake_async(true);
        }
        let mut done = None;
        for _ in 0..10_000_000 {
            done = shared.take();
            if done.is_some() {
                break;
            }
        }
        check_eq!(done.map(|done| (done.0, done.1.label())), Some((u64::from(n), 0)));
    }
    Ok(())
}
