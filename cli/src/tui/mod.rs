//! The debugger on the whole screen: `relsim debug`.
//!
//! The machine runs in a thread of its own ([`engine`]), so that the screen answers while it does. Events go to
//! [`app::App`], which says what is to be asked of the engine; what comes back is a [`view::View`], plain data, from which
//! [`panes`] make lines of text, and [`draw`] the screen.

mod app;
mod completion;
mod draw;
mod engine;
mod keymap;
mod layout;
mod panes;
mod prompt;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod transcript;
mod view;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crossterm::event::Event;
use relsim_machine::session::Options;
use relsim_machine::{Machine, Session};

use crate::args::DebugArgs;
use crate::checkpoint;
use crate::console::{Collected, Input, InputSource, Output, Typed};
use crate::control::Control;
use crate::debug::Debugger;
use crate::error::CliError;
use crate::plan::Plan;
use crate::status;
use crate::symbols::Symbols;
use app::{App, Effect};
use completion::Completer;
use engine::{Engine, Reply, Request};
use state::{Kept, StateFile};
use terminal::Screen;
use theme::Theme;
use view::code::Sources;

/// How long a look for keys may take while the engine is busy, and while it is not.
const BUSY_POLL: Duration = Duration::from_millis(10);
const IDLE_POLL: Duration = Duration::from_millis(100);

/// Why the keyboard is not the guest's.
const NO_INPUT: &str = "the guest's input comes from elsewhere (--stdin)";

/// A debugger, and what is around it.
struct Setup {
    engine: Engine,
    title: String,
    /// What is typed to the guest, if it is.
    typed: Option<Sender<u8>>,
    output: Output,
    completer: Completer,
    image_hash: Option<String>,
    notes: Vec<String>,
}

impl Setup {
    /// What `args` describe; with `keyboard`, the guest reads what is typed.
    fn new(args: &DebugArgs, keyboard: bool) -> Result<Self, CliError> {
        checkpoint::without_end("debug", &args.run)?;
        let mut plan = Plan::travelling(&args.run)?;
        let kept = checkpoint::identity(&args.run, &plan);
        let symbols = Symbols::new(std::mem::take(&mut plan.software.symbols), &args.run.symbols)?;
        let output = Output::default();
        let (input, typed) = if keyboard && plan.input_source == InputSource::Terminal {
            let (sender, receiver) = channel();
            (Input::Typed(Typed::new(receiver)), Some(sender))
        } else {
            (Input::Bytes(plan.input.into()), None)
        };
        let console = Collected { output: output.clone(), input };
        let inputs = &plan.software.inputs;
        let image = inputs.iter().find(|(what, _)| *what == "image").or(inputs.first());
        let image_hash = image.map(|(_, hash)| hash.clone());
        let title = Path::new(&plan.software.name).file_name();
        let title = title.map_or(plan.software.name.clone(), |name| name.to_string_lossy().into_owned());
        let machine = Machine::build(plan.config, &plan.software.payload, plan.virtio, Box::new(console))?;
        let completer = Completer::new(&machine, symbols.clone());
        let mut options = Options::of(&machine);
        options.max_bytes = args.history.unwrap_or(options.max_bytes);
        let mut session = Session::new(machine, options);
        session.set_limits(args.run.limits());
        let mut debugger = Debugger::new(session, symbols);
        debugger.keeps(kept);
        let notes = plan.software.notes.into_iter().chain(plan.notes).collect();
        Ok(Self {
            engine: Engine::new(debugger, Sources::new(args.source.clone())),
            title,
            typed,
            output,
            completer,
            image_hash,
            notes,
        })
    }
}

/// The engine in its thread, as the screen knows it.
struct Worker {
    requests: Sender<Request>,
    replies: Receiver<Reply>,
    stop: Arc<AtomicBool>,
    progress: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(mut engine: Engine) -> Self {
        let session = engine.debugger().session();
        let (stop, progress) = (session.stop_flag(), session.progress());
        let (requests, asked) = channel::<Request>();
        let (done, replies) = channel();
        // It ends when there is nobody left to ask or to answer.
        let thread = std::thread::spawn(move || {
            while let Ok(request) = asked.recv() {
                if done.send(engine.perform(request)).is_err() {
                    return;
                }
            }
        });
        Self { requests, replies, stop, progress, thread }
    }

