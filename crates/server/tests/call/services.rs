//! `synod://service`.

use synod_core::registry::{Instance, Origin, Port, Status};
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Mode, Protocol};

use crate::participant::{Participant, reply};
use crate::rig::{Rig, action, failed, forward, txn};

fn register(rig: &Rig, id: &str, port: u16, status: Status) {
    let mut instance = Instance::new("pay", id);
    instance.host = "127.0.0.1".into();
    instance.port = Port { number: port.into(), enabled: true };
    instance.status = status;
    rig.registry.register(instance, Origin::Client).unwrap();
}

#[tokio::test]
async fn instances_share_the_calls() {
    let [one, two, down] = [
        Participant::http(|_| reply(200, "")).await,
        Participant::http(|_| reply(200, "")).await,
        Participant::http(|_| reply(200, "")).await,
    ];
    let rig = Rig::new(&[]);
    register(&rig, "1", one.address.port(), Status::Up);
    register(&rig, "2", two.address.port(), Status::Up);
    register(&rig, "3", down.address.port(), Status::OutOfService);
    let native = action("synod://pay/do?x=1");
    let dtm = forward(txn(Mode::Saga, Protocol::DtmHttp, "synod://PAY/dtm"));
    for call in [&native, &native, &dtm, &dtm] {
        assert_eq!(rig.result(call).await, CallResult::Done);
    }
    for participant in [&one, &two] {
        let targets: Vec<_> = participant.seen().iter().map(|seen| seen.target.clone()).collect();
        let dtm = "/dtm?branch_id=b1&gid=order-1&op=action&trans_type=saga";
        assert_eq!(targets, ["/do?x=1", dtm]);
    }
    assert!(down.seen().is_empty());
}

#[tokio::test]
async fn an_instance_that_cannot_be_reached_is_no_failure_while_there_is_another() {
    let alive = Participant::http(|_| reply(200, "")).await;
    let rig = Rig::new(&[]);
    register(&rig, "1", 1, Status::Up);
    register(&rig, "2", alive.address.port(), Status::Up);
    for _ in 0..4 {
        assert_eq!(rig.result(&action("synod://pay/")).await, CallResult::Done);
    }
    assert_eq!(alive.seen().len(), 4);
    rig.registry.cancel("PAY", "2", Origin::Client);
    let dead = rig.caller.deliver(&action("synod://pay/")).await;
    assert!(!dead.answered);
    rig.registry.cancel("PAY", "1", Origin::Client);
    let none = rig.caller.deliver(&action("synod://pay/")).await;
    assert!(none.answered);
    assert!(failed(none.result).contains("no instance"));
}

#[tokio::test]
async fn the_rules_about_destinations_hold_for_instances() {
    let participant = Participant::http(|_| reply(200, "")).await;
    let rig = Rig::new(&["call.allow=10.0.0.0/8"]);
    register(&rig, "1", participant.address.port(), Status::Up);
    assert!(failed(rig.result(&action("synod://pay/")).await).contains("call.allow"));
    assert!(participant.seen().is_empty());
}
