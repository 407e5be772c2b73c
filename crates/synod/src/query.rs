//! The commands that ask a running node: thin over the native API, its JSON with `--json`, a table without.

use http::Method;
use serde_json::{Value, json};

use crate::args::{Instances, QueryCommand, Services, Target};
use crate::client::{Client, escape};
use crate::{Failure, output, txn};

/// The largest page the API gives.
const PAGE: usize = 500;

/// Runs one command.
pub(crate) fn run(command: QueryCommand) -> Result<(), Failure> {
    let target = command.target();
    let json = target.json;
    let client = Client::new(&target.server, &target.tls_roots).map_err(Failure::usage)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(ask(&client, &command))?;
    if json {
        return output::json(&answer);
    }
    match command {
        QueryCommand::Status(_) => output::status(&answer),
        QueryCommand::Services(_) => output::services(&answer),
        QueryCommand::Instances(_) => {
            output::instances(answer["instances"].as_array().map_or(&[], Vec::as_slice))
        }
        QueryCommand::Peers(_) => output::peers(&answer),
        QueryCommand::Override(_) => output::instances(std::slice::from_ref(&answer)),
        QueryCommand::Txn(command) => txn::show(&command, &answer),
    }
}

impl QueryCommand {
    fn target(&self) -> &Target {
        match self {
            Self::Status(target) | Self::Peers(target) => target,
            Self::Services(services) => &services.target,
            Self::Instances(instances) => &instances.target,
            Self::Override(change) => &change.target,
            Self::Txn(command) => command.target(),
        }
    }
}

async fn ask(client: &Client, command: &QueryCommand) -> anyhow::Result<Value> {
    match command {
        QueryCommand::Txn(command) => txn::ask(client, command).await,
        QueryCommand::Status(_) => client.call(Method::GET, "/v1/registry", None).await,
        QueryCommand::Peers(_) => client.call(Method::GET, "/v1/peers", None).await,
        QueryCommand::Services(services) => all_pages(client, &services_path(services), "services").await,
        QueryCommand::Instances(instances) => {
            all_pages(client, &instances_path(instances), "instances").await
        }
        QueryCommand::Override(change) => {
            let path =
                format!("/v1/services/{}/instances/{}/override", escape(&change.app), escape(&change.id));
            match &change.status {
                Some(status) => client.call(Method::PUT, &path, Some(&json!({ "status": status }))).await,
                None => client.call(Method::DELETE, &path, None).await,
            }
        }
    }
}

fn services_path(services: &Services) -> String {
    with_filters("/v1/services".into(), &[("q", services.query.as_deref())])
}

fn instances_path(instances: &Instances) -> String {
    let path = match &instances.service {
        Some(service) => format!("/v1/services/{}/instances", escape(service)),
        None => "/v1/instances".into(),
    };
    with_filters(path, &[("q", instances.query.as_deref()), ("status", instances.status.as_deref())])
}

/// The path with the page's size and the filters that are given.
pub(crate) fn with_filters(path: String, filters: &[(&str, Option<&str>)]) -> String {
    let mut path = format!("{path}?limit={PAGE}");
    for (name, value) in filters {
        if let Some(value) = value {
            path += &format!("&{name}={}", escape(value));
        }
    }
    path
}

/// Fetches every page of a list and joins them into the first one's document.
async fn all_pages(client: &Client, path: &str, list: &str) -> anyhow::Result<Value> {
    let mut whole = client.call(Method::GET, path, None).await?;
    while let Some(cursor) = whole["next"].as_str() {
        let mut page = client.call(Method::GET, &format!("{path}&cursor={}", escape(cursor)), None).await?;
        let items = page[list].take();
        let (Value::Array(all), Value::Array(items)) = (&mut whole[list], items) else {
            anyhow::bail!("the node's answer has no list \"{list}\"");
        };
        // A page without items cannot lead on: an end to this loop that does not depend on the node.
        anyhow::ensure!(!items.is_empty(), "the node's answer says there is more, but an empty page follows");
        all.extend(items);
        whole["next"] = page["next"].take();
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_escaped() {
        let path = with_filters("/v1/instances".into(), &[("q", Some("a&b")), ("status", None)]);
        assert_eq!(path, "/v1/instances?limit=500&q=a%26b");
    }
}
