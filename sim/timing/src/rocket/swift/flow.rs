//! What happens in the stages of fetch and in decode in a cycle, as tables.

use super::super::fetch::QUEUE;

/// `bits`, if that is so.
pub(super) const fn bits(condition: bool, bits: u32) -> u32 {
    if condition { bits } else { 0 }
}

/// Which stages of fetch hold something, and how many groups there are in the queue.
pub(super) type Flow = u32;
pub(super) const S1_VALID: Flow = 1;
pub(super) const S1_VALID_BEFORE: Flow = 1 << 1;
pub(super) const S2_VALID: Flow = 1 << 2;
pub(super) const REPLAY_BEFORE: Flow = 1 << 3;
/// The number of groups begins at this bit.
pub(super) const QUEUED: u32 = 4;

/// In an entry of [`FLOWS`]: a group goes from the second stage into the queue.
pub(super) const FIRES: u32 = 1 << 16;
/// The second stage asks again for what it could not hand on.
pub(super) const REPLAYS: u32 = 1 << 17;
/// Decode sees a group.
pub(super) const HEAD: u32 = 1 << 18;

/// By [`Flow`]: what happens in a cycle; the flow after it, unless decode takes the head of the queue; from bit 8 on, if it
/// does (Frontend.scala, s0_valid and s2_replay; ShiftQueue.scala).
pub(super) static FLOWS: [u32; 1 << (QUEUED + 3)] = {
    let mut flows = [0; 1 << (QUEUED + 3)];
    let mut flow = 0;
    while flow < flows.len() as u32 {
        let queued = flow >> QUEUED;
        let (s1, s2) = (flow & S1_VALID, (flow & S2_VALID) / S2_VALID);
        let fires =
            flow & (S1_VALID_BEFORE | S2_VALID) == S1_VALID_BEFORE | S2_VALID && queued < QUEUE as u32;
        let replays = s2 == 1 && !fires || flow & REPLAY_BEFORE != 0;
        let space = queued + s1 + s2 <= 4;
        let after = queued + fires as u32;
        let stages = bits(space, S1_VALID)
            | bits(s1 != 0, S1_VALID_BEFORE)
            | bits(!replays, S2_VALID)
            | bits(replays && !space, REPLAY_BEFORE);
        let popped = after.saturating_sub(1);
        flows[flow as usize] = stages
            | ((after & 7) << QUEUED)
            | ((stages | ((popped & 7) << QUEUED)) << 8)
            | bits(fires, FIRES)
            | bits(replays, REPLAYS)
            | bits(after > 0, HEAD);
        flow += 1;
    }
    flows
};

/// By what the aligner has (8), whether that begins an instruction of 32 bits (4), and how many halves the head of the queue
/// has for it: what decode takes (IBuf.scala).
pub(super) static DECODES: [u32; 16] = {
    let mut decodes = [0; 16];
    let mut n = 0;
    while n < decodes.len() {
        let (buffered, needs, halves) = (n as u32 >> 3, 1 + (n as u32 >> 2 & 1), n as u32 & 3);
        let whole = buffered + halves >= needs;
        let takes = if whole { needs } else { 0 };
        let from_head = takes.saturating_sub(buffered);
        let pops = takes >= buffered && halves > 0 && from_head + 1 >= halves;
        let keeps = if pops { from_head < halves } else { buffered > takes };
        decodes[n] = bits(whole, WHOLE)
            | bits(pops, POPS)
            | bits(keeps, 1 << KEEPS)
            | bits(from_head == 1, 1 << SECOND)
            | bits(buffered > 0 && (needs == 1 || halves == 0), BUFFERS);
        n += 1;
    }
    decodes
};
/// In an entry of [`DECODES`]: there is a whole instruction.
pub(super) const WHOLE: u32 = 1;
/// The queue's head goes.
pub(super) const POPS: u32 = 1 << 1;
/// Something is in the aligner afterwards; from this bit on.
pub(super) const KEEPS: u32 = 2;
/// One half of the queue's head is taken; from this bit on.
pub(super) const SECOND: u32 = 3;
/// The instruction's prediction is the aligner's.
pub(super) const BUFFERS: u32 = 1 << 4;
