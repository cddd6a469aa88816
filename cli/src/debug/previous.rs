//! Back by one instruction of a hart, over calls and traps.

use relsim_core::insn::OpClass;
use relsim_machine::RestoreError;
use relsim_machine::session::{Arrival, Expr, Stop, Trigger};

use super::debugger::Debugger;

impl Debugger {
    /// Goes back over the last instruction of the hart that is looked at; if that returned from a call or trap, to where
    /// this was made.
    ///
    /// # Errors
    /// As those of the session.
    pub(super) fn previous(&mut self) -> Result<Arrival, RestoreError> {
        let hart = &self.core().hart;
        let (pc, sp, privilege) = (hart.pc, hart.x(2), hart.privilege as u64);
        let arrival = self.own_step_back()?;
        if arrival != Arrival::There || !self.is_return() {
            return Ok(arrival);
        }
        // What led here: a call of 4 or 2 bytes, a system call, or an interrupt; recursion has another stack.
        let condition = format!("hart == {} && sp == {sp} && priv == {privilege}", self.hart);
        let condition = Expr::parse(&condition, &self.core().hart.csr_table, &|_| None).ok();
        let stops = [4, 2, 0].map(|behind| Stop {
            number: 0,
            trigger: Trigger::Address(pc.wrapping_sub(behind)),
            condition: condition.clone(),
        });
        there(self.session.run_back_to(&stops)?)
    }

    /// Back to before the last step of the hart that is looked at.
    fn own_step_back(&mut self) -> Result<Arrival, RestoreError> {
        let end = self.core().hart.steps();
        // Mostly it was the last that moved.
        let arrival = self.session.step_back(1)?;
        if arrival != Arrival::There || self.core().hart.steps() < end {
            return Ok(arrival);
        }
        let turn = Stop { number: 0, trigger: Trigger::Hart(self.hart), condition: None };
        there(self.session.run_back_to(&[turn])?)
    }

    fn is_return(&self) -> bool {
        let core = self.core();
        let Some((word, _)) = self.session.instruction(self.hart, core.hart.pc) else { return false };
        let op = core.blocks.decoder().op(word, 0, 0);
        let links = |r: u8| r == 1 || r == 5;
        match op.class {
            OpClass::TrapReturn => true,
            OpClass::JumpIndirect => links(op.rs1) && !links(op.rd),
            _ => false,
        }
    }
}

/// A stop that was only to find the way is no stop of the user's.
fn there(arrival: Arrival) -> Result<Arrival, RestoreError> {
    Ok(if matches!(arrival, Arrival::Hit(_)) { Arrival::There } else { arrival })
}
