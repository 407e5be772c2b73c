//! Lists as servers write them: read, summed up, and written to be kept.

use std::collections::BTreeMap;

use synod_wire::eureka::{self as wire, Action, Form, Format, Limits, Place, Status};

use crate::registry::Instance;

/// A list, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List {
    /// The summary of the whole registry, if the server sent one.
    pub(super) hash: Option<String>,
    /// What is in it, in order.
    pub(super) entries: Vec<Entry>,
    /// How many records could not be used.
    pub(super) refused: usize,
}

/// One instance in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// In deltas: it is gone.
    pub(super) removed: bool,
    pub(super) instance: Instance,
}

/// Reads a list of applications, or one application.
pub(super) fn decode(body: &[u8]) -> Result<List, wire::DecodeError> {
    let list = wire::decode_applications(body, &Limits::SYNC)?;
    let mut refused = list.refused.len();
    let mut entries = Vec::new();
    for listed in list.applications.iter().flat_map(|application| &application.instances) {
        match Instance::from_wire(listed) {
            Some(instance) => {
                entries.push(Entry { removed: listed.action == Some(Action::Deleted), instance });
            }
            None => refused += 1,
        }
    }
    Ok(List { hash: list.hash.map(|hash| hash.into_owned()), entries, refused })
}

/// The summary of statuses: what two that hold the same list agree in.
pub(super) fn hash(statuses: impl Iterator<Item = Status>) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for status in statuses {
        *counts.entry(status.as_str()).or_default() += 1;
    }
    counts.into_iter().map(|(status, count)| format!("{status}_{count}_")).collect()
}

/// Writes a full list. Instances must come service by service.
pub(super) fn encode<'a>(instances: impl Iterator<Item = &'a Instance> + Clone) -> Vec<u8> {
    let (format, form) = (Format::Json, Form::Full);
    let hash = hash(instances.clone().map(|instance| instance.status));
    let mut out = Vec::new();
    wire::list_head(&mut out, format, form, 1, &hash);
    let mut open: Option<&str> = None;
    for instance in instances {
        if open != Some(&*instance.app) {
            if open.is_some() {
                wire::application_close(&mut out, format, form);
                out.extend_from_slice(wire::separator(format));
            }
            wire::application_open(&mut out, format, form, &instance.app);
            open = Some(&instance.app);
        } else {
            out.extend_from_slice(wire::separator(format));
        }
        wire::write_instance(&mut out, &instance.to_wire(), format, form, Place::InList);
    }
    if open.is_some() {
        wire::application_close(&mut out, format, form);
    }
    wire::list_tail(&mut out, format, form, 1, &hash);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let all: Vec<Instance> = [("A", "1"), ("A", "2"), ("B", "1")]
            .map(|(app, id)| Instance::new(app, id, "h", 1).with_metadata("k", "\"v\""))
            .into();
        let list = decode(&encode(all.iter())).expect("a list");
        assert_eq!(list.hash.as_deref(), Some("UP_3_"));
        assert_eq!(list.entries.iter().map(|entry| entry.instance.clone()).collect::<Vec<_>>(), all);
        assert_eq!(decode(&encode([].iter())).expect("a list").hash.as_deref(), Some(""));
    }

    #[test]
    fn one_application_is_a_list_too_and_removals_are_seen() {
        let body = br#"{"application":{"name":"A","instance":[
            {"app":"A","instanceId":"1","actionType":"DELETED"},{"app":"A"},{"app":"A","instanceId":"2"}]}}"#;
        let list = decode(body).expect("a list");
        let seen: Vec<_> = list.entries.iter().map(|entry| (&*entry.instance.id, entry.removed)).collect();
        assert_eq!((seen, list.refused), (vec![("1", true), ("2", false)], 1));
        for garbage in [&b"garbage"[..], b"", b"{}", b"<applications/>", b"[]"] {
            decode(garbage).expect_err("no list");
        }
    }

    #[test]
    fn the_hash_is_in_alphabetical_order() {
        use Status::{Down, OutOfService, Starting, Unknown, Up};
        let statuses = [Up, Unknown, Starting, OutOfService, Down, Up];
        assert_eq!(hash(statuses.into_iter()), "DOWN_1_OUT_OF_SERVICE_1_STARTING_1_UNKNOWN_1_UP_2_");
    }
}
