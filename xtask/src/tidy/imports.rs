//! What a source names: every path in it, `use` trees expanded, resolved to a path from the crate's root.

use super::modules::Source;
use super::scan;

/// A path as `["crate", "face", "eureka"]`, or `["tokio", "spawn"]` for another crate's.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(crate) struct Import {
    pub path: Vec<String>,
    pub at: usize,
}

/// All paths of two or more segments outside `use`, and all of `use`.
pub(crate) fn imports(source: &Source) -> Vec<Import> {
    let masked = &source.masked;
    let mut found = Vec::new();
    let mut uses = Vec::new();
    for at in scan::words(masked, "use") {
        let end = masked[at..].find(';').map_or(masked.len(), |end| at + end);
        expand(&masked[at + 3..end], at + 3, &[], &mut found);
        uses.push(at..end);
    }
    let mut at = 0;
    while let Some(next) = masked[at..].find("::").map(|next| at + next) {
        let start = path_start(masked, next);
        let (path, end) = read_path(masked, start);
        if path.len() > 1 && !uses.iter().any(|part| part.contains(&start)) {
            found.push(Import { path, at: start });
        }
        at = end.max(next + 2);
    }
    for import in &mut found {
        import.path = resolve(&import.path, &source.module);
    }
    found
}

fn expand(tree: &str, at: usize, prefix: &[String], found: &mut Vec<Import>) {
    let (mut path, mut rest, mut here) = (prefix.to_vec(), tree, at);
    loop {
        let skipped = rest.len() - rest.trim_start_matches([' ', '\n', '\t', ':']).len();
        (rest, here) = (&rest[skipped..], here + skipped);
        if rest.starts_with('{') {
            let inner = &rest[1..scan::close_of(rest, 0).saturating_sub(1).max(1)];
            let mut part_at = here + 1;
            for part in split_list(inner) {
                expand(part, part_at, &path, found);
                part_at += part.len() + 1;
            }
            return;
        }
        let Some((name, end)) = scan::name_at(rest, 0) else { break };
        if name == "as" {
            break;
        }
        path.push(name.to_owned());
        (rest, here) = (&rest[end..], here + end);
    }
    if path.len() > prefix.len() {
        let path = path.into_iter().filter(|name| name != "self" || prefix.is_empty()).collect();
        found.push(Import { path, at });
    }
}

/// Splits at the commas that are not inside braces.
fn split_list(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

fn path_start(masked: &str, colons: usize) -> usize {
    let word = |c: char| c == '_' || c.is_alphanumeric();
    masked[..colons].rfind(|c| !word(c)).map_or(0, |before| before + 1)
}

fn read_path(masked: &str, start: usize) -> (Vec<String>, usize) {
    let (mut path, mut at) = (Vec::new(), start);
    while let Some((name, end)) = scan::name_at(masked, at) {
        path.push(name.to_owned());
        at = end;
        match masked[end..].strip_prefix("::") {
            Some(rest) if rest.starts_with(|c: char| c == '_' || c.is_alphabetic()) => at += 2,
            _ => break,
        }
    }
    (path, at)
}

/// `self` and `super` become `crate::…`; other paths stay.
fn resolve(path: &[String], module: &[String]) -> Vec<String> {
    let ups = path.iter().take_while(|name| *name == "super").count();
    let is_self = path.first().is_some_and(|name| name == "self");
    if ups == 0 && !is_self {
        return path.to_vec();
    }
    let stay = module.len().saturating_sub(ups);
    let rest = &path[ups.max(usize::from(is_self))..];
    std::iter::once("crate".to_owned())
        .chain(module[..stay].iter().cloned())
        .chain(rest.iter().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(module: &[&str], text: &str) -> Vec<String> {
        let source = Source {
            package: "p".to_owned(),
            module: module.iter().map(|&name| name.to_owned()).collect(),
            test: false,
            path: "p.rs".into(),
            masked: scan::mask(text),
            text: text.to_owned(),
        };
        imports(&source).into_iter().map(|import| import.path.join("::")).collect()
    }

    #[test]
    fn use_trees_are_expanded() {
        let seen = paths(&[], "use a::{b, c::{self, d}, e as f};\nuse g::*;\nuse self::h;");
        assert_eq!(seen, ["a::b", "a::c", "a::c::d", "a::e", "g", "crate::h"]);
    }

    #[test]
    fn relative_paths_are_resolved_against_the_module() {
        assert_eq!(paths(&["registry", "lease"], "use super::super::txn;"), ["crate::txn"]);
        assert_eq!(
            paths(&["face", "eureka"], "fn f() { super::v1::g(); self::h::i() }"),
            ["crate::face::v1::g", "crate::face::eureka::h::i"]
        );
    }

    #[test]
    fn paths_in_code_are_found_and_those_in_text_are_not() {
        let seen =
            paths(&[], "fn f() -> std::io::Result<u8> { \"tokio::spawn\"; /* a::b */ Vec::<u8>::new() }");
        assert_eq!(seen, ["std::io::Result"]);
    }
}
