//! What the device tree says of the machine, as far as the kernel wants to know it.

use crate::boot::{Region, Regions};
use crate::fdt::{Fdt, Node, Pairs, Reservation};
use crate::irq::MAX_IRQS;
use crate::kernel::MAX_HARTS;
use crate::mem::PADDR_TOP;

/// Of a hart's interrupt controller: external interrupts of supervisor mode. (Privileged specification, table of
/// `scause`.)
const SUPERVISOR_EXTERNAL: u32 = 9;

/// The platform-level interrupt controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plic {
    /// Physical address.
    pub base: u64,
    /// Greatest number of an interrupt that can be used.
    pub greatest_irq: u64,
    /// The context by which the first hart's supervisor mode takes interrupts.
    pub context: u64,
}

/// The machine.
#[derive(Debug, Clone)]
pub struct Platform {
    /// Ticks of the timebase a second.
    pub timebase: u64,
    /// Harts.
    pub harts: usize,
    /// Firmware's numbers of them.
    pub hart_ids: [u64; MAX_HARTS],
    /// Memory that is not reserved.
    pub memory: Regions,
    /// What users may be given as devices: what is no memory, and not a device of the kernel.
    pub devices: Regions,
    /// Devices' interrupts.
    pub plic: Option<Plic>,
    /// Where user interrupts are pending.
    pub uintc: Option<Region>,
}

/// A device tree that nothing can be done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlatformError {
    /// The interrupt controller names its contexts, but none for the first hart's supervisor mode.
    NoInterruptContext,
}

/// What is known of the interrupt controller before all nodes were seen.
struct PlicNode<'a> {
    base: u64,
    sources: u64,
    contexts: Option<Pairs<'a>>,
}

impl PlicNode<'_> {
    /// With the context of hart `hart`, whose own controller is `controller`.
    fn resolve(&self, hart: u64, controller: Option<u32>) -> Result<Plic, PlatformError> {
        let context = match self.contexts {
            Some(contexts) => controller
                .and_then(|controller| contexts.position((controller, SUPERVISOR_EXTERNAL)))
                .ok_or(PlatformError::NoInterruptContext)? as u64,
            // One of machine mode and one of supervisor mode by hart, as seL4 takes them to be.
            None => 2 * hart + 1,
        };
        Ok(Plic { base: self.base, greatest_irq: self.sources.min(MAX_IRQS as u64 - 1), context })
    }
}

fn is(node: &Node<'_>, names: &[&[u8]]) -> bool {
    names.iter().any(|name| node.has(b"compatible", name))
}

fn regions(node: &Node<'_>) -> impl Iterator<Item = Region> {
    node.regions().map(|(start, size)| Region { start, end: start.saturating_add(size) })
}

impl Platform {
    /// What `fdt` says to hart `hart`, the first one; if it is not known, to the first in the tree that has
    /// translation, as seL4 takes it to be in a build for one hart. Memory below `start` is firmware's, and what is reserved is
    /// nobody's if it `counts`.
    ///
    /// # Errors
    /// If that is no machine for this kernel.
    pub fn new(
        fdt: &Fdt<'_>,
        mut hart: Option<u64>,
        start: u64,
        counts: impl Fn(&Reservation) -> bool,
    ) -> Result<Self, PlatformError> {
        let devices = Regions::new(Region { start: 0, end: PADDR_TOP });
        let hart_ids = [hart.unwrap_or(0); MAX_HARTS];
        let mut found = Self {
            timebase: 0,
            harts: 1,
            hart_ids,
            memory: Regions::none(),
            devices,
            plic: None,
            uintc: None,
        };
        let mut plic = None;
        // The name of the first hart's node, which its controller is in; and the controller.
        let (mut home, mut controller) = (None, None);
        fdt.for_each_node(|node| {
            if let Some(timebase) = node.number(b"timebase-frequency") {
                found.timebase = timebase;
            }
            if node.has(b"device_type", b"cpu") {
                let id = node.regions().next().map_or(0, |(id, _)| id);
                if hart.is_none() && node.property(b"mmu-type").is_some() {
                    hart = Some(id);
                    found.hart_ids[0] = id;
                }
                found.add_hart(id);
                if hart == Some(id) {
                    home = Some(node.name);
                }
            }
            // In seL4's trees a timer says that it is one, too.
            if is(node, &[b"riscv,cpu-intc"]) && home == Some(node.parent) {
                controller = node.number(b"phandle").map(|phandle| phandle as u32);
            }
            if node.has(b"device_type", b"memory") {
                for region in regions(node) {
                    found.devices = found.devices.without(region);
                    // What is there twice is there once.
                    found.memory = found.memory.without(region);
                    found.memory.push(Region { start: region.start.max(start), end: region.end });
                }
            }
            let is_plic = is(node, &[b"riscv,plic0", b"sifive,plic-1.0.0"]);
            // The last is what a timer says that it is in seL4's trees; harts' own controllers have no addresses.
            let timers: &[&[u8]] = &[
                b"riscv,clint0",
                b"sifive,clint0",
                b"riscv,aclint-mswi",
                b"riscv,aclint-mtimer",
                b"riscv,cpu-intc",
            ];
            if is_plic || is(node, timers) {
                regions(node).for_each(|region| found.devices = found.devices.without(region));
            }
            if is(node, &[b"riscv,uintc"])
                && let Some(region) = regions(node).next()
            {
                found.devices = found.devices.without(region);
                found.uintc = Some(region);
            }
            if is_plic && let Some(region) = regions(node).next() {
                let sources = node.number(b"riscv,ndev").unwrap_or(0);
                let contexts = node.pairs(b"interrupts-extended");
                plic = Some(PlicNode { base: region.start, sources, contexts });
            }
        });
        found.plic = plic.map(|plic| plic.resolve(found.hart_ids[0], controller)).transpose()?;
        fdt.for_each_reservation(|reservation| {
            if counts(&reservation) {
                let end = reservation.start.saturating_add(reservation.size);
                found.memory = found.memory.without(Region { start: reservation.start, end }.whole_pages());
            }
        });
        Ok(found)
    }

    fn add_hart(&mut self, id: u64) {
        if id != self.hart_ids[0] && self.harts < MAX_HARTS {
            self.hart_ids[self.harts] = id;
            self.harts += 1;
        }
    }
}
