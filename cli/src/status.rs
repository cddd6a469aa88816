//! What relsim's exit status means: the one place that says it. `--help` prints the table.

use relsim_machine::Exit;

/// Arguments that cannot be understood (chosen by the argument parser).
pub const USAGE: u8 = 2;
/// The guest asked for a reset.
pub const RESET: u8 = 120;
/// Nothing can wake the guest any more.
pub const DEAD: u8 = 121;
/// A hart does nothing but trap.
pub const STUCK: u8 = 122;
/// A limit was reached; as `timeout` does.
pub const LIMIT: u8 = 124;
/// relsim could not do its part; as `timeout` and `env` do.
pub const FAILED: u8 = 125;
/// Ctrl-C, Ctrl-A x, SIGTERM: 128 plus the number of SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;
/// The reader of standard output went away: 128 plus the number of SIGPIPE.
pub const OUTPUT_CLOSED: u8 = 141;

/// Every status of relsim's own with its meaning.
pub const TABLE: &[(u8, &str)] = &[
    (USAGE, "usage: the arguments cannot be understood"),
    (RESET, "the guest asked for a reset (relsim does not start it again)"),
    (DEAD, "dead guest: every hart waits and nothing can wake one"),
    (STUCK, "stuck guest: harts do nothing but trap into handlers that they cannot execute"),
    (LIMIT, "--max-cycles or --max-instructions was reached"),
    (FAILED, "bad image or configuration, or a file that cannot be read or written"),
    (INTERRUPTED, "interrupted: Ctrl-C, Ctrl-A x or SIGTERM"),
    (OUTPUT_CLOSED, "the reader of standard output has gone away"),
];

/// The table as the end of the help text.
pub fn help() -> String {
    let mut text = String::from(
        "Exit status:\n  0-255  the guest's own exit code; codes above 255 become 255\n  \
         The following can be told from a guest's code by the message on standard error and by\n  \
         exit.reason in --stats:\n",
    );
    for (status, meaning) in TABLE {
        text.push_str(&format!("  {status:>5}  {meaning}\n"));
    }
    text
}

/// `relsim script`: a command is wrong.
pub const SCRIPT: u8 = 3;

/// The table of `relsim script` as the end of the help text.
pub fn script_help() -> String {
    let mut text = String::from("Exit status:\n      0  every command was carried out\n");
    text.push_str(&format!("  {SCRIPT:>5}  a command is wrong; those after it were not carried out\n"));
    for (status, meaning) in TABLE.iter().filter(|row| [USAGE, FAILED, INTERRUPTED].contains(&row.0)) {
        text.push_str(&format!("  {status:>5}  {meaning}\n"));
    }
    text
}

/// The table of `relsim debug` as the end of the help text.
pub fn debug_help() -> String {
    let mut text = String::from("Exit status:\n      0  the user has quit\n");
    for (status, meaning) in TABLE.iter().filter(|row| [USAGE, FAILED].contains(&row.0)) {
        text.push_str(&format!("  {status:>5}  {meaning}\n"));
    }
    text
}

/// `relsim check`: a count is above its recorded value.
pub const REGRESSION: u8 = 1;
/// `relsim check`: a count is below its recorded value, which is not updated.
pub const IMPROVEMENT: u8 = 3;
/// `relsim check`: nothing is recorded yet.
pub const NEW: u8 = 4;
/// `relsim check`: the recorded values belong to something else.
pub const NOT_COMPARABLE: u8 = 5;
/// `relsim check`: a run did not end as it should.
pub const UNEXPECTED_END: u8 = 6;

/// Every status of `relsim check`, from the best to the worst.
pub const CHECK_TABLE: &[(u8, &str)] = &[
    (0, "every count is as recorded, within its tolerance; with --bless: recorded"),
    (IMPROVEMENT, "improvement: a count is below its recorded value"),
    (NEW, "new: a case or a counter has no recorded value yet"),
    (NOT_COMPARABLE, "not comparable: an input or the case itself is not what was recorded"),
    (REGRESSION, "regression: a count is above its recorded value"),
    (UNEXPECTED_END, "unexpected end: a run did not end as its case says"),
    (FAILED, "bad file, a case that could not run, or a file that cannot be written"),
];

/// The table of `relsim check` as the end of the help text.
pub fn check_help() -> String {
    let mut text = String::from("Exit status, the worst of all cases; later lines are worse:\n");
    let others = [USAGE, INTERRUPTED];
    let others = TABLE.iter().filter(|(status, _)| others.contains(status));
    for (status, meaning) in CHECK_TABLE.iter().chain(others) {
        text.push_str(&format!("  {status:>5}  {meaning}\n"));
    }
    text
}

/// The table of `relsim compare` as the end of the help text.
pub fn compare_help() -> String {
    let mut text = String::from("Exit status:\n      0  every run measured something\n");
    let failed = "a run failed: it ended otherwise than with code 0, or did not say what it measured";
    text.push_str(&format!("  {UNEXPECTED_END:>5}  {failed}; the others are shown\n"));
    for (status, meaning) in TABLE.iter().filter(|row| [USAGE, FAILED, INTERRUPTED].contains(&row.0)) {
        text.push_str(&format!("  {status:>5}  {meaning}\n"));
    }
    text
}

/// The exit status for the way a run ended.
pub fn of(exit: &Exit) -> u8 {
    match exit {
        Exit::Guest { code } => u8::try_from(*code).unwrap_or(u8::MAX),
        Exit::Reset => RESET,
        Exit::CycleLimit | Exit::InstructionLimit => LIMIT,
        Exit::Dead { .. } => DEAD,
        Exit::Stuck { .. } => STUCK,
        Exit::Interrupted | Exit::Stopped => INTERRUPTED,
    }
}

/// What to say about the way a run ended.
pub fn message(exit: &Exit) -> String {
    match exit {
        Exit::Guest { code: code @ 0..=255 } => format!("the guest exited with code {code}"),
        Exit::Guest { code } => format!("the guest exited with code {code} ({code:#x}); status 255"),
        Exit::Reset => "the guest asked for a reset".into(),
        Exit::CycleLimit => "the cycle limit was reached".into(),
        Exit::InstructionLimit => "the instruction limit was reached".into(),
        Exit::Dead { detail } => format!("the guest is dead, nothing can wake it: {detail}"),
        Exit::Stuck { detail } => format!("the guest is stuck: {detail}"),
        Exit::Interrupted => "interrupted".into(),
        Exit::Stopped => "stopped by an observer".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_distinct_and_in_order() {
        assert!(TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn statuses_of_a_check_are_distinct() {
        let mut all: Vec<u8> = CHECK_TABLE.iter().map(|row| row.0).chain([USAGE, INTERRUPTED]).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn large_codes_stay_failures() {
        assert_eq!(of(&Exit::Guest { code: 0 }), 0);
        assert_eq!(of(&Exit::Guest { code: 37 }), 37);
        assert_eq!(of(&Exit::Guest { code: 256 }), 255);
        assert_eq!(of(&Exit::Guest { code: u32::MAX }), 255);
    }
}
