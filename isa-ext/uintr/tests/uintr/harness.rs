//! A machine small enough to see all of: memory, the UINTC with another device right behind it, and harts that
//! are put into any state and run one instruction at a time.

use std::sync::Arc;

use relsim_core::block::BlockCache;
use relsim_core::bus::Bus;
use relsim_core::csr::CsrTable;
use relsim_core::decode::Decoder;
use relsim_core::device::{BusFault, Clock, Device, DeviceCx, NoConsole};
use relsim_core::hart::{Hart, HartConfig, Priv};
use relsim_core::isa::parse_isa;
use relsim_core::observe::Unobserved;
use relsim_core::ram::Ram;
use relsim_core::run::{Core, SliceEnd, SliceLimits};
use relsim_core::timing::Functional;
use relsim_uintr::UINTR;
use relsim_uintr::uintc::{Receiver, Uintc};
use uintr_abi::uintc::{ACTIVE, HIGH, LOW, SEND, register_offset};
use uintr_abi::{ReceiverLow, SenderEntry, Suirs, Suist, csr, n};

pub const RAM: u64 = 0x8000_0000;
const RAM_BYTES: u64 = 1 << 20;
pub const UINTC: u64 = 0x2f1_0000;
pub const UINTC_BYTES: u64 = 0x4000;
pub const RECEIVERS: u16 = (UINTC_BYTES / 32) as u16;
/// The device behind the UINTC.
pub const NEIGHBOUR: u64 = UINTC + UINTC_BYTES;
/// What receivers beyond the UINTC would reach.
const NEIGHBOUR_BYTES: u64 = 65536 * 32 - UINTC_BYTES;

/// Where code is put, and where the handlers of the three privileges stand (each is one `j .`).
pub const CODE: u64 = RAM + 0x1000;
pub const M_HANDLER: u64 = RAM + 0x2000;
pub const S_HANDLER: u64 = RAM + 0x3000;
pub const U_HANDLER: u64 = RAM + 0x4000;
/// The sender table, one page.
pub const TABLE: u64 = RAM + 0x8000;

/// Counts the accesses that reach it; they should be none.
struct Neighbour(u64);

impl Device for Neighbour {
    fn name(&self) -> &str {
        "neighbour"
    }
    fn read(&mut self, _: &mut DeviceCx<'_>, _: u64, _: u8) -> Result<u64, BusFault> {
        self.0 += 1;
        Ok(u64::MAX)
    }
    fn write(&mut self, _: &mut DeviceCx<'_>, _: u64, _: u8, _: u64) -> Result<(), BusFault> {
        self.0 += 1;
        Ok(())
    }
    fn save(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }
    fn restore(&mut self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}

pub struct Machine {
    pub bus: Bus,
    pub cores: Vec<Core>,
}

impl Machine {
    /// `harts` harts with user interrupts.
    pub fn new(harts: usize) -> Self {
        Self::with_isa(harts, "rv64gcn_zicntr_xuintr")
    }

    /// Harts in M-mode at [`CODE`], with handlers in place and everything that can be delegated to S.
    pub fn with_isa(harts: usize, isa: &str) -> Self {
        let isa = parse_isa(isa, &[&UINTR]).unwrap();
        let clock = Clock::new(100_000_000, 10_000_000);
        let mut bus = Bus::new(Ram::new(RAM, RAM_BYTES), harts, clock, Box::new(NoConsole));
        let device = UINTR.device.unwrap()(UINTC_BYTES);
        bus.add_device(UINTC, UINTC_BYTES, device).unwrap();
        bus.add_device(NEIGHBOUR, NEIGHBOUR_BYTES, Box::new(Neighbour(0))).unwrap();
        for handler in [M_HANDLER, S_HANDLER, U_HANDLER] {
            // A word for each vector, too.
            (0..16).for_each(|n| assert!(bus.ram.put(handler + 4 * n, crate::asm::STAY).is_some()));
        }
        let csrs = Arc::new(CsrTable::new(isa, &[UINTR.csrs]).unwrap());
        let decoder = Arc::new(Decoder::new(isa, &[UINTR.insns]).unwrap());
        let core = |id| {
            let config = HartConfig {
                id,
                isa,
                misaligned_ok: true,
                firmware_calls: false,
                pmp_entries: 0,
                reset_pc: CODE,
                ids: [0; 3],
            };
            let mut hart = Hart::new(config, csrs.clone());
            (UINTR.reset)(&mut hart, Some(UINTC));
            (hart.csr.mtvec, hart.csr.stvec, hart.csr.utvec) = (M_HANDLER, S_HANDLER, U_HANDLER);
            (hart.csr.medeleg, hart.csr.mideleg) = (0xb1ff, 0x222);
            Core::new(hart, BlockCache::new(decoder.clone()))
        };
        let cores = (0..harts).map(core).collect();
        Self { bus, cores }
    }

