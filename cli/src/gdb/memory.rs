//! Memory as a hart sees it, without side effects.

use relsim_core::bus::Bus;
use relsim_core::hart::{Hart, Priv};
use relsim_core::pmp::AccessKind;

const PAGE_BYTES: u64 = 4096;

/// The physical address of virtual address `va`: what the hart may load or fetch now, and in a kernel also what belongs to
/// its user. `None` where nothing is mapped.
fn translate(hart: &Hart, bus: &Bus, va: u64) -> Option<u64> {
    let ways = [
        (AccessKind::Load, hart.data_privilege()),
        (AccessKind::Fetch, hart.privilege),
        (AccessKind::Load, Priv::U),
        (AccessKind::Fetch, Priv::U),
    ];
    let below = |&(_, privilege): &(AccessKind, Priv)| privilege != Priv::U || hart.privilege <= Priv::S;
    let mut walks =
        ways.into_iter().filter(below).map(|(kind, privilege)| hart.walk(bus, va, kind, privilege));
    walks.find_map(|walk| walk.ok().map(|walk| walk.pa))
}

/// Reads from virtual address `va` on, and gives how many bytes there were: up to the first that is in no memory. Devices
/// are not read.
pub fn read(hart: &Hart, bus: &Bus, va: u64, data: &mut [u8]) -> usize {
    let mut done = 0;
    while done < data.len() {
        let at = va.wrapping_add(done as u64);
        let Some(pa) = translate(hart, bus, at) else { break };
        let in_page = (PAGE_BYTES - at % PAGE_BYTES) as usize;
        let end = data.len().min(done + in_page);
        let part = &mut data[done..end];
        if let Some(bytes) = bus.ram.slice(pa, part.len() as u64) {
            part.copy_from_slice(bytes);
            done = end;
            continue;
        }
        for (byte, pa) in part.iter_mut().zip(pa..=u64::MAX) {
            let Ok(parcel) = bus.fetch(pa & !1) else { return done };
            *byte = parcel.to_le_bytes()[(pa & 1) as usize];
            done += 1;
        }
    }
    done
}
