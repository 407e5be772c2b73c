//! An instance as Synod nodes tell it: nothing is left out and nothing is made up, so that both ends compute one digest.

use serde::{Deserialize, Serialize};

use super::Text;

/// Names and values.
type Pairs<'a> = Vec<(Text<'a>, Text<'a>)>;

/// What a client said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance<'a> {
    /// Application.
    pub app: Text<'a>,
    /// Effective id.
    pub id: Text<'a>,
    /// Whether the client itself named the id.
    pub id_declared: bool,
    /// Host name.
    pub host: Text<'a>,
    /// IP address.
    pub ip: Text<'a>,
    /// Legacy field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<Text<'a>>,
    /// Plain port.
    pub port: Port,
    /// TLS port.
    pub secure_port: Port,
    /// Legacy field.
    pub country_id: i32,
    /// Where it runs.
    pub data_center: DataCenter<'a>,
    /// How often it renews.
    pub renewal_interval_s: u32,
    /// How long its lease lasts.
    pub duration_s: u32,
    /// Its metadata, in order.
    pub metadata: Pairs<'a>,
    /// Group of applications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_group: Option<Text<'a>>,
    /// URL for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_page_url: Option<Text<'a>>,
    /// URL of the status page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_page_url: Option<Text<'a>>,
    /// URL of the health check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_check_url: Option<Text<'a>>,
    /// URL of the health check over TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure_health_check_url: Option<Text<'a>>,
    /// Virtual addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vip: Option<Text<'a>>,
    /// Virtual addresses over TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secure_vip: Option<Text<'a>>,
    /// AWS auto scaling group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asg: Option<Text<'a>>,
    /// The status it claims.
    pub status: Status,
    /// The override that came along.
    pub overridden: Status,
    /// The client's version number.
    pub dirty_ms: u64,
}

/// A port and whether it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port(pub i32, pub bool);

/// Where an instance runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataCenter<'a> {
    /// Anywhere.
    MyOwn,
    /// Netflix.
    Netflix,
    /// AWS, with its metadata.
    Amazon(Pairs<'a>),
}

/// The five states of Eureka.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Takes traffic.
    Up,
    /// Does not.
    Down,
    /// Not yet.
    Starting,
    /// Not, on purpose.
    OutOfService,
    /// Not known, or no override.
    Unknown,
}
