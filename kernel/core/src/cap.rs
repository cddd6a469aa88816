//! Capabilities: what they are for, how two words hold them, how they are restricted and compared.

use kernel_abi::{CapRights, CnodeData, bits};

use crate::mem::{PADDR_BITS, Ptr};
use crate::slot::Slot;
use crate::tcb::Tcb;

/// What a capability is for. The numbers are those that users of `DebugCapIdentify` know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Nothing.
    Null = 0,
    /// Untyped memory.
    Untyped = 2,
    /// Endpoint.
    Endpoint = 4,
    /// Notification.
    Notification = 6,
    /// Answering a caller, once.
    Reply = 8,
    /// CNode.
    CNode = 10,
    /// Thread.
    Thread = 12,
    /// Making handlers for interrupts.
    IrqControl = 14,
    /// An interrupt.
    IrqHandler = 16,
    /// A CNode, thread, endpoint or notification that is being deleted.
    Zombie = 18,
    /// Domains.
    Domain = 20,
    /// Frame.
    Frame = 1,
    /// Page table.
    PageTable = 3,
    /// Where user interrupts go to.
    SenderTable = 5,
    /// Making ASID pools.
    AsidControl = 11,
    /// ASID pool.
    AsidPool = 13,
}

/// Words: kind (bits 59 to 63), details (39 to 58) and physical address of the object (0 to 38); and one that
/// depends on the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Cap {
    head: u64,
    word: u64,
}

const KIND_SHIFT: u32 = 59;
const DETAIL_SHIFT: u32 = PADDR_BITS;
const DETAIL_BITS: u32 = KIND_SHIFT - DETAIL_SHIFT;
const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// Of frames and page tables, `word` has the address in the lower bits and the ASID above.
const ASID_SHIFT: u32 = 40;

/// Detail of a notification, behind the rights: no more than the registration of a sender.
const REGISTRATION: u64 = 1 << 4;

/// Sizes of frames, by their number in a capability.
const FRAME_BITS: [u64; 4] = [bits::PAGE, bits::MEGA_PAGE, bits::GIGA_PAGE, bits::PAGE];

/// Detail of a zombie that was a thread, endpoint or notification; one that was a CNode has its radix.
const ZOMBIE_THREAD: u64 = 63;
const ZOMBIE_ENDPOINT: u64 = 62;
const ZOMBIE_NOTIFICATION: u64 = 61;

impl Cap {
    /// No capability.
    pub const NULL: Self = Self { head: 0, word: 0 };

    #[inline(always)]
    const fn new(kind: Kind, detail: u64, paddr: u64, word: u64) -> Self {
        let head = (kind as u64) << KIND_SHIFT | detail << DETAIL_SHIFT | paddr & mask(PADDR_BITS);
        Self { head, word }
    }

    /// For untyped memory of 2^`size_bits` bytes, of which those from `free` on are free.
    #[must_use]
    pub const fn untyped(paddr: u64, size_bits: u64, device: bool, free: u64) -> Self {
        Self::new(Kind::Untyped, size_bits | (device as u64) << 6, paddr, free)
    }

    /// For an endpoint.
    #[must_use]
    pub const fn endpoint(paddr: u64, rights: CapRights, badge: u64) -> Self {
        Self::new(Kind::Endpoint, rights.0, paddr, badge)
    }

    /// For a notification.
    #[must_use]
    pub const fn notification(paddr: u64, rights: CapRights, badge: u64) -> Self {
        Self::new(Kind::Notification, rights.0, paddr, badge)
    }

    /// For answering `caller`. The `master` is never handed out; what is, derives from it.
    #[must_use]
    #[inline(always)]
    pub fn reply(caller: Ptr<Tcb>, master: bool, can_grant: bool) -> Self {
        Self::new(Kind::Reply, u64::from(master) | u64::from(can_grant) << 1, caller.paddr(), 0)
    }

