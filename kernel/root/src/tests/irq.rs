//! Interrupts.

use kernel_user::abi::{CapRights, Error, InitialCap, Invocation, LookupFailure, bits};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{
    CNode, Frame, IrqControl, IrqHandler, Notification, Untyped, invoke, invoke_label,
};
use kernel_user::{memory, syscall};

use crate::env::Env;
use crate::harness::{Failure, Outcome};
use crate::platform;
use crate::{check, check_eq, check_err, tests};

tests!("irq":
    range,
    get_once,
    get_errors,
    get_truncated,
    timer_is_taken,
    trigger,
    handler_errors,
    handler_without_notification,
    set_replaces,
    deleted_notification,
    illegal_labels,
    interrupt_of_the_uart,
);

const CONTROL: IrqControl = IrqControl(InitialCap::IrqControl as u64);

/// The greatest number, from the error that one beyond it gives.
fn last(env: &mut Env) -> Result<u64, Failure> {
    let slot = env.slots.take();
    match CONTROL.get(1 << 20, ROOT_CNODE, slot, DEPTH) {
        Err(failure) if failure.error == Error::RangeError && failure.words[0] == 1 => Ok(failure.words[1]),
        other => Err(Failure::new(format_args!("no range of interrupts: {other:?}"))),
    }
}

fn handler(env: &mut Env, irq: u64) -> kernel_user::invoke::Result<IrqHandler> {
    let slot = env.slots.take();
    CONTROL.get(irq, ROOT_CNODE, slot, DEPTH)?;
    Ok(IrqHandler(slot))
}

fn range(env: &mut Env) -> Outcome {
    let last = last(env)?;
    let slot = env.slots.take();
    for irq in [0, last + 1, 1 << 31, 1 << 32, 1 << 40, u64::MAX] {
        check_err!(CONTROL.get(irq, ROOT_CNODE, slot, DEPTH), RangeError, 1, last);
    }
    Ok(())
}

fn get_once(env: &mut Env) -> Outcome {
    let handler = handler(env, 5)?;
    let slot = env.slots.take();
    check_err!(CONTROL.get(5, ROOT_CNODE, slot, DEPTH), RevokeFirst);
    // A copy does as well as the first; with the last one it is free again.
    let copy = IrqHandler(env.copy(handler.0, CapRights::ALL)?);
    ROOT_CNODE.delete(handler.0, DEPTH)?;
    copy.ack()?;
    check_err!(CONTROL.get(5, ROOT_CNODE, slot, DEPTH), RevokeFirst);
    ROOT_CNODE.delete(copy.0, DEPTH)?;
    CONTROL.get(5, ROOT_CNODE, slot, DEPTH)?;
    // All of them are derived from the control.
    ROOT_CNODE.revoke(CONTROL.0, DEPTH)?;
    check_eq!(syscall::debug_cap_identify(slot), 0);
    CONTROL.get(5, ROOT_CNODE, slot, DEPTH)?;
    Ok(())
}

fn get_errors(env: &mut Env) -> Outcome {
    let (occupied, slot) = (env.endpoint()?, env.slots.take());
    check_err!(CONTROL.get(6, ROOT_CNODE, occupied.0, DEPTH), DeleteFirst);
    for depth in [0, 65, 255] {
        check_err!(CONTROL.get(6, ROOT_CNODE, slot, depth), RangeError, 1, 64);
    }
    check_err!(CONTROL.get(6, ROOT_CNODE, slot, 9), FailedLookup, 0, LookupFailure::GuardMismatch as u64);
    check_err!(
        CONTROL.get(6, CNode(occupied.0), slot, DEPTH),
        FailedLookup,
        0,
        LookupFailure::InvalidRoot as u64
    );
    check_err!(env.copy(CONTROL.0, CapRights::ALL), IllegalOperation);
    CONTROL.get(6, ROOT_CNODE, slot, DEPTH)?;
    Ok(())
}

fn get_truncated(env: &mut Env) -> Outcome {
    let words = [6, env.slots.take(), DEPTH];
    for length in 0..3 {
        check_err!(
            invoke(CONTROL.0, Invocation::IrqIssueHandler, &[ROOT_CNODE.0], &words[..length]),
            TruncatedMessage
        );
    }
    check_err!(invoke(CONTROL.0, Invocation::IrqIssueHandler, &[], &words), TruncatedMessage);
    let words = [6, 0, env.slots.take(), DEPTH];
    for length in 0..4 {
        check_err!(
            invoke(CONTROL.0, Invocation::IrqIssueHandlerTrigger, &[ROOT_CNODE.0], &words[..length]),
            TruncatedMessage
        );
    }
    check_err!(invoke(CONTROL.0, Invocation::IrqIssueHandlerTrigger, &[], &words), TruncatedMessage);
    Ok(())
}

fn timer_is_taken(env: &mut Env) -> Outcome {
    // The kernel's own is the last.
    let last = last(env)?;
    let slot = env.slots.take();
    check_err!(CONTROL.get(last, ROOT_CNODE, slot, DEPTH), RevokeFirst);
    Ok(())
}

