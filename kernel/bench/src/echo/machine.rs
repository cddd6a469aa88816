//! The network device of the machine.

use alloc::vec::Vec;

use kernel_net::virtio::{MEMORY_BYTES, Memory, Nic};
use kernel_root::harness::Failure;
use kernel_root::platform;
use kernel_user::abi::{InitialCap, ObjectType, bits};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{Frame, IrqControl, IrqHandler, Notification};
use kernel_user::memory::device_frames;

use crate::world::World;

const PAGE: u64 = 1 << bits::PAGE;
const _: () = assert!(MEMORY_BYTES <= 1 << bits::MEGA_PAGE);

/// The device, its interrupt, and the machine's clock.
pub struct Machine {
    pub nic: Nic,
    /// It is signalled as said to [`find`].
    pub interrupt: IrqHandler,
    pub ticks_per_us: u64,
}

/// Finds the first network device among the virtio slots, starts it, and has its interrupts signalled to
/// `notification`.
pub fn find(world: &mut World, notification: Notification) -> Result<Machine, Failure> {
    let none = || Failure::new(format_args!("no virtio network device: relsim run --net load"));
    let tree = fdt::Fdt::new(platform::device_tree(world.env.info)).map_err(|_| none())?;
    let ticks_per_us = tree.cpus().next().map_or(1, |cpu| cpu.timebase_frequency() as u64 / 1_000_000).max(1);
    let mut slots: Vec<(u64, u64)> = tree
        .all_nodes()
        .filter(|node| node.compatible().is_some_and(|names| names.all().any(|name| name == "virtio,mmio")))
        .filter_map(|node| {
            let place = node.reg()?.next()?.starting_address as u64;
            Some((place, node.interrupts()?.next()? as u64))
        })
        .collect();
    slots.sort_unstable();
    let (&(first, _), &(last, _)) = slots.first().zip(slots.last()).ok_or_else(none)?;
    let pages = (last - first) / PAGE + 1;
    let frames = device_frames(world.env.info, &mut world.env.slots, first, pages)?;
    for (place, irq) in slots {
        let frame = Frame(frames + (place - first) / PAGE);
        let registers = world.env.map(frame, bits::PAGE)?;
        // SAFETY: the slot's registers were mapped there just now.
        if unsafe { Nic::is_there(registers) } {
            let memory = Frame(world.env.make(ObjectType::MegaPage, 0)?);
            let address = world.env.map(memory, bits::MEGA_PAGE)?;
            let memory = Memory { address, physical: memory.address()? };
            // SAFETY: both are mapped for good and used by nobody else; new memory is zeros.
            let nic = unsafe { Nic::new(registers, memory) }.ok_or_else(none)?;
            let interrupt = IrqHandler(world.env.slots.take());
            IrqControl(InitialCap::IrqControl as u64).get(irq, ROOT_CNODE, interrupt.0, DEPTH)?;
            interrupt.set_notification(notification)?;
            return Ok(Machine { nic, interrupt, ticks_per_us });
        }
        frame.unmap()?;
    }
    Err(none())
}
