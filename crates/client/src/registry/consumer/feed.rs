//! Changes as they come: the events of Synod's `/v1/watch`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use synod_wire::eureka::Status;
use tokio::time::{Instant as Moment, timeout_at};

use super::cache::Change;
use crate::clock;
use crate::registry::Instance;

/// The server says every 15 s that it is still there.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Longest event.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A change, and the version after it.
    Change(String, Change),
    /// What came before this version is not known: everything has to be asked for.
    Reset(String),
}

/// An open stream of events.
pub(super) struct Feed {
    /// Who sends them: the place in the list of servers.
    pub(super) server: usize,
    body: Incoming,
    lines: Lines,
    heard: Moment,
}

impl Feed {
    pub(super) fn new(server: usize, response: Response<Incoming>) -> Self {
        Self { server, body: response.into_body(), lines: Lines::default(), heard: clock::now() }
    }

    /// The events that have come; maybe none. Nothing is lost when this is not waited for to its end.
    ///
    /// # Errors
    /// The stream has ended, is silent for too long, or makes no sense: why.
    pub(super) async fn next(&mut self) -> Result<Vec<Event>, String> {
        let frame = timeout_at(self.heard + SILENCE_MAX, self.body.frame()).await;
        let frame = frame.map_err(|_| "it is silent")?.ok_or("it has ended")?;
        let frame = frame.map_err(|error| error.to_string())?;
        self.heard = clock::now();
        self.lines.push(&frame.into_data().unwrap_or_else(|_| Bytes::new()))
    }
}

/// Makes events out of pieces.
#[derive(Debug, Default)]
struct Lines {
    /// What has come of a line that is not complete.
    rest: Vec<u8>,
    name: String,
    data: String,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, String> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        if !bytes.contains(&b'\n') && self.rest.len() <= EVENT_BYTES_MAX {
            return Ok(events); // Not looked at again and again while it grows.
        }
        let buffer = std::mem::take(&mut self.rest);
        let mut lines = buffer.split(|byte| *byte == b'\n');
        // What follows the last line feed is not complete: maybe nothing.
        self.rest = lines.next_back().unwrap_or_default().to_vec();
        for line in lines {
            let line = std::str::from_utf8(line).map_err(|error| error.to_string())?;
            events.extend(self.line(line.strip_suffix('\r').unwrap_or(line))?);
        }
        if self.rest.len() + self.data.len() > EVENT_BYTES_MAX {
            return Err(format!("an event has more than {EVENT_BYTES_MAX} bytes"));
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => return self.event(),
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push_str(value),
            _ => {}
        }
        Ok(None)
    }

    fn event(&mut self) -> Result<Option<Event>, String> {
        let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
        let event = match &*name {
            "change" => serde_json::from_str::<Changed>(&data).map(|changed| Some(changed.event())),
            "reset" => serde_json::from_str::<Version>(&data).map(|reset| Some(Event::Reset(reset.version))),
            _ => Ok(None),
        };
        event.map_err(|error| format!("an event cannot be read: {error}"))
    }
}

#[derive(Deserialize)]
struct Version {
    version: String,
}

#[derive(Deserialize)]
struct Changed {
    version: String,
    service: String,
    id: String,
    instance: Option<Described>,
}

#[derive(Deserialize)]
struct Described {
    host: String,
    ip: String,
    port: Option<i32>,
    secure_port: Option<i32>,
    status: String,
    updated_ms: u64,
    dirty_ms: u64,
    lease: Lease,
    vip: Vec<String>,
    secure_vip: Vec<String>,
    zone: Option<String>,
    metadata: BTreeMap<String, String>,
    home_page: Option<String>,
    status_page: Option<String>,
    health_check: Option<String>,
}

#[derive(Deserialize)]
struct Lease {
    renew_interval_ms: u64,
    duration_ms: u64,
}

