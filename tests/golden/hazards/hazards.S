# Hazard programs: a few instructions each, one mechanism of the pipeline each. What stands between begin and end is
# measured, after eleven runs that warm up caches and predictors; what stands before prepares it. In the run that
# counts a0 is 1, in those before 0.

  .option norvc
  .option norelax

  .macro program name
  .pushsection .rodata
text_\name:
  .asciz "\name"
  .popsection
  .pushsection .table, "a"
  .dword text_\name, run_\name
  .popsection
  .balign 64
run_\name:
  .endm

  .macro begin cycle=mcycle, instret=minstret
  .balign 64
  fence
  csrr s0, \instret
  csrr s1, \cycle
  .endm

  .macro end
  csrr s2, mcycle
  csrr s3, minstret
  jr s10
  .endm

  .macro nops count
  .rept \count
  nop
  .endr
  .endm

# Forgets all branch targets: more jumps than the BTB has entries.
  .macro forget_targets
  .rept 32
  j . + 8
  nop
  .endr
  .endm

# Uses every line of set 32 of the L1D many times over, whatever is in there: \what is a load or a store.
  .macro fill_set what
  li t0, 0x80100800
  li t1, 4096
  .rept 24
  \what x0, 0(t0)
  add t0, t0, t1
  .endr
  .endm

# Loads and stores in M mode go through Sv39.
  .macro translate
  csrw satp, s5
  sfence.vma
  li t0, 0x1800
  csrc mstatus, t0
  li t0, 0x20800
  csrs mstatus, t0
  .endm

  .macro translate_no_more
  li t0, 0x20000
  csrc mstatus, t0
  csrw satp, x0
  sfence.vma
  .endm

# Goes on in S mode under Sv39; what traps, such as ecall, ends it.
  .macro supervisor
  la t0, leave
  csrw mtvec, t0
  csrw satp, s5
  sfence.vma
  la t0, 1f
  csrw mepc, t0
  li t0, 0x1800
  csrc mstatus, t0
  li t0, 0x800
  csrs mstatus, t0
  mret
1:
  .endm

  .macro end_in_supervisor
  csrr s2, cycle
  csrr s3, instret
  ecall
  .endm

# Enables the machine interrupts \mask, with their handler at \label.
  .macro interrupts mask, label
  la t0, \label
  csrw mtvec, t0
  li t0, \mask
  csrw mie, t0
  csrsi mstatus, 8
  .endm

  .macro no_interrupts
  csrw mie, x0
  la t0, unexpected
  csrw mtvec, t0
  .endm

  .text
  .balign 64
leave:
  csrw satp, x0
  sfence.vma
  la t0, unexpected
  csrw mtvec, t0
  jr s10

# ---------------------------------------------------------------------------------------------- results and their users

  program nothing
  begin
  end

  program alu_use
  begin
  addi t0, t0, 1
  addi t0, t0, 1
  end

  program lw_use
  begin
  lw t0, 0(s4)
  add t1, t0, t0
  end

  program ld_use
  begin
  ld t0, 0(s4)
  add t1, t0, t0
  end

  program ld_gap_use
  begin
  ld t0, 0(s4)
  nop
  add t1, t0, t0
  end

  program lb_use
  begin
  lb t0, 0(s4)
  add t1, t0, t0
  end

  program lhu_use
  begin
  lhu t0, 0(s4)
  add t1, t0, t0
  end

  program lb_gap_use
  begin
  lb t0, 0(s4)
  nop
  add t1, t0, t0
  end

  program ld_store_data
  begin
  ld t0, 0(s4)
  sd t0, 64(s4)
  end

  program ld_address
  sd s4, 8(s4)
  begin
  ld t0, 8(s4)
  ld t1, 64(t0)
  add t1, t1, t1
  end

  program csrr_use
  begin
  csrr t0, mscratch
  add t1, t0, t0
  end

  program csrr_gap2_use
  begin
  csrr t0, mscratch
  nop
  nop
  add t1, t0, t0
  end

