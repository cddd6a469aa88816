//! Messages: there, back, and both, within an address space and between two, short and long, on a hart and between
//! two.

use kernel_user::abi::{CapRights, MessageInfo, USER_CONTEXT_WORDS, VmAttributes, bits};
use kernel_user::cspace::ROOT_CNODE;
use kernel_user::invoke::{Endpoint, Frame};
use kernel_user::thread::{Config, Thread};
use kernel_user::vspace::VSpace;
use kernel_user::{ipc, syscall};

use super::{Bench, Clock, Stats};
use crate::env::{Env, PRIORITY};
use crate::harness::Failure;

/// Message lengths: those of the fast path, and longer ones.
const LENGTHS: [(&str, u64); 4] = [("0", 0), ("4", 4), ("5", 5), ("60", 60)];

pub(super) fn run(bench: &mut Bench<'_>) -> Result<(), Failure> {
    let endpoint = bench.env.endpoint()?;
    start(bench.env, bench.clock, endpoint, &Config::new(PRIORITY), false)?;
    for (name, length) in LENGTHS {
        calls(bench, "ipc_same_space", name, endpoint, MessageInfo::new(0, 0, 0, length))?;
    }

    let endpoint = bench.env.endpoint()?;
    start(bench.env, bench.clock, endpoint, &Config::new(PRIORITY), true)?;
    for (name, length) in LENGTHS {
        calls(bench, "ipc_two_spaces", name, endpoint, MessageInfo::new(0, 0, 0, length))?;
    }
    // A capability that goes along is unwrapped, since it is one of the endpoint.
    ipc::set_cap(0, endpoint.0);
    calls(bench, "ipc_two_spaces", "cap", endpoint, MessageInfo::new(0, 0, 1, 1))?;

    if bench.env.harts() > 1 {
        let endpoint = bench.env.endpoint()?;
        let config = Config { hart: 1, ..Config::new(PRIORITY) };
        start(bench.env, bench.clock, endpoint, &config, false)?;
        bench.row("ipc_two_harts_round_trip_0", |_, clock| {
            let before = clock.now();
            let _ = syscall::call(endpoint.0, MessageInfo(0), [0; 4]);
            Ok(clock.now() - before)
        })?;
    }
    Ok(())
}

/// Answers each message with the time at which it came. Runs in any address space: it uses nothing but its stack.
extern "C" fn serve(endpoint: u64, ticks: u64) -> ! {
    let clock = if ticks != 0 { Clock::Ticks } else { Clock::Cycles };
    let mut message = syscall::recv(endpoint);
    loop {
        let came = clock.now();
        let info = MessageInfo::new(0, 0, 0, message.info.length() as u64);
        message = syscall::reply_recv(endpoint, info, [came, 0, 0, 0]);
    }
}

/// Starts a server, which then waits, in the root task's address space or one of its own.
fn start(
    env: &mut Env,
    clock: Clock,
    endpoint: Endpoint,
    config: &Config,
    own_space: bool,
) -> Result<(), Failure> {
    let thread = Thread::new(&mut env.resources(), config)?;
    if own_space {
        let root = env.address_space()?;
        env.map_image(root)?;
        // The pages of stack and buffer, where they are in the root task's address space.
        let space = VSpace::new(root, 0);
        let pages = thread.buffer_frame.0 - ((thread.stack_top - thread.stack_bottom()) >> bits::PAGE);
        for (page, address) in (pages..).zip((thread.stack_bottom()..=thread.buffer).step_by(1 << bits::PAGE))
        {
            let frame = Frame(env.copy(page, CapRights::ALL)?);
            let attributes = VmAttributes::EXECUTE_NEVER;
            space.map(env.untyped, &mut env.slots, frame, address, CapRights::ALL, attributes)?;
        }
        thread.tcb.set_space(0, (ROOT_CNODE, 0), root)?;
    }
    let args = [endpoint.0, u64::from(clock == Clock::Ticks)];
    let context = thread.context(serve as *const () as u64, args);
    thread.tcb.write_registers(true, &context, USER_CONTEXT_WORDS)?;
    // The server is waiting when this thread goes on, here after it has had its turn.
    for _ in 0..3 {
        syscall::yield_now();
    }
    Ok(())
}

/// Three rows: there, back, both. The answer says when the message came, so messages have a word at least: a
/// message of none is answered by one of none, and only both together are known.
fn calls(
    bench: &mut Bench<'_>,
    name: &str,
    what: &str,
    endpoint: Endpoint,
    info: MessageInfo,
) -> Result<(), Failure> {
    if !bench.wants(name) {
        return Ok(());
    }
    let (mut there, mut back, mut both) = (Stats::default(), Stats::default(), Stats::default());
    for n in 0..super::WARM_UP + super::ROUNDS {
        let before = bench.clock.now();
        let reply = syscall::call(endpoint.0, info, [0; 4]);
        let after = bench.clock.now();
        if n >= super::WARM_UP {
            both.add(after - before);
            if info.length() != 0 {
                there.add(reply.regs[0] - before);
                back.add(after - reply.regs[0]);
            }
        }
    }
    both.print_as(name, "round_trip", what);
    if info.length() != 0 {
        there.print_as(name, "call", what);
        back.print_as(name, "reply", what);
    }
    Ok(())
}
