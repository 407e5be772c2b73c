//! Points that collide, which no test finds by trying names.

use super::*;

fn ring(nodes: &[&'static str], points: &[(u64, usize)]) -> Ring<&'static str> {
    let nodes = nodes.iter().map(|node| Placed { node: *node, weight: 1 }).collect();
    let points = points.iter().map(|&(hash, node)| Point { hash, node }).collect();
    Ring { nodes, points, per_weight: 1 }
}

#[test]
fn the_lower_identity_owns_what_collides_and_leaves_it_to_the_other() {
    let mut ring = ring(&["a", "b"], &[(10, 0), (10, 1), (20, 1)]);
    assert_eq!(ring.points[ring.first_point(5)].node, 0);
    assert_eq!(ring.points[ring.first_point(10)].node, 0);
    assert_eq!(ring.points[ring.first_point(11)].node, 1);
    assert_eq!(ring.points[ring.first_point(21)].node, 0);
    ring.remove("a");
    assert_eq!(ring.points, [Point { hash: 10, node: 0 }, Point { hash: 20, node: 0 }]);
}

#[test]
fn a_node_whose_only_point_is_anothers_owns_nothing() {
    let ring = ring(&["a", "b"], &[(10, 0), (10, 1)]);
    assert_eq!(ring.shares(), [(&"a", 1.0), (&"b", 0.0)]);
}
