//! Instructions of extensions outside the core, as commands to a co-processor (RoCC; LazyRoCC.scala): they leave
//! the pipeline at write-back, and the co-processor works them off one after the other. It reads memory through
//! the L1 data cache, as the page-table walker does, and reaches devices over the peripheral bus.

use relsim_core::insn::{File, Op, X_SINK};
use relsim_core::timing::CycleCause as Cause;

use super::hart::{HartModel, WRITE_BACK};
use super::uncore::Env;
use super::walker::Walker;

impl HartModel {
    /// Holds a command back until the one before is done.
    #[inline]
    pub(super) fn constrain_command(&self, at: &mut u64, why: &mut Cause) {
        if self.coprocessor_free > *at {
            (*at, *why) = (self.coprocessor_free, Cause::UserInterrupt);
        }
    }

    /// The command `op` has left the pipeline: what it accessed takes its time one after the other.
    pub(super) fn command(&mut self, env: &mut Env<'_>, op: &Op) {
        let params = env.params;
        let accesses = env.hart.physical;
        let mut at = self.issue + WRITE_BACK + params.coprocessor_command;
        for &(pa, write) in accesses.accesses() {
            if env.bus.ram.contains(pa, 1) {
                at = Walker::read(env, at, pa);
                continue;
            }
            if write {
                // The line rises while the acknowledgement is on its way back.
                self.interrupt_at = at + params.interrupt_arrival;
                env.uncore.interrupt_at = self.interrupt_at;
            }
            at += if write { params.coprocessor_write } else { params.coprocessor_read };
        }
        self.coprocessor_free = at + 1;
        self.memory.idle = self.memory.idle.max(at + 1);
        if op.files & 3 == File::X as u8 && op.rd < X_SINK {
            self.board.loaded(op, at + params.coprocessor_response, Cause::UserInterrupt);
        }
    }
}
