//! A piece of memory.

use crate::debug::Debugger;
use crate::debug::places::symbol;

/// How much is taken: a pane has no more.
pub const SIZE_BYTES: u64 = 2048;

/// Bytes from an address on, as the hart that is looked at sees them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// The address.
    pub at: u64,
    /// A symbol near it.
    pub symbol: Option<String>,
    /// The bytes; `None` where nothing can be read.
    pub bytes: Vec<Option<u8>>,
}

impl Memory {
    /// What is at `at`.
    pub fn take(debugger: &Debugger, at: u64) -> Self {
        let moment = debugger.moment();
        let byte = |n| moment.memory(at.wrapping_add(n), 1).map(|byte| byte as u8);
        Self { at, symbol: symbol(debugger.symbols(), at), bytes: (0..SIZE_BYTES).map(byte).collect() }
    }
}
