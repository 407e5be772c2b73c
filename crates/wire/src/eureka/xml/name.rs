//! Element names made from metadata keys.
//!
//! The protocol writes `_` as `__` and `$` as `_-`, in both directions. What is no XML name even then cannot
//! be written at all; the original server breaks its document at that point.

use std::borrow::Cow;

/// The key that an element name stands for.
pub(crate) fn to_key(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return Cow::Borrowed(name);
    }
    let mut key = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('_') {
        key.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (unescaped, taken) = match tail.as_bytes().first() {
            Some(b'_') => ('_', 1),
            Some(b'-') => ('$', 1),
            _ => ('_', 0),
        };
        key.push(unescaped);
        rest = &tail[taken..];
    }
    key.push_str(rest);
    Cow::Owned(key)
}

/// The element name of a key, none if there is no legal one.
pub(crate) fn from_key(key: &str) -> Option<Cow<'_, str>> {
    let mut chars = key.chars();
    let starts = chars.next().is_some_and(|c| is_start(c) || c == '$');
    if !starts || !chars.all(|c| is_start(c) || is_further(c) || c == '$') {
        return None;
    }
    if !key.contains(['_', '$']) {
        return Some(Cow::Borrowed(key));
    }
    Some(Cow::Owned(key.replace('_', "__").replace('$', "_-")))
}

/// Letters a name may begin with. Expat and the JDK still read names by the fourth edition of XML 1.0, whose
/// tables have gaps that the fifth has not; these are the larger ranges that both have. No colon: it would
/// make a prefix of what stands before it.
fn is_start(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '_'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{ff}' // Latin
        | '\u{3b1}'..='\u{3c9}' | '\u{410}'..='\u{44f}' // Greek, Cyrillic
        | '\u{3041}'..='\u{3094}' | '\u{30a1}'..='\u{30fa}' // Kana
        | '\u{4e00}'..='\u{9fa5}' | '\u{ac00}'..='\u{d7a3}') // ideographs, Hangul
}

/// What it may have further on.
fn is_further(c: char) -> bool {
    matches!(c, '-' | '.' | '0'..='9')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys() {
        for (key, name) in [
            ("zone", "zone"),
            ("build_no", "build__no"),
            ("price$", "price_-"),
            ("$_", "_-__"),
            ("_", "__"),
            ("_-", "__-"),
            ("management.port", "management.port"),
            ("größe", "größe"),
            ("区域", "区域"),
        ] {
            assert_eq!(from_key(key).as_deref(), Some(name));
            assert_eq!(to_key(name), key);
        }
        for key in [
            "",
            "1a",
            "a b",
            "a/b",
            "-a",
            ".a",
            "a:b",
            "a<b",
            "@class",
            "a\u{0}",
            "a\u{d7}",
            "\u{d7ff}",
            "\u{10000}",
        ] {
            assert_eq!(from_key(key), None, "{key:?}");
        }
        // Written by hand, without the doubling.
        assert_eq!(to_key("k_1"), "k_1");
        assert_eq!(to_key("k_"), "k_");
    }
}
