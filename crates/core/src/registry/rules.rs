//! The rule chain that turns claims into the status that is shown (`eureka.md` 3.4), first match wins.

use super::instance::Status;

/// What the chain looks at.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The status that the instance claims.
    pub claimed: Status,
    /// The override in force, [`Status::Unknown`] for none.
    pub overridden: Status,
    /// The status of the lease that is there already.
    pub existing: Option<Status>,
    /// Whether the claim came through a peer.
    pub from_peer: bool,
    /// Whether what a client once registered stays until it says DOWN or STARTING, as Java has it
    /// (`registry.compat.sticky_out_of_service`).
    pub sticky: bool,
}

/// The status to show.
pub fn effective(claim: Claim) -> Status {
    let takes_traffic_or_shut = |status| matches!(status, Status::Up | Status::OutOfService);
    // An instance that says it cannot serve is believed, whatever else was said.
    if !takes_traffic_or_shut(claim.claimed) {
        return claim.claimed;
    }
    if claim.overridden != Status::Unknown {
        return claim.overridden;
    }
    match claim.existing {
        Some(existing) if claim.sticky && !claim.from_peer && takes_traffic_or_shut(existing) => existing,
        _ => claim.claimed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Down, OutOfService, Starting, Unknown, Up};

    #[test]
    fn the_first_matching_rule_wins() {
        let plain =
            Claim { claimed: Up, overridden: Unknown, existing: None, from_peer: false, sticky: false };
        for (claim, shown) in [
            (plain, Up),
            (Claim { claimed: Down, overridden: OutOfService, ..plain }, Down),
            (Claim { claimed: Starting, existing: Some(Up), ..plain }, Starting),
            (Claim { claimed: Unknown, overridden: Up, ..plain }, Unknown),
            (Claim { overridden: OutOfService, ..plain }, OutOfService),
            (Claim { overridden: Down, ..plain }, Down),
            (Claim { existing: Some(OutOfService), ..plain }, Up),
            (Claim { existing: Some(OutOfService), sticky: true, ..plain }, OutOfService),
            (Claim { existing: Some(OutOfService), sticky: true, from_peer: true, ..plain }, Up),
            (Claim { existing: Some(Down), sticky: true, ..plain }, Up),
        ] {
            assert_eq!(effective(claim), shown, "{claim:?}");
        }
    }
}
