//! The parameters of the simple model.

use crate::params::params;
use crate::parts::tags::LINE_BYTES;

params! {
    parameters {
        l1i_sets: "sets" = 64, 1..=4096 power_of_two, "sets of the L1 instruction cache, selected by physical address", "as the model rocket";
        l1i_ways: "ways" = 4, 1..=16 power_of_two, "ways of the L1 instruction cache, replaced at random", "as the model rocket";
        l1i_miss: "cycles" = 40, 0..=10_000, "what a miss of the L1 instruction cache adds", "about the model rocket's, with memory at 20 cycles";
        l1d_sets: "sets" = 64, 1..=4096 power_of_two, "sets of the L1 data cache, selected by physical address", "as the model rocket";
        l1d_ways: "ways" = 4, 1..=16 power_of_two, "ways of the L1 data cache, replaced at random", "as the model rocket";
        l1d_miss: "cycles" = 40, 0..=10_000, "what a miss of the L1 data cache adds, loads and stores alike", "about the model rocket's, with memory at 20 cycles";
    }
    fixed {
        line_bytes: "bytes" = LINE_BYTES, "line of both L1s", "as the model rocket";
        instruction: "cycles" = 1, "an instruction, or a trap, that misses nowhere", "one cycle an instruction";
    }
}
