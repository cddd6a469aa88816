//! Random programs in U, S and M, run by relsim and by QEMU and compared after each block: registers,
//! floating-point registers, CSRs, every trap, and memory. See `relsim_tests::lockstep`, and there
//! `exceptions` for where the two may differ.
//!
//! `RELSIM_LOCKSTEP_SEEDS=1000` runs more programs than usual, `RELSIM_LOCKSTEP_SEEDS=1000..2000` others.

use relsim_tests::lockstep::session;
use relsim_tests::lockstep::simulators::qemu_version;

/// Programs where nobody asks for another number: about a minute on two cores.
const PROGRAMS: u64 = 24;

#[test]
fn random_programs_do_in_relsim_what_they_do_in_qemu() {
    let version = qemu_version().unwrap_or_else(|e| panic!("{e}"));
    let asked = std::env::var("RELSIM_LOCKSTEP_SEEDS").ok();
    let seeds =
        session::seeds(asked.as_deref(), PROGRAMS).unwrap_or_else(|e| panic!("RELSIM_LOCKSTEP_SEEDS: {e}"));
    let session = session::run(seeds).unwrap_or_else(|e| panic!("{version} differs:\n{e}"));
    println!("{version}: {session}");
    assert_eq!(session.missing(), Vec::<String>::new(), "{session}");
}
