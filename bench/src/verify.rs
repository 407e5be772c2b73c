//! Decodes sampled bodies completely, as a client would: inflates one gzip member, parses the JSON, counts the instances
//! and recomputes the hash. A server that is fast because it answers something else must not get a row.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// An inflated body larger than this is an error; a list of 1,000,000 instances has about 1.3 GB.
const PLAIN_BYTES_MAX: u64 = 2 << 30;
/// A server may register itself, and its peer may too.
const SERVERS_MAX: usize = 2;

/// What a body must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Expected {
    /// No body.
    Nothing,
    /// The full list with so many instances, and the hash of just these.
    Whole { instances: usize },
    /// A delta with so many instances, and the hash of the whole fleet.
    Delta { instances: usize, of: usize },
    /// One application with so many instances.
    Application { instances: usize },
    /// The answer to a batch: so many items, each a 200.
    Batch { items: usize },
}

impl Expected {
    /// # Errors
    /// Says what the body is instead.
    pub(crate) fn check(self, body: &[u8]) -> Result<()> {
        let plain = inflate(body)?;
        match self {
            Self::Nothing => ensure!(body.is_empty(), "a body of {} bytes where none belongs", body.len()),
            Self::Whole { instances } => {
                let list = parse::<ListDocument>(&plain)?.applications;
                let (count, hash) = list.summary();
                ensure!(is_about(count, instances), "a list of {count} instances instead of {instances}");
                ensure!(list.hash == hash, "the hash is {:?}, its instances make {hash:?}", list.hash);
            }
            Self::Delta { instances, of } => {
                let list = parse::<ListDocument>(&plain)?.applications;
                let (count, _) = list.summary();
                ensure!(is_about(count, instances), "a delta of {count} instances instead of {instances}");
                let up = list.hash.strip_prefix("UP_").and_then(|rest| rest.strip_suffix('_'));
                let whole = up.and_then(|count| count.parse().ok()).is_some_and(|count| is_about(count, of));
                ensure!(whole, "the delta's hash is {:?}, not that of {of} instances", list.hash);
            }
            Self::Application { instances } => {
                let count = parse::<ApplicationDocument>(&plain)?.application.instance.len();
                ensure!(count == instances, "an application of {count} instances instead of {instances}");
            }
            Self::Batch { items } => {
                let answers = parse::<BatchDocument>(&plain)?.responses;
                ensure!(answers.len() == items, "{} answers to {items} items", answers.len());
                let bad = answers.iter().find(|answer| answer.status != 200);
                ensure!(bad.is_none(), "an item was answered {}", bad.map_or(0, |answer| answer.status));
            }
        }
        Ok(())
    }
}

/// How many instances a list or delta holds.
///
/// # Errors
/// When the body is not such a list.
pub(crate) fn count_instances(body: &[u8]) -> Result<usize> {
    Ok(parse::<ListDocument>(&inflate(body)?)?.applications.summary().0)
}

/// The plain bytes of a body that may be one gzip member.
///
/// # Errors
/// When it is damaged, larger than 2 GiB, or anything follows the member: Java's reader may stop there silently.
pub(crate) fn inflate(body: &[u8]) -> Result<Cow<'_, [u8]>> {
    if !body.starts_with(&[0x1f, 0x8b]) {
        return Ok(Cow::Borrowed(body));
    }
    let mut plain = Vec::with_capacity(body.len() * 16);
    let mut decoder = flate2::bufread::GzDecoder::new(body);
    (&mut decoder).take(PLAIN_BYTES_MAX).read_to_end(&mut plain).context("inflating a body")?;
    let rest = decoder.into_inner();
    ensure!(rest.is_empty(), "{} bytes follow the gzip member", rest.len());
    Ok(Cow::Owned(plain))
}

fn is_about(count: usize, instances: usize) -> bool {
    (instances..=instances + SERVERS_MAX).contains(&count)
}

