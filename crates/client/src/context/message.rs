//! Consuming messages in the context of their sender.

use super::{Carrier, extract, scope};

/// Handles one message in the context that its headers carry. The context ends with the handler: when it returns, panics, or is dropped in
/// the middle. The next message has its own, or none.
///
/// The sender writes it with [`inject`](super::inject). A transaction that a message names may have ended long before the message is
/// read; what joins it is refused then.
///
/// ```
/// # use synod_client::context::{self, message};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let headers = vec![("TX_XID".to_owned(), "10.0.0.1:8091:42".to_owned())];
/// let xid = message::consume(&headers, async || context::current().xid).await;
/// assert!(xid.is_some());
/// # }
/// ```
pub async fn consume<T>(headers: &impl Carrier, handler: impl AsyncFnOnce() -> T) -> T {
    let context = extract(headers);
    scope(context, async move { handler().await }).await
}

/// The same for consumers that block.
pub fn consume_sync<T>(headers: &impl Carrier, handler: impl FnOnce() -> T) -> T {
    super::sync_scope(extract(headers), handler)
}
