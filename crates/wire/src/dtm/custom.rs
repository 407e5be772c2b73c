//! The JSON text in `custom_data`, which means something else for each kind of transaction.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::limits::{DecodeError, Limits};
use super::{base64, json};

const FIELD: &str = "custom_data";

/// Of a saga.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SagaCustom {
    /// Steps that come after others; all counted from 0.
    pub orders: BTreeMap<usize, Vec<usize>>,
    /// Whether steps run at once; otherwise the orders have no meaning.
    pub concurrent: bool,
}

/// Of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCustom {
    /// Delivered no sooner after its creation.
    pub delay_s: u32,
}

/// Of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkflowCustom {
    /// Which function of the client's.
    pub name: String,
    /// Its argument.
    pub data: Bytes,
}

/// The members of the text; an empty one has none.
fn members(text: &str) -> Result<Vec<(std::borrow::Cow<'_, str>, json::Value<'_>)>, DecodeError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    json::members(text).map_err(|error| DecodeError::field(FIELD, error.to_string()))
}

impl SagaCustom {
    /// Reads it. Whether the steps exist and the orders lead to an end is not asked here.
    ///
    /// # Errors
    /// It is not JSON of this kind, or over a limit.
    pub fn decode(text: &str, limits: &Limits) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        for (key, value) in members(text)? {
            match &*json::lower(&key) {
                "concurrent" => read.concurrent = value.boolean(FIELD)?,
                "orders" => read.orders = orders(value, limits)?,
                _ => {}
            }
        }
        Ok(read)
    }

    /// Writes it.
    pub fn encode(&self) -> String {
        let orders = serde_json::to_string(&self.orders).expect("numbers and lists of them");
        format!("{{\"concurrent\":{},\"orders\":{orders}}}", self.concurrent)
    }
}

fn orders(value: json::Value<'_>, limits: &Limits) -> Result<BTreeMap<usize, Vec<usize>>, DecodeError> {
    let members = value.object(FIELD)?;
    limits.steps(FIELD, members.len())?;
    let mut orders = BTreeMap::new();
    for (step, before) in members {
        let step = step.parse().map_err(|_| DecodeError::field(FIELD, "orders whose key is no step"))?;
        let before = before.list(FIELD)?;
        limits.steps(FIELD, before.len())?;
        let before: Vec<usize> =
            before.into_iter().map(|step| step.count(FIELD)).collect::<Result<_, _>>()?;
        orders.insert(step, before);
    }
    Ok(orders)
}

impl MessageCustom {
    /// Reads it.
    ///
    /// # Errors
    /// It is not JSON of this kind.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        for (key, value) in members(text)? {
            if json::lower(&key) == "delay" {
                read.delay_s = value.count(FIELD)?;
            }
        }
        Ok(read)
    }

    /// Writes it.
    pub fn encode(&self) -> String {
        format!("{{\"delay\":{}}}", self.delay_s)
    }
}

impl WorkflowCustom {
    /// Reads it.
    ///
    /// # Errors
    /// It is not JSON of this kind, or over a limit.
    pub fn decode(text: &str, limits: &Limits) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        for (key, value) in members(text)? {
            match &*json::lower(&key) {
                "name" => read.name = value.text(FIELD)?.unwrap_or_default().into_owned(),
                "data" => {
                    let bytes = base64::decode(&value.text(FIELD)?.unwrap_or_default());
                    read.data =
                        bytes.ok_or_else(|| DecodeError::field(FIELD, "data that is no Base64"))?.into();
                }
                _ => {}
            }
        }
        limits.text(FIELD, &read.name)?;
        limits.payload(FIELD, &read.data)?;
        Ok(read)
    }

    /// Writes it as the Go client does.
    pub fn encode(&self) -> String {
        let data = if self.data.is_empty() { None } else { Some(base64::encode(&self.data)) };
        let text = |text: &Option<String>| serde_json::to_string(text).expect("a text");
        format!("{{\"data\":{},\"name\":{}}}", text(&data), text(&Some(self.name.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::REQUEST;

    #[test]
    fn sagas() {
        let read = |text| SagaCustom::decode(text, &LIMITS);
        let orders = BTreeMap::from([(2, vec![0, 1])]);
        let expected = SagaCustom { orders, concurrent: true };
        assert_eq!(read(r#"{"orders":{"2":[0,1]},"concurrent":true}"#), Ok(expected.clone()));
        assert_eq!(read(r#"{"Concurrent":true,"ORDERS":{"2":[0,1]},"x":1}"#), Ok(expected.clone()));
        assert_eq!(expected.encode(), r#"{"concurrent":true,"orders":{"2":[0,1]}}"#);
        let plain = SagaCustom { concurrent: true, ..SagaCustom::default() };
        for text in [r#"{"orders":null,"concurrent":true}"#, r#"{"orders":[],"concurrent":true}"#] {
            assert_eq!(read(text), Ok(plain.clone()), "{text}");
        }
        assert_eq!(read(r#"{"orders":{"1":null}}"#).map(|read| read.orders[&1].len()), Ok(0));
        assert_eq!(read(""), Ok(SagaCustom::default()));
        for text in [
            "x",
            "[]",
            r#"{"orders":{"a":[]}}"#,
            r#"{"orders":{"1":[-1]}}"#,
            r#"{"orders":[1]}"#,
            r#"{"concurrent":1}"#,
        ] {
            assert!(read(text).unwrap_err().to_string().starts_with("custom_data: "), "{text}");
        }
    }

    #[test]
    fn messages() {
        let read = |text| MessageCustom::decode(text).map(|read| read.delay_s);
        assert_eq!(read(r#"{"delay":5}"#), Ok(5));
        assert_eq!(read(r#"{"Delay":5}"#), Ok(5));
        assert_eq!(read(""), Ok(0));
        assert_eq!(MessageCustom { delay_s: 5 }.encode(), r#"{"delay":5}"#);
        assert!(read(r#"{"delay":-5}"#).is_err());
        assert!(read(r#"{"delay":"5"}"#).is_err());
    }

    #[test]
    fn workflows() {
        let read = |text| WorkflowCustom::decode(text, &LIMITS);
        let expected = WorkflowCustom { name: "wf".to_owned(), data: Bytes::from_static(b"{\"amount\":1}") };
        let text = r#"{"data":"eyJhbW91bnQiOjF9","name":"wf"}"#;
        assert_eq!(read(text), Ok(expected.clone()));
        assert_eq!(expected.encode(), text);
        assert_eq!(read(r#"{"name":"wf","data":null}"#).map(|read| read.data), Ok(Bytes::new()));
        assert!(read(r#"{"name":"wf","data":"*"}"#).is_err());
    }
}
