//! Any text as a debugger command and as an expression: an answer, never a panic, and errors that lie inside the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use relsim_core::bus::Bus;
use relsim_core::csr::CsrTable;
use relsim_core::device::{Clock, NoConsole};
use relsim_core::hart::{Hart, HartConfig};
use relsim_core::isa::parse_isa;
use relsim_core::ram::Ram;
use relsim_machine::session::{Expr, Moment};
use std::sync::Arc;

#[path = "../../../cli/src/debug/command.rs"]
#[allow(dead_code)]
mod command;

fuzz_target!(|input: &str| {
    for line in input.lines() {
        if let Err(error) = command::Command::parse(line) {
            assert!(line.is_char_boundary(error.at) && !error.message.is_empty());
        }
    }
    let Ok(isa) = parse_isa("rv64gc", &[]) else { return };
    let Ok(csrs) = CsrTable::new(isa, &[]) else { return };
    match Expr::parse(input, &csrs, &|name| name.starts_with('s').then_some(7)) {
        Ok(expression) => {
            let (ids, pmp_entries, misaligned_ok, firmware_calls) = ([0; 3], 8, true, false);
            let config = HartConfig {
                id: 0,
                isa,
                misaligned_ok,
                firmware_calls,
                pmp_entries,
                reset_pc: 0x8000_0000,
                ids,
            };
            let hart = Hart::new(config, Arc::new(csrs));
            let bus = Bus::new(Ram::new(0x8000_0000, 4096), 1, Clock::new(1, 1), Box::new(NoConsole));
            let _ = expression.value(&Moment::of(&hart, &bus));
        }
        Err(error) => assert!(input.is_char_boundary(error.at) && !error.message.is_empty()),
    }
});
