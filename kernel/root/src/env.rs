//! What a test works with: memory, slots and addresses of its own, which are taken back behind it.

use kernel_user::abi::{
    BootInfo, CapRights, CnodeData, InitialCap, MAX_BOOTINFO_UNTYPEDS, MessageInfo, ObjectType, VmAttributes,
    bits,
};
use kernel_user::bootinfo;
use kernel_user::cspace::{DEPTH, ROOT_CNODE, Slots};
use kernel_user::invoke::{AsidPool, CNode, Endpoint, Frame, Notification, PageTable, Result, Tcb, Untyped};
use kernel_user::memory::Memory;
use kernel_user::thread::{Config, Resources, Thread};
use kernel_user::vspace::VSpace;

use crate::harness::{Failure, Outcome};

/// Priority of the root task while tests run: there is room above and below.
pub const PRIORITY: u64 = 200;
/// A priority above the root task's.
pub const ABOVE: u64 = 220;
/// A priority below the root task's.
pub const BELOW: u64 = 100;

/// log2 of the bytes of memory that a test has.
pub const MEMORY_BITS: u64 = 25;
/// Where tests map things: a range with no page tables of the image.
const FREE_ADDRESS: u64 = 0x10_0000_0000;

/// The root task's own thread.
pub const SELF: Tcb = Tcb(InitialCap::Tcb as u64);
/// The root task's address space.
pub const VSPACE: PageTable = PageTable(InitialCap::Vspace as u64);

/// Memory, slots and addresses.
#[derive(Debug)]
pub struct Env {
    /// Boot information.
    pub info: &'static BootInfo,
    /// Free slots of the root CNode.
    pub slots: Slots,
    /// Free addresses.
    pub vspace: VSpace,
    /// Memory; all of it is revoked behind a test.
    pub untyped: Untyped,
}

impl Env {
    /// Takes memory for tests, and gives the root task the priority that they expect.
    pub fn new(info: &'static BootInfo) -> Result<Self> {
        const { assert!(MAX_BOOTINFO_UNTYPEDS > 0) };
        let mut slots = Slots::new(info);
        let mut memory = Memory::new(info);
        let untyped = Untyped(memory.make(&mut slots, ObjectType::Untyped, MEMORY_BITS)?);
        SELF.set_priority(SELF, PRIORITY)?;
        Ok(Self { info, slots, vspace: VSpace::new(VSPACE, FREE_ADDRESS), untyped })
    }

    /// Runs `body` and takes back what it made.
    pub fn scope(&mut self, body: fn(&mut Self) -> Outcome) -> Outcome {
        let (slots, addresses) = (self.slots.mark(), self.vspace.mark());
        let mut outcome = body(self);
        // A test that fails may leave these changed.
        let restored = SELF
            .set_priority(SELF, PRIORITY)
            .and_then(|()| SELF.set_space(0, (ROOT_CNODE, 0), VSPACE))
            .and_then(|()| ROOT_CNODE.revoke(self.untyped.0, DEPTH));
        if let Err(error) = restored {
            outcome = outcome.and(Err(Failure::new(format_args!("what the test made stays: {error:?}"))));
        }
        self.slots.reset(slots);
        self.vspace.reset(addresses);
        outcome
    }

    /// Harts.
    #[must_use]
    pub fn harts(&self) -> u64 {
        self.info.num_nodes
    }

    /// Makes `count` objects in slots in a row, and gives the first.
    pub fn make_many(&mut self, object: ObjectType, user_bits: u64, count: u64) -> Result<u64> {
        let slot = self.slots.take_range(count);
        self.untyped.retype(object, user_bits, ROOT_CNODE, 0, 0, slot, count)?;
        Ok(slot)
    }

    /// Makes an object.
    pub fn make(&mut self, object: ObjectType, user_bits: u64) -> Result<u64> {
        self.make_many(object, user_bits, 1)
    }

    /// Makes an endpoint.
    pub fn endpoint(&mut self) -> Result<Endpoint> {
        self.make(ObjectType::Endpoint, 0).map(Endpoint)
    }

    /// Makes a notification.
    pub fn notification(&mut self) -> Result<Notification> {
        self.make(ObjectType::Notification, 0).map(Notification)
    }

