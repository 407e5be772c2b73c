//! Participants that answer nonsense, too much, or never. None of them may cost more than its own call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use synod_core::txn::drive::Call;
use synod_core::txn::mode::CallResult;
use synod_core::txn::{Mode, Protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::participant::{Participant, reply};
use crate::rig::{Rig, failed, forward, txn};

/// A call that may take `ms`.
fn brief(url: &str, ms: u64) -> Call {
    let mut saga = txn(Mode::Saga, Protocol::Http, url);
    saga.options.call_timeout_ms = ms;
    forward(saga)
}

/// Sends `bytes` as the answer to whatever comes, and leaves the connection open if told so.
async fn say(bytes: &'static [u8], stay: bool) -> Participant {
    Participant::raw(move |_, mut stream| async move {
        let mut buffer = [0; 4_096];
        assert!(stream.read(&mut buffer).await.unwrap() > 0);
        stream.write_all(bytes).await.unwrap();
        if stay {
            std::future::pending::<()>().await;
        }
    })
    .await
}

#[tokio::test]
async fn nonsense_is_a_failed_call() {
    let rig = Rig::new(&[]);
    for (bytes, answered) in [
        (&b""[..], false),
        (b"\0", false),
        (b"\xff\xfe\r\n\r\n", false),
        (b"SSH-2.0-OpenSSH_9.2\r\n", false),
        (b"HTTP/1.1\r\n\r\n", false),
        (b"HTTP/1.1 2000 OK\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", false),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n", false),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", true),
        (b"HTTP/2.0 200 OK\r\n\r\n", false),
    ] {
        let participant = say(bytes, false).await;
        let delivered = rig.caller.deliver(&brief(&participant.url("/"), 5_000)).await;
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(delivered.answered, answered, "{text:?}: {delivered:?}");
        assert!(matches!(delivered.result, CallResult::Failed(_)), "{text:?}: {delivered:?}");
        assert_eq!(rig.caller.idle_connections(), 0, "{text:?}");
    }
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_its_connection() {
    let rig = Rig::new(&[]);
    let participant = say(b"HTTP/1.0 200 OK\r\n\r\nbye", false).await;
    let delivered = rig.caller.deliver(&brief(&participant.url("/"), 5_000)).await;
    assert_eq!((delivered.result, &*delivered.reply.unwrap()), (CallResult::Done, &b"bye"[..]));
    assert_eq!(rig.caller.idle_connections(), 0);
}

#[tokio::test]
async fn silence_ends_with_the_timeout() {
    let rig = Rig::new(&["call.timeout=60ms"]);
    for bytes in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"] {
        let participant = say(bytes, true).await;
        // One with the transaction's own limit, one with the configured one.
        for (ms, limit) in [(40, "40ms"), (0, "60ms")] {
            let call = brief(&participant.url("/"), ms);
            let ended =
                tokio::time::timeout(Duration::from_secs(10), rig.caller.deliver(&call)).await.unwrap();
            assert!(!ended.answered);
            assert!(failed(ended.result).contains(&format!("within {limit}")));
        }
    }
    assert_eq!(rig.caller.idle_connections(), 0);
}

/// Writes `block` until nobody takes it any more, at most a gigabyte; counts.
async fn flood(mut stream: TcpStream, head: &[u8], block: &[u8], written: &AtomicU64) {
    let mut buffer = [0; 4_096];
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    stream.write_all(head).await.unwrap();
    while written.load(Ordering::SeqCst) < 1 << 30 {
        if stream.write_all(block).await.is_err() {
            return;
        }
        written.fetch_add(block.len() as u64, Ordering::SeqCst);
    }
}

/// A flood's head, its block, and whether that counts as an answer.
type Flood = (&'static [u8], &'static [u8], bool);

#[tokio::test]
async fn a_gigabyte_is_not_read() {
    const CHUNK: &[u8] = b"10\r\n................\r\n10\r\n................\r\n10\r\n................\r\n";
    let floods: [Flood; 5] = [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", CHUNK, true),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n", CHUNK, true),
        (b"HTTP/1.1 200 OK\r\n\r\n", CHUNK, true),
        (b"HTTP/1.1 200 OK\r\n", b"x-filler: ................................................\r\n", false),
        (b"", b"................................................................................", false),
    ];
    for (head, block, answered) in floods {
        let written = Arc::<AtomicU64>::default();
        let ended = Arc::<Notify>::default();
        let (count, end) = (Arc::clone(&written), Arc::clone(&ended));
        let participant = Participant::raw(move |_, stream| {
            let (count, end) = (Arc::clone(&count), Arc::clone(&end));
            async move {
                flood(stream, head, block, &count).await;
                end.notify_one();
            }
        })
        .await;
        let rig = Rig::new(&[]);
        let delivered = rig.caller.deliver(&brief(&participant.url("/"), 20_000)).await;
        let head = String::from_utf8_lossy(head);
        assert_eq!(delivered.answered, answered, "{head:?}: {delivered:?}");
        assert!(!failed(delivered.result).is_empty(), "{head:?}");
        tokio::time::timeout(Duration::from_secs(20), ended.notified())
            .await
            .expect("the connection was dropped");
        // What the system takes in before anybody reads counts too.
        let written = written.load(Ordering::SeqCst);
        assert!(written < 64 << 20, "{head:?}: {written} bytes were taken");
    }
}

#[tokio::test]
async fn endless_interim_answers_end_with_the_timeout() {
    let participant = Participant::raw(|_, stream| async move {
        flood(stream, b"", b"HTTP/1.1 100 Continue\r\n\r\n", &AtomicU64::new(0)).await;
    })
    .await;
    let call = brief(&participant.url("/"), 100);
    let rig = Rig::new(&[]);
    let ended = tokio::time::timeout(Duration::from_secs(10), rig.caller.deliver(&call)).await.unwrap();
    assert!(!ended.answered && !failed(ended.result).is_empty());
}

#[tokio::test]
async fn an_answer_as_long_as_allowed_is_taken() {
    let rig = Rig::new(&["call.response_bytes_max=4B"]);
    let participant =
        Participant::http(|seen| reply(200, if seen.target == "/4" { "four" } else { "five!" })).await;
    let four = rig.caller.deliver(&brief(&participant.url("/4"), 5_000)).await;
    assert_eq!(four.reply.unwrap(), "four");
    let five = rig.caller.deliver(&brief(&participant.url("/5"), 5_000)).await;
    assert!(failed(five.result).contains("longer than 4 bytes"));
}

#[tokio::test]
async fn a_call_that_is_dropped_is_abandoned() {
    let (arrived, gone) = (Arc::<Notify>::default(), Arc::<Notify>::default());
    let (tell_arrived, tell_gone) = (Arc::clone(&arrived), Arc::clone(&gone));
    let participant = Participant::raw(move |_, mut stream| {
        let (arrived, gone) = (Arc::clone(&tell_arrived), Arc::clone(&tell_gone));
        async move {
            let mut buffer = [0; 4_096];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
            arrived.notify_one();
            while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
            gone.notify_one();
        }
    })
    .await;
    let rig = Rig::new(&[]);
    let call = brief(&participant.url("/"), 60_000);
    tokio::select! {
        delivered = rig.caller.deliver(&call) => panic!("nobody answered: {delivered:?}"),
        () = arrived.notified() => {}
    }
    tokio::time::timeout(Duration::from_secs(10), gone.notified()).await.expect("the connection was closed");
    let metrics = rig.metrics();
    assert!(metrics.contains("synod_calls_in_flight 0"), "{metrics}");
    assert!(metrics.contains(r#"result="cancelled"} 1"#), "{metrics}");
}
