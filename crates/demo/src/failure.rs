//! How a command can end badly.

/// Why a command ended badly: what to say, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: anyhow::Error,
    pub(crate) code: u8,
}

impl Failure {
    /// Bad usage.
    pub(crate) fn usage(why: &'static str) -> Self {
        Self { error: anyhow::Error::msg(why), code: 2 }
    }
}

/// Whatever has no exit code of its own failed at run time.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), code: 1 }
    }
}
