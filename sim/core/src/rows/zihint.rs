//! Zihintpause.

use super::i;

rows! {
    // A fence with predecessor set W and an empty successor set.
    "pause" (Zihintpause) "0000 0001 0000 00000 000 00000 0001111" None Fence "unpriv 10" i::fence;
}
