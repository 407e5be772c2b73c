//! Objects and lists, one visitor for each, shared by everything that is read from JSON.
//!
//! A value that is well-formed but unusable does not stop the reading: it is noted, and whoever reads a list
//! of records refuses that one record and goes on. Broken syntax and exceeded counts do stop it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::scalar::Scalar;
use crate::eureka::limits::{Budget, DecodeError, Limits};

/// What is kept while one body is read.
#[derive(Debug)]
pub(crate) struct Session<'l> {
    limits: &'l Limits,
    budget: Budget<'l>,
    items: usize,
    depth: usize,
    problem: Option<DecodeError>,
    fatal: Option<DecodeError>,
}

impl Session<'_> {
    /// Notes the first thing that makes the present record unusable.
    pub(crate) fn note(&mut self, problem: DecodeError) {
        self.problem.get_or_insert(problem);
    }

    /// Takes what was noted since the last call, and starts to count for the next record.
    fn next_record(&mut self) -> Option<DecodeError> {
        self.budget = Budget::new(self.limits);
        self.problem.take()
    }

    /// The value of `result`, or none with its problem noted.
    pub(crate) fn keep<T>(&mut self, result: Result<Option<T>, DecodeError>) -> Option<T> {
        result.unwrap_or_else(|problem| {
            self.note(problem);
            None
        })
    }

    /// Counts one more member of a list.
    fn item<E: Error>(&mut self) -> Result<(), E> {
        self.items += 1;
        if self.items > self.limits.items_max {
            return Err(self.stop(DecodeError::TooMuch { what: "items", max: self.limits.items_max }));
        }
        Ok(())
    }

    /// Whether one more key may join metadata; if not, that is noted.
    pub(crate) fn has_room_for_key(&mut self, keys: usize) -> bool {
        let room = self.budget.key(keys);
        self.keep(room.map(Some)).is_some()
    }

    fn enter<E: Error>(&mut self) -> Result<(), E> {
        self.depth += 1;
        self.budget.depth(self.depth).map_err(|limit| self.stop(limit))
    }

    fn stop<E: Error>(&mut self, fatal: DecodeError) -> E {
        self.fatal = Some(fatal);
        E::custom("over a limit")
    }

    /// Reads the next value as a scalar.
    fn scalar<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Scalar<'de>, A::Error> {
        let raw = map.next_value::<&RawValue>()?;
        let value = Scalar::parse(raw.get()).map_err(A::Error::custom)?;
        if matches!(value, Scalar::Nested(_)) {
            self.pass(raw)?;
        }
        Ok(value)
    }

    /// Checks the depth of a value that is not looked at any further.
    fn pass<E: Error>(&mut self, raw: &RawValue) -> Result<(), E> {
        self.budget.depth(self.depth + depth(raw.get())).map_err(|limit| self.stop(limit))
    }

    /// Reads the next value as text.
    pub(crate) fn text<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        field: &'static str,
    ) -> Result<Option<Cow<'de, str>>, A::Error> {
        self.text_named(map, || Cow::Borrowed(field))
    }

    /// Reads the next value as the text of a field whose name is only put together for an error.
    pub(crate) fn text_named<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        field: impl FnOnce() -> Cow<'static, str>,
    ) -> Result<Option<Cow<'de, str>>, A::Error> {
        let text = self.scalar(map)?.text().map_err(|reason| DecodeError::field(field(), reason));
        let text = self.keep(text);
        Ok(text.filter(|text| self.count(text)))
    }

    /// Counts text that is kept; false, with the problem noted, if there is too much of it.
    pub(crate) fn count(&mut self, text: &str) -> bool {
        let counted = self.budget.text(text);
        self.keep(counted.map(Some)).is_some()
    }

    /// Reads the next value as a whole number.
    pub(crate) fn integer<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        field: &'static str,
    ) -> Result<Option<i64>, A::Error> {
        let number = self.scalar(map)?.integer().map_err(|reason| DecodeError::field(field, reason));
        Ok(self.keep(number))
    }

    /// Reads the next value as a flag.
    pub(crate) fn boolean<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        field: &'static str,
    ) -> Result<Option<bool>, A::Error> {
        let flag = self.scalar(map)?.boolean().map_err(|reason| DecodeError::field(field, reason));
        Ok(self.keep(flag))
    }

    /// Passes over the next value, whatever it is.
    pub(crate) fn skip<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let raw = map.next_value::<&RawValue>()?;
        self.pass(raw)
    }
}

/// Something read from a JSON object, field by field.
pub(crate) trait Fields<'de> {
    /// What errors call it.
    const NAME: &'static str;

    /// Takes the value of the field `key`, which must be read from `map`, if only to skip it.
    fn field<A: MapAccess<'de>>(
        &mut self,
        session: &mut Session<'_>,
        key: Cow<'de, str>,
        map: &mut A,
    ) -> Result<(), A::Error>;

    /// Takes a value that is no object. Null and empty text stand for an absent object by default.
    fn scalar(&mut self, value: Scalar<'de>) -> Result<(), DecodeError> {
        match value {
            Scalar::Null => Ok(()),
            Scalar::Text(text) if text.is_empty() => Ok(()),
            other => Err(not_an_object(Self::NAME, &other)),
        }
    }
}

