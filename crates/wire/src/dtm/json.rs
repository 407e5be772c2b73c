//! Reading JSON as Go's decoder does, because clients lean on it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::limits::{DecodeError, Limits};

/// A body as text.
pub(super) fn text(body: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(body).map_err(|error| DecodeError::Json(error.to_string()))
}

/// The members of an object in the order they came, those of the same name too. Null is an object without any.
pub(super) fn members(text: &str) -> Result<Vec<(Cow<'_, str>, Value<'_>)>, DecodeError> {
    let Members(members) =
        serde_json::from_str(text).map_err(|error| DecodeError::Json(error.to_string()))?;
    Ok(members)
}

/// A field's name as it is declared: in small letters.
pub(super) fn lower(key: &str) -> Cow<'_, str> {
    if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(key.to_ascii_lowercase())
    } else {
        Cow::Borrowed(key)
    }
}

/// The text of one well-formed value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value<'a>(&'a str);

impl<'a> Value<'a> {
    /// As it stands.
    pub(super) const fn raw(self) -> &'a str {
        self.0
    }

    fn is_null(self) -> bool {
        self.0 == "null"
    }

    const fn kind(self) -> &'static str {
        match self.0.as_bytes() {
            [b'"', ..] => "text",
            [b'{', ..] => "an object",
            [b'[', ..] => "a list",
            [b't' | b'f', ..] => "true or false",
            [b'n', ..] => "null",
            _ => "a number",
        }
    }

    fn parse<T: Deserialize<'a>>(
        self,
        field: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, DecodeError> {
        let refuse =
            |_| DecodeError::field(field, format!("expected {expected}, found {} that is none", self.kind()));
        if self.is_null() { Ok(None) } else { serde_json::from_str(self.0).map(Some).map_err(refuse) }
    }

    /// Text, borrowed unless it has escapes; none for null.
    pub(super) fn text(self, field: &'static str) -> Result<Option<Cow<'a, str>>, DecodeError> {
        Ok(self.parse::<Key<'a>>(field, "text")?.map(|Key(text)| text))
    }

    /// True or false; false for null.
    pub(super) fn boolean(self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.parse(field, "true or false")?.unwrap_or(false))
    }

    /// A whole number that is not negative; 0 for null.
    pub(super) fn count<T: Deserialize<'a> + Default>(self, field: &'static str) -> Result<T, DecodeError> {
        Ok(self.parse(field, "a whole number from 0 on")?.unwrap_or_default())
    }

    /// The items of a list; none for null.
    pub(super) fn list(self, field: &'static str) -> Result<Vec<Self>, DecodeError> {
        let items: Option<Vec<&RawValue>> = self.parse(field, "a list")?;
        Ok(items.unwrap_or_default().into_iter().map(|item| Self(item.get())).collect())
    }

    /// The members of an object; none for null and for an empty list, which is how PHP writes an empty map.
    pub(super) fn object(self, field: &'static str) -> Result<Vec<(Cow<'a, str>, Self)>, DecodeError> {
        if self.0.starts_with('[') && self.list(field)?.is_empty() {
            return Ok(Vec::new());
        }
        let members: Option<Members<'a>> = self.parse(field, "an object")?;
        Ok(members.map(|Members(members)| members).unwrap_or_default())
    }

    /// A map of texts. Names are taken as they are, null as a value is the empty text.
    pub(super) fn texts(
        self,
        field: &'static str,
        limits: &Limits,
    ) -> Result<BTreeMap<String, String>, DecodeError> {
        let members = self.object(field)?;
        limits.pairs(field, members.len())?;
        let mut texts = BTreeMap::new();
        for (key, value) in members {
            let text = value.text(field)?.unwrap_or_default();
            limits.text(field, &key)?;
            limits.text(field, &text)?;
            texts.insert(key.into_owned(), text.into_owned());
        }
        Ok(texts)
    }
}

/// Text that is borrowed where it can be.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
            members.push((key, Value(value.get())));
        }
        Ok(Members(members))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Members(Vec::new()))
    }

    /// Says only what was expected: the value itself may hold any word.
    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom("expected an object, found text"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(A::Error::custom("expected an object, found a list"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_order_and_their_text() {
        let found = members(" {\"a\" : [1, 2] , \"A\":null,\"a\":\"\\u0041\"} ").unwrap();
        let raw: Vec<_> = found.iter().map(|(key, value)| (&**key, value.raw())).collect();
        assert_eq!(raw, [("a", "[1, 2]"), ("A", "null"), ("a", "\"\\u0041\"")]);
        assert_eq!(found[2].1.text("f").unwrap().as_deref(), Some("A"));
        assert_eq!(members("null").unwrap().len(), 0);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["", "[]", "\"FAILURE\"", "1", "true", "{", "{} {}", "{\"a\"}", "{1:2}"] {
            let error = members(text).unwrap_err();
            assert!(matches!(error, DecodeError::Json(_)), "{text}: {error}");
            assert!(!error.to_string().contains("FAILURE"), "{error}");
        }
    }

    #[test]
    fn types_are_named_in_errors() {
        let value = |text| members(text).unwrap()[0].1;
        let error = value("{\"a\":12}").text("gid").unwrap_err().to_string();
        assert_eq!(error, "gid: expected text, found a number that is none");
        assert!(value("{\"a\":-1}").count::<u32>("n").is_err());
        assert!(value("{\"a\":1.5}").count::<u32>("n").is_err());
        assert!(value("{\"a\":\"1\"}").count::<u32>("n").is_err());
        assert!(value("{\"a\":1}").boolean("b").is_err());
        assert!(value("{\"a\":{}}").list("l").is_err());
        assert!(value("{\"a\":[1]}").object("o").is_err());
        assert_eq!(value("{\"a\":[ ]}").object("o").unwrap().len(), 0);
    }

    #[test]
    fn brackets_however_deep_cost_nothing() {
        let deep = "[".repeat(200_000) + &"]".repeat(200_000);
        let text = format!("{{\"a\":{deep}}}");
        assert_eq!(members(&text).unwrap()[0].1.raw().len(), 400_000);
        assert!(members(&text).unwrap()[0].1.text("t").is_err());
    }
}
