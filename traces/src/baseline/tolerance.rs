//! How far a count may be from its recorded value.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Digits behind the point that a percentage may have.
const DECIMALS: usize = 6;
/// One per cent.
const PERCENT: u64 = 10u64.pow(DECIMALS as u32);

/// The largest difference that is none. Both kinds are exact: nothing is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// So many.
    Absolute(u64),
    /// A part of the recorded value, in millionths of a per cent.
    Percent(u64),
}

impl Default for Tolerance {
    fn default() -> Self {
        Self::Absolute(0)
    }
}

impl Tolerance {
    /// Whether `new` is close enough to `old`. The tolerance itself still is.
    pub fn admits(self, old: u64, new: u64) -> bool {
        let difference = u128::from(old.abs_diff(new));
        match self {
            Self::Absolute(limit) => difference <= u128::from(limit),
            // Below 2^64 * 2^64 on both sides: a percentage has at most 10^8 * its unit, see `from_str`.
            Self::Percent(millionths) => {
                difference * u128::from(100 * PERCENT) <= u128::from(old) * u128::from(millionths)
            }
        }
    }
}

/// What is wrong with a tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tolerance is a number such as 100, or a percentage from 0 to 1000 such as \"0.5%\"")]
pub struct ToleranceError;

impl FromStr for Tolerance {
    type Err = ToleranceError;

    fn from_str(text: &str) -> Result<Self, ToleranceError> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = |text: &str| text.parse::<u64>().ok().filter(|_| digits(text)).ok_or(ToleranceError);
        let Some(percent) = text.strip_suffix('%') else {
            return number(text).map(Self::Absolute);
        };
        let percent = percent.trim_end();
        let (whole, fraction) = percent.split_once('.').unwrap_or((percent, "0"));
        if fraction.len() > DECIMALS {
            return Err(ToleranceError);
        }
        let fraction = number(fraction)? * 10u64.pow((DECIMALS - fraction.len()) as u32);
        let millionths = number(whole)?.checked_mul(PERCENT).and_then(|n| n.checked_add(fraction));
        millionths.filter(|&n| n <= 1000 * PERCENT).map(Self::Percent).ok_or(ToleranceError)
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(limit) => write!(f, "{limit}"),
            Self::Percent(millionths) => {
                let (whole, fraction) = (millionths / PERCENT, millionths % PERCENT);
                let fraction = format!("{fraction:0DECIMALS$}");
                let fraction = fraction.trim_end_matches('0');
                let point = if fraction.is_empty() { "" } else { "." };
                write!(f, "{whole}{point}{fraction} %")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tolerance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Tolerance;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{ToleranceError}")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Tolerance, E> {
                value.try_into().map(Tolerance::Absolute).map_err(|_| E::custom(ToleranceError))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Tolerance, E> {
                Ok(Tolerance::Absolute(value))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Tolerance, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, tolerance, shown) in [
            ("0", Tolerance::Absolute(0), "0"),
            ("100", Tolerance::Absolute(100), "100"),
            ("1%", Tolerance::Percent(PERCENT), "1 %"),
            ("0.5 %", Tolerance::Percent(PERCENT / 2), "0.5 %"),
            ("0.000001%", Tolerance::Percent(1), "0.000001 %"),
            ("1000%", Tolerance::Percent(1000 * PERCENT), "1000 %"),
        ] {
            assert_eq!(text.parse(), Ok(tolerance), "{text}");
            assert_eq!(tolerance.to_string(), shown);
        }
        for text in ["", "%", "-1", "+1", "1.5", ".5%", "5.%", "0.0000001%", "1000.1%", "1e2", "1%%", "٣"] {
            assert_eq!(text.parse::<Tolerance>(), Err(ToleranceError), "{text}");
        }
    }

    #[test]
    fn the_edge_is_inside() {
        let absolute = Tolerance::Absolute(5);
        for (new, admitted) in [(94, false), (95, true), (100, true), (105, true), (106, false)] {
            assert_eq!(absolute.admits(100, new), admitted, "{new}");
        }
        let percent: Tolerance = "0.5%".parse().unwrap();
        for (old, new, admitted) in [
            (1000, 1005, true),
            (1000, 1006, false),
            (1000, 995, true),
            (1000, 994, false),
            (199, 200, false),
            (200, 201, true),
            (0, 0, true),
            (0, 1, false),
            (u64::MAX, 0, false),
            (0, u64::MAX, false),
        ] {
            assert_eq!(percent.admits(old, new), admitted, "{old} {new}");
        }
        let widest: Tolerance = "1000%".parse().unwrap();
        assert!(widest.admits(u64::MAX, 0) && widest.admits(1, 11) && !widest.admits(1, 12));
        assert!(!Tolerance::default().admits(7, 8) && Tolerance::default().admits(7, 7));
    }
}
