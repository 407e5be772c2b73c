//! In which order steps of sagas of any shape are called, against a naive reading of the rule.

use proptest::prelude::*;
use synod_core::txn::{Enrolment, Options, Way};

use super::rig::{Rig, done_after, leg, name, refused};
use super::support::{Made, ordered_steps, saga, with_options, xid};

/// Steps of which each waits for some of those before it in a shuffled order; some have nobody to call.
fn shapes() -> impl Strategy<Value = Vec<Enrolment>> {
    let count = 1..8usize;
    count.prop_flat_map(|count| {
        let order = Just((0..count as u16).collect::<Vec<_>>()).prop_shuffle();
        let edges = proptest::collection::vec(any::<bool>(), count * count);
        let quiet = proptest::collection::vec((0..4u8, 0..4u8), count);
        (order, edges, quiet).prop_map(move |(order, edges, quiet)| {
            let mut after = vec![Vec::new(); count];
            for (place, step) in order.iter().enumerate() {
                for (earlier, before) in order[..place].iter().enumerate() {
                    if edges[place * count + earlier] {
                        after[usize::from(*step)].push(*before);
                    }
                }
            }
            let mut steps = ordered_steps(&after.iter().map(|after| &**after).collect::<Vec<_>>());
            for (step, (forward, backward)) in steps.iter_mut().zip(quiet) {
                if forward == 0 {
                    step.forward = None;
                }
                if backward == 0 {
                    step.backward = None;
                }
            }
            steps
        })
    })
}

/// All that `step` waits for, and what those wait for, and so on.
fn ancestors(steps: &[Enrolment], step: usize) -> Vec<usize> {
    let mut found = vec![false; steps.len()];
    let mut next = vec![step];
    while let Some(step) = next.pop() {
        for before in &steps[step].after {
            if !std::mem::replace(&mut found[usize::from(*before)], true) {
                next.push(usize::from(*before));
            }
        }
    }
    (0..steps.len()).filter(|at| found[*at]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn forward_in_order_and_back_in_reverse(steps in shapes(), refusing in 0..8u16, slow in 0..8u16) {
        let concurrent = Options { concurrent: true, ..Options::default() };
        let mut rig = Rig::plain(move |call, _| match leg(call) {
            Some((branch, Way::Forward)) if branch == refusing => refused(),
            Some((branch, _)) if branch == slow => done_after(50),
            _ => done_after(3),
        });
        rig.apply(&with_options(saga(1, steps.clone()), concurrent).made()).unwrap();
        rig.run(60_000);
        prop_assert!(rig.state.open_len() == 0, "it ends");
        let order = rig.order(xid(1));
        let at = |branch: usize, way| {
            let errand = name(synod_core::txn::mode::Errand::Leg(branch as u16, way));
            order.iter().position(|call| *call == errand)
        };
        let turned = at(usize::from(refusing), Way::Forward).is_some();
        for (step, enrolled) in steps.iter().enumerate() {
            let forward = at(step, Way::Forward);
            let before = ancestors(&steps, step);
            for before in &before {
                if let (Some(later), Some(_)) = (forward, &steps[*before].forward) {
                    prop_assert!(at(*before, Way::Forward).is_some_and(|at| at < later), "{order:?}");
                }
                if let (Some(later), Some(earlier)) = (at(*before, Way::Backward), at(step, Way::Backward)) {
                    prop_assert!(earlier < later, "{order:?}");
                }
            }
            if turned && forward.is_some() && enrolled.backward.is_some() {
                prop_assert!(at(step, Way::Backward).is_some(), "what was called is undone: {order:?}");
            }
            if !turned {
                prop_assert!(at(step, Way::Backward).is_none() && forward.is_some() == enrolled.forward.is_some());
            }
            if before.contains(&usize::from(refusing)) && turned {
                prop_assert!(forward.is_none() && at(step, Way::Backward).is_none(), "{order:?}");
            }
        }
    }
}
