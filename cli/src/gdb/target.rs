//! What gdb debugs: the harts of a session as threads, their registers and memory.

use gdbstub::common::Tid;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{MultiThreadBase, MultiThreadResumeOps};
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::breakpoints::BreakpointsOps;
use gdbstub::target::ext::monitor_cmd::MonitorCmdOps;
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use relsim_core::hart::Hart;
use relsim_machine::session::{NotWritten, Place};
use relsim_machine::{Exit, Identity, Machine, RestoreError, Session};

use super::arch::{CoreRegisters, Register, Rv64};
use super::points::Points;
use super::resume::Action;
use super::{description, memory};

/// `EFAULT`: what gdb shows as memory that it cannot access.
const FAULT: u8 = 14;
/// `EINVAL`.
const INVALID: u8 = 22;
/// `EPERM`.
const NOT_PERMITTED: u8 = 1;

/// A session with what gdb has set up in it.
pub struct Debugged {
    /// The machine and its past.
    pub session: Session,
    /// Where to stop.
    pub points: Points,
    /// What to do when gdb lets the machine go.
    pub action: Action,
    /// gdb named a thread that there is as it chose that.
    pub named: bool,
    /// How the run ended, once it has.
    pub ended: Option<Exit>,
    /// What checkpoints in files are of, or why there are none.
    pub kept: Result<Identity, String>,
    description: String,
}

impl Debugged {
    /// With nothing set up yet.
    pub fn new(session: Session, kept: Result<Identity, String>) -> Self {
        let hart = session.machine().cores.first().map(|core| &core.hart);
        let description = hart.map(description::xml).unwrap_or_default();
        let points = Points::default();
        Self { session, points, action: Action::Continue, named: false, ended: None, kept, description }
    }

    /// The machine.
    pub fn machine(&self) -> &Machine {
        self.session.machine()
    }

    /// The hart that thread `tid` is.
    pub fn hart(&self, tid: Tid) -> Option<&Hart> {
        self.machine().cores.get(tid.get() - 1).map(|core| &core.hart)
    }

    fn write(&mut self, tid: Tid, register: Register, value: u64) -> TargetResult<(), Self> {
        let hart = self.hart(tid).ok_or(TargetError::NonFatal)?;
        let place = match register {
            Register::X(r) => Place::Register(r),
            Register::Pc => Place::Pc,
            Register::F(r) if description::float_bits(hart).is_some() => Place::Float(r),
            Register::F(_) => return Err(TargetError::NonFatal),
            Register::Csr(num) => Place::Csr(num),
            Register::Privilege => Place::Privilege,
        };
        self.session.write(tid.get() - 1, place, value).map_err(|why| match why {
            NotWritten::Csr => TargetError::Errno(NOT_PERMITTED),
            _ => TargetError::Errno(INVALID),
        })
    }

    fn register(&self, tid: Tid, register: Register) -> Option<u64> {
        let hart = self.hart(tid)?;
        match register {
            Register::X(r) => Some(hart.x(r)),
            Register::Pc => Some(hart.pc),
            Register::F(r) => description::float_bits(hart).map(|_| hart.f(r)),
            Register::Csr(num) => hart.peek_csr(&self.machine().bus, num),
            Register::Privilege => Some(hart.privilege as u64),
        }
    }
}

/// The thread that hart `hart` is: gdb numbers from 1 on.
pub fn thread(hart: usize) -> Tid {
    Tid::MIN.saturating_add(hart)
}

impl Target for Debugged {
    type Arch = Rv64;
    type Error = RestoreError;

    fn base_ops(&mut self) -> BaseOps<'_, Rv64, RestoreError> {
        BaseOps::MultiThread(self)
    }

    /// Runs of a character are not packed: it would save nothing on a loopback, and logs can be read.
    fn use_rle(&self) -> bool {
        false
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
}

impl TargetDescriptionXmlOverride for Debugged {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buf: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = self.description.as_bytes().get(from..).unwrap_or_default();
        let count = rest.len().min(length).min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl MultiThreadBase for Debugged {
    fn read_registers(&mut self, regs: &mut CoreRegisters, tid: Tid) -> TargetResult<(), Self> {
        let hart = self.hart(tid).ok_or(TargetError::NonFatal)?;
        *regs = CoreRegisters { x: std::array::from_fn(|r| hart.x(r as u8)), pc: hart.pc };
        Ok(())
    }

    fn write_registers(&mut self, regs: &CoreRegisters, tid: Tid) -> TargetResult<(), Self> {
        let mut now = CoreRegisters::default();
        self.read_registers(&mut now, tid)?;
        // What stays needs no change: the pc of a hart that sleeps would wake it.
        for (r, (&value, _)) in (0..).zip(regs.x.iter().zip(&now.x)).filter(|(_, (new, old))| new != old) {
            self.write(tid, Register::X(r), value)?;
        }
        if regs.pc != now.pc {
            self.write(tid, Register::Pc, regs.pc)?;
        }
        Ok(())
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start_addr: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let hart = self.hart(tid).ok_or(TargetError::NonFatal)?;
        // The stub itself adds to the address what it has got.
        if start_addr.checked_add(data.len() as u64).is_none() {
            return Err(TargetError::Errno(FAULT));
        }
        match memory::read(hart, &self.machine().bus, start_addr, data) {
            0 if !data.is_empty() => Err(TargetError::Errno(FAULT)),
            count => Ok(count),
        }
    }

    fn write_addrs(&mut self, start_addr: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        if data.is_empty() {
            return Ok(());
        }
        self.session.write_memory(tid.get() - 1, start_addr, data).map_err(|_| TargetError::Errno(FAULT))
    }

    fn list_active_threads(&mut self, thread_is_active: &mut dyn FnMut(Tid)) -> Result<(), RestoreError> {
        (0..self.machine().cores.len()).map(thread).for_each(thread_is_active);
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<Tid> for Debugged {
    fn read_register(&mut self, tid: Tid, reg_id: Register, buf: &mut [u8]) -> TargetResult<usize, Self> {
        let value = self.register(tid, reg_id).ok_or(TargetError::NonFatal)?.to_le_bytes();
        let bits = match reg_id {
            Register::F(_) => self.hart(tid).and_then(description::float_bits),
            _ => None,
        };
        let size = bits.unwrap_or(64) as usize / 8;
        buf.get_mut(..size).ok_or(TargetError::NonFatal)?.copy_from_slice(&value[..size]);
        Ok(size)
    }

    fn write_register(&mut self, tid: Tid, reg_id: Register, val: &[u8]) -> TargetResult<(), Self> {
        let value = match val.len() {
            // A number of single precision among registers of 64 bits is boxed.
            4 => val.try_into().ok().map(|bytes| u64::from(u32::from_le_bytes(bytes)) | 0xffff_ffff << 32),
            8 => val.try_into().ok().map(u64::from_le_bytes),
            _ => None,
        };
        self.write(tid, reg_id, value.ok_or(TargetError::Errno(INVALID))?)
    }
}

impl ThreadExtraInfo for Debugged {
    fn thread_extra_info(&self, tid: Tid, buf: &mut [u8]) -> Result<usize, RestoreError> {
        let text = self.hart(tid).map_or("no such hart".into(), |hart| {
            let (id, mode) = (hart.config.id, hart.privilege.letter());
            let state = format!("{:?}", hart.state).to_lowercase();
            format!("hart {id} {state} {mode} cycle {}", hart.cycle)
        });
        let count = text.len().min(buf.len());
        buf[..count].copy_from_slice(&text.as_bytes()[..count]);
        Ok(count)
    }
}
