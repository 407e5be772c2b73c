//! The ways in which two banks agree.

use clap::ValueEnum;

/// How the two banks agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// The databases prepare, and commit when all have
    Xa,
    /// The services reserve, and confirm when all have
    Tcc,
    /// Each does its part at once, and undoes it if another one cannot
    Saga,
    /// One does its part and tells the other, who cannot refuse
    Message,
    /// Each does its part at once, and Seata's AT undoes it from a log of what the rows were before
    At,
    /// One does its part and writes the message down beside it, to be sent when somebody takes it
    Outbox,
    /// Begun over Seata's protocol; AT, a native and a dtm branch take part
    Mixed,
    /// The same, begun over the native API
    MixedNative,
}

impl Mode {
    pub(crate) const ALL: [Self; 8] = [
        Self::Xa,
        Self::Tcc,
        Self::Saga,
        Self::Message,
        Self::At,
        Self::Outbox,
        Self::Mixed,
        Self::MixedNative,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Xa => "xa",
            Self::Tcc => "tcc",
            Self::Saga => "saga",
            Self::Message => "message",
            Self::At => "at",
            Self::Outbox => "outbox",
            Self::Mixed => "mixed",
            Self::MixedNative => "mixed-native",
        }
    }

    /// Whether one bank is told what the other has done, and cannot refuse it.
    pub(crate) const fn is_told(self) -> bool {
        matches!(self, Self::Message | Self::Outbox)
    }

    /// Those that are named, or all.
    pub(crate) fn chosen(named: &[Self]) -> Vec<Self> {
        Self::ALL.into_iter().filter(|mode| named.is_empty() || named.contains(mode)).collect()
    }
}
