//! Making objects of untyped memory.

use kernel_abi::{CapRights, Invocation, ObjectType, bits};

use crate::cap::{Cap, FrameSize, Kind};
use crate::error::{Error, LookupFault, Stop};
use crate::kernel::Kernel;
use crate::lookup;
use crate::mem::{Ptr, clear};
use crate::sched::TIME_SLICE;
use crate::slot::Slot;
use crate::syscall::Call;
use crate::tcb::Tcb;

/// Objects that one invocation makes, at most.
const FAN_OUT: u64 = 256;
/// Memory is cleared in pieces of so many bytes, with a look for interrupts in between.
const CHUNK_BITS: u64 = 8;

/// What is to be made, checked.
struct Order {
    object: ObjectType,
    user_bits: u64,
    /// Slots for the capabilities.
    first: Ptr<Slot>,
    count: u64,
    /// Offset of the first object.
    at: u64,
    device: bool,
}

impl Kernel {
    /// Invocations of untyped memory.
    pub(crate) fn invoke_untyped(&self, call: &Call<'_>, slot: Ptr<Slot>) -> Result<usize, Stop> {
        if call.invocation() != Some(Invocation::UntypedRetype) {
            return Err(Error::IllegalOperation.into());
        }
        call.needs(6)?;
        let root = call.extra.get(0)?.cap();
        let user_bits = call.word(1);
        let object = ObjectType::from_number(call.word(0)).ok_or(Error::InvalidArgument(0))?;
        if user_bits >= 64 || object.size_bits(user_bits) > bits::MAX_UNTYPED {
            return Err(Error::Range(0, bits::MAX_UNTYPED).into());
        }
        let least = match object {
            ObjectType::CapTable => 1,
            ObjectType::Untyped => bits::MIN_UNTYPED,
            _ => 0,
        };
        if user_bits < least {
            return Err(Error::InvalidArgument(1).into());
        }
        let (index, depth) = (call.word(2), call.word(3));
        let node = if depth == 0 { root } else { lookup::exact(false, root, index, depth)?.cap() };
        if !node.is(Kind::CNode) {
            let fault = LookupFault::Missing { left: depth };
            return Err(Error::Lookup { source: false, fault }.into());
        }
        let (offset, count) = (call.word(4), call.word(5));
        let size = 1 << node.radix();
        if offset >= size {
            return Err(Error::Range(0, size - 1).into());
        }
        if !(1..=FAN_OUT).contains(&count) {
            return Err(Error::Range(1, FAN_OUT).into());
        }
        if count > size - offset {
            return Err(Error::Range(1, size - offset).into());
        }
        let first = node.object::<Slot>().nth(offset as usize);
        for n in 0..count {
            first.nth(n as usize).check_empty()?;
        }

        let cap = slot.cap();
        // Without children, nothing is in use any more.
        let fresh = slot.first_child().is_none();
        let free = if fresh { 0 } else { cap.free_offset() };
        let object_bits = object.size_bits(user_bits);
        let left = (1u64 << cap.untyped_bits()) - free;
        if left >> object_bits < count {
            return Err(Error::NotEnoughMemory(left).into());
        }
        let is_frame = matches!(object, ObjectType::Page | ObjectType::MegaPage | ObjectType::GigaPage);
        if cap.is_device() && !is_frame && object != ObjectType::Untyped {
            return Err(Error::InvalidArgument(1).into());
        }
        let at = free.next_multiple_of(1 << object_bits);
        let order = Order { object, user_bits, first, count, at, device: cap.is_device() };
        if fresh {
            self.reset(slot)?;
        }
        self.make(slot, &order);
        Ok(0)
    }

    /// Clears what was in use of the untyped memory in `slot`, from the end on; it is free then.
    fn reset(&self, slot: Ptr<Slot>) -> Result<(), Stop> {
        let cap = slot.cap();
        let mut free = cap.free_offset();
        if cap.is_device() {
            free = 0;
        }
        while free > 0 {
            let chunk = (free - 1) & !((1 << CHUNK_BITS) - 1);
            clear(cap.paddr() + chunk, (free - chunk) as usize);
            free = chunk;
            slot.update(cap.with_free_offset(free));
            if free > 0 {
                self.preemption_point()?;
            }
        }
        slot.update(cap.with_free_offset(0));
        Ok(())
    }

    /// Makes the objects, whose memory is clear.
    fn make(&self, slot: Ptr<Slot>, order: &Order) {
        let cap = slot.cap();
        let object_bits = order.object.size_bits(order.user_bits);
        slot.update(cap.with_free_offset(order.at + (order.count << object_bits)));
        for n in 0..order.count {
            let paddr = cap.paddr() + order.at + (n << object_bits);
            let made = self.make_one(order, paddr);
            order.first.nth(n as usize).insert_new(made, slot);
        }
    }

    fn make_one(&self, order: &Order, paddr: u64) -> Cap {
        let frame = |size| Cap::frame(paddr, size, CapRights(3), order.device);
        match order.object {
            ObjectType::Untyped => Cap::untyped(paddr, order.user_bits, order.device, 0),
            ObjectType::Tcb => {
                let thread = Ptr::<Tcb>::at(paddr);
                self.init_thread(thread);
                Cap::thread(paddr)
            }
            ObjectType::Endpoint => Cap::endpoint(paddr, CapRights::ALL, 0),
            ObjectType::Notification => Cap::notification(paddr, CapRights(3), 0),
            ObjectType::CapTable => Cap::cnode(paddr, order.user_bits, 0, 0),
            ObjectType::GigaPage => frame(FrameSize::Giga),
            ObjectType::Page => frame(FrameSize::Page),
            ObjectType::MegaPage => frame(FrameSize::Mega),
            ObjectType::PageTable => Cap::page_table(paddr),
            ObjectType::SenderTable => Cap::sender_table(paddr, None),
        }
    }

    /// A thread in memory that is clear.
    pub(crate) fn init_thread(&self, thread: Ptr<Tcb>) {
        thread.time_slice.set(TIME_SLICE);
        thread.domain.set(self.domains.current());
        thread.affinity.set(self.here() as u8);
        self.register(thread);
    }
}
