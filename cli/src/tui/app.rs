//! The state of the screen, and what events do to it.

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::completion::Completer;
use super::engine::{Job, Reply, Request, Target};
use super::keymap::{self, Action};
use super::layout::Layout;
use super::panes::memory_row_bytes;
use super::panes::{LogLine, PANES, Pane};
use super::prompt::{Prompt, Typed};
use super::state::Kept;
use super::theme::{Role, Theme};
use super::transcript::Transcript;
use super::view::{Look, View};

/// Requests that wait at most.
const MAX_WAITING: usize = 32;
/// Lines of the log that are kept.
const MAX_LOG: usize = 1000;
/// Lines above and below the panes.
const BAR_LINES: u16 = 3;

/// What the outside is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Give this to the engine.
    Ask(Request),
    /// Stop what it does.
    Interrupt,
    /// Give this to the guest.
    Type(Vec<u8>),
    /// End.
    Quit,
}

/// What keys mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What the table says.
    Keys,
    /// A command is typed.
    Command,
    /// An expression is typed that says where to look.
    Place(Target),
    /// They go to the guest.
    Guest,
    /// The table is shown.
    Help,
}

/// Everything that the screen is drawn from.
pub struct App {
    /// The image's name.
    pub title: String,
    /// How it looks.
    pub theme: Theme,
    /// What there is.
    pub view: View,
    /// What keys mean.
    pub mode: Mode,
    /// Panes.
    pub layout: Layout,
    /// How far each is scrolled, in lines.
    pub scroll: [isize; PANES.len()],
    /// What is typed.
    pub prompt: Prompt,
    /// The line at the bottom.
    pub message: (String, Role),
    /// What the guest has printed.
    pub console: Transcript,
    /// Commands and answers.
    pub log: Vec<LogLine>,
    /// What the engine is busy with, and how far it is.
    pub busy: Option<(Job, u64)>,
    look: Look,
    last: String,
    waiting: VecDeque<Request>,
    completer: Completer,
    /// Why nothing can be typed to the guest.
    no_input: Option<&'static str>,
    breakpoints: Vec<String>,
    size: (u16, u16),
}

impl App {
    /// For the image called `title`, with what was kept of it.
    pub fn new(
        title: String,
        theme: Theme,
        completer: Completer,
        no_input: Option<&'static str>,
        kept: &Kept,
    ) -> Self {
        let mut layout = Layout::default();
        layout.restore(&kept.panes);
        Self {
            title,
            theme,
            view: View::default(),
            mode: Mode::Keys,
            layout,
            scroll: [0; PANES.len()],
            prompt: Prompt::new(kept.history.clone()),
            message: ("? shows the keys, : begins a command".into(), Role::Quiet),
            console: Transcript::default(),
            log: Vec::new(),
            busy: None,
            look: Look::default(),
            last: String::new(),
            waiting: VecDeque::new(),
            completer,
            no_input,
            breakpoints: Vec::new(),
            size: (80, 24),
        }
    }

    /// What is to be kept.
    pub fn kept(&self) -> Kept {
        Kept {
            breakpoints: self.breakpoints.clone(),
            panes: self.layout.names(),
            history: self.prompt.history().to_vec(),
        }
    }

    /// Asks for what is there at the beginning: the breakpoints that were kept, and a first look.
    pub fn begin(&mut self, kept: &Kept) -> Vec<Effect> {
        let jobs = kept.breakpoints.iter().cloned().map(Job::Line).chain([Job::Look]);
        let jobs: Vec<Job> = jobs.collect();
        jobs.into_iter().flat_map(|job| self.ask(job)).collect()
    }

    /// The screen has another size.
    pub fn resize(&mut self, width: u16, height: u16) -> Vec<Effect> {
        self.size = (width, height);
        self.layout.resize(width, height.saturating_sub(BAR_LINES));
        self.look_again()
    }

    fn say(&mut self, text: impl Into<String>, role: Role) {
        self.message = (text.into(), role);
    }

