/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Markers: instructions by which a guest says where something of interest begins and ends.
 *
 * A marker is `slti x0, rs1, imm`, a hint designated for custom use (RISC-V unprivileged specification 2.9):
 * hardware executes it as an ALU operation whose result goes nowhere. imm[11:10] is 0 where a region begins,
 * 1 where it ends, 2 for an event; imm[9:0] is its number. rs1 carries a value to be recorded, x0 none.
 *
 * Numbers are constants from 0 to 1023. On targets other than RISC-V the macros do nothing.
 */
#ifndef RELSIM_MARKERS_H
#define RELSIM_MARKERS_H

#define RELSIM_STRING_(x) #x
#define RELSIM_STRING(x) RELSIM_STRING_(x)

#if defined(__riscv) && __riscv_xlen == 64

/* "i" takes constant expressions, and the assembler refuses what does not fit into the immediate. */
#define RELSIM_MARK_(offset, id)                                                                               \
    __asm__ volatile("slti x0, x0, %0" : : "i"((offset) + RELSIM_ID_(id)) : "memory")
#define RELSIM_MARK_WITH_(offset, id, value)                                                                   \
    __asm__ volatile("slti x0, %1, %0" : : "i"((offset) + RELSIM_ID_(id)), "r"((unsigned long)(value)) : "memory")
/* A number that is too large does not compile. */
#define RELSIM_ID_(id) ((int)(id) + 0 * (int)sizeof(char[(id) >= 0 && (id) <= 1023 ? 1 : -1]))

/* Region `id` or event `id` is called `name` in reports: letters, digits and underscores. At file scope, with
 * `id` written out as a number. */
#define RELSIM_NAME_REGION(id, name)                                                                           \
    __asm__(".globl __relsim_region_" RELSIM_STRING(name) "\n"                                                 \
            ".set __relsim_region_" RELSIM_STRING(name) ", " RELSIM_STRING(id) "\n")

#else

#define RELSIM_MARK_(offset, id) ((void)0)
#define RELSIM_MARK_WITH_(offset, id, value) ((void)(value))
#define RELSIM_NAME_REGION(id, name) struct relsim_region_##name

#endif

/* Region `id` begins. */
#define RELSIM_BEGIN(id) RELSIM_MARK_(0, id)
#define RELSIM_BEGIN_WITH(id, value) RELSIM_MARK_WITH_(0, id, value)
/* Region `id` ends: the one of that number which began last. */
#define RELSIM_END(id) RELSIM_MARK_(1024, id)
#define RELSIM_END_WITH(id, value) RELSIM_MARK_WITH_(1024, id, value)
/* Event `id` happens. */
#define RELSIM_INSTANT(id) RELSIM_MARK_(-2048, id)
#define RELSIM_INSTANT_WITH(id, value) RELSIM_MARK_WITH_(-2048, id, value)

#endif
