//! The README shows code of an example, which is compiled and run: it must be that code.

const README: &str = include_str!("../../../README.md");
const EXAMPLE: &str = include_str!("../examples/bank.rs");

/// A text without its indentation.
fn flush(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.trim_start())).collect()
}

#[test]
fn code_in_the_readme_is_that_of_the_example() {
    let blocks: Vec<&str> = README
        .split("```rust\n")
        .skip(1)
        .map(|rest| rest.split_once("```").map_or(rest, |(code, _)| code))
        .collect();
    assert!(blocks.len() >= 2);
    let example = flush(EXAMPLE);
    for block in blocks {
        assert!(example.contains(&flush(block)), "not in the example:\n{block}");
    }
}
