//! The built-in firmware: SBI v2.0 for kernels that start in S-mode without firmware of their own.
//!
//! Base, timer, IPI, remote fence, HSM, system reset, debug console, and the legacy calls 0 to 8. It is a
//! stand-in: it takes no instructions of the guest, and each call costs
//! [`crate::MachineConfig::sbi_call_cycles`].

use relsim_core::bus::Bus;
use relsim_core::csr::irq;
use relsim_core::device::GuestExit;
use relsim_core::hart::{Hart, Priv, RunState};
use relsim_core::isa::Ext;
use relsim_core::run::Core;
use relsim_core::saved::{Impossible, countable, require};
use serde::{Deserialize, Serialize};

const SUCCESS: i64 = 0;
const ERR_FAILED: i64 = -1;
const ERR_NOT_SUPPORTED: i64 = -2;
const ERR_INVALID_PARAM: i64 = -3;
const ERR_INVALID_ADDRESS: i64 = -5;
const ERR_ALREADY_AVAILABLE: i64 = -6;

const EXT_BASE: u64 = 0x10;
const EXT_TIME: u64 = 0x5449_4d45;
const EXT_IPI: u64 = 0x0073_5049;
const EXT_RFENCE: u64 = 0x5246_4e43;
const EXT_HSM: u64 = 0x0048_534d;
const EXT_RESET: u64 = 0x5352_5354;
const EXT_DEBUG_CONSOLE: u64 = 0x4442_434e;

/// Longest console write of one call; the guest is told how much was taken.
const MAX_CONSOLE_BYTES: u64 = 1 << 16;

// Registers of the calling convention.
const A0: u8 = 10;
const A1: u8 = 11;
const A2: u8 = 12;
const A6: u8 = 16;
const A7: u8 = 17;

/// The firmware's own state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// Per hart: the `mtime` at which its timer interrupt is due, where Sstc does not do it.
    deadlines: Vec<u64>,
    /// Calls served.
    pub calls: u64,
}

/// What a call gives: error and value, or nothing in a1 for legacy calls.
enum Answer {
    Pair(i64, u64),
    Legacy(i64),
    /// The hart does not go on.
    Stopped,
}

impl Firmware {
    /// Whether it can be `own` at another time.
    pub fn check(&self, own: &Self) -> Result<(), Impossible> {
        require(self.deadlines.len() == own.deadlines.len(), "timers of another number of harts")?;
        require(countable([self.calls]), "too many calls of the firmware")
    }

    /// No timers set.
    pub fn new(harts: usize) -> Self {
        Self { deadlines: vec![u64::MAX; harts], calls: 0 }
    }

    /// Puts `hart` into the state in which firmware hands over to a kernel at `entry` in S-mode.
    pub fn start_hart(hart: &mut Hart, bus: &mut Bus, entry: u64, opaque: u64) {
        let id = hart.config.id as u64;
        let poke = |hart: &mut Hart, bus: &mut Bus, csr: u16, value: u64| {
            hart.poke_csr(bus, csr, value);
        };
        // What S-mode may see and handle: all exceptions but calls from S, which are ours, all
        // interrupts, all counters, all memory.
        poke(hart, bus, 0x302, 0xb1ff);
        poke(hart, bus, 0x303, irq::SUPERVISOR);
        poke(hart, bus, 0x306, 0xffff_ffff);
        poke(hart, bus, 0x3b0, u64::MAX);
        poke(hart, bus, 0x3a0, 0x1f);
        poke(hart, bus, 0x30a, !(2 << 4));
        // A device tree that names Svadu without Svade says that hardware sets A and D (Linux's binding
        // riscv/extensions.yaml); where it names both, they are the kernel's until it asks for more by the
        // firmware-features call, which is not there.
        if hart.has(Ext::Svade) {
            let envcfg = hart.csr.menvcfg & !relsim_core::csr::ENVCFG_ADUE;
            poke(hart, bus, 0x30a, envcfg);
        }
        poke(hart, bus, 0x100, 0);
        poke(hart, bus, 0x104, 0);
        poke(hart, bus, 0x180, 0);
        hart.privilege = Priv::S;
        hart.pc = entry;
        hart.write_x(A0, id);
        hart.write_x(A1, opaque);
        hart.state = RunState::Running;
        hart.update_contexts();
    }

    /// The earliest core cycle at which a timer that the firmware keeps is due.
    pub fn next_deadline(&self, bus: &Bus, now: u64) -> Option<u64> {
        self.deadlines.iter().filter(|&&d| d != u64::MAX).filter_map(|&d| bus.clock.cycle_of(d, now)).min()
    }

