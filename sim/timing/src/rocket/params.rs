//! The parameters of the Rocket model, in the order of the way from memory to the pipeline.

use super::{btb, fetch, walker};
use crate::params::params;
use crate::parts::tags::LINE_BYTES;

params! {
    parameters {
        l1i_sets: "sets" = 64, 1..=4096 power_of_two, "sets of the L1 instruction cache, selected by physical address", "LitexFullConfig, WithNBigCores: 16 KiB";
        l1i_ways: "ways" = 4, 1..=16 power_of_two, "ways of the L1 instruction cache", "LitexFullConfig, WithNBigCores: 16 KiB";
        l1d_sets: "sets" = 64, 1..=4096 power_of_two, "sets of the L1 data cache, selected by physical address", "LitexFullConfig, WithNBigCores: 16 KiB";
        l1d_ways: "ways" = 4, 1..=16 power_of_two, "ways of the L1 data cache", "LitexFullConfig, WithNBigCores: 16 KiB";
        itlb_sectors: "entries" = 8, 1..=32, "sectors of four pages in the instruction TLB", "TLB.scala, ICacheParams nTLBWays";
        itlb_superpages: "entries" = 4, 1..=32, "superpages in the instruction TLB", "TLB.scala, ICacheParams nTLBSuperpages";
        dtlb_sectors: "entries" = 8, 1..=32, "sectors of four pages in the data TLB", "TLB.scala, DCacheParams nTLBWays";
        dtlb_superpages: "entries" = 4, 1..=32, "superpages in the data TLB", "TLB.scala, DCacheParams nTLBSuperpages";
        memory_read_latency: "cycles" = 20, 1..=10_000, "address handshake at the memory port to the first 8-byte beat", "golden harness, +rlat";
        memory_write_latency: "cycles" = 20, 1..=10_000, "last beat at the memory port to the write response", "golden harness, +wlat";
        mmio_latency: "cycles" = 2, 1..=10_000, "address handshake at the MMIO port to the response", "golden harness, +mmiolat";
        l1i_probe: "cycles" = 3, 1..=1000, "L1I refill request to the probe of the L1D that the hub sends first", "TLBroadcast; measured: icache_jump_512lines";
        l1i_request: "cycles" = 4, 1..=1000, "L1D accepting that probe to the address handshake at the memory port", "measured: report path of core.elf";
        l1d_request: "cycles" = 2, 1..=1000, "L1D acquire to the address handshake at the memory port", "measured: seq_ld_use_64K_stride64";
        refill_return: "cycles" = 1, 0..=1000, "beat at the memory port to the same beat at the L1", "measured: icache_jump_512lines";
        refill_beats: "beats" = 8, 1..=64, "beats of a cache line at the memory port", "LitexFullConfig, 64-bit memory port";
        hub_request: "cycles" = 1, 1..=1000, "L1 acquire to the hub accepting it", "several harts; measured: hub trace";
        hub_probe: "cycles" = 2, 1..=1000, "hub accepting a request to its first probe at an L1D", "several harts; TLBroadcast.scala; measured: hub trace";
        probe_answer: "cycles" = 3, 1..=1000, "L1D taking a probe to its answer without data at the hub", "several harts; measured: hub trace";
        probe_data: "cycles" = 7, 1..=1000, "L1D taking a probe to the first beat of a dirty line at the memory port", "several harts; measured: hub trace";
        probe_dirty: "cycles" = 14, 1..=1000, "L1D taking a probe of a dirty line to its taking accesses again", "several harts; DCache.scala release_state";
        probe_grace: "cycles" = 8, 1..=1000, "last beat of a refill to the L1D taking probes again", "several harts; DCache.scala blockProbeAfterGrantCount";
        hub_release: "cycles" = 2, 0..=100, "last cycle in which the hub holds up requests for a line to the line's last beat at the L1", "several harts; measured: hub trace";
        reservation: "cycles" = 76, 1..=1000, "load-reserved to the last store-conditional that can succeed", "DCache.scala lrscCycles; measured: lr_nop_sc_local";
        writeback: "cycles" = 16, 1..=1000, "refusal of an access for a dirty victim until it is tried again", "DCache.scala release_state; measured: conflict16_ld_dirty_dep";
        redirect_load_int: "cycles" = 2, 1..=16, "issue of a word or doubleword load to the issue of its user", "RocketCore.scala id_ex_hazard";
        redirect_load_slow: "cycles" = 3, 1..=16, "the same for bytes, halfwords and store-conditional", "RocketCore.scala mem_reg_slow_bypass";
        late_result: "cycles" = 3, 1..=16, "issue to the issue of the user: CSR reads, floating point to integer", "RocketCore.scala mem_cannot_bypass";
        link_result: "cycles" = 2, 1..=16, "issue of jalr to the issue of the user of its link", "RocketCore.scala ex_cannot_bypass";
        fp_load: "cycles" = 4, 1..=16, "issue of a floating-point load to the issue of its user", "RocketCore.scala fp_data_hazard_wb";
        fma_single: "cycles" = 3, 1..=3, "pipeline of single-precision fma", "FPU.scala sfmaLatency";
        fma_double: "cycles" = 4, 2..=16, "pipeline of double-precision fma", "FPU.scala dfmaLatency";
        fp_short: "cycles" = 2, 1..=3, "pipeline of moves, comparisons and conversions that write a floating-point register", "FPU.scala fpmu, ifpu";
        fdiv_double: "cycles" = 55, 1..=1000, "double-precision division in the iterative unit, one less where the significand of the dividend is not below the divisor's", "DivSqrtRecFN_small; measured: fdiv_d_use";
        fsqrt_double: "cycles" = 54, 1..=1000, "double-precision square root in the iterative unit, one less where the exponent is odd", "measured: fsqrt_d_even_use";
        fdiv_single: "cycles" = 26, 1..=1000, "single-precision division in the iterative unit, less as for double", "measured: fdiv_s_use";
        fsqrt_single: "cycles" = 25, 1..=1000, "single-precision square root in the iterative unit, less as for double", "measured: fsqrt_s_even_use";
        fdiv_special: "cycles" = 1, 1..=1000, "division or square root of zeros, infinities and NaNs", "DivSqrtRecFN_small specialCase; measured: fdiv_d_zero_use";
        clint_read: "cycles" = 5, 1..=1000, "write-back of a CLINT load to its data", "measured: clint_mtime_ld_use";
        clint_write: "cycles" = 4, 1..=1000, "write-back of a CLINT store to its acknowledgement", "measured: clint_mtimecmp_sd";
        plic_read: "cycles" = 6, 1..=1000, "write-back of a PLIC load to its data", "measured: plic_prio_lw";
        plic_write: "cycles" = 5, 1..=1000, "write-back of a PLIC store to its acknowledgement", "measured: plic_prio_sw";
        clint_occupied: "cycles" = 1, 0..=1000, "an access to the CLINT to the next, of whatever hart", "measured: race_clint_ld";
        plic_occupied: "cycles" = 2, 0..=1000, "an access to the PLIC to the next, of whatever hart", "measured: plic_sw_prio";
        coprocessor_command: "cycles" = 1, 0..=1000, "write-back of an extension's instruction to its co-processor taking the command", "LazyRoCC.scala, command queue; not measured";
        coprocessor_read: "cycles" = 5, 1..=1000, "co-processor asking a device to its data", "as clint_read: the same bus; not measured";
        coprocessor_write: "cycles" = 4, 1..=1000, "co-processor writing to a device to the acknowledgement", "as clint_write: the same bus; not measured";
        coprocessor_response: "cycles" = 2, 0..=1000, "end of a command to the issue of the user of its result", "LazyRoCC.scala, response queue; not measured";
        rom_read: "cycles" = 5, 1..=1000, "write-back of a boot ROM load to its data", "measured: bootrom_ld";
        mmio_read: "cycles" = 6, 1..=1000, "write-back of an MMIO load to its data, without the device's latency", "measured: mmio_axi_ld";
        mmio_write: "cycles" = 4, 1..=1000, "write-back of an MMIO store to its acknowledgement, without the device's latency", "measured: mmio_axi_sd";
        interrupt_arrival: "cycles" = 4, 0..=1000, "write-back of the CLINT store that raises an interrupt to the decode stage seeing it", "measured: msip_irq_roundtrip";
        timer_arrival: "cycles" = 2, 0..=1000, "the cycle in which the timebase counts on to the decode stage seeing a timer's interrupt", "measured: race_clint_ld";
        external_arrival: "cycles" = 10, 0..=1000, "the same for an external interrupt, raised by a store to a device behind the MMIO port", "measured: plic_interrupt";
        mul_step: "bits" = 8, 1..=32 power_of_two, "bits of the multiplier that a cycle works off", "Multiplier.scala mulUnroll";
        div_step: "bits" = 1, 1..=32 power_of_two, "bits of the quotient that a cycle works out", "Multiplier.scala divUnroll";
    }
    fixed {
        line_bytes: "bytes" = LINE_BYTES, "line of both L1s", "LitexFullConfig";
        fetch_queue: "groups" = fetch::QUEUE, "fetch groups between fetch and decode", "Frontend.scala fq";
        btb_entries: "entries" = btb::BTB_ENTRIES, "branch target buffer", "BTB.scala nEntries";
        btb_pages: "entries" = btb::PAGES, "upper halves of addresses that the BTB's entries share", "BTB.scala nPages";
        bht_entries: "entries" = btb::BHT_ENTRIES, "one-bit counters of the branch history table", "BTB.scala BHTParams";
        history_bits: "bits" = btb::HISTORY_BITS, "global branch history", "BTB.scala BHTParams";
        ras_entries: "entries" = btb::RAS_ENTRIES, "return-address stack", "BTB.scala nRAS";
        pte_cache: "entries" = walker::PTE_CACHE, "upper-level entries that the page-table walker keeps", "PTW.scala nPTECacheEntries";
    }
}
