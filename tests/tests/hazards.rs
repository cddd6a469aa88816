//! Hazard programs: a few instructions each, one mechanism of the pipeline each, to the cycle.

use relsim_machine::Timing;
use relsim_tests::golden::{Row, hazard_reference, run_hazards};

/// Where the model takes something else than the RTL: program, cycles of the RTL, cycles of the model, mechanism.
const DIFFERENCES: &[(&str, u64, u64, &str)] = &[];

/// Where the RTL counts other instructions: `ecall` is one.
const COUNTED_OTHERWISE: &[&str] = &["ecall", "ecall_mret"];

#[test]
fn hazards_take_what_the_rtl_takes() {
    let (model, rtl) = (run_hazards(&[]), hazard_reference());
    let slower = run_hazards(&[("memory_read_latency", 21)]);
    assert_eq!((model.len(), slower.len()), (rtl.len(), rtl.len()));
    let mut wrong = Vec::new();
    for ((model, slower), (rtl, slower_rtl)) in model.iter().zip(&slower).zip(&rtl) {
        assert_eq!(model.name, rtl.name);
        let name = rtl.name.as_str();
        let known = DIFFERENCES.iter().find(|row| row.0 == name);
        match known {
            Some(row) if row.1 != rtl.cycles => wrong.push(format!("{name}: the RTL has {}", rtl.cycles)),
            Some(_) if model.cycles == rtl.cycles => {
                wrong.push(format!("{name}: as the RTL now: take it out"))
            }
            _ => {}
        }
        let expected = known.map_or(rtl.cycles, |row| row.2);
        if model.cycles != expected {
            wrong.push(format!("{name}: {} cycles, not {expected}", model.cycles));
        }
        let expected = known.map_or(*slower_rtl, |row| row.2 + slower_rtl - rtl.cycles);
        if slower.cycles != expected {
            wrong.push(format!("{name}: {} cycles, not {expected}, at a latency of 21", slower.cycles));
        }
        if (model.instret == rtl.instret) == COUNTED_OTHERWISE.contains(&name) {
            wrong.push(format!("{name}: {} instructions, the RTL {}", model.instret, rtl.instret));
        }
    }
    let names = DIFFERENCES.iter().map(|row| row.0).chain(COUNTED_OTHERWISE.iter().copied());
    wrong.extend(
        names.filter(|name| !model.iter().any(|row| row.name == *name)).map(|n| format!("{n}: no program")),
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// What a change of a parameter by one, or by the least that shows, changes: the parameter, its value, and by how
/// many cycles which programs.
type Effect = (&'static str, u64, &'static [(i64, &'static str)]);

#[rustfmt::skip]
const EFFECTS: &[Effect] = &[
    ("memory_read_latency", 21, &[
        (1, "fence_after_store_miss fence_after_load_miss fence_after_load_miss_dirty load_miss load_miss_alu \
            load_miss_last_word load_miss_twice load_miss_hit load_miss_dirty store_miss store_miss_dirty \
            amo_miss dtlb_miss_entry_miss dtlb_miss_entry_miss_dirty"),
        (2, "fence_i icache_miss_on_wrong_path lr_icache_miss fence_i_dirty_code"),
    ]),
    ("memory_read_latency", 22, &[
        (2, "fence_after_store_miss fence_after_load_miss fence_after_load_miss_dirty load_miss load_miss_alu \
            load_miss_last_word load_miss_twice load_miss_hit load_miss_dirty store_miss store_miss_dirty \
            amo_miss fence_i icache_miss_straight icache_miss_jump dtlb_miss_entry_miss \
            dtlb_miss_entry_miss_dirty lr_icache_miss"),
        (4, "icache_two_misses icache_miss_on_wrong_path fence_i_dirty_code"),
    ]),
    ("dtlb_sectors", 9, &[(-11, "dtlb_nine_sectors")]),
    ("mul_step", 16, &[
        (-4, "mul_long_use mul_negative_use mulh_use"),
        (-2, "mulw_long_use"),
        (-1, "mul_two_bytes_use"),
    ]),
    ("div_step", 2, &[
        (-32, "div_by_zero_use div_overflow_use divu_use"),
        (-23, "div_small_by_large_use"),
        (-9, "div_use div_negative_dividend_use div_negative_divisor_use div_negative_both_use divw_use rem_use \
            rem_negative_use"),
        (-4, "div_large_by_large_use"),
    ]),
    ("mmio_latency", 3, &[
        (1, "mmio_load_use mmio_store_load mmio_load_clint_load mmio_load_fence_hit mmio_store_fence_hit \
            plic_load_mmio_store_fence_hit"),
        (2, "mmio_load_fence_load mmio_store_fence_load plic_claim_complete"),
    ]),
    ("memory_write_latency", 22, &[(2, "fence_i_dirty_code")]),
    ("probe_data", 9, &[(2, "fence_i_dirty_code")]),
    ("reservation", 77, &[(-5, "sc_too_late"), (2, "lr_icache_miss")]),
    ("l1i_probe", 4, &[(2, "fence_i icache_miss_on_wrong_path fence_i_dirty_code")]),
    ("l1i_request", 5, &[(2, "fence_i icache_miss_on_wrong_path lr_icache_miss fence_i_dirty_code")]),
    ("l1d_request", 3, &[
        (1, "fence_after_store_miss fence_after_load_miss fence_after_load_miss_dirty load_miss load_miss_alu \
            load_miss_last_word load_miss_twice load_miss_hit load_miss_dirty store_miss store_miss_dirty \
            amo_miss dtlb_miss_entry_miss dtlb_miss_entry_miss_dirty"),
    ]),
    ("refill_return", 2, &[
        (1, "fence_after_store_miss fence_after_load_miss fence_after_load_miss_dirty load_miss load_miss_alu \
            load_miss_last_word load_miss_twice load_miss_hit load_miss_dirty store_miss store_miss_dirty \
            amo_miss dtlb_miss_entry_miss dtlb_miss_entry_miss_dirty"),
        (2, "fence_i icache_miss_on_wrong_path lr_icache_miss fence_i_dirty_code"),
    ]),
    ("writeback", 17, &[
        (1, "fence_after_load_miss_dirty load_miss_dirty store_miss_dirty dtlb_miss_entry_miss_dirty"),
    ]),
    ("redirect_load_int", 3, &[
        (1, "lw_use ld_use ld_gap_use ld_store_data branch_waits_for_load store_load_same store_load_other \
            store_gap1_load_same store_gap2_load_same store_load_other_half lr_sc amoadd_use fence_load \
            fence_after_store_load load_miss load_miss_last_word load_miss_twice load_miss_hit load_miss_dirty \
            amo_miss dtlb_hit dtlb_hit_in_sector dtlb_miss_in_sector dtlb_miss dtlb_miss_walk_from_root \
            dtlb_miss_superpage dtlb_miss_superpage_walk_from_root dtlb_miss_gigapage dtlb_miss_entry_miss \
            dtlb_miss_entry_miss_dirty dtlb_nine_sectors clint_load_fence_hit clint_store_fence_hit \
            plic_store_fence_hit mmio_load_fence_hit mmio_store_fence_hit plic_load_mmio_store_fence_hit"),
        (2, "ld_address"),
    ]),
    ("redirect_load_slow", 4, &[
        (1, "lb_use lhu_use lb_gap_use lr_sc sc_in_time sc_too_late sc_without_lr sc_after_load sc_after_lr \
            lr_icache_miss"),
    ]),
    ("late_result", 4, &[(1, "csrr_use csrr_gap2_use fcvt_l_d_use fmv_x_d_use feq_d_use ecall_mret")]),
    ("link_result", 3, &[(1, "jalr_link_use")]),
    ("fp_load", 5, &[(1, "fld_use fld_gap3_use flw_store")]),
    ("fma_single", 2, &[(-5, "fadd_d_fadd_s fadd_s_fsgnj_s"), (5, "fadd_d_gap_fadd_s")]),
    ("fma_double", 5, &[
        (-5, "fadd_d_gap_fsgnj_d fadd_d_fadd_s"),
        (1, "fadd_d_use fadd_d_gap3_use fmadd_d_use fmul_d_use fadd_d_frflags"),
        (5, "fadd_d_gap2_fsgnj_d fadd_d_gap_fadd_s"),
    ]),
    ("fp_short", 3, &[(-5, "fadd_d_gap_fsgnj_d fadd_s_fsgnj_s"), (5, "fadd_d_fsgnj_d")]),
    ("fdiv_double", 56, &[(1, "fdiv_d_use fdiv_d_larger_use"), (5, "fdiv_d_fadd_d")]),
    ("fsqrt_double", 55, &[(1, "fsqrt_d_use fsqrt_d_even_use")]),
    ("fdiv_single", 27, &[(1, "fdiv_s_larger_use fdiv_s_equal_use fdiv_s_use fadd_d_fdiv_s")]),
    ("fsqrt_single", 26, &[(1, "fsqrt_s_even_use fsqrt_s_use")]),
    ("fdiv_special", 2, &[(1, "fdiv_d_zero_use fdiv_d_by_zero_use")]),
    ("clint_read", 6, &[
        (1, "clint_load_use clint_store_load mmio_load_clint_load clint_load_fence_hit"),
        (2, "clint_load_load"),
    ]),
    ("clint_write", 5, &[(1, "clint_store_fence_hit")]),
    ("plic_read", 7, &[
        (1, "plic_load_use mmio_store_plic_load plic_load_mmio_store_fence_hit plic_claim_complete \
            plic_claim_use"),
        (2, "plic_load_load plic_claim_claim"),
    ]),
    ("plic_write", 6, &[(1, "plic_store_fence_hit"), (5, "plic_store_store")]),
    ("rom_read", 6, &[(1, "rom_load_use")]),
    ("mmio_read", 7, &[
        (1, "mmio_load_use mmio_store_load mmio_load_clint_load mmio_load_fence_hit mmio_store_fence_load \
            plic_claim_complete"),
        (2, "mmio_load_fence_load"),
    ]),
    ("mmio_write", 5, &[
        (1, "mmio_store_fence_hit plic_load_mmio_store_fence_hit mmio_store_fence_load plic_claim_complete"),
    ]),
    ("interrupt_arrival", 5, &[
        (1, "msip_interrupt_on_user msip_interrupt_outrun"),
        (2, "msip_interrupt mtip_interrupt"),
    ]),
    ("external_arrival", 11, &[(2, "plic_interrupt")]),
];

/// Parameters of cycles that change no program: devices are occupied for other harts, and there are neither several
/// harts nor co-processors here.
#[rustfmt::skip]
const WITHOUT_EFFECT: &[&str] = &[
    "clint_occupied", "plic_occupied",
    "hub_request", "hub_probe", "hub_release", "probe_answer", "probe_dirty", "probe_grace",
    "coprocessor_command", "coprocessor_read", "coprocessor_write", "coprocessor_response",
    "timer_arrival",
];

/// What `parameter` set to `value` changes, as [`EFFECTS`] says it.
fn effect(default: &[Row], parameter: &str, value: u64) -> Vec<(i64, String)> {
    let changed = run_hazards(&[(parameter, value)]);
    assert_eq!(changed.len(), default.len(), "{parameter}");
    let mut effect: Vec<(i64, String)> = Vec::new();
    for (now, then) in changed.iter().zip(default) {
        let difference = now.cycles as i64 - then.cycles as i64;
        match effect.iter_mut().find(|group| group.0 == difference) {
            _ if difference == 0 => {}
            Some((_, names)) => *names = format!("{names} {}", now.name),
            None => effect.push((difference, now.name.clone())),
        }
    }
    effect.sort();
    effect
}

#[test]
fn a_parameter_changes_the_programs_of_its_mechanism_and_no_others() {
    let default = run_hazards(&[]);
    let mut wrong = String::new();
    let mut try_out = |parameter, value, expected: &[(i64, &str)]| {
        let expected: Vec<_> = expected.iter().map(|(by, names)| (*by, names.to_string())).collect();
        let found = effect(&default, parameter, value);
        if found != expected {
            wrong += &format!("    (\"{parameter}\", {value}, &{found:?}),\n");
        }
    };
    for (parameter, value, expected) in EFFECTS {
        try_out(parameter, *value, expected);
    }
    let rocket = Timing::by_name("rocket").expect("a model");
    for parameter in rocket.model().parameters.iter().filter(|p| p.unit == "cycles") {
        if !EFFECTS.iter().any(|row| row.0 == parameter.name) {
            let more = parameter.default + 1;
            try_out(parameter.name, if more > parameter.max { parameter.default - 1 } else { more }, &[]);
            let known = WITHOUT_EFFECT.contains(&parameter.name);
            assert!(known, "{} stands in no table", parameter.name);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    for name in WITHOUT_EFFECT {
        let known = rocket.model().parameters.iter().any(|p| p.name == *name);
        assert!(
            known && !EFFECTS.iter().any(|row| row.0 == *name),
            "{name} stands in both tables, or is none"
        );
    }
}
