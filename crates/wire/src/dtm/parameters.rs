//! What stands in the query string of the requests that have no body.

use std::borrow::Cow;

use super::form;
use super::limits::DecodeError;

/// A query string, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// `all`: transactions that fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllQuery {
    /// Only this one; the rest is not looked at.
    pub gid: String,
    /// Where the last page ended.
    pub position: String,
    /// Size of the page.
    pub limit: Option<u32>,
    /// Only these.
    pub status: String,
    /// Only these.
    pub trans_type: String,
    /// Created no earlier, in ms since 1970.
    pub created_from_ms: Option<u64>,
    /// Created no later, in ms since 1970.
    pub created_to_ms: Option<u64>,
}

/// `resetCronTime`: try those soon that wait long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ResetQuery {
    /// Those whose next attempt is later than that.
    pub timeout_s: Option<u32>,
    /// So many at most.
    pub limit: Option<u32>,
}

/// `subscribe` and `unsubscribe`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TopicQuery {
    /// Topic.
    pub topic: String,
    /// Subscriber.
    pub url: String,
    /// A note for people.
    pub remark: String,
}

/// `queryKV`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KvQuery {
    /// Category.
    pub cat: String,
    /// Key.
    pub key: String,
}

/// `scanKV`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KvScan {
    /// Category.
    pub cat: String,
    /// Where the last page ended.
    pub position: String,
    /// Size of the page.
    pub limit: Option<u32>,
}

impl<'a> Parameters<'a> {
    /// Reads what follows the question mark.
    pub fn decode(query: &'a str) -> Self {
        Self { pairs: form::pairs(query).collect() }
    }

    /// The first value of a name, or empty text.
    pub fn text(&self, name: &str) -> &str {
        self.pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    fn owned(&self, name: &str) -> String {
        self.text(name).to_owned()
    }

    fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<Option<T>, DecodeError> {
        match self.text(name) {
            "" => Ok(None),
            text => text
                .parse()
                .map(Some)
                .map_err(|_| DecodeError::field(name, "expected a whole number from 0 on")),
        }
    }

    /// As the parameters of `all`.
    ///
    /// # Errors
    /// A number is none.
    pub fn all(&self) -> Result<AllQuery, DecodeError> {
        Ok(AllQuery {
            gid: self.owned("gid"),
            position: self.owned("position"),
            limit: self.number("limit")?,
            status: self.owned("status"),
            trans_type: self.owned("transType"),
            created_from_ms: self.number("createTimeStart")?,
            created_to_ms: self.number("createTimeEnd")?,
        })
    }

    /// As the parameters of `resetCronTime`.
    ///
    /// # Errors
    /// A number is none.
    pub fn reset(&self) -> Result<ResetQuery, DecodeError> {
        Ok(ResetQuery { timeout_s: self.number("timeout")?, limit: self.number("limit")? })
    }

    /// As the parameters of `subscribe` and `unsubscribe`.
    pub fn topic(&self) -> TopicQuery {
        TopicQuery { topic: self.owned("topic"), url: self.owned("url"), remark: self.owned("remark") }
    }

    /// As the parameters of `queryKV`.
    pub fn kv(&self) -> KvQuery {
        KvQuery { cat: self.owned("cat"), key: self.owned("key") }
    }

    /// As the parameters of `scanKV`.
    ///
    /// # Errors
    /// A number is none.
    pub fn scan(&self) -> Result<KvScan, DecodeError> {
        Ok(KvScan { cat: self.owned("cat"), position: self.owned("position"), limit: self.number("limit")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_finds_its_own() {
        let all = "position=p%2F1&limit=5&status=succeed&transType=saga&createTimeStart=1000&createTimeEnd=";
        let all = Parameters::decode(all).all().unwrap();
        assert_eq!((&*all.position, all.limit, &*all.trans_type), ("p/1", Some(5), "saga"));
        assert_eq!((all.created_from_ms, all.created_to_ms, &*all.gid), (Some(1000), None, ""));
        let reset = Parameters::decode("timeout=60").reset().unwrap();
        assert_eq!(reset, ResetQuery { timeout_s: Some(60), limit: None });
        let topic = Parameters::decode("topic=t&url=http%3A%2F%2Fh%2Fp%3Fa%3Db&topic=u").topic();
        assert_eq!((&*topic.topic, &*topic.url, &*topic.remark), ("t", "http://h/p?a=b", ""));
        assert_eq!(Parameters::decode("cat=topics&key=t").kv().key, "t");
        assert_eq!(Parameters::decode("").scan(), Ok(KvScan::default()));
        assert_eq!(Parameters::decode("gid=%zz").text("gid"), "");
    }

    #[test]
    fn numbers_are_checked() {
        for query in ["limit=x", "limit=-1", "limit=4294967296", "createTimeStart=1.5"] {
            assert!(Parameters::decode(query).all().is_err(), "{query}");
        }
    }
}
