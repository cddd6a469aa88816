//! The comparison as JUnit XML: a test per case.

use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use relsim_traces::baseline::Verdict;
use relsim_traces::baseline::file::Case;

use super::outcome::{Outcome, Standing};
use super::text::details;
use crate::error::CliError;

/// The document. It holds no times of the host, so that equal outcomes give equal documents.
///
/// # Errors
/// [`CliError::Write`].
pub fn junit(file: &Path, cases: &[Case], outcomes: &[Outcome]) -> Result<String, CliError> {
    let mut suite = TestSuite::new(file.display().to_string());
    for (case, outcome) in cases.iter().zip(outcomes) {
        let status = status(case, outcome);
        let mut test = TestCase::new(case.name.as_ref().as_str(), status);
        test.set_classname(file.display().to_string());
        suite.add_test_case(test);
    }
    let mut report = Report::new("relsim check");
    report.add_test_suite(suite);
    report.to_string().map_err(|error| CliError::Write {
        what: "JUnit report",
        path: file.into(),
        source: std::io::Error::other(error),
    })
}

fn status(case: &Case, outcome: &Outcome) -> TestCaseStatus {
    let standing = outcome.standing();
    let kind = match standing {
        Standing::Compared(Verdict::Ok) => return TestCaseStatus::success(),
        Standing::Compared(_) | Standing::UnexpectedEnd => NonSuccessKind::Failure,
        Standing::Failed => NonSuccessKind::Error,
    };
    let details = details(case, outcome);
    let mut status = TestCaseStatus::non_success(kind);
    let message = details.first().cloned().unwrap_or_else(|| "nothing is recorded yet".into());
    status.set_type(standing.name()).set_message(message).set_description(details.join("\n"));
    status
}
