//! Breakpoints and watchpoints. They are stops of the session: memory is not changed, and there is no limit to their
//! number, so that there is no difference between those of software and those of hardware.

use gdbstub::target::TargetResult;
use gdbstub::target::ext::breakpoints::{
    Breakpoints, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint, SwBreakpointOps,
    WatchKind,
};
use relsim_machine::session::{Stop, Trigger};

use super::target::Debugged;

/// What gdb has asked to stop at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// A software breakpoint.
    Software(u64),
    /// A hardware breakpoint.
    Hardware(u64),
    /// A watchpoint: start, length in bytes, accesses.
    Watch(u64, u64, WatchKind),
}

impl Point {
    fn trigger(self) -> Trigger {
        match self {
            Self::Software(address) | Self::Hardware(address) => Trigger::Address(address),
            Self::Watch(start, length, kind) => Trigger::Access {
                bytes: start..=start.saturating_add(length.saturating_sub(1)),
                physical: false,
                read: kind != WatchKind::Write,
                write: kind != WatchKind::Read,
            },
        }
    }
}

/// All that there are.
#[derive(Debug, Default)]
pub struct Points(Vec<Point>);

impl Points {
    /// As stops of a session, numbered from 1 on.
    pub fn stops(&self) -> Vec<Stop> {
        let stop =
            |(number, point): (u32, &Point)| Stop { number, trigger: point.trigger(), condition: None };
        (1..).zip(&self.0).map(stop).collect()
    }

    /// The one with number `number` of [`Points::stops`].
    pub fn get(&self, number: u32) -> Option<Point> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.0.get(index).copied()
    }

    /// Another one; gdb may say again what is there.
    fn add(&mut self, point: Point) -> bool {
        if !self.0.contains(&point) {
            self.0.push(point);
        }
        true
    }

    fn remove(&mut self, point: Point) -> bool {
        self.0.retain(|other| *other != point);
        true
    }

    /// None any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Breakpoints for Debugged {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Debugged {
    fn add_sw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.points.add(Point::Software(addr)))
    }

    fn remove_sw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.points.remove(Point::Software(addr)))
    }
}

impl HwBreakpoint for Debugged {
    fn add_hw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.points.add(Point::Hardware(addr)))
    }

    fn remove_hw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(self.points.remove(Point::Hardware(addr)))
    }
}

impl HwWatchpoint for Debugged {
    fn add_hw_watchpoint(&mut self, addr: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(len > 0 && self.points.add(Point::Watch(addr, len, kind)))
    }

    fn remove_hw_watchpoint(&mut self, addr: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(self.points.remove(Point::Watch(addr, len, kind)))
    }
}