    /// Says that something is wrong.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.say(text, Role::Error);
    }

    /// The guest has printed something.
    pub fn printed(&mut self, bytes: &[u8]) {
        self.console.push(bytes);
    }

    /// The engine has got to step `steps`.
    pub fn progress(&mut self, steps: u64) {
        if let Some((_, at)) = &mut self.busy {
            *at = steps;
        }
    }

    fn ask(&mut self, job: Job) -> Vec<Effect> {
        self.look.recent = self.layout.is_visible(Pane::Events) || self.layout.is_visible(Pane::Cycles);
        let request = Request { job, look: self.look };
        if self.busy.is_some() {
            if self.waiting.len() < MAX_WAITING {
                self.waiting.push_back(request);
            }
            return Vec::new();
        }
        self.busy = Some((request.job.clone(), self.view.steps));
        vec![Effect::Ask(request)]
    }

    /// Looks again, if what is looked at may have changed.
    fn look_again(&mut self) -> Vec<Effect> {
        self.ask(Job::Look)
    }

    fn run(&mut self, line: &str) -> Vec<Effect> {
        // What was said before is not about this.
        self.say("", Role::Plain);
        self.last = line.into();
        self.ask(Job::Line(line.into()))
    }

    /// The engine has done what it was asked for.
    pub fn reply(&mut self, reply: Reply) -> Vec<Effect> {
        let Reply { job, answer, look, view, breakpoints } = reply;
        self.busy = None;
        self.breakpoints = breakpoints;
        let moved = view.steps != self.view.steps || view.hart != self.view.hart;
        if moved {
            self.scroll[Pane::Code as usize] = 0;
        }
        self.view = *view;
        // What was asked for since is newer than what comes back.
        if let Job::Place(..) = job {
            (self.look.code, self.look.memory, self.look.walk) = (look.code, look.memory, look.walk);
            self.scroll[Pane::Code as usize] = 0;
        }
        let again = moved && self.look.code.take().is_some();
        let mut quit = false;
        match (job, answer) {
            (Job::Line(line), Some(Ok(answer))) => {
                quit = answer.quit;
                self.answered(&line, &answer.text, moved);
            }
            (Job::Line(line), Some(Err(error))) => {
                self.note(&line, Role::Key);
                let text = format!("{}: {error}", line.trim());
                self.note(&text, Role::Error);
                self.complain(text);
            }
            (_, Some(Err(error))) => self.complain(error.to_string()),
            _ => {}
        }
        if quit {
            return vec![Effect::Quit];
        }
        if let Some(Request { job, .. }) = self.waiting.pop_front() {
            return self.ask(job);
        }
        if again { self.look_again() } else { Vec::new() }
    }

    fn note(&mut self, text: &str, role: Role) {
        self.log.extend(text.lines().map(|line| LogLine { text: line.into(), role }));
        let excess = self.log.len().saturating_sub(MAX_LOG);
        self.log.drain(..excess);
    }

    fn answered(&mut self, line: &str, text: &str, moved: bool) {
        self.note(line.trim(), Role::Key);
        self.note(text, Role::Plain);
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default().to_string();
        let more = lines.next().is_some();
        let stopped = first.starts_with("stop ");
        self.say(first, if stopped { Role::Stop } else { Role::Plain });
        if more && !moved && !stopped {
            self.scroll[Pane::Log as usize] = 0;
            self.layout.reveal(Pane::Log);
        }
    }

    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        match self.mode {
            Mode::Keys => keymap::action(key).map_or_else(Vec::new, |action| self.act(action)),
            Mode::Help => {
                self.mode = Mode::Keys;
                Vec::new()
            }
            Mode::Guest => self.type_to_guest(key),
            Mode::Command | Mode::Place(_) => self.typed(key),
        }
    }

    fn typed(&mut self, key: KeyEvent) -> Vec<Effect> {
        let mode = self.mode;
        match self.prompt.key(key, mode == Mode::Command) {
            Typed::More => {}
            Typed::Cancelled => self.mode = Mode::Keys,
            Typed::Complete => {
                let (text, words) = self.completer.complete(self.prompt.before());
                self.prompt.replace_before(&text);
                if words.len() > 1 {
                    self.say(words.join("  "), Role::Quiet);
                }
            }
            Typed::Line(line) => {
                self.mode = Mode::Keys;
                if line.trim().is_empty() {
                    return Vec::new();
                }
                return match mode {
                    Mode::Place(target) => self.ask(Job::Place(target, line)),
                    _ => self.run(&line),
                };
            }
        }
        Vec::new()
    }

    fn type_to_guest(&mut self, key: KeyEvent) -> Vec<Effect> {
        let bytes = match key.code {
            KeyCode::Esc => {
                self.mode = Mode::Keys;
                return Vec::new();
            }
            KeyCode::Char(c @ 'a'..='z') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                vec![c as u8 - b'a' + 1]
            }
            KeyCode::Char(c) => c.to_string().into_bytes(),
            KeyCode::Enter => vec![b'\r'],
            KeyCode::Tab => vec![b'\t'],
            KeyCode::Backspace => vec![0x7f],
            _ => return Vec::new(),
        };
        if !matches!(self.busy, Some((Job::Line(_), _))) {
            self.say("it will be read when the guest runs on: Esc, then c", Role::Quiet);
        }
        vec![Effect::Type(bytes)]
    }

    fn act(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Run(line) => return self.run(line),
            Action::Again if self.last.is_empty() => {}
            Action::Again => return self.run(&self.last.clone()),
            Action::Begin(text) => {
                self.mode = Mode::Command;
                self.prompt.begin(text);
            }
            Action::GoTo => {
                self.mode = Mode::Place(match self.layout.focused() {
                    Pane::Memory => Target::Memory,
                    Pane::Walk => Target::Walk,
                    _ => Target::Code,
                });
                self.prompt.begin("");
            }
            Action::Show(pane) => {
                self.layout.show(pane);
                return self.look_again();
            }
            Action::Focus(by) => self.layout.move_focus(by),
            Action::Turn(by) => {
                self.layout.turn(by);
                return self.look_again();
            }
            Action::Scroll(by) => return self.scroll(by),
            Action::Page(by) => {
                let page = isize::try_from(self.size.1 / 2).unwrap_or(1).max(1);
                return self.scroll(by * page);
            }
            Action::Home => return self.home(),
            Action::Zoom => {
                self.layout.zoomed = !self.layout.zoomed;
                return self.look_again();
            }
            Action::Hart(by) => {
                let harts = self.view.harts.len().max(1) as isize;
                let hart = (self.view.hart as isize + by).rem_euclid(harts);
                return self.run(&format!("hart {hart}"));
            }
            Action::Guest => match self.no_input {
                Some(why) => self.complain(why),
                None => {
                    self.layout.show(Pane::Console);
                    self.mode = Mode::Guest;
                }
            },
            Action::Help => self.mode = Mode::Help,
            Action::Interrupt if self.busy.is_some() => {
                self.waiting.clear();
                return vec![Effect::Interrupt];
            }
            Action::Interrupt => return self.home(),
            Action::Quit => return vec![Effect::Interrupt, Effect::Quit],
        }
        Vec::new()
    }

    fn scroll(&mut self, by: isize) -> Vec<Effect> {
        let pane = self.layout.focused();
        if pane == Pane::Memory {
            let row = memory_row_bytes(self.width_of(pane)) as i64;
            let at = self.look.memory.unwrap_or(self.view.memory.at);
            self.look.memory = Some(at.wrapping_add_signed(by as i64 * row));
            return self.look_again();
        }
        let scroll = &mut self.scroll[pane as usize];
        *scroll = scroll.saturating_add(by);
        Vec::new()
    }

    fn width_of(&self, pane: Pane) -> usize {
        let area = ratatui::layout::Rect::new(0, 0, self.size.0, self.size.1.saturating_sub(BAR_LINES));
        let placed = self.layout.place(area).into_iter().find(|placed| placed.pane == pane);
        placed.map_or(0, |placed| usize::from(placed.area.width) - usize::from(placed.wall))
    }

    /// The pane looks where it does by itself.
    fn home(&mut self) -> Vec<Effect> {
        let pane = self.layout.focused();
        self.scroll[pane as usize] = 0;
        let place = match pane {
            Pane::Code => &mut self.look.code,
            Pane::Memory => &mut self.look.memory,
            Pane::Walk => &mut self.look.walk,
            _ => return Vec::new(),
        };
        if place.take().is_some() { self.look_again() } else { Vec::new() }
    }
}
