//! `bench=echo`: a network server, with driver and TCP/IP, and an echo server in another address space that asks it for
//! what has come and to send it back, synchronously or asynchronously. Whoever connects is the simulator's peer
//! `load`, which compares what comes back.
//!
//! Both ways have the same stack, the same requests (accept; then receive and send for each echo), bytes in memory that
//! both sides share, and one flow of control of the echo server for each connection.
//!
//! Synchronously these are threads. Each calls the network server, which has one thread: what can be answered is, in
//! the system call that waits for the next request. If nothing has come, the caller's reply capability is saved, the
//! caller stays blocked, and the reply is sent when a frame has brought something. Interrupts are a notification that
//! is bound to the network server's thread, so that it waits for requests and frames together.
//!
//! Asynchronously they are tasks of one thread, requests and answers stand in rings, and a user interrupt comes only if
//! the other side sleeps. The network server takes all requests and all frames that there are before it answers and
//! sends.
//!
//! In both, the device interrupts only while the network server waits.

mod load;
mod machine;
mod rings;
mod service;
mod threads;

use kernel_net::socket::{Answer, Request};
use kernel_root::harness::Failure;

use crate::measure::Score;
use crate::params::{Params, Unknown};
use crate::world::World;

/// The echo server's port.
const PORT: u64 = 7;

/// How requests get to the network server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    /// `Call` by a thread for each connection.
    Sync,
    /// Rings, by a task for each connection.
    Async,
}

const MECHANISMS: [(&str, Mechanism); 2] = [("sync", Mechanism::Sync), ("async", Mechanism::Async)];

/// What is to be done.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Connections.
    concurrency: u64,
    /// Echoes that are measured, a multiple of that.
    operations: u64,
    /// Bytes of a message.
    bytes: u64,
    /// The echo server's hart.
    hart: u64,
    /// Whether it has that to itself, and stops it when it waits.
    halts: bool,
}

pub fn run(world: &mut World, params: Params) -> Result<Result<Score, Failure>, Unknown> {
    let mechanism = params.choice("mech", &MECHANISMS)?;
    let concurrency = params.number("conc", 1)?.clamp(1, 128);
    let operations = params.number("ops", 512)?.max(1).next_multiple_of(concurrency);
    let bytes = params.number("bytes", 64)?;
    let hart = params.number("server", 0)?;
    let halts = params.choice("idle", &[("sleep", false), ("halt", true)])?;
    let plan = Plan { concurrency, operations, bytes, hart, halts };
    Ok(match mechanism {
        Mechanism::Sync => threads::run(world, plan),
        Mechanism::Async => rings::run(world, plan),
    })
}

/// What the flow of control of a connection does, with `call` for its requests; the first one of them listens, too.
/// Bytes are sent back from where they have come.
async fn echo(plan: Plan, first: bool, mut call: impl AsyncFnMut(Request) -> Answer) {
    if first {
        call(Request::Listen { port: PORT, backlog: plan.concurrency }).await;
    }
    let Answer(Some(connection)) = call(Request::Accept).await else { return };
    while let Answer(Some(len @ 1..)) = call(Request::Receive { connection }).await {
        if call(Request::Send { connection, len }).await != Answer::new(len) {
            break;
        }
    }
    call(Request::Close { connection }).await;
}
