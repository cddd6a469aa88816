# The way into the kernel and out of it.
#
# While a user runs, sscratch has the address of its thread, which begins with its registers; in the kernel it is 0,
# and there are no traps. A thread has the stack of the hart that it runs on, and the hart's own record.

.option push
.option norelax

.section .text.start, "ax"
.globl _start
_start:
    # By seL4's loader with translation on, or by firmware without.
    csrr    t0, satp
    bnez    t0, 1f
    j       direct_start
1:
.if {max_harts} == 1
    li      a7, 0                       # for one hart, seL4's loaders need not set it
.endif
    li      t0, {max_harts}
    bgeu    a7, t0, park
    la      t1, __kernel_stacks
    slli    t2, a7, 14                  # a7: number of the core
    add     sp, t1, t2
    li      t2, 1 << 14
    add     sp, sp, t2
    mv      tp, a7
    csrw    sscratch, zero
    tail    loader_entry

# There is no room for this hart.
park:
    csrw    sie, zero
4:  wfi
    j       4b

# By firmware: a0 the hart, a1 the device tree. Physical addresses are what pc-relative ones come out as.
direct_start:
    csrw    sie, zero
    la      t0, __boot_root
    la      t1, __image_start
    srli    t2, t1, 30                  # the gigabyte that the image lies in
    slli    t2, t2, 28
    ori     t2, t2, 0xef                # its entry: valid, read, write, execute, global, accessed, dirty
    srli    t3, t1, 30
    slli    t3, t3, 3
    add     t3, t3, t0
    sd      t2, 0(t3)                   # where it is, as long as the jump takes,
    li      t3, 510 * 8
    add     t3, t3, t0
    sd      t2, 0(t3)                   # and where it was linked to be
    srli    t4, t0, 12
    li      t5, 8
    slli    t5, t5, 60
    or      t4, t4, t5
    # From physical to virtual.
    li      t5, 0xffffffff80200000
    sub     t5, t5, t1
    la      t6, 2f
    add     t6, t6, t5
    la      t3, __kernel_stacks
    add     sp, t3, t5
    sfence.vma
    csrw    satp, t4
    jr      t6
2:  # a0: hart; a1: device tree, or of a hart that was started by another: its number, with bit 63
    csrw    sscratch, zero
    srli    t0, a1, 63
    slli    t1, a1, 1
    srli    t1, t1, 1
    bnez    t0, 3f
    li      t1, 0
3:  mv      tp, t1
    addi    t1, t1, 1
    slli    t1, t1, 14
    add     sp, sp, t1
    tail    firmware_entry

.section .text.trap, "ax"
.globl trap_entry
.balign 64
trap_entry:
    csrrw   sp, sscratch, sp
    beqz    sp, kernel_trap
    slti    x0, x0, 960                 # the region "kernel" begins
    sd      ra, 1*8(sp)
    sd      gp, 3*8(sp)
    sd      tp, 4*8(sp)
    sd      t0, 5*8(sp)
    sd      t1, 6*8(sp)
    sd      t2, 7*8(sp)
    csrrw   t0, sscratch, zero
    csrr    t1, sepc
    csrr    t2, scause
    sd      s0, 8*8(sp)
    sd      s1, 9*8(sp)
    sd      a0, 10*8(sp)
    sd      a1, 11*8(sp)
    sd      a2, 12*8(sp)
    sd      a3, 13*8(sp)
    sd      a4, 14*8(sp)
    sd      a5, 15*8(sp)
    sd      a6, 16*8(sp)
    sd      a7, 17*8(sp)
    sd      s2, 18*8(sp)
    sd      s3, 19*8(sp)
    sd      s4, 20*8(sp)
    sd      s5, 21*8(sp)
    sd      s6, 22*8(sp)
    sd      s7, 23*8(sp)
    sd      s8, 24*8(sp)
    sd      s9, 25*8(sp)
    sd      s10, 26*8(sp)
    sd      s11, 27*8(sp)
    sd      t3, 28*8(sp)
    sd      t4, 29*8(sp)
    sd      t5, 30*8(sp)
    sd      t6, 31*8(sp)
    sd      t0, 2*8(sp)
    sd      t1, 32*8(sp)                # where it is restarted
    mv      s0, sp
    ld      tp, 34*8(sp)
    ld      sp, 33*8(sp)
    li      t0, 8                       # environment call from U-mode
    bne     t2, t0, 1f
    addi    t1, t1, 4
    sd      t1, 0(s0)
    li      t0, -1
    beq     a7, t0, fast_call
    li      t0, -2
    beq     a7, t0, fast_reply_receive
    li      t0, -5
    beq     a7, t0, fast_receive
    mv      a0, a7
    call    system_call
    j       leave_kernel
fast_receive:
    call    receive_entry
    j       leave_kernel
fast_call:
    call    call_entry
    j       leave_kernel
fast_reply_receive:
    call    reply_receive_entry
    j       leave_kernel
1:  sd      t1, 0(s0)
    mv      a0, t2
    call    exception
    # Falls through.

# a0: the thread that runs.
.globl leave_kernel
leave_kernel:
    ld      t0, 0(a0)
    csrw    sscratch, a0
    ld      ra, 1*8(a0)
    ld      sp, 2*8(a0)
    ld      gp, 3*8(a0)
    ld      tp, 4*8(a0)
    csrw    sepc, t0
    ld      t0, 5*8(a0)
    ld      t1, 6*8(a0)
    ld      t2, 7*8(a0)
    ld      s0, 8*8(a0)
    ld      s1, 9*8(a0)
    ld      a1, 11*8(a0)
    ld      a2, 12*8(a0)
    ld      a3, 13*8(a0)
    ld      a4, 14*8(a0)
    ld      a5, 15*8(a0)
    ld      a6, 16*8(a0)
    ld      a7, 17*8(a0)
    ld      s2, 18*8(a0)
    ld      s3, 19*8(a0)
    ld      s4, 20*8(a0)
    ld      s5, 21*8(a0)
    ld      s6, 22*8(a0)
    ld      s7, 23*8(a0)
    ld      s8, 24*8(a0)
    ld      s9, 25*8(a0)
    ld      s10, 26*8(a0)
    ld      s11, 27*8(a0)
    ld      t3, 28*8(a0)
    ld      t4, 29*8(a0)
    ld      t5, 30*8(a0)
    ld      t6, 31*8(a0)
    ld      a0, 10*8(a0)
    slti    x0, x0, 1024 + 960          # and ends
    sret

# A trap in the kernel: its own mistake.
kernel_trap:
    la      sp, __kernel_stacks
    li      t0, 1 << 14
    add     sp, sp, t0
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    tail    kernel_mistake

.option pop

# Floating-point registers of the thread at a0.
.option push
.option arch, +d
.globl fpu_save
fpu_save:
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd     f\n, (36 + \n)*8(a0)
.endr
    frcsr   t0
    sd      t0, 35*8(a0)
    ret
.globl fpu_load
fpu_load:
    ld      t0, 35*8(a0)
    fscsr   t0
.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld     f\n, (36 + \n)*8(a0)
.endr
    ret
.option pop

# The short ways follow in this section, on a line of the cache.
.balign 64
