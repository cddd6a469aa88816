//! What the fuzz target checks, for a file with bytes changed: the same ones in each run.

use super::file::{Comparison, parse};
use super::*;

const FILE: &str = "title = 'a'\ntiming = 'rocket'\nguest.b = 'ipc'\n[[experiment]]\nname = 'e'\nnote = 'c'\n\
    measures = ['cycles', 'result.x']\nsweep = { guest.c = [1, 2], set.l1d_sets = [64], harts = [1, 2] }\n\
    [[experiment.mechanism]]\nname = 'm'\nguest = { c = 1 }\npublished = { source = 's', cycles = 3 }\n\
    [[experiment.mechanism]]\nname = 'n'\npublished = { source = 's', cycles = { 1 = 0.5 } }\n";

/// Results for every run: failures, nothing, a little, or more than any hart can do.
fn results<'a>(comparison: &'a Comparison, below: &mut dyn FnMut(usize) -> usize) -> Results<'a> {
    let mut outcome = || match below(4) {
        0 => Outcome::Failed("<why>\nnot".into()),
        n => {
            let cycles = [0, 1000, u64::MAX][n - 1];
            let causes = vec![CauseCycles { privilege: 'u', cause: "issue", cycles }];
            let hart =
                HartMeasured { cycles, idle_cycles: Some(cycles / 2), causes, ..HartMeasured::default() };
            let operations = below(2) as u64;
            Outcome::Measured(Box::new(Measured {
                operations,
                cycles,
                harts: vec![hart],
                ..Measured::default()
            }))
        }
    };
    let outcomes =
        comparison.experiments.iter().map(|e| e.runs.iter().map(|_| outcome()).collect()).collect();
    let (version, command) = ("0".to_string(), "relsim compare '<'".to_string());
    Results { comparison, outcomes, version, command, file_sha256: String::new() }
}

#[test]
fn no_text_is_too_odd() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % n as u64) as usize
    };
    const ODD: &[u8] = b"\"'[]{}=.,#\n\r\t \\_+-0x9eE:<&\xc3\xa9\x00\xff";
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..5_000 {
        let mut bytes = FILE.as_bytes().to_vec();
        for _ in 0..below(3) {
            let (at, odd) = (below(bytes.len() + 1), ODD[below(ODD.len())]);
            match below(4) {
                0 => bytes.insert(at, odd),
                1 => bytes.truncate(bytes.len().max(1) - usize::from(at == 0)),
                _ if at < bytes.len() => bytes[at] = odd,
                _ => {}
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        let comparison = match parse(&text) {
            Ok(comparison) => comparison,
            Err(error) => {
                refused += 1;
                assert!(text.get(error.span.clone()).is_some(), "{text:?}: {error:?}");
                assert!(!error.message.is_empty() && !error.message.contains('\n'), "{text:?}: {error:?}");
                continue;
            }
        };
        accepted += 1;
        let results = results(&comparison, &mut below);
        assert!(!csv::csv(&results).is_empty() && !table::table(&results).is_empty());
        assert!(json::json(&results).is_ok());
        let page = html::html(&results);
        assert!(page.ends_with("</html>\n") && !page.contains("NaN") && !page.contains("<why>"), "{text:?}");
    }
    assert!(accepted > 300 && refused > 300, "{accepted} files were taken, {refused} refused");
}
