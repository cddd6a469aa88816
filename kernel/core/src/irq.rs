//! Interrupts, as signals.

use core::cell::Cell;

use kernel_abi::{CapRights, Invocation};

use crate::cap::{Cap, Kind};
use crate::error::{Error, Stop};
use crate::hw;
use crate::kernel::{Kernel, SMP};
use crate::lookup;
use crate::mem::Ptr;
use crate::notification::Notification;
use crate::slot::Slot;
use crate::syscall::Call;

/// Interrupts that there is room for.
pub const MAX_IRQS: usize = 128;

/// Numbers behind those of devices, for the kernel's own: from hart to hart, two of them, and the timer.
const OWN_IRQS: u64 = if SMP { 3 } else { 1 };

/// Which interrupts somebody has a handler for, and where they are signalled.
pub struct Irqs {
    handlers: [Slot; MAX_IRQS],
    issued: [Cell<bool>; MAX_IRQS],
    /// Greatest number of a device's; the least is 1.
    pub devices: Cell<u64>,
}

impl Irqs {
    pub(crate) const fn new() -> Self {
        Self {
            handlers: [Slot::EMPTY; MAX_IRQS],
            issued: [const { Cell::new(false) }; MAX_IRQS],
            devices: Cell::new(0),
        }
    }

    /// Where interrupt `irq` is signalled.
    fn handler(&self, irq: u64) -> Ptr<Slot> {
        Ptr::of(&self.handlers[irq as usize % MAX_IRQS])
    }

    fn issued(&self, irq: u64) -> &Cell<bool> {
        &self.issued[irq as usize % MAX_IRQS]
    }
}

impl Kernel {
    /// Device interrupt `irq` has come up, and was claimed.
    pub fn device_irq(&self, irq: u64) {
        let irqs = &self.irqs;
        if irq > irqs.devices.get() || !irqs.issued(irq).get() {
            hw::complete_irq(irq);
            hw::enable_irq(irq, false);
            return;
        }
        let to = irqs.handler(irq).cap();
        if to.is(Kind::Notification) && to.may(CapRights::WRITE) {
            self.signal(to.object::<Notification>(), to.badge());
        }
    }

    /// The last handler of `irq` goes.
    pub(crate) fn withdraw_irq(&self, irq: u64) {
        // One that was not acknowledged would block its source for the next who has it; the PLIC hears of completion
        // only as long as the source is enabled.
        hw::complete_irq(irq);
        hw::enable_irq(irq, false);
        self.delete_one(self.irqs.handler(irq));
        self.irqs.issued(irq).set(false);
    }

    /// Invocations of the capability for all interrupts.
    pub(crate) fn invoke_irq_control(&self, call: &Call<'_>, slot: Ptr<Slot>) -> Result<usize, Stop> {
        match call.invocation() {
            Some(Invocation::IrqIssueHandler) => {}
            Some(Invocation::IrqIssueHandlerTrigger) => {
                // The PLIC's gateways are what they are.
                call.needs(4)?;
                call.extra.get(0)?;
                return Err(Error::IllegalOperation.into());
            }
            _ => return Err(Error::IllegalOperation.into()),
        }
        call.needs(3)?;
        let root = call.extra.get(0)?.cap();
        let (irq, index, depth) = (call.word(0), call.word(1), call.word(2));
        let greatest = self.irqs.devices.get() + OWN_IRQS;
        if irq > greatest || irq == 0 {
            return Err(Error::Range(1, greatest).into());
        }
        // The kernel has its own itself.
        if irq > self.irqs.devices.get() || self.irqs.issued(irq).get() {
            return Err(Error::RevokeFirst.into());
        }
        let to = lookup::exact(false, root, index, depth)?;
        to.check_empty()?;
        self.irqs.issued(irq).set(true);
        hw::enable_irq(irq, true);
        to.insert(Cap::irq_handler(irq), slot);
        Ok(0)
    }

    /// Invocations of a handler.
    pub(crate) fn invoke_irq_handler(&self, call: &Call<'_>, irq: u64) -> Result<usize, Stop> {
        match call.invocation() {
            Some(Invocation::IrqAck) => hw::complete_irq(irq),
            Some(Invocation::IrqSetHandler) => {
                let from = call.extra.get(0)?;
                let cap = from.cap();
                if !cap.is(Kind::Notification) || !cap.may(CapRights::WRITE) {
                    // As seL4 has it, though number 0 is the handler.
                    return Err(Error::InvalidCapability(0).into());
                }
                let handler = self.irqs.handler(irq);
                self.delete_one(handler);
                handler.insert(cap, from);
            }
            Some(Invocation::IrqClearHandler) => self.delete_one(self.irqs.handler(irq)),
            _ => return Err(Error::IllegalOperation.into()),
        }
        Ok(0)
    }
}
