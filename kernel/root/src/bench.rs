//! Benchmarks: what the kernel's operations cost, in cycles, as rows `bench,NAME,ROUNDS,MIN,MEAN`.

mod ipc;
mod notification;
mod objects;
mod other;

use kernel_user::{println, time};

use crate::env::{ABOVE, Env};
use crate::harness::Failure;

/// Rounds that are measured, unless `KERNEL_BENCH_ROUNDS` was set when this was built.
const ROUNDS: u64 = match option_env!("KERNEL_BENCH_ROUNDS") {
    Some(number) => crate::parse(number),
    None => 100,
};
/// Rounds before that.
const WARM_UP: u64 = 10;

/// The counter that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// `cycle`.
    Cycles,
    /// `time`, where the other one is not for users.
    Ticks,
}

impl Clock {
    /// Its value.
    #[inline(always)]
    #[must_use]
    pub fn now(self) -> u64 {
        match self {
            Self::Cycles => time::cycles(),
            Self::Ticks => time::ticks(),
        }
    }

    /// Finds out what may be read, in a thread that stops if it may not.
    fn find(env: &mut Env) -> Result<Option<Self>, Failure> {
        for clock in [Self::Cycles, Self::Ticks] {
            let thread = env.spawn(ABOVE, move || {
                core::hint::black_box(clock.now());
                1
            })?;
            if thread.result().is_some() {
                return Ok(Some(clock));
            }
        }
        Ok(None)
    }
}

/// A group of benchmarks.
type Group = fn(&mut Bench<'_>) -> Result<(), Failure>;

const GROUPS: [Group; 4] = [other::run, ipc::run, notification::run, objects::run];

/// What benchmarks work with.
pub(crate) struct Bench<'a> {
    env: &'a mut Env,
    clock: Clock,
    filter: &'a str,
}

impl Bench<'_> {
    /// Whether a benchmark is wanted.
    fn wants(&self, name: &str) -> bool {
        name.contains(self.filter)
    }

    /// Runs a benchmark whose body measures itself, and prints its row. What it makes is taken back.
    fn row(
        &mut self,
        name: &str,
        mut round: impl FnMut(&mut Env, Clock) -> Result<u64, Failure>,
    ) -> Result<(), Failure> {
        if !self.wants(name) {
            return Ok(());
        }
        let mut stats = Stats::default();
        for n in 0..WARM_UP + ROUNDS {
            let taken = round(self.env, self.clock)?;
            if n >= WARM_UP {
                stats.add(taken);
            }
        }
        stats.print(name);
        Ok(())
    }

    /// Runs a benchmark that takes as long as `operation`.
    fn timed(
        &mut self,
        name: &str,
        mut operation: impl FnMut() -> kernel_user::invoke::Result<()>,
    ) -> Result<(), Failure> {
        self.row(name, |_, clock| {
            let before = clock.now();
            operation()?;
            Ok(clock.now() - before)
        })
    }
}

/// Least and mean of what was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stats {
    count: u64,
    min: u64,
    sum: u64,
}

impl Default for Stats {
    fn default() -> Self {
        Self { count: 0, min: u64::MAX, sum: 0 }
    }
}

impl Stats {
    fn add(&mut self, value: u64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.sum += value;
    }

    fn print_as(&self, name: &str, part: &str, what: &str) {
        let mean = self.sum / self.count.max(1);
        println!("bench,{name}_{part}_{what},{},{},{mean}", self.count, self.min);
    }

    fn print(&self, name: &str) {
        println!("bench,{name},{},{},{}", self.count, self.min, self.sum / self.count.max(1));
    }
}

/// Runs the benchmarks whose names contain `filter`.
pub fn run(env: &mut Env, filter: &str) {
    let mut clock = None;
    let outcome = env.scope_with(|env| {
        clock = Clock::find(env)?;
        Ok(())
    });
    let Some(clock) = clock else {
        println!("bench: no counter: {outcome:?}");
        return;
    };
    println!("bench: {clock:?}");
    for group in GROUPS {
        let outcome = env.scope_with(|env| group(&mut Bench { env, clock, filter }));
        if let Err(failure) = outcome {
            println!("bench: failed at {failure}");
        }
    }
    println!("bench: end");
}
