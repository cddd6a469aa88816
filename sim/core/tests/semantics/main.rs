//! What each integer instruction does, against references that share nothing with the rows: arithmetic on
//! wide integers and bit by bit, the expansion of compressed instructions, and the cases that the
//! specification spells out.

mod atomics;
mod cache_blocks;
mod compressed;
mod computation;
mod control;
mod cpu;
mod facts;
mod memory;
mod reference;

use std::collections::BTreeSet;

use relsim_core::rows;

/// Every row of these files must be in a table that drives a test.
#[test]
fn every_row_has_a_test() {
    let tested: BTreeSet<&str> = [
        computation::names(),
        control::names(),
        memory::names(),
        atomics::names(),
        cache_blocks::names(),
        compressed::names(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let files = [
        rows::i::ROWS,
        rows::m::ROWS,
        rows::a::ROWS,
        rows::c::ROWS,
        rows::zba::ROWS,
        rows::zbb::ROWS,
        rows::zbc::ROWS,
        rows::zbkb::ROWS,
        rows::zbkx::ROWS,
        rows::zbs::ROWS,
        rows::zicbo::ROWS,
        rows::zicond::ROWS,
        rows::zifencei::ROWS,
        rows::zihint::ROWS,
        rows::zawrs::ROWS,
    ];
    let rows: BTreeSet<&str> = files.iter().flat_map(|file| file.iter()).map(|def| def.name).collect();
    let untested: Vec<_> = rows.difference(&tested).collect();
    assert!(untested.is_empty(), "rows without a test: {untested:?}");
    let unknown: Vec<_> = tested.difference(&rows).collect();
    assert!(unknown.is_empty(), "tests of rows that are not there: {unknown:?}");
}
