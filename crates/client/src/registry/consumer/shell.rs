//! The task behind a consumer: asks when the cache says so, listens where it can, shows what comes of it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant as Moment, sleep_until};

use super::cache::{Cache, Kind, Next, Outcome};
use super::feed::{Event, Feed};
use super::fetch::{self, Found, Question};
use super::snapshot::Snapshot;
use super::{Config, Source, file, list};
use crate::backoff::Backoff;
use crate::clock;
use crate::http_client::Servers;

/// Questions under way at once: one that is slow does not keep the next one from being asked.
const QUESTIONS_MAX: usize = 2;
/// The first pause after a failure; it doubles up to the interval.
const PAUSE: Duration = Duration::from_millis(500);
/// Least time between two writes of the file.
const SAVE_PAUSE: Duration = Duration::from_secs(1);
/// Intervals between two looks at what should come by itself.
const RARELY: u32 = 10;

/// Where the shell shows what it has.
pub(super) struct Out {
    pub(super) shown: Arc<ArcSwap<Snapshot>>,
    pub(super) changes: watch::Sender<u64>,
    pub(super) source: watch::Sender<Source>,
}

/// What has come to its end beside the loop.
enum Done {
    Question(u64, Outcome),
    /// Whether the feed goes on from where an earlier one ended.
    Look(Found, bool),
    Saved,
}

pub(super) struct Shell {
    config: Config,
    client: Arc<Servers>,
    native: Arc<Servers>,
    cache: Cache,
    out: Out,
    refresh: Arc<Notify>,
    work: JoinSet<Done>,
    questions: usize,
    /// A full list has to be asked for as soon as there is room.
    owed: bool,
    next_poll: Moment,
    failures: u32,
    feed: Option<Feed>,
    /// The version after the last change that was heard of.
    since: Option<String>,
    /// How often a feed has ended soon or was not found, in a row.
    broken: u32,
    /// When to look for a feed; not while one is there, or being looked for.
    next_look: Option<Moment>,
    unsaved: bool,
    saving: bool,
    next_save: Moment,
}

impl Shell {
    pub(super) fn new(
        config: Config,
        client: Servers,
        native: Servers,
        cache: Cache,
        out: Out,
        refresh: Arc<Notify>,
    ) -> Self {
        let now = clock::now();
        // A list that is asked for before the changes are listened for might miss one.
        let (next_look, next_poll) =
            if config.watch { (Some(now), now + config.interval) } else { (None, now) };
        Self {
            config,
            client: Arc::new(client),
            native: Arc::new(native),
            cache,
            out,
            refresh,
            work: JoinSet::new(),
            questions: 0,
            owed: false,
            next_poll,
            failures: 0,
            feed: None,
            since: None,
            broken: 0,
            next_look,
            unsaved: false,
            saving: false,
            next_save: now,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let look = self.next_look.unwrap_or(self.next_poll);
            tokio::select! {
                Some(done) = self.work.join_next() => match done {
                    Ok(Done::Question(number, outcome)) => self.answered(number, outcome),
                    Ok(Done::Look(found, resumed)) => self.looked(found, resumed),
                    Ok(Done::Saved) => self.saving = false,
                    Err(error) => {
                        // A bug, whichever it was: rather ask once too often from now on than never again.
                        tracing::error!(%error, "a question to a server was lost");
                        (self.questions, self.saving) = (0, false);
                    }
                },
                events = next_events(&mut self.feed) => self.heard(events),
                () = sleep_until(self.next_poll) => self.poll(),
                () = sleep_until(look), if self.next_look.is_some() => self.look(),
                () = self.refresh.notified() => self.poll(),
                () = sleep_until(self.next_save), if self.unsaved && !self.saving => self.save(),
            }
            self.publish();
        }
    }

    /// All servers, this one first.
    fn order(&self, first: usize) -> Vec<usize> {
        (first..first + self.client.len()).map(|turn| turn % self.client.len()).collect()
    }

    fn pause(&self, failures: u32) -> Duration {
        Backoff::new(PAUSE, self.config.interval).after(failures)
    }

    fn poll(&mut self) {
        let rarely = self.feed.is_some() && !self.cache.doubts();
        self.next_poll = clock::now() + self.config.interval * if rarely { RARELY } else { 1 };
        let first = self.feed.as_ref().map_or(self.client.current(), |feed| feed.server);
        if self.questions < QUESTIONS_MAX {
            self.ask(self.order(first), self.cache.wants(first));
        }
    }

    fn ask_for_everything(&mut self, first: usize) {
        self.owed = self.questions >= QUESTIONS_MAX;
        if !self.owed {
            self.ask(self.order(first), Kind::Full);
        }
    }

    fn ask(&mut self, order: Vec<usize>, kind: Kind) {
        let (number, client) = (self.cache.ask(), Arc::clone(&self.client));
        let question = Question { order, kind, services: self.cache.services().cloned() };
        self.questions += 1;
        self.work.spawn(async move { Done::Question(number, fetch::list(&client, &question).await) });
    }

