//! Zicond: integer conditional operations.

use crate::bus::Bus;
use crate::hart::Hart;
use crate::insn::{Done, Op};

rows! {
    "czero.eqz" (Zicond) "0000111 ..... ..... 101 ..... 0110011" R Alu "unpriv 12.1" czero_eqz;
    "czero.nez" (Zicond) "0000111 ..... ..... 111 ..... 0110011" R Alu "unpriv 12.1" czero_nez;
}

reg_reg! {
    czero_eqz |a, b| if b == 0 { 0 } else { a };
    czero_nez |a, b| if b != 0 { 0 } else { a };
}
