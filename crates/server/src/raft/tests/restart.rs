//! Stops, crashes, power cuts, snapshots: what is there afterwards.

use synod_log::disk::{Disk as _, Loss};
use synod_replica::Role;

use super::*;

#[test]
fn a_stop_and_a_start_change_nothing() {
    let disk = MemDisk::new(1);
    for round in 0..4 {
        runtime().block_on(async {
            let node = leader(&disk).await;
            assert_eq!(node.role(), Role::Leader { term: 1 }, "it is still the same leader");
            assert_eq!(reserved(&node), round * 10);
            reserve_all(&node, round * 10 + 1..=(round + 1) * 10).await;
            node.stop().await;
        });
    }
}

#[test]
fn what_was_acknowledged_survives_crashes_and_power_cuts() {
    let disk = MemDisk::new(7);
    let mut acknowledged = 0;
    for round in 0..12 {
        let runtime = runtime();
        runtime.block_on(async {
            let node = leader(&disk).await;
            assert_eq!(reserved(&node), acknowledged, "round {round}");
            reserve_all(&node, acknowledged + 1..=acknowledged + 3).await;
            acknowledged += 3;
        });
        match round % 3 {
            0 => disk.kill(),
            1 => disk.power_cut(Loss::All),
            _ => disk.power_cut(Loss::Torn(round)),
        }
        runtime.shutdown_background();
    }
}

#[test]
fn a_disk_that_lies_is_noticed() {
    let disk = MemDisk::new(7);
    let lying = runtime();
    lying.block_on(async {
        let node = leader(&disk).await;
        reserve_all(&node, 1..=3).await;
        disk.skip_syncs(true);
        reserve_all(&node, 4..=6).await;
    });
    disk.power_cut(Loss::All);
    lying.shutdown_background();
    disk.skip_syncs(false);
    runtime().block_on(async {
        // If this were 6, the test above would prove nothing.
        assert_eq!(reserved(&leader(&disk).await), 3);
    });
}

#[test]
fn snapshots_are_taken_and_the_log_behind_them_is_let_go() {
    let disk = MemDisk::new(1);
    let small = Settings { segment_bytes: 8 << 20, snapshot_bytes: 6 << 20, keep_bytes: 9 << 20 };
    let snapshots = |disk: &MemDisk| {
        let names = disk.list().unwrap();
        let whole = |name: &String| name.starts_with("snap-") && !name.ends_with(".tmp");
        names.into_iter().filter(whole).collect::<Vec<_>>()
    };
    runtime().block_on(async {
        let (mut options, _) = options(&disk, ear());
        options.settings = small;
        let node = start(options).await.unwrap();
        node.lead().await.unwrap();
        node.propose(Batch { at_ms: 5, commands: vec![subscribe(), Command::Reserve { below: 70 }] })
            .await
            .unwrap();
        let mut last = 0;
        within("purge", async {
            while node.metrics().first_index == 0 {
                last = node.propose(bulk()).await.unwrap().index;
            }
        })
        .await;
        let first = node.metrics().first_index;
        assert!((1..=last).contains(&first) && first <= node.metrics().snapshot_index + 1, "{first}");
        node.stop().await;
    });
    runtime().block_on(async {
        let node = leader(&disk).await;
        assert_eq!(reserved(&node), 70);
        assert_eq!(node.machine().read(|view| view.state.topics().len()), 1);
        node.propose(reserve(71)).await.unwrap();
        node.stop().await;
    });
    let name = snapshots(&disk).remove(0);
    assert_eq!(snapshots(&disk).len(), 1, "older ones are deleted");
    let exit_code = |disk: &MemDisk| {
        let error = runtime().block_on(try_start(disk)).unwrap_err();
        assert!(!error.to_string().is_empty());
        (error.exit_code(), error)
    };
    let damaged = disk.copy(2);
    damaged.flip(&name, 8 * 100);
    let (code, error) = exit_code(&damaged);
    assert!(code == 3 && error.to_string().contains(&name), "{error}");
    let missing = disk.copy(3);
    missing.remove(&name);
    let (code, error) = exit_code(&missing);
    assert!(code == 3 && matches!(error, StartError::NoSnapshot { .. }), "{error}");
}