    /// Raises the timer interrupts that are due at cycle `now`.
    pub fn run_timers(&mut self, cores: &mut [Core], bus: &Bus, now: u64) {
        let mtime = bus.clock.mtime(now);
        for (deadline, core) in self.deadlines.iter_mut().zip(cores) {
            if mtime >= *deadline {
                *deadline = u64::MAX;
                core.hart.csr.mip_soft |= irq::STIP;
            }
        }
    }

    /// Serves the `ecall` at hart `caller`'s `pc` and moves on behind it.
    pub fn call(&mut self, cores: &mut [Core], bus: &mut Bus, caller: usize, cost_cycles: u64) {
        self.calls += 1;
        let hart = &mut cores[caller].hart;
        hart.pc = hart.pc.wrapping_add(4);
        hart.instret += 1;
        hart.cycle += cost_cycles;
        bus.now = hart.cycle;
        let (extension, function) = (hart.x(A7), hart.x(A6));
        let answer = match extension {
            0..=8 => self.legacy(cores, bus, caller, extension),
            EXT_BASE => Self::base(hart, function),
            EXT_TIME if function == 0 => {
                let deadline = hart.x(A0);
                self.set_timer(hart, bus, deadline);
                Answer::Pair(SUCCESS, 0)
            }
            EXT_IPI if function == 0 => {
                let (mask, base) = (hart.x(A0), hart.x(A1));
                with_targets(cores, mask, base, |hart| hart.csr.mip_soft |= irq::SSIP)
            }
            EXT_RFENCE if function <= 2 => {
                let (mask, base) = (hart.x(A0), hart.x(A1));
                with_targets(cores, mask, base, |hart| remote_fence(hart, function))
            }
            EXT_HSM => Self::hsm(cores, bus, caller, function),
            EXT_RESET if function == 0 => {
                bus.exit = Some(match (hart.x(A0), hart.x(A1)) {
                    (0, 0) => GuestExit::Done(0),
                    (0, _) => GuestExit::Done(1),
                    _ => GuestExit::Reset,
                });
                Answer::Pair(SUCCESS, 0)
            }
            EXT_DEBUG_CONSOLE => Self::console(hart, bus, function),
            _ => Answer::Pair(ERR_NOT_SUPPORTED, 0),
        };
        let hart = &mut cores[caller].hart;
        match answer {
            Answer::Pair(error, value) => {
                hart.write_x(A0, error as u64);
                hart.write_x(A1, value);
            }
            Answer::Legacy(value) => hart.write_x(A0, value as u64),
            Answer::Stopped => {}
        }
    }

    fn set_timer(&mut self, hart: &mut Hart, bus: &Bus, deadline: u64) {
        if hart.has(Ext::Sstc) {
            hart.csr.stimecmp = deadline;
            return;
        }
        hart.csr.mip_soft &= !irq::STIP;
        let due = bus.clock.mtime(bus.now) >= deadline;
        if due {
            hart.csr.mip_soft |= irq::STIP;
        }
        self.deadlines[hart.config.id] = if due { u64::MAX } else { deadline };
    }

    fn base(hart: &Hart, function: u64) -> Answer {
        let known = [EXT_BASE, EXT_TIME, EXT_IPI, EXT_RFENCE, EXT_HSM, EXT_RESET, EXT_DEBUG_CONSOLE];
        let value = match function {
            // Version 2.0; implementation ids below 0x10 are taken, "unknown" has none: relsim says 0xff.
            0 => 2 << 24,
            1 => 0xff,
            2 => 1,
            3 => u64::from(hart.x(A0) <= 8 || known.contains(&hart.x(A0))),
            4..=6 => hart.config.ids[function as usize - 4],
            _ => return Answer::Pair(ERR_NOT_SUPPORTED, 0),
        };
        Answer::Pair(SUCCESS, value)
    }

