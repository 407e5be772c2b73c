//! Reads a list of applications, as a node does at start-up from a peer, Java or Synod.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::json::object::{Fields, List, Object, Session, not_an_object, read};
use super::json::scalar::Scalar;
use super::limits;
use super::{DecodeError, Instance, Limits};

/// A list of applications.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applications<'a> {
    /// The peer's counter of changes, as it was spelled.
    pub versions_delta: Option<Cow<'a, str>>,
    /// The peer's summary of statuses.
    pub hash: Option<Cow<'a, str>>,
    /// The applications in received order.
    pub applications: Vec<Application<'a>>,
    /// Why instances were left out: one bad record does not make the others worthless.
    pub refused: Vec<DecodeError>,
}

/// The instances of one application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Application<'a> {
    /// The name above the list; each instance carries its own too.
    pub name: Option<Cow<'a, str>>,
    /// The usable instances in received order.
    pub instances: Vec<Instance<'a>>,
}

/// Reads a JSON list of applications in full form, with or without its `applications` wrapper.
///
/// # Errors
///
/// [`DecodeError`] if the body is not valid UTF-8, not well-formed, no list, or has too many items. What
/// makes a single instance unusable is reported in [`Applications::refused`] instead.
pub fn decode_applications<'a>(body: &'a [u8], limits: &Limits) -> Result<Applications<'a>, DecodeError> {
    let mut root = Root::default();
    read(limits::text(body)?, limits, &mut root)?;
    if root.found { Ok(root.list) } else { Err(DecodeError::Missing { field: "applications" }) }
}

#[derive(Default)]
struct Root<'de> {
    list: Applications<'de>,
    /// Whether there was anything to make it out of: an empty registry is a fact, an empty object is none.
    found: bool,
}

impl<'de> Fields<'de> for Root<'de> {
    const NAME: &'static str = "applications";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if key == "applications" {
            self.found |= map.next_value_seed(Object { session, value: &mut self.list })?;
            return Ok(());
        }
        self.found |= key == "application";
        self.list.field(session, key, map)
    }

    fn scalar(&mut self, value: Scalar<'de>) -> Result<(), DecodeError> {
        Err(not_an_object(Self::NAME, &value))
    }
}

impl<'de> Fields<'de> for Applications<'de> {
    const NAME: &'static str = "applications";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "versions__delta" => self.versions_delta = session.text(map, "versions__delta")?,
            "apps__hashcode" => self.hash = session.text(map, "apps__hashcode")?,
            "application" => {
                let each = |read: ReadApplication<'de>, problem: Option<DecodeError>| {
                    self.refused.extend(read.refused);
                    self.refused.extend(problem);
                    self.applications.push(read.application);
                };
                map.next_value_seed(List::new(session, "application", each))?;
            }
            _ => session.skip(map)?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct ReadApplication<'de> {
    application: Application<'de>,
    refused: Vec<DecodeError>,
}

impl<'de> Fields<'de> for ReadApplication<'de> {
    const NAME: &'static str = "application";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "name" => self.application.name = session.text(map, "application.name")?,
            "instance" => {
                let each = |instance: Instance<'de>, problem: Option<DecodeError>| match problem {
                    None => self.application.instances.push(instance),
                    Some(problem) => self.refused.push(problem),
                };
                map.next_value_seed(List::new(session, "instance", each))?;
            }
            _ => session.skip(map)?,
        }
        Ok(())
    }
}