# ------------------------------------------------------------------------------------------ multiplication and division

  program mul_use
  li t0, 3
  begin
  mul t1, t0, t0
  add t2, t1, t1
  end

  program mul_two_bytes_use
  li t0, 0x1234
  begin
  mul t1, t0, t0
  add t2, t1, t1
  end

  program mul_long_use
  li t0, 0x123456789abcdef1
  begin
  mul t1, t0, t0
  add t2, t1, t1
  end

  program mul_negative_use
  li t0, -3
  begin
  mul t1, t0, t0
  add t2, t1, t1
  end

  program mulh_use
  li t0, 3
  begin
  mulh t1, t0, t0
  add t2, t1, t1
  end

  program mulw_use
  li t0, 3
  begin
  mulw t1, t0, t0
  add t2, t1, t1
  end

  program mulw_long_use
  li t0, 0x123456789abcdef1
  begin
  mulw t1, t0, t0
  add t2, t1, t1
  end

  program mul_mul
  li t0, 3
  begin
  mul t1, t0, t0
  mul t2, t0, t0
  add t2, t2, t2
  end

# The product waits for a write-back that writes no register: stores let it through, what writes does not.
  program mul_alu8_use
  li t0, 3
  begin
  mul t1, t0, t0
  .rept 8
  addi t2, t2, 1
  .endr
  add t1, t1, t1
  end

  program mul_store8_use
  li t0, 3
  begin
  mul t1, t0, t0
  .rept 8
  sd t2, 0(s4)
  .endr
  add t1, t1, t1
  end

  program mul_alu4_store_use
  li t0, 3
  begin
  mul t1, t0, t0
  .rept 4
  addi t2, t2, 1
  .endr
  sd t2, 0(s4)
  add t1, t1, t1
  end

  .macro divides name, operation, dividend, divisor
  program \name
  li t0, \dividend
  li t1, \divisor
  begin
  \operation t2, t0, t1
  add t3, t2, t2
  end
  .endm

  divides div_use, div, 1000000, 7
  divides div_large_by_large_use, div, 0x123456789abcdef1, 0x123456789abcde
  divides div_small_by_large_use, div, 7, 1000000
  divides div_negative_dividend_use, div, -1000000, 7
  divides div_negative_divisor_use, div, 1000000, -7
  divides div_negative_both_use, div, -1000000, -7
  divides div_by_zero_use, div, 1000000, 0
  divides div_overflow_use, div, -0x8000000000000000, -1
  divides divu_use, divu, -1, 3
  divides divw_use, divw, 1000000, 7
  divides rem_use, rem, 1000000, 7
  divides rem_negative_use, rem, -1000000, 7

# ----------------------------------------------------------------------------------------------------- control transfer

  program branch_not_taken
  begin
  bnez x0, 1f
  nop
1:
  nop
  end

  program branch_taken
  begin
  beqz x0, 1f
  nop
1:
  nop
  end

  program branch_mispredicted_taken
  begin
  bnez a0, 1f
  nop
  nop
1:
  nop
  end

  program branch_mispredicted_not_taken
  begin
  beqz a0, 1f
  nop
  nop
1:
  nop
  end

  program branch_waits_for_load
  begin
  ld t0, 0(s4)
  bnez t0, 1f
1:
  nop
  end

  program jal_known
  begin
  j 1f
  nop
  nop
1:
  nop
  end

  program jal_unknown
  forget_targets
  begin
  j 1f
  nop
  nop
1:
  nop
  end

  program branch_taken_unknown
  forget_targets
  begin
  beqz x0, 1f
  nop
  nop
1:
  nop
  end

# A mispredicted jump that is not in the branch target buffer takes the first place there, so that of several jumps none
# stays: this one is made some times over, with the other places taken.
  program jalr_known
  la t0, 1f
  forget_targets
  li t6, 4
2:
  begin
  jr t0
  nops 6
1:
  nop
  csrr s2, mcycle
  csrr s3, minstret
  addi t6, t6, -1
  beqz t6, 3f
  j 2b
3:
  jr s10

  program jalr_unknown
  la t0, 1f
  forget_targets
  begin
  jr t0
  nops 6
1:
  nop
  end

  program jalr_new_target
  la t0, 1f
  slli t1, a0, 3
  add t0, t0, t1
  begin
  jr t0
  nops 6
1:
  nop
  nop
  nop
  end

  program jalr_link_use
  la t0, 1f
  forget_targets
  li t6, 4
2:
  begin
  jalr t1, 0(t0)
1:
  add t2, t1, t1
  csrr s2, mcycle
  csrr s3, minstret
  addi t6, t6, -1
  beqz t6, 3f
  j 2b
3:
  jr s10

  program jal_link_use
  begin
  jal t1, 1f
1:
  add t2, t1, t1
  end

  .balign 64
returns:
  ret
  .balign 64
returns_later:
  nop
  ret

  program call_return
  begin
  jal ra, returns_later
  nop
  end

  program call_return_at_once
  jal ra, returns_later
  nop
  begin
  jal ra, returns
  nop
  end

