//! What really happened to each instance, known to nobody inside the simulated world.

use std::collections::BTreeMap;

/// Application and id.
pub type Key = (String, String);

/// A sign of life that a node took.
#[derive(Clone, Copy, Debug)]
pub struct Sign {
    /// When.
    pub at_ms: u64,
    /// By which node.
    pub node: usize,
    /// In which of its lives.
    pub life: u32,
    /// Of which version of the record.
    pub dirty_ms: u64,
}

/// The story of one instance.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Whether its process runs.
    pub alive: bool,
    /// The dirty timestamp with which the process that runs now began.
    pub born_dirty_ms: u64,
    /// When it was last told to be gone or died, if it is.
    pub gone_ms: Option<u64>,
    /// When and at which node it took leave, if it did so and was heard.
    pub left: Option<(u64, usize)>,
    /// The latest signs of life, oldest first.
    pub signs: Vec<Sign>,
}

/// Signs kept of each instance: those of a lease, and more.
const SIGNS_MAX: usize = 64;

impl Story {
    /// The last sign of life that any node took.
    pub fn last_sign_ms(&self) -> Option<u64> {
        self.signs.last().map(|sign| sign.at_ms)
    }

    /// Since when nothing can justify that it is listed.
    pub fn silent_since_ms(&self) -> Option<u64> {
        Some(self.gone_ms?.max(self.last_sign_ms().unwrap_or(0)))
    }
}

/// All stories.
#[derive(Debug, Default)]
pub struct Truth(BTreeMap<Key, Story>);

impl Truth {
    /// The story of an instance.
    pub fn of(&mut self, key: &Key) -> &mut Story {
        if !self.0.contains_key(key) {
            self.0.insert(key.clone(), Story::default());
        }
        self.0.get_mut(key).expect("just inserted")
    }

    /// The story of an instance, if it ever began.
    pub fn get(&self, key: &Key) -> Option<&Story> {
        self.0.get(key)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Story)> {
        self.0.iter()
    }

    /// A process began.
    pub fn born(&mut self, key: &Key, dirty_ms: u64) {
        let story = self.of(key);
        (story.alive, story.gone_ms, story.left, story.born_dirty_ms) = (true, None, None, dirty_ms);
    }

    /// A process ended, or took leave.
    pub fn gone(&mut self, key: &Key, at_ms: u64) {
        let story = self.of(key);
        story.alive = false;
        story.gone_ms.get_or_insert(at_ms);
    }

    /// A node took it off because it said so.
    pub fn left(&mut self, key: &Key, at_ms: u64, node: usize) {
        self.gone(key, at_ms);
        self.of(key).left.get_or_insert((at_ms, node));
    }

    /// A node took a sign of life.
    pub fn sign(&mut self, key: &Key, sign: Sign) {
        let signs = &mut self.of(key).signs;
        if signs.len() == SIGNS_MAX {
            signs.remove(0);
        }
        signs.push(sign);
    }
}
