//! Writes XML as the original server does: full form indented by two spaces, compact form in one line, no
//! declaration.
//!
//! Every element begins with the line break before it, so that parts can be put after one another.

use super::name;
use crate::eureka::json::write::number;
use crate::eureka::list::data_center_class;
use crate::eureka::pairs;
use crate::eureka::{Action, DataCenterName, Form, Instance, Place, Port};

/// Appends an instance.
pub(crate) fn instance(out: &mut Vec<u8>, instance: &Instance<'_>, form: Form, place: Place) {
    let depth = match place {
        Place::Alone => 0,
        Place::InApplication => 1,
        Place::InList => 2,
    };
    let mut element = Element::open(out, form, depth, "instance");
    match form {
        Form::Full => full(&mut element, instance),
        Form::Compact => compact(&mut element, instance),
    }
    element.close();
}

/// Appends the children of an instance in full form.
pub(crate) fn full(element: &mut Element<'_>, instance: &Instance<'_>) {
    element.text("instanceId", instance.instance_id.as_deref());
    element.text("hostName", instance.host_name.as_deref());
    element.text("app", instance.app.as_deref());
    element.text("ipAddr", instance.ip_addr.as_deref());
    element.text("sid", instance.sid.as_deref().filter(|sid| !shows_as(sid, "na")));
    element.text("status", Some(instance.status.as_str()));
    element.text("overriddenstatus", Some(instance.overridden.as_str()));
    element.port("port", instance.port);
    element.port("securePort", instance.secure_port);
    element.number("countryId", Some(instance.country_id));
    data_center(element, instance);
    lease(element, instance);
    if instance.metadata.is_empty() {
        element.line().extend_from_slice(b"<metadata class=\"java.util.Collections$EmptyMap\"/>");
    } else {
        element.map("metadata", pairs::shown(&instance.metadata, Form::Full));
    }
    element.text("appGroupName", instance.app_group_name.as_deref());
    element.text("homePageUrl", instance.home_page_url.as_deref());
    element.text("statusPageUrl", instance.status_page_url.as_deref());
    element.text("healthCheckUrl", instance.health_check_url.as_deref());
    element.text("secureHealthCheckUrl", instance.secure_health_check_url.as_deref());
    element.text("vipAddress", instance.vip_address.as_deref());
    element.text("secureVipAddress", instance.secure_vip_address.as_deref());
    let is_coordinating = if instance.is_coordinating { "true" } else { "false" };
    element.text("isCoordinatingDiscoveryServer", Some(is_coordinating));
    element.number("lastUpdatedTimestamp", instance.last_updated);
    element.number("lastDirtyTimestamp", instance.last_dirty);
    element.text("actionType", instance.action.map(Action::as_str));
    element.text("asgName", instance.asg_name.as_deref());
}

fn compact(element: &mut Element<'_>, instance: &Instance<'_>) {
    element.text("instanceId", instance.instance_id.as_deref());
    element.text("app", instance.app.as_deref());
    element.text("appGroupName", instance.app_group_name.as_deref());
    element.text("ipAddr", instance.ip_addr.as_deref());
    element.text("vipAddress", instance.vip_address.as_deref());
    element.text("secureVipAddress", instance.secure_vip_address.as_deref());
    data_center(element, instance);
    element.text("hostName", instance.host_name.as_deref());
    element.text("status", Some(instance.status.as_str()));
    element.number("lastUpdatedTimestamp", instance.last_updated);
    element.text("actionType", instance.action.map(Action::as_str));
    element.text("asgName", instance.asg_name.as_deref());
    element.port("port", instance.port);
    element.port("securePort", instance.secure_port);
}

fn data_center(element: &mut Element<'_>, instance: &Instance<'_>) {
    let Some(data_center) = &instance.data_center else { return };
    let form = element.form;
    element.line().extend_from_slice(b"<dataCenterInfo class=\"");
    element.out.extend_from_slice(data_center_class(data_center.name).as_bytes());
    element.out.extend_from_slice(b"\">");
    let mut inner = Element { out: element.out, form, depth: element.depth + 1, name: "dataCenterInfo" };
    inner.text("name", data_center.name.map(DataCenterName::as_str));
    if data_center.name == Some(DataCenterName::Amazon) {
        inner.map("metadata", pairs::shown(&data_center.metadata, form));
    }
    inner.close();
}

