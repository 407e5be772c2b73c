//! The Eureka protocol, version 2, in JSON and XML.
//!
//! *Reading is lenient.* Clients in a dozen languages send dialects of their own, so whatever has one obvious
//! meaning is accepted: unknown values of any shape, a bare instance without its `instance` wrapper, numbers
//! as strings and strings as numbers, a single object where a list belongs. Refused is what would make the
//! record useless or ambiguous: another data center name than the three, a nested metadata value, a port that
//! is no number. An error names the field.
//!
//! *Writing is strict.* Output has exactly the fields, order and types of the original server (the files under
//! `testdata/eureka` are its recorded answers), because many clients reject anything else. Writers append
//! to a `Vec<u8>` and cannot fail; no field value makes them produce an invalid document.
//!
//! A list too big to be encoded in one piece is put together from parts, in this order:
//! [`list_head`], then per application [`application_open`], its instances with [`separator`] between them,
//! [`application_close`], with [`separator`] between applications, and [`list_tail`].

use std::borrow::Cow;

mod applications;
mod batch;
mod instance;
mod json;
mod limits;
mod list;
mod pairs;
mod status;
mod xml;

pub use applications::{Application, Applications, decode_applications};
pub use batch::{
    ActionKind, BatchItem, ItemAction, ItemAnswer, decode_batch, decode_batch_response, write_batch,
    write_batch_response,
};
pub use instance::{Action, DataCenter, DataCenterName, Instance, Lease, Port, Status};
pub use limits::{DecodeError, Limits};
pub use list::{
    application_close, application_document_close, application_document_open, application_open, list_head,
    list_tail, separator, write_application_document,
};
pub use status::{StatusDocument, write_status_document, write_status_overrides};

/// Names and values in the order in which they were received.
pub type Pairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The two encodings every resource offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/xml`, which the protocol prefers when a client does not say.
    Xml,
}

/// How much of an instance is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Every field.
    Full,
    /// The reduced set asked for with `X-Eureka-Accept: compact`; never indented.
    Compact,
}

/// Where an instance is written, which decides its wrapper (JSON) and its indentation (full XML).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A document of its own: `{"instance":{…}}` or the root element `instance`.
    Alone,
    /// Inside a document that holds one application.
    InApplication,
    /// Inside a list of applications.
    InList,
}

/// Reads one instance, as sent with a registration.
///
/// # Errors
///
/// [`DecodeError`] if the body is not valid UTF-8, not well-formed, over a limit, or a field of it is unusable.
/// Fields that are merely absent are not an error here: which ones a registration needs is the server's rule.
pub fn decode_instance<'a>(
    body: &'a [u8],
    format: Format,
    limits: &Limits,
) -> Result<Instance<'a>, DecodeError> {
    let text = limits::text(body)?;
    match format {
        Format::Json => json::read::instance(text, limits),
        Format::Xml => xml::read::instance(text, limits),
    }
}

/// Appends one instance.
pub fn write_instance(out: &mut Vec<u8>, instance: &Instance<'_>, format: Format, form: Form, place: Place) {
    match format {
        Format::Json => json::write::instance(out, instance, form, place),
        Format::Xml => xml::write::instance(out, instance, form, place),
    }
}

/// Appends the answer to a request for one instance, which is always in full form.
pub fn write_instance_document(out: &mut Vec<u8>, instance: &Instance<'_>, format: Format) {
    write_instance(out, instance, format, Form::Full, Place::Alone);
}
