//! `--signature`: a part of memory as text, as Spike's `+signature` writes it.

use std::fmt::Write;

/// Lines of `granularity` bytes each, most significant first; the last one is filled up with zeros.
pub fn text(memory: &[u8], granularity: usize) -> String {
    let mut text = String::with_capacity(memory.len() * 2 + memory.len() / granularity.max(1) + 1);
    for line in memory.chunks(granularity.max(1)) {
        let missing = granularity - line.len();
        for byte in std::iter::repeat_n(&0, missing).chain(line.iter().rev()) {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn most_significant_byte_first_and_filled_up() {
        assert_eq!(text(&[1, 2, 3, 4, 5], 4), "04030201\n00000005\n");
        assert_eq!(text(&[1, 2], 1), "01\n02\n");
        assert_eq!(text(&[], 16), "");
    }
}
