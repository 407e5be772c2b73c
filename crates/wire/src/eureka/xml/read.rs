//! Reads an instance from XML, with elements in any order and unknown ones skipped.

use std::borrow::Cow;

use quick_xml::events::BytesStart;

use super::name;
use super::tree::Tree;
use crate::eureka::json::read::{data_center_name, fit, seconds_or, settled};
use crate::eureka::json::scalar::{integer, is_true};
use crate::eureka::limits::{DecodeError, Limits};
use crate::eureka::{Action, DataCenter, Instance, Lease, Pairs, Port, Status, pairs};

/// Reads one instance, the root element of `text`.
pub(crate) fn instance<'a>(text: &'a str, limits: &Limits) -> Result<Instance<'a>, DecodeError> {
    let mut tree = Tree::new(text, limits);
    let root = tree.root()?;
    if root.name().as_ref() != "instance" {
        return Err(tree.malformed("the root element is not \"instance\""));
    }
    let mut instance = Instance::default();
    while let Some(child) = tree.child()? {
        field(&mut tree, &child, &mut instance)?;
    }
    tree.finish()?;
    Ok(instance)
}

fn field<'a>(
    tree: &mut Tree<'a, '_>,
    element: &BytesStart<'a>,
    to: &mut Instance<'a>,
) -> Result<(), DecodeError> {
    match element.name().as_ref() {
        "instanceId" => to.instance_id = text(tree, "instanceId")?,
        "hostName" => to.host_name = text(tree, "hostName")?,
        "app" => to.app = text(tree, "app")?,
        "ipAddr" => to.ip_addr = text(tree, "ipAddr")?,
        "sid" => to.sid = text(tree, "sid")?.filter(|sid| sid != "na"),
        "status" => to.status = status(tree, "status")?,
        "overriddenstatus" | "overriddenStatus" => to.overridden = status(tree, "overriddenstatus")?,
        "port" => to.port = port(tree, element, "port", Port::DEFAULT)?,
        "securePort" => to.secure_port = port(tree, element, "securePort", Port::DEFAULT_SECURE)?,
        "countryId" => to.country_id = fit(number(tree, "countryId")?, "countryId")?.unwrap_or(1),
        "dataCenterInfo" => to.data_center = Some(data_center(tree)?),
        "leaseInfo" => to.lease = Some(lease(tree)?),
        "metadata" => to.metadata = metadata(tree, "metadata")?,
        "appGroupName" => to.app_group_name = text(tree, "appGroupName")?,
        "homePageUrl" => to.home_page_url = text(tree, "homePageUrl")?,
        "statusPageUrl" => to.status_page_url = text(tree, "statusPageUrl")?,
        "healthCheckUrl" => to.health_check_url = text(tree, "healthCheckUrl")?,
        "secureHealthCheckUrl" => to.secure_health_check_url = text(tree, "secureHealthCheckUrl")?,
        "vipAddress" => to.vip_address = text(tree, "vipAddress")?,
        "secureVipAddress" => to.secure_vip_address = text(tree, "secureVipAddress")?,
        "isCoordinatingDiscoveryServer" => {
            to.is_coordinating = is_true(&word(tree, "isCoordinatingDiscoveryServer")?);
        }
        "lastUpdatedTimestamp" => to.last_updated = time(number(tree, "lastUpdatedTimestamp")?),
        "lastDirtyTimestamp" => to.last_dirty = time(number(tree, "lastDirtyTimestamp")?),
        "actionType" => to.action = Action::parse(word(tree, "actionType")?.trim()),
        "asgName" => to.asg_name = text(tree, "asgName")?,
        _ => tree.skip()?,
    }
    Ok(())
}

fn text<'a>(tree: &mut Tree<'a, '_>, field: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
    word(tree, field).map(Some)
}

fn word<'a>(tree: &mut Tree<'a, '_>, field: &'static str) -> Result<Cow<'a, str>, DecodeError> {
    tree.text(|| Cow::Borrowed(field))
}

/// A status, unknown if the text is the name of none.
fn status(tree: &mut Tree<'_, '_>, field: &'static str) -> Result<Status, DecodeError> {
    Ok(Status::parse_any_case(word(tree, field)?.trim()).unwrap_or(Status::Unknown))
}

fn number(tree: &mut Tree<'_, '_>, field: &'static str) -> Result<Option<i64>, DecodeError> {
    integer(&word(tree, field)?).map_err(|reason| DecodeError::field(field, reason))
}

/// Milliseconds since 1970; a time before that counts as 1970.
fn time(ms: Option<i64>) -> Option<u64> {
    ms.map(|ms| ms.max(0).cast_unsigned())
}

fn port(
    tree: &mut Tree<'_, '_>,
    element: &BytesStart<'_>,
    field: &'static str,
    default: Port,
) -> Result<Port, DecodeError> {
    let enabled = element.try_get_attribute("enabled").map_err(|error| tree.malformed(error))?;
    let number = fit(number(tree, field)?, field)?;
    Ok(Port {
        number: number.unwrap_or(default.number),
        enabled: enabled.map_or(default.enabled, |attribute| is_true(&attribute.value)),
    })
}

fn data_center<'a>(tree: &mut Tree<'a, '_>) -> Result<DataCenter<'a>, DecodeError> {
    let mut data_center = DataCenter::default();
    while let Some(child) = tree.child()? {
        match child.name().as_ref() {
            "name" => {
                data_center.name = Some(data_center_name(word(tree, "dataCenterInfo.name")?.trim())?);
            }
            "metadata" => data_center.metadata = metadata(tree, "dataCenterInfo.metadata")?,
            _ => tree.skip()?,
        }
    }
    Ok(settled(data_center))
}

/// A lease; upstream passes over numbers in it that are none.
fn lease(tree: &mut Tree<'_, '_>) -> Result<Lease, DecodeError> {
    let mut lease = Lease::default();
    while let Some(child) = tree.child()? {
        let field = child.name();
        let is_known = matches!(
            field.as_ref(),
            "renewalIntervalInSecs"
                | "durationInSecs"
                | "registrationTimestamp"
                | "lastRenewalTimestamp"
                | "renewalTimestamp"
                | "evictionTimestamp"
                | "serviceUpTimestamp"
        );
        if !is_known {
            tree.skip()?;
            continue;
        }
        let Ok(number) = integer(&word(tree, "leaseInfo")?) else { continue };
        let at = time(number).unwrap_or(0);
        match field.as_ref() {
            "renewalIntervalInSecs" => {
                lease.renewal_interval_s = seconds_or(number, Lease::RENEWAL_INTERVAL_S)
            }
            "durationInSecs" => lease.duration_s = seconds_or(number, Lease::DURATION_S),
            "registrationTimestamp" => lease.registration = at,
            "evictionTimestamp" => lease.eviction = at,
            "serviceUpTimestamp" => lease.service_up = at,
            _ => lease.last_renewal = at,
        }
    }
    Ok(lease)
}

fn metadata<'a>(tree: &mut Tree<'a, '_>, field: &'static str) -> Result<Pairs<'a>, DecodeError> {
    let mut metadata = Vec::new();
    while let Some(child) = tree.child()? {
        tree.budget.key(metadata.len())?;
        let key = name::to_key(child.name().as_ref()).into_owned();
        let value = tree.text(|| format!("{field}.{key}").into())?;
        tree.budget.text(&key)?;
        metadata.push((Cow::Owned(key), value));
    }
    pairs::unique(&mut metadata);
    Ok(metadata)
}
