//! Platform-level interrupt controller.
//!
//! Every register is 4 bytes wide and little-endian; other widths fault.
//!
//! | offset | register |
//! |---|---|
//! | 0x00_0000 + 4 s | priority of source s (0: never interrupts) |
//! | 0x00_1000 + 4 w | pending bits of sources 32 w to 32 w + 31, read-only |
//! | 0x00_2000 + 0x80 c + 4 w | enable bits of context c |
//! | 0x20_0000 + 0x1000 c | priority threshold of context c |
//! | 0x20_0004 + 0x1000 c | claim (read) and complete (write) of context c |
//!
//! What does not exist (source 0, sources, words and contexts beyond the last) reads 0 and ignores
//! writes. Sources are level-triggered from the wire of the same number. A gateway forwards one
//! request and then stays shut until its completion; a request that was forwarded stays pending even
//! if the wire falls. A claim takes the pending and enabled source of highest priority (the lowest
//! number among equals) and, as the specification has it, is not limited by the threshold.
//!
//! Source: RISC-V Platform-Level Interrupt Controller Specification 1.0.0, chapters 3 to 10.

use relsim_core::device::{BusFault, Device, DeviceCx};
use serde::{Deserialize, Serialize};

use crate::state::{decode, encode, require};

const PENDING: u64 = 0x1000;
const ENABLE: u64 = 0x2000;
const ENABLE_STRIDE: u64 = 0x80;
const CONTEXT: u64 = 0x20_0000;
const CONTEXT_STRIDE: u64 = 0x1000;
/// The most sources that the register layout has room for.
const MAX_SOURCES: u32 = 1023;

#[derive(Clone, Serialize, Deserialize)]
struct Context {
    enable: Vec<u32>,
    threshold: u32,
}

#[derive(Serialize, Deserialize)]
struct State {
    /// By source; entry 0 stays 0.
    priority: Vec<u32>,
    pending: Vec<u32>,
    /// Sources whose gateway waits for a completion: pending ones and claimed ones.
    shut: Vec<u32>,
    contexts: Vec<Context>,
}

/// The interrupt controller; see the module's register map.
pub struct Plic {
    name: String,
    sources: u32,
    max_priority: u32,
    /// Context number to hart and `mip` bit.
    targets: Vec<(usize, u32)>,
    state: State,
}

impl Plic {
    /// A controller for sources 1 to `sources` (at most 1023 of them) with priorities 0 to
    /// `max_priority`. Context c drives bit `contexts[c].1` (11 for machine, 9 for supervisor external
    /// interrupts) of `mip` of hart `contexts[c].0`.
    pub fn new(name: &str, sources: u32, max_priority: u32, contexts: &[(usize, u32)]) -> Self {
        let sources = sources.min(MAX_SOURCES);
        let words = (sources / 32 + 1) as usize;
        let context = Context { enable: vec![0; words], threshold: 0 };
        let state = State {
            priority: vec![0; sources as usize + 1],
            pending: vec![0; words],
            shut: vec![0; words],
            contexts: vec![context; contexts.len()],
        };
        let targets = contexts.to_vec();
        Self { name: name.into(), sources, max_priority, targets, state }
    }

    /// The bits of word `word` that stand for sources.
    fn source_mask(&self, word: usize) -> u32 {
        let below = |end: u32| u32::try_from((1u64 << end.min(32)) - 1).unwrap_or(u32::MAX);
        let first = u32::try_from(word).map_or(u32::MAX, |w| w.saturating_mul(32));
        let mask = below((self.sources + 1).saturating_sub(first));
        if word == 0 { mask & !1 } else { mask }
    }

    /// Priorities and thresholds are WARL: a value too high keeps the bits that fit.
    fn legal_priority(&self, value: u32) -> u32 {
        let bits = u32::MAX.checked_shr(self.max_priority.leading_zeros()).unwrap_or(0);
        (value & bits).min(self.max_priority)
    }

    /// The pending and enabled source of highest priority above `floor`, lowest number first.
    fn best(&self, context: &Context, floor: u32) -> Option<u32> {
        let mut best = None;
        let mut best_priority = floor;
        for (word, (&pending, &enable)) in self.state.pending.iter().zip(&context.enable).enumerate() {
            let mut candidates = pending & enable;
            while candidates != 0 {
                let source = word as u32 * 32 + candidates.trailing_zeros();
                candidates &= candidates - 1;
                let priority = self.state.priority[source as usize];
                if priority > best_priority {
                    best_priority = priority;
                    best = Some(source);
                }
            }
        }
        best
    }

