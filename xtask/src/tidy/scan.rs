//! A Rust source as text that can be searched: comments and literals blanked out, positions kept.
//!
//! No parser is needed for the rules of `tidy`; what is needed is to never mistake a string or a comment for code.

use std::ops::Range;

/// The text with every comment, string and character literal replaced by spaces. Same length, same lines.
pub(crate) fn mask(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        match end {
            Some(end) => {
                for byte in &mut out[at..end] {
                    if *byte != b'\n' {
                        *byte = b' ';
                    }
                }
                at = end;
            }
            None => at = word_end(bytes, at).max(at + 1),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The end of a comment or literal that begins at `at`, if one does.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    match rest {
        [b'/', b'/', ..] => Some(at + rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len())),
        [b'/', b'*', ..] => Some(block_comment_end(bytes, at)),
        [b'"', ..] => Some(string_end(bytes, at + 1)),
        [b'b' | b'c', b'"', ..] => Some(string_end(bytes, at + 2)),
        [b'r', b'"' | b'#', ..] => raw_string_end(bytes, at + 1),
        [b'b' | b'c', b'r', b'"' | b'#', ..] => raw_string_end(bytes, at + 2),
        [b'b', b'\'', ..] => char_end(bytes, at + 2),
        [b'\'', ..] => char_end(bytes, at + 1),
        _ => None,
    }
}

fn block_comment_end(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut at) = (0_u32, at);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `at` is behind the `r`. A raw identifier (`r#fn`) is no string.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at..].iter().take_while(|&&b| b == b'#').count();
    if bytes.get(at + hashes) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = at + hashes + 1;
    let found = bytes[body..].windows(close.len()).position(|window| window == close);
    Some(found.map_or(bytes.len(), |found| body + found + close.len()))
}

/// `at` is behind the quote. A lifetime (`'a`) is no character.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) == Some(&b'\\') {
        let close = bytes.get(at + 2..)?.iter().position(|&b| b == b'\'')?;
        return Some(at + 2 + close + 1);
    }
    // One character of UTF-8 is at most four bytes; in `'a, 'b` the quote after `a` is too far away or not there.
    let length = match bytes.get(at)? {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    };
    (bytes.get(at + length) == Some(&b'\'')).then_some(at + length + 1)
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    at + bytes[at..].iter().take_while(|&&b| is_word(b)).count()
}

fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The 1-based line of a position.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|&&b| b == b'\n').count() + 1
}

/// Where `word` stands on its own in masked text: not as a part of a longer name.
pub(crate) fn words<'a>(masked: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = masked.as_bytes();
    masked.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let free_before = at == 0 || !is_word(word.as_bytes()[0]) || !is_word(bytes[at - 1]);
        let end = at + word.len();
        let free_after = end >= bytes.len() || !is_word(bytes[end - 1]) || !is_word(bytes[end]);
        free_before && free_after
    })
}

/// The identifier that begins at or after the white space at `at`, with its end.
pub(crate) fn name_at(masked: &str, at: usize) -> Option<(&str, usize)> {
    let start = at + masked[at..].len() - masked[at..].trim_start().len();
    let end = word_end(masked.as_bytes(), start);
    (end > start).then(|| (&masked[start..end], end))
}

/// Position behind the bracket that closes the one at `open`.
pub(crate) fn close_of(masked: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in masked.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' if depth <= 1 => return at + 1,
            b'}' | b')' | b']' => depth -= 1,
            _ => {}
        }
    }
    masked.len()
}

/// The body of an item whose keyword is at `at`: from there behind its closing brace, or its `;`.
pub(crate) fn item_end(masked: &str, at: usize) -> (usize, bool) {
    let bytes = masked.as_bytes();
    let mut at = at;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' => at = close_of(masked, at),
            b'{' => return (close_of(masked, at), true),
            b';' => return (at + 1, false),
            _ => at += 1,
        }
    }
    (bytes.len(), false)
}

/// A function with a body: its name and its lines, first and last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub name: &'a str,
    pub first: usize,
    pub last: usize,
}