    pub fn hart(&mut self, hart: usize) -> &mut Hart {
        &mut self.cores[hart].hart
    }

    /// Puts `hart` at `privilege`.
    pub fn enter(&mut self, hart: usize, privilege: Priv) {
        self.hart(hart).privilege = privilege;
        self.hart(hart).update_contexts();
    }

    /// Places code for `hart` (64 instructions at most), a `j .` behind it, and goes there. Gives the address.
    pub fn program(&mut self, hart: usize, code: &[u32]) -> u64 {
        let at = CODE + 0x100 * hart as u64;
        for (word, n) in code.iter().chain(&[crate::asm::STAY]).zip(0..) {
            assert!(self.bus.ram.put(at + 4 * n, *word).is_some());
        }
        self.hart(hart).pc = at;
        at
    }

    /// Reads a CSR as a debugger does.
    pub fn csr(&self, hart: usize, num: u16) -> u64 {
        self.cores[hart].hart.peek_csr(&self.bus, num).expect("the hart has the CSR")
    }

    /// Writes a CSR as M-mode does.
    pub fn set_csr(&mut self, hart: usize, num: u16, value: u64) {
        assert!(self.cores[hart].hart.poke_csr(&mut self.bus, num, value));
    }

    fn slice(&mut self, hart: usize, max_instructions: u64) -> SliceEnd {
        self.slice_until(hart, max_instructions, u64::MAX)
    }

    /// A slice of `hart` while the hart furthest behind is at `sync_cycle`.
    pub fn slice_until(&mut self, hart: usize, max_instructions: u64, sync_cycle: u64) -> SliceEnd {
        let limits = SliceLimits { end_cycle: u64::MAX, event_cycle: u64::MAX, max_instructions, sync_cycle };
        self.cores[hart].run(&mut self.bus, &mut Functional, &mut Unobserved, limits)
    }

    /// Runs until `count` more instructions have retired (traps on the way are taken).
    pub fn step(&mut self, hart: usize, count: u64) {
        let end = self.hart(hart).instret + count;
        while self.hart(hart).instret < end {
            let left = end - self.hart(hart).instret;
            let why = self.slice(hart, left);
            assert!(matches!(why, SliceEnd::Limit | SliceEnd::Device), "{why:?}");
        }
    }

    /// Takes an interrupt, if one is to be taken, and executes nothing.
    pub fn settle(&mut self, hart: usize) {
        assert_eq!(self.slice(hart, 0), SliceEnd::Limit);
    }

    /// Runs the one instruction `word` on `hart` where it is in privilege; it must not trap.
    pub fn exec(&mut self, hart: usize, word: u32) {
        let at = self.program(hart, &[word]);
        let traps = self.hart(hart).counts.clone();
        self.step(hart, 1);
        let h = self.hart(hart);
        assert_eq!(h.counts, traps, "{word:#010x} trapped: {:?}", h.raised);
        assert_eq!(h.pc, at + 4);
    }

    /// As [`Machine::exec`], for an instruction that traps: gives its cause and trap value.
    pub fn exec_trap(&mut self, hart: usize, word: u32) -> (u64, u64) {
        let at = self.program(hart, &[word]);
        let csr = &mut self.hart(hart).csr;
        // So that what an earlier trap left is not taken for this one's.
        (csr.mepc, csr.sepc, csr.uepc) = (0, 0, 0);
        self.step(hart, 1);
        let csr = &self.hart(hart).csr;
        [
            (csr.mepc, csr.mcause, csr.mtval),
            (csr.sepc, csr.scause, csr.stval),
            (csr.uepc, csr.ucause, csr.utval),
        ]
        .into_iter()
        .find_map(|(epc, cause, tval)| (epc == at).then_some((cause, tval)))
        .expect("the instruction trapped")
    }