# Seven calls deep, the first address has left the return-address stack of six entries. The call before is from
# elsewhere, so that the branch target buffer knows another way back.
  .macro calls depth
  .balign 64
calls_\depth:
  sd ra, 64 + 8 * \depth(s4)
  .endm
  .irp depth, 1, 2, 3, 4, 5, 6
  calls \depth
  jal ra, calls_next_\depth
  ld ra, 64 + 8 * \depth(s4)
  nop
  nop
  ret
  .endr
  calls 7
  nop
  nop
  nop
  ret
  .equ calls_next_1, calls_2
  .equ calls_next_2, calls_3
  .equ calls_next_3, calls_4
  .equ calls_next_4, calls_5
  .equ calls_next_5, calls_6
  .equ calls_next_6, calls_7

  program calls_six_deep
  jal ra, calls_2
  nop
  begin
  jal ra, calls_2
  nop
  end

  program calls_seven_deep
  jal ra, calls_1
  nop
  begin
  jal ra, calls_1
  nop
  end

  program target_in_one_group
  begin
  j 1f
  nop
  nop
1:
  addi t0, t0, 100
  nop
  end

  program target_in_two_groups
  begin
  j 1f
  nop
  .option rvc
  c.nop
  .option norvc
1:
  addi t0, t0, 100
  .option rvc
  c.nop
  .option norvc
  nop
  end

  program straight_across_groups
  begin
  .option rvc
  c.nop
  .option norvc
  addi t0, t0, 100
  addi t1, t1, 100
  addi t2, t2, 100
  .option rvc
  c.nop
  .option norvc
  end

# --------------------------------------------------------------------------------------------------------------- memory

  program store_load_same
  begin
  sd t0, 64(s4)
  ld t1, 64(s4)
  add t1, t1, t1
  end

  program store_load_other
  begin
  sd t0, 64(s4)
  ld t1, 72(s4)
  add t1, t1, t1
  end

  program store_gap1_load_same
  begin
  sd t0, 64(s4)
  nop
  ld t1, 64(s4)
  add t1, t1, t1
  end

  program store_gap2_load_same
  begin
  sd t0, 64(s4)
  nop
  nop
  ld t1, 64(s4)
  add t1, t1, t1
  end

  program store_load_other_half
  begin
  sw t0, 64(s4)
  lw t1, 68(s4)
  add t1, t1, t1
  end

  program lr_sc
  addi t2, s4, 128
  begin
  lr.d t0, (t2)
  sc.d t1, t0, (t2)
  add t1, t1, t1
  end

# The same once when the reservation holds, and once when it has ended a cycle before.
  .macro reserved name, count
  program \name
  addi t2, s4, 128
  begin
  lr.d t0, (t2)
  nops \count
  sc.d t1, t0, (t2)
  beqz t1, 1f
  csrwi mie, 0
1:
  nop
  end
  .endm

  reserved sc_in_time, 75
  reserved sc_too_late, 76

  program sc_without_lr
  addi t2, s4, 128
  sc.d t1, t0, (t2)
  begin
  sc.d t1, t0, (t2)
  add t1, t1, t1
  end

  program amoadd_use
  addi t2, s4, 128
  begin
  amoadd.d t0, t1, (t2)
  add t0, t0, t0
  end

  program amoswap_word
  addi t2, s4, 128
  begin
  amoswap.w t0, t1, (t2)
  nop
  end

  program fence_idle
  begin
  fence
  nop
  end

  program fence_after_store
  begin
  sd t0, 64(s4)
  fence
  nop
  end

  program fence_after_store_miss
  fill_set ld
  begin
  sd t0, 0(t0)
  fence
  nop
  end

  program fence_after_load_miss
  fill_set ld
  begin
  ld t2, 0(t0)
  fence
  nop
  end

  program fence_after_load_miss_dirty
  fill_set sd
  begin
  ld t2, 0(t0)
  fence
  nop
  end

  program fence_load
  begin
  fence
  ld t2, 0(s4)
  add t2, t2, t2
  end

  program fence_after_store_load
  begin
  sd t2, 64(s4)
  fence
  ld t2, 0(s4)
  add t2, t2, t2
  end

  program load_miss
  fill_set ld
  begin
  ld t2, 0(t0)
  add t2, t2, t2
  end

  program load_miss_alu
  fill_set ld
  begin
  ld t2, 0(t0)
  nops 8
  end

  program load_miss_last_word
  fill_set ld
  begin
  ld t2, 56(t0)
  add t2, t2, t2
  end

  program load_miss_twice
  fill_set ld
  begin
  ld t2, 0(t0)
  ld t3, 64(t0)
  add t3, t3, t3
  end

  program load_miss_hit
  fill_set ld
  ld t2, 0(s4)
  begin
  ld t2, 0(t0)
  ld t3, 0(s4)
  add t3, t3, t3
  end

  program load_miss_dirty
  fill_set sd
  begin
  ld t2, 0(t0)
  add t2, t2, t2
  end

  program store_miss
  fill_set ld
  begin
  sd t2, 0(t0)
  nops 4
  end

  program store_miss_dirty
  fill_set sd
  begin
  sd t2, 0(t0)
  nops 4
  end

  program amo_miss
  fill_set ld
  begin
  amoadd.d t2, t1, (t0)
  add t2, t2, t2
  end