    /// Lets the gateways forward what the wires show, and drives the harts.
    fn settle(&mut self, cx: &mut DeviceCx<'_>) {
        for word in 0..self.state.shut.len() {
            let mut open = !self.state.shut[word] & self.source_mask(word);
            while open != 0 {
                let bit = open.trailing_zeros();
                open &= open - 1;
                if cx.lines.wire(word as u32 * 32 + bit) {
                    self.state.pending[word] |= 1 << bit;
                    self.state.shut[word] |= 1 << bit;
                }
            }
        }
        for (context, &(hart, mip_bit)) in self.state.contexts.iter().zip(&self.targets) {
            let level = self.best(context, context.threshold).is_some();
            cx.lines.set_mip(hart, mip_bit, level);
        }
    }

    fn claim(&mut self, context: usize) -> u32 {
        let Some(source) = self.best(&self.state.contexts[context], 0) else {
            return 0;
        };
        self.state.pending[(source / 32) as usize] &= !(1 << (source % 32));
        source
    }

    fn complete(&mut self, context: usize, source: u32) {
        let (word, bit) = ((source / 32) as usize, 1 << (source % 32));
        let enabled = |e: &Vec<u32>| e.get(word).is_some_and(|e| e & bit != 0);
        if !enabled(&self.state.contexts[context].enable) {
            return;
        }
        // Only a claimed source can be completed; one still pending keeps its request.
        self.state.shut[word] &= !(bit & !self.state.pending[word]);
    }

    /// Context number and offset in its block, for existing contexts.
    fn context_at(&self, offset: u64, start: u64, stride: u64) -> Option<(usize, u64)> {
        let context = usize::try_from((offset - start) / stride).ok()?;
        (context < self.state.contexts.len()).then_some((context, (offset - start) % stride))
    }
}

impl Device for Plic {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8) -> Result<u64, BusFault> {
        if size != 4 {
            return Err(BusFault);
        }
        let value = match offset {
            0..PENDING => self.state.priority.get((offset / 4) as usize).copied(),
            PENDING..ENABLE => {
                let word = ((offset - PENDING) / 4) as usize;
                self.state.pending.get(word).copied()
            }
            ENABLE..CONTEXT => self.context_at(offset, ENABLE, ENABLE_STRIDE).and_then(|(context, at)| {
                let enable = &self.state.contexts[context].enable;
                enable.get((at / 4) as usize).copied()
            }),
            _ => match self.context_at(offset, CONTEXT, CONTEXT_STRIDE) {
                Some((context, 0)) => Some(self.state.contexts[context].threshold),
                Some((context, 4)) => {
                    let source = self.claim(context);
                    self.settle(cx);
                    Some(source)
                }
                _ => None,
            },
        };
        Ok(u64::from(value.unwrap_or(0)))
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        if size != 4 {
            return Err(BusFault);
        }
        let value = value as u32;
        match offset {
            0..PENDING => {
                let legal = self.legal_priority(value);
                let source = (offset / 4) as usize;
                if let Some(priority) = self.state.priority.get_mut(source).filter(|_| source > 0) {
                    *priority = legal;
                }
            }
            PENDING..ENABLE => {}
            ENABLE..CONTEXT => {
                if let Some((context, at)) = self.context_at(offset, ENABLE, ENABLE_STRIDE) {
                    let word = (at / 4) as usize;
                    let legal = value & self.source_mask(word);
                    if let Some(enable) = self.state.contexts[context].enable.get_mut(word) {
                        *enable = legal;
                    }
                }
            }
            _ => match self.context_at(offset, CONTEXT, CONTEXT_STRIDE) {
                Some((context, 0)) => {
                    self.state.contexts[context].threshold = self.legal_priority(value);
                }
                Some((context, 4)) => self.complete(context, value),
                _ => {}
            },
        }
        self.settle(cx);
        Ok(())
    }

    fn wires_changed(&mut self, cx: &mut DeviceCx<'_>) {
        self.settle(cx);
    }

    fn save(&self) -> Vec<u8> {
        encode(&self.state)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        let state: State = decode(state)?;
        let words = self.state.pending.len();
        let legal = |p: &u32| self.legal_priority(*p) == *p;
        let in_mask = |bits: &Vec<u32>| {
            let mut words = bits.iter().enumerate();
            words.all(|(word, bits)| bits & !self.source_mask(word) == 0)
        };
        let sized = state.priority.len() == self.state.priority.len()
            && state.pending.len() == words
            && state.shut.len() == words
            && state.contexts.len() == self.targets.len()
            && state.contexts.iter().all(|c| c.enable.len() == words);
        require(sized, "not for this number of sources and contexts")?;
        let priorities = state.priority[0] == 0
            && state.priority.iter().all(legal)
            && state.contexts.iter().all(|c| legal(&c.threshold));
        require(priorities, "a priority out of range")?;
        let masked = in_mask(&state.pending)
            && in_mask(&state.shut)
            && state.contexts.iter().all(|c| in_mask(&c.enable));
        require(masked, "bits of sources that do not exist")?;
        let mut both = state.pending.iter().zip(&state.shut);
        require(both.all(|(pending, shut)| pending & !shut == 0), "a pending source with an open gateway")?;
        self.state = state;
        Ok(())
    }
}
