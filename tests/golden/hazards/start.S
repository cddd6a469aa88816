# Runs the programs of the table, twelve times each, and reports what the last run took: as many as it needs until
# the branch history, and with it what is predicted, is the same in every run.
# Registers of the frame, which programs leave alone: s4 data, s5 satp, s7 to s11.

  .option norvc
  .option norelax
  .equ PASSES, 12
  .equ REPORT, 0x10002000
  .equ EXIT, 0x10001008

  .section .text.start, "ax"
  .globl _start
_start:
  li t0, 0x6000                 # floating point
  csrs mstatus, t0
  la t0, unexpected
  csrw mtvec, t0
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
  li t0, -1
  csrw mcounteren, t0
  csrw fcsr, x0
  la s4, data
  call tables
  li t0, 3
  fcvt.d.l ft1, t0
  fcvt.s.l fa1, t0
  li t0, 7
  fcvt.d.l ft2, t0
  fcvt.s.l fa2, t0
  fcvt.d.l ft8, x0
  la s9, table
  la s8, table_end
next:
  beq s9, s8, done
  call forget
  li s7, PASSES
pass:
  addi s7, s7, -1
  seqz a0, s7
  ld t1, 8(s9)
  jalr s10, 0(t1)               # an even register: no call for the return-address stack
  bnez s7, pass
  fence
  li t0, REPORT
  ld t1, 0(s9)
  sd t1, 0(t0)
  li t1, 1
  sd t1, 8(t0)
  # What stands between begin and end is counted, and neither of them.
  sub t1, s3, s0
  addi t1, t1, -3
  sd t1, 16(t0)
  sub t1, s2, s1
  addi t1, t1, -1
  sd t1, 24(t0)
  fence
  addi s9, s9, 16
  j next
done:
  li a0, 0
exit:
  fence
  li t0, EXIT
  sd a0, 0(t0)
1:
  j 1b

  .balign 4
unexpected:
  li t0, REPORT
  la t1, text_unexpected
  sd t1, 0(t0)
  csrr t1, mcause
  sd t1, 8(t0)
  csrr t1, mtval
  sd t1, 16(t0)
  csrr t1, mepc
  sd t1, 24(t0)
  li a0, 77
  j exit

# Makes the branch predictor forget the programs before. It flushes its branch target buffer when it predicts a jump
# where there is none: so there is one for a while, and then there is not. Then calls for all of its return addresses.
forget:
  mv t6, ra
  la t0, changes
  la t1, 2f
  li t2, 0x00030067             # jr t1
  li t3, 4
1:
  sw t2, 0(t0)
  fence.i
changes:
  nop
  nop
  nop
  nop
2:
  addi t3, t3, -1
  li t4, 1
  bgtu t3, t4, changes
  li t2, 0x00000013             # nop
  beqz t3, 3f
  j 1b
3:
  .rept 6
  jal ra, . + 4
  .endr
  jr t6

# Sv39: 0x8000_0000 as a gigapage onto itself; 0x4000_0000 and 0x4020_0000 as pages of 4 KiB and of 2 MiB onto
# 0x8000_0000. Leaves satp for it in s5.
  .globl unexpected
tables:
  li t5, 0xcf                   # D A X W R V
  la t0, root
  li t1, 0x80000000 >> 2
  or t1, t1, t5
  sd t1, 16(t0)
  la t2, middle
  srli t1, t2, 2
  ori t1, t1, 1
  sd t1, 8(t0)
  la t3, leaf
  srli t1, t3, 2
  ori t1, t1, 1
  sd t1, 0(t2)
  li t1, 0x80000000 >> 2
  or t1, t1, t5
  sd t1, 8(t2)
  li t4, 512
1:
  sd t1, 0(t3)
  addi t1, t1, 0x400
  addi t3, t3, 8
  addi t4, t4, -1
  bnez t4, 1b
  srli s5, t0, 12
  li t1, 8
  slli t1, t1, 60
  or s5, s5, t1
  ret

  .section .rodata
text_unexpected:
  .asciz "UNEXPECTED_TRAP"

  .section .bss
  .balign 4096
root:
  .space 4096
middle:
  .space 4096
leaf:
  .space 4096
