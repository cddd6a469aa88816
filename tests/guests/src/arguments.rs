//! The kernel command line: words `KEY=VALUE` in the device tree (Devicetree Specification 0.4, chapter 5).

const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;

/// The big-endian word at `address`.
///
/// # Safety
/// There has to be memory.
unsafe fn word(address: usize) -> u32 {
    // SAFETY: by the caller.
    u32::from_be(unsafe { core::ptr::read_unaligned(address as *const u32) })
}

/// The text at `address`, up to its zero.
///
/// # Safety
/// There has to be a text that stays.
unsafe fn text(address: usize) -> &'static str {
    // SAFETY: by the caller.
    unsafe { core::ffi::CStr::from_ptr(address as *const _) }.to_str().unwrap_or("")
}

/// The command line that stands in the device tree at `tree`; empty if there is none.
///
/// # Safety
/// There has to be a device tree, as a guest is given one in `a1`.
pub unsafe fn command_line(tree: usize) -> &'static str {
    // SAFETY: offsets in a device tree stay inside of it.
    unsafe {
        let (mut at, strings) = (tree + word(tree + 8) as usize, tree + word(tree + 12) as usize);
        loop {
            let token = word(at);
            at += 4;
            match token {
                BEGIN_NODE => at += (text(at).len() + 1).next_multiple_of(4),
                PROPERTY => {
                    let (size, name) = (word(at) as usize, word(at + 4) as usize);
                    at += 8;
                    if text(strings + name) == "bootargs" {
                        return text(at);
                    }
                    at += size.next_multiple_of(4);
                }
                END_NODE | NOP => {}
                _ => return "",
            }
        }
    }
}

/// The value of `key` among the words of `line`.
pub fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The same as a number, `default` if it is not given.
pub fn number(line: &str, key: &str, default: u64) -> u64 {
    value(line, key).and_then(|text| text.parse().ok()).unwrap_or(default)
}
