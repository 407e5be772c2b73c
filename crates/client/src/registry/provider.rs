//! Being found: one instance, announced until it is left.

mod standing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use http::header::{ACCEPT, HeaderValue};
use http::{Method, StatusCode};
use synod_base::rng::Rng;
use synod_wire::eureka::{self as wire, Status};
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::{Instance, Servers};
use crate::BadUrl;
use crate::clock;
use crate::http_client::{self, Call, Repeat, escaped};
use crate::task;
use standing::{Heard, Standing, Step, dirtier};

/// How the announcement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// No server has it, or none that could be asked has confirmed it for as long as its lease lasts. It goes on trying.
    Trying,
    /// A server has it.
    Registered,
    /// It is withdrawn.
    Left,
}

/// What is to be announced.
struct Wanted {
    instance: Instance,
    leave: bool,
}

/// An announced instance. Dropping it withdraws it in the background; [`Provider::leave`] waits for that.
pub struct Provider {
    wanted: Arc<watch::Sender<Wanted>>,
    state: watch::Receiver<State>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = self.wanted.borrow();
        write!(f, "Provider({}/{}: {:?})", wanted.instance.app, wanted.instance.id, *self.state.borrow())
    }
}

impl Provider {
    /// Begins to announce an instance, and keeps it announced: renews it, registers it again where it was forgotten, and turns to
    /// the next server when one fails. That no server is there is no error: it goes on trying. To be called on a tokio runtime.
    ///
    /// # Errors
    /// A URL of a server cannot be used.
    pub fn register(servers: &Servers, instance: Instance) -> Result<Self, BadUrl> {
        let servers = servers.client()?;
        let mut instance = instance;
        instance.dirty_ms = dirtier(instance.dirty_ms, clock::wall_ms());
        let (wanted, seen) = watch::channel(Wanted { instance, leave: false });
        let wanted = Arc::new(wanted);
        let (tell, state) = watch::channel(State::Trying);
        let announcer = Announcer { servers, wanted: Arc::clone(&wanted), tell };
        task::detached(announcer.run(seen));
        Ok(Self { wanted, state })
    }

    /// Whether a server has the instance, as far as is known.
    pub fn is_registered(&self) -> bool {
        *self.state.borrow() == State::Registered
    }

    /// How the announcement stands, from now on.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Announces another status. An operator's override at the server has precedence over UP and OUT_OF_SERVICE.
    pub fn set_status(&self, status: Status) {
        self.update(|instance| instance.status = status);
    }

    /// Announces another value of a key of the metadata.
    pub fn set_metadata(&self, key: &str, value: &str) {
        self.update(|instance| {
            instance.metadata.insert(key.to_owned(), value.to_owned());
        });
    }

    /// Announces a change of the description at once, if it is one. Service and id stay what they are.
    pub fn update(&self, change: impl FnOnce(&mut Instance)) {
        self.wanted.send_if_modified(|wanted| {
            let mut new = wanted.instance.clone();
            change(&mut new);
            new.app = Arc::clone(&wanted.instance.app);
            new.id = Arc::clone(&wanted.instance.id);
            new.dirty_ms = wanted.instance.dirty_ms;
            if new == wanted.instance {
                return false;
            }
            new.dirty_ms = dirtier(new.dirty_ms, clock::wall_ms());
            wanted.instance = new;
            true
        });
    }

    /// Withdraws the instance, and returns when a server knows or none could be told. Takes as long as one call at most of each
    /// server, and one more if one is under way.
    pub async fn leave(self) {
        let mut state = self.state.clone();
        drop(self);
        // An error means that the announcer is gone, with its runtime: nothing to wait for.
        state.wait_for(|state| *state == State::Left).await.map(drop).unwrap_or_default();
    }

