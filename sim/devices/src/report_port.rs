//! The report port of Rocket's RTL harness: benchmark rows, interrupt wires and the end of the run.
//!
//! | offset | width | register |
//! |---|---|---|
//! | 0x0 | 1 to 8 | a character for the console |
//! | 0x8 | 1 to 8 | ends the run with this status |
//! | 0x18 | 1 to 8 | levels of the external interrupts, bit 0 for source 1 |
//! | 0x20 | 8 | reads as the core cycle, from the start of the harness on |
//! | 0x1000, 0x1008, 0x1010, 0x1018 | 8 | name (a pointer), iterations, instructions and cycles of a row; the last one prints it |
//! | 0x1020, 0x1028, 0x1030 | 8 | several harts: smallest and largest value of the row, a number behind its name (1 for 0) |
//!
//! Other reads give 0; the rest of the window swallows what is written.

use relsim_core::device::{BusFault, Device, DeviceCx, GuestExit};

use crate::state::require;

const NAME_LIMIT: u64 = 200;
const WORDS: usize = 7;
/// Cycles that the RTL harness counts before it ends the reset, and those on the way to it.
const RESET_CYCLES: u64 = 43;

/// The report port.
pub struct ReportPort {
    name: String,
    sources: u32,
    row: [u64; WORDS],
}

impl ReportPort {
    /// A port called `name` in messages, with the wires of interrupt sources 1 to `sources`.
    pub fn new(name: &str, sources: u32) -> Self {
        Self { name: name.into(), sources, row: [0; WORDS] }
    }

    fn print(&mut self, cx: &mut DeviceCx<'_>) {
        let bytes = (0..NAME_LIMIT).map_while(|n| cx.ram.get::<u8>(self.row[0].wrapping_add(n)));
        let name: Vec<u8> = bytes.take_while(|&byte| byte != 0).collect();
        let mut name = String::from_utf8_lossy(&name).into_owned();
        let [_, iterations, instructions, cycles, least, most, number] = self.row;
        if let Some(number) = number.checked_sub(1) {
            name.push_str(&number.to_string());
        }
        let mut row = format!("{name},{iterations},{instructions},{cycles}");
        if cx.lines.harts() > 1 {
            let per = |count: u64| count as f64 / iterations.max(1) as f64;
            let (instructions, cycles) = (per(instructions), per(cycles));
            row.push_str(&format!(",{instructions:.3},{cycles:.3},{},{}", least as i64, most as i64));
        }
        row.push('\n');
        cx.console.write(row.as_bytes());
        self.row[4..].fill(0);
    }
}

impl Device for ReportPort {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self, cx: &mut DeviceCx<'_>, offset: u64, _: u8) -> Result<u64, BusFault> {
        Ok(if offset == 0x20 { cx.now + RESET_CYCLES } else { 0 })
    }

    fn write(&mut self, cx: &mut DeviceCx<'_>, offset: u64, size: u8, value: u64) -> Result<(), BusFault> {
        let value = if size < 8 { value & ((1 << (8 * size)) - 1) } else { value };
        match offset {
            0x0 => cx.console.write(&[value as u8]),
            0x8 => *cx.exit = Some(GuestExit::Done(value as u32)),
            0x18 => (1..=self.sources).for_each(|n| cx.lines.set_wire(n, value >> (n - 1) & 1 == 1)),
            0x1000..=0x1030 if offset.is_multiple_of(8) => {
                self.row[(offset - 0x1000) as usize / 8] = value;
                if offset == 0x1018 {
                    self.print(cx);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn save(&self) -> Vec<u8> {
        self.row.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        require(state.len() == 8 * WORDS, "a row has seven words")?;
        for (word, bytes) in self.row.iter_mut().zip(state.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        }
        Ok(())
    }
}
