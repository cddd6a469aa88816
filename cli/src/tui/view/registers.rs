//! Integer registers.

use super::{meaning, register_name};
use crate::debug::Debugger;

/// A register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Its name by its use.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// It had another one before the last movement.
    pub changed: bool,
    /// A symbol, or what it points at.
    pub meaning: Option<String>,
}

/// `ra` to `t6` of the hart that is looked at.
pub fn take(debugger: &Debugger, before: Option<&[u64; 32]>) -> Vec<Register> {
    let hart = debugger.moment().hart;
    let register = |r: u8| {
        let (n, value) = (usize::from(r), hart.x(r));
        Register {
            name: register_name(n),
            value,
            changed: before.is_some_and(|before| before[n] != value),
            meaning: meaning(debugger, value),
        }
    };
    (1..32).map(register).collect()
}
