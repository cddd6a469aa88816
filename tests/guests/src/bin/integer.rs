//! Workload: integer code with short loops, calls and unpredictable branches (list, matrix, CRC, sort,
//! string search), with the working set in the first-level cache.
#![no_std]
#![no_main]

use core::hint::black_box;

use relsim_guests::{Random, only_hart_zero};

const ROUNDS: u32 = 12_000;

fn crc16(mut crc: u16, data: &[u8]) -> u16 {
    for &byte in data {
        crc ^= u16::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 };
        }
    }
    crc
}

fn list_walk(next: &[u16; 256], start: u16, steps: usize) -> u16 {
    let mut at = start;
    for _ in 0..steps {
        at = next[usize::from(at & 255)];
    }
    at
}

#[expect(clippy::needless_range_loop, reason = "rows and columns, as in the textbook")]
fn matrix(a: &[[i32; 12]; 12], b: &[[i32; 12]; 12]) -> i32 {
    let mut sum = 0i32;
    for i in 0..12 {
        for j in 0..12 {
            let mut cell = 0i32;
            for k in 0..12 {
                cell = cell.wrapping_add(a[i][k].wrapping_mul(b[k][j]));
            }
            sum = sum.wrapping_add(cell ^ (cell >> 3));
        }
    }
    sum
}

fn sort(data: &mut [u32]) {
    for i in 1..data.len() {
        let mut j = i;
        while j > 0 && data[j - 1] > data[j] {
            data.swap(j - 1, j);
            j -= 1;
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> usize {
    (0..=text.len() - word.len()).filter(|&at| &text[at..at + word.len()] == word).count()
}

#[unsafe(no_mangle)]
extern "C" fn guest_main(hart: usize) -> u64 {
    only_hart_zero(hart);
    let mut random = Random(7);
    let mut next = [0u16; 256];
    for (n, slot) in next.iter_mut().enumerate() {
        *slot = ((n * 167 + 13) & 255) as u16;
    }
    let mut a = [[0i32; 12]; 12];
    let mut text = [0u8; 512];
    for cell in a.iter_mut().flatten() {
        *cell = random.draw() as i32 >> 16;
    }
    for byte in &mut text {
        *byte = b'a' + (random.draw() % 3) as u8;
    }
    let mut check = 0u32;
    for round in 0..ROUNDS {
        let mut data = [0u32; 48];
        for slot in &mut data {
            *slot = random.draw();
        }
        sort(&mut data);
        check = check.wrapping_mul(31).wrapping_add(data[24]);
        check ^= u32::from(crc16(check as u16, black_box(&text[..128])));
        check = check.wrapping_add(u32::from(list_walk(black_box(&next), round as u16, 400)));
        check = check.wrapping_add(matrix(black_box(&a), black_box(&a)) as u32);
        check = check.wrapping_add(find(black_box(&text[..256]), b"abca") as u32);
    }
    u64::from(black_box(check) == 0)
}
