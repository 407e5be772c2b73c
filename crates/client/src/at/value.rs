//! Values of columns and arguments of statements.

use super::error::{Result, refused};

/// A value: an argument of a statement, or what is in a row. Dates and times are text.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that may be too large for [`Value::Int`].
    UInt(u64),
    /// A floating-point number of 32 bits.
    Float(f32),
    /// A floating-point number of 64 bits.
    Double(f64),
    /// An exact number: `12.50`.
    Decimal(String),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A day: `2024-02-03`.
    Date(String),
    /// A time of day, without fractions where it has to be undone: `12:13:14`.
    Time(String),
    /// A day and a time on somebody's wall: `2024-02-03 04:05:06.789`.
    DateTime(String),
    /// A point in time, in UTC: `2024-02-03 04:05:06.789`.
    Instant(String),
    /// A UUID: `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`.
    Uuid(String),
}

impl Value {
    /// As text, as both databases and Java's `String.valueOf` write it; nothing for [`Value::Null`] and for bytes.
    pub(super) fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::Null | Self::Bytes(_) => return None,
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::UInt(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Decimal(text)
            | Self::Text(text)
            | Self::Date(text)
            | Self::Time(text)
            | Self::DateTime(text)
            | Self::Instant(text)
            | Self::Uuid(text) => text.clone(),
        })
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from!(bool => Bool, i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int, u64 => UInt, f32 => Float,
      f64 => Double, &str => Text, String => Text, Vec<u8> => Bytes, &[u8] => Bytes);

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// An exact number without an exponent, as databases write it.
///
/// # Errors
/// It is none, or has a very large exponent.
pub(super) fn plain_decimal(text: &str) -> Result<String> {
    let bad = || format!("the number {text:.80}");
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (sign, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", mantissa),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    let exponent = match exponent.trim_start_matches('+').parse::<i32>() {
        Ok(exponent) if exponent.abs() <= 1000 && all_digits && !whole.is_empty() => exponent,
        _ => return refused(bad()),
    };
    let mut digits = format!("{whole}{fraction}");
    let scale = i32::try_from(fraction.len()).map_or(i32::MAX, |scale| scale.saturating_sub(exponent));
    if scale <= 0 {
        let zeros = if digits.bytes().all(|digit| digit == b'0') { 0 } else { scale.unsigned_abs() as usize };
        digits.push_str(&"0".repeat(zeros));
        return Ok(format!("{sign}{}", without_zeros(&digits)));
    }
    let scale = scale.unsigned_abs() as usize;
    if digits.len() <= scale {
        digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    Ok(format!("{sign}{}.{fraction}", without_zeros(whole)))
}

fn without_zeros(digits: &str) -> &str {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_of_exact_numbers_are_written_out() {
        for (java, plain) in [
            ("12.50", "12.50"),
            ("-0.5", "-0.5"),
            ("1E-7", "0.0000001"),
            ("0E-10", "0.0000000000"),
            ("1.2E+3", "1200"),
            ("007", "7"),
            ("0", "0"),
        ] {
            assert_eq!(plain_decimal(java).unwrap(), plain);
        }
        for bad in ["", "NaN", "1e99999", "1.x", "--1"] {
            assert!(plain_decimal(bad).is_err(), "{bad}");
        }
    }
}
