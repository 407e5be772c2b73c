//! Whether the node lives, whether it serves, and the answers that probes get.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use http::{HeaderValue, Response, StatusCode, header};

use crate::net::Body;

/// The node's state as probes see it.
#[derive(Debug, Default)]
pub struct Health {
    /// A [`Stage`]; `Starting` at first.
    stage: AtomicU8,
    registry_open: AtomicBool,
}

/// Where a node is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not everything is bound yet.
    Starting,
    /// Writes are served.
    Ready,
    /// Finishing what was accepted.
    Stopping,
}

impl Health {
    /// Where the node is.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Starting,
            1 => Stage::Ready,
            _ => Stage::Stopping,
        }
    }

    /// Moves on; there is no way back.
    pub fn reach(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
    }

    /// Whether the registry serves reads.
    pub fn is_registry_open(&self) -> bool {
        self.registry_open.load(Ordering::Acquire)
    }

    /// The registry serves reads from now on.
    pub fn open_registry(&self) {
        self.registry_open.store(true, Ordering::Release);
    }

    /// `/health/live`: 200 as long as somebody answers.
    pub fn live(&self) -> Response<Body> {
        json(StatusCode::OK, r#"{"status":"UP"}"#)
    }

    /// `/health/ready`: 200 once writes are served and until the node stops. Whether the registry also serves reads is a
    /// field of the body.
    pub fn ready(&self) -> Response<Body> {
        let open = self.is_registry_open();
        match self.stage() {
            Stage::Starting => {
                json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"DOWN","reason":"starting"}"#)
            }
            Stage::Ready => {
                json(StatusCode::OK, format!(r#"{{"status":"UP","registry":{{"open":{open}}}}}"#))
            }
            Stage::Stopping => {
                json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"DOWN","reason":"stopping"}"#)
            }
        }
    }

    /// `/health`, as monitors of a Seata server ask for it (`docs/protocol/seata.md` 8.1).
    pub fn word(&self) -> Response<Body> {
        let word = if self.stage() == Stage::Ready { "ok" } else { "not_ok" };
        let mut response = Response::new(Body::from(word));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response
    }

    /// `/actuator/health`, as monitors of a Spring server ask for it.
    pub fn actuator(&self) -> Response<Body> {
        match self.stage() {
            Stage::Ready => json(StatusCode::OK, r#"{"status":"UP"}"#),
            Stage::Starting | Stage::Stopping => {
                json(StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"OUT_OF_SERVICE"}"#)
            }
        }
    }
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_between_the_start_and_the_stop() {
        let health = Health::default();
        let statuses = |health: &Health| {
            [health.live(), health.ready(), health.actuator()].map(|response| response.status().as_u16())
        };
        assert_eq!(statuses(&health), [200, 503, 503]);
        health.reach(Stage::Ready);
        assert_eq!(statuses(&health), [200, 200, 200]);
        health.reach(Stage::Stopping);
        health.reach(Stage::Ready);
        assert_eq!(statuses(&health), [200, 503, 503]);
    }
}
