//! Workload: memory. A pointer chase over 8 MiB in random order, then streams over 16 MiB.
#![no_std]
#![no_main]

use core::hint::black_box;

use relsim_guests::{Random, only_hart_zero};

const NODES: usize = 1 << 17;
const WORDS: usize = 1 << 21;

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Node {
    next: u32,
    payload: [u32; 15],
}

static mut CHASE: [Node; NODES] = [Node { next: 0, payload: [0; 15] }; NODES];
static mut STREAM: [u64; WORDS] = [0; WORDS];

#[unsafe(no_mangle)]
extern "C" fn guest_main(hart: usize) -> u64 {
    only_hart_zero(hart);
    // SAFETY: only hart 0 comes here, once.
    let (chase, stream) =
        unsafe { (&mut *core::ptr::addr_of_mut!(CHASE), &mut *core::ptr::addr_of_mut!(STREAM)) };
    // One cycle through all nodes (Sattolo's shuffle).
    let mut random = Random(3);
    for (n, node) in chase.iter_mut().enumerate() {
        node.next = n as u32;
    }
    for n in (1..NODES).rev() {
        let other = random.draw() as usize % n;
        let saved = chase[n].next;
        chase[n].next = chase[other].next;
        chase[other].next = saved;
    }
    let (mut at, mut sum) = (0usize, 0u64);
    for _ in 0..24 * NODES {
        let node = &mut chase[at & (NODES - 1)];
        sum = sum.wrapping_add(u64::from(node.payload[3]));
        node.payload[3] = sum as u32 | 1;
        at = node.next as usize;
    }
    for round in 0..6u64 {
        for (n, word) in stream.iter_mut().enumerate() {
            *word = word.wrapping_add(n as u64 ^ round);
        }
        sum = sum.wrapping_add(black_box(&*stream).iter().fold(0u64, |s, w| s.wrapping_add(*w)));
    }
    u64::from(black_box(sum) == 0)
}
