//! Random blocks: gadgets of one or a few instructions, chosen by a theme.

use relsim_core::insn::InsnDef;

use super::asm::{self, addi, csrrc, csrrs, csrrw, i_type, li, lui, s_type};
use super::code::{Gadget, Item};
use super::csrs;
use super::paging::{PAGED_CODE, USER_CODE};
use super::rng::Rng;
use super::rows::{Reserved, Rows};
use super::runtime::Runtime;

/// A block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Its code.
    pub gadgets: Vec<Gadget>,
    /// Registers that each run fills with data pointers.
    pub pointers: Vec<u8>,
    /// Holds a small count for loops.
    pub counter: u8,
    /// Holds an address at which nothing can be fetched.
    pub nowhere: u8,
    /// Holds a data pointer that works, aligned to 16 bytes.
    pub safe: u8,
    /// Privilege and translation stay as they are but for traps; [`Block::safe`] stays good.
    pub calm: bool,
    /// Whether it has `wfi`.
    pub waits: Waits,
}

/// What becomes of `wfi` in a block: it must never wait for what does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// There is none.
    No,
    /// It must trap: only in U, or in S with `mstatus.TW`.
    Traps,
    /// Only in M, with an interrupt pending and enabled but not taken.
    Wakes,
}

/// Shares of the kinds of gadgets, in percent of what [`Kind`] lists in order.
type Theme = [u64; 13];

#[derive(Clone, Copy)]
enum Kind {
    Alu,
    Fp,
    Memory,
    Atomic,
    Jump,
    Indirect,
    Loop,
    Csr,
    System,
    Return,
    Illegal,
    Patch,
    Reserve,
}

const KINDS: [Kind; 13] = [
    Kind::Alu,
    Kind::Fp,
    Kind::Memory,
    Kind::Atomic,
    Kind::Jump,
    Kind::Indirect,
    Kind::Loop,
    Kind::Csr,
    Kind::System,
    Kind::Return,
    Kind::Illegal,
    Kind::Patch,
    Kind::Reserve,
];

const THEMES: &[Theme] = &[
    // Alu Fp Mem Amo Jmp Ind Loop Csr Sys Ret Ill Patch Reserve
    [30, 15, 20, 5, 8, 3, 5, 6, 2, 1, 2, 1, 3],
    [60, 0, 15, 0, 10, 4, 6, 0, 1, 0, 2, 1, 1],
    [5, 70, 10, 0, 3, 1, 6, 6, 0, 0, 1, 0, 0],
    [5, 80, 5, 0, 3, 1, 8, 3, 0, 0, 0, 0, 0],
    [10, 5, 55, 15, 4, 1, 5, 3, 1, 1, 0, 0, 3],
    [15, 3, 15, 3, 6, 3, 2, 35, 6, 8, 3, 1, 0],
    [20, 5, 5, 2, 4, 1, 2, 10, 2, 2, 45, 1, 1],
];

/// What a block is made from.
pub struct Maker<'a> {
    /// Instructions.
    pub rows: &'a Rows,
    /// Handlers' addresses.
    pub runtime: &'a Runtime,
    /// Values of `satp` that random code may write.
    pub satps: &'a [u64],
    /// Random code does not touch `mstatus` and `sstatus`.
    pub status_hidden: bool,
    /// Sstc is on.
    pub timer: bool,
}

struct Draft<'a> {
    maker: &'a Maker<'a>,
    reserved: Reserved,
    block: Block,
    length: usize,
    /// Where the open loop began, and where it is to end.
    open_loop: Option<(usize, usize)>,
}

impl Maker<'_> {
    /// A random block.
    pub fn block(&self, rng: &mut Rng) -> Block {
        let mut reserved = [false; 32];
        let mut take = |rng: &mut Rng, from: u64, count: u64| loop {
            let n = (from + rng.below(count)) as u8;
            // x1 gets the return addresses of compressed calls.
            if n > 1 && !std::mem::replace(&mut reserved[usize::from(n)], true) {
                return n;
            }
        };
        let pointers = vec![take(rng, 2, 1), take(rng, 8, 8), take(rng, 8, 8), take(rng, 3, 29)];
        let [counter, nowhere, safe] = [0; 3].map(|_| take(rng, 16, 16));
        let calm = rng.percent(40);
        let block = Block {
            gadgets: Vec::new(),
            pointers,
            counter,
            nowhere,
            safe,
            calm,
            waits: if calm {
                rng.pick(&[Waits::No, Waits::No, Waits::No, Waits::Traps, Waits::Wakes])
            } else {
                Waits::No
            },
        };
        let length = 30 + rng.below(60) as usize;
        let mut draft = Draft { maker: self, reserved, block, length, open_loop: None };
        let theme = THEMES[rng.below(THEMES.len() as u64) as usize];
        while draft.block.gadgets.len() < length {
            if let Some((start, end)) = draft.open_loop
                && draft.block.gadgets.len() >= end
            {
                draft.close_loop(start);
                continue;
            }
            let kind = pick_kind(rng, &theme);
            if let Some(gadget) = draft.gadget(rng, kind) {
                draft.block.gadgets.push(gadget);
            }
        }
        draft.block
    }
}

