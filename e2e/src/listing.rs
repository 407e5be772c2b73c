//! Lists as a client reads them: full or delta, JSON or XML, plain or gzip, whole or compact. The reader is as strict as
//! the strictest client: a field that Spring's client does not know is an error, and so is a single object for an array.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;

use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::gzip;
use crate::http::{Connection, Reply, Request};

/// How a list is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Form {
    /// `apps/delta` instead of `apps/`.
    pub delta: bool,
    /// XML instead of JSON.
    pub xml: bool,
    /// Compressed.
    pub gzip: bool,
    /// `X-Eureka-Accept: compact`.
    pub compact: bool,
}

impl Form {
    /// All sixteen.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..16_u8).map(|bits| Self {
            delta: bits & 1 != 0,
            xml: bits & 2 != 0,
            gzip: bits & 4 != 0,
            compact: bits & 8 != 0,
        })
    }

    /// The request under `/eureka`.
    pub fn request(self) -> Request {
        let target = if self.delta { "/eureka/apps/delta" } else { "/eureka/apps/" };
        let mut request = Request::get(target)
            .header("Accept", if self.xml { "application/xml" } else { "application/json" });
        if self.gzip {
            request = request.header("Accept-Encoding", "gzip");
        }
        if self.compact {
            request = request.header("X-Eureka-Accept", "compact");
        }
        request
    }

    /// Fetches and decodes.
    ///
    /// # Errors
    /// The connection failed.
    ///
    /// # Panics
    /// The answer is not such a list.
    pub fn fetch(self, connection: &mut Connection) -> io::Result<Listing> {
        Ok(self.decode(connection.send(&self.request())?.expect(200)))
    }

    /// Decodes an answer to [`Form::request`].
    ///
    /// # Panics
    /// The answer is not such a list.
    #[track_caller]
    pub fn decode(self, reply: Reply) -> Listing {
        let zipped = reply.header("Content-Encoding") == Some("gzip");
        assert!(self.gzip || !zipped, "gzip was not asked for");
        assert!(zipped || !self.gzip, "gzip was asked for");
        let body = if zipped { gzip::inflate(&reply.body) } else { reply.body };
        if self.xml { Listing::xml(&body) } else { Listing::json(&body) }
    }
}

/// One instance of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Application.
    pub app: String,
    /// Instance id, or the host name where there is none.
    pub id: String,
    /// Status.
    pub status: String,
    /// ADDED, MODIFIED, DELETED, or empty.
    pub action: String,
}

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// `versions__delta`.
    pub version: String,
    /// `apps__hashcode`.
    pub hash: String,
    /// The instances in the order received.
    pub rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Document {
    applications: JsonApplications,
}

#[derive(Deserialize)]
struct JsonApplications {
    #[serde(rename = "versions__delta")]
    version: String,
    #[serde(rename = "apps__hashcode")]
    hash: String,
    application: Vec<JsonApplication>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonApplication {
    name: String,
    instance: Vec<JsonInstance>,
}

/// The fields of `eureka.md` 2.1 and no other; those that the tests do not look at are only allowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "fields are listed to be allowed, not to be read")]
struct JsonInstance {
    instance_id: Option<String>,
    host_name: String,
    app: String,
    ip_addr: String,
    sid: Option<IgnoredAny>,
    status: String,
    overridden_status: Option<String>,
    port: JsonPort,
    secure_port: JsonPort,
    country_id: Option<u32>,
    data_center_info: IgnoredAny,
    lease_info: Option<JsonLease>,
    metadata: Option<IgnoredAny>,
    app_group_name: Option<String>,
    home_page_url: Option<String>,
    status_page_url: Option<String>,
    health_check_url: Option<String>,
    secure_health_check_url: Option<String>,
    vip_address: Option<String>,
    secure_vip_address: Option<String>,
    is_coordinating_discovery_server: Option<String>,
    last_updated_timestamp: IgnoredAny,
    last_dirty_timestamp: Option<String>,
    action_type: Option<String>,
    asg_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields are listed to be allowed, not to be read")]
struct JsonPort {
    #[serde(rename = "$")]
    number: u16,
    #[serde(rename = "@enabled")]
    enabled: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "fields are listed to be allowed, not to be read")]
struct JsonLease {
    renewal_interval_in_secs: u64,
    duration_in_secs: u64,
    registration_timestamp: u64,
    last_renewal_timestamp: u64,
    eviction_timestamp: u64,
    service_up_timestamp: u64,
}

impl Listing {
    /// Decodes JSON.
    ///
    /// # Panics
    /// It is not a list that every client could read.
    #[track_caller]
    pub fn json(body: &[u8]) -> Self {
        let document: Document = serde_json::from_slice(body)
            .unwrap_or_else(|error| panic!("no list that clients can read ({error}): {}", excerpt(body)));
        let mut rows = Vec::new();
        for application in &document.applications.application {
            for instance in &application.instance {
                assert_eq!(instance.app, application.name, "an instance below another application's name");
                rows.push(Row {
                    app: instance.app.clone(),
                    id: instance.instance_id.as_ref().unwrap_or(&instance.host_name).clone(),
                    status: instance.status.clone(),
                    action: instance.action_type.clone().unwrap_or_default(),
                });
            }
        }
        let JsonApplications { version, hash, .. } = document.applications;
        Self { version, hash, rows }
    }

