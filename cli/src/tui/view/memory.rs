//! A piece of memory.

use relsim_core::hart::Priv;
use relsim_core::pmp::AccessKind;
use relsim_machine::session::Moment;

use crate::debug::Debugger;
use crate::debug::places::symbol;

/// How much is taken: a pane has no more.
pub const SIZE_BYTES: u64 = 2048;

/// Bytes from an address on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// The address.
    pub at: u64,
    /// A symbol near it.
    pub symbol: Option<String>,
    /// Whose memory it is, if it is not what the hart itself sees now: U-mode's.
    pub of: Option<char>,
    /// The bytes; `None` where nothing can be read.
    pub bytes: Vec<Option<u8>>,
}

/// The word of 8 bytes at virtual address `va`, as the hart that is looked at sees it, or as U-mode does.
pub fn word(debugger: &Debugger, va: u64) -> Option<u64> {
    let moment = debugger.moment();
    let privilege = seen_by(&moment, va);
    (0..8).try_fold(0, |word, n| {
        Some(word | u64::from(byte(&moment, va.wrapping_add(n), privilege)?) << (8 * n))
    })
}

/// Who sees virtual address `va`: the hart as it is, or U-mode, whose memory the kernel may not touch.
fn seen_by(moment: &Moment<'_>, va: u64) -> Priv {
    let own = moment.hart.data_privilege();
    let sees = |privilege| byte(moment, va, privilege).is_some();
    if !sees(own) && own == Priv::S && sees(Priv::U) { Priv::U } else { own }
}

/// The byte at virtual address `va`, as `privilege` sees it.
fn byte(moment: &Moment<'_>, va: u64, privilege: Priv) -> Option<u8> {
    let walk = moment.hart.walk(moment.bus, va, AccessKind::Load, privilege).ok()?;
    let parcel = moment.bus.fetch(walk.pa & !1).ok()?;
    Some((parcel >> (8 * (walk.pa & 1))) as u8)
}

impl Memory {
    /// What is at `at`.
    pub fn take(debugger: &Debugger, at: u64) -> Self {
        let moment = debugger.moment();
        let privilege = seen_by(&moment, at);
        Self {
            at,
            symbol: symbol(debugger.symbols(), at),
            of: (privilege != moment.hart.data_privilege()).then(|| privilege.letter()),
            bytes: (0..SIZE_BYTES).map(|n| byte(&moment, at.wrapping_add(n), privilege)).collect(),
        }
    }
}
