//! The context in headers: of HTTP, of gRPC, of messages.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::{Context, Trace, timeout};
use crate::Xid;

/// The transaction, as Seata's libraries call it. Message headers have it in this case; everywhere it is read in any.
pub const TX_XID: &str = "TX_XID";
/// The transaction, as Synod's coordinator and its SDKs call it.
pub const SYNOD_XID: &str = "synod-xid";
/// The trace and the span.
pub const TRACEPARENT: &str = "traceparent";
/// What other vendors say of the trace.
pub const TRACESTATE: &str = "tracestate";

/// Headers, of whatever. For those of a queue that are none of the types below: implement the first two.
pub trait Carrier {
    /// All values of that name, in any case, in their order.
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str>;

    /// Sets the one value of that name. Names and values are visible ASCII and blanks.
    fn set(&mut self, name: &'static str, value: String);

    /// How long the sender waits. Messages lie around, and have none.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Says how long we wait, unless something shorter is said already.
    fn limit(&mut self, _timeout: Duration) {}
}

/// Writes the context into the headers of a call that is made in it: the transaction under both its names, the trace, and how long is left
/// until the deadline. What the context does not have is left as it is.
pub fn inject(context: &Context, carrier: &mut impl Carrier) {
    if let Some(xid) = &context.xid {
        carrier.set(TX_XID, xid.as_str().to_owned());
        carrier.set(SYNOD_XID, xid.as_str().to_owned());
    }
    if let Some(trace) = &context.trace {
        carrier.set(TRACEPARENT, trace.to_string());
        if let Some(state) = trace.state() {
            carrier.set(TRACESTATE, state.to_owned());
        }
    }
    if let Some(timeout) = context.remaining() {
        carrier.limit(timeout);
    }
}

/// Reads the context in which a request is served, or a message consumed: the sender's transaction, a new span below the sender's, the
/// sender's deadline. Never fails: what is malformed, longer than allowed or contradicts itself is not there. Where the two names of
/// the transaction disagree, `synod-xid` holds.
///
/// Nothing of this is proof of anything: whoever can send a request can name any transaction.
pub fn extract(carrier: &impl Carrier) -> Context {
    let xid = |name| agreed(carrier.all(name)).and_then(|text| Xid::parse(text).ok());
    let trace = agreed_once(carrier.all(TRACEPARENT)).and_then(Trace::parse);
    let context = Context {
        xid: xid(SYNOD_XID).or_else(|| xid(TX_XID)),
        trace: trace.map(|trace| trace.with_state(carrier.all(TRACESTATE)).child()),
        ..Context::default()
    };
    match carrier.timeout() {
        Some(timeout) => context.within(timeout),
        None => context,
    }
}

/// The value that all are.
fn agreed<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

/// The only value.
fn agreed_once<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// Headers of HTTP, and of gRPC where the content type says so.
impl Carrier for HeaderMap {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    fn set(&mut self, name: &'static str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value.try_into()) {
            self.insert(name, value);
        }
    }

    fn timeout(&self) -> Option<Duration> {
        timeout::read(self)
    }

    fn limit(&mut self, timeout: Duration) {
        timeout::limit(self, timeout);
    }
}

/// The metadata of a call over gRPC.
#[cfg(feature = "grpc")]
impl Carrier for tonic::metadata::MetadataMap {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        AsRef::<HeaderMap>::as_ref(self).all(name)
    }

    fn set(&mut self, name: &'static str, value: String) {
        AsMut::<HeaderMap>::as_mut(self).set(name, value);
    }

    fn timeout(&self) -> Option<Duration> {
        timeout::read(self.as_ref())
    }

    fn limit(&mut self, timeout: Duration) {
        timeout::limit_grpc(self.as_mut(), timeout);
    }
}

impl Carrier for Vec<(String, String)> {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.push((name.to_owned(), value));
    }
}

impl<S: BuildHasher> Carrier for HashMap<String, String, S> {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.retain(|key, _| !key.eq_ignore_ascii_case(name));
        self.insert(name.to_owned(), value);
    }
}