    /// Stops what it does, and waits until the machine is gone: disks get then what was written to them.
    fn end(self) {
        self.stop.store(true, Ordering::Release);
        drop((self.requests, self.replies));
        // Whatever has gone wrong there has been said.
        let _ = self.thread.join();
    }
}

/// Debugs an image on the screen and gives the exit status.
///
/// # Errors
/// What is wrong with the arguments' files, or with the terminal.
pub fn run(args: &DebugArgs) -> Result<u8, CliError> {
    terminal::check()?;
    let setup = Setup::new(args, true)?;
    let control = Arc::new(Control::default());
    control.watch_signals()?;
    let Setup { engine, title, typed, output, completer, image_hash, notes } = setup;
    let mut file = image_hash.filter(|_| !args.no_state).and_then(|hash| StateFile::of(&hash));
    let (kept, broken) = match file.as_mut().map(StateFile::load) {
        Some(Ok(kept)) => (kept, None),
        Some(Err(message)) => (Kept::default(), Some(message)),
        None => (Kept::default(), None),
    };
    let theme = Theme::new(args.ascii, std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let no_input = typed.is_none().then_some(NO_INPUT);
    let mut app = App::new(title, theme, completer, no_input, &kept);
    notes.into_iter().chain(broken).for_each(|note| app.complain(note));
    let worker = Worker::start(engine);
    let mut screen = Screen::new()?;
    let shown = show(&mut app, &mut screen, &worker, &kept, typed.as_ref(), &output, &control);
    drop(screen);
    worker.end();
    let status = shown?;
    if let Some(file) = file
        && let Err(message) = file.save(&app.kept())
    {
        eprintln!("relsim: breakpoints and layout are not kept: {message}");
    }
    Ok(status)
}

/// Serves events until the user has enough, or somebody ends relsim: gives the exit status.
fn show(
    app: &mut App,
    screen: &mut Screen,
    worker: &Worker,
    kept: &Kept,
    typed: Option<&Sender<u8>>,
    output: &Output,
    control: &Control,
) -> Result<u8, CliError> {
    let (width, height) = screen.size()?;
    let mut effects = app.resize(width, height);
    effects.extend(app.begin(kept));
    let events = terminal::events();
    let mut changed = true;
    loop {
        for effect in std::mem::take(&mut effects) {
            match effect {
                // Without the thread there is no answer, which is noticed below.
                Effect::Ask(request) => drop(worker.requests.send(request)),
                Effect::Interrupt => worker.stop.store(true, Ordering::Release),
                Effect::Type(bytes) => {
                    for (byte, typed) in bytes.into_iter().zip(std::iter::repeat(typed).flatten()) {
                        // The machine is there as long as the screen.
                        let _ = typed.send(byte);
                    }
                }
                Effect::Quit => return Ok(0),
            }
        }
        match worker.replies.try_recv() {
            Ok(reply) => {
                effects.extend(app.reply(reply));
                changed = true;
            }
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                return Err(CliError::Terminal(std::io::Error::other("the debugger has ended")));
            }
        }
        let printed = output.take();
        if !printed.is_empty() {
            app.printed(&printed);
            changed = true;
        }
        if control.quits().is_some() {
            return Ok(status::INTERRUPTED);
        }
        let busy = app.busy.is_some();
        if busy {
            app.progress(worker.progress.load(Ordering::Relaxed));
        }
        if changed || busy {
            screen.draw(|frame| draw::draw(app, frame))?;
            changed = false;
        }
        let patience = match effects.is_empty() {
            false => Duration::ZERO,
            true if busy => BUSY_POLL,
            true => IDLE_POLL,
        };
        match events.recv_timeout(patience) {
            Ok(event) => {
                match event.map_err(CliError::Terminal)? {
                    Event::Key(key) => effects.extend(app.key(key)),
                    Event::Resize(width, height) => effects.extend(app.resize(width, height)),
                    _ => {}
                }
                changed = true;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // What went wrong has been said before, or the terminal is gone.
            Err(RecvTimeoutError::Disconnected) => return Ok(status::INTERRUPTED),
        }
    }
}
