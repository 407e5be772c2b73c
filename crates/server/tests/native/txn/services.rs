//! Branches at services of the registry, in the schemes of dtm's drivers: instances come through the Eureka face, transactions through
//! dtm's, over HTTP and gRPC.

use serde_json::{Value, json};
use synod_wire::dtm::proto::{DtmBranchRequest, DtmRequest, DtmTransOptions};
use tonic::Code;

use crate::grpc::Client;
use crate::node::TestNode;
use crate::participant::Participant;

const DTM: &str = "dtmgimp.Dtm";
const FACES: [&str; 2] = ["face.dtm.http.listen=127.0.0.1:0", "face.dtm.grpc.listen=127.0.0.1:0"];

/// As Spring registers a service.
async fn register(node: &TestNode, app: &str, participant: &Participant) {
    let instance = json!({"instance": {
        "instanceId": format!("127.0.0.1:{app}"), "app": app, "hostName": "127.0.0.1", "ipAddr": "127.0.0.1",
        "status": "UP", "vipAddress": app.to_lowercase(), "port": {"$": participant.port(), "@enabled": "true"},
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
    }});
    let answer = node.ask("POST", &format!("/eureka/apps/{app}"), Some(&instance)).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
}

fn saga(gid: &str, urls: &[&str]) -> Value {
    let steps: Vec<_> = urls.iter().map(|url| json!({"action": url, "compensate": ""})).collect();
    let payloads = vec!["{}"; urls.len()];
    json!({"gid": gid, "trans_type": "saga", "steps": steps, "payloads": payloads, "wait_result": true})
}

fn grpc_saga(gid: &str, urls: &[&str]) -> DtmRequest {
    let steps: Vec<_> = urls.iter().map(|url| json!({"action": url})).collect();
    DtmRequest {
        gid: gid.into(),
        trans_type: "saga".into(),
        steps: Value::from(steps).to_string(),
        bin_payloads: vec!["{}".into(); urls.len()],
        trans_options: Some(DtmTransOptions { wait_result: true, ..DtmTransOptions::default() }),
        ..DtmRequest::default()
    }
}

#[tokio::test]
async fn services_are_found_whatever_the_driver_that_their_urls_were_written_for() {
    let node = TestNode::start(&FACES).await;
    let client = Client::new(node.running.addresses["dtm_grpc"]);
    let (pay, stock) = (Participant::start().await, Participant::start().await);
    register(&node, "PAY", &pay).await;
    register(&node, "STOCK", &stock).await;

    // Several at once, in one transaction.
    let urls = [
        "nacos://pay/try?x=1",
        "consul://stock/take",
        "discovery:///pay/a/b",
        "http://127.0.0.1",
        "synod://stock/x",
    ];
    let urls = urls.map(|url| url.replace("http://127.0.0.1", &pay.url("/direct")));
    let submitted = node.ask_dtm("submit", &saga("web", &urls.each_ref().map(|url| &**url))).await;
    assert_eq!(submitted.status, 200, "{}", submitted.body);
    assert_eq!(pay.paths(), ["/try", "/a/b", "/direct"]);
    assert_eq!(stock.paths(), ["/take", "/x"]);

    let urls = [
        "nacos://127.0.0.1:8848/pay/pay.Pay/Try",
        "polaris://stock/stock.Stock/Take?namespace=default",
        "discovery:///pay/pay.Pay/Two",
        "consul://127.0.0.1:8500/stock?wait=14s/stock.Stock/Two",
        "etcd:///pay/pay.Pay/Three",
    ];
    client.call::<_, ()>(DTM, "Submit", grpc_saga("rpc", &urls)).await.unwrap();
    assert_eq!(pay.paths()[3..], ["/pay.Pay/Try", "/pay.Pay/Two", "/pay.Pay/Three"]);
    assert_eq!(stock.paths()[2..], ["/stock.Stock/Take", "/stock.Stock/Two"]);
    assert_eq!(pay.seen()[3].header("dtm-gid"), "rpc");

    // A branch that is registered, and a message's subscriber.
    assert_eq!(node.ask_dtm("prepare", &json!({"gid": "tcc", "trans_type": "tcc"})).await.status, 200);
    let branch = json!({"gid": "tcc", "trans_type": "tcc", "branch_id": "01", "confirm": "nacos://PAY/confirm", "cancel": ""});
    assert_eq!(node.ask_dtm("registerBranch", &branch).await.status, 200);
    let submit = json!({"gid": "tcc", "trans_type": "tcc", "wait_result": true});
    assert_eq!(node.ask_dtm("submit", &submit).await.status, 200);
    assert_eq!(pay.paths()[6..], ["/confirm"]);
    node.running.stop().await;
}

#[tokio::test]
async fn where_nobody_can_be_found_is_said_at_once() {
    let node = TestNode::start(&FACES).await;
    let client = Client::new(node.running.addresses["dtm_grpc"]);
    for (url, why) in [
        ("daprhttp://DAPR_ENV/pay/try", "dapr sidecar"),
        ("nacos://pay/try?group=G", "no group \"G\" here"),
        ("nacos://127.0.0.1:8848", "names no service"),
    ] {
        let refused = node.ask_dtm("submit", &saga("web", &[url])).await;
        assert_eq!(refused.status, 500, "{url}");
        assert!(refused.json()["message"].as_str().unwrap().contains(why), "{url}: {}", refused.body);
    }
    for (url, why) in [
        ("daprpgrpc://DAPR_ENV/pay/pay.Pay/Try", "dapr sidecar"),
        ("polaris://pay/pay.Pay/Try?namespace=Test", "no namespace \"Test\" here"),
        ("etcd://127.0.0.1:2379/pay.Pay/Try", "names no service"),
    ] {
        let refused = client.call::<_, ()>(DTM, "Submit", grpc_saga("rpc", &[url])).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unknown, "{url}");
        assert!(refused.message().contains(why), "{url}: {refused}");
    }
    for gid in ["web", "rpc"] {
        assert_eq!(
            node.ask("GET", &format!("/v1/transactions/{gid}"), None).await.status,
            404,
            "nothing was begun"
        );
    }
    let prepare = DtmRequest { gid: "tcc".into(), trans_type: "tcc".into(), ..DtmRequest::default() };
    client.call::<_, ()>(DTM, "Prepare", prepare).await.unwrap();
    let branch = DtmBranchRequest {
        gid: "tcc".into(),
        trans_type: "tcc".into(),
        branch_id: "01".into(),
        data: [("cancel".into(), "k8s:///pay:80/pay.Pay/Try".into())].into(),
        ..DtmBranchRequest::default()
    };
    let refused = client.call::<_, ()>(DTM, "RegisterBranch", branch).await.unwrap_err();
    assert!(refused.message().contains("Kubernetes"), "{refused}");

    // A service that nobody has registered yet may come: that is a call that failed.
    let submitted = node.ask_dtm("submit", &saga("later", &["nacos://nobody/try"])).await;
    assert_eq!(submitted.status, 409, "{}", submitted.body);
    let shown = node.ask("GET", "/v1/transactions/later", None).await.json().to_string();
    assert!(shown.contains("no instance of the service \\\"nobody\\\" is UP"), "{shown}");
    node.running.stop().await;
}
