//! A line on standard error that says how far a run is, where the guest's console is not in its way.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::control::Control;
use crate::units::grouped;

/// How often the line changes.
const INTERVAL: Duration = Duration::from_millis(250);

/// The line.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    /// Dropped to end the ticker.
    _alive: Sender<()>,
}

impl Progress {
    /// A line, if standard error is a terminal and standard output is not.
    pub fn new(quiet: bool, control: &Arc<Control>) -> Option<Self> {
        let shown = !quiet && std::io::stderr().is_terminal() && !std::io::stdout().is_terminal();
        if !shown {
            return None;
        }
        let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}").ok()?;
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
        let (alive, ended) = channel();
        let control = control.clone();
        std::thread::spawn(move || {
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                control.nudge();
            }
        });
        Some(Self { bar, begun: Instant::now(), _alive: alive })
    }

    /// Shows the counts.
    pub fn show(&self, instructions: u64, cycles: u64) {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-9);
        let mips = instructions as f64 / seconds / 1e6;
        self.bar.set_message(format!(
            "{} instructions, {} cycles, {mips:.0} MIPS",
            grouped(instructions),
            grouped(cycles)
        ));
        self.bar.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
