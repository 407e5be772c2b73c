//! Metadata: pairs in received order, each key once, as the map at the other end would keep them.

use std::borrow::Cow;

use super::Pairs;

/// Up to this many pairs are compared with each other, which needs no memory.
const FEW: usize = 12;

/// Leaves every key once, at its first place and with its last value.
pub(crate) fn unique(pairs: &mut Pairs<'_>) {
    if pairs.len() <= FEW && !(1..pairs.len()).any(|i| pairs[..i].iter().any(|(key, _)| *key == pairs[i].0)) {
        return;
    }
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by(|a, b| pairs[*a].0.cmp(&pairs[*b].0));
    let mut repeated = vec![false; pairs.len()];
    let mut first = 0;
    for window in 1..order.len() {
        if pairs[order[first]].0 == pairs[order[window]].0 {
            pairs[order[first]].1 = std::mem::take(&mut pairs[order[window]].1);
            repeated[order[window]] = true;
        } else {
            first = window;
        }
    }
    let mut repeated = repeated.into_iter();
    pairs.retain(|_| repeated.next() == Some(false));
}

/// Whether a key is dropped on input: it is the type tag that Java's writers put among the entries.
pub(crate) fn is_type_tag(key: &str) -> bool {
    key == "@class"
}

/// The keys of a data center's metadata that the compact form keeps.
const COMPACT: [&str; 5] =
    ["instance-id", "public-ipv4", "public-hostname", "local-ipv4", "availability-zone"];

/// Those of a data center's pairs that a form shows.
pub(crate) fn shown<'p, 'a>(
    pairs: &'p [(Cow<'a, str>, Cow<'a, str>)],
    form: super::Form,
) -> impl Iterator<Item = (&'p str, &'p str)> {
    pairs
        .iter()
        .map(|(key, value)| (key.as_ref(), value.as_ref()))
        .filter(move |(key, _)| form == super::Form::Full || COMPACT.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[(&str, &str)], expect: &[(&str, &str)]) {
        let own = |pairs: &[(&str, &str)]| -> Pairs<'static> {
            pairs.iter().map(|(k, v)| (k.to_string().into(), v.to_string().into())).collect()
        };
        let mut pairs = own(keys);
        unique(&mut pairs);
        assert_eq!(pairs, own(expect));
    }

    #[test]
    fn a_repeated_key_keeps_its_first_place_and_last_value() {
        check(&[], &[]);
        check(&[("a", "1"), ("b", "2")], &[("a", "1"), ("b", "2")]);
        check(&[("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")], &[("a", "4"), ("b", "2")]);
        let many: Vec<(String, String)> = (0..100).map(|i| (format!("k{}", i % 40), i.to_string())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let mut expect = many[..40].to_vec();
        for (i, pair) in expect.iter_mut().enumerate() {
            pair.1 = many[if i < 20 { 80 + i } else { 40 + i }].1;
        }
        check(&many, &expect);
    }
}