/// The refusal of a value that should have been an object.
pub(crate) fn not_an_object(name: &'static str, found: &Scalar<'_>) -> DecodeError {
    let found = match found {
        Scalar::Null => "null",
        Scalar::Bool(_) => "true or false",
        Scalar::Number(_) => "a number",
        Scalar::Text(_) => "text",
        Scalar::Nested(kind) => kind,
    };
    DecodeError::field(name, format!("expected an object, found {found}"))
}

/// Reads the whole of `text` into `value`.
pub(crate) fn read<'de, T: Fields<'de>>(
    text: &'de str,
    limits: &Limits,
    value: &mut T,
) -> Result<(), DecodeError> {
    let mut session =
        Session { limits, budget: Budget::new(limits), items: 0, depth: 0, problem: None, fatal: None };
    let mut input = serde_json::Deserializer::from_str(text);
    let read = Object { session: &mut session, value }.deserialize(&mut input).and_then(|_| input.end());
    match (session.fatal, read, session.problem) {
        (Some(fatal), ..) => Err(fatal),
        (None, Err(syntax), _) => Err(DecodeError::Malformed { format: "JSON", reason: syntax.to_string() }),
        (None, Ok(()), Some(problem)) => Err(problem),
        (None, Ok(()), None) => Ok(()),
    }
}

/// Reads an object into `value`; tells whether there was one.
pub(crate) struct Object<'s, 'l, T> {
    /// The body's session.
    pub(crate) session: &'s mut Session<'l>,
    /// Takes the fields.
    pub(crate) value: &'s mut T,
}

impl<'de, T: Fields<'de>> Object<'_, '_, T> {
    fn scalar<E: Error>(self, value: Scalar<'de>) -> Result<bool, E> {
        if let Err(problem) = self.value.scalar(value) {
            self.session.note(problem);
        }
        Ok(false)
    }
}

impl<'de, T: Fields<'de>> DeserializeSeed<'de> for Object<'_, '_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<bool, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T: Fields<'de>> Visitor<'de> for Object<'_, '_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object for {}", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        self.session.enter()?;
        while let Some(key) = map.next_key_seed(Key)? {
            self.value.field(self.session, key, &mut map)?;
        }
        self.session.depth -= 1;
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            self.session.pass(raw)?;
        }
        self.scalar(Scalar::Nested("a list"))
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        self.scalar(Scalar::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        self.scalar(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<bool, E> {
        self.scalar(Scalar::Number(value.to_string().into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<bool, E> {
        self.scalar(Scalar::Number(value.to_string().into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<bool, E> {
        self.scalar(Scalar::Number(value.to_string().into()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<bool, E> {
        self.scalar(Scalar::Text(value.to_owned().into()))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<bool, E> {
        self.scalar(Scalar::Text(value.into()))
    }
}

/// Reads a list of objects, or a single object in its place, and hands each over with what was wrong with it.
/// Tells whether there was a list.
pub(crate) struct List<'s, 'l, T, F> {
    session: &'s mut Session<'l>,
    name: &'static str,
    each: F,
    of: PhantomData<T>,
}

impl<'s, 'l, T, F> List<'s, 'l, T, F> {
    pub(crate) fn new(session: &'s mut Session<'l>, name: &'static str, each: F) -> Self {
        Self { session, name, each, of: PhantomData }
    }

    fn refuse<E: Error>(self, found: &str) -> Result<bool, E> {
        self.session.note(DecodeError::field(self.name, format!("expected a list, found {found}")));
        Ok(false)
    }
}

impl<'de, T, F> DeserializeSeed<'de> for List<'_, '_, T, F>
where
    T: Fields<'de> + Default,
    F: FnMut(T, Option<DecodeError>),
{
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<bool, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de, T, F> Visitor<'de> for List<'_, '_, T, F>
where
    T: Fields<'de> + Default,
    F: FnMut(T, Option<DecodeError>),
{
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list for {}", self.name)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<bool, A::Error> {
        self.session.enter()?;
        let outside = self.session.next_record();
        loop {
            let mut value = T::default();
            if seq.next_element_seed(Object { session: self.session, value: &mut value })?.is_none() {
                break;
            }
            self.session.item()?;
            (self.each)(value, self.session.next_record());
        }
        self.session.problem = outside;
        self.session.depth -= 1;
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<bool, A::Error> {
        let outside = self.session.next_record();
        let mut value = T::default();
        Object { session: self.session, value: &mut value }.visit_map(map)?;
        self.session.item()?;
        (self.each)(value, self.session.next_record());
        self.session.problem = outside;
        Ok(true)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        self.refuse("true or false")
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        self.refuse("a number")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        self.refuse("a number")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        self.refuse("a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        if text.is_empty() { Ok(false) } else { self.refuse("text") }
    }
}

/// Reads the name of a field, borrowed unless it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }
}

/// How deep the brackets of a well-formed value go.
fn depth(raw: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
