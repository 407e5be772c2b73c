//! What a seed stands for.

use synod_base::rng::Rng;

/// The makings of one run. All times are virtual.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which run it is.
    pub seed: u64,
    /// Nodes, 3 to 5, fully meshed.
    pub nodes: usize,
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
}

impl Plan {
    /// The run of this seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x51_0d);
        let mut pick = |choices: &[u64]| choices[rng.below(choices.len() as u64) as usize];
        Self {
            seed,
            nodes: pick(&[3, 3, 3, 4, 5]) as usize,
            clients: pick(&[4, 12, 40]) as usize,
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
        }
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
    /// twice.
    pub fn heal_ms(&self) -> u64 {
        2 * self.lease_ms() + 2 * self.sync_ms + self.reach_ms()
    }
}