    /// For a CNode of 2^`radix` slots.
    #[must_use]
    pub const fn cnode(paddr: u64, radix: u64, guard: u64, guard_size: u64) -> Self {
        Self::new(Kind::CNode, radix | guard_size << 6, paddr, guard)
    }

    /// For a thread.
    #[must_use]
    pub const fn thread(paddr: u64) -> Self {
        Self::new(Kind::Thread, 0, paddr, 0)
    }

    /// Without an object: interrupts, domains, ASIDs.
    #[must_use]
    pub const fn control(kind: Kind) -> Self {
        Self::new(kind, 0, 0, 0)
    }

    /// For interrupt `irq`.
    #[must_use]
    pub const fn irq_handler(irq: u64) -> Self {
        Self::new(Kind::IrqHandler, 0, 0, irq)
    }

    /// For a frame that is not mapped; `size` is its number of 4 KiB, 2 MiB, 1 GiB.
    #[must_use]
    pub const fn frame(paddr: u64, size: FrameSize, rights: CapRights, device: bool) -> Self {
        Self::new(Kind::Frame, size as u64 | (rights.0 & 3) << 2 | (device as u64) << 4, paddr, 0)
    }

    /// For a page table that is not mapped.
    #[must_use]
    pub const fn page_table(paddr: u64) -> Self {
        Self::new(Kind::PageTable, 0, paddr, 0)
    }

    /// For an ASID pool.
    #[must_use]
    pub const fn asid_pool(paddr: u64, base: u64) -> Self {
        Self::new(Kind::AsidPool, 0, paddr, base)
    }

    /// For a sender table; the one that a thread uses says of which.
    #[must_use]
    pub fn sender_table(paddr: u64, thread: Option<Ptr<Tcb>>) -> Self {
        Self::new(Kind::SenderTable, 0, paddr, thread.map_or(0, Ptr::paddr))
    }

    /// The thread that uses the sender table.
    #[must_use]
    pub fn table_of(self) -> Option<Ptr<Tcb>> {
        (self.word != 0).then(|| Ptr::at(self.word))
    }

    /// For the registration of a sender with a notification. It stands in a sender table, and is good for nothing
    /// else.
    #[must_use]
    pub const fn registration(notification: u64, badge: u64) -> Self {
        Self::new(Kind::Notification, REGISTRATION, notification, badge)
    }

    /// Whether a notification is the registration of a sender.
    #[inline(always)]
    #[must_use]
    pub const fn is_registration(self) -> bool {
        self.detail() & REGISTRATION != 0
    }

