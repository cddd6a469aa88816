//! Prints `cycle pc` for every instruction that an ELF file retires on `rocket-golden`: the write-back cycle,
//! to be compared with a commit trace of the RTL.

use std::io::{BufWriter, Write, stdout};
use std::sync::atomic::AtomicBool;

use relsim_core::bus::Bus;
use relsim_core::device::NoConsole;
use relsim_core::hart::{Hart, Priv};
use relsim_core::insn::Op;
use relsim_core::observe::Observer;
use relsim_core::trap::TrapTaken;
use relsim_machine::Limits;
use relsim_tests::golden;

struct Log<W: Write>(W);

impl<W: Write> Observer for Log<W> {
    const ON: bool = true;

    fn retired(&mut self, hart: &Hart, _: &Bus, _: &Op, pc: u64, _: Priv) {
        let _ = writeln!(self.0, "{} {pc:x}", hart.cycle);
    }

    fn trapped(&mut self, hart: &Hart, _: &Bus, _: &TrapTaken) {
        let _ = writeln!(self.0, "{} trap", hart.cycle);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("an ELF file, please")?;
    let mut machine = golden::machine(&std::fs::read(&path)?, 20, Box::new(NoConsole));
    let mut log = Log(BufWriter::new(stdout().lock()));
    machine.run_observed(Limits::default(), &AtomicBool::new(false), &mut log);
    log.0.flush()?;
    Ok(())
}
