//! Zawrs: wait on a reservation set.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "wrs.nto" (Zawrs) "000000001101 00000 000 00000 1110011" None Wait "unpriv 15" wait;
    "wrs.sto" (Zawrs) "000000011101 00000 000 00000 1110011" None Wait "unpriv 15" wait;
}

/// An implementation may end the stall for any reason at any time; this one ends it at once. So `wrs.nto`
/// completes within the time limit of `mstatus.TW`, which would make it illegal below M otherwise.
fn wait(_: &mut Hart, _: &mut Bus, _: &Op) -> Done {
    Ok(())
}
