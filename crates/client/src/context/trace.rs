//! W3C trace context: which trace a request belongs to, and which span of it this is. Nothing is reported anywhere.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use synod_base::rng::Rng;

/// Bounds on `tracestate`: what the standard has everybody carry, and all it allows.
const STATE_BYTES_MAX: usize = 512;
const STATE_MEMBERS_MAX: usize = 32;
/// Longer members are the first to go when there are too many bytes.
const MEMBER_BYTES_BIG: usize = 128;
/// The flags of version 00: sampled, and random (level 2). Others are not passed on.
const SAMPLED: u8 = 0b01;
const FLAGS: u8 = 0b11;

/// A span of a trace, as `traceparent` and `tracestate` carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    trace: u128,
    span: u64,
    flags: u8,
    state: Option<Arc<str>>,
}

impl Trace {
    /// The first span of a new trace.
    pub fn start(is_sampled: bool) -> Self {
        let trace = u128::from(new_id()) << 64 | u128::from(new_id());
        Self { trace, span: new_id(), flags: if is_sampled { FLAGS } else { FLAGS & !SAMPLED }, state: None }
    }

    /// Reads `traceparent`; `None` when the standard has it ignored. Versions to come are read as far as they are known.
    pub fn parse(parent: &str) -> Option<Self> {
        let bytes = parent.as_bytes();
        let part = |from: usize, to: usize| {
            let part = parent.get(from..to)?;
            part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')).then_some(part)
        };
        let version = u8::from_str_radix(part(0, 2)?, 16).ok()?;
        let trace = u128::from_str_radix(part(3, 35)?, 16).ok()?;
        let span = u64::from_str_radix(part(36, 52)?, 16).ok()?;
        let flags = u8::from_str_radix(part(53, 55)?, 16).ok()?;
        let has_dashes = [2, 35, 52].iter().all(|at| bytes[*at] == b'-');
        // Versions to come may add fields, and 255 is none.
        let ends = bytes.len() == 55 || (version > 0 && bytes[55] == b'-');
        let is_good = has_dashes && ends && version != 255 && trace != 0 && span != 0;
        is_good.then_some(Self { trace, span, flags, state: None })
    }

    /// With what the headers `tracestate` say. All of it is dropped if a member is malformed or there are more than 32; the last
    /// members are dropped where there are more than 512 bytes, those longer than 128 before the others.
    pub fn with_state<'a>(self, headers: impl Iterator<Item = &'a str>) -> Self {
        Self { state: state(headers), ..self }
    }

    /// A new span below this one.
    pub fn child(&self) -> Self {
        Self { span: new_id(), flags: self.flags & FLAGS, ..self.clone() }
    }

    /// The id of the trace. Never 0.
    pub fn trace_id(&self) -> u128 {
        self.trace
    }

    /// The id of the span. Never 0.
    pub fn span_id(&self) -> u64 {
        self.span
    }

    /// Whether somebody above may have recorded it.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// What other vendors say of the trace: `tracestate`.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// As in `traceparent`.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags & FLAGS)
    }
}

/// An id that no other span has, here or in other processes.
fn new_id() -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| std::hash::RandomState::new().build_hasher().finish());
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        // The stream of random numbers, without a lock: its state is a count.
        let count = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = Rng::new(SEED.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15))).next_u64();
        if id != 0 {
            return id;
        }
    }
}

fn state<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Arc<str>> {
    let mut members = Vec::new();
    for member in headers.flat_map(|header| header.split(',')) {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        if members.len() == STATE_MEMBERS_MAX || !is_member(member) {
            return None;
        }
        members.push(member);
    }
    let bytes = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    while bytes(&members) > STATE_BYTES_MAX + 1 {
        let last_big = members.iter().rposition(|member| member.len() > MEMBER_BYTES_BIG);
        members.remove(last_big.unwrap_or(members.len() - 1));
    }
    (!members.is_empty()).then(|| members.join(",").into())
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let is_key = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let is_value = |byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=';
    let starts_well = key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit());
    let is_short = key.len() <= 256 && (1..=256).contains(&value.len());
    starts_well && is_short && key.bytes().all(is_key) && value.bytes().all(is_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the standard.
    const EXAMPLE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_child_has_the_trace_and_another_span() {
        let parent = Trace::parse(EXAMPLE).unwrap().with_state(["a=1"].into_iter());
        assert_eq!(parent.to_string(), EXAMPLE);
        let child = parent.child();
        assert_eq!((child.trace_id(), child.state()), (parent.trace_id(), Some("a=1")));
        assert_ne!(child.span_id(), parent.span_id());
        assert!(child.is_sampled());
        assert!(!Trace::parse(&EXAMPLE.replace("-01", "-00")).unwrap().child().is_sampled());
        assert_eq!(Trace::parse(&child.to_string()).unwrap().span_id(), child.span_id());
    }

    #[test]
    fn what_the_standard_says_to_ignore_is_ignored() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        for good in [EXAMPLE.to_owned(), later.clone(), format!("{later}-what-the-future-will-be-like")] {
            let read = Trace::parse(&good).unwrap();
            assert_eq!(read.to_string(), EXAMPLE, "{good}");
        }
        for bad in [
            String::new(),
            EXAMPLE[..54].to_owned(),
            format!("{EXAMPLE}-"),
            format!("{EXAMPLE}x"),
            format!(" {EXAMPLE}"),
            format!("{later}x"),
            EXAMPLE.replacen("00", "ff", 1),
            EXAMPLE.to_uppercase(),
            EXAMPLE.replace('-', "_"),
            EXAMPLE.replace("00f067aa0ba902b7", "0000000000000000"),
            EXAMPLE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            EXAMPLE.replace("4bf92", "4bf9ü"),
            EXAMPLE.replace("4bf92", "+bf92"),
        ] {
            assert_eq!(Trace::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn states_are_joined_checked_and_cut() {
        let read = |headers: &[&str]| state(headers.iter().copied()).map(|state| state.to_string());
        assert_eq!(read(&["a=1, b@c=2,", "", "3d= x y"]).unwrap(), "a=1,b@c=2,3d= x y");
        let many = vec!["a=1"; 33].join(",");
        let long = format!("a={}", "x".repeat(257));
        for bad in ["", "a", "=1", "a=", "A=1", "_a=1", "a=1=2", "a=ü", "a b=1", &many, &long] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
        let big = format!("big={}", "x".repeat(200));
        let small: Vec<_> = (0..26).map(|n| format!("k{n:02}={}", "x".repeat(12))).collect();
        let cut = read(&[&small[..13].join(","), &big, &small[13..].join(",")]).unwrap();
        assert_eq!(cut, small.join(","), "the big one goes first");
        let small: Vec<_> = (0..32).map(|n| format!("k{n:02}={}", "x".repeat(16))).collect();
        assert_eq!(read(&[&small.join(",")]).unwrap(), small[..24].join(","), "then the last ones");
    }

    #[test]
    fn ids_differ() {
        let some: std::collections::BTreeSet<u64> = (0..10_000).map(|_| new_id()).collect();
        assert_eq!(some.len(), 10_000);
    }
}
