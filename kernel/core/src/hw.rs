//! What the kernel asks of the machine. The functions are linked in from the crate for the architecture, or from
//! the tests on the host; they are one call each, which link-time optimisation takes away.

use crate::mem::Ptr;
use crate::tcb::Tcb;

macro_rules! machine {
    ($($(#[$doc:meta])* $name:ident as $symbol:ident ($($arg:ident: $kind:ty),*) $(-> $out:ty)?;)*) => {
        unsafe extern "Rust" {
            $(fn $symbol($($arg: $kind),*) $(-> $out)?;)*
        }
        $(
            $(#[$doc])*
            #[inline(always)]
            pub fn $name($($arg: $kind),*) $(-> $out)? {
                // SAFETY: the function is a Rust function of this very signature; see `implement_machine`.
                unsafe { $symbol($($arg),*) }
            }
        )*

        /// The same as a trait: what implements it is given to [`crate::implement_machine`].
        pub trait Machine {
            $($(#[$doc])* fn $name($($arg: $kind),*) $(-> $out)?;)*
        }

        /// Makes a type that implements [`hw::Machine`](crate::hw::Machine) the machine of this program.
        #[macro_export]
        macro_rules! implement_machine {
            ($machine:ty) => {
                const _: () = {
                    use $crate::hw::Machine;
                    use $crate::{Ptr, Tcb};
                    $(
                        #[unsafe(no_mangle)]
                        fn $symbol($($arg: $kind),*) $(-> $out)? {
                            <$machine>::$name($($arg),*)
                        }
                    )*
                };
            };
        }
    };
}

machine! {
    /// Prints a character.
    put_char as kernel_machine_put_char(byte: u8);
    /// Ends the machine's work.
    halt as kernel_machine_halt() -> !;
    /// Forgets translations of page `vaddr` in address space `asid`, on this hart and on those of
    /// [`Kernel::harts_to_tell`](crate::Kernel::harts_to_tell), as what follows unless it says otherwise.
    flush_page as kernel_machine_flush_page(asid: u64, vaddr: u64);
    /// Forgets translations of page `vaddr` in address space `asid`, on this hart alone.
    flush_page_here as kernel_machine_flush_page_here(asid: u64, vaddr: u64);
    /// Forgets all translations of address space `asid`, but not on this hart.
    flush_asid_elsewhere as kernel_machine_flush_asid_elsewhere(asid: u64);
    /// Forgets all translations of address space `asid`.
    flush_asid as kernel_machine_flush_asid(asid: u64);
    /// Forgets all translations of users.
    flush_all as kernel_machine_flush_all();
    /// Forgets all translations of users, on this hart alone.
    flush_here as kernel_machine_flush_here();
    /// Uses the address space whose root is at physical address `root`.
    use_vspace as kernel_machine_use_vspace(root: u64, asid: u64);
    /// Uses an address space with nothing but the kernel.
    use_kernel_vspace as kernel_machine_use_kernel_vspace();
    /// Lets interrupt `irq` through, or not.
    enable_irq as kernel_machine_enable_irq(irq: u64, on: bool);
    /// Interrupt `irq` has been served.
    complete_irq as kernel_machine_complete_irq(irq: u64);
    /// Whether an interrupt is waiting.
    irq_waits as kernel_machine_irq_waits() -> bool;
    /// Makes hart number `hart` enter the kernel.
    interrupt_hart as kernel_machine_interrupt_hart(hart: usize);
    /// Waits until hart number `hart` is in the kernel, and all registers of its thread are in memory.
    stop_hart as kernel_machine_stop_hart(hart: usize);
    /// Another thread is about to run on this hart: `from` was running.
    switch as kernel_machine_switch(from: Ptr<Tcb>, to: Ptr<Tcb>);
    /// The user-interrupt registers of this hart are those of `thread`, which runs here, as far as it has some.
    load_user_interrupts as kernel_machine_load_user_interrupts(thread: Ptr<Tcb>);
    /// They are nobody's; what they held is in the record of the thread whose they were.
    unload_user_interrupts as kernel_machine_unload_user_interrupts();
    /// No hart has the user-interrupt registers of `thread`, which does not run.
    forget_user_interrupts as kernel_machine_forget_user_interrupts(thread: Ptr<Tcb>);
    /// The registers of chapter N, which are as they are, are the beginning for `thread`, which runs here.
    save_user_csrs as kernel_machine_save_user_csrs(thread: Ptr<Tcb>);
    /// What is pending for receiver `number` interrupts hart number `hart`, or nothing.
    aim_receiver as kernel_machine_aim_receiver(number: u16, hart: usize, on: bool);
    /// Whether something is pending for receiver `number`; it stays so.
    receiver_has_pending as kernel_machine_receiver_has_pending(number: u16) -> bool;
    /// Sends vector `vector` to receiver `number`.
    post_to_receiver as kernel_machine_post_to_receiver(number: u16, vector: u64);
    /// Receiver `number` interrupts nobody, and nothing is pending for it.
    retire_receiver as kernel_machine_retire_receiver(number: u16);
    /// No hart has the floating-point registers of `thread`, which does not run, or not with them.
    forget_fpu as kernel_machine_forget_fpu(thread: Ptr<Tcb>);
}