# ------------------------------------------------------------------------------------------------------- floating point

  .macro floats name, first, second, gap=0
  program \name
  li t0, 5
  begin
  \first
  nops \gap
  \second
  end
  .endm

# 3 and 7: the quotient of the significands is below 1 one way round and above it the other, and the exponent of 3 is
# odd. What is used last is a store, whose data is asked for at its issue.
  floats fadd_d_use, "fadd.d ft0, ft1, ft2", "fsd ft0, 0(s4)"
  floats fadd_s_use, "fadd.s fa0, fa1, fa2", "fsw fa0, 0(s4)"
  floats fadd_d_gap3_use, "fadd.d ft0, ft1, ft2", "fsd ft0, 0(s4)", 3
  floats fmadd_d_use, "fmadd.d ft0, ft1, ft2, ft1", "fadd.d ft3, ft0, ft1"
  floats fmadd_s_use, "fmadd.s fa0, fa1, fa2, fa1", "fadd.s fa3, fa0, fa1"
  floats fmul_d_use, "fmul.d ft0, ft1, ft2", "fadd.d ft3, ft0, ft1"
  floats fadd_d_independent, "fadd.d ft0, ft1, ft2", "fadd.d ft3, ft1, ft2"
  floats fsgnj_d_use, "fsgnj.d ft0, ft1, ft2", "fadd.d ft3, ft0, ft1"
  floats fcvt_d_l_use, "fcvt.d.l ft0, t0", "fadd.d ft3, ft0, ft1"
  floats fmv_d_x_use, "fmv.d.x ft0, t0", "fadd.d ft3, ft0, ft1"
  floats fld_use, "fld ft0, 0(s4)", "fadd.d ft3, ft0, ft1"
  floats fld_gap3_use, "fld ft0, 0(s4)", "fadd.d ft3, ft0, ft1", 3
  floats flw_store, "flw fa0, 0(s4)", "fsw fa0, 8(s4)"
  floats fcvt_l_d_use, "fcvt.l.d t0, ft1", "add t1, t0, t0"
  floats fmv_x_d_use, "fmv.x.d t0, ft1", "add t1, t0, t0"
  floats feq_d_use, "feq.d t0, ft1, ft2", "add t1, t0, t0"
  floats fdiv_d_use, "fdiv.d ft0, ft1, ft2", "fsd ft0, 0(s4)"
  floats fdiv_d_larger_use, "fdiv.d ft0, ft2, ft1", "fsd ft0, 0(s4)"
  floats fdiv_s_larger_use, "fdiv.s fa0, fa2, fa1", "fsw fa0, 0(s4)"
  floats fdiv_s_equal_use, "fdiv.s fa0, fa1, fa1", "fsw fa0, 0(s4)"
  floats fdiv_s_use, "fdiv.s fa0, fa1, fa2", "fsw fa0, 0(s4)"
  floats fsqrt_d_use, "fsqrt.d ft0, ft1", "fsd ft0, 0(s4)"
  floats fsqrt_d_even_use, "fsqrt.d ft0, ft2", "fsd ft0, 0(s4)"
  floats fsqrt_s_even_use, "fsqrt.s fa0, fa2", "fsw fa0, 0(s4)"
  floats fsqrt_s_use, "fsqrt.s fa0, fa1", "fsw fa0, 0(s4)"
  floats fdiv_d_zero_use, "fdiv.d ft0, ft8, ft1", "fsd ft0, 0(s4)"
  floats fdiv_d_by_zero_use, "fdiv.d ft0, ft1, ft8", "fsd ft0, 0(s4)"
