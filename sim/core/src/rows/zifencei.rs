//! Zifencei.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op, Stop};

rows! {
    // The immediate, rs1 and rd are reserved for finer fences and ignored.
    "fence.i" (Zifencei) "............ ..... 001 ..... 0001111" None FenceI "unpriv 6" fence_i;
}

fn fence_i(h: &mut Hart, _: &mut Bus, _: &Op) -> Done {
    h.fetch_stale = true;
    Err(Stop::Exit)
}