    /// Decodes XML.
    ///
    /// # Panics
    /// It is not well formed.
    #[track_caller]
    pub fn xml(body: &[u8]) -> Self {
        let text =
            std::str::from_utf8(body).unwrap_or_else(|_| panic!("XML that is no UTF-8: {}", excerpt(body)));
        let mut reader = quick_xml::Reader::from_str(text);
        reader.config_mut().check_end_names = true;
        let mut listing = Self { version: String::new(), hash: String::new(), rows: Vec::new() };
        let mut path: Vec<String> = Vec::new();
        let mut content = String::new();
        let mut instance: BTreeMap<String, String> = BTreeMap::new();
        loop {
            match reader.read_event() {
                Ok(Event::Start(tag)) => {
                    path.push(tag.name().as_ref().to_owned());
                    content.clear();
                }
                Ok(Event::Text(words)) => content.push_str(&words),
                Ok(Event::GeneralRef(name)) => match name.resolve_char_ref() {
                    Ok(Some(character)) => content.push(character),
                    _ => content
                        .push_str(resolve_xml_entity(&name).unwrap_or_else(|| panic!("entity {:?}", &*name))),
                },
                Ok(Event::End(_)) => {
                    listing.close(&path, content.trim(), &mut instance);
                    path.pop();
                    content.clear();
                }
                Ok(Event::Eof) => break,
                Ok(_) => {}
                Err(error) => panic!("malformed XML ({error}): {}", excerpt(body)),
            }
        }
        assert!(path.is_empty(), "XML that ends inside {path:?}");
        listing
    }

    fn close(&mut self, path: &[String], content: &str, instance: &mut BTreeMap<String, String>) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        match path.as_slice() {
            ["applications", "versions__delta"] => content.clone_into(&mut self.version),
            ["applications", "apps__hashcode"] => content.clone_into(&mut self.hash),
            ["applications", "application", "instance"] => {
                let mut field = |name: &str| instance.remove(name).unwrap_or_default();
                let (id, host) = (field("instanceId"), field("hostName"));
                self.rows.push(Row {
                    app: field("app"),
                    id: if id.is_empty() { host } else { id },
                    status: field("status"),
                    action: field("actionType"),
                });
                instance.clear();
            }
            ["applications", "application", "instance", field] => {
                instance.insert((*field).to_owned(), content.to_owned());
            }
            _ => {}
        }
    }

    /// The hash of these rows as a client computes it: statuses in alphabetical order with their counts.
    pub fn computed(&self) -> String {
        hash(self.rows.iter().map(|row| row.status.as_str()))
    }

    /// `APP/ID` of every row to its status.
    pub fn statuses(&self) -> BTreeMap<String, String> {
        self.rows.iter().map(|row| (format!("{}/{}", row.app, row.id), row.status.clone())).collect()
    }

    /// `APP/ID` of every row.
    pub fn ids(&self) -> BTreeSet<String> {
        self.rows.iter().map(|row| format!("{}/{}", row.app, row.id)).collect()
    }

    /// The status of one instance, if it is there.
    pub fn status(&self, app: &str, id: &str) -> Option<&str> {
        self.rows.iter().find(|row| row.app == app && row.id == id).map(|row| row.status.as_str())
    }

    /// Merges a delta into `known` as the Java client does, and returns the hash of the result.
    pub fn merge_into(&self, known: &mut BTreeMap<String, String>) -> String {
        for row in &self.rows {
            let key = format!("{}/{}", row.app, row.id);
            if row.action == "DELETED" {
                known.remove(&key);
            } else {
                known.insert(key, row.status.clone());
            }
        }
        hash(known.values().map(String::as_str))
    }
}

/// `STATUS_count_` in alphabetical order.
pub fn hash<'a>(statuses: impl Iterator<Item = &'a str>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for status in statuses {
        *counts.entry(status).or_default() += 1;
    }
    counts.iter().fold(String::new(), |mut hash, (status, count)| {
        write!(hash, "{status}_{count}_").expect("writing to memory");
        hash
    })
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let head: String = text.chars().take(600).collect();
    let tail: String = text.chars().skip(600.max(text.chars().count().saturating_sub(300))).collect();
    if tail.is_empty() { head } else { format!("{head} … {tail}") }
}
