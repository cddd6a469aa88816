//! Copying and moving capabilities.

use kernel_abi::{CapRights, Invocation};

use crate::cap::{Cap, Kind};
use crate::endpoint::Endpoint;
use crate::error::{Error, LookupFault, Stop};
use crate::kernel::Kernel;
use crate::lookup;
use crate::mem::Ptr;
use crate::slot::Slot;
use crate::syscall::Call;

/// The capability in `slot`, which was looked up with `depth` bits.
fn present(slot: Ptr<Slot>, source: bool, depth: u64) -> Result<Cap, Error> {
    if slot.is_empty() {
        Err(Error::Lookup { source, fault: LookupFault::Missing { left: depth } })
    } else {
        Ok(slot.cap())
    }
}

/// What there is left to put somewhere.
fn something(cap: Cap) -> Result<Cap, Error> {
    if cap.is(Kind::Null) { Err(Error::IllegalOperation) } else { Ok(cap) }
}

impl Kernel {
    /// What a copy of the capability `cap` in `slot` is; [`Cap::NULL`] if there can be none.
    ///
    /// # Errors
    /// If there can be none yet.
    pub(crate) fn derive(&self, slot: Ptr<Slot>, cap: Cap) -> Result<Cap, Error> {
        match cap.kind() {
            Kind::Zombie | Kind::IrqControl | Kind::Reply => Ok(Cap::NULL),
            Kind::Untyped => slot.check_no_children().map(|()| cap),
            Kind::PageTable if cap.asid() == 0 => Err(Error::IllegalOperation),
            Kind::Frame => Ok(cap.mapped(0, 0)),
            _ => Ok(cap),
        }
    }

    /// Invocations of a CNode.
    pub(crate) fn invoke_cnode(&self, call: &Call<'_>, cnode: Cap) -> Result<usize, Stop> {
        let invocation = match call.invocation() {
            Some(
                invocation @ (Invocation::CnodeRevoke
                | Invocation::CnodeDelete
                | Invocation::CnodeCancelBadgedSends
                | Invocation::CnodeCopy
                | Invocation::CnodeMint
                | Invocation::CnodeMove
                | Invocation::CnodeMutate
                | Invocation::CnodeRotate
                | Invocation::CnodeSaveCaller),
            ) => invocation,
            _ => return Err(Error::IllegalOperation.into()),
        };
        call.needs(2)?;
        let slot = lookup::exact(false, cnode, call.word(0), call.word(1))?;
        match invocation {
            Invocation::CnodeRevoke => self.revoke(slot)?,
            Invocation::CnodeDelete => self.delete(slot)?,
            Invocation::CnodeCancelBadgedSends => cancel_badged_sends(self, slot.cap())?,
            Invocation::CnodeRotate => rotate(call, slot)?,
            Invocation::CnodeSaveCaller => {
                slot.check_empty()?;
                let caller = call.thread.caller();
                if caller.cap().is(Kind::Reply) {
                    slot.move_from(caller.cap(), caller);
                }
            }
            _ => self.copy_or_move(call, invocation, slot)?,
        }
        Ok(0)
    }

    fn copy_or_move(&self, call: &Call<'_>, invocation: Invocation, to: Ptr<Slot>) -> Result<(), Error> {
        call.needs(4)?;
        let root = call.extra.get(0)?.cap();
        to.check_empty()?;
        let depth = call.word(3);
        let from = lookup::exact(true, root, call.word(2), depth)?;
        let cap = present(from, true, depth)?;
        match invocation {
            Invocation::CnodeCopy => {
                call.needs(5)?;
                let cap = cap.restricted(CapRights(call.word(4)));
                to.insert(something(self.derive(from, cap)?)?, from);
            }
            Invocation::CnodeMint => {
                call.needs(6)?;
                let cap = cap.restricted(CapRights(call.word(4))).with_data(call.word(5), false);
                to.insert(something(self.derive(from, cap)?)?, from);
            }
            Invocation::CnodeMutate => {
                call.needs(5)?;
                to.move_from(something(cap.with_data(call.word(4), true))?, from);
            }
            _ => to.move_from(cap, from),
        }
        Ok(())
    }
}

fn cancel_badged_sends(kernel: &Kernel, cap: Cap) -> Result<(), Error> {
    // Whoever may do this may as well take the messages.
    if !cap.is(Kind::Endpoint) || !cap.may(CapRights::ALL) {
        return Err(Error::IllegalOperation);
    }
    if cap.badge() != 0 {
        kernel.cancel_badged(cap.object::<Endpoint>(), cap.badge());
    }
    Ok(())
}

/// What is at the pivot goes to `to`, and what is at the source to the pivot.
fn rotate(call: &Call<'_>, to: Ptr<Slot>) -> Result<(), Error> {
    call.needs(8)?;
    let (pivot_root, source_root) = (call.extra.get(0)?.cap(), call.extra.get(1)?.cap());
    let (pivot_depth, source_depth) = (call.word(4), call.word(7));
    let source = lookup::exact(true, source_root, call.word(6), source_depth)?;
    // seL4 says of the pivot's lookup, too, that it was that of a source.
    let pivot = lookup::exact(true, pivot_root, call.word(3), pivot_depth)?;
    if pivot == source || pivot == to {
        return Err(Error::IllegalOperation);
    }
    if source != to {
        to.check_empty()?;
    }
    let from_source = present(source, true, source_depth)?;
    let from_pivot = present(pivot, false, pivot_depth)?;
    let to_pivot = something(from_source.with_data(call.word(5), true))?;
    let to_end = something(from_pivot.with_data(call.word(2), true))?;
    if source == to {
        to.swap(to_end, pivot, to_pivot);
    } else {
        to.move_from(to_end, pivot);
        pivot.move_from(to_pivot, source);
    }
    Ok(())
}
