//! A screen without a terminal, and an engine without a thread: everything happens at once.

use std::collections::VecDeque;

use clap::Parser;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::super::app::{App, Effect};
use super::super::draw;
use super::super::engine::Engine;
use super::super::state::Kept;
use super::super::theme::Theme;
use super::super::{NO_INPUT, Setup};
use crate::args::{Cli, Command};
use crate::console::Output;

/// A screen.
pub struct Screen {
    pub app: App,
    engine: Engine,
    output: Output,
    terminal: Terminal<TestBackend>,
    /// The user has quit.
    pub ended: bool,
}

impl Screen {
    /// `relsim debug ARGUMENTS` on a screen of `width` columns and `height` lines.
    pub fn new(arguments: &str, width: u16, height: u16) -> Self {
        Self::with_state(arguments, width, height, &Kept::default())
    }

    /// The same with what was kept of the image.
    pub fn with_state(arguments: &str, width: u16, height: u16, kept: &Kept) -> Self {
        let words = ["relsim", "debug", "--stdin", "none"].into_iter().chain(arguments.split_whitespace());
        let Command::Debug(args) = Cli::parse_from(words).command else { panic!("this is another command") };
        let Setup { engine, title, output, completer, .. } = Setup::new(&args, false).unwrap();
        let app = App::new(title, Theme::new(args.ascii, true), completer, Some(NO_INPUT), kept);
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut screen = Self { app, engine, output, terminal, ended: false };
        let mut effects = screen.app.resize(width, height);
        effects.extend(screen.app.begin(kept));
        screen.serve(effects);
        screen
    }

    fn serve(&mut self, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Ask(request) => {
                    let reply = self.engine.perform(request);
                    self.app.printed(&self.output.take());
                    effects.extend(self.app.reply(reply));
                }
                // Nothing runs while a key is pressed.
                Effect::Interrupt | Effect::Type(_) => {}
                Effect::Quit => self.ended = true,
            }
        }
    }

    pub fn key(&mut self, code: KeyCode) {
        self.press(KeyEvent::new(code, KeyModifiers::NONE));
    }

    pub fn press(&mut self, key: KeyEvent) {
        let effects = self.app.key(key);
        self.serve(effects);
    }

    /// Presses the keys of `text`; a line feed is Enter.
    pub fn keys(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.key(if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) });
        }
        self
    }

    pub fn resize(&mut self, width: u16, height: u16) {
        self.terminal.backend_mut().resize(width, height);
        let effects = self.app.resize(width, height);
        self.serve(effects);
    }

    /// What is on the screen.
    pub fn buffer(&mut self) -> Buffer {
        self.terminal.draw(|frame| draw::draw(&mut self.app, frame)).unwrap();
        self.terminal.backend().buffer().clone()
    }

    /// The same, as lines of text.
    pub fn text(&mut self) -> String {
        let buffer = self.buffer();
        let line = |y| {
            let cells = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol());
            cells.collect::<String>().trim_end().to_string() + "\n"
        };
        (0..buffer.area.height).map(line).collect()
    }
}
