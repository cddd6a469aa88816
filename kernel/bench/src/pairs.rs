//! Pairs of invocations of which the second undoes the first: what `bench=calls` asks of the kernel.

use kernel_root::env::Env;
use kernel_user::abi::{CapRights, ObjectType, VmAttributes, bits};
use kernel_user::cspace::{DEPTH, ROOT_CNODE};
use kernel_user::invoke::{Frame, Result, Untyped};
use kernel_user::order::Order;

use crate::world::World;

/// What a client has to itself, and does again and again.
pub trait Pair: Copy + 'static {
    /// Makes what it takes.
    fn new(env: &mut Env) -> Result<Self>;

    /// The first invocation.
    fn first(self) -> Order;

    /// The one that undoes it.
    fn second(self) -> Order;
}

/// A page that is mapped and unmapped.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    frame: Frame,
    address: u64,
}

impl Pair for Page {
    fn new(env: &mut Env) -> Result<Self> {
        let frame = env.frame()?;
        // Page tables are made by the way.
        let address = env.map(frame, bits::PAGE)?;
        frame.unmap()?;
        Ok(Self { frame, address })
    }

    #[inline(always)]
    fn first(self) -> Order {
        self.frame.map_order(World::vspace(), self.address, CapRights::ALL, VmAttributes::EXECUTE_NEVER)
    }

    #[inline(always)]
    fn second(self) -> Order {
        self.frame.unmap_order()
    }
}

/// A capability of a notification that is copied, with a badge if `MINTED`, and deleted.
#[derive(Debug, Clone, Copy)]
pub struct Copied<const MINTED: bool> {
    from: u64,
    to: u64,
}

impl<const MINTED: bool> Pair for Copied<MINTED> {
    fn new(env: &mut Env) -> Result<Self> {
        let from = env.notification()?.0;
        let to = env.copy(from, CapRights::ALL)?;
        ROOT_CNODE.delete(to, DEPTH)?;
        Ok(Self { from, to })
    }

    #[inline(always)]
    fn first(self) -> Order {
        /// Any but 0, which is none.
        const BADGE: u64 = 1;
        let (to, from) = ((self.to, DEPTH), (self.from, DEPTH));
        if MINTED {
            ROOT_CNODE.mint_order(to, ROOT_CNODE, from, CapRights::ALL, BADGE)
        } else {
            ROOT_CNODE.copy_order(to, ROOT_CNODE, from, CapRights::ALL)
        }
    }

    #[inline(always)]
    fn second(self) -> Order {
        ROOT_CNODE.delete_order(self.to, DEPTH)
    }
}

/// Memory of which an endpoint is made, and deleted.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    untyped: Untyped,
    slot: u64,
}

impl Pair for Object {
    fn new(env: &mut Env) -> Result<Self> {
        /// The memory's size: with room for several, as a server would have it.
        const SIZE_BITS: u64 = 8;
        let untyped = env.untyped(SIZE_BITS)?;
        let slot = env.endpoint()?.0;
        ROOT_CNODE.delete(slot, DEPTH)?;
        Ok(Self { untyped, slot })
    }

    #[inline(always)]
    fn first(self) -> Order {
        self.untyped.retype_order(ObjectType::Endpoint, 0, ROOT_CNODE, 0, 0, self.slot, 1)
    }

    #[inline(always)]
    fn second(self) -> Order {
        ROOT_CNODE.delete_order(self.slot, DEPTH)
    }
}
