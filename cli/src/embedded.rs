//! The guests that are built in, by name: `cargo xtask guests` and `cargo xtask kernel` build them, and CI compares
//! them with a fresh build.

use clap::builder::PossibleValue;

/// A guest that needs no file.
#[derive(Debug, PartialEq, Eq)]
pub struct Builtin {
    /// What `--builtin` calls it.
    pub name: &'static str,
    /// What it is called in messages.
    pub title: &'static str,
    /// The platforms whose devices it knows.
    pub platforms: &'static [&'static str],
    /// Harts that it has unless others are asked for.
    pub harts: usize,
    /// Quantum that it has unless another is asked for, in cycles.
    pub quantum_cycles: Option<u64>,
    /// Its ELF file for one hart.
    single: &'static [u8],
    /// The one for several.
    several: &'static [u8],
}

const UINTR: &[u8] = include_bytes!("../guests/uintr.elf");
const WAYS: &[u8] = include_bytes!("../guests/ways.elf");

/// All of them; the first runs when nothing is named.
pub const ALL: &[Builtin] = &[
    Builtin {
        name: "kernel",
        title: "built-in kernel",
        platforms: &["virt"],
        harts: 1,
        quantum_cycles: None,
        single: include_bytes!("../guests/kernel.elf"),
        several: include_bytes!("../guests/kernel-smp.elf"),
    },
    Builtin {
        name: "uintr",
        title: "built-in guest uintr",
        platforms: &["virt"],
        // A sender and a receiver.
        harts: 2,
        // It measures in cycles what one hart sees of the other, so they have to be interleaved exactly.
        quantum_cycles: Some(1),
        single: UINTR,
        several: UINTR,
    },
    Builtin {
        name: "bench",
        title: "built-in benchmarks",
        platforms: &["virt", "rocket-uintr"],
        harts: 1,
        quantum_cycles: None,
        single: include_bytes!("../guests/bench.elf"),
        several: include_bytes!("../guests/bench-smp.elf"),
    },
    Builtin {
        name: "ways",
        title: "built-in guest ways",
        platforms: &["virt"],
        harts: 2,
        quantum_cycles: Some(1),
        single: WAYS,
        several: WAYS,
    },
];

impl Builtin {
    /// The one called `name`.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|builtin| builtin.name == name)
    }

    /// Its name, as a value of an argument.
    pub fn value(&self) -> PossibleValue {
        PossibleValue::new(self.name)
    }

    /// Its ELF file for `harts` harts.
    pub fn elf(&self, harts: usize) -> &'static [u8] {
        if harts > 1 { self.several } else { self.single }
    }
}

#[cfg(test)]
mod tests {
    use relsim_loader::{Image, ParseOptions, demangle};

    use super::*;

    /// What its kernel loads has names, too.
    #[test]
    fn user_programs_have_symbols() {
        for (name, function) in [("kernel", "root::main"), ("bench", "mechanisms::main")] {
            let builtin = Builtin::by_name(name).unwrap();
            for harts in [1, 2] {
                let image = Image::parse(name, builtin.elf(harts), &ParseOptions::default()).unwrap();
                let named = |wanted: &str| {
                    let mut found = image.symbols.iter().filter(|symbol| demangle(symbol.name) == wanted);
                    found.next().map(|symbol| symbol.address)
                };
                let user = named(function).unwrap_or_else(|| panic!("{function} in {name}"));
                let (found, offset) = image.symbols.lookup(user + 2).unwrap();
                assert_eq!((demangle(found.name).as_ref(), offset), (function, 2));
                // Names that both have are the kernel's.
                let memset = image.symbols.by_name("memset").unwrap();
                assert!(memset.address > user, "{memset:?}");
            }
        }
    }
}
