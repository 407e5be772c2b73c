//! Chance that is the same in every run.

/// A number without a pattern from one with one (the finisher of `SplitMix64`).
pub(crate) const fn scattered(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_far_apart() {
        let mut rows: Vec<u64> = (0..1000).map(|number| scattered(number) % 16).collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), 16);
    }
}