fn parse<'a, T: Deserialize<'a>>(plain: &'a [u8]) -> Result<T> {
    let begin = String::from_utf8_lossy(&plain[..plain.len().min(120)]).into_owned();
    serde_json::from_slice(plain).with_context(|| format!("a body that begins {begin:?}"))
}

#[derive(Deserialize)]
struct ListDocument<'a> {
    #[serde(borrow)]
    applications: List<'a>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(rename = "apps__hashcode")]
    hash: Cow<'a, str>,
    #[serde(borrow)]
    application: Vec<Application<'a>>,
}

#[derive(Deserialize)]
struct ApplicationDocument<'a> {
    #[serde(borrow)]
    application: Application<'a>,
}

#[derive(Deserialize)]
struct Application<'a> {
    #[serde(borrow)]
    instance: Vec<Instance<'a>>,
}

#[derive(Deserialize)]
struct Instance<'a> {
    status: Cow<'a, str>,
}

#[derive(Deserialize)]
struct BatchDocument {
    #[serde(rename = "responseList")]
    responses: Vec<ItemAnswer>,
}

#[derive(Deserialize)]
struct ItemAnswer {
    #[serde(rename = "statusCode")]
    status: u16,
}

impl List<'_> {
    /// The number of instances and the hash that a client computes from them: `STATUS_count_` in alphabetical order.
    fn summary(&self) -> (usize, String) {
        let mut counts = BTreeMap::<&str, usize>::new();
        for instance in self.application.iter().flat_map(|application| &application.instance) {
            *counts.entry(&instance.status).or_default() += 1;
        }
        let mut hash = String::new();
        for (status, count) in &counts {
            write!(hash, "{status}_{count}_").expect("a string takes everything");
        }
        (counts.values().sum(), hash)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const LIST: &str = r#"{"applications":{"versions__delta":"1","apps__hashcode":"DOWN_1_UP_2_","application":[
        {"name":"A","instance":[{"instanceId":"1","status":"UP"},{"instanceId":"2","status":"DOWN"}]},
        {"name":"B","instance":[{"instanceId":"3","status":"UP"}]}]}}"#;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lists_are_counted_and_hashed() {
        Expected::Whole { instances: 3 }.check(LIST.as_bytes()).unwrap();
        Expected::Whole { instances: 3 }.check(&gzip(LIST)).unwrap();
        assert!(Expected::Whole { instances: 4 }.check(LIST.as_bytes()).is_err());
        let wrong = LIST.replace("DOWN_1_", "");
        let error = Expected::Whole { instances: 3 }.check(wrong.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), r#"the hash is "UP_2_", its instances make "DOWN_1_UP_2_""#);
    }

    #[test]
    fn deltas_carry_the_hash_of_the_fleet() {
        let delta = LIST.replace("DOWN_1_UP_2_", "UP_10_");
        Expected::Delta { instances: 3, of: 10 }.check(delta.as_bytes()).unwrap();
        assert!(Expected::Delta { instances: 3, of: 11 }.check(delta.as_bytes()).is_err());
        assert_eq!(count_instances(delta.as_bytes()).unwrap(), 3);
    }

    #[test]
    fn batches_and_applications() {
        let batch = r#"{"responseList":[{"statusCode":200},{"statusCode":404}]}"#;
        assert!(Expected::Batch { items: 2 }.check(batch.as_bytes()).is_err());
        Expected::Batch { items: 2 }.check(batch.replace("404", "200").as_bytes()).unwrap();
        let application = r#"{"application":{"name":"A","instance":[{"status":"UP"}]}}"#;
        Expected::Application { instances: 1 }.check(application.as_bytes()).unwrap();
    }

    #[test]
    fn a_second_gzip_member_and_a_torn_one_are_refused() {
        let two = [gzip(LIST), gzip("x")].concat();
        assert!(inflate(&two).is_err());
        let whole = gzip(LIST);
        assert!(inflate(&whole[..whole.len() - 9]).is_err());
    }
}
