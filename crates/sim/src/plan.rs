//! What a seed stands for.

use synod_base::rng::Rng;

/// The kinds of worlds. What takes part decides what can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Synod nodes that lose messages, clocks, disks and each other. Nothing holds back evictions.
    Plain,
    /// The same, and nodes stand still for a while.
    Stalls,
    /// The same, and self-preservation with its cap on evictions is on, as it is by default.
    Preserve,
    /// Java servers among the peers.
    Java,
    /// Java servers among the peers, nothing goes wrong, and whoever does something to an instance leaves it alone for a
    /// second: the lanes alone have to bring all to agree, soon.
    Calm,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Stalls, Self::Preserve, Self::Java, Self::Calm];

    /// Its name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Stalls => "stalls",
            Self::Preserve => "preserve",
            Self::Java => "java",
            Self::Calm => "calm",
        }
    }

    /// Reads [`Self::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether Java servers take part.
    pub fn has_java(self) -> bool {
        matches!(self, Self::Java | Self::Calm)
    }

    /// Whether nodes stand still now and then.
    pub fn has_stalls(self) -> bool {
        matches!(self, Self::Stalls | Self::Preserve | Self::Java)
    }
}

/// Of self-preservation: the window over which renewals and evictions are counted.
pub const WINDOW_MS: u64 = 60_000;
/// Of self-preservation: the part of the renewals that has to come, and of the instances that outlives any window.
pub const THRESHOLD: f64 = 0.85;
/// Where self-preservation never ends by itself, at most so many are dead when the world heals, of [`CLIENTS_MANY`].
pub const DEAD_MAX: usize = 3;
/// The most clients there are.
pub const CLIENTS_MANY: u64 = 40;
/// In calm worlds an instance is left alone for so long after anything was done to it.
pub const REST_MS: u64 = 1_200;

/// The makings of one run. All times are virtual.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which run it is.
    pub seed: u64,
    /// Of which kind.
    pub kind: Kind,
    /// Synod nodes, fully meshed: 3 to 5, or fewer beside Java servers.
    pub nodes: usize,
    /// Java servers, meshed with all nodes and each other. Their numbers follow those of the nodes.
    pub javas: usize,
    /// Clients, each with one instance.
    pub clients: usize,
    /// How long things go wrong.
    pub storm_ms: u64,
    /// Each client means to renew this often.
    pub renew_ms: u64,
    /// How long leases last.
    pub duration_s: u32,
    /// From one comparing of two nodes to the next.
    pub sync_ms: u64,
    /// Messages lost, of 100, besides cuts.
    pub loss: u64,
    /// Messages that arrive twice, of 100.
    pub duplicate: u64,
    /// The longest a message between nodes is on its way.
    pub delay_ms_max: u64,
    /// The farthest a node's wall clock is ahead of another's.
    pub skew_ms_max: u64,
    /// From one fault to the next, on average; 0 for none.
    pub fault_every_ms: u64,
    /// From one deed of a client or an operator to the next, on average.
    pub deed_every_ms: u64,
    /// After this time self-preservation ends by itself, 0 for never.
    pub preserve_limit_ms: u64,
    /// How often a Java server evicts.
    pub java_evict_ms: u64,
    /// Whether a Java server serves lists up to 30 s old, as it does by default.
    pub java_cache: bool,
}