impl Changed {
    fn event(self) -> Event {
        let (app, id) = (Arc::from(self.service), Arc::from(self.id));
        let change = match self.instance {
            None => Change::Remove { app, id },
            Some(described) => Change::Put(Arc::new(described.instance(app, id))),
        };
        Event::Change(self.version, change)
    }
}

impl Described {
    fn instance(self, app: Arc<str>, id: Arc<str>) -> Instance {
        let port =
            |port: Option<i32>| port.and_then(|port| u16::try_from(port).ok()).filter(|&port| port > 0);
        let vips = |vips: Vec<String>| (!vips.is_empty()).then(|| Arc::from(vips.join(",")));
        Instance {
            app,
            id,
            host: self.host.into(),
            ip: self.ip.into(),
            port: port(self.port),
            secure_port: port(self.secure_port),
            status: Status::parse(&self.status).unwrap_or(Status::Unknown),
            vip: vips(self.vip),
            secure_vip: vips(self.secure_vip),
            cloud_zone: self.zone.filter(|_| !self.metadata.contains_key("zone")).map(Arc::from),
            metadata: self.metadata,
            home_page: self.home_page,
            status_page: self.status_page,
            health_check: self.health_check,
            renew_interval: Duration::from_millis(self.lease.renew_interval_ms),
            lease_duration: Duration::from_millis(self.lease.duration_ms),
            updated_ms: self.updated_ms,
            dirty_ms: self.dirty_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: &str = r#"{"version":"7.3","kind":"added","service":"A","id":"a","status":"UP","instance":{"service":"A","id":"a","host":"h","ip":"1.2.3.4","port":80,"secure_port":null,"status":"DOWN","override":null,"registered_ms":1,"last_renewal_ms":1,"updated_ms":5,"dirty_ms":4,"lease":{"renew_interval_ms":30000,"duration_ms":90000,"remaining_ms":1},"vip":["a","b"],"secure_vip":[],"zone":"z","metadata":{"k":"v"},"home_page":null,"status_page":null,"health_check":null,"provisional":false}}"#;
    const REMOVE: &str =
        r#"{"version":"7.4","kind":"removed","service":"A","id":"a","status":"UP","instance":null}"#;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = format!(
            ":\n\nevent: change\ndata: {PUT}\nid: 7.3\n\nevent:change\r\ndata:{REMOVE}\r\n\r\n\
             event: reset\ndata: {{\"version\":\"8.1\"}}\n\nevent: other\ndata: x\n\n"
        );
        for size in [1, 7, 100, 10_000] {
            let mut lines = Lines::default();
            let pieces = text.as_bytes().chunks(size);
            let events: Vec<Event> = pieces.flat_map(|piece| lines.push(piece).expect("events")).collect();
            let [Event::Change(version, Change::Put(put)), removed, reset] = &*events else {
                panic!("{events:?}");
            };
            assert_eq!(
                (&**version, &*put.ip, put.port, put.status),
                ("7.3", "1.2.3.4", Some(80), Status::Down)
            );
            assert_eq!((put.vip.as_deref(), put.zone(), put.updated_ms), (Some("a,b"), Some("z"), 5));
            let remove = Change::Remove { app: "A".into(), id: "a".into() };
            assert_eq!(*removed, Event::Change("7.4".into(), remove));
            assert_eq!(*reset, Event::Reset("8.1".into()));
        }
    }

    #[test]
    fn nonsense_and_what_has_no_end_are_errors() {
        for text in
            ["event: change\ndata: {}\n\n", "event: reset\ndata: garbage\n\n", "event: \u{0}\ndata: {\n"]
        {
            let mut lines = Lines::default();
            let result = lines.push(text.as_bytes());
            assert_eq!(result.is_err(), text.ends_with("\n\n"), "{text:?}: {result:?}");
        }
        Lines::default().push(b"data: \xff\n").expect_err("no text");
        let mut lines = Lines::default();
        let endless = (0..2048).find_map(|_| lines.push(&[b'x'; 1024]).err());
        assert!(endless.is_some() && lines.rest.len() < 2 * EVENT_BYTES_MAX);
    }
}
