//! Numbers with units, as arguments and in messages.

/// A size in bytes: a decimal or `0x` hexadecimal number, with K, M or G (powers of 1024) behind it.
///
/// # Errors
/// What is wrong with `text`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let upper = text.to_ascii_uppercase();
    let upper = upper
        .strip_suffix("IB")
        .or(upper.strip_suffix('B').filter(|t| !t.starts_with("0X")))
        .unwrap_or(&upper);
    let (digits, shift) = match upper.chars().last() {
        Some('K') => (&upper[..upper.len() - 1], 10),
        Some('M') => (&upper[..upper.len() - 1], 20),
        Some('G') => (&upper[..upper.len() - 1], 30),
        _ => (upper, 0),
    };
    let number =
        parse_number(digits).map_err(|_| "expected a size such as 512M, 3G or 0x8000000".to_string())?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_string())
}

/// A number: decimal, with `_` between digits and perhaps an exponent (`1e9`), or `0x` hexadecimal.
///
/// # Errors
/// What is wrong with `text`.
pub fn parse_number(text: &str) -> Result<u64, String> {
    let clean = text.replace('_', "").to_ascii_lowercase();
    let wrong = || "expected a number such as 1000000, 1_000_000, 1e6 or 0xf4240".to_string();
    let digits_only = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(hex) = clean.strip_prefix("0x") {
        return if digits_only(hex) {
            u64::from_str_radix(hex, 16).map_err(|_| wrong())
        } else {
            Err(wrong())
        };
    }
    let (digits, exponent) = clean.split_once('e').unwrap_or((&clean, "0"));
    if !digits_only(digits) || !digits_only(exponent) {
        return Err(wrong());
    }
    let scale = exponent.parse().ok().and_then(|e| 10u64.checked_pow(e));
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    scale.and_then(|s| number.checked_mul(s)).ok_or_else(|| "too large".to_string())
}

/// `12345678` as `12,345,678`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size in the largest unit that it is a whole number of.
pub fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.iter().find(|(shift, _)| bytes >> shift << shift == bytes && bytes >> shift > 0);
    unit.map_or_else(|| format!("{bytes} B"), |(shift, unit)| format!("{} {unit}", bytes >> shift))
}

/// A frequency in the largest unit that it is a whole number of.
pub fn frequency(hz: u64) -> String {
    let units = [(1_000_000_000, "GHz"), (1_000_000, "MHz"), (1000, "kHz")];
    let unit = units.iter().find(|(scale, _)| hz >= *scale && hz.is_multiple_of(*scale));
    unit.map_or_else(|| format!("{hz} Hz"), |(scale, unit)| format!("{} {unit}", hz / scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("512M", 512 << 20),
            ("3G", 3 << 30),
            ("3GiB", 3 << 30),
            ("64k", 65536),
            ("4096", 4096),
            ("0x1000", 4096),
            ("0x1b", 27),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "12Q", "-1", "1.5G", "99999999999G", "0x", "1 G", "é"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(parse_number("1_000"), Ok(1000));
        assert_eq!(parse_number("5e9"), Ok(5_000_000_000));
        assert_eq!(parse_number("0xff"), Ok(255));
        for text in ["", "e9", "1e", "1e99", "+1", "0x+1", "ff", "１"] {
            assert!(parse_number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shown() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1234567), "1,234,567");
        assert_eq!(size(512 << 20), "512 MiB");
        assert_eq!(size(0x100), "256 B");
        assert_eq!(frequency(10_000_000), "10 MHz");
    }
}
