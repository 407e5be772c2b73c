//! What a server says about itself.

use super::json::write::{Object, full, map, string};
use super::xml::write as xml;
use super::{Form, Format, Instance, Status};

/// The answer to `GET status`.
#[derive(Debug, Clone, Copy)]
pub struct StatusDocument<'d> {
    /// Facts about the machine: `environment`, `num-of-cpus`, `total-avail-memory`, `current-memory-usage`,
    /// `server-uptime`.
    pub general: &'d [(&'d str, &'d str)],
    /// Facts about the peers: `registered-replicas`, `available-replicas`, `unavailable-replicas`.
    pub application: &'d [(&'d str, &'d str)],
    /// The server's own record.
    pub instance: &'d Instance<'d>,
    /// Whether enough peers are available; only said by servers that are told how many are enough.
    pub healthy: Option<bool>,
}

/// Appends a status document. JSON has no root name here, and calls one field `isHeathly`.
pub fn write_status_document(out: &mut Vec<u8>, document: &StatusDocument<'_>, format: Format) {
    let healthy = document.healthy.map(|healthy| if healthy { "true" } else { "false" });
    match format {
        Format::Json => {
            let mut object = Object::open(out);
            map(object.key("generalStats"), document.general.iter().copied());
            map(object.key("applicationStats"), document.application.iter().copied());
            full(object.key("instanceInfo"), document.instance);
            if let Some(healthy) = healthy {
                object.key("isHeathly").extend_from_slice(healthy.as_bytes());
            }
            object.close();
        }
        Format::Xml => {
            let mut root = xml::Element::open(out, Form::Full, 0, "com.netflix.eureka.util.StatusInfo");
            root.map("generalStats", document.general.iter().copied());
            root.map("applicationStats", document.application.iter().copied());
            let mut instance = root.child("instanceInfo");
            xml::full(&mut instance, document.instance);
            instance.close();
            root.text("isHeathly", healthy);
            root.close();
        }
    }
}

/// Appends the overrides in force, as `{"ID":"STATUS",…}`; JSON is their only format.
pub fn write_status_overrides<'o>(out: &mut Vec<u8>, overrides: impl IntoIterator<Item = (&'o str, Status)>) {
    out.push(b'{');
    for (i, (id, status)) in overrides.into_iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(out, id);
        out.push(b':');
        string(out, status.as_str());
    }
    out.push(b'}');
}
