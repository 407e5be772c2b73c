//! `synod txn`: looks at global transactions, and helps those that are stuck.

use http::Method;
use serde_json::{Value, json};

use crate::args::{Target, Txn, TxnList};
use crate::client::{Client, escape};
use crate::query::with_filters;
use crate::{Failure, output};

/// Pages asked for one list at most: a filter that fits little lets the node answer with short ones.
const PAGES_MAX: usize = 1_000;

impl Txn {
    pub(crate) fn target(&self) -> &Target {
        match self {
            Self::List(list) => &list.target,
            Self::Show(one) | Self::Retry(one) => &one.target,
            Self::Stop(stop) => &stop.target,
        }
    }
}

/// Asks the node.
pub(crate) async fn ask(client: &Client, command: &Txn) -> anyhow::Result<Value> {
    match command {
        Txn::List(list) => rows(client, list).await,
        Txn::Show(one) => client.call(Method::GET, &path(&one.id, ""), None).await,
        Txn::Retry(one) => client.call(Method::POST, &path(&one.id, "/retry"), None).await,
        Txn::Stop(stop) => {
            let body = json!({ "reason": stop.reason });
            client.call(Method::POST, &path(&stop.id, "/stop"), Some(&body)).await
        }
    }
}

/// Shows its answer to a person.
pub(crate) fn show(command: &Txn, answer: &Value) -> Result<(), Failure> {
    match command {
        Txn::List(_) => output::transactions(answer),
        Txn::Show(_) => output::transaction(answer),
        Txn::Retry(_) | Txn::Stop(_) => output::transactions(&json!({ "transactions": [answer] })),
    }
}

fn path(id: &str, action: &str) -> String {
    format!("/v1/transactions/{}{action}", escape(id))
}

fn list_path(list: &TxnList) -> String {
    let filters = [
        ("status", list.status.as_deref()),
        ("mode", list.mode.as_deref()),
        ("name", list.name.as_deref()),
        ("gid_prefix", list.gid_prefix.as_deref()),
        ("needs", list.attention.then_some("attention")),
    ];
    with_filters("/v1/transactions".into(), &filters)
}

/// The first rows, out of as many pages as it takes.
async fn rows(client: &Client, list: &TxnList) -> anyhow::Result<Value> {
    let path = list_path(list);
    let (mut rows, mut next) = (Vec::new(), Value::Null);
    for _ in 0..PAGES_MAX {
        let from = next.as_str().map(|next| format!("&before={}", escape(next))).unwrap_or_default();
        let mut page = client.call(Method::GET, &format!("{path}{from}"), None).await?;
        let Value::Array(more) = page["transactions"].take() else {
            anyhow::bail!("the node's answer has no list \"transactions\"");
        };
        rows.extend(more);
        next = page["next"].take();
        if next.is_null() || rows.len() >= list.limit {
            break;
        }
    }
    if rows.len() > list.limit {
        rows.truncate(list.limit);
        // Where this list ends is where the next one goes on.
        next = rows.last().map_or(Value::Null, |row| row["xid"].clone());
    }
    Ok(json!({ "transactions": rows, "next": next }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command, QueryCommand};

    fn parse(words: &[&str]) -> Txn {
        match Args::try_parse_from([&["synod", "txn"], words].concat()).unwrap().command {
            Command::Query(QueryCommand::Txn(command)) => command,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn filters_and_ids_are_escaped() {
        let Txn::List(list) = parse(&["list", "--mode", "saga", "--gid-prefix", "a&b", "--attention"]) else {
            panic!()
        };
        assert_eq!(list_path(&list), "/v1/transactions?limit=500&mode=saga&gid_prefix=a%26b&needs=attention");
        assert_eq!(path("a/b", "/retry"), "/v1/transactions/a%2Fb/retry");
        assert!(matches!(parse(&["stop", "x", "--reason", "y"]), Txn::Stop(stop) if stop.reason == "y"));
    }
}
