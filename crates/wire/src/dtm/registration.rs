//! registerBranch: a flat map of texts that says what a branch of TCC, XA or a workflow is.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::limits::{DecodeError, Limits};
use super::transaction::clean;
use super::{json, op, status, trans_type};

/// A branch, or a finished step of a workflow. Absent and empty are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// Its transaction.
    pub gid: String,
    /// The transaction's type, which decides what the rest means.
    pub trans_type: String,
    /// Its id, which the client made.
    pub branch_id: String,
    /// TCC: what to send to the branch; workflow: the step's result or error.
    pub data: Bytes,
    /// TCC: URL.
    pub confirm: String,
    /// TCC: URL.
    pub cancel: String,
    /// XA: URL for both ends.
    pub url: String,
    /// Workflow: what the step was.
    pub op: String,
    /// Workflow: how it ended.
    pub status: String,
}

/// One of the rows that a registration makes, as the original stores and shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// What the branch is called for.
    pub op: &'a str,
    /// Where.
    pub url: &'a str,
    /// Whether that has happened.
    pub status: &'a str,
}

impl Registration {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// It is not a flat JSON object of texts, or over a limit.
    pub fn decode(body: &[u8], limits: &Limits) -> Result<Self, DecodeError> {
        Self::parse(json::text(body)?, limits)
    }

    pub(super) fn parse(text: &str, limits: &Limits) -> Result<Self, DecodeError> {
        let mut read = Self::default();
        for (key, value) in json::members(text)? {
            let text = value.text("registerBranch")?.unwrap_or_default();
            if key == "data" {
                read.data = Bytes::from(text.into_owned());
            } else {
                read.field(&key, text.into_owned());
            }
        }
        read.check(limits)?;
        Ok(read)
    }

    /// Puts one entry where it belongs; unknown ones are passed over.
    pub(super) fn field(&mut self, key: &str, text: String) {
        match key {
            "gid" => self.gid = clean(&text),
            "trans_type" => self.trans_type = text,
            "branch_id" => self.branch_id = text,
            "confirm" => self.confirm = text,
            "cancel" => self.cancel = text,
            "url" => self.url = text,
            "op" => self.op = text,
            "status" => self.status = text,
            _ => {}
        }
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), DecodeError> {
        limits.gid(&self.gid)?;
        limits.payload("data", &self.data)?;
        self.texts().into_iter().try_for_each(|(field, text)| limits.text(field, text))
    }

    const fn texts(&self) -> [(&'static str, &String); 7] {
        [
            ("trans_type", &self.trans_type),
            ("branch_id", &self.branch_id),
            ("confirm", &self.confirm),
            ("cancel", &self.cancel),
            ("url", &self.url),
            ("op", &self.op),
            ("status", &self.status),
        ]
    }

    /// Writes the body of a request; `data` must be text, what is none of it is replaced.
    pub fn encode(&self) -> Vec<u8> {
        let data = String::from_utf8_lossy(&self.data).into_owned();
        let texts = self.texts().into_iter().chain([("gid", &self.gid), ("data", &data)]);
        let map: BTreeMap<&str, &String> = texts.filter(|(_, text)| !text.is_empty()).collect();
        serde_json::to_vec(&map).expect("a map of texts")
    }

    /// The rows it makes, in the order in which the original stores them; none if its type has no branches to register.
    pub fn rows(&self) -> Option<Vec<Row<'_>>> {
        let waiting = |op, url| Row { op, url, status: status::PREPARED };
        match self.trans_type.as_str() {
            trans_type::TCC => {
                Some(vec![waiting(op::CANCEL, &self.cancel), waiting(op::CONFIRM, &self.confirm)])
            }
            trans_type::XA => Some(vec![waiting(op::ROLLBACK, &self.url), waiting(op::COMMIT, &self.url)]),
            trans_type::WORKFLOW => Some(vec![Row { op: &self.op, url: "", status: &self.status }]),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Registration, DecodeError> {
        Registration::decode(text.as_bytes(), &Limits::REQUEST)
    }

    #[test]
    fn each_type_makes_its_rows() {
        let row = |op, url, status| Row { op, url, status };
        let tcc =
            r#"{"gid":"g\n","trans_type":"tcc","branch_id":"01","data":"{}","confirm":"c","cancel":null}"#;
        let tcc = read(tcc).unwrap();
        assert_eq!((&*tcc.gid, &tcc.data[..]), ("g", &b"{}"[..]));
        assert_eq!(tcc.rows().unwrap(), [row("cancel", "", "prepared"), row("confirm", "c", "prepared")]);
        let xa = read(r#"{"gid":"g","trans_type":"xa","branch_id":"01","url":"u"}"#).unwrap();
        assert_eq!(xa.rows().unwrap(), [row("rollback", "u", "prepared"), row("commit", "u", "prepared")]);
        let step = r#"{"trans_type":"workflow","op":"action","status":"succeed","sync":"true","data":"r"}"#;
        assert_eq!(read(step).unwrap().rows().unwrap(), [row("action", "", "succeed")]);
        assert_eq!(read(r#"{"trans_type":"saga"}"#).unwrap().rows(), None);
    }

    #[test]
    fn anything_but_texts_is_refused() {
        for text in ["hello", "[]", r#"{"gid":1}"#, r#"{"unknown":{}}"#, r#"{"data":["a"]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        let limits = Limits { payload_bytes_max: 1, ..Limits::REQUEST };
        let error = Registration::decode(br#"{"data":"ab"}"#, &limits).unwrap_err();
        assert_eq!(error, DecodeError::TooLong { field: "data", found: 2, max: 1 });
    }

    #[test]
    fn the_last_of_a_name_counts_and_its_case_does() {
        assert_eq!(read(r#"{"gid":"a","gid":"b","GID":"c"}"#).unwrap().gid, "b");
    }
}
