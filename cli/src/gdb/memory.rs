//! Memory as a hart sees it, without side effects.

use relsim_core::bus::Bus;
use relsim_core::hart::Hart;

const PAGE_BYTES: u64 = 4096;

/// Reads from virtual address `va` on, and gives how many bytes there were: up to the first that is in no memory. Devices
/// are not read.
pub fn read(hart: &Hart, bus: &Bus, va: u64, data: &mut [u8]) -> usize {
    let mut done = 0;
    while done < data.len() {
        let at = va.wrapping_add(done as u64);
        let Some(pa) = hart.debug_address(bus, at) else { break };
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