    /// Makes a CNode of 2^`radix` slots; its capability has no guard.
    pub fn cnode(&mut self, radix: u64) -> Result<CNode> {
        self.make(ObjectType::CapTable, radix).map(CNode)
    }

    /// Makes a CNode of 2^`radix` slots that resolves all bits of an address, as a CSpace of its own.
    pub fn cspace(&mut self, radix: u64) -> Result<CNode> {
        let plain = self.cnode(radix)?;
        let slot = self.slots.take();
        let guard = CnodeData::new(0, 64 - radix).0;
        ROOT_CNODE.mutate((slot, DEPTH), ROOT_CNODE, (plain.0, DEPTH), guard)?;
        Ok(CNode(slot))
    }

    /// Makes a frame of 4 KiB.
    pub fn frame(&mut self) -> Result<Frame> {
        self.make(ObjectType::Page, 0).map(Frame)
    }

    /// Makes a page table.
    pub fn page_table(&mut self) -> Result<PageTable> {
        self.make(ObjectType::PageTable, 0).map(PageTable)
    }

    /// Makes a thread object.
    pub fn tcb(&mut self) -> Result<Tcb> {
        self.make(ObjectType::Tcb, 0).map(Tcb)
    }

    /// Makes untyped memory.
    pub fn untyped(&mut self, size_bits: u64) -> Result<Untyped> {
        self.make(ObjectType::Untyped, size_bits).map(Untyped)
    }

    /// Makes the root of an empty address space.
    pub fn address_space(&mut self) -> Result<PageTable> {
        let table = self.page_table()?;
        AsidPool(InitialCap::AsidPool as u64).assign(table)?;
        Ok(table)
    }

    /// A copy of the capability at `slot`, with `rights`.
    pub fn copy(&mut self, slot: u64, rights: CapRights) -> Result<u64> {
        let to = self.slots.take();
        ROOT_CNODE.copy((to, DEPTH), ROOT_CNODE, (slot, DEPTH), rights)?;
        Ok(to)
    }

    /// A copy of the capability at `slot`, with `rights` and a badge or guard.
    pub fn mint(&mut self, slot: u64, rights: CapRights, data: u64) -> Result<u64> {
        let to = self.slots.take();
        ROOT_CNODE.mint((to, DEPTH), ROOT_CNODE, (slot, DEPTH), rights, data)?;
        Ok(to)
    }

    /// What threads are made of.
    pub fn resources(&mut self) -> Resources<'_> {
        Resources { untyped: self.untyped, slots: &mut self.slots, vspace: &mut self.vspace }
    }

    /// Runs `body` in a thread of `priority`.
    pub fn spawn<F>(&mut self, priority: u64, body: F) -> Result<Thread>
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        self.spawn_with(&Config::new(priority), body)
    }

    /// Runs `body` in a thread.
    pub fn spawn_with<F>(&mut self, config: &Config, body: F) -> Result<Thread>
    where
        F: FnOnce() -> u64 + Send + 'static,
    {
        Thread::spawn(&mut self.resources(), config, body)
    }

    /// Maps a frame for reading and writing, and gives its address.
    pub fn map(&mut self, frame: Frame, size_bits: u64) -> Result<u64> {
        let address = self.vspace.reserve(size_bits);
        self.map_at(frame, address, CapRights::ALL)?;
        Ok(address)
    }

    /// Maps a frame at an address, with page tables as needed.
    pub fn map_at(&mut self, frame: Frame, address: u64, rights: CapRights) -> Result<()> {
        let attributes = VmAttributes::default();
        self.vspace.map(self.untyped, &mut self.slots, frame, address, rights, attributes)
    }

    /// The capability of the root task's own page at `address`.
    #[must_use]
    pub fn image_frame(&self, address: u64) -> Frame {
        let page = (address - bootinfo::image().start) >> bits::PAGE;
        Frame(self.info.user_image_frames.start + page)
    }
}

/// Description of a message of `length` words with label `label`.
#[must_use]
pub const fn words(label: u64, length: u64) -> MessageInfo {
    MessageInfo::new(label, 0, 0, length)
}
