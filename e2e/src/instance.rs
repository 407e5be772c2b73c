//! An instance as a client registers it, in JSON and XML.

use serde_json::{Map, Value, json};

use crate::http::Request;
use crate::wait::epoch_ms;

/// What a test varies of a registration; everything else has fixed values.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Application name.
    pub app: String,
    /// Instance id.
    pub id: String,
    /// Host name.
    pub host: String,
    /// `UP`, `DOWN`, …
    pub status: String,
    /// `lastDirtyTimestamp`, milliseconds since 1970.
    pub dirty_ms: u64,
    /// Renewal interval in seconds.
    pub renew_s: u64,
    /// Lease duration in seconds.
    pub duration_s: u64,
    /// Metadata.
    pub metadata: Map<String, Value>,
}

impl Instance {
    /// An instance that is UP, changed just now, with a long lease.
    pub fn new(app: &str, id: &str) -> Self {
        Self {
            app: app.to_owned(),
            id: id.to_owned(),
            host: format!("{id}.example.test"),
            status: "UP".to_owned(),
            dirty_ms: epoch_ms(),
            renew_s: 30,
            duration_s: 90,
            metadata: Map::new(),
        }
    }

    /// The same in another status.
    #[must_use]
    pub fn status(mut self, status: &str) -> Self {
        status.clone_into(&mut self.status);
        self
    }

    /// The same with another lease.
    #[must_use]
    pub const fn lease(mut self, renew_s: u64, duration_s: u64) -> Self {
        self.renew_s = renew_s;
        self.duration_s = duration_s;
        self
    }

    /// The same, changed at another time.
    #[must_use]
    pub const fn dirty(mut self, dirty_ms: u64) -> Self {
        self.dirty_ms = dirty_ms;
        self
    }

    /// The same with one more metadata entry.
    #[must_use]
    pub fn meta(mut self, key: &str, value: &str) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// The instance object without its wrapper.
    pub fn object(&self) -> Value {
        json!({
            "instanceId": self.id, "hostName": self.host, "app": self.app, "ipAddr": "10.0.0.1",
            "status": self.status, "overriddenstatus": "UNKNOWN",
            "port": {"$": 8080, "@enabled": "true"}, "securePort": {"$": 8443, "@enabled": "false"},
            "countryId": 1,
            "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
            "leaseInfo": {"renewalIntervalInSecs": self.renew_s, "durationInSecs": self.duration_s},
            "metadata": self.metadata,
            "homePageUrl": format!("http://{}:8080/", self.host),
            "statusPageUrl": format!("http://{}:8080/info", self.host),
            "healthCheckUrl": format!("http://{}:8080/health", self.host),
            "vipAddress": self.app.to_lowercase(), "secureVipAddress": self.app.to_lowercase(),
            "lastUpdatedTimestamp": self.dirty_ms.to_string(), "lastDirtyTimestamp": self.dirty_ms.to_string(),
        })
    }

    /// The body of a JSON registration.
    pub fn json(&self) -> String {
        json!({"instance": self.object()}).to_string()
    }

    /// The smallest XML registration.
    pub fn xml(&self) -> String {
        format!(
            "<instance><instanceId>{}</instanceId><hostName>{}</hostName><app>{}</app><ipAddr>10.0.0.1</ipAddr>\
             <status>{}</status><dataCenterInfo><name>MyOwn</name></dataCenterInfo></instance>",
            self.id, self.host, self.app, self.status
        )
    }

    /// The registration under `/eureka`.
    pub fn register(&self) -> Request {
        Request::post_json(&format!("/eureka/apps/{}", self.app), self.json())
    }

    /// A path below this instance under `/eureka`; `rest` begins with `/` or `?` or is empty.
    pub fn path(&self, rest: &str) -> String {
        format!("/eureka/apps/{}/{}{rest}", self.app, self.id)
    }

    /// The renewal as Java clients send it.
    pub fn renew(&self) -> Request {
        Request::put(&self.path(&format!("?status={}&lastDirtyTimestamp={}", self.status, self.dirty_ms)))
    }

    /// The cancel.
    pub fn cancel(&self) -> Request {
        Request::delete(&self.path(""))
    }
}