fn pick_kind(rng: &mut Rng, theme: &Theme) -> Kind {
    let mut left = rng.below(theme.iter().sum());
    for (share, kind) in theme.iter().zip(KINDS) {
        if left < *share {
            return kind;
        }
        left -= share;
    }
    Kind::Alu
}

impl Draft<'_> {
    fn here(&self) -> usize {
        self.block.gadgets.len()
    }

    /// A register that may be written.
    fn free(&self, rng: &mut Rng) -> u32 {
        loop {
            let n = 1 + rng.below(31);
            if !self.reserved[n as usize] {
                return n as u32;
            }
        }
    }

    /// Two of them.
    fn free_pair(&self, rng: &mut Rng) -> (u32, u32) {
        let first = self.free(rng);
        loop {
            let second = self.free(rng);
            if second != first {
                return (first, second);
            }
        }
    }

    fn row(&self, rng: &mut Rng, rows: &[&'static InsnDef]) -> Option<u32> {
        let def = rng.pick(rows);
        self.maker.rows.word(rng, def, &self.reserved)
    }

    /// Forward, and not too far.
    fn target(&self, rng: &mut Rng) -> usize {
        (self.here() + 1 + rng.below(6) as usize).min(self.length)
    }

    fn gadget(&mut self, rng: &mut Rng, kind: Kind) -> Option<Gadget> {
        let rows = self.maker.rows;
        let one = |word: Option<u32>| word.map(|w| vec![Item::Word(w)]);
        match kind {
            Kind::Alu if self.block.waits != Waits::No && rng.percent(5) => Some(self.wait(rng)),
            // The stack pointer is one of the data pointers: it may move a little.
            Kind::Alu if rows.compressed && rng.percent(1) => {
                one(rows.word(rng, rows.named("c.addi16sp"), &[false; 32]))
            }
            Kind::Alu => one(self.row(rng, &rows.alu)),
            Kind::Fp => one(self.row(rng, &rows.fp)),
            Kind::Memory => {
                let def = rng.pick(&rows.memory);
                one(rows.memory_word(rng, def, &self.reserved, &self.block.pointers))
            }
            Kind::Atomic => {
                let def = rng.pick(&rows.atomic);
                one(rows.memory_word(rng, def, &self.reserved, &self.block.pointers))
            }
            Kind::Jump => self.jump(rng),
            Kind::Indirect => self.indirect(rng),
            Kind::Loop => {
                if self.open_loop.is_none() && self.here() + 12 < self.length {
                    self.open_loop = Some((self.here(), self.here() + 3 + rng.below(8) as usize));
                }
                None
            }
            Kind::Csr => {
                let (rd, t) = self.free_pair(rng);
                let rd = if rng.percent(10) { 0 } else { rd };
                csrs::access(rng, rd, t, self.maker, self.block.calm)
            }
            Kind::System => one(self.row(rng, &rows.system)),
            Kind::Return if self.block.calm || self.maker.status_hidden => None,
            Kind::Return => Some(self.trap_return(rng)),
            Kind::Illegal => one(rows.illegal_word(rng)),
            Kind::Patch => Some(self.patch(rng)),
            Kind::Reserve if !self.block.calm => None,
            Kind::Reserve => self.reserve(rng),
        }
    }

    /// `counter -= 1`, back while it is positive. Other code may land in a loop, so that its count only
    /// ever falls.
    fn close_loop(&mut self, start: usize) {
        let counter = u32::from(self.block.counter);
        let back = Item::Jump {
            word: s_type(0x63, 4, 0, counter, 0),
            fmt: relsim_core::insn::Fmt::Branch,
            target: start,
        };
        self.block.gadgets.push(vec![Item::Word(addi(counter, counter, -1)), back]);
        self.open_loop = None;
    }

    fn jump(&self, rng: &mut Rng) -> Option<Gadget> {
        let def = rng.pick(&self.maker.rows.jumps);
        let word = self.maker.rows.word(rng, def, &self.reserved)?;
        // Zero offset: the offset's bits are those that change when only the operands stay.
        let offset_bits = match def.fmt {
            relsim_core::insn::Fmt::Branch => asm::branch_bits(-1),
            relsim_core::insn::Fmt::J => asm::jump_bits(-1),
            relsim_core::insn::Fmt::CJ => 0x1ffc,
            _ => 0x1c7c,
        };
        Some(vec![Item::Jump { word: word & !offset_bits, fmt: def.fmt, target: self.target(rng) }])
    }

    /// An indirect jump forward, or where nothing is.
    fn indirect(&self, rng: &mut Rng) -> Option<Gadget> {
        let def = rng.pick(&self.maker.rows.indirect);
        let word = self.maker.rows.word(rng, def, &self.reserved)?;
        let operands = def.fmt.operands(word);
        if rng.percent(4) {
            let rs1 = u32::from(self.block.nowhere);
            let place = if def.pattern.len == 2 { 7 } else { 15 };
            return Some(vec![Item::Word(word & !(31 << place) | rs1 << place)]);
        }
        if operands.rs1 == 0 || self.reserved[usize::from(operands.rs1)] {
            return None;
        }
        let less = operands.imm & !1;
        let place = Item::Place { rd: operands.rs1.into(), target: self.target(rng), less };
        Some(vec![place, Item::Word(word)])
    }

    /// `mret` or `sret` to the next gadget, at some privilege and through some alias of the code. The
    /// address is set last, so that no interrupt can come between it and the return.
    fn trap_return(&self, rng: &mut Rng) -> Gadget {
        let (t, d) = self.free_pair(rng);
        let (status, epc, leave, level) = if rng.percent(60) {
            (0x300, 0x341, asm::MRET, rng.pick(&[0u64, 1, 3]) << 11)
        } else {
            (0x100, 0x141, asm::SRET, rng.below(2) << 8)
        };
        let field = if status == 0x300 { 3 << 11 } else { 1 << 8 };
        // MPRV goes first: QEMU 7.2 forgets to clear it when M is left (see `exceptions`).
        let mut gadget = vec![Item::Word(lui(t, 0x20)), Item::Word(csrrc(0, 0x300, t))];
        gadget.extend(li(t, field).into_iter().map(Item::Word));
        gadget.push(Item::Word(csrrc(0, status, t)));
        gadget.extend(li(t, level).into_iter().map(Item::Word));
        gadget.push(Item::Word(csrrs(0, status, t)));
        gadget.push(Item::Place { rd: t, target: self.here() + 1, less: 0 });
        let delta = rng.pick(&[0, 0, 0, USER_CODE, PAGED_CODE]);
        if delta != 0 {
            gadget.extend(li(d, delta).into_iter().map(Item::Word));
            // Towards the alias, or back from the one that S can be in.
            let back = delta == PAGED_CODE && rng.percent(30);
            let funct7 = if back { 0x20 } else { 0 };
            gadget.push(Item::Word(asm::r_type(0x33, 0, funct7, t, t, d)));
        }
        gadget.extend([Item::Word(csrrw(0, epc, t)), Item::Word(leave)]);
        gadget
    }

    /// Overwrites an instruction that follows, with `fence.i` between.
    fn patch(&self, rng: &mut Rng) -> Gadget {
        let (t, d) = self.free_pair(rng);
        let rd = self.free(rng);
        let mut simple =
            || i_type(0x13, rng.pick(&[0, 4, 6, 7]), rd, rng.below(32) as u32, rng.below(4096) as i32);
        let (old, new) = (simple(), simple());
        // Always two words: lui, addiw.
        let low = (new << 20) as i32 >> 20;
        let load = [lui(d, new.wrapping_sub(low as u32) >> 12), i_type(0x1b, 0, d, d, low)];
        let mut gadget = Gadget::new();
        if !self.block.calm {
            // Not under MPRV: QEMU 7.2 would go by the translation of the fetch.
            gadget.extend([lui(t, 0x20), csrrc(0, 0x300, t)].map(Item::Word));
        }
        gadget.push(Item::Word(asm::auipc(t, 0)));
        gadget.extend(load.map(Item::Word));
        // auipc, lui, addiw, sw, fence.i: the slot is 20 bytes on.
        gadget.extend([s_type(0x23, 2, t, d, 20), asm::FENCE_I, old].map(Item::Word));
        gadget
    }

    /// `wfi`; see [`Waits`].
    fn wait(&self, rng: &mut Rng) -> Gadget {
        let t = self.free(rng);
        let around = |csr: u32| [addi(t, 0, 2), csrrs(0, csr, t)];
        let [mie, mip] = [around(0x304), around(0x344)];
        let words = match self.block.waits {
            Waits::Wakes => [mie.as_slice(), &mip, &[asm::WFI, csrrc(0, 0x344, t)]].concat(),
            _ => vec![asm::WFI],
        };
        words.into_iter().map(Item::Word).collect()
    }

    /// Load-reserved and store-conditional as the architecture promises that they succeed; and a
    /// store-conditional that must fail because there was one before.
    fn reserve(&self, rng: &mut Rng) -> Option<Gadget> {
        let rows = self.maker.rows;
        let suffix = rng.pick(&[".w", ".d"]);
        let safe = [self.block.safe];
        let mut word = |name: &str| {
            let def = rows.named(&format!("{name}{suffix}"));
            rows.memory_word(rng, def, &self.reserved, &safe)
        };
        let (lr, sc, again) = (word("lr")?, word("sc")?, word("sc")?);
        let mut gadget = vec![Item::Word(lr)];
        for _ in 0..rng.below(3) {
            gadget.push(Item::Word(self.row(rng, &rows.alu)?));
        }
        gadget.push(Item::Word(sc));
        if rng.percent(40) {
            gadget.push(Item::Word(again));
        }
        Some(gadget)
    }
}