    /// A read of the UINTC by `hart`, as the kernel does it.
    pub fn uintc_read(&mut self, receiver: u16, register: u64) -> u64 {
        self.bus.read::<u64>(0, UINTC + register_offset(receiver, register)).unwrap()
    }

    /// A write to the UINTC, as the kernel does it.
    pub fn uintc_write(&mut self, receiver: u16, register: u64, value: u64) {
        self.bus.write::<u64>(0, UINTC + register_offset(receiver, register), value).unwrap();
    }

    /// Everything the UINTC holds, without touching it.
    pub fn receivers(&self) -> Vec<Receiver> {
        let (_, _, device) = self.bus.devices().find(|(at, ..)| *at == UINTC).unwrap();
        Uintc::receivers_in(&device.save()).unwrap()
    }

    /// One receiver.
    pub fn receiver(&self, receiver: u16) -> Receiver {
        self.receivers()[usize::from(receiver)]
    }

    /// How often somebody reached the device behind the UINTC.
    pub fn neighbour_accesses(&self) -> u64 {
        let (_, _, device) = self.bus.devices().find(|(at, ..)| *at == NEIGHBOUR).unwrap();
        u64::from_le_bytes(device.save().try_into().unwrap())
    }

    /// The level that the UINTC drives at `hart`.
    pub fn level(&self, hart: usize) -> bool {
        self.bus.lines.mip(hart) & n::USIP != 0
    }

    /// Gives `hart` the sender table, with these entries from index 0 on.
    pub fn give_table(&mut self, hart: usize, entries: &[SenderEntry]) {
        for (entry, n) in entries.iter().zip(0..) {
            assert!(self.bus.ram.put(TABLE + 8 * n, entry.bits()).is_some());
        }
        let suist = Suist { enable: true, size_pages: 1, ppn: TABLE >> 12 };
        self.set_csr(hart, csr::SUIST, suist.bits());
    }

    /// Makes `receiver` that of what runs on `hart`, in 64-bit mode.
    pub fn give_receiver(&mut self, hart: usize, receiver: u16, active: bool) {
        self.set_csr(hart, csr::SUIRS, Suirs { enable: true, index: receiver }.bits());
        let low = ReceiverLow { active, mode64: true, hartid: hart as u16 };
        self.uintc_write(receiver, LOW, low.bits());
    }

    /// What a kernel and a thread do so that user software interrupts are taken in U; `ustatus.UIE` is left
    /// as it is.
    pub fn listen(&mut self, hart: usize) {
        self.set_csr(hart, n::SIDELEG, n::USIP);
        self.set_csr(hart, n::UIE, n::USIP);
    }

    /// A hart in U that takes what comes for `receiver`.
    pub fn running_receiver(&mut self, hart: usize, receiver: u16) {
        self.give_receiver(hart, receiver, true);
        self.listen(hart);
        self.set_csr(hart, n::USTATUS, n::STATUS_UIE);
        self.enter(hart, Priv::U);
    }

    /// SEND by anybody.
    pub fn post(&mut self, receiver: u16, vector: u64) {
        self.uintc_write(receiver, SEND, vector);
    }

    /// What is pending, without clearing it.
    pub fn pending(&self, receiver: u16) -> u64 {
        self.receiver(receiver).pending
    }

    /// Whether the hart is at the user handler, having come from `epc` by the user software interrupt.
    pub fn in_user_handler(&mut self, hart: usize, epc: u64) -> bool {
        let h = self.hart(hart);
        let csr = &h.csr;
        let cause = n::CAUSE_INTERRUPT | u64::from(n::USER_SOFTWARE);
        h.pc == U_HANDLER && h.privilege == Priv::U && (csr.uepc, csr.ucause, csr.utval) == (epc, cause, 0)
    }
}

/// The registers of a receiver, for tests that go through all.
pub const REGISTERS: [u64; 4] = [SEND, LOW, HIGH, ACTIVE];
