//! The ISA extensions outside the core that this build knows: one row each.

use relsim_core::extension::IsaExtension;

/// All of them.
pub static ALL: &[&IsaExtension] = &[&relsim_uintr::UINTR];
