//! How evenly a ring spreads keys, over the number of points of a node: an SVG on the standard output.
//!
//! `cargo run -p synod-ring --example plot > docs/ring.svg`; with `-- table`, the figures as Markdown.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};

use synod_ring::Ring;

const NODES: usize = 10;
const SETS: usize = 20;
const POINTS: [u32; 16] = [1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 160, 300, 500, 1000];

/// Of the shares of the nodes, as parts of the mean: the mean over all sets of names.
struct Spread {
    max: f64,
    deviation: f64,
}

fn spread(points: u32) -> Spread {
    let (mut max, mut deviation) = (0.0, 0.0);
    for set in 0..SETS {
        let mut ring = Ring::with_points(points);
        ring.extend((0..NODES).map(|node| (format!("10.0.{set}.{node}:8080"), 1)));
        let shares: Vec<f64> = ring.shares().iter().map(|(_, share)| share * NODES as f64).collect();
        max += shares.iter().fold(0.0, |a: f64, b| a.max(*b));
        deviation += (shares.iter().map(|share| (share - 1.0).powi(2)).sum::<f64>() / NODES as f64).sqrt();
    }
    Spread { max: max / SETS as f64, deviation: deviation / SETS as f64 }
}

const LEFT: f64 = 60.0;
const TOP: f64 = 40.0;
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 300.0;

/// The axis of points is logarithmic, from 1 to 1000.
fn x(points: u32) -> f64 {
    LEFT + f64::from(points).log10() / 3.0 * WIDTH
}

/// The axis of spread goes from 0 to 3 times the mean.
fn y(value: f64) -> f64 {
    TOP + HEIGHT - value / 3.0 * HEIGHT
}

fn line(svg: &mut String, colour: &str, values: &[(u32, f64)]) -> std::fmt::Result {
    let points: Vec<String> =
        values.iter().map(|&(at, value)| format!("{:.1},{:.1}", x(at), y(value))).collect();
    writeln!(
        svg,
        r#"<polyline fill="none" stroke="{colour}" stroke-width="2" points="{}"/>"#,
        points.join(" ")
    )?;
    for &(at, value) in values {
        let (x, y) = (x(at), y(value));
        writeln!(
            svg,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"><title>{at}: {value:.3}</title></circle>"#
        )?;
    }
    Ok(())
}

/// The plot.
fn svg() -> Result<String, std::fmt::Error> {
    let spreads: Vec<(u32, Spread)> = POINTS.iter().map(|&points| (points, spread(points))).collect();
    let mut svg = String::new();
    let (right, bottom) = (LEFT + WIDTH, TOP + HEIGHT);
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 400" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(svg, r#"<rect width="700" height="400" fill="white"/>"#)?;
    writeln!(
        svg,
        r#"<text x="{LEFT}" y="20" font-size="14">Share of the keys, {NODES} nodes of equal weight, mean of {SETS} sets</text>"#
    )?;
    for step in 0..=6_u32 {
        let value = f64::from(step) / 2.0;
        let at = y(value);
        writeln!(svg, r##"<line x1="{LEFT}" y1="{at:.1}" x2="{right}" y2="{at:.1}" stroke="#ddd"/>"##)?;
        writeln!(svg, r#"<text x="{}" y="{:.1}" text-anchor="end">{value:.1}</text>"#, LEFT - 8.0, at + 4.0)?;
    }
    for points in [1, 10, 100, 160, 1000] {
        let at = x(points);
        let (colour, down) = if points == 160 { ("#999", 32.0) } else { ("#ddd", 18.0) };
        writeln!(svg, r#"<line x1="{at:.1}" y1="{TOP}" x2="{at:.1}" y2="{bottom}" stroke="{colour}"/>"#)?;
        writeln!(svg, r#"<text x="{at:.1}" y="{}" text-anchor="middle">{points}</text>"#, bottom + down)?;
    }
    writeln!(
        svg,
        r#"<text x="{}" y="{}" text-anchor="middle">points of a node (160 is the default)</text>"#,
        LEFT + WIDTH / 2.0,
        bottom + 50.0
    )?;
    let max: Vec<(u32, f64)> = spreads.iter().map(|(at, spread)| (*at, spread.max)).collect();
    let deviation: Vec<(u32, f64)> = spreads.iter().map(|(at, spread)| (*at, spread.deviation)).collect();
    line(&mut svg, "#c0392b", &max)?;
    line(&mut svg, "#2471a3", &deviation)?;
    writeln!(svg, r##"<text x="400" y="60" fill="#c0392b">largest share ÷ mean</text>"##)?;
    writeln!(svg, r##"<text x="400" y="78" fill="#2471a3">standard deviation ÷ mean</text>"##)?;
    writeln!(svg, "</svg>")?;
    Ok(svg)
}

/// The same in figures.
fn table() -> Result<String, std::fmt::Error> {
    let mut table =
        String::from("| points | largest share ÷ mean | standard deviation ÷ mean |\n|---:|---:|---:|\n");
    for points in [1, 10, 50, 100, 160, 300, 1000] {
        let Spread { max, deviation } = spread(points);
        writeln!(table, "| {points} | {max:.2} | {deviation:.3} |")?;
    }
    Ok(table)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = if std::env::args().nth(1).as_deref() == Some("table") { table()? } else { svg()? };
    Ok(stdout().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_plot_is_what_this_makes() {
        assert_eq!(svg().unwrap(), include_str!("../../../docs/ring.svg"));
    }

    #[test]
    fn the_readme_has_the_figures_of_this() {
        assert!(include_str!("../README.md").contains(&table().unwrap()));
    }
}
