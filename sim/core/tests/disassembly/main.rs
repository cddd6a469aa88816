//! Decoding and text, compared with two independent disassemblers: validity, mnemonic and operands.

mod disc;
mod exceptions;
mod objdump;
mod sample;

use std::collections::BTreeMap;

use exceptions::{Case, EXCEPTIONS, Oracle};
use relsim_core::csr;
use relsim_core::decode::Decoder;
use relsim_core::disasm;
use relsim_core::isa::{Ext, ExtSet};

/// How many differences a failure shows for each mnemonic.
const SHOWN: usize = 4;

fn decoder() -> Decoder {
    let mut isa = ExtSet::EMPTY;
    Ext::ALL.iter().for_each(|&ext| isa.insert(ext));
    Decoder::new(isa, &[]).expect("the rows make a decoder")
}

fn csr_name(number: u16) -> Option<&'static str> {
    csr::BASE.iter().flat_map(|file| file.iter()).find(|row| row.num == number).map(|row| row.name)
}

fn ours(decoder: &Decoder, pc: u64, word: u32) -> Option<String> {
    decoder.decode(word).map(|(_, def)| disasm::text(def, word, pc, &csr_name))
}

/// Whether the texts differ only in that one side has a number for the CSR that the other side names:
/// which CSRs there are is not the disassembler's business.
fn same_but_csr_name(word: u32, ours: &str, theirs: &str) -> bool {
    let is_csr = word & 0x7f == 0x73 && word >> 12 & 3 != 0;
    let number = format!("{:#x}", word >> 20);
    let parts = |text: &str| text.split(',').map(String::from).collect::<Vec<_>>();
    let (a, b) = (parts(ours), parts(theirs));
    is_csr
        && a.len() == 3
        && b.len() == 3
        && (a[0] == b[0] && a[2] == b[2])
        && (a[1] == number || b[1] == number)
}

fn compare(oracle: Oracle, words: &[u32], theirs: impl Iterator<Item = Option<String>>) {
    let mut used = vec![0u32; EXCEPTIONS.len()];
    let decoder = decoder();
    let mut failures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut pc = 0;
    for (&word, theirs) in words.iter().zip(theirs) {
        let ours = ours(&decoder, pc, word);
        pc += if word & 3 == 3 { 4 } else { 2 };
        let (ours, theirs) = (ours.as_deref(), theirs.as_deref());
        if ours == theirs {
            continue;
        }
        if let (Some(ours), Some(theirs)) = (ours, theirs)
            && same_but_csr_name(word, ours, theirs)
        {
            continue;
        }
        let case = Case { word, ours, theirs };
        let known = EXCEPTIONS.iter().position(|e| e.oracle == oracle && (e.covers)(&case));
        if let Some(n) = known {
            used[n] += 1;
            continue;
        }
        let mnemonic =
            |text: Option<&str>| text.map_or("-", |t| t.split(' ').next().unwrap_or(t)).to_string();
        let key = format!("{} / {}", mnemonic(ours), mnemonic(theirs));
        failures.entry(key).or_default().push(format!(
            "{word:#010x}: relsim {}, {oracle:?} {}",
            ours.unwrap_or("illegal"),
            theirs.unwrap_or("illegal")
        ));
    }
    if !failures.is_empty() {
        let mut report = String::new();
        for (key, list) in &failures {
            report += &format!("{key}: {} words\n", list.len());
            list.iter().take(SHOWN).for_each(|line| report += &format!("    {line}\n"));
        }
        panic!("differences from {oracle:?}:\n{report}");
    }
    for (exception, &count) in EXCEPTIONS.iter().zip(&used).filter(|(e, _)| e.oracle == oracle) {
        assert!(count > 0, "an exception for {oracle:?} is no longer needed: {}", exception.reason);
    }
}

#[test]
fn agrees_with_objdump() {
    let words = sample::words();
    compare(Oracle::Objdump, &words, objdump::disassemble(&words).into_iter());
}

#[test]
fn agrees_with_disc_v() {
    let words = sample::words();
    let disc = disc::Disc::new();
    let mut pc = 0;
    let theirs = words.iter().map(|&word| {
        let text = disc.disassemble(pc, word);
        pc += if word & 3 == 3 { 4 } else { 2 };
        text
    });
    compare(Oracle::Disc, &words, theirs);
}