    fn hsm(cores: &mut [Core], bus: &mut Bus, caller: usize, function: u64) -> Answer {
        let hart = &cores[caller].hart;
        let (target, address, opaque) = (hart.x(A0), hart.x(A1), hart.x(A2));
        let known = usize::try_from(target).ok().filter(|&t| t < cores.len());
        match (function, known) {
            (0, Some(target)) => {
                if !bus.ram.contains(address, 4) {
                    return Answer::Pair(ERR_INVALID_ADDRESS, 0);
                }
                let now = bus.now;
                let hart = &mut cores[target].hart;
                if hart.state != RunState::Stopped {
                    return Answer::Pair(ERR_ALREADY_AVAILABLE, 0);
                }
                hart.cycle = hart.cycle.max(now);
                Self::start_hart(hart, bus, address, opaque);
                Answer::Pair(SUCCESS, 0)
            }
            (1, _) => {
                cores[caller].hart.state = RunState::Stopped;
                Answer::Stopped
            }
            (2, Some(target)) => {
                let stopped = cores[target].hart.state == RunState::Stopped;
                Answer::Pair(SUCCESS, u64::from(stopped))
            }
            (3, _) => {
                // Suspend: a default retentive suspend is a wait for interrupt; others are not there.
                if target as u32 & 0x7fff_ffff != 0 || target as u32 >> 31 != 0 {
                    return Answer::Pair(ERR_NOT_SUPPORTED, 0);
                }
                let hart = &mut cores[caller].hart;
                if !hart.wakes(bus) {
                    hart.state = RunState::Waiting;
                }
                Answer::Pair(SUCCESS, 0)
            }
            (0 | 2, None) => Answer::Pair(ERR_INVALID_PARAM, 0),
            _ => Answer::Pair(ERR_NOT_SUPPORTED, 0),
        }
    }

    fn console(hart: &Hart, bus: &mut Bus, function: u64) -> Answer {
        let (len, low, high) = (hart.x(A0), hart.x(A1), hart.x(A2));
        match function {
            0 => {
                let len = len.min(MAX_CONSOLE_BYTES);
                match bus.ram.slice(low, len).filter(|_| high == 0) {
                    Some(bytes) => {
                        bus.console.write(bytes);
                        Answer::Pair(SUCCESS, len)
                    }
                    None => Answer::Pair(ERR_INVALID_PARAM, 0),
                }
            }
            1 => {
                let len = len.min(MAX_CONSOLE_BYTES);
                if high != 0 || !bus.ram.contains(low, len) {
                    return Answer::Pair(ERR_INVALID_PARAM, 0);
                }
                let mut count = 0;
                while count < len
                    && let Some(byte) = bus.console.read()
                {
                    bus.ram.write(low + count, &[byte]);
                    count += 1;
                }
                Answer::Pair(SUCCESS, count)
            }
            2 => {
                bus.console.write(&[len as u8]);
                Answer::Pair(SUCCESS, 0)
            }
            _ => Answer::Pair(ERR_NOT_SUPPORTED, 0),
        }
    }

    /// The legacy calls name harts by a mask in memory, at a virtual address (0: all harts).
    fn legacy(&mut self, cores: &mut [Core], bus: &mut Bus, caller: usize, call: u64) -> Answer {
        let hart = &mut cores[caller].hart;
        let argument = hart.x(A0);
        match call {
            0 => self.set_timer(hart, bus, argument),
            1 => bus.console.write(&[argument as u8]),
            2 => return Answer::Legacy(bus.console.read().map_or(-1, i64::from)),
            3 => hart.csr.mip_soft &= !irq::SSIP,
            4..=7 => {
                let mask = if argument == 0 {
                    u64::MAX
                } else {
                    let kind = relsim_core::pmp::AccessKind::Load;
                    let pa = hart.translate(bus, argument & !7, 8, kind, Priv::S).ok();
                    match pa.and_then(|pa| bus.ram.get::<u64>(pa)) {
                        Some(mask) => mask,
                        None => return Answer::Legacy(ERR_FAILED),
                    }
                };
                for core in cores.iter_mut().filter(|c| c.hart.config.id < 64) {
                    if mask >> core.hart.config.id & 1 == 1 && core.hart.state != RunState::Stopped {
                        match call {
                            4 => core.hart.csr.mip_soft |= irq::SSIP,
                            _ => remote_fence(&mut core.hart, call - 5),
                        }
                    }
                }
            }
            _ => {
                bus.exit = Some(GuestExit::Done(0));
            }
        }
        Answer::Legacy(SUCCESS)
    }
}

fn remote_fence(hart: &mut Hart, function: u64) {
    if function == 0 {
        hart.fetch_stale = true;
    } else {
        hart.flush_translations();
    }
}

/// Applies `act` to the harts of a mask; base -1 means all of them.
fn with_targets(cores: &mut [Core], mask: u64, base: u64, act: impl Fn(&mut Hart)) -> Answer {
    let harts = cores.len() as u64;
    if base == u64::MAX {
        cores.iter_mut().filter(|c| c.hart.state != RunState::Stopped).for_each(|c| act(&mut c.hart));
        return Answer::Pair(SUCCESS, 0);
    }
    let targets = (0..64).filter(|bit| mask >> bit & 1 == 1).map(|bit| base.saturating_add(bit));
    if targets.clone().any(|t| t >= harts) {
        return Answer::Pair(ERR_INVALID_PARAM, 0);
    }
    for target in targets {
        act(&mut cores[target as usize].hart);
    }
    Answer::Pair(SUCCESS, 0)
}
