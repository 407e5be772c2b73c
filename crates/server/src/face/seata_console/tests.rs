//! Over a real socket: what Seata's tools are answered.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Form, State};
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};
use synod_core::txn::{
    Begin, Command, Decision, Done, Enlist, Enrolment, Mode, Options, Protocol, Report, Rows, Target, Way,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::ask::Parameters;
use super::cluster;
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::start::{Running, start};
use crate::txn::Coordinator;

async fn node(dir: &Path, sets: &[&str]) -> Running {
    let mut sources = Sources { data: Some(dir.to_owned()), ..Sources::default() };
    let others = [
        "face.seata.listen=127.0.0.1:0",
        "face.dtm.http.listen=off",
        "face.dtm.grpc.listen=off",
        "grpc.listen=off",
    ];
    let sets = ["http.listen=127.0.0.1:0"].iter().chain(&others).chain(sets);
    sources.set = sets.map(ToString::to_string).collect();
    start(Config::load(&sources).unwrap(), Clock::system()).await.unwrap()
}

async fn raw(to: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer[9..12].parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

async fn ask(running: &Running, method: &str, path: &str) -> Value {
    let (status, body) = raw(running.addresses["http"], method, path, "").await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
}

fn coordinator(running: &Running) -> &Coordinator {
    running.node.txn().unwrap()
}

/// A Seata client's transaction with an AT branch that holds two rows. Nobody answers at the branch's address.
async fn begun(running: &Running, name: &str, key: &str) -> (String, synod_base::xid::Xid) {
    let coordinator = coordinator(running);
    let begin = Begin {
        xid: synod_base::xid::Xid::new(0, 1).unwrap(),
        gid: None,
        mode: Mode::Mixed,
        name: name.into(),
        options: Options { timeout_ms: 60_000, ..Options::default() },
        headers: Vec::new(),
        back_check: None,
        note: Bytes::from_static(b"shop\nmy_group"),
        branches: Vec::new(),
        submit: false,
    };
    let (xid, _) = coordinator.begin(begin).await.unwrap();
    let url = "seata://jdbc:mysql:%2F%2Fdb%2Fpay/AT/stock/10.0.0.7:50123/10.0.0.1:8091";
    let target = Some(Target { protocol: Protocol::Seata, url: url.into() });
    let rows = Rows { resource: "jdbc:mysql://db/pay".into(), keys: format!("account:{key},{key}b").into() };
    let branch = Enrolment {
        id: "77".into(),
        label: "".into(),
        forward: target.clone(),
        backward: target,
        payload: Bytes::from_static(b"{\"autoCommit\":true}"),
        after: [].into_iter().collect(),
        refused: false,
        rows: Some(Box::new(rows)),
    };
    let enlisted = coordinator.propose(Command::Enlist(Box::new(Enlist { xid, branch }))).await;
    assert_eq!(enlisted, Ok(Done::Enlisted(0)));
    (xid.text(&running.node.xid_address), xid)
}

#[tokio::test]
async fn sessions_are_listed_with_their_branches() {
    let dir = tempfile::tempdir().unwrap();
    let running = node(dir.path(), &[]).await;
    let (first, _) = begun(&running, "buy", "1").await;
    let (second, xid) = begun(&running, "sell", "2").await;
    let query = "/api/v1/console/globalSession/query?";
    let all = ask(&running, "GET", &format!("{query}pageNum=1&pageSize=1&withBranch=true")).await;
    let branch = &all["data"][0]["branchSessionVOs"][0];
    assert_eq!(
        (&all["code"], &all["success"], &all["total"], &all["pages"], &all["pageNum"], &all["pageSize"]),
        (&json!("200"), &json!(true), &json!(2), &json!(2), &json!(1), &json!(1))
    );
    let row = &all["data"][0];
    assert_eq!(
        (&row["xid"], &row["transactionId"], &row["status"], &row["applicationId"], &row["timeout"]),
        (&json!(second), &json!(xid.to_string()), &json!(1), &json!("shop"), &json!(60_000))
    );
    assert_eq!(
        (&row["transactionServiceGroup"], &row["transactionName"]),
        (&json!("my_group"), &json!("sell"))
    );
    assert_eq!(
        (&branch["branchId"], &branch["resourceId"], &branch["branchType"], &branch["clientId"]),
        (&json!("77"), &json!("jdbc:mysql://db/pay"), &json!("AT"), &json!("stock:10.0.0.7:50123"))
    );
    assert_eq!(branch["status"], 1);
    for (parameters, xids) in [
        ("pageNum=2&pageSize=1", vec![&first]),
        ("pageNum=3&pageSize=1", vec![]),
        ("transactionName=bu", vec![&first]),
        ("applicationId=sho&vgroup=my_group&status=1&foo=", vec![&second, &first]),
        ("vgroup=my", vec![]),
        ("status=2", vec![]),
        ("timeEnd=1000", vec![]),
        (&format!("xid={first}"), vec![&first]),
        (&format!("xid={}", &first[10..first.len() - 2]), vec![&second, &first]),
    ] {
        let page = ask(&running, "GET", &format!("{query}{parameters}")).await;
        let seen: Vec<&Value> = page["data"].as_array().unwrap().iter().map(|row| &row["xid"]).collect();
        assert_eq!(seen, xids, "{parameters}");
        assert_eq!(
            page["data"].get(0).and_then(|row| row.get("branchSessionVOs")),
            seen.first().map(|_| &Value::Null)
        );
    }
    for wrong in ["pageNum=0", "pageSize=-1", "status=x"] {
        let no = ask(&running, "GET", &format!("{query}{wrong}")).await;
        assert_eq!((&no["code"], &no["success"]), (&json!("500"), &json!(false)), "{wrong}");
    }
    running.stop().await;
}

#[tokio::test]
async fn rows_are_listed_and_not_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let running = node(dir.path(), &[]).await;
    let (first, xid) = begun(&running, "buy", "1").await;
    begun(&running, "sell", "2").await;
    let query = "/api/v1/console/globalLock/query?";
    let all = ask(&running, "GET", &format!("{query}pageNum=1&pageSize=10")).await;
    assert_eq!(all["total"], 4);
    let row = &all["data"][2];
    assert_eq!(
        (&row["xid"], &row["branchId"], &row["tableName"], &row["pk"], &row["rowKey"], &row["vgroup"]),
        (
            &json!(first),
            &json!("77"),
            &json!("account"),
            &json!("1"),
            &json!("jdbc:mysql://db/pay^^^account^^^1"),
            &json!("my_group")
        )
    );
    for (parameters, total) in [
        (format!("xid={first}"), 2),
        (format!("transactionId={xid}"), 2),
        ("transactionId=x".into(), 4),
        ("pk=2b&tableName=acc&resourceId=mysql".into(), 1),
        ("branchId=7".into(), 0),
    ] {
        assert_eq!(
            ask(&running, "GET", &format!("{query}{parameters}")).await["total"],
            total,
            "{parameters}"
        );
    }
    for (branch, there) in [("77", true), ("78", false)] {
        let path = format!("/api/v1/console/globalLock/check?xid={first}&branchId={branch}");
        assert_eq!(ask(&running, "GET", &path).await["data"], there);
    }
    let path = format!("/api/v1/console/globalLock/delete?xid={first}&branchId=77&tableName=account&pk=1");
    assert_eq!(ask(&running, "DELETE", &path).await["success"], false);
    assert_eq!(coordinator(&running).read(|state| state.locks_len()), 4);
    running.stop().await;
}

#[tokio::test]
async fn operators_have_refused_calls_made_again_and_end_what_cannot_be_finished() {
    let dir = tempfile::tempdir().unwrap();
    let running = node(dir.path(), &[]).await;
    let (text, xid) = begun(&running, "buy", "1").await;
    let act = async |method: &str, what: &str| {
        let answer = ask(&running, method, &format!("/api/v1/console/{what}?xid={text}&branchId=77")).await;
        answer["success"].as_bool().unwrap()
    };
    assert!(!act("PUT", "globalSession/sendCommitOrRollback").await, "nothing is decided");
    let decision = Decision { xid, way: Way::Backward, reason: "".into(), result: Bytes::new() };
    coordinator(&running).propose(Command::Decide(Box::new(decision))).await.unwrap();
    let refuse = Command::Refuse(Report { xid, branch: 0, way: Way::Backward });
    coordinator(&running).propose(refuse).await.unwrap();
    let refused = || coordinator(&running).read(|state| state.open(xid).unwrap().is_refused());
    assert!(refused());
    let status = async || {
        let path = format!("/api/v1/console/globalSession/query?xid={text}&withBranch=true");
        let row = ask(&running, "GET", &path).await["data"][0].clone();
        (row["status"].clone(), row["branchSessionVOs"][0]["status"].clone())
    };
    assert_eq!(status().await, (json!(12), json!(10)));
    for (method, what) in [
        ("PUT", "globalSession/stopGlobalSession"),
        ("DELETE", "globalSession/deleteGlobalSession"),
        ("PUT", "branchSession/stopBranchSession"),
        ("DELETE", "branchSession/deleteBranchSession"),
        ("DELETE", "branchSession/forceDeleteBranchSession"),
    ] {
        assert!(!act(method, what).await, "{what}");
    }
    assert!(refused(), "what was not done has changed nothing");
    assert!(act("PUT", "globalSession/changeGlobalStatus").await);
    assert!(!refused());
    assert!(!act("PUT", "globalSession/changeGlobalStatus").await, "nobody has refused any more");
    for what in [
        "globalSession/startGlobalSession",
        "globalSession/sendCommitOrRollback",
        "branchSession/startBranchSession",
    ] {
        assert!(act("PUT", what).await, "{what}");
    }
    assert!(act("DELETE", "globalSession/forceDeleteGlobalSession").await);
    assert!(!act("DELETE", "globalSession/forceDeleteGlobalSession").await, "it has ended");
    assert_eq!(coordinator(&running).read(|state| (state.open_len(), state.locks_len())), (0, 0));
    running.stop().await;
}

#[tokio::test]
async fn clients_find_the_leader_and_hear_when_it_is_another() {
    let dir = tempfile::tempdir().unwrap();
    let running = node(dir.path(), &["face.seata.advertise=tc.test:8091"]).await;
    let http = running.addresses["http"];
    let cluster = ask(&running, "GET", "/metadata/v1/cluster?group=").await;
    let term = cluster["term"].as_u64().unwrap();
    assert_eq!(
        cluster,
        json!({
            "nodes": [{
                "control": {"host": "tc.test", "port": http.port()},
                "transaction": {"host": "tc.test", "port": 8091},
                "group": "default", "role": "LEADER", "version": env!("CARGO_PKG_VERSION"), "metadata": {}
            }],
            "storeMode": "raft",
            "term": term
        })
    );
    let watch = async |body: String| raw(http, "POST", "/metadata/v1/watch", &body).await.0;
    assert_eq!(watch(format!("default={}", term + 1)).await, 200);
    assert_eq!(watch(format!("default={term}&timeout=20")).await, 304);
    let known = HashMap::from([("default".to_owned(), term.to_string())]);
    let node = Arc::clone(&running.node);
    let waiting = cluster::watch(State(node), Parameters::default(), Form(known));
    let (waited, ()) = tokio::join!(waiting, running.stop());
    assert_eq!(waited.unwrap(), StatusCode::NOT_MODIFIED, "a stop waits for nobody");
}

#[tokio::test]
async fn clients_that_look_into_the_registry_find_where_seata_is_spoken() {
    let dir = tempfile::tempdir().unwrap();
    let running = node(dir.path(), &["face.seata.cluster=shop"]).await;
    let (http, seata) = (running.addresses["http"], running.addresses["seata"]);
    let found = async {
        loop {
            match raw(http, "GET", "/eureka/apps/SHOP", "").await {
                (200, body) => break body,
                (404, _) => tokio::task::yield_now().await,
                other => panic!("{other:?}"),
            }
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(30), found).await.unwrap();
    for part in ["<ipAddr>127.0.0.1</ipAddr>", "<status>UP</status>", &format!(">{}</port>", seata.port())] {
        assert!(found.contains(part), "{part} in {found}");
    }
    running.stop().await;
}

#[tokio::test]
async fn the_rest_is_answered_honestly() {
    let dir = tempfile::tempdir().unwrap();
    let running = node(dir.path(), &[]).await;
    let http = running.addresses["http"];
    assert_eq!(raw(http, "GET", "/health", "").await, (200, "ok".into()));
    let (_, token) = raw(http, "POST", "/api/v1/auth/login", "{\"username\":\"seata\"}").await;
    assert_eq!(serde_json::from_str::<Value>(&token).unwrap()["data"], "Bearer none");
    assert_eq!(ask(&running, "GET", "/vgroup/v1/addVGroup?vGroup=g&unit=u").await["success"], true);
    assert_eq!(ask(&running, "GET", "/vgroup/v1/removeVGroup?vGroup=g").await["success"], false);
    assert_eq!(
        ask(&running, "POST", "/metadata/v1/changeCluster?raftClusterStr=a:1").await["success"],
        false
    );
    assert_eq!(raw(http, "GET", "/api/v2", "").await.0, 404);
    running.stop().await;

    let other = tempfile::tempdir().unwrap();
    let off = node(other.path(), &["face.seata.listen=off"]).await;
    assert_eq!(raw(off.addresses["http"], "GET", "/metadata/v1/cluster", "").await.0, 404);
    off.stop().await;
}