/// Every function that has a body, nested ones too.
pub(crate) fn functions(masked: &str) -> Vec<Function<'_>> {
    let mut found = Vec::new();
    for at in words(masked, "fn") {
        // `fn(u8) -> u8` is a type, `r#fn` a field's name.
        let Some((name, end)) = name_at(masked, at + 2) else { continue };
        if masked[..at].ends_with('#') {
            continue;
        }
        if let (end, true) = item_end(masked, end) {
            found.push(Function { name, first: line_of(masked, at), last: line_of(masked, end - 1) });
        }
    }
    found
}

/// The parts of a file that are compiled for tests only: items behind `#[cfg(test)]` or `#[test]`.
pub(crate) fn test_parts(masked: &str) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (at, _) in masked.match_indices("#[") {
        let end = close_of(masked, at + 1);
        if parts.last().is_some_and(|part| part.contains(&at)) || !is_test_attribute(&masked[at..end]) {
            continue;
        }
        parts.push(at..item_end(masked, skip_attributes(masked, end)).0);
    }
    parts
}

/// Whether an attribute keeps its item out of the product: `#[test]`, `#[tokio::test]`, `#[cfg(test)]`,
/// `#[cfg(all(test, …))]`.
pub(crate) fn is_test_attribute(attribute: &str) -> bool {
    let inner = attribute.trim_start_matches("#[").trim();
    let named = |name: &str| inner.starts_with(name) && words(inner, "test").next().is_some();
    named("test") || named("tokio::test") || (named("cfg(") && words(inner, "not").next().is_none())
}

fn skip_attributes(masked: &str, mut at: usize) -> usize {
    loop {
        let rest = masked[at..].trim_start();
        let start = masked.len() - rest.len();
        if !rest.starts_with("#[") {
            return start;
        }
        at = close_of(masked, start + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_and_code_is_kept() {
        let check = |text: &str, gone: &[&str], kept: &[&str]| {
            let masked = mask(text);
            assert_eq!(masked.len(), text.len());
            assert_eq!(masked.lines().count(), text.lines().count());
            assert!(gone.iter().all(|word| !masked.contains(word)), "{masked}");
            assert!(kept.iter().all(|word| masked.contains(word)), "{masked}");
        };
        check("a(); // gone\nb();", &["gone"], &["a();", "b();"]);
        check("a /* x /* y */ gone */ b", &["x", "y", "gone"], &["a ", " b"]);
        check(r#"f("gone \" gone", 1)"#, &["gone"], &["f(", ", 1)"]);
        check(r##"f(r#"gone " gone"#, b"gone", 1)"##, &["gone"], &["f(", ", 1)"]);
        check("let r#fn = 'x'; let y: &'static str = z;", &["'x'"], &["r#fn", "'static", "= z;"]);
        check(
            r"match c { '\'' => a, '{' => b, 'é' => d, b'}' => e }",
            &["'{'", "é", "b'}'"],
            &["=> a", "=> e }"],
        );
        check("fn f<'a>(x: &'a str, y: &'a str) {}", &[], &["<'a>", "&'a str, y: &'a str"]);
    }

    #[test]
    fn functions_are_measured_from_their_keyword_to_their_brace() {
        let text = "fn a() {\n  x();\n}\ntrait T { fn b(); }\nfn c<F: Fn(u8) -> [u8; 2]>(f: F)\nwhere F: Send {\n}\n";
        let found = functions(text);
        let seen: Vec<_> = found.iter().map(|f| (f.name, f.first, f.last)).collect();
        assert_eq!(seen, [("a", 1, 3), ("c", 5, 7)]);
        assert_eq!(functions("struct S { f: fn(u8) -> u8 }"), []);
    }

    #[test]
    fn test_parts_are_found_and_the_product_is_not() {
        let text = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests { fn b() {} }\nfn c() {}\n\
                    #[test]\nfn d() {}\n#[cfg(not(test))]\nfn e() {}";
        let parts = test_parts(text);
        let inside = |name: &str| parts.iter().any(|part| part.contains(&text.find(name).unwrap()));
        assert!(inside("fn b") && inside("fn d"));
        assert!(!inside("fn a") && !inside("fn c") && !inside("fn e"));
    }
}
