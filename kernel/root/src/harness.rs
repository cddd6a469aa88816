//! How tests fail, and how they are run.

use core::fmt::{self, Write};
use core::panic::Location;

use kernel_user::invoke::InvokeError;
use kernel_user::println;

use crate::env::Env;

/// Where and why a test failed.
#[derive(Debug)]
pub struct Failure {
    place: &'static Location<'static>,
    text: Text,
}

/// What a test gives.
pub type Outcome = Result<(), Failure>;

impl Failure {
    /// A failure of the caller.
    #[track_caller]
    #[must_use]
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut failure = Self { place: Location::caller(), text: Text::default() };
        // What does not fit is cut off.
        let _ = failure.text.write_fmt(text);
        failure
    }
}

impl From<InvokeError> for Failure {
    #[track_caller]
    fn from(error: InvokeError) -> Self {
        Self::new(format_args!("an invocation failed: {error:?}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.place.file(), self.place.line(), self.text.as_str())
    }
}

#[derive(Debug)]
struct Text {
    bytes: [u8; 240],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; 240], length: 0 }
    }
}

impl Text {
    fn as_str(&self) -> &str {
        // Text is only cut between characters.
        str::from_utf8(&self.bytes[..self.length]).unwrap_or("?")
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let Some(room) = self.bytes.get_mut(self.length..self.length + character.len_utf8()) else {
                return Err(fmt::Error);
            };
            character.encode_utf8(room);
            self.length += character.len_utf8();
        }
        Ok(())
    }
}

/// Fails the test if the condition does not hold.
#[macro_export]
macro_rules! check {
    ($condition:expr $(,)?) => {
        if !$condition {
            return Err($crate::harness::Failure::new(format_args!("not so: {}", stringify!($condition))));
        }
    };
}

/// Fails the test if the two are not equal.
#[macro_export]
macro_rules! check_eq {
    ($left:expr, $right:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => {
                if *left != *right {
                    return Err($crate::harness::Failure::new(format_args!(
                        "{} is {left:x?}, not {right:x?}",
                        stringify!($left)
                    )));
                }
            }
        }
    };
}

/// Fails the test if the invocation does not fail with the error, whose name and first details are given.
#[macro_export]
macro_rules! check_err {
    ($call:expr, $error:ident $(, $word:expr)* $(,)?) => {
        match $call {
            Err(failure) => {
                let words: &[u64] = &[$($word),*];
                if failure.error != $crate::harness::Error::$error || failure.words[..words.len()] != *words {
                    return Err($crate::harness::Failure::new(format_args!(
                        "{}: {failure:x?}, not {} {words:x?}",
                        stringify!($call),
                        stringify!($error)
                    )));
                }
            }
            Ok(_) => {
                return Err($crate::harness::Failure::new(format_args!(
                    "{} works, instead of {}",
                    stringify!($call),
                    stringify!($error)
                )));
            }
        }
    };
}

pub use kernel_user::abi::Error;

/// A test with its name.
#[derive(Debug, Clone, Copy)]
pub struct Test {
    /// `object::what`.
    pub name: &'static str,
    /// Runs it.
    pub run: fn(&mut Env) -> Outcome,
}

/// The tests of a module, by the names of their functions.
#[macro_export]
macro_rules! tests {
    ($module:literal: $($name:ident),* $(,)?) => {
        /// The tests of this module.
        pub const TESTS: &[$crate::harness::Test] = &[
            $($crate::harness::Test { name: concat!($module, "::", stringify!($name)), run: $name }),*
        ];
    };
}

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// Passed.
    pub passed: u32,
    /// Failed.
    pub failed: u32,
}

/// Runs the tests whose names contain `filter`. A test that needs what the machine has not is not in the score.
pub fn run(env: &mut Env, filter: &str, groups: &[&[Test]]) -> Score {
    let mut score = Score::default();
    for test in groups.iter().copied().flatten().filter(|test| test.name.contains(filter)) {
        // Before the test: whoever reads the console of a kernel that stopped wants to know where.
        println!("test {}", test.name);
        let outcome = env.scope(test.run);
        match outcome {
            Ok(()) => score.passed += 1,
            Err(failure) => {
                score.failed += 1;
                println!("FAIL {}: {failure}", test.name);
            }
        }
    }
    score
}
