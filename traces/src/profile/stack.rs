//! The calls that a hart is inside of, followed by its jumps, traps and returns.
//!
//! A trap is a call that the interrupted function did not ask for: its handler stands above it. When a trap
//! returns, the stack is cut back to what it interrupted, provided that it returns there: to the same privilege,
//! translation and stack pointer. Otherwise another thread goes on: the interrupted stack is put aside under
//! those three, and the one that was put aside under the new ones is taken up.

use std::collections::HashMap;

use relsim_core::hart::{Hart, Priv};

use super::tree::NodeId;

/// Frames of a stack. What is called from deeper is taken for a jump.
const MAX_DEPTH: usize = 512;
/// Stacks put aside; beyond that they are forgotten.
const MAX_ASIDE: usize = 1024;
/// The stack pointer.
const SP: u8 = 2;

/// What tells threads apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Thread {
    privilege: Priv,
    satp: u64,
    sp: u64,
}

impl Thread {
    /// The one that `hart` runs, or that it interrupted at `privilege`.
    pub(super) fn of(hart: &Hart, privilege: Priv) -> Self {
        Self { privilege, satp: hart.csr.satp, sp: hart.x(SP) }
    }
}

/// How a frame is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Back {
    /// Never: it was there first.
    Base,
    /// By a jump to this address.
    Call(u64),
    /// By a trap return to this thread.
    Trap(Thread),
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    node: NodeId,
    back: Back,
}

/// The stack of a hart.
#[derive(Debug, Default)]
pub(super) struct Stack {
    frames: Vec<Frame>,
    aside: HashMap<Thread, Vec<Frame>>,
}

impl Stack {
    /// The node of the function that runs, `None` where a stack begins.
    pub(super) fn top(&self) -> Option<NodeId> {
        self.frames.last().map(|frame| frame.node)
    }

    /// The running function is another one than was called: it was jumped to.
    pub(super) fn replace(&mut self, node: NodeId) {
        match self.frames.last_mut() {
            Some(frame) => frame.node = node,
            None => self.frames.push(Frame { node, back: Back::Base }),
        }
    }

    /// Whether there is room for another call.
    pub(super) fn has_room(&self) -> bool {
        self.frames.len() < MAX_DEPTH
    }

    /// A call, which returns to `back`.
    pub(super) fn call(&mut self, node: NodeId, back: u64) {
        self.frames.push(Frame { node, back: Back::Call(back) });
    }

    /// A jump that looks like a return. Calls that were left out in between (by `longjmp`) are left too; if
    /// nobody called from there, it is but a jump.
    pub(super) fn ret(&mut self, target: u64) {
        let since_trap =
            self.frames.iter().rposition(|f| matches!(f.back, Back::Trap(_))).map_or(0, |n| n + 1);
        let called = self.frames[since_trap..].iter().rposition(|f| f.back == Back::Call(target));
        if let Some(at) = called {
            self.frames.truncate(since_trap + at);
        }
    }

    /// A trap, taken while `interrupted` ran.
    pub(super) fn trap(&mut self, node: NodeId, interrupted: Thread) {
        self.frames.push(Frame { node, back: Back::Trap(interrupted) });
    }

    /// A trap return to `thread`.
    pub(super) fn trap_return(&mut self, thread: Thread) {
        let exactly = self.frames.iter().rposition(|f| f.back == Back::Trap(thread));
        if let Some(at) = exactly {
            self.frames.truncate(at);
            return;
        }
        let same_level = |f: &Frame| match f.back {
            Back::Trap(interrupted) if interrupted.privilege == thread.privilege => Some(interrupted),
            _ => None,
        };
        let interrupted = self.frames.iter().enumerate().rev().find_map(|(n, f)| Some((n, same_level(f)?)));
        if let Some((at, interrupted)) = interrupted {
            self.frames.truncate(at);
            if self.aside.len() >= MAX_ASIDE {
                self.aside.clear();
            }
            self.aside.insert(interrupted, std::mem::take(&mut self.frames));
        }
        self.frames = self.aside.remove(&thread).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(sp: u64) -> Thread {
        Thread { privilege: Priv::U, satp: 7, sp }
    }

    #[test]
    fn returns_go_to_who_called() {
        let mut stack = Stack::default();
        stack.replace(1);
        stack.call(2, 100);
        stack.call(3, 200);
        stack.call(4, 300);
        // A jump through a link register to where nobody called from.
        stack.ret(999);
        assert_eq!(stack.top(), Some(4));
        // `longjmp` over one call.
        stack.ret(200);
        assert_eq!(stack.top(), Some(2));
        stack.ret(100);
        assert_eq!(stack.top(), Some(1));
    }

    #[test]
    fn a_return_does_not_leave_a_handler() {
        let mut stack = Stack::default();
        stack.replace(1);
        stack.call(2, 100);
        stack.trap(3, user(50));
        stack.ret(100);
        assert_eq!(stack.top(), Some(3));
        stack.trap_return(user(50));
        assert_eq!(stack.top(), Some(2));
    }

    #[test]
    fn threads_have_their_own_stacks() {
        let mut stack = Stack::default();
        stack.replace(1);
        stack.call(2, 100);
        stack.trap(9, user(50));
        // The other thread has not run yet.
        stack.trap_return(user(60));
        assert_eq!(stack.top(), None);
        stack.replace(5);
        stack.trap(9, user(60));
        stack.trap_return(user(50));
        assert_eq!(stack.top(), Some(2));
        stack.trap(9, user(50));
        stack.trap_return(user(60));
        assert_eq!(stack.top(), Some(5));
    }

    #[test]
    fn nested_traps_come_back_one_by_one() {
        let kernel = Thread { privilege: Priv::S, satp: 7, sp: 1000 };
        let mut stack = Stack::default();
        stack.replace(1);
        stack.trap(2, user(50));
        stack.trap(3, kernel);
        stack.trap_return(kernel);
        assert_eq!(stack.top(), Some(2));
        stack.trap_return(user(50));
        assert_eq!(stack.top(), Some(1));
    }
}
