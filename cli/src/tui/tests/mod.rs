//! The screen over real machines. Snapshots of screens are in `snapshots/`; `INSTA_UPDATE=always cargo test -p relsim`
//! takes them anew.

mod harness;
mod images;
mod keys;
mod screens;
mod svg;
