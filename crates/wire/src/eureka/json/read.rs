//! Reads an instance from JSON, in any of its dialects.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::object::{Fields, Object, Session, not_an_object, read};
use super::scalar::Scalar;
use crate::eureka::limits::{DecodeError, Limits};
use crate::eureka::{Action, DataCenter, DataCenterName, Instance, Lease, Pairs, Port, Status, pairs};

/// Reads one instance, wrapped as `{"instance":{…}}` or bare.
pub(crate) fn instance<'a>(text: &'a str, limits: &Limits) -> Result<Instance<'a>, DecodeError> {
    let mut root = Root::default();
    read(text, limits, &mut root)?;
    Ok(root.instance)
}

/// An instance that may stand in a wrapper.
#[derive(Debug, Default)]
pub(crate) struct Root<'de> {
    /// The instance.
    pub(crate) instance: Instance<'de>,
    wrapped: bool,
}

impl<'de> Fields<'de> for Root<'de> {
    const NAME: &'static str = "instance";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if key == "instance" {
            self.wrapped = true;
            self.instance = Instance::default();
            map.next_value_seed(Object { session, value: &mut self.instance })?;
            Ok(())
        } else if self.wrapped {
            session.skip(map)
        } else {
            self.instance.field(session, key, map)
        }
    }

    fn scalar(&mut self, value: Scalar<'de>) -> Result<(), DecodeError> {
        Err(not_an_object(Self::NAME, &value))
    }
}

impl<'de> Fields<'de> for Instance<'de> {
    const NAME: &'static str = "instance";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "instanceId" => self.instance_id = session.text(map, "instanceId")?,
            "hostName" => self.host_name = session.text(map, "hostName")?,
            "app" => self.app = session.text(map, "app")?,
            "ipAddr" => self.ip_addr = session.text(map, "ipAddr")?,
            "sid" => self.sid = session.text(map, "sid")?.filter(|sid| sid != "na"),
            "status" => self.status = status(session.text(map, "status")?, Status::Up),
            "overriddenStatus" | "overriddenstatus" => {
                self.overridden = status(session.text(map, "overriddenStatus")?, Status::Unknown);
            }
            "port" => nested(session, map, &mut NamedPort("port", &mut self.port))?,
            "securePort" => nested(session, map, &mut NamedPort("securePort", &mut self.secure_port))?,
            "countryId" => self.country_id = int(session, map, "countryId")?.unwrap_or(1),
            "dataCenterInfo" => self.data_center = data_center(session, map)?,
            "leaseInfo" => {
                let mut lease = Lease::default();
                let found = map.next_value_seed(Object { session, value: &mut lease })?;
                self.lease = found.then_some(lease);
            }
            "metadata" => metadata(session, map, "metadata", &mut self.metadata)?,
            "appGroupName" => self.app_group_name = session.text(map, "appGroupName")?,
            "homePageUrl" => self.home_page_url = session.text(map, "homePageUrl")?,
            "statusPageUrl" => self.status_page_url = session.text(map, "statusPageUrl")?,
            "healthCheckUrl" => self.health_check_url = session.text(map, "healthCheckUrl")?,
            "secureHealthCheckUrl" => {
                self.secure_health_check_url = session.text(map, "secureHealthCheckUrl")?;
            }
            "vipAddress" => self.vip_address = session.text(map, "vipAddress")?,
            "secureVipAddress" => self.secure_vip_address = session.text(map, "secureVipAddress")?,
            "isCoordinatingDiscoveryServer" => {
                self.is_coordinating =
                    session.boolean(map, "isCoordinatingDiscoveryServer")?.unwrap_or(false);
            }
            "lastUpdatedTimestamp" => self.last_updated = time(session, map, "lastUpdatedTimestamp")?,
            "lastDirtyTimestamp" => self.last_dirty = time(session, map, "lastDirtyTimestamp")?,
            "actionType" => {
                self.action = session.text(map, "actionType")?.and_then(|name| Action::parse(&name));
            }
            "asgName" => self.asg_name = session.text(map, "asgName")?,
            _ => session.skip(map)?,
        }
        Ok(())
    }

    fn scalar(&mut self, value: Scalar<'de>) -> Result<(), DecodeError> {
        Err(not_an_object(Self::NAME, &value))
    }
}

/// The status of a name: absent means `absent`, anything but an exact name means unknown.
fn status(name: Option<Cow<'_, str>>, absent: Status) -> Status {
    name.map_or(absent, |name| Status::parse(&name).unwrap_or(Status::Unknown))
}

/// Milliseconds since 1970; a time before that counts as 1970.
fn time<'de, A: MapAccess<'de>>(
    session: &mut Session<'_>,
    map: &mut A,
    field: &'static str,
) -> Result<Option<u64>, A::Error> {
    Ok(session.integer(map, field)?.map(|ms| ms.max(0).cast_unsigned()))
}

fn int<'de, A: MapAccess<'de>>(
    session: &mut Session<'_>,
    map: &mut A,
    field: &'static str,
) -> Result<Option<i32>, A::Error> {
    let number = session.integer(map, field)?;
    Ok(session.keep(fit(number, field)))
}

/// The number as a Java `int`.
pub(crate) fn fit(number: Option<i64>, field: &'static str) -> Result<Option<i32>, DecodeError> {
    let fitted = number.map(i32::try_from).transpose();
    fitted.map_err(|_| DecodeError::field(field, "expected a number of at most 32 bits"))
}