# The divider keeps the write port, or the port keeps what is divided waiting.
  floats fdiv_d_fadd_d, "fdiv.d ft0, ft1, ft2", "fadd.d ft3, ft1, ft2"
  floats fadd_d_fdiv_s, "fadd.d ft0, ft1, ft2", "fdiv.s fa0, fa1, fa2; fsw fa0, 0(s4)"
  floats fdiv_s_alu, "fdiv.s fa0, fa1, fa2", "fsd ft1, 0(s4)", 8
# Two results for one write port in the same cycle, and next to it.
  floats fadd_d_fsgnj_d, "fadd.d ft0, ft1, ft2", "fsgnj.d ft3, ft1, ft2"
  floats fadd_d_gap_fsgnj_d, "fadd.d ft0, ft1, ft2", "fsgnj.d ft3, ft1, ft2", 1
  floats fadd_d_gap2_fsgnj_d, "fadd.d ft0, ft1, ft2", "fsgnj.d ft3, ft1, ft2", 2
  floats fadd_d_fadd_s, "fadd.d ft0, ft1, ft2", "fadd.s fa3, fa1, fa2"
  floats fadd_d_gap_fadd_s, "fadd.d ft0, ft1, ft2", "fadd.s fa3, fa1, fa2", 1
  floats fadd_s_fsgnj_s, "fadd.s fa0, fa1, fa2", "fsgnj.s fa3, fa1, fa2"
  floats fadd_d_frflags, "fadd.d ft0, ft1, ft2", "frflags t0"
  floats feq_d_frflags, "feq.d t0, ft1, ft2", "frflags t1"

# --------------------------------------------------------------------------------------- CSRs, traps and their handlers

  .macro writes name, csr
  program \name
  csrr t0, \csr
  begin
  csrw \csr, t0
  nop
  end
  .endm

  writes csrw_mscratch, mscratch
  writes csrw_mepc, mepc
  writes csrw_mcause, mcause
  writes csrw_mtval, mtval
  writes csrw_sscratch, sscratch
  writes csrw_sepc, sepc
  writes csrw_mstatus, mstatus
  writes csrw_mtvec, mtvec
  writes csrw_mie, mie
  writes csrw_fcsr, fcsr
  writes csrw_satp, satp
  writes csrw_medeleg, medeleg
  writes csrw_pmpaddr, pmpaddr1
  writes csrw_mcounteren, mcounteren

  program csrr_mstatus
  begin
  csrr t0, mstatus
  nop
  end

  program fence_i
  begin
  fence.i
  nop
  end

  program ecall
  la t0, 1f
  csrw mtvec, t0
  begin
  ecall
  nops 3
1:
  csrr s2, mcycle
  csrr s3, minstret
  la t0, unexpected
  csrw mtvec, t0
  jr s10

  program illegal_instruction
  la t0, 1f
  csrw mtvec, t0
  begin
  .word 0xffffffff
  nops 3
1:
  csrr s2, mcycle
  csrr s3, minstret
  la t0, unexpected
  csrw mtvec, t0
  jr s10

  program misaligned_load
  la t0, 1f
  csrw mtvec, t0
  begin
  ld t0, 1(s4)
  nops 3
1:
  csrr s2, mcycle
  csrr s3, minstret
  la t0, unexpected
  csrw mtvec, t0
  jr s10

  .balign 64
returns_behind:
  csrr t1, mepc
  addi t1, t1, 4
  csrw mepc, t1
  mret

  program ecall_mret
  la t0, returns_behind
  csrw mtvec, t0
  begin
  ecall
  nop
  csrr s2, mcycle
  csrr s3, minstret
  la t0, unexpected
  csrw mtvec, t0
  jr s10

  program mret
  la t0, 1f
  csrw mepc, t0
  li t0, 0x1800
  csrs mstatus, t0
  begin
  mret
  nops 3
1:
  nop
  end

  program wfi_pending
  csrci mstatus, 8
  li t0, 0x2000000
  li t1, 1
  sw t1, 0(t0)
  lw t1, 0(t0)
  li t1, 8
  csrw mie, t1
  begin
  wfi
  nop
  csrr s2, mcycle
  csrr s3, minstret
  csrw mie, x0
  sw x0, 0(t0)
  lw t1, 0(t0)
  jr s10

# ---------------------------------------------------------------------------------------------------- instruction cache

  program icache_miss_straight
  fence.i
  begin
  nops 13
  end

  program icache_miss_jump
  fence.i
  begin
  j 1f
  .balign 64
  nops 16
