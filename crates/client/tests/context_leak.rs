//! A consumer of a million messages: no context outlives its message, in memory or in the task.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;

use synod_client::Context;
use synod_client::context::{self, message};

const MESSAGES: u64 = 1_000_000;
/// What 16 bytes a message would come to is twice this.
const GROWTH_MAX: u64 = 8 * MESSAGES;

/// Bytes of this process that are in memory.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// The headers of message `n`: full, empty, or nonsense.
fn headers(n: u64) -> Vec<(String, String)> {
    match n % 4 {
        0 => Vec::new(),
        1 => vec![("TX_XID".into(), "not an id".into()), ("traceparent".into(), "00-0-0-0".into())],
        _ => vec![
            ("TX_XID".into(), format!("10.0.0.1:8091:{n}")),
            ("traceparent".into(), format!("00-{n:032x}-{n:016x}-01")),
            ("tracestate".into(), format!("a={n},b=2")),
        ],
    }
}

fn check(n: u64) {
    let seen = context::current();
    let expected = (n % 4 > 1).then_some(n);
    assert_eq!(seen.xid.as_ref().map(|xid| xid.to_string()), expected.map(|n| format!("10.0.0.1:8091:{n}")));
    assert_eq!(seen.trace.map(|trace| trace.trace_id()), expected.map(u128::from));
}

/// Polls the future once, and drops it where it stands.
async fn cancel(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

/// Polls the future to the panic in it.
async fn catch(future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(())) => panic!("the handler was meant to panic"),
        Ok(Poll::Pending) => Poll::Pending,
        Err(_) => Poll::Ready(()),
    })
    .await;
}

async fn consume(n: u64) {
    let headers = headers(n);
    // Not too many of these: unwinding is slow.
    if n % 1000 < 4 {
        let panics = message::consume(&headers, async || {
            tokio::task::yield_now().await;
            check(n);
            std::panic::resume_unwind(Box::new("handler"));
        });
        catch(panics).await;
    } else if n % 10 < 4 {
        let waits = message::consume(&headers, async || {
            check(n);
            std::future::pending().await
        });
        cancel(waits).await;
    } else if n % 10 < 6 {
        message::consume_sync(&headers, || check(n));
    } else {
        message::consume(&headers, async || {
            tokio::task::yield_now().await;
            check(n);
        })
        .await;
    }
    assert_eq!(context::current(), Context::default());
}

/// One test, for what runs beside it would be measured with it.
#[tokio::test]
async fn a_million_messages_leave_nothing_behind() {
    for n in 0..50_000 {
        consume(n).await;
    }
    let before = resident();
    for n in 0..MESSAGES {
        consume(n).await;
    }
    let growth = resident().saturating_sub(before);
    assert!(growth < GROWTH_MAX, "grown by {growth} bytes in {MESSAGES} messages");
    println!("grown by {growth} bytes in {MESSAGES} messages");

    // The measure sees what it is there to see.
    let leaked: Vec<Box<[u8; 16]>> = (0..MESSAGES).map(|n| Box::new([n as u8; 16])).collect();
    let growth = resident().saturating_sub(before);
    assert!(growth > GROWTH_MAX, "{} leaked boxes show as {growth} bytes", leaked.len());
}
