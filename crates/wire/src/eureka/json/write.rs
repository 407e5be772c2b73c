//! Writes JSON as the original server does: its order, its strings and numbers, no white space.

use crate::eureka::pairs;
use crate::eureka::{DataCenterName, Form, Instance, Place, Port};

/// Appends an instance.
pub(crate) fn instance(out: &mut Vec<u8>, instance: &Instance<'_>, form: Form, place: Place) {
    if place == Place::Alone {
        out.extend_from_slice(b"{\"instance\":");
    }
    match form {
        Form::Full => full(out, instance),
        Form::Compact => compact(out, instance),
    }
    if place == Place::Alone {
        out.push(b'}');
    }
}

/// Appends an instance in full form without a wrapper.
pub(crate) fn full(out: &mut Vec<u8>, instance: &Instance<'_>) {
    let mut object = Object::open(out);
    object.text("instanceId", instance.instance_id.as_deref());
    object.text("hostName", instance.host_name.as_deref());
    object.text("app", instance.app.as_deref());
    object.text("ipAddr", instance.ip_addr.as_deref());
    object.text("sid", instance.sid.as_deref().filter(|sid| *sid != "na"));
    object.word("status", instance.status.as_str());
    object.word("overriddenStatus", instance.overridden.as_str());
    object.port("port", instance.port);
    object.port("securePort", instance.secure_port);
    object.number("countryId", instance.country_id);
    data_center(&mut object, instance, Form::Full);
    lease(&mut object, instance);
    if instance.metadata.is_empty() {
        object.key("metadata").extend_from_slice(b"{\"@class\":\"java.util.Collections$EmptyMap\"}");
    } else {
        map(object.key("metadata"), pairs::shown(&instance.metadata, Form::Full));
    }
    object.text("appGroupName", instance.app_group_name.as_deref());
    object.text("homePageUrl", instance.home_page_url.as_deref());
    object.text("statusPageUrl", instance.status_page_url.as_deref());
    object.text("healthCheckUrl", instance.health_check_url.as_deref());
    object.text("secureHealthCheckUrl", instance.secure_health_check_url.as_deref());
    object.text("vipAddress", instance.vip_address.as_deref());
    object.text("secureVipAddress", instance.secure_vip_address.as_deref());
    object.word("isCoordinatingDiscoveryServer", if instance.is_coordinating { "true" } else { "false" });
    object.quoted_number("lastUpdatedTimestamp", instance.last_updated);
    object.quoted_number("lastDirtyTimestamp", instance.last_dirty);
    object.text("actionType", instance.action.map(crate::eureka::Action::as_str));
    object.text("asgName", instance.asg_name.as_deref());
    object.close();
}

fn compact(out: &mut Vec<u8>, instance: &Instance<'_>) {
    let mut object = Object::open(out);
    object.text("instanceId", instance.instance_id.as_deref());
    object.text("app", instance.app.as_deref());
    object.text("appGroupName", instance.app_group_name.as_deref());
    object.text("ipAddr", instance.ip_addr.as_deref());
    object.text("vipAddress", instance.vip_address.as_deref());
    object.text("secureVipAddress", instance.secure_vip_address.as_deref());
    data_center(&mut object, instance, Form::Compact);
    object.text("hostName", instance.host_name.as_deref());
    object.word("status", instance.status.as_str());
    if let Some(at) = instance.last_updated {
        object.number("lastUpdatedTimestamp", at);
    }
    object.text("actionType", instance.action.map(crate::eureka::Action::as_str));
    object.text("asgName", instance.asg_name.as_deref());
    object.port("port", instance.port);
    object.port("securePort", instance.secure_port);
    object.close();
}

fn data_center(object: &mut Object<'_>, instance: &Instance<'_>, form: Form) {
    let Some(data_center) = &instance.data_center else { return };
    let out = object.key("dataCenterInfo");
    out.extend_from_slice(b"{\"@class\":\"");
    out.extend_from_slice(super::super::list::data_center_class(data_center.name).as_bytes());
    out.push(b'"');
    if let Some(name) = data_center.name {
        out.extend_from_slice(b",\"name\":\"");
        out.extend_from_slice(name.as_str().as_bytes());
        out.push(b'"');
    }
    if data_center.name == Some(DataCenterName::Amazon) {
        out.extend_from_slice(b",\"metadata\":");
        map(out, pairs::shown(&data_center.metadata, form));
    }
    out.push(b'}');
}

fn lease(object: &mut Object<'_>, instance: &Instance<'_>) {
    let Some(lease) = &instance.lease else { return };
    let mut fields = Object::open(object.key("leaseInfo"));
    fields.number("renewalIntervalInSecs", lease.renewal_interval_s);
    fields.number("durationInSecs", lease.duration_s);
    fields.number("registrationTimestamp", lease.registration);
    fields.number("lastRenewalTimestamp", lease.last_renewal);
    fields.number("evictionTimestamp", lease.eviction);
    fields.number("serviceUpTimestamp", lease.service_up);
    fields.close();
}

/// Appends an object of strings.
pub(crate) fn map<'p>(out: &mut Vec<u8>, pairs: impl Iterator<Item = (&'p str, &'p str)>) {
    out.push(b'{');
    let mut first = true;
    for (key, value) in pairs {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        string(out, key);
        out.push(b':');
        string(out, value);
    }
    out.push(b'}');
}

/// An object being written. Names of fields are ours and need no escapes.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    pub(crate) fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    pub(crate) fn close(self) {
        self.out.push(b'}');
    }

    /// Appends the name of a field, whose value comes next.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.empty { b"\"" } else { b",\"" });
        self.empty = false;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Appends text, or nothing.
    pub(crate) fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            string(self.key(name), value);
        }
    }

    /// Appends one of our own words, which need no escapes.
    fn word(&mut self, name: &str, value: &str) {
        let out = self.key(name);
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }

    pub(crate) fn number(&mut self, name: &str, value: impl itoa::Integer) {
        number(self.key(name), value);
    }

    /// Appends a number as a string, as the protocol has its timestamps, or nothing.
    fn quoted_number(&mut self, name: &str, value: Option<u64>) {
        if let Some(value) = value {
            let out = self.key(name);
            out.push(b'"');
            number(out, value);
            out.push(b'"');
        }
    }

    fn port(&mut self, name: &str, port: Port) {
        let out = self.key(name);
        out.extend_from_slice(b"{\"$\":");
        number(out, port.number);
        out.extend_from_slice(b",\"@enabled\":\"");
        out.extend_from_slice(if port.enabled { b"true" } else { b"false" });
        out.extend_from_slice(b"\"}");
    }
}

/// Appends a number in decimal.
pub(crate) fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a string with its quotes.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (i, &byte) in bytes.iter().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[written..i]);
        written = i + 1;
        escape(out, byte);
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
