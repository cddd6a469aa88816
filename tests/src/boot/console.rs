//! A console with a script: what to wait for, and what to type then.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use relsim_core::device::Console;

/// One exchange: after `expect` was printed, `send` is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Text that the guest has to print first, after what the step before waited for.
    pub expect: &'static str,
    /// What is typed then; may be empty.
    pub send: &'static str,
}

/// What was printed, and how far the script is.
#[derive(Debug, Default)]
pub struct Transcript {
    /// All output.
    pub output: Vec<u8>,
    /// Steps that were reached.
    pub steps_done: usize,
    /// Where in the output the next step looks from.
    from: usize,
}

/// Set to see the guests' consoles on standard error while the tests run.
const ECHO_VARIABLE: &str = "RELSIM_BOOT_ECHO";

/// The console of a scripted boot.
pub struct Scripted {
    script: Vec<Step>,
    typed: VecDeque<u8>,
    transcript: Arc<Mutex<Transcript>>,
    echo: bool,
}

impl Scripted {
    /// A console with `script`, and where its output can be read.
    pub fn new(script: &[Step]) -> (Self, Arc<Mutex<Transcript>>) {
        let transcript = Arc::<Mutex<Transcript>>::default();
        let console = Self {
            script: script.to_vec(),
            typed: VecDeque::new(),
            transcript: transcript.clone(),
            echo: std::env::var_os(ECHO_VARIABLE).is_some(),
        };
        (console, transcript)
    }
}

impl Console for Scripted {
    fn write(&mut self, bytes: &[u8]) {
        if self.echo {
            // Lost output is no reason to fail a test.
            let _ = std::io::stderr().write_all(bytes);
        }
        let mut transcript = self.transcript.lock().unwrap_or_else(PoisonError::into_inner);
        for &byte in bytes {
            transcript.output.push(byte);
            let Some(step) = self.script.get(transcript.steps_done) else { continue };
            if transcript.output[transcript.from..].ends_with(step.expect.as_bytes()) {
                self.typed.extend(step.send.bytes());
                transcript.steps_done += 1;
                transcript.from = transcript.output.len();
            }
        }
    }

    fn read(&mut self) -> Option<u8> {
        self.typed.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_follows_output() {
        let script = [Step { expect: "a>", send: "x" }, Step { expect: "a>", send: "yz" }];
        let (mut console, transcript) = Scripted::new(&script);
        assert_eq!(console.read(), None);
        console.write(b"ba");
        assert_eq!(console.read(), None);
        console.write(b"> ");
        assert_eq!((console.read(), console.read()), (Some(b'x'), None));
        console.write(b"a>");
        assert_eq!((console.read(), console.read(), console.read()), (Some(b'y'), Some(b'z'), None));
        assert_eq!(transcript.lock().unwrap().steps_done, 2);
    }
}