1:
  end

  program icache_two_misses
  fence.i
  begin
  nops 13 + 16
  end

# Behind the branch, which is not taken until it counts, fetch runs into a line that is not there.
  program icache_miss_on_wrong_path
  fence.i
  j 1f
  .balign 64
2:
  end
  .balign 64
1:
  begin
  nops 12
  bnez a0, 2b
  end

# ---------------------------------------------------------------------------------------------------------- translation

# Pages of 4 KiB at 0x4001_0000 to 0x4001_4000: the first four in one sector of the TLB, the last in another, all of their
# entries in one line.
  .macro translated name, address, before=0
  program \name
  translate
  li t0, \before
  .if \before
  ld t1, 0(t0)
  .endif
  li t0, \address
  begin
  ld t1, 0(t0)
  add t1, t1, t1
  csrr s2, mcycle
  csrr s3, minstret
  translate_no_more
  jr s10
  .endm

  translated dtlb_hit, 0x40010c00, 0x40010c00
  translated dtlb_hit_in_sector, 0x40011c40, 0x40011c40
  translated dtlb_miss_in_sector, 0x40011c40, 0x40010c00
  translated dtlb_miss, 0x40014c80, 0x40010c00
  translated dtlb_miss_walk_from_root, 0x40014c80
  translated dtlb_miss_superpage, 0x40210cc0, 0x40010c00
  translated dtlb_miss_superpage_walk_from_root, 0x40210cc0
  translated dtlb_miss_gigapage, 0x80010d00

  program dtlb_store_miss
  translate
  li t0, 0x40010c00
  ld t1, 0(t0)
  li t0, 0x40014c80
  begin
  sd x0, 0(t0)
  nop
  csrr s2, mcycle
  csrr s3, minstret
  translate_no_more
  jr s10

# The entry of the page has left the L1D: it lies in set 32.
  .macro entry_missed name, what
  program \name
  fill_set \what
  translate
  li t0, 0x40010c00
  ld t1, 0(t0)
  li t0, 0x40100c00
  begin
  ld t1, 0(t0)
  add t1, t1, t1
  csrr s2, mcycle
  csrr s3, minstret
  translate_no_more
  jr s10
  .endm

  entry_missed dtlb_miss_entry_miss, ld
  entry_missed dtlb_miss_entry_miss_dirty, sd

# The first of nine sectors again.
  program dtlb_nine_sectors
  translate
  li t0, 0x40010d00
  li t1, 0x4000 + 64
  .rept 9
  ld t2, 0(t0)
  add t0, t0, t1
  .endr
  li t0, 0x40010d00
  begin
  ld t1, 0(t0)
  add t1, t1, t1
  csrr s2, mcycle
  csrr s3, minstret
  translate_no_more
  jr s10

# Jumps in S mode to where the same code is mapped once more, \less below, once the walker has seen \before.
  .macro fetched name, less, before=0, visits=0, forgets=0
  program \name
  supervisor
  li t0, \before
  .if \before
  ld t1, 0(t0)
  .endif
  la t0, 2f
  li t1, \less
  sub t0, t0, t1
  .if \visits
  la t2, 1f
  addi t1, t0, -4
  jr t1
  .balign 64
  nop
  nop
  .endif
1:
  .if \forgets
  forget_targets
  .endif
  begin cycle, instret
  jr t0
  .balign 64
  jr t2
2:
  end_in_supervisor
  .endm

  fetched jump_gigapage, 0
  fetched itlb_hit, 0x40000000, 0x40010c00, 1
  fetched itlb_miss, 0x40000000, 0x40010c00
  fetched itlb_miss_target_unknown, 0x40000000, 0x40010c00, 0, 1
  fetched itlb_miss_walk_from_root, 0x40000000
  fetched itlb_miss_superpage, 0x3fe00000, 0x40010c00

  program sfence_vma
  begin
  sfence.vma
  nop
  end

  program sfence_vma_address
  begin
  sfence.vma s4, x0
  nop
  end

  program sfence_vma_supervisor
  supervisor
  begin cycle, instret
  sfence.vma
  nop
  end_in_supervisor

  program csrw_satp_supervisor
  supervisor
  begin cycle, instret
  csrw satp, s5
  nop
  end_in_supervisor