impl Plan {
    /// The run of this seed.
    pub fn new(kind: Kind, seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x51_0d);
        let mut pick = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
        let mut plan = Self {
            seed,
            kind,
            nodes: pick(&[3, 3, 3, 4, 5]) as usize,
            javas: 0,
            clients: pick(&[4, 12, CLIENTS_MANY]) as usize,
            storm_ms: pick(&[200_000, 400_000, 600_000]),
            renew_ms: pick(&[15_000, 30_000]),
            duration_s: 90,
            sync_ms: pick(&[5_000, 10_000, 60_000]),
            loss: pick(&[0, 5, 25]),
            duplicate: pick(&[0, 5, 25]),
            delay_ms_max: pick(&[5, 100, 1_000]),
            skew_ms_max: pick(&[0, 500, 20_000, 200_000]),
            fault_every_ms: pick(&[0, 10_000, 20_000, 40_000]),
            deed_every_ms: pick(&[300, 2_000, 8_000]),
            preserve_limit_ms: 0,
            java_evict_ms: 60_000,
            java_cache: false,
        };
        match kind {
            Kind::Plain => {}
            Kind::Stalls => plan.fault_every_ms = pick(&[5_000, 10_000, 20_000]),
            Kind::Preserve => {
                plan.preserve_limit_ms = pick(&[0, 120_000, 300_000]);
                if plan.preserve_limit_ms == 0 {
                    plan.clients = CLIENTS_MANY as usize;
                }
            }
            Kind::Java | Kind::Calm => {
                plan.nodes = pick(&[1, 2, 2, 3]) as usize;
                plan.javas = pick(&[1, 1, 1, 2]) as usize;
                plan.clients = pick(&[4, 12]) as usize;
                plan.java_evict_ms = pick(&[5_000, 60_000]);
                plan.java_cache = pick(&[0, 1]) == 1;
            }
        }
        if kind == Kind::Calm {
            (plan.loss, plan.duplicate, plan.fault_every_ms) = (0, 0, 0);
            plan.delay_ms_max = plan.delay_ms_max.min(100);
            plan.deed_every_ms = pick(&[100, 500]);
            plan.sync_ms = 3_600_000;
        }
        plan
    }

    /// Nodes and Java servers.
    pub fn servers(&self) -> usize {
        self.nodes + self.javas
    }

    /// One lease.
    pub fn lease_ms(&self) -> u64 {
        u64::from(self.duration_s) * 1_000
    }

    /// How long a node waits for an answer.
    pub fn timeout_ms(&self) -> u64 {
        2 * self.delay_ms_max + 500
    }

    /// The longest pause after a failure, of lanes and of comparing.
    pub fn backoff_ms_max(&self) -> u64 {
        1_000
    }

    /// A bound on the time in which news reach a peer that can be reached: a batch in flight has to fail first, then the
    /// peer must be greeted again, then the news go; the network loses at most [`crate::net::LOST_IN_A_ROW`] messages one
    /// after the other.
    pub fn reach_ms(&self) -> u64 {
        let attempt = self.timeout_ms() + self.backoff_ms_max();
        (2 + 2 * u64::from(crate::net::LOST_IN_A_ROW)) * attempt
    }

    /// The same where nothing is lost and nobody pauses: a batch in flight is answered first, then the news go.
    pub fn quick_ms(&self) -> Option<u64> {
        (self.loss == 0).then_some(5 * self.delay_ms_max + 200)
    }

    /// Time that a heartbeat may spend on the way to any node, and which its lease is longer there: a node cannot see how
    /// long a message was under way. Nodes may tell each other in a chain, and where wall clocks differ, news of two
    /// heartbeats may be told around one after the other, each with the later time of both.
    pub fn transit_ms(&self) -> u64 {
        3 * self.delay_ms_max * self.nodes as u64 + 1
    }

    /// Time given to the heal phase until all is settled: who died just before has two leases, then everything is compared
    /// twice. Where evictions are capped, as many are let go in each window as the cap allows.
    pub fn heal_ms(&self) -> u64 {
        let settled = 2 * self.lease_ms() + 2 * self.sync_ms + self.reach_ms();
        match self.kind {
            Kind::Plain => settled,
            Kind::Stalls => settled + WINDOW_MS,
            Kind::Preserve => settled + self.preserve_limit_ms + (2 + self.windows()) * WINDOW_MS,
            // A Java server's leases are doubled, a clock that is ahead makes a node believe in them once more, and what
            // differs is looked at in two more rounds.
            Kind::Java => {
                let drained = self.lease_ms() + (2 + self.windows()) * self.java_evict_ms;
                settled + drained + self.skew_ms_max + 3 * self.sync_ms + 60_000
            }
            Kind::Calm => 2 * self.renew_ms + 5_000,
        }
    }

    /// In how many windows everybody is gone, when each may take its share.
    fn windows(&self) -> u64 {
        let shrink = |left: usize| Some((left as f64 * THRESHOLD) as usize).filter(|_| left > 0);
        std::iter::successors(Some(self.clients), |left| shrink(*left)).count() as u64
    }
}
