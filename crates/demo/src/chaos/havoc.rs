//! Who is killed, and comes back.

use std::time::Duration;

use anyhow::Context as _;
use synod_scratch::Server;

use crate::say::Who;
use crate::setup::Stage;

/// Who can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Victim {
    Coordinator,
    Bank(usize),
    Database(usize),
}

impl Victim {
    const ALL: [Self; 5] =
        [Self::Coordinator, Self::Bank(0), Self::Bank(1), Self::Database(0), Self::Database(1)];

    const fn words(self) -> &'static str {
        match self {
            Self::Coordinator => "the coordinator",
            Self::Bank(0) => "bank A",
            Self::Bank(_) => "bank B",
            Self::Database(0) => "the database of bank A",
            Self::Database(_) => "the database of bank B",
        }
    }
}

/// One in so many kills is of two at once.
const TWO: u32 = 4;
/// How long somebody stays away at most, and how long there is peace.
const AWAY_MS: u64 = 1_200;
const PEACE_MS: std::ops::Range<u64> = 300..1_500;

/// See the module.
pub(super) struct Havoc {
    random: fastrand::Rng,
    /// Who comes next, as numbers of [`Victim::ALL`]: all of them in turn, each time in another order.
    turns: Vec<usize>,
    /// How often each of them was killed.
    kills: [u32; Victim::ALL.len()],
}

impl Havoc {
    pub(super) fn new(random: fastrand::Rng) -> Self {
        Self { random, turns: Vec::new(), kills: [0; Victim::ALL.len()] }
    }

    /// Kills one or two, has them come back, and leaves all in peace for a while.
    pub(super) async fn strike(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        let first = self.next();
        let second = (first + 1 + self.random.usize(..Victim::ALL.len() - 1)) % Victim::ALL.len();
        let count = if self.random.u32(..TWO) == 0 { 2 } else { 1 };
        let chosen = &[first, second][..count];
        for at in chosen {
            self.kills[*at] += 1;
            kill(stage, Victim::ALL[*at]).await?;
            self.pause(0..AWAY_MS / 2).await;
        }
        self.pause(0..AWAY_MS / 2).await;
        for at in chosen {
            restart(stage, Victim::ALL[*at]).await?;
        }
        self.pause(PEACE_MS).await;
        Ok(())
    }

    fn next(&mut self) -> usize {
        if self.turns.is_empty() {
            self.turns.extend(0..Victim::ALL.len());
            self.random.shuffle(&mut self.turns);
        }
        self.turns.pop().unwrap_or_default()
    }

    async fn pause(&mut self, range_ms: std::ops::Range<u64>) {
        tokio::time::sleep(Duration::from_millis(self.random.u64(range_ms))).await;
    }

    /// Who was killed how often.
    pub(super) fn kills(&self) -> impl Iterator<Item = (&'static str, u32)> {
        Victim::ALL.iter().map(|victim| victim.words()).zip(self.kills)
    }
}

async fn kill(stage: &mut Stage, victim: Victim) -> anyhow::Result<()> {
    match victim {
        Victim::Coordinator => stage.coordinator.kill(),
        Victim::Bank(0) => stage.a.kill(),
        Victim::Bank(_) => stage.b.kill(),
        Victim::Database(at) => {
            with_server(stage, at, |mut server| {
                server.kill();
                Ok(server)
            })
            .await?;
            stage.say.line(Who::Demo, &format!("{} is killed (kill -9)", victim.words()));
        }
    }
    Ok(())
}

async fn restart(stage: &mut Stage, victim: Victim) -> anyhow::Result<()> {
    match victim {
        Victim::Coordinator => stage.coordinator.restart().await,
        Victim::Bank(0) => stage.a.restart().await,
        Victim::Bank(_) => stage.b.restart().await,
        Victim::Database(at) => {
            with_server(stage, at, |mut server| server.restart().map(|()| server)).await?;
            stage.say.line(Who::Demo, &format!("{} is back", victim.words()));
            Ok(())
        }
    }
}

/// Does something with a database's server that takes its time.
async fn with_server(
    stage: &mut Stage,
    at: usize,
    work: impl FnOnce(Server) -> Result<Server, synod_scratch::Error> + Send + 'static,
) -> anyhow::Result<()> {
    let server = stage.servers[at].take().context("this database is not ours to kill")?;
    stage.servers[at] = Some(tokio::task::spawn_blocking(move || work(server)).await??);
    Ok(())
}
