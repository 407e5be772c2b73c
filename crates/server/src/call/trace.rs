//! W3C trace context: read from the request that begins a transaction, kept among the transaction's headers, and sent with
//! each of its calls under an id of the call's own. Nothing else is kept, and nothing is reported anywhere.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;
use synod_base::rng::Rng;

/// Which trace a request belongs to, and under which span.
pub const TRACEPARENT: &str = "traceparent";
/// What other vendors say of the trace.
pub const TRACESTATE: &str = "tracestate";

/// Bounds on `tracestate`, as the standard recommends and demands.
const STATE_BYTES_MAX: usize = 512;
const STATE_MEMBERS_MAX: usize = 32;
/// The flags of version 00: sampled, and random (level 2).
const FLAGS: u8 = 0b11;

/// A header `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl TraceParent {
    /// Reads the header; `None` when it must be ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let part = |from: usize, to: usize| {
            let part = text.get(from..to)?;
            part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(part)
        };
        let version = u8::from_str_radix(part(0, 2)?, 16).ok()?;
        let trace = u128::from_str_radix(part(3, 35)?, 16).ok()?;
        let span = u64::from_str_radix(part(36, 52)?, 16).ok()?;
        let flags = u8::from_str_radix(part(53, 55)?, 16).ok()?;
        let dashes = [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
        // Versions to come may add fields, and 255 is none.
        let end = bytes.len() == 55 || (version > 0 && bytes[55] == b'-');
        (dashes && end && version != 255 && trace != 0 && span != 0).then_some(Self { trace, span, flags })
    }

    /// The same trace, under another span.
    pub fn child(self, span: u64) -> Self {
        Self { span, flags: self.flags & FLAGS, ..self }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}

/// Ids that are different each time, and from those of other nodes.
#[derive(Debug)]
pub struct Ids {
    seed: u64,
    next: AtomicU64,
}

impl Ids {
    /// Ids from a random seed.
    pub fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0) }
    }

    /// An id of 64 bits, never 0.
    pub fn id(&self) -> u64 {
        loop {
            // The stream of random numbers, without a lock: its state is a count.
            let count = self.next.fetch_add(1, Ordering::Relaxed);
            let id = Rng::new(self.seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15))).next_u64();
            if id != 0 {
                return id;
            }
        }
    }

    /// An id of 128 bits, never 0.
    pub fn long_id(&self) -> u128 {
        u128::from(self.id()) << 64 | u128::from(self.id())
    }

    /// A new trace, which nobody has asked to be recorded.
    pub fn trace(&self) -> TraceParent {
        TraceParent { trace: self.long_id(), span: self.id(), flags: 0 }
    }
}

/// The headers of a request that travel with all calls of the transaction it begins. A trace is made up, if `ids` are given,
/// when the request belongs to none.
pub fn carried(headers: &HeaderMap, ids: Option<&Ids>) -> Vec<(Box<str>, Box<str>)> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let parent = match (parents.next().and_then(|value| value.to_str().ok()), parents.next()) {
        (Some(text), None) => TraceParent::parse(text.trim()),
        _ => None,
    };
    let Some(parent) = parent else {
        return ids.map(|ids| (TRACEPARENT.into(), ids.trace().to_string().into())).into_iter().collect();
    };
    let state = state(headers).map(|state| (TRACESTATE.into(), state));
    std::iter::once((TRACEPARENT.into(), parent.to_string().into())).chain(state).collect()
}

/// The members of all headers `tracestate`; nothing if one of them is malformed or they are too many.
fn state(headers: &HeaderMap) -> Option<Box<str>> {
    let mut members = Vec::new();
    for value in headers.get_all(TRACESTATE) {
        let text = value.to_str().ok()?;
        members.extend(text.split(',').map(str::trim).filter(|member| !member.is_empty()));
        if members.len() > STATE_MEMBERS_MAX {
            return None;
        }
    }
    let is_member = |member: &&str| member.split_once('=').is_some_and(|(key, _)| !key.is_empty());
    let state = members.join(",");
    (!members.is_empty() && members.iter().all(is_member) && state.len() <= STATE_BYTES_MAX)
        .then(|| state.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_child_has_the_trace_and_another_span() {
        let parent = TraceParent::parse(EXAMPLE).unwrap();
        assert_eq!(parent.to_string(), EXAMPLE);
        let child = parent.child(0xabc).to_string();
        assert_eq!(child, "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000abc-01");
    }

    #[test]
    fn what_the_standard_says_to_ignore_is_ignored() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        for good in [EXAMPLE.to_owned(), later.clone(), format!("{later}-what-the-future-will-be-like")] {
            assert!(TraceParent::parse(&good).is_some(), "{good}");
        }
        for bad in [
            String::new(),
            EXAMPLE[..54].to_owned(),
            format!("{EXAMPLE}-"),
            format!("{EXAMPLE}x"),
            format!("{later}x"),
            EXAMPLE.replacen("00", "ff", 1),
            EXAMPLE.to_uppercase(),
            EXAMPLE.replace('-', "_"),
            EXAMPLE.replace("00f067aa0ba902b7", "0000000000000000"),
            EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            EXAMPLE.replace("4bf92", "4bf9ü"),
            EXAMPLE.replace("4bf92", "+bf92"),
        ] {
            assert_eq!(TraceParent::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn the_headers_of_a_request_are_carried() {
        let carried_of = |pairs: &[(&'static str, &str)]| carried(&headers(pairs), None);
        assert_eq!(carried_of(&[]), []);
        assert_eq!(carried_of(&[("tracestate", "a=1")]), []);
        assert_eq!(carried_of(&[("traceparent", EXAMPLE), ("traceparent", EXAMPLE)]), []);
        let both =
            carried_of(&[("traceparent", EXAMPLE), ("tracestate", "a=1, b@c=2,"), ("tracestate", "d=3")]);
        let text: Vec<_> = both.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(text, [("traceparent", EXAMPLE), ("tracestate", "a=1,b@c=2,d=3")]);
        let long = format!("a={}", "x".repeat(600));
        let many = vec!["a=1"; 33].join(",");
        for state in ["a", "=1", &long, &many] {
            assert_eq!(carried_of(&[("traceparent", EXAMPLE), ("tracestate", state)]).len(), 1, "{state}");
        }
    }

    #[test]
    fn a_trace_is_made_up_only_where_there_is_none() {
        let ids = Ids::new(7);
        let new = carried(&HeaderMap::new(), Some(&ids));
        assert!(TraceParent::parse(&new[0].1).is_some(), "{new:?}");
        assert_eq!(&*carried(&headers(&[("traceparent", EXAMPLE)]), Some(&ids))[0].1, EXAMPLE);
    }

    #[test]
    fn ids_differ() {
        let ids = Ids::new(7);
        let some: std::collections::BTreeSet<u64> = (0..10_000).map(|_| ids.id()).collect();
        assert_eq!(some.len(), 10_000);
    }
}