# ------------------------------------------------------------------------------------------------ devices and interrupts

  .macro device name, address, first, second=nop
  program \name
  li t0, \address
  li t1, -1
  begin
  \first
  \second
  end
  .endm

  device clint_load_use, 0x200bff8, "ld t1, 0(t0)", "add t1, t1, t1"
  device clint_load_load, 0x200bff8, "ld t1, 0(t0)", "ld t1, 0(t0); add t1, t1, t1"
  device clint_store, 0x2004000, "sd t1, 0(t0)"
  device clint_store_store, 0x2004000, "sd t1, 0(t0)", "sd t1, 0(t0); nop"
  device clint_store_fence, 0x2004000, "sd t1, 0(t0)", "fence; nop"
  device clint_store_load, 0x2004000, "sd t1, 0(t0)", "ld t1, 0(t0); add t1, t1, t1"
  device plic_load_use, 0xc000004, "lw t1, 0(t0)", "add t1, t1, t1"
  device plic_load_load, 0xc000004, "lw t1, 0(t0)", "lw t1, 0(t0); add t1, t1, t1"
  device plic_store_store, 0xc000004, "sw x0, 0(t0)", "sw x0, 0(t0); nop"
  device plic_store_fence, 0xc000004, "sw x0, 0(t0)", "fence; nop"
  device rom_load_use, 0x10000, "ld t1, 0(t0)", "add t1, t1, t1"
  device mmio_load_use, 0x10000000, "ld t1, 0(t0)", "add t1, t1, t1"
  device mmio_store_store, 0x10003000, "sd x0, 0(t0)", "sd x0, 0(t0); nop"
  device mmio_store_fence, 0x10003000, "sd x0, 0(t0)", "fence; nop"

  device mmio_store_load, 0x10003000, "sd x0, 0(t0)", "ld t1, 0(t0); add t1, t1, t1"
  device mmio_load_store, 0x10003000, "ld t1, 0(t0)", "sd x0, 0(t0); nop"

# From one device to another, or to memory.
  .macro devices name, address, other, first, second=nop
  program \name
  li t0, \address
  li t2, \other
  begin
  \first
  \second
  end
  .endm

  devices plic_load_mmio_store, 0xc000004, 0x10003000, "lw t1, 0(t0)", "sd x0, 0(t2); nop"
  devices mmio_load_plic_store, 0x10003000, 0xc000004, "ld t1, 0(t0)", "sw x0, 0(t2); nop"
  devices mmio_store_plic_load, 0x10003000, 0xc000004, "sd x0, 0(t0)", "lw t1, 0(t2); add t1, t1, t1"
  devices mmio_load_clint_load, 0x10003000, 0x200bff8, "ld t1, 0(t0)", "ld t1, 0(t2); add t1, t1, t1"
  devices clint_load_fence_hit, 0x200bff8, 0, "ld t1, 0(t0)", "fence; ld t1, 0(s4); add t1, t1, t1"
  devices clint_store_fence_hit, 0x2004000, -1, "sd t2, 0(t0)", "fence; ld t1, 0(s4); add t1, t1, t1"
  devices plic_store_fence_hit, 0xc000004, 0, "sw x0, 0(t0)", "fence; ld t1, 0(s4); add t1, t1, t1"
  devices mmio_load_fence_load, 0x10003000, 0x10003000, "ld t1, 0(t0)", "fence; ld t1, 0(t2); add t1, t1, t1"
  devices mmio_load_fence_hit, 0x10003000, 0x10003000, "ld t1, 0(t0)", "fence; ld t1, 0(s4); add t1, t1, t1"
  devices mmio_store_fence_hit, 0x10003000, 0x10003000, "sd x0, 0(t0)", "fence; ld t1, 0(s4); add t1, t1, t1"
  devices plic_load_mmio_store_fence_hit, 0xc200004, 0x10003000, "lw t1, 0(t0)", "sd x0, 0(t2); fence; ld t1, 0(s4); add t1, t1, t1"
  devices mmio_store_fence_load, 0x10003000, 0x10003000, "sd x0, 0(t0)", "fence; ld t1, 0(t2); fence; add t1, t1, t1"

  program plic_claim_complete
  li t0, 0x10003000
  li t2, 0xc200000
  begin
  lw t1, 4(t2)
  sd x0, 0(t0)
  fence
  ld t3, 0(t0)
  fence
  sw t1, 4(t2)
  nop
  end

  program plic_claim_use
  li t2, 0xc200000
  begin
  lw t1, 4(t2)
  add t1, t1, t1
  end

  program plic_claim_claim
  li t2, 0xc200000
  begin
  lw t1, 4(t2)
  lw t1, 4(t2)
  add t1, t1, t1
  end

  program msip_interrupt
  interrupts 8, 1f
  li t0, 0x2000000
  li t1, 1
  begin
  sw t1, 0(t0)
