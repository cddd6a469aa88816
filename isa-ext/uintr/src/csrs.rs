//! `suist`, `suirs` and `suicfg` (U-interrupt specification 0.1.1, chapter "CSRs").
//!
//! Their numbers make them S-mode's: an access from U is an illegal instruction, as for every CSR.

use relsim_core::csr::CsrDef;
use relsim_core::hart::Hart;
use relsim_core::isa::Ext;
use relsim_core::need;
use uintr_abi::csr::{SUICFG, SUIRS, SUIRS_MASK, SUIST, SUIST_MASK};
use uintr_abi::{Suirs, Suist};

use crate::SLOT;

/// Words of the hart's extension state: one for each CSR, and a count.
const SUIST_WORD: usize = 0;
const SUIRS_WORD: usize = 1;
pub(crate) const SUICFG_WORD: usize = 2;
/// How often `uipi.send` has retired.
pub(crate) const SENDS_WORD: usize = 3;

fn word(h: &Hart, n: usize) -> u64 {
    h.ext_state[SLOT as usize - Ext::Custom0 as usize][n]
}

/// The sender table of `h`.
pub(crate) fn suist(h: &Hart) -> Suist {
    Suist::from_bits(word(h, SUIST_WORD))
}

/// The receiver of `h`.
pub(crate) fn suirs(h: &Hart) -> Suirs {
    Suirs::from_bits(word(h, SUIRS_WORD))
}

/// Physical address of the UINTC as `h` knows it.
pub(crate) fn suicfg(h: &Hart) -> u64 {
    word(h, SUICFG_WORD)
}

/// The CSRs.
pub(crate) const ROWS: &[CsrDef] = &[
    CsrDef::new(
        SUIST,
        "suist",
        need!(Custom0),
        "uintr CSRs",
        |h, _, _| word(h, SUIST_WORD),
        |h, _, _, v| h.ext_words(SLOT)[SUIST_WORD] = v & SUIST_MASK,
    ),
    CsrDef::new(
        SUIRS,
        "suirs",
        need!(Custom0),
        "uintr CSRs",
        |h, _, _| word(h, SUIRS_WORD),
        |h, _, _, v| h.ext_words(SLOT)[SUIRS_WORD] = v & SUIRS_MASK,
    ),
    CsrDef::new(
        SUICFG,
        "suicfg",
        need!(Custom0),
        "uintr CSRs",
        |h, _, _| word(h, SUICFG_WORD),
        |h, _, _, v| h.ext_words(SLOT)[SUICFG_WORD] = v,
    ),
];
