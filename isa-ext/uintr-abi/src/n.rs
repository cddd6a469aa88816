//! User-level traps (chapter "N" of the privileged architecture v1.11 draft): the numbers that a kernel
//! and a user runtime need beside those of user interrupts.

/// `ustatus`: [`STATUS_UIE`] and [`STATUS_UPIE`] of `mstatus`, visible in `sstatus` too.
pub const USTATUS: u16 = 0x000;
/// `uie`: the bits of `mie` that `sideleg` delegates.
pub const UIE: u16 = 0x004;
/// `utvec`: base address of the handler, mode in bits 1:0 ([`UTVEC_DIRECT`], [`UTVEC_VECTORED`]).
pub const UTVEC: u16 = 0x005;
/// `uscratch`.
pub const USCRATCH: u16 = 0x040;
/// `uepc`: address of the interrupted instruction.
pub const UEPC: u16 = 0x041;
/// `ucause`: cause code, bit 63 for interrupts.
pub const UCAUSE: u16 = 0x042;
/// `utval`.
pub const UTVAL: u16 = 0x043;
/// `uip`: the bits of `mip` that `sideleg` delegates; only [`USIP`] can be written.
pub const UIP: u16 = 0x044;
/// `sedeleg`: exceptions that U-mode takes itself.
pub const SEDELEG: u16 = 0x102;
/// `sideleg`: interrupts that U-mode takes itself.
pub const SIDELEG: u16 = 0x103;

/// `ustatus.UIE`: user interrupts are taken.
pub const STATUS_UIE: u64 = 1 << 0;
/// `ustatus.UPIE`: UIE before the trap.
pub const STATUS_UPIE: u64 = 1 << 4;

/// `utvec` mode: every trap goes to the base.
pub const UTVEC_DIRECT: u64 = 0;
/// `utvec` mode: interrupts go to the base plus four times their code.
pub const UTVEC_VECTORED: u64 = 1;

/// Interrupt code of the user software interrupt, which the UINTC raises.
pub const USER_SOFTWARE: u32 = 0;
/// Interrupt code of the user timer interrupt.
pub const USER_TIMER: u32 = 4;
/// Interrupt code of the user external interrupt.
pub const USER_EXTERNAL: u32 = 8;

/// User software interrupt in `mip`, `sip`, `uip` and the matching enables.
pub const USIP: u64 = 1 << USER_SOFTWARE;
/// User timer interrupt, likewise.
pub const UTIP: u64 = 1 << USER_TIMER;
/// User external interrupt, likewise.
pub const UEIP: u64 = 1 << USER_EXTERNAL;

/// Bit 63 of `ucause`: the trap was an interrupt.
pub const CAUSE_INTERRUPT: u64 = 1 << 63;

/// The word of `uret`.
pub const URET: u32 = 0x0020_0073;
