//! How the outside reaches a running machine: through flags that it looks at between slices. Nothing here
//! changes what the guest does.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::CliError;

/// Why the machine was asked to stop for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Quit {
    /// Ctrl-C, Ctrl-A x, or a signal.
    Interrupted = 1,
    /// Standard output is closed.
    OutputClosed = 2,
}

/// Requests to the thread that runs the machine.
#[derive(Debug, Default)]
pub struct Control {
    /// Set with every request: the machine returns when it sees it.
    pub stop: AtomicBool,
    quit: AtomicU8,
    /// Another flag that ends a run: a session's.
    session: OnceLock<Arc<AtomicBool>>,
    statistics: AtomicBool,
}

impl Control {
    /// Ends the run.
    pub fn quit(&self, why: Quit) {
        self.quit.store(why as u8, Ordering::Relaxed);
        self.stop.store(true, Ordering::Release);
        if let Some(stop) = self.session.get() {
            stop.store(true, Ordering::Release);
        }
    }

    /// Lets whatever ends the run set `stop`, too.
    pub fn stops(&self, stop: Arc<AtomicBool>) {
        // There is one session in a process.
        let _ = self.session.set(stop);
    }

    /// Whether, and why, the run is to end.
    pub fn quits(&self) -> Option<Quit> {
        match self.quit.load(Ordering::Relaxed) {
            1 => Some(Quit::Interrupted),
            2 => Some(Quit::OutputClosed),
            _ => None,
        }
    }

    /// Asks for the counts so far.
    pub fn ask_statistics(&self) {
        self.statistics.store(true, Ordering::Relaxed);
        self.stop.store(true, Ordering::Release);
    }

    /// Makes the machine return for a moment.
    pub fn nudge(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether the counts were asked for since the last call.
    pub fn take_statistics(&self) -> bool {
        self.statistics.swap(false, Ordering::Relaxed)
    }

    /// Lets Ctrl-C and SIGTERM end the run; a second one ends relsim at once.
    ///
    /// # Errors
    /// [`CliError::Signals`].
    pub fn watch_signals(self: &Arc<Self>) -> Result<(), CliError> {
        /// The handler can be set once in a process, the run it belongs to is found through this.
        static CURRENT: OnceLock<Arc<Control>> = OnceLock::new();
        let current = CURRENT.get_or_init(|| self.clone());
        ctrlc::set_handler(|| {
            let Some(control) = CURRENT.get() else { return };
            if control.quits().is_some() {
                crate::console::restore_terminal();
                std::process::exit(crate::status::INTERRUPTED.into());
            }
            control.quit(Quit::Interrupted);
        })
        .map_err(CliError::Signals)?;
        debug_assert!(Arc::ptr_eq(current, self), "one run in a process");
        Ok(())
    }
}
