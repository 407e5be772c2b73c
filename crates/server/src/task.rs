//! Starting tasks: long-running ones have a name, and a panic in one ends the process, because half a node is worse than
//! none and a restart is the recovery. A panic in a connection's task ends that connection only.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Starts a long-running task. If it panics the process ends with exit code 1.
#[expect(clippy::disallowed_methods, reason = "this is what the ban points to")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(guarded(name, future))
}

/// Makes a part of somebody else's task one of ours: if it panics the process ends.
pub(crate) async fn guarded<F: Future>(name: &'static str, future: F) -> F::Output {
    let mut future = pin!(future);
    // A task that is merely cancelled is dropped without being polled.
    poll_fn(|cx| or_end(name, || future.as_mut().poll(cx))).await
}

/// Runs what everything rests on, on whatever thread: if it panics the process ends with exit code 1.
pub(crate) fn or_end<T>(name: &'static str, run: impl FnOnce() -> T) -> T {
    let guard = Guard(name);
    let done = run();
    // Not reached by a panic only.
    std::mem::forget(guard);
    done
}

/// Starts the task of one connection: what goes wrong there stays there.
#[expect(clippy::disallowed_methods, reason = "this is what the ban points to")]
pub(crate) fn spawn_connection<F>(future: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(future)
}

/// Ends the process when it is dropped, which only a panic does.
struct Guard(&'static str);

impl Drop for Guard {
    #[expect(
        clippy::disallowed_methods,
        reason = "main cannot be asked: the task that panicked may be what it waits for"
    )]
    fn drop(&mut self) {
        tracing::error!(task = self.0, "a task panicked; the process ends");
        std::process::exit(1);
    }
}

/// What to do when a part on which everything rests has failed: told which and why.
#[derive(Clone)]
pub struct OnFatal(Arc<Act>);

type Act = dyn Fn(&'static str, &str) + Send + Sync;

impl OnFatal {
    /// Does that.
    pub fn new(act: impl Fn(&'static str, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(act))
    }

    /// Ends the process with exit code 1: what is on the disk is not known, and a restart reads it.
    #[expect(clippy::disallowed_methods, reason = "main cannot be asked: it may wait for what failed")]
    pub fn end_process() -> Self {
        Self::new(|part, reason| {
            tracing::error!(part, reason, "what everything rests on has failed; the process ends");
            std::process::exit(1);
        })
    }

    /// It has failed.
    pub(crate) fn tell(&self, part: &'static str, reason: &str) {
        (self.0)(part, reason);
    }
}

impl fmt::Debug for OnFatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnFatal")
    }
}

/// The signal that the node is stopping. Made once per node; everybody who must finish up holds a [`Stopping`]. To drop it is to
/// give it: a node that is gone has stopped.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

/// Whether the node is stopping, and a way to wait for it.
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<bool>);

impl Stop {
    /// A signal not given yet, and its first listener.
    pub fn new() -> (Self, Stopping) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stopping(receiver))
    }

    /// Gives the signal. Giving it twice is giving it once.
    pub fn give(&self) {
        self.0.send_replace(true);
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.give();
    }
}

impl Stopping {
    /// Whether the signal was given.
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the signal was given, also when that was before this call.
    pub async fn given(&mut self) {
        // The other end gives it before it is gone.
        drop(self.0.wait_for(|given| *given).await);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn the_stop_reaches_those_who_wait_and_those_who_come_late() {
        let (stop, mut early) = Stop::new();
        assert!(!early.is_given());
        let mut waiting = early.clone();
        let waiter = spawn("test", async move { waiting.given().await });
        stop.give();
        waiter.await.unwrap();
        early.given().await;
        assert!(early.is_given());
    }

    #[tokio::test]
    async fn whoever_looks_after_the_node_is_gone_sees_that_it_has_stopped() {
        let (stop, mut listener) = Stop::new();
        drop(stop);
        listener.given().await;
        // Loops look first and wait then: the two must not differ.
        assert!(listener.is_given());
    }

    #[tokio::test]
    async fn a_cancelled_task_ends_nothing() {
        let task = spawn("test", std::future::pending::<()>());
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }

    /// Set in the process that is to end.
    const DOOMED: &str = "SYNOD_TEST_DOOMED";

    /// Runs itself again, as a process that may end.
    #[test]
    fn a_panic_in_a_named_task_ends_the_process() {
        if std::env::var_os(DOOMED).is_some() {
            return end();
        }
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "task::tests::a_panic_in_a_named_task_ends_the_process", "--nocapture"]);
        let ended = again.env(DOOMED, "1").output().unwrap();
        let log = String::from_utf8_lossy(&ended.stderr);
        // A test that fails ends with 101, one that passes with 0.
        assert_eq!(ended.status.code(), Some(1), "{log}");
        for told in ["INFO", "before", "place=", "panic=\"on\\ntwo lines\"", "task=\"doomed\""] {
            assert!(log.contains(told), "{told} is missing in {log}");
        }
        assert_eq!(log.lines().count(), 3, "one line an event: {log}");
    }

    fn end() {
        crate::telemetry::init(&crate::config::Config::default().log).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            tracing::info!("before");
            spawn("doomed", async { panic!("on\ntwo lines") });
            // As main does: it waits for something else.
            std::future::pending::<()>().await;
        });
    }
}
