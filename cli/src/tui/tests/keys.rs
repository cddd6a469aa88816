//! Whatever is pressed, and whatever size the screen has: nothing panics, and nothing but `q` ends.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;

use super::harness::Screen;

/// Keys, more of those that do something.
fn key() -> impl Strategy<Value = KeyEvent> {
    let typed =
        "snfcSNC.btwd/:?hH][zjk i1234567890oelp\u{e9}(x".chars().map(KeyCode::Char).collect::<Vec<_>>();
    let special = vec![
        KeyCode::Esc,
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::F(5),
        KeyCode::F(10),
        KeyCode::F(11),
    ];
    let code = prop_oneof![3 => prop::sample::select(typed), 2 => prop::sample::select(special)];
    (code, prop::bool::weighted(0.05)).prop_map(|(code, control)| {
        KeyEvent::new(code, if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    })
}

#[derive(Debug, Clone)]
enum Act {
    Key(KeyEvent),
    /// A command, with Enter.
    Line(&'static str),
    Size(u16, u16),
}

fn act() -> impl Strategy<Value = Act> {
    let lines = vec![
        "break pc",
        "step 1000",
        "reverse-step 7",
        "goto 300",
        "watch sp",
        "catch privilege",
        "x/8g sp",
        "hart 1",
        "delete",
        "last-write sp",
        "catch instruction uipi",
        "print 1/0",
        "disassemble 0 3",
        "finish",
    ];
    let sizes = vec![
        (1, 1),
        (0, 0),
        (2, 3),
        (20, 5),
        (59, 13),
        (60, 14),
        (80, 24),
        (110, 30),
        (120, 40),
        (300, 5),
        (5, 100),
        (3000, 40),
    ];
    prop_oneof![
        8 => key().prop_map(Act::Key),
        2 => prop::sample::select(lines).prop_map(Act::Line),
        1 => prop::sample::select(sizes).prop_map(|(width, height)| Act::Size(width, height)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(acts in prop::collection::vec(act(), 1..60)) {
        // It ends by itself, soon.
        let mut screen = Screen::new("--builtin uintr --max-cycles 100000", 80, 24);
        for act in acts {
            match act {
                Act::Key(key) => screen.press(key),
                Act::Line(line) => {
                    screen.key(KeyCode::Esc);
                    screen.key(KeyCode::Esc);
                    screen.keys(":").keys(line).key(KeyCode::Enter);
                }
                Act::Size(width, height) => screen.resize(width, height),
            }
            screen.buffer();
            prop_assert!(!screen.ended);
        }
    }
}
