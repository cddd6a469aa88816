//! Domains and their schedule.

use kernel_user::abi::{Error, InitialCap, Invocation};
use kernel_user::invoke::{DomainSet, Tcb, invoke, invoke_label};

use crate::env::{Env, PRIORITY, SELF};
use crate::harness::{Failure, Outcome};
use crate::{check_eq, check_err, tests};

tests!("domain":
    set,
    set_errors,
    schedule,
    schedule_errors,
    start_errors,
    illegal_labels,
);

const DOMAIN: DomainSet = DomainSet(InitialCap::Domain as u64);

fn set(env: &mut Env) -> Outcome {
    let tcb = env.tcb()?;
    DOMAIN.set(0, tcb)?;
    DOMAIN.set(0, SELF)?;
    let thread = env.spawn(PRIORITY + 1, || 5)?;
    DOMAIN.set(0, thread.tcb)?;
    check_eq!(thread.join(), 5);
    Ok(())
}

fn set_errors(env: &mut Env) -> Outcome {
    for domain in [256, 1 << 40, u64::MAX] {
        check_err!(DOMAIN.set(domain, SELF), InvalidArgument, 0);
    }
    for wrong in [env.endpoint()?.0, env.frame()?.0, env.slots.take()] {
        check_err!(DOMAIN.set(0, Tcb(wrong)), InvalidArgument, 1);
    }
    check_err!(invoke(DOMAIN.0, Invocation::DomainSet, &[], &[0]), TruncatedMessage);
    check_err!(invoke(DOMAIN.0, Invocation::DomainSet, &[SELF.0], &[]), TruncatedMessage);
    Ok(())
}

/// The greatest value that a range error names.
fn limit(call: kernel_user::invoke::Result<()>) -> Result<u64, Failure> {
    match call {
        Err(failure) if failure.error == Error::RangeError && failure.words[0] == 0 => Ok(failure.words[1]),
        other => Err(Failure::new(format_args!("no range: {other:?}"))),
    }
}

fn schedule(_: &mut Env) -> Outcome {
    // The only entry of a kernel with one domain: it goes on with itself.
    DOMAIN.configure(0, 0, 1_000_000)?;
    DOMAIN.set_start(0)?;
    DOMAIN.configure(0, 0, 2_000_000)?;
    Ok(())
}

fn schedule_errors(_: &mut Env) -> Outcome {
    let last = limit(DOMAIN.configure(u64::MAX, 0, 1))?;
    check_eq!(limit(DOMAIN.configure(last + 1, 0, 1))?, last);
    let domains = limit(DOMAIN.configure(0, 255, 1))? + 1;
    check_err!(DOMAIN.configure(0, domains, 1), RangeError, 0, domains - 1);
    check_err!(DOMAIN.configure(0, 0, u64::MAX), InvalidArgument, 2);
    // The entry that the schedule begins with cannot be its end.
    check_err!(DOMAIN.configure(0, 0, 0), InvalidArgument, 2);
    if domains > 1 {
        check_err!(DOMAIN.configure(0, 1, 0), InvalidArgument, 1);
    }
    for length in 0..3 {
        let words = [0, 0, 1];
        check_err!(
            invoke(DOMAIN.0, Invocation::DomainScheduleConfigure, &[], &words[..length]),
            TruncatedMessage
        );
    }
    Ok(())
}

fn start_errors(_: &mut Env) -> Outcome {
    let end = limit(DOMAIN.set_start(u64::MAX))?;
    // The last entry is always the end.
    check_err!(DOMAIN.set_start(end), InvalidArgument, 0);
    check_err!(DOMAIN.set_start(end + 1), RangeError, 0, end);
    check_err!(invoke(DOMAIN.0, Invocation::DomainScheduleSetStart, &[], &[]), TruncatedMessage);
    Ok(())
}

fn illegal_labels(_: &mut Env) -> Outcome {
    for invocation in [Invocation::TcbSuspend, Invocation::PageMap, Invocation::IrqAck] {
        check_err!(invoke(DOMAIN.0, invocation, &[SELF.0], &[0; 6]), IllegalOperation);
    }
    check_err!(invoke_label(DOMAIN.0, 0, &[], &[]), IllegalOperation);
    Ok(())
}
