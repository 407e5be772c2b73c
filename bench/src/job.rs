//! What is asked of a server again and again: the requests of a fleet of Eureka clients, and what their answers must be.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};

use crate::response::Answer;
use crate::template::{Template, Values};
use crate::verify::Expected;

/// Version with which every instance is registered first; heartbeats carry it, so they never ask for a conflict.
const FIRST_DIRTY_MS: u64 = 1_750_000_000_000;
/// A prime that shares no factor with the sizes of fleets: stepping by it visits every instance, neighbours far apart.
const STRIDE: u64 = 7_919;
/// Items of a batch as Java peers send it.
pub(crate) const BATCH_ITEMS: u64 = 250;
/// Bodies kept for checking, at most, per run.
const SAMPLES_MAX: usize = 6;

/// What a Spring client sends with every request (`reference/eureka.md` 1.2).
const CLIENT_HEADERS: &str = "Accept: application/json\r\nAccept-Encoding: gzip\r\nDiscoveryIdentity-Name: DefaultClient\r\n\
     DiscoveryIdentity-Version: 1.4\r\nDiscoveryIdentity-Id: 192.0.2.7\r\n";
/// What a Java peer sends with a batch (4.3).
const PEER_HEADERS: &str = "Accept: application/json\r\nAccept-Encoding: gzip\r\nDiscoveryIdentity-Name: DefaultServer\r\n\
     DiscoveryIdentity-Version: 1.0\r\nDiscoveryIdentity-Id: 192.0.2.7\r\n";
/// A registration as Spring clients send it (2.7), with a lease that outlives every run.
const REGISTRATION: &str = concat!(
    r#"{"instance":{"instanceId":"n{id}.example.org:app-{app}:9000","app":"APP-{app}","appGroupName":null,"#,
    r#""ipAddr":"{ip}","sid":"na","homePageUrl":"http://n{id}.example.org:9000/","#,
    r#""statusPageUrl":"http://n{id}.example.org:9000/actuator/info","#,
    r#""healthCheckUrl":"http://n{id}.example.org:9000/actuator/health","secureHealthCheckUrl":null,"#,
    r#""vipAddress":"app-{app}","secureVipAddress":"app-{app}","countryId":1,"#,
    r#""dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},"#,
    r#""hostName":"n{id}.example.org","status":"UP","overriddenStatus":"UNKNOWN","#,
    r#""leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":7200,"registrationTimestamp":0,"#,
    r#""lastRenewalTimestamp":0,"evictionTimestamp":0,"serviceUpTimestamp":0},"#,
    r#""isCoordinatingDiscoveryServer":false,"lastUpdatedTimestamp":{dirty},"lastDirtyTimestamp":{dirty},"#,
    r#""actionType":null,"asgName":null,"port":{"$":9000,"@enabled":"true"},"#,
    r#""securePort":{"$":443,"@enabled":"false"},"metadata":{"management.port":"9000","zone":"zone-a"}}}"#
);
const HEARTBEAT_ITEM: &str = concat!(
    r#"{"appName":"APP-{app}","id":"n{id}.example.org:app-{app}:9000","lastDirtyTimestamp":{dirty},"#,
    r#""status":"UP","action":"Heartbeat"}"#
);

/// The instances that clients play: `size` of them, `per_application` in each application.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) size: u64,
    pub(crate) per_application: u64,
    newest_dirty_ms: AtomicU64,
}

impl Fleet {
    pub(crate) fn new(size: u64, per_application: u64) -> Arc<Self> {
        Arc::new(Self { size, per_application, newest_dirty_ms: AtomicU64::new(FIRST_DIRTY_MS) })
    }

    /// A version that no registration of this fleet has had.
    fn next_dirty_ms(&self) -> u64 {
        self.newest_dirty_ms.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn values(&self, instance: u64, dirty_ms: u64) -> Values {
        Values { instance, application: instance / self.per_application, dirty_ms }
    }
}

/// One kind of request for the instances of a fleet.
#[derive(Debug)]
pub(crate) struct Job {
    fleet: Arc<Fleet>,
    template: Template,
    /// Only the first so many instances take part.
    span: u64,
    /// Items of one request.
    items: u64,
    /// Whether every request is a new version of its instance.
    fresh: bool,
    status: u16,
    expected: Expected,
    /// Requests from one kept body to the next.
    sample_every: u64,
    samples: Mutex<Vec<Vec<u8>>>,
}

impl Job {
    fn new(fleet: &Arc<Fleet>, template: Template, status: u16, expected: Expected) -> Self {
        Self {
            fleet: Arc::clone(fleet),
            template,
            span: fleet.size,
            items: 1,
            fresh: false,
            status,
            expected,
            sample_every: 997,
            samples: Mutex::default(),
        }
    }

    /// First registrations: each instance once, always the same version.
    pub(crate) fn fill(fleet: &Arc<Fleet>) -> Self {
        let path = "/eureka/apps/APP-{app}";
        let template = Template::request("POST", path, CLIENT_HEADERS, Some(REGISTRATION));
        Self::new(fleet, template, 204, Expected::Nothing)
    }

    /// Registrations of the first `span` instances, each a new version: every one is a change.
    pub(crate) fn register(fleet: &Arc<Fleet>, span: u64) -> Self {
        Self { fresh: true, span, ..Self::fill(fleet) }
    }

