//! Where benchmarks take place: a root task, a second address space that is the same in all but its root, memory that
//! both have, and threads.

use kernel_root::env::{Env, PRIORITY, SELF, VSPACE};
use kernel_root::harness::Failure;
use kernel_tasks::ipc::Shared;
use kernel_user::abi::{
    AsyncChannel, BootInfo, CapRights, ObjectType, USER_CONTEXT_WORDS, VmAttributes, bits,
};
use kernel_user::bootinfo;
use kernel_user::cspace::ROOT_CNODE;
use kernel_user::invoke::{Frame, Notification, PageTable, SenderTable, Tcb};
use kernel_user::thread::{Config, Thread};
use kernel_user::vspace::VSpace;

/// Bytes of the heap, and of what is shared with somebody.
const REGION: u64 = 1 << bits::MEGA_PAGE;

/// The root task and what it has.
pub struct World {
    /// Memory, slots, addresses.
    pub env: Env,
    /// The other address space.
    other: PageTable,
}

/// Where a thread lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// In the other address space.
    pub apart: bool,
    /// The hart that it runs on.
    pub hart: u64,
    /// Its priority.
    pub priority: u64,
}

impl Home {
    /// In the other address space, on hart `hart`.
    #[must_use]
    pub const fn on(hart: u64) -> Self {
        Self { apart: true, hart, priority: PRIORITY }
    }
}

impl World {
    /// Makes the other address space, and a heap in both.
    pub fn new(info: &'static BootInfo) -> Result<Self, Failure> {
        let mut env = Env::new(info)?;
        let other = env.address_space()?;
        let mut world = Self { env, other };
        world.share_image()?;
        let (_, heap) = world.region()?;
        // SAFETY: the region is mapped and nobody else's.
        unsafe { kernel_tasks::heap::start(heap, REGION as usize) };
        Ok(world)
    }

    fn share_image(&mut self) -> Result<(), Failure> {
        let image = bootinfo::image();
        for address in (image.start..image.end).step_by(1 << bits::PAGE) {
            let (rights, attributes) = if address < image.text_end {
                (CapRights::READ, VmAttributes::default())
            } else if address < image.rodata_end {
                (CapRights::READ, VmAttributes::EXECUTE_NEVER)
            } else {
                (CapRights::ALL, VmAttributes::EXECUTE_NEVER)
            };
            let frame = self.env.image_frame(address);
            self.share(frame, address, rights, attributes)?;
        }
        Ok(())
    }

    /// Maps `frame`, which is mapped at `address` here, at the same place of the other address space.
    fn share(
        &mut self,
        frame: Frame,
        address: u64,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> Result<(), Failure> {
        let copy = Frame(self.env.copy(frame.0, CapRights::ALL)?);
        let space = VSpace::new(self.other, 0);
        space.map(self.env.untyped, &mut self.env.slots, copy, address, rights, attributes)?;
        Ok(())
    }

    /// A region of 2 MiB, of zeros, at the same address of both address spaces: its frame and where it is.
    pub fn region(&mut self) -> Result<(Frame, u64), Failure> {
        let frame = Frame(self.env.make(ObjectType::MegaPage, 0)?);
        let address = self.env.map(frame, bits::MEGA_PAGE)?;
        self.share(frame, address, CapRights::ALL, VmAttributes::EXECUTE_NEVER)?;
        Ok((frame, address))
    }

    /// A channel for IPC that both address spaces have.
    pub fn channel(&mut self) -> Result<Shared, Failure> {
        let (_, address) = self.region()?;
        // SAFETY: the region is mapped for good, of zeros, and only used as a channel.
        let channel = unsafe { Shared::new(address as *const _, REGION as usize) };
        channel.ok_or_else(|| Failure::new(format_args!("a region has no room for a channel")))
    }

    /// A channel for `items` requests that the calling thread, the receiver of `told`, shares with the kernel.
    pub fn kernel_channel(
        &mut self,
        told: Notification,
        items: u64,
    ) -> Result<AsyncChannel<'static>, Failure> {
        let (frame, address) = self.region()?;
        told.register_async(frame, items)?;
        // SAFETY: as above; the kernel is the other side.
        let channel = unsafe {
            AsyncChannel::new(
                address as *const _,
                AsyncChannel::items_within(REGION as usize, items as usize),
            )
        };
        channel.ok_or_else(|| Failure::new(format_args!("a region has no room for a channel")))
    }

    /// A thread that does not run yet.
    pub fn thread(&mut self, home: Home) -> Result<Thread, Failure> {
        let config = Config { hart: home.hart, ..Config::new(home.priority) };
        let thread = Thread::new(&mut self.env.resources(), &config)?;
        if home.apart {
            let pages = thread.buffer_frame.0 - ((thread.stack_top - thread.stack_bottom()) >> bits::PAGE);
            let addresses = (thread.stack_bottom()..=thread.buffer).step_by(1 << bits::PAGE);
            for (frame, address) in (pages..).map(Frame).zip(addresses) {
                self.share(frame, address, CapRights::ALL, VmAttributes::EXECUTE_NEVER)?;
            }
            thread.tcb.set_space(0, (ROOT_CNODE, 0), self.other)?;
        }
        Ok(thread)
    }

    /// Runs `body` in `thread`.
    pub fn start(
        &mut self,
        thread: &Thread,
        body: impl FnOnce() -> u64 + Send + 'static,
    ) -> Result<(), Failure> {
        let context = thread.context_for(body);
        thread.tcb.write_registers(true, &context, USER_CONTEXT_WORDS)?;
        Ok(())
    }

    /// Makes `thread` a receiver of user interrupts with a table to send by: the notification that it is bound to.
    pub fn equip(&mut self, thread: Tcb) -> Result<Notification, Failure> {
        let notification = self.env.notification()?;
        thread.bind_notification(notification)?;
        notification.register_receiver(thread)?;
        let table = SenderTable(self.env.make(ObjectType::SenderTable, 0)?);
        thread.set_sender_table(table)?;
        Ok(notification)
    }

    /// The root task's own thread is a receiver.
    pub fn equip_self(&mut self) -> Result<Notification, Failure> {
        self.equip(SELF)
    }

    /// A capability for `notification` with `badge`.
    pub fn badged(&mut self, notification: Notification, badge: u64) -> Result<Notification, Failure> {
        Ok(Notification(self.env.mint(notification.0, CapRights::ALL, badge)?))
    }

    /// The root task's address space.
    #[must_use]
    pub const fn vspace() -> PageTable {
        VSPACE
    }
}
