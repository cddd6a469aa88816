//! `relsim run --gdb`: a stub of gdb's remote protocol on top of a session, so that gdb goes back in time too.
//!
//! Harts are threads. What gdb writes to registers and memory is part of the session's time: going back over it takes it back,
//! going forth makes it again. A connection that breaks, or that speaks something else, is closed, and another is
//! waited for; the machine stays where it was.

mod arch;
mod connection;
mod description;
mod memory;
mod monitor;
mod points;
mod resume;
mod target;

use std::net::{SocketAddr, TcpListener, TcpStream};

use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, GdbStubError};
use relsim_machine::session::Options;
use relsim_machine::{Exit, Identity, Limits, Machine, RestoreError, Session};

use crate::error::CliError;
use connection::{Inbox, Outbox};
use resume::Action;
use target::Debugged;

/// The longest packet, in bytes: how much memory gdb reads at a time.
const PACKET_BYTES: usize = 16384;

/// So many connections in a row may fail before they are heard.
const MAX_FAILURES: u32 = 64;

/// How a conversation ended.
enum Parting {
    /// The run is over.
    Ended(Exit),
    /// gdb lets the guest run on.
    Detached,
    /// The conversation cannot be gone on with.
    Lost(String),
}

/// Waits for gdb at `address` and does as it says, up to `limits`; `kept` is what checkpoints in files are of. Gives the
/// machine back, and how its run ended; without that, it runs on.
///
/// # Errors
/// [`CliError::Listen`].
pub fn serve(
    machine: Machine,
    address: SocketAddr,
    limits: Limits,
    kept: Result<Identity, String>,
) -> Result<(Machine, Option<Exit>), CliError> {
    let failed = |source| CliError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let place = listener.local_addr().map_err(failed)?;
    let options = Options::of(&machine);
    let mut session = Session::new(machine, options);
    session.set_limits(limits);
    let mut target = Debugged::new(session, kept);
    eprintln!("relsim: waiting for gdb: target remote {place}");
    let mut failures = 0;
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            // What became of a connection before it was heard: accept(2) has a list. What stays wrong is about the
            // listener.
            Err(_) if failures < MAX_FAILURES => {
                failures += 1;
                continue;
            }
            Err(error) => return Err(failed(error)),
        };
        failures = 0;
        let parting = converse(stream, &mut target);
        match parting.unwrap_or_else(|error| Parting::Lost(error.to_string())) {
            Parting::Ended(exit) => return Ok((target.session.into_machine(), Some(exit))),
            Parting::Detached => return Ok((target.session.into_machine(), None)),
            Parting::Lost(why) => {
                eprintln!("relsim: gdb: {why}; waiting for another");
                target.points.clear();
                target.ended = None;
            }
        }
    }
}

/// Does what gdb says on `stream`, until it is over.
fn converse(
    stream: TcpStream,
    target: &mut Debugged,
) -> Result<Parting, GdbStubError<RestoreError, std::io::Error>> {
    let lost = |why: &dyn std::fmt::Display| Ok(Parting::Lost(why.to_string()));
    let own = match stream.try_clone() {
        Ok(own) => own,
        Err(error) => return lost(&error),
    };
    let mut inbox = match Inbox::new(own, target.session.stop_flag()) {
        Ok(inbox) => inbox,
        Err(error) => return lost(&error),
    };
    // A buffer of the stub's own would grow without limit.
    let mut buffer = vec![0; PACKET_BYTES];
    let stub = match GdbStub::builder(Outbox::new(stream)).with_packet_buffer(&mut buffer).build() {
        Ok(stub) => stub,
        Err(error) => return lost(&error),
    };
    let mut state = stub.run_state_machine(target)?;
    loop {
        state = match state {
            GdbStubStateMachine::Idle(stub) => match inbox.next() {
                Ok(byte) => stub.incoming_data(target, byte)?,
                Err(_) => return lost(&"the connection was closed"),
            },
            GdbStubStateMachine::Running(stub) => {
                let forwards = matches!(target.action, Action::Continue | Action::Step(_));
                let gone =
                    if forwards { inbox.watch(|| target.go().transpose()) } else { target.go().transpose() };
                match gone {
                    Some(Ok(reason)) => stub.report_stop(target, reason)?,
                    Some(Err(error)) => return lost(&error),
                    None => match inbox.next() {
                        Ok(byte) => stub.incoming_data(target, byte)?,
                        Err(_) => return lost(&"the connection was closed"),
                    },
                }
            }
            GdbStubStateMachine::CtrlCInterrupt(stub) => {
                let reason = target.interrupted();
                stub.interrupt_handled(target, Some(reason))?
            }
            GdbStubStateMachine::Disconnected(mut stub) => {
                let reason = stub.get_reason();
                if reason == DisconnectReason::Kill {
                    // gdb waits for it, and may be gone all the same.
                    let outbox = stub.borrow_conn();
                    let _ = outbox.write_all(b"$OK#9a").and_then(|()| outbox.flush());
                }
                return Ok(match (reason, target.ended.take()) {
                    (DisconnectReason::Disconnect, _) => Parting::Detached,
                    (_, Some(exit)) => Parting::Ended(exit),
                    (_, None) => Parting::Ended(Exit::Interrupted),
                });
            }
        }
    }
}