    /// Renewals as a Java or Spring client sends them.
    pub(crate) fn renew(fleet: &Arc<Fleet>) -> Self {
        let path =
            "/eureka/apps/APP-{app}/n{id}.example.org:app-{app}:9000?status=UP&lastDirtyTimestamp={dirty}";
        Self::new(fleet, Template::request("PUT", path, CLIENT_HEADERS, None), 200, Expected::Nothing)
    }

    /// Batches of [`BATCH_ITEMS`] heartbeats from a peer.
    pub(crate) fn batch(fleet: &Arc<Fleet>) -> Self {
        let items = vec![HEARTBEAT_ITEM; BATCH_ITEMS as usize].join(",{next}");
        let body = format!(r#"{{"replicationList":[{items}]}}"#);
        let template = Template::request("POST", "/eureka/peerreplication/batch/", PEER_HEADERS, Some(&body));
        let expected = Expected::Batch { items: BATCH_ITEMS as usize };
        Self { items: BATCH_ITEMS, ..Self::new(fleet, template, 200, expected) }
    }

    /// The full list.
    pub(crate) fn list(fleet: &Arc<Fleet>) -> Self {
        let expected = Expected::Whole { instances: fleet.size as usize };
        Self::new(fleet, Template::request("GET", "/eureka/apps/", CLIENT_HEADERS, None), 200, expected)
    }

    /// The delta, in which so many instances must be.
    pub(crate) fn delta(fleet: &Arc<Fleet>, instances: u64) -> Self {
        let expected = Expected::Delta { instances: instances as usize, of: fleet.size as usize };
        Self::new(fleet, Template::request("GET", "/eureka/apps/delta", CLIENT_HEADERS, None), 200, expected)
    }

    /// One application after the other.
    pub(crate) fn application(fleet: &Arc<Fleet>) -> Self {
        let expected = Expected::Application { instances: fleet.per_application as usize };
        let template = Template::request("GET", "/eureka/apps/APP-{app}", CLIENT_HEADERS, None);
        Self::new(fleet, template, 200, expected)
    }

    /// How many operations one request counts for.
    pub(crate) fn operations(&self) -> u64 {
        self.items
    }

    /// Appends the request with this number to `out`, and returns the version that it carries.
    pub(crate) fn compose(&self, number: u64, out: &mut Vec<u8>) -> u64 {
        let dirty_ms = if self.fresh { self.fleet.next_dirty_ms() } else { FIRST_DIRTY_MS };
        self.template.write(out, |item| {
            let instance = ((number * self.items + item) % self.span) * STRIDE % self.span;
            self.fleet.values(instance, dirty_ms)
        });
        dirty_ms
    }

    /// Whether the body of the answer with this number is to be kept for [`Self::verify`].
    pub(crate) fn wants_sample(&self, number: u64) -> bool {
        self.expected != Expected::Nothing && number.is_multiple_of(self.sample_every)
    }

    /// Keeps a body for [`Self::verify`], unless enough are kept.
    pub(crate) fn keep_sample(&self, body: Vec<u8>) {
        let mut samples = self.samples.lock().expect("no thread panics while it holds the samples");
        if samples.len() < SAMPLES_MAX {
            samples.push(body);
        }
    }

    /// Checks what can be checked of every answer at no cost.
    ///
    /// # Errors
    /// When the status or the emptiness of the body is not what this request must get.
    pub(crate) fn check(&self, answer: Answer) -> Result<()> {
        ensure!(answer.status == self.status, "status {} instead of {}", answer.status, self.status);
        let empty = self.expected == Expected::Nothing;
        ensure!((answer.body_bytes == 0) == empty, "a body of {} bytes", answer.body_bytes);
        Ok(())
    }

    /// Decodes the kept bodies and recomputes what they say of themselves; returns how many there were.
    ///
    /// # Errors
    /// When one of them is not the expected list.
    pub(crate) fn verify(&self) -> Result<usize> {
        let samples =
            std::mem::take(&mut *self.samples.lock().expect("no thread panics while it holds the samples"));
        for body in &samples {
            self.expected.check(body)?;
        }
        Ok(samples.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(job: &Job, number: u64) -> String {
        let mut out = Vec::new();
        job.compose(number, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_instance_is_visited_once_a_round() {
        for (size, per_application) in [(1_000, 100), (10_000, 10_000)] {
            let fleet = Fleet::new(size, per_application);
            let job = Job::renew(&fleet);
            let requests: std::collections::BTreeSet<_> =
                (0..size).map(|number| text(&job, number)).collect();
            assert_eq!(requests.len(), size as usize);
        }
    }

    #[test]
    fn bodies_are_json_and_versions_grow() {
        let fleet = Fleet::new(1_000, 100);
        for job in [Job::fill(&fleet), Job::register(&fleet, 10), Job::batch(&fleet)] {
            let text = text(&job, 3);
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
            serde_json::from_str::<serde_json::Value>(body).unwrap();
        }
        let job = Job::register(&fleet, 10);
        let mut out = Vec::new();
        let first = job.compose(0, &mut out);
        assert!(job.compose(0, &mut out) > first);
    }

    #[test]
    fn a_wrong_answer_is_named() {
        let job = Job::renew(&Fleet::new(1_000, 100));
        let good = Answer { status: 200, body_bytes: 0, close: false };
        assert!(job.check(good).is_ok());
        let missing = job.check(Answer { status: 404, ..good }).unwrap_err();
        assert_eq!(missing.to_string(), "status 404 instead of 200");
        assert!(job.check(Answer { body_bytes: 2, ..good }).is_err());
    }
}