    fn answered(&mut self, number: u64, outcome: Outcome) {
        self.questions = self.questions.saturating_sub(1);
        let from = match &outcome {
            Outcome::List { server, .. } => Some(*server),
            Outcome::Unusable { .. } | Outcome::Nothing => None,
        };
        match self.cache.answer(number, outcome) {
            Next::Wait => {}
            Next::Full => self.ask_for_everything(from.unwrap_or(self.client.current())),
            Next::Confirm { server } => {
                self.next_poll = self.next_poll.min(clock::now() + self.config.interval);
                let others: Vec<usize> = self.order(server).split_off(1);
                if !others.is_empty() {
                    self.ask(others, Kind::Full);
                }
            }
        }
        if let Some(server) = from {
            self.failures = 0;
            self.follow(server);
        } else {
            self.failures = self.failures.saturating_add(1);
            self.next_poll = self.next_poll.min(clock::now() + self.pause(self.failures));
            self.is_stale();
        }
        if self.owed {
            self.ask_for_everything(self.client.current());
        }
    }

    /// Changes are only good for the list of the same server.
    fn follow(&mut self, server: usize) {
        if self.feed.as_ref().is_some_and(|feed| feed.server != server) {
            self.feed = None;
            self.since = None;
            self.next_look = Some(clock::now());
        }
        let source = if self.feed.is_some() { Source::Watched } else { Source::Polled };
        self.out.source.send_if_modified(|now| std::mem::replace(now, source) != source);
    }

    fn is_stale(&self) {
        self.out.source.send_if_modified(|now| {
            let was_fresh = matches!(now, Source::Polled | Source::Watched);
            if was_fresh {
                *now = Source::Stale;
            }
            was_fresh
        });
    }

    fn look(&mut self) {
        self.next_look = None;
        let native = Arc::clone(&self.native);
        let order = self.order(self.client.current());
        let since = self.since.clone();
        let mut services = self.cache.services().into_iter().flatten();
        // The server can leave out all but one service; several are sorted out here.
        let only = services.next().filter(|_| services.next().is_none()).map(ToString::to_string);
        self.work.spawn(async move {
            let found = fetch::feed(&native, &order, since.as_deref(), only.as_deref()).await;
            Done::Look(found, since.is_some())
        });
    }

    fn looked(&mut self, found: Found, resumed: bool) {
        let now = clock::now();
        match found {
            Found::Feed(server, response) => {
                self.client.prefer(server);
                self.feed = Some(Feed::new(server, response));
                self.next_poll = now + self.config.interval * RARELY;
                if resumed {
                    self.follow(server);
                } else {
                    self.ask_for_everything(server);
                }
            }
            Found::NoFeed => {
                self.since = None;
                self.next_look = Some(now + self.config.interval * RARELY);
                self.poll();
            }
            Found::Nobody => {
                self.broken = self.broken.saturating_add(1);
                self.next_look = Some(now + self.pause(self.broken));
                self.is_stale();
            }
        }
    }

    fn heard(&mut self, events: Result<Vec<Event>, String>) {
        match events {
            Ok(events) => {
                for event in events {
                    self.broken = 0;
                    match event {
                        Event::Change(version, change) => {
                            self.since = Some(version);
                            self.cache.change(change);
                        }
                        Event::Reset(version) => {
                            self.since = Some(version);
                            self.ask_for_everything(self.feed.as_ref().map_or(0, |feed| feed.server));
                        }
                    }
                }
            }
            Err(why) => {
                tracing::debug!(why, "no changes are announced any more: looking for who does");
                self.feed = None;
                // The first time it may just be a restart. What breaks a feed again and again must not be asked for again.
                let pause = if self.broken == 0 { Duration::ZERO } else { self.pause(self.broken) };
                if self.broken > 0 {
                    self.since = None;
                }
                self.broken = self.broken.saturating_add(1);
                self.next_look = Some(clock::now() + pause);
            }
        }
    }

    fn publish(&mut self) {
        if let Some(snapshot) = self.cache.publish() {
            let generation = snapshot.generation();
            self.out.shown.store(Arc::new(snapshot));
            self.out.changes.send_replace(generation);
            self.unsaved = self.config.file.is_some();
        }
    }

    fn save(&mut self) {
        let Some(path) = self.config.file.clone() else { return };
        (self.unsaved, self.saving) = (false, true);
        self.next_save = clock::now() + SAVE_PAUSE;
        let (contents, bytes_max) = (self.cache.contents(), self.config.servers.answer_max);
        self.work.spawn_blocking(move || {
            let body = list::encode(contents.all().map(AsRef::as_ref));
            let saved = if body.len() > bytes_max {
                Err(std::io::ErrorKind::FileTooLarge.into())
            } else {
                file::save(&path, &body)
            };
            if let Err(error) = saved {
                tracing::warn!(path = %path.display(), %error, "list of instances not kept");
            }
            Done::Saved
        });
    }
}

async fn next_events(feed: &mut Option<Feed>) -> Result<Vec<Event>, String> {
    match feed {
        Some(feed) => feed.next().await,
        None => std::future::pending().await,
    }
}