    /// Waits for SIGTERM or SIGINT (Ctrl-C), then leaves. Others that wait for the same signals, and handlers that were there
    /// before, hear of them too; but from the first call on these signals no longer end the process by themselves.
    ///
    /// # Errors
    /// Signals cannot be listened for.
    pub async fn leave_on_signal(self) -> std::io::Result<()> {
        signal().await?;
        self.leave().await;
        Ok(())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.wanted.send_modify(|wanted| wanted.leave = true);
    }
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// The task behind a [`Provider`].
struct Announcer {
    servers: http_client::Servers,
    wanted: Arc<watch::Sender<Wanted>>,
    tell: watch::Sender<State>,
}

impl Announcer {
    async fn run(self, mut seen: watch::Receiver<Wanted>) {
        let mut standing = Standing::default();
        let mut random = Rng::new(clock::wall_ms() ^ u64::from(std::process::id()));
        let mut confirmed = clock::now();
        loop {
            let (instance, leave) = {
                let wanted = seen.borrow_and_update();
                (wanted.instance.clone(), wanted.leave)
            };
            if leave {
                break;
            }
            let began = clock::now();
            let step = standing.next(&instance);
            let heard = self.carry_out(&step, &instance).await;
            say(&standing, &step, &heard, &instance);
            match heard {
                Heard::Yes => {
                    confirmed = began;
                    self.stands(State::Registered);
                }
                Heard::Unknown => self.is_forgotten(),
                Heard::Failed(_) if confirmed.elapsed() >= instance.lease_duration => {
                    self.stands(State::Trying);
                }
                Heard::Failed(_) => {}
            }
            let pause = standing.heard(&step, &heard, &instance);
            // Many instances that lost the same server do not come back in step.
            let part = if standing.has_failed() { 75 + random.below(26) as u32 } else { 100 };
            tokio::select! {
                () = sleep_until(began + pause * part / 100) => {}
                // An error would mean that there is no sender, and this task holds one.
                changed = seen.changed() => changed.unwrap_or_default(),
            }
        }
        if standing.may_be_known() {
            self.withdraw(&seen).await;
        }
        self.stands(State::Left);
    }

    fn stands(&self, state: State) {
        self.tell.send_if_modified(|now| std::mem::replace(now, state) != state);
    }

    /// What was forgotten is announced as something new, as Java clients do it: whatever servers tell each other of the old
    /// record loses against it.
    fn is_forgotten(&self) {
        self.stands(State::Trying);
        self.wanted.send_modify(|wanted| {
            wanted.instance.dirty_ms = dirtier(wanted.instance.dirty_ms, clock::wall_ms());
        });
    }

    async fn carry_out(&self, step: &Step, instance: &Instance) -> Heard {
        let call = match step {
            Step::Renew => {
                let (status, dirty) = (instance.status.as_str(), instance.dirty_ms);
                let query = format!("?status={status}&lastDirtyTimestamp={dirty}");
                Call::new(Method::PUT, path(instance) + &query, Repeat::Yes)
            }
            Step::Register { status, dirty_ms } => {
                let wanted = Instance { status: *status, dirty_ms: *dirty_ms, ..instance.clone() };
                let mut body = Vec::with_capacity(1024);
                wire::write_instance_document(&mut body, &wanted.to_wire(), wire::Format::Json);
                let path = format!("apps/{}", escaped(&instance.app));
                Call::new(Method::POST, path, Repeat::Yes).json(body)
            }
        };
        match self.servers.send(&call.header(ACCEPT, HeaderValue::from_static("application/json"))).await {
            Ok(answer) if answer.status.is_success() => Heard::Yes,
            Ok(answer) if *step == Step::Renew && answer.status == StatusCode::NOT_FOUND => Heard::Unknown,
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.body);
                let text: String = text.chars().take(200).collect();
                Heard::Failed(format!("{} {text}", answer.status))
            }
            Err(error) => Heard::Failed(error.to_string()),
        }
    }

    async fn withdraw(&self, seen: &watch::Receiver<Wanted>) {
        let path = path(&seen.borrow().instance);
        let answer = self.servers.send(&Call::new(Method::DELETE, path.as_str(), Repeat::Yes)).await;
        match answer {
            Ok(answer) => tracing::debug!(path, status = answer.status.as_u16(), "instance withdrawn"),
            Err(error) => tracing::warn!(path, %error, "instance not withdrawn; its lease will run out"),
        }
    }
}

fn path(instance: &Instance) -> String {
    format!("apps/{}/{}", escaped(&instance.app), escaped(&instance.id))
}

/// Tells an operator what is new; that the same goes on is not.
fn say(standing: &Standing, step: &Step, heard: &Heard, instance: &Instance) {
    let (app, id) = (&*instance.app, &*instance.id);
    match (step, heard) {
        (Step::Register { status, .. }, Heard::Yes) => {
            tracing::info!(app, id, status = status.as_str(), "instance registered");
        }
        (Step::Renew, Heard::Unknown) => {
            tracing::info!(app, id, "lease unknown to the server: registering again")
        }
        (_, Heard::Failed(error)) if !standing.has_failed() => {
            tracing::warn!(app, id, error, "instance not announced: trying on");
        }
        (Step::Renew, Heard::Yes) if standing.has_failed() => tracing::info!(app, id, "lease renewed again"),
        _ => {}
    }
}
