//! Lists of applications, in parts that can be encoded, deflated and kept apart from one another.

use super::json::write::{number, string};
use super::xml::write::{escaped, line};
use super::{DataCenterName, Form, Format, Instance, Place, write_instance};

/// Appends the beginning of a list. Full form has the two counters here, compact form in [`list_tail`].
///
/// `versions_delta` counts the changes of the registry (-1 in answers about a virtual address), `hash` is the
/// summary of statuses, empty for an empty registry.
pub fn list_head(out: &mut Vec<u8>, format: Format, form: Form, versions_delta: i64, hash: &str) {
    match (format, form) {
        (Format::Json, Form::Full) => {
            out.extend_from_slice(b"{\"applications\":{");
            json_counters(out, versions_delta, hash);
            out.extend_from_slice(b",\"application\":[");
        }
        (Format::Json, Form::Compact) => out.extend_from_slice(b"{\"applications\":{\"application\":["),
        (Format::Xml, Form::Full) => {
            out.extend_from_slice(b"<applications>");
            xml_counters(out, form, versions_delta, hash);
        }
        (Format::Xml, Form::Compact) => out.extend_from_slice(b"<applications>"),
    }
}

/// Appends the end of a list, with the same arguments as its [`list_head`].
pub fn list_tail(out: &mut Vec<u8>, format: Format, form: Form, versions_delta: i64, hash: &str) {
    match (format, form) {
        (Format::Json, Form::Full) => out.extend_from_slice(b"]}}"),
        (Format::Json, Form::Compact) => {
            out.extend_from_slice(b"],");
            json_counters(out, versions_delta, hash);
            out.extend_from_slice(b"}}");
        }
        (Format::Xml, Form::Full) => out.extend_from_slice(b"\n</applications>"),
        (Format::Xml, Form::Compact) => {
            xml_counters(out, form, versions_delta, hash);
            out.extend_from_slice(b"</applications>");
        }
    }
}

fn json_counters(out: &mut Vec<u8>, versions_delta: i64, hash: &str) {
    out.extend_from_slice(b"\"versions__delta\":\"");
    number(out, versions_delta);
    out.extend_from_slice(b"\",\"apps__hashcode\":");
    string(out, hash);
}

fn xml_counters(out: &mut Vec<u8>, form: Form, versions_delta: i64, hash: &str) {
    line(out, form, 1);
    out.extend_from_slice(b"<versions__delta>");
    number(out, versions_delta);
    out.extend_from_slice(b"</versions__delta>");
    line(out, form, 1);
    out.extend_from_slice(b"<apps__hashcode>");
    escaped(out, hash);
    out.extend_from_slice(b"</apps__hashcode>");
}

/// Appends the beginning of an application inside a list.
pub fn application_open(out: &mut Vec<u8>, format: Format, form: Form, name: &str) {
    open(out, format, form, 1, name);
}

/// Appends the end of an application inside a list.
pub fn application_close(out: &mut Vec<u8>, format: Format, form: Form) {
    close(out, format, form, 1);
}

/// What stands between two instances of an application and between two applications of a list.
#[must_use]
pub const fn separator(format: Format) -> &'static [u8] {
    match format {
        Format::Json => b",",
        Format::Xml => b"",
    }
}

/// Appends the beginning of the answer to a request for one application.
pub fn application_document_open(out: &mut Vec<u8>, format: Format, form: Form, name: &str) {
    if format == Format::Json {
        out.extend_from_slice(b"{\"application\":");
    }
    open(out, format, form, 0, name);
}

/// Appends its end.
pub fn application_document_close(out: &mut Vec<u8>, format: Format, form: Form) {
    close(out, format, form, 0);
    if format == Format::Json {
        out.push(b'}');
    }
}

/// Appends the answer to a request for one application.
pub fn write_application_document<'i, 'a: 'i>(
    out: &mut Vec<u8>,
    name: &str,
    instances: impl IntoIterator<Item = &'i Instance<'a>>,
    format: Format,
    form: Form,
) {
    application_document_open(out, format, form, name);
    for (i, instance) in instances.into_iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(separator(format));
        }
        write_instance(out, instance, format, form, Place::InApplication);
    }
    application_document_close(out, format, form);
}

fn open(out: &mut Vec<u8>, format: Format, form: Form, depth: usize, name: &str) {
    match format {
        Format::Json => {
            out.extend_from_slice(b"{\"name\":");
            string(out, name);
            out.extend_from_slice(b",\"instance\":[");
        }
        Format::Xml => {
            if depth > 0 {
                line(out, form, depth);
            }
            out.extend_from_slice(b"<application>");
            line(out, form, depth + 1);
            out.extend_from_slice(b"<name>");
            escaped(out, name);
            out.extend_from_slice(b"</name>");
        }
    }
}

fn close(out: &mut Vec<u8>, format: Format, form: Form, depth: usize) {
    match format {
        Format::Json => out.extend_from_slice(b"]}"),
        Format::Xml => {
            line(out, form, depth);
            out.extend_from_slice(b"</application>");
        }
    }
}

/// The Java class that readers expect a data center of this name to be.
pub(crate) const fn data_center_class(name: Option<DataCenterName>) -> &'static str {
    match name {
        Some(DataCenterName::Amazon) => "com.netflix.appinfo.AmazonInfo",
        _ => "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo",
    }
}
