//! Query strings as Go reads and writes them.

use std::borrow::Cow;

/// Names and values, decoded. A part that cannot be decoded is passed over, and so is one with a semicolon.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let parts = query.split('&').filter(|part| !part.is_empty() && !part.contains(';'));
    parts.filter_map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Some((decode(name)?, decode(value)?))
    })
}

/// Plus signs and percent codes undone; what then is not UTF-8 is replaced.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            other => other,
        });
    }
    Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Appends text with everything encoded but letters, digits and four signs.
pub(super) fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            other => {
                out.push('%');
                for digit in [other >> 4, other & 15] {
                    out.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_parts_are_passed_over() {
        let found: Vec<_> = pairs("a=1&&b&c=%41+b&d=%4&e=%zz&f=1;2&a=2&=x").collect();
        let text: Vec<_> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(text, [("a", "1"), ("b", ""), ("c", "A b"), ("a", "2"), ("", "x")]);
        assert_eq!(pairs("x=%ff").next().unwrap().1, "\u{fffd}");
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(text in ".{0,20}") {
            let mut query = "k=".to_owned();
            encode(&mut query, &text);
            let value = pairs(&query).next().unwrap().1;
            prop_assert_eq!(value, text);
        }
    }
}
