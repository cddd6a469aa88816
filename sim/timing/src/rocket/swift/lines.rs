//! Which fetch groups have no control transfer in them, by line.

use relsim_core::ram::{PAGE_BYTES, Ram};

use super::super::scan::{self, transfers};
use crate::parts::tags::NO_LINE;

/// A line of code, by its physical number, and those of its groups that are plain: no control transfer is in them, nor the
/// end of one that begins in the group before.
#[derive(Clone, Copy)]
struct Line {
    number: u64,
    plains: u32,
}

/// Lines at hand.
const LINES: usize = 256;

/// Lines of code that were fetched from lately.
pub(super) struct Lines {
    lines: Box<[Line; LINES]>,
    /// What is known is about the code of then ([`Ram::code_log_end`]).
    pub code_epoch: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { lines: Box::new([Line { number: NO_LINE, plains: 0 }; LINES]), code_epoch: 0 }
    }
}

impl Lines {
    /// The code has changed.
    #[cold]
    pub fn forget(&mut self, code_epoch: u64) {
        *self = Self { code_epoch, ..Self::default() };
    }

    /// The plain groups of the line of physical address `pa`, a bit each; none if nobody tells when something is stored there.
    #[inline]
    pub fn plains(&mut self, ram: &Ram, pa: u64) -> u32 {
        let number = pa >> 6;
        let known = self.lines[number as usize % LINES];
        if known.number == number { known.plains } else { self.look(ram, number) }
    }

    #[inline(never)]
    fn look(&mut self, ram: &Ram, number: u64) -> u32 {
        let pa = number << 6;
        if !ram.line_has_code(pa) {
            return 0;
        }
        let mut plains = 0;
        // What comes before it in another page is not known.
        let known = !pa.is_multiple_of(PAGE_BYTES) && ram.line_has_code(pa - 2);
        let mut before = if known { ram.get::<u16>(pa - 2) } else { None };
        for n in 0..16 {
            let Some(word) = ram.get::<u32>(pa + 4 * n) else { return 0 };
            let before = before.replace((word >> 16) as u16);
            let plain = before.is_some_and(|before| {
                let partial = (!scan::is_rvc(before)).then_some(before);
                !transfers(word, scan::left_over(partial))
            });
            plains |= u32::from(plain) << n;
        }
        self.lines[number as usize % LINES] = Line { number, plains };
        plains
    }
}
