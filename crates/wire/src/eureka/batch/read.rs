//! Reads batches and the answers to them.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::{ActionKind, BatchItem, ItemAction, ItemAnswer};
use crate::eureka::json::object::{Fields, List, Object, Session, not_an_object, read};
use crate::eureka::json::read::Root;
use crate::eureka::json::scalar::Scalar;
use crate::eureka::{DecodeError, Instance, Limits, limits};

/// Reads a replication batch.
///
/// # Errors
///
/// [`DecodeError::Missing`] if there is no list of items or it is null, any other [`DecodeError`] if the body
/// is not valid UTF-8, not well-formed, no object, or has too many items. The original server answers 500
/// to the former and 400 to the latter. What is wrong with one item is reported in [`BatchItem::refused`].
pub fn decode_batch<'a>(body: &'a [u8], limits: &Limits) -> Result<Vec<BatchItem<'a>>, DecodeError> {
    let mut items = Vec::new();
    let mut list = Listing::new("replicationList", |mut item: BatchItem<'a>, problem| {
        item.refused = problem;
        items.push(item);
    });
    read(limits::text(body)?, limits, &mut list)?;
    if list.found { Ok(items) } else { Err(DecodeError::Missing { field: "replicationList" }) }
}

/// Reads a peer's answer to a batch.
///
/// # Errors
///
/// As with [`decode_batch`]; an entry without a usable status code is an error too, as nobody could tell
/// what became of its item. A record that cannot be read counts as none.
pub fn decode_batch_response<'a>(
    body: &'a [u8],
    limits: &Limits,
) -> Result<Vec<ItemAnswer<'a>>, DecodeError> {
    let mut answers = Vec::new();
    let mut bad = None;
    let mut list = Listing::new("responseList", |answer: ReadAnswer<'a>, problem| {
        let instance = answer.instance.filter(|_| problem.is_none()).map(Box::new);
        match answer.status {
            Some(status) => answers.push(ItemAnswer { status, instance }),
            None => {
                bad.get_or_insert(DecodeError::field("statusCode", "expected an HTTP status code"));
            }
        }
    });
    read(limits::text(body)?, limits, &mut list)?;
    let found = list.found;
    match bad {
        Some(bad) => Err(bad),
        None if found => Ok(answers),
        None => Err(DecodeError::Missing { field: "responseList" }),
    }
}

/// An object whose one known field is a list.
struct Listing<T, F> {
    name: &'static str,
    found: bool,
    each: F,
    of: std::marker::PhantomData<T>,
}

impl<T, F: FnMut(T, Option<DecodeError>)> Listing<T, F> {
    fn new(name: &'static str, each: F) -> Self {
        Self { name, found: false, each, of: std::marker::PhantomData }
    }
}

impl<'de, T, F> Fields<'de> for Listing<T, F>
where
    T: Fields<'de> + Default,
    F: FnMut(T, Option<DecodeError>),
{
    const NAME: &'static str = "batch";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if key != self.name {
            return session.skip(map);
        }
        self.found |= map.next_value_seed(List::new(session, self.name, &mut self.each))?;
        Ok(())
    }

    fn scalar(&mut self, value: Scalar<'de>) -> Result<(), DecodeError> {
        Err(not_an_object(Self::NAME, &value))
    }
}

impl<'de> Fields<'de> for BatchItem<'de> {
    const NAME: &'static str = "item";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "appName" => self.app_name = session.text(map, "appName")?,
            "id" => self.id = session.text(map, "id")?,
            "lastDirtyTimestamp" => self.last_dirty = session.integer(map, "lastDirtyTimestamp")?,
            "status" => self.status = session.text(map, "status")?,
            "overriddenStatus" | "overriddenstatus" => {
                self.overridden = session.text(map, "overriddenStatus")?;
            }
            "instanceInfo" => self.instance = attached(session, map)?.map(Box::new),
            "action" => {
                self.action = match session.text(map, "action")? {
                    None => ItemAction::Missing,
                    Some(name) => {
                        ActionKind::parse(&name).map_or(ItemAction::Unknown(name), ItemAction::Known)
                    }
                }
            }
            _ => session.skip(map)?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct ReadAnswer<'de> {
    status: Option<u16>,
    instance: Option<Instance<'de>>,
}

impl<'de> Fields<'de> for ReadAnswer<'de> {
    const NAME: &'static str = "answer";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match key.as_ref() {
            "statusCode" => {
                let code = session.integer(map, "statusCode")?;
                self.status = code.and_then(|code| u16::try_from(code).ok());
            }
            "responseEntity" => self.instance = attached(session, map)?,
            _ => session.skip(map)?,
        }
        Ok(())
    }
}

/// An instance inside an item: bare, as Java writes it, or wrapped. None for null.
fn attached<'de, A: MapAccess<'de>>(
    session: &mut Session<'_>,
    map: &mut A,
) -> Result<Option<Instance<'de>>, A::Error> {
    let mut attached = Attached::default();
    let found = map.next_value_seed(Object { session, value: &mut attached })?;
    Ok(found.then_some(attached.0.instance))
}

/// The instance of an item, which may be null.
#[derive(Default)]
struct Attached<'de>(Root<'de>);

impl<'de> Fields<'de> for Attached<'de> {
    const NAME: &'static str = "instanceInfo";

    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        self.0.field(session, key, map)
    }
}