2:
  j 2b
  .balign 4
1:
  csrr s2, mcycle
  csrr s3, minstret
  sw x0, 0(t0)
  lw t1, 0(t0)
  no_interrupts
  jr s10

  program mtip_interrupt
  interrupts 128, 1f
  li t0, 0x2004000
  begin
  sd x0, 0(t0)
2:
  j 2b
  .balign 4
1:
  csrr s2, mcycle
  csrr s3, minstret
  li t1, -1
  sd t1, 0(t0)
  ld t1, 0(t0)
  no_interrupts
  jr s10

  program enabled_interrupt
  li t0, 0x2000000
  li t1, 1
  sw t1, 0(t0)
  lw t1, 0(t0)
  interrupts 0, 1f
  li t0, 0x2000000
  li t1, 8
  begin
  csrw mie, t1
  nops 3
1:
  csrr s2, mcycle
  csrr s3, minstret
  sw x0, 0(t0)
  lw t1, 0(t0)
  no_interrupts
  jr s10

# Source 1 is raised by a store to the harness.
  program plic_interrupt
  li t2, 0xc000000
  li t1, 1
  sw t1, 4(t2)
  li t2, 0xc002000
  li t1, 2
  sw t1, 0(t2)
  li t2, 0xc200000
  sw x0, 0(t2)
  lw t1, 0(t2)
  interrupts 0x800, 1f
  li t0, 0x10001018
  li t1, 1
  begin
  sd t1, 0(t0)
2:
  j 2b
  .balign 4
1:
  csrr s2, mcycle
  csrr s3, minstret
  lw t1, 4(t2)
  sd x0, 0(t0)
  fence
  ld t3, 0(t0)
  fence
  sw t1, 4(t2)
  lw x0, 0(t2)
  no_interrupts
  jr s10

# The interrupt takes the place of an instruction that waits for its operand.
  program msip_interrupt_on_user
  interrupts 8, 1f
  li t0, 0x2000000
  li t1, 1
  li t2, -1
  begin
  div t3, t2, t1
  sw t1, 0(t0)
  add t3, t3, t3
2:
  j 2b
  .balign 4
1:
  csrr s2, mcycle
  csrr s3, minstret
  sw x0, 0(t0)
  lw t1, 0(t0)
  no_interrupts
  jr s10

# Stores and branches outrun it.
  program msip_interrupt_outrun
  interrupts 8, 1f
  li t0, 0x2000000
  li t1, 1
  begin
  sw t1, 0(t0)
  sd t1, 0(s4)
  beqz x0, 2f
  nop
2:
  sd t1, 8(s4)
3:
  addi t2, t2, 1
  j 3b
  .balign 4
1:
  csrr s2, mcycle
  csrr s3, minstret
  sw x0, 0(t0)
  lw t1, 0(t0)
  no_interrupts
  jr s10

# Another access ends a reservation, and so does another load-reserved.
  .macro reserved_and what:vararg
  addi t2, s4, 128
  begin
  lr.d t0, (t2)
  nops 4
  \what
  nops 4
  sc.d t1, t0, (t2)
  beqz t1, 1f
  csrwi mie, 0
1:
  nop
  end
  .endm

  program sc_after_load
  reserved_and ld t3, 0(s4)

  program sc_after_lr
  reserved_and lr.d t0, (t2)

# The line that is fetched waits until the reservation ends.
  program lr_icache_miss
  fence.i
  addi t2, s4, 128
  begin
  lr.d t0, (t2)
  j 1f
  .balign 64
  nops 16
1:
  sc.d t1, t0, (t2)
  add t1, t1, t1
  end

# What is fetched is dirty in the data cache.
  program fence_i_dirty_code
  la t0, 1f
  lw t1, 0(t0)
  sw t1, 0(t0)
  begin
  fence.i
  j 1f
  .balign 64
  nops 16
1:
  nop
  end

# A predicted jump to a page that the instruction TLB lacks.
  program jr_itlb_miss
  supervisor
  lla t0, 1f
  li t1, 0x40000000
  add t0, t0, t1
  li t1, 0x80000000
  sub t0, t0, t1
  begin cycle, instret
  jr t0
  .balign 64
1:
  nops 3
  end_in_supervisor

# Apart from the page tables' entries, which lie in the first sets of the L1D.
  .data
  .balign 4096
  .space 0x400
data:
  .fill 512, 8, 0
  .globl data, table, table_end, unexpected