fn lease(element: &mut Element<'_>, instance: &Instance<'_>) {
    let Some(lease) = &instance.lease else { return };
    let mut fields = element.child("leaseInfo");
    fields.number("renewalIntervalInSecs", Some(lease.renewal_interval_s));
    fields.number("durationInSecs", Some(lease.duration_s));
    fields.number("registrationTimestamp", Some(lease.registration));
    fields.number("lastRenewalTimestamp", Some(lease.last_renewal));
    fields.number("evictionTimestamp", Some(lease.eviction));
    fields.number("serviceUpTimestamp", Some(lease.service_up));
    fields.close();
}

/// An element being written.
pub(crate) struct Element<'o> {
    out: &'o mut Vec<u8>,
    form: Form,
    depth: usize,
    name: &'static str,
}

impl<'o> Element<'o> {
    /// Begins an element that lies `depth` levels below the root.
    pub(crate) fn open(out: &'o mut Vec<u8>, form: Form, depth: usize, name: &'static str) -> Self {
        if depth > 0 {
            line(out, form, depth);
        }
        open_tag(out, name);
        Self { out, form, depth, name }
    }

    /// Begins an element inside this one.
    pub(crate) fn child(&mut self, name: &'static str) -> Element<'_> {
        Element::open(self.out, self.form, self.depth + 1, name)
    }

    pub(crate) fn close(self) {
        line(self.out, self.form, self.depth);
        close_tag(self.out, self.name);
    }

    /// Begins the line of a child.
    fn line(&mut self) -> &mut Vec<u8> {
        line(self.out, self.form, self.depth + 1);
        self.out
    }

    /// Appends an element with text, or nothing.
    pub(crate) fn text(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            let out = self.line();
            open_tag(out, name);
            escaped(out, value);
            close_tag(out, name);
        }
    }

    fn number(&mut self, name: &str, value: Option<impl itoa::Integer>) {
        if let Some(value) = value {
            let out = self.line();
            open_tag(out, name);
            number(out, value);
            close_tag(out, name);
        }
    }

    fn port(&mut self, name: &str, port: Port) {
        let out = self.line();
        out.push(b'<');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(if port.enabled { b" enabled=\"true\">" } else { b" enabled=\"false\">" });
        number(out, port.number);
        close_tag(out, name);
    }

    /// Appends an element with one child per pair, leaving out keys that make no element name.
    pub(crate) fn map<'p>(&mut self, name: &'static str, pairs: impl Iterator<Item = (&'p str, &'p str)>) {
        let mut named = pairs.filter_map(|(key, value)| Some((name::from_key(key)?, value))).peekable();
        if named.peek().is_none() {
            let out = self.line();
            out.push(b'<');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"/>");
            return;
        }
        let mut child = self.child(name);
        for (name, value) in named {
            child.text(&name, Some(value));
        }
        child.close();
    }
}

/// Begins a line of the full form.
pub(crate) fn line(out: &mut Vec<u8>, form: Form, depth: usize) {
    if form == Form::Full {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    }
}

fn open_tag(out: &mut Vec<u8>, name: &str) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

fn close_tag(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// Whether `text` looks like `other` once it is written: what XML cannot hold is gone then.
fn shows_as(text: &str, other: &str) -> bool {
    let mut shown = Vec::with_capacity(text.len());
    escaped(&mut shown, text);
    shown == other.as_bytes()
}

/// Appends text. Characters that XML 1.0 cannot hold in any spelling are left out; a carriage return is
/// written as a reference, since readers would otherwise make a line feed of it.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut written = 0;
    let mut i = 0;
    while i < bytes.len() {
        let (replacement, len): (&[u8], usize) = match bytes[i] {
            b'&' => (b"&amp;", 1),
            b'<' => (b"&lt;", 1),
            b'>' => (b"&gt;", 1),
            b'\r' => (b"&#xd;", 1),
            b'\t' | b'\n' | b' '..=0xee | 0xf0.. => {
                i += 1;
                continue;
            }
            // U+FFFE and U+FFFF are no characters; all else that begins with this byte is.
            0xef if !matches!(bytes.get(i + 1..i + 3), Some([0xbf, 0xbe | 0xbf])) => {
                i += 1;
                continue;
            }
            0xef => (b"", 3),
            _ => (b"", 1),
        };
        out.extend_from_slice(&bytes[written..i]);
        out.extend_from_slice(replacement);
        i += len;
        written = i;
    }
    out.extend_from_slice(&bytes[written..]);
}