    /// What it is for.
    #[inline(always)]
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self.head >> KIND_SHIFT {
            1 => Kind::Frame,
            2 => Kind::Untyped,
            3 => Kind::PageTable,
            4 => Kind::Endpoint,
            5 => Kind::SenderTable,
            6 => Kind::Notification,
            8 => Kind::Reply,
            10 => Kind::CNode,
            11 => Kind::AsidControl,
            12 => Kind::Thread,
            13 => Kind::AsidPool,
            14 => Kind::IrqControl,
            16 => Kind::IrqHandler,
            18 => Kind::Zombie,
            20 => Kind::Domain,
            _ => Kind::Null,
        }
    }

    /// Whether it is of `kind`.
    #[inline(always)]
    #[must_use]
    pub const fn is(self, kind: Kind) -> bool {
        self.head >> KIND_SHIFT == kind as u64
    }

    #[inline(always)]
    const fn detail(self) -> u64 {
        self.head >> DETAIL_SHIFT & mask(DETAIL_BITS)
    }

    const fn with_detail(self, detail: u64) -> Self {
        Self {
            head: self.head & !(mask(DETAIL_BITS) << DETAIL_SHIFT) | detail << DETAIL_SHIFT,
            word: self.word,
        }
    }

    /// Physical address of the object.
    #[inline(always)]
    #[must_use]
    pub const fn paddr(self) -> u64 {
        self.head & mask(PADDR_BITS)
    }

    /// The object, which has to be of the kind that `T` is for.
    #[inline(always)]
    #[must_use]
    pub fn object<T>(self) -> Ptr<T> {
        Ptr::at(self.paddr())
    }

    /// Of an endpoint or notification.
    #[inline(always)]
    #[must_use]
    pub const fn badge(self) -> u64 {
        self.word
    }

    /// Of an endpoint or notification.
    #[inline(always)]
    #[must_use]
    pub const fn rights(self) -> CapRights {
        CapRights(self.detail() & 15)
    }

    /// Whether an endpoint or notification may be used so.
    #[inline(always)]
    #[must_use]
    pub const fn may(self, right: CapRights) -> bool {
        self.rights().has(right)
    }

    /// Whether a reply is the one that others derive from.
    #[inline(always)]
    #[must_use]
    pub const fn is_master(self) -> bool {
        self.detail() & 1 != 0
    }

    /// Whether a reply may carry capabilities.
    #[inline(always)]
    #[must_use]
    pub const fn reply_grants(self) -> bool {
        self.detail() & 2 != 0
    }

    /// log2 of a CNode's slots.
    #[inline(always)]
    #[must_use]
    pub const fn radix(self) -> u64 {
        self.detail() & 63
    }

    /// Bits of a CNode's guard.
    #[inline(always)]
    #[must_use]
    pub const fn guard_size(self) -> u64 {
        self.detail() >> 6 & 63
    }

    /// A CNode's guard.
    #[inline(always)]
    #[must_use]
    pub const fn guard(self) -> u64 {
        self.word
    }

    /// log2 of the bytes of untyped memory.
    #[must_use]
    pub const fn untyped_bits(self) -> u64 {
        self.detail() & 63
    }

    /// Offset of the free bytes of untyped memory.
    #[must_use]
    pub const fn free_offset(self) -> u64 {
        self.word
    }

    /// The same with other free bytes.
    #[must_use]
    pub const fn with_free_offset(self, free: u64) -> Self {
        Self { head: self.head, word: free }
    }

    /// Whether untyped memory or a frame is no memory.
    #[must_use]
    pub const fn is_device(self) -> bool {
        match self.kind() {
            Kind::Untyped => self.detail() >> 6 & 1 == 1,
            _ => self.detail() >> 4 & 1 == 1,
        }
    }

    /// Number of the interrupt.
    #[must_use]
    pub const fn irq(self) -> u64 {
        self.word
    }

    /// log2 of a frame's bytes.
    #[inline(always)]
    #[must_use]
    pub const fn frame_bits(self) -> u64 {
        FRAME_BITS[(self.detail() & 3) as usize]
    }

    /// A frame's rights: read, write.
    #[inline(always)]
    #[must_use]
    pub const fn frame_rights(self) -> CapRights {
        CapRights(self.detail() >> 2 & 3)
    }

    /// Where a frame or page table is mapped; of the root of an address space 0.
    #[inline(always)]
    #[must_use]
    pub const fn mapped_at(self) -> u64 {
        self.word & mask(PADDR_BITS)
    }

    /// The address space in which a frame or page table is mapped, or of which it is the root; 0 is none.
    #[inline(always)]
    #[must_use]
    pub const fn asid(self) -> u64 {
        self.word >> ASID_SHIFT
    }

    /// A frame or page table mapped at `vaddr` of address space `asid`.
    #[must_use]
    pub const fn mapped(self, asid: u64, vaddr: u64) -> Self {
        Self { head: self.head, word: asid << ASID_SHIFT | vaddr & mask(PADDR_BITS) }
    }

    /// First ASID of a pool.
    #[must_use]
    pub const fn asid_base(self) -> u64 {
        self.word
    }

    /// A CNode or thread that is being deleted, with all its slots; or an endpoint or notification, with all that wait
    /// at it.
    #[must_use]
    pub fn zombie_of(self) -> Self {
        let (detail, paddr, left) = match self.kind() {
            Kind::Thread => (ZOMBIE_THREAD, Ptr::<Tcb>::at(self.paddr()).slots_paddr(), Tcb::SLOTS as u64),
            Kind::Endpoint => (ZOMBIE_ENDPOINT, self.paddr(), 0),
            Kind::Notification => (ZOMBIE_NOTIFICATION, self.paddr(), 0),
            _ => (self.radix(), self.paddr(), 1 << self.radix()),
        };
        Self::new(Kind::Zombie, detail, paddr, left)
    }

    /// What a zombie was that has no slots: an endpoint or a notification.
    #[must_use]
    pub const fn zombie_of_queue(self) -> Option<Kind> {
        match self.detail() {
            ZOMBIE_ENDPOINT => Some(Kind::Endpoint),
            ZOMBIE_NOTIFICATION => Some(Kind::Notification),
            _ => None,
        }
    }

    /// The slots of a zombie.
    #[must_use]
    pub fn zombie_slots(self) -> Ptr<Slot> {
        Ptr::at(self.paddr())
    }

    /// How many slots of a zombie are still to be deleted.
    #[must_use]
    pub const fn zombie_left(self) -> u64 {
        self.word
    }

    /// The same with fewer.
    #[must_use]
    pub const fn with_zombie_left(self, left: u64) -> Self {
        Self { head: self.head, word: left }
    }

    /// Whether two zombies are one.
    #[must_use]
    pub const fn is_same_zombie(self, other: Self) -> bool {
        self.head == other.head
    }

    /// Whether it names memory or an object, so that it matters who else does.
    #[must_use]
    pub const fn is_physical(self) -> bool {
        !matches!(
            self.kind(),
            Kind::Null | Kind::Reply | Kind::IrqControl | Kind::IrqHandler | Kind::Domain | Kind::AsidControl
        )
    }

    /// log2 of the bytes of the object.
    pub(crate) const fn object_bits(self) -> u64 {
        match self.kind() {
            Kind::Untyped => self.untyped_bits(),
            Kind::Endpoint => bits::ENDPOINT,
            Kind::Notification => bits::NOTIFICATION,
            Kind::SenderTable => bits::SENDER_TABLE,
            Kind::CNode => self.radix() + bits::SLOT,
            Kind::Thread => bits::TCB,
            Kind::Zombie => match self.detail() {
                ZOMBIE_THREAD => bits::TCB,
                ZOMBIE_ENDPOINT => bits::ENDPOINT,
                ZOMBIE_NOTIFICATION => bits::NOTIFICATION,
                radix => radix + bits::SLOT,
            },
            Kind::Frame => self.frame_bits(),
            Kind::PageTable => bits::PAGE_TABLE,
            Kind::AsidPool => bits::ASID_POOL,
            _ => 0,
        }
    }

    /// Whether the object of `other` lies in that of `self`, or is the same.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Untyped, _) if other.is_physical() => self.contains(other),
            (Kind::Frame, Kind::Frame) => self.contains(other),
            (Kind::Endpoint, Kind::Endpoint)
            | (Kind::Notification, Kind::Notification)
            | (Kind::SenderTable, Kind::SenderTable)
            | (Kind::Thread, Kind::Thread)
            | (Kind::Reply, Kind::Reply)
            | (Kind::PageTable, Kind::PageTable)
            | (Kind::AsidPool, Kind::AsidPool) => self.paddr() == other.paddr(),
            (Kind::CNode, Kind::CNode) => self.paddr() == other.paddr() && self.radix() == other.radix(),
            (Kind::IrqHandler, Kind::IrqHandler) => self.irq() == other.irq(),
            (Kind::IrqControl, Kind::IrqControl | Kind::IrqHandler)
            | (Kind::Domain, Kind::Domain)
            | (Kind::AsidControl, Kind::AsidControl) => true,
            _ => false,
        }
    }

    fn contains(self, other: Self) -> bool {
        // A zombie of a thread names its slots, which lie within it; so that the end need not be that of the object.
        let (base, end) = (self.paddr(), self.paddr() + mask(self.object_bits() as u32));
        let first = other.paddr();
        let last = match other.kind() {
            Kind::Zombie => first,
            _ => first + mask(other.object_bits() as u32),
        };
        base <= first && last <= end
    }

    /// Whether both are for the same object, all of it.
    #[must_use]
    pub fn is_same_object(self, other: Self) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::Untyped, _) | (Kind::IrqControl, Kind::IrqHandler) => false,
            (Kind::Frame, Kind::Frame) => {
                self.paddr() == other.paddr() && self.frame_bits() == other.frame_bits()
            }
            _ => self.covers(other),
        }
    }

    /// Whether it becomes an original when it is made from `source`: that which may be revoked.
    #[inline(always)]
    #[must_use]
    pub fn is_original_from(self, source: Self) -> bool {
        match self.kind() {
            Kind::Endpoint | Kind::Notification => self.badge() != source.badge(),
            Kind::IrqHandler => source.is(Kind::IrqControl),
            Kind::Untyped => true,
            _ => false,
        }
    }

    /// With no more than `rights`.
    #[must_use]
    pub fn restricted(self, rights: CapRights) -> Self {
        match self.kind() {
            Kind::Endpoint => self.with_detail(self.detail() & rights.0),
            Kind::Notification => self.with_detail(self.detail() & rights.0 & 3),
            Kind::Reply if !rights.has(CapRights::GRANT) => self.with_detail(self.detail() & !2),
            Kind::Frame => {
                let left = frame_rights(self.frame_rights(), rights);
                self.with_detail(self.detail() & !12 | left.0 << 2)
            }
            _ => self,
        }
    }

    /// With `data` as its badge or guard; [`Cap::NULL`] if it cannot have that. `keep` is set if it moves: a badge
    /// then stays.
    #[must_use]
    pub fn with_data(self, data: u64, keep: bool) -> Self {
        match self.kind() {
            Kind::Endpoint | Kind::Notification if keep || self.badge() != 0 => Self::NULL,
            Kind::Endpoint | Kind::Notification => Self { head: self.head, word: data },
            Kind::CNode => {
                let (data, size) = (CnodeData(data), CnodeData(data).guard_size());
                if size + self.radix() > 64 {
                    return Self::NULL;
                }
                Self::cnode(self.paddr(), self.radix(), data.guard() & mask(size as u32), size)
            }
            _ => self,
        }
    }
}

/// What is left of a frame's rights: all, reading, or none, since there is no writing without reading.
#[must_use]
pub const fn frame_rights(has: CapRights, asked: CapRights) -> CapRights {
    let both = has.and(asked);
    if both.has(CapRights::READ) { CapRights(both.0 & 3) } else { CapRights::NONE }
}

/// A frame's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameSize {
    /// 4 KiB.
    Page = 0,
    /// 2 MiB.
    Mega = 1,
    /// 1 GiB.
    Giga = 2,
}

#[cfg(test)]
mod tests {
    use kernel_layout::cap;

    use super::*;

    /// What debuggers are told is so.
    #[test]
    fn capabilities_lie_as_they_are_told_to() {
        assert_eq!(
            (cap::KIND_SHIFT, cap::DETAIL_SHIFT, cap::ASID_SHIFT),
            (KIND_SHIFT, DETAIL_SHIFT, ASID_SHIFT)
        );
        assert_eq!(cap::SLOT_SIZE as usize, size_of::<Slot>());
        let kinds = [(Kind::Frame, "frame"), (Kind::Thread, "thread"), (Kind::Domain, "domain")];
        for (kind, name) in kinds {
            assert!(cap::KINDS.contains(&(kind as u8, name)));
        }
    }
}
