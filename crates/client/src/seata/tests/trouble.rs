//! Servers that say what they should not, or nothing.

use std::time::Duration;

use bytes::BytesMut;
use synod_wire::seata::{Answer, GlobalStatus, Header, Kind};

use super::super::{BadConfig, Client, Config, ConnectError};
use super::fake::{Fake, Ways, ended};
use super::{client, config, xid};
use crate::tm::{Backend as _, Error, Status};

/// Has a status asked, and the answer be these bytes and no more; then a proper one over the next connection.
async fn survives(bytes: &[u8]) {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let serve = async {
        fake.request().await.bytes(bytes).await;
        fake.request().await.answer(Answer::GlobalStatus(ended(GlobalStatus::Begin))).await;
    };
    let xid = xid();
    let (status, ()) = tokio::join!(client.status(&xid), serve);
    assert_eq!(status.unwrap(), Status::Active);
    assert_eq!(fake.registrations().len(), 2, "the connection was kept");
}

#[tokio::test]
async fn garbage_ends_the_connection_only() {
    survives(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    // Lengths that contradict each other, and a kind of frame that there is not.
    survives(b"\xda\xda\x01\x00\x00\x00\x10\x00\x20\x01\x01\x00\x00\x00\x00\x01").await;
    survives(b"\xda\xda\x01\x00\x00\x00\x10\x00\x10\x09\x01\x00\x00\x00\x00\x01").await;
    survives(b"\xda\xda\x01\xff\xff\xff\xff\x00\x10\x01\x01\x00\x00\x00\x00\x01").await;
}

#[tokio::test]
async fn a_huge_frame_ends_the_connection() {
    // One byte more than 8 MiB: only its head is ever there.
    survives(b"\xda\xda\x01\x00\x80\x00\x01\x00\x10\x01\x01\x00\x00\x00\x00\x01").await;
}

#[tokio::test]
async fn a_message_that_cannot_be_read_costs_one_request() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let xid = xid();
    let serve = async {
        let said = fake.request().await;
        // A message that there is not, and an answer whose status there is not.
        for (id, body) in [(12_345, &b"\x7f\xff"[..]), (said.header.id, b"\x00\x10\x01\x00\x63")] {
            let header = Header { version: 1, kind: Kind::Response, codec: 1, compressor: 0, id };
            let mut output = BytesMut::new();
            header
                .write(&mut output, |output| {
                    output.extend_from_slice(body);
                    Ok(())
                })
                .unwrap();
            said.bytes(&output).await;
        }
    };
    let (status, ()) = tokio::join!(client.status(&xid), serve);
    assert!(matches!(&status, Err(Error::Unreachable(why)) if why.contains("99")), "{status:?}");
    let serve =
        async { fake.request().await.answer(Answer::GlobalStatus(ended(GlobalStatus::Committed))).await };
    let (status, ()) = tokio::join!(client.status(&xid), serve);
    assert_eq!(status.unwrap(), Status::Committed);
    assert_eq!(fake.registrations().len(), 1, "the connection was lost");
}

#[tokio::test]
async fn answers_for_which_nobody_waits_are_left_out() {
    let mut fake = Fake::start().await;
    let client = client(&fake).await;
    let xid = xid();
    let serve = async {
        let said = fake.request().await;
        for _ in 0..3 {
            said.answer(Answer::GlobalStatus(ended(GlobalStatus::Begin))).await;
        }
        fake.request().await.answer(Answer::GlobalStatus(ended(GlobalStatus::Committed))).await;
    };
    let work = async {
        assert_eq!(client.status(&xid).await.unwrap(), Status::Active);
        assert_eq!(client.status(&xid).await.unwrap(), Status::Committed);
    };
    tokio::join!(serve, work);
}

#[tokio::test]
async fn a_silent_server_is_waited_for_so_long() {
    let mut fake = Fake::start().await;
    let mut config = config(&[&fake]);
    config.tm_timeout = Duration::from_secs(1);
    let client = Client::connect(config).await.unwrap();
    let xid = xid();
    let (status, first) = tokio::join!(client.status(&xid), fake.request());
    assert!(matches!(&status, Err(Error::Unreachable(why)) if why == "no answer in time"), "{status:?}");
    // Its answer comes too late, and is nobody's.
    let serve = async {
        let second = fake.request().await;
        first.answer(Answer::GlobalStatus(ended(GlobalStatus::Begin))).await;
        second.answer(Answer::GlobalStatus(ended(GlobalStatus::Committed))).await;
    };
    let (status, ()) = tokio::join!(client.status(&xid), serve);
    assert_eq!(status.unwrap(), Status::Committed);
}

#[tokio::test]
async fn a_name_that_cannot_be_said_is_refused() {
    let fake = Fake::start().await;
    let client = client(&fake).await;
    let refused = client.begin(&"n".repeat(40_000), Duration::from_secs(1)).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_refuses_is_told_of() {
    let fake = Fake::with(Ways { takes: false, ..Ways::default() }).await;
    let mut config = config(&[&fake]);
    config.connect_timeout = Duration::from_secs(1);
    let refused = Client::connect(config).await;
    assert!(
        matches!(&refused, Err(ConnectError::Unreachable(why)) if why.contains("registration of the TM")),
        "{refused:?}"
    );
    let none = Client::connect(Config::new([""; 0], "shop", "group")).await;
    assert!(matches!(none, Err(ConnectError::Config(BadConfig::NoServer))), "{none:?}");
}

#[tokio::test]
async fn connections_end_with_the_last_clone() {
    let fake = Fake::start().await;
    let client = client(&fake).await;
    let clone = client.clone();
    drop(client);
    assert!(clone.is_up());
    drop(clone);
    fake.hung_up().await;
}