fn trigger(env: &mut Env) -> Outcome {
    // Only where the interrupt controller has triggers to set.
    let slot = env.slots.take();
    match CONTROL.get_trigger(7, 1, ROOT_CNODE, slot, DEPTH) {
        Err(failure) => check_eq!(failure.error, Error::IllegalOperation),
        Ok(()) => {
            check_err!(CONTROL.get(7, ROOT_CNODE, env.slots.take(), DEPTH), RevokeFirst);
            check_err!(CONTROL.get_trigger(0, 1, ROOT_CNODE, slot, DEPTH), RangeError, 1);
            check_err!(CONTROL.get_trigger(8, 0, ROOT_CNODE, slot, DEPTH), DeleteFirst);
            IrqHandler(slot).ack()?;
        }
    }
    Ok(())
}

fn handler_errors(env: &mut Env) -> Outcome {
    let handler = handler(env, 9)?;
    for wrong in [env.endpoint()?.0, env.tcb()?.0, ROOT_CNODE.0, env.slots.take()] {
        check_err!(handler.set_notification(Notification(wrong)), InvalidCapability, 0);
    }
    let notification = env.notification()?;
    let read = env.copy(notification.0, CapRights::READ)?;
    check_err!(handler.set_notification(Notification(read)), InvalidCapability, 0);
    let write = env.copy(notification.0, CapRights::WRITE)?;
    handler.set_notification(Notification(write))?;
    check_err!(invoke(handler.0, Invocation::IrqSetHandler, &[], &[]), TruncatedMessage);
    Ok(())
}

fn handler_without_notification(env: &mut Env) -> Outcome {
    let handler = handler(env, 9)?;
    handler.clear()?;
    handler.ack()?;
    handler.clear()?;
    Ok(())
}

fn set_replaces(env: &mut Env) -> Outcome {
    let handler = handler(env, 9)?;
    let (first, second) = (env.notification()?, env.notification()?);
    handler.set_notification(first)?;
    handler.set_notification(second)?;
    handler.clear()?;
    handler.set_notification(first)?;
    // The handler goes while it has a notification.
    ROOT_CNODE.delete(handler.0, DEPTH)?;
    Ok(())
}

fn deleted_notification(env: &mut Env) -> Outcome {
    let handler = handler(env, 9)?;
    let holder = env.untyped(bits::NOTIFICATION)?;
    let notification = Notification(env.slots.take());
    holder.retype(kernel_user::abi::ObjectType::Notification, 0, ROOT_CNODE, 0, 0, notification.0, 1)?;
    handler.set_notification(notification)?;
    // The handler's copy keeps the object, but does not survive a revocation.
    ROOT_CNODE.delete(notification.0, DEPTH)?;
    let slot = env.slots.take();
    let again = |holder: Untyped| {
        holder.retype(kernel_user::abi::ObjectType::Notification, 0, ROOT_CNODE, 0, 0, slot, 1)
    };
    check_err!(again(holder), NotEnoughMemory, 0);
    ROOT_CNODE.revoke(holder.0, DEPTH)?;
    again(holder)?;
    handler.ack()?;
    Ok(())
}

fn illegal_labels(env: &mut Env) -> Outcome {
    let handler = handler(env, 9)?;
    for invocation in [Invocation::IrqIssueHandler, Invocation::TcbResume, Invocation::PageMap] {
        check_err!(invoke(handler.0, invocation, &[ROOT_CNODE.0], &[0; 6]), IllegalOperation);
    }
    for invocation in [Invocation::IrqAck, Invocation::IrqClearHandler, Invocation::CnodeDelete] {
        check_err!(invoke(CONTROL.0, invocation, &[ROOT_CNODE.0], &[0; 6]), IllegalOperation);
    }
    check_err!(invoke_label(handler.0, 0, &[], &[]), IllegalOperation);
    check_err!(invoke_label(CONTROL.0, 0, &[], &[]), IllegalOperation);
    Ok(())
}

fn interrupt_of_the_uart(env: &mut Env) -> Outcome {
    if !platform::is_virt(env.info) {
        return Ok(());
    }
    let (paddr, irq) = platform::VIRT_UART;
    let frame = Frame(memory::device_frame(env.info, &mut env.slots, paddr)?);
    let address = env.map(frame, bits::PAGE)?;
    let enable = (address + 1) as *mut u8;
    let handler = handler(env, irq)?;
    let notification = env.notification()?;
    let badged = Notification(env.mint(notification.0, CapRights::ALL, 0x100)?);
    handler.set_notification(badged)?;
    for _ in 0..3 {
        check_eq!(syscall::nb_recv(notification.0).badge, 0);
        // The transmitter is empty, and says so as long as that is enabled.
        // SAFETY: the UART's registers are mapped there; the console does not use interrupts.
        unsafe { enable.write_volatile(2) };
        let signalled = syscall::recv(notification.0).badge;
        // SAFETY: as above.
        unsafe { enable.write_volatile(0) };
        check_eq!(signalled, 0x100);
        check!(syscall::nb_recv(notification.0).badge == 0);
        handler.ack()?;
    }
    ROOT_CNODE.revoke(notification.0, DEPTH)?;
    handler.clear()?;
    Ok(())
}
