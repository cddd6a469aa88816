//! The pictures of the book are of the screen as it is. With `RELSIM_UPDATE_DOCS=1` in the environment, those that differ
//! are drawn anew, and the test fails once to say so.

use std::fs;
use std::path::Path;

use super::harness::Screen;
use super::svg::picture;

/// A picture: its file, its title, what is run, and the keys that lead there.
const PICTURES: &[(&str, &str, &str, &str)] = &[
    (
        "debug-trap.svg",
        "The kernel's trap entry, at the root task's first system call",
        "",
        "btrap_entry\nc8",
    ),
    (
        "debug-send.svg",
        "A user interrupt has just been sent: its vector is pending at the receiver",
        "--builtin bench --append bench=oneway --platform rocket-uintr --harts 2",
        "tinstruction uipi\nc9es",
    ),
    (
        "debug-cycles.svg",
        "Cycles and their causes on Rocket, and CSRs by fields",
        "--timing rocket",
        ":goto 1500000\n03",
    ),
];

#[test]
fn pictures_are_of_the_screen_as_it_is() {
    let update = std::env::var_os("RELSIM_UPDATE_DOCS").is_some();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/guide/images");
    let mut wrong = Vec::new();
    for (file, title, arguments, keys) in PICTURES {
        let mut screen = Screen::new(arguments, 120, 40);
        screen.keys(keys);
        let svg = picture(&screen.buffer(), title);
        let path = directory.join(file);
        if fs::read_to_string(&path).ok().as_ref() != Some(&svg) {
            wrong.push(*file);
            if update {
                fs::create_dir_all(&directory).unwrap();
                fs::write(&path, svg).unwrap();
            }
        }
    }
    let advice = if update { "they are drawn anew" } else { "RELSIM_UPDATE_DOCS=1 draws them anew" };
    assert!(wrong.is_empty(), "pictures that are not of the screen as it is ({advice}): {wrong:?}");
}