impl Carrier for BTreeMap<String, String> {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.retain(|key, _| !key.eq_ignore_ascii_case(name));
        self.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const XID: &str = "10.0.0.1:8091:42";
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn full() -> Context {
        let trace = Trace::parse(PARENT).unwrap().with_state(["a=1"].into_iter());
        Context { xid: Some(Xid::parse(XID).unwrap()), trace: Some(trace), ..Context::default() }
    }

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    fn travels(mut carrier: impl Carrier) {
        inject(&full(), &mut carrier);
        inject(&full(), &mut carrier);
        let there = extract(&carrier);
        assert_eq!(there.xid, full().xid);
        let (span, parent) = (there.trace.unwrap(), full().trace.unwrap());
        assert_eq!(
            (span.trace_id(), span.state(), span.is_sampled()),
            (parent.trace_id(), Some("a=1"), true)
        );
        assert_ne!(span.span_id(), parent.span_id());
        for name in ["tx_xid", "Synod-Xid", "Traceparent", "TRACESTATE"] {
            assert_eq!(carrier.all(name).count(), 1, "{name}");
        }
    }

    #[test]
    fn a_context_travels_in_all_carriers() {
        travels(HeaderMap::new());
        travels(Vec::new());
        travels(HashMap::new());
        travels(BTreeMap::new());
        #[cfg(feature = "grpc")]
        travels(tonic::metadata::MetadataMap::new());
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_travels_with_calls_and_not_with_messages() {
        let context = full().within(Duration::from_secs(2));
        let mut headers = HeaderMap::new();
        inject(&context, &mut headers);
        assert_eq!(headers["synod-timeout-ms"], "2000");
        assert_eq!(extract(&headers).remaining(), Some(Duration::from_secs(2)));
        let mut message = Vec::new();
        inject(&context, &mut message);
        assert_eq!(message.len(), 4);
        assert_eq!(extract(&message).deadline, None);
        #[cfg(feature = "grpc")]
        {
            let mut metadata = tonic::metadata::MetadataMap::new();
            inject(&context, &mut metadata);
            assert_eq!(metadata.get("grpc-timeout").unwrap(), "2000000u");
            assert_eq!(extract(&metadata).remaining(), Some(Duration::from_secs(2)));
        }
    }

    #[test]
    fn transactions_are_read_under_either_name() {
        let xid = |pairs: &[(&str, &str)]| extract(&headers(pairs)).xid.map(|xid| xid.to_string());
        for name in ["TX_XID", "tx_xid", "Tx_Xid", "synod-xid", "Synod-XID"] {
            assert_eq!(xid(&[(name, XID)]).as_deref(), Some(XID), "{name}");
        }
        assert_eq!(xid(&[("TX_XID", XID), ("tx_xid", XID)]).as_deref(), Some(XID));
        assert_eq!(xid(&[("TX_XID", XID), ("tx_xid", "h:1:2")]), None, "one name says two things");
        assert_eq!(xid(&[("TX_XID", "h:1:2"), ("synod-xid", XID)]).as_deref(), Some(XID));
        assert_eq!(xid(&[("synod-xid", "nonsense"), ("TX_XID", XID)]).as_deref(), Some(XID));
        let long = format!("{}:1:2", "h".repeat(200));
        for bad in ["", "42", &long, "h\r\nx-evil: 1:1:2", "h\0:1:2", "hü:1:2", "h h:1:2", "h:1:-2"] {
            assert_eq!(xid(&[("TX_XID", bad)]), None, "{bad:?}");
        }
    }

    #[test]
    fn garbage_is_not_there() {
        assert_eq!(extract(&headers(&[("traceparent", PARENT), ("Traceparent", PARENT)])).trace, None);
        assert_eq!(extract(&headers(&[("traceparent", "x"), ("tracestate", "a=1")])).trace, None);
        let trace = extract(&headers(&[("traceparent", PARENT), ("tracestate", "=,=")])).trace.unwrap();
        assert_eq!(trace.state(), None);
        let mut bytes = HeaderMap::new();
        for name in ["tx_xid", "synod-xid", "traceparent", "tracestate", "grpc-timeout", "synod-timeout-ms"] {
            bytes.insert(name, http::HeaderValue::from_bytes(b"\xff\xfe").unwrap());
        }
        assert_eq!(extract(&bytes), Context::default());
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic_or_grow(pairs: Vec<(u8, String)>) {
            let names = [TX_XID, SYNOD_XID, TRACEPARENT, TRACESTATE];
            let headers: Vec<_> =
                pairs.into_iter().map(|(at, value)| (names[usize::from(at) % 4].to_owned(), value)).collect();
            let context = extract(&headers);
            proptest::prop_assert!(context.xid.is_none_or(|xid| xid.as_str().len() <= 128));
            proptest::prop_assert!(context.trace.is_none_or(|t| t.state().is_none_or(|s| s.len() <= 512)));
        }
    }
}