fn nested<'de, A: MapAccess<'de>>(
    session: &mut Session<'_>,
    map: &mut A,
    value: &mut impl Fields<'de>,
) -> Result<(), A::Error> {
    map.next_value_seed(Object { session, value }).map(drop)
}

/// A port with the name of its field.
struct NamedPort<'p>(&'static str, &'p mut Port);

impl<'de> Fields<'de> for NamedPort<'_> {
    const NAME: &'static str = "port";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "$" => self.1.number = int(session, map, self.0)?.unwrap_or(self.1.number),
            "@enabled" => self.1.enabled = session.boolean(map, self.0)?.unwrap_or(self.1.enabled),
            _ => session.skip(map)?,
        }
        Ok(())
    }

    /// Clients that write their port as a plain number mean that number.
    fn scalar(&mut self, value: Scalar<'de>) -> Result<(), DecodeError> {
        let number = value.integer().map_err(|reason| DecodeError::field(self.0, reason))?;
        self.1.number = fit(number, self.0)?.unwrap_or(self.1.number);
        Ok(())
    }
}

impl<'de> Fields<'de> for Lease {
    const NAME: &'static str = "leaseInfo";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "renewalIntervalInSecs" => {
                let seconds = session.integer(map, "leaseInfo.renewalIntervalInSecs")?;
                self.renewal_interval_s = seconds_or(seconds, Self::RENEWAL_INTERVAL_S);
            }
            "durationInSecs" => {
                let seconds = session.integer(map, "leaseInfo.durationInSecs")?;
                self.duration_s = seconds_or(seconds, Self::DURATION_S);
            }
            "registrationTimestamp" => {
                self.registration = time(session, map, "leaseInfo.registrationTimestamp")?.unwrap_or(0);
            }
            "lastRenewalTimestamp" | "renewalTimestamp" => {
                self.last_renewal = time(session, map, "leaseInfo.lastRenewalTimestamp")?.unwrap_or(0);
            }
            "evictionTimestamp" => {
                self.eviction = time(session, map, "leaseInfo.evictionTimestamp")?.unwrap_or(0);
            }
            "serviceUpTimestamp" => {
                self.service_up = time(session, map, "leaseInfo.serviceUpTimestamp")?.unwrap_or(0);
            }
            _ => session.skip(map)?,
        }
        Ok(())
    }
}

/// A positive number of seconds that fits a Java `int`, or what holds without one.
pub(crate) fn seconds_or(seconds: Option<i64>, absent: u32) -> u32 {
    match seconds {
        Some(seconds @ 1..) => u32::try_from(seconds.min(i64::from(i32::MAX))).unwrap_or(absent),
        _ => absent,
    }
}

fn data_center<'de, A: MapAccess<'de>>(
    session: &mut Session<'_>,
    map: &mut A,
) -> Result<Option<DataCenter<'de>>, A::Error> {
    let mut value = DataCenter::default();
    let found = map.next_value_seed(Object { session, value: &mut value })?;
    Ok(found.then(|| settled(value)))
}

/// The data center as its name alone decides it to be, whatever class it claims: only Amazon has metadata,
/// and an Amazon without any (which breaks the original server for good) has none.
pub(crate) fn settled(mut data_center: DataCenter<'_>) -> DataCenter<'_> {
    if data_center.name != Some(DataCenterName::Amazon) {
        data_center.metadata.clear();
    }
    data_center
}

/// The data center of a name, or the refusal of another.
pub(crate) fn data_center_name(name: &str) -> Result<DataCenterName, DecodeError> {
    DataCenterName::parse(name).ok_or_else(|| {
        let found: String = name.chars().take(40).collect();
        DecodeError::field(
            "dataCenterInfo.name",
            format!("expected MyOwn, Netflix or Amazon, found \"{found}\""),
        )
    })
}

impl<'de> Fields<'de> for DataCenter<'de> {
    const NAME: &'static str = "dataCenterInfo";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "name" => {
                let name = session.text(map, "dataCenterInfo.name")?;
                self.name = session.keep(name.map(|name| data_center_name(&name)).transpose());
                Ok(())
            }
            "metadata" => metadata(session, map, "dataCenterInfo.metadata", &mut self.metadata),
            _ => session.skip(map),
        }
    }
}

fn metadata<'de, A: MapAccess<'de>>(
    session: &mut Session<'_>,
    map: &mut A,
    name: &'static str,
    into: &mut Pairs<'de>,
) -> Result<(), A::Error> {
    into.clear();
    nested(session, map, &mut Metadata { name, pairs: into })?;
    pairs::unique(into);
    Ok(())
}

/// Metadata with the name of its field.
struct Metadata<'p, 'de> {
    name: &'static str,
    pairs: &'p mut Pairs<'de>,
}

impl<'de> Fields<'de> for Metadata<'_, 'de> {
    const NAME: &'static str = "metadata";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if pairs::is_type_tag(&key) || !session.has_room_for_key(self.pairs.len()) {
            return session.skip(map);
        }
        let value = session.text_named(map, || format!("{}.{key}", self.name).into())?;
        if session.count(&key) {
            self.pairs.push((key, value.unwrap_or(Cow::Borrowed("null"))));
        }
        Ok(())
    }
}
