//! Workload: floating point. An n-body step with square roots and divisions, a matrix product and a
//! polynomial with fused multiply-adds.
#![no_std]
#![no_main]

use core::arch::asm;
use core::hint::black_box;

use relsim_guests::only_hart_zero;

const BODIES: usize = 8;
const STEPS: usize = 12_000;

fn sqrt(x: f64) -> f64 {
    let root;
    // SAFETY: one instruction on registers.
    unsafe { asm!("fsqrt.d {}, {}", out(freg) root, in(freg) x) };
    root
}

fn fma(a: f64, b: f64, c: f64) -> f64 {
    let result;
    // SAFETY: one instruction on registers.
    unsafe { asm!("fmadd.d {}, {}, {}, {}", out(freg) result, in(freg) a, in(freg) b, in(freg) c) };
    result
}

fn step(position: &mut [[f64; 3]; BODIES], velocity: &mut [[f64; 3]; BODIES]) {
    for i in 0..BODIES {
        let mut force = [0.0; 3];
        for j in 0..BODIES {
            if i == j {
                continue;
            }
            let d = [0, 1, 2].map(|k| position[j][k] - position[i][k]);
            let r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2] + 0.01;
            let scale = 1.0 / (r2 * sqrt(r2));
            for k in 0..3 {
                force[k] = fma(d[k], scale, force[k]);
            }
        }
        for k in 0..3 {
            velocity[i][k] = fma(force[k], 0.001, velocity[i][k]);
        }
    }
    for i in 0..BODIES {
        for k in 0..3 {
            position[i][k] = fma(velocity[i][k], 0.001, position[i][k]);
        }
    }
}

#[expect(clippy::needless_range_loop, reason = "rows and columns, as in the textbook")]
fn product(a: &[[f64; 16]; 16], b: &[[f64; 16]; 16]) -> f64 {
    let mut trace = 0.0;
    for i in 0..16 {
        for j in 0..16 {
            let mut cell = 0.0;
            for k in 0..16 {
                cell += a[i][k] * b[k][j];
            }
            trace += if i == j { cell } else { -0.001 * cell };
        }
    }
    trace
}

fn polynomial(x: f32) -> f32 {
    [0.5f32, -0.25, 0.125, 0.75, -1.5, 0.3].iter().fold(0.1, |sum, c| sum * x + c)
}

#[unsafe(no_mangle)]
extern "C" fn guest_main(hart: usize) -> u64 {
    only_hart_zero(hart);
    let mut position = [[0.0; 3]; BODIES];
    let mut velocity = [[0.0; 3]; BODIES];
    for (n, body) in position.iter_mut().enumerate() {
        *body = [n as f64, (n * n % 5) as f64 * 0.7, (n % 3) as f64 * 1.3];
    }
    let mut a = [[0.0; 16]; 16];
    for (n, cell) in a.iter_mut().flatten().enumerate() {
        *cell = (n % 17) as f64 * 0.25 - 1.0;
    }
    let (mut total, mut single) = (0.0, 0.0f32);
    for n in 0..STEPS {
        step(&mut position, &mut velocity);
        if n % 4 == 0 {
            total += product(black_box(&a), black_box(&a));
        }
        for m in 0..32 {
            single += polynomial(black_box(m as f32 * 0.03));
        }
    }
    let check = total + f64::from(single) + position[0][0];
    u64::from(!black_box(check).is_finite())
}
