//! The table of keys for people and programs: help, `docs/config.md`, JSON.

use std::fmt::Write as _;

use super::layers::env_name;
use super::value::size_text;
use super::{Key, Kind, table};

/// How `docs/config.md` begins.
const MARKDOWN_HEAD: &str = "\
<!-- Made by `synod config --markdown` from the table in crates/server/src/config; do not edit. -->
# Configuration

Four layers, later ones win: the defaults below, a TOML file (`--config FILE`), environment variables, and the command
line (`--set key=value`, repeatable). In the file a dotted key is a table: `http.listen` is `listen` in `[http]`. In the
environment it is `SYNOD_HTTP__LISTEN`: upper case, `__` for each dot. A key or a `SYNOD_` variable that is not below is
an error; only the variables that Kubernetes makes for a Service called `synod…` (`SYNOD_PORT`, `SYNOD_SERVICE_HOST`,
`SYNOD_PORT_8761_TCP` and the like) are skipped.

| kind | looks like |
|---|---|
";

/// Sections of the Markdown page, by the first word of their keys.
fn sections() -> Vec<(&'static str, Vec<&'static Key>)> {
    let mut sections: Vec<(&str, Vec<&Key>)> = Vec::new();
    for key in table() {
        let section = key.name.split('.').next().unwrap_or(key.name);
        match sections.last_mut() {
            Some((last, keys)) if *last == section => keys.push(key),
            _ => sections.push((section, vec![key])),
        }
    }
    sections
}

/// The kind with its bounds, for a column.
fn kind_text(kind: Kind) -> String {
    match kind {
        Kind::Integer { min, max } => format!("integer {min}–{max}"),
        Kind::SizeWithin { min, max } => format!("size {}–{}", size_text(min), size_text(max)),
        Kind::Word(words) => words.join(", "),
        Kind::Address { off: true } => "address or off".into(),
        kind => kind.name().into(),
    }
}

/// The page `docs/config.md`.
pub fn render_markdown() -> String {
    let mut out = MARKDOWN_HEAD.to_owned();
    let kinds = [
        Kind::Bool,
        Kind::Duration { zero: true },
        Kind::Size,
        Kind::List,
        Kind::Urls,
        Kind::Address { off: true },
        Kind::Ratio,
        Kind::Pauses,
        Kind::Schedules,
    ];
    for kind in kinds {
        out += &format!("| {} | {} |\n", kind.name(), kind.expected());
    }
    for (section, keys) in sections() {
        out += &format!(
            "\n## {section}\n\n| key | default | kind | meaning | example |\n|---|---|---|---|---|\n"
        );
        for key in keys {
            let doc = key.doc.replace('|', "\\|");
            let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
            let kind = kind_text(key.kind);
            out += &format!("| `{}` | {default} | {kind} | {doc} | `{}` |\n", key.name, key.example);
        }
    }
    out
}

/// What `synod config` prints: each key with its default, then what it means.
pub fn render_text() -> String {
    let mut out = String::new();
    for key in table() {
        let default = if key.default.is_empty() { "(not set)" } else { key.default };
        writeln!(out, "{} = {default}", key.name).expect("writing to a string cannot fail");
        writeln!(out, "    {}", key.doc).expect("writing to a string cannot fail");
        let (kind, env) = (kind_text(key.kind), env_name(key.name));
        writeln!(out, "    {kind}; for example {}; {env}\n", key.example)
            .expect("writing to a string cannot fail");
    }
    out
}

/// What `synod config --json` prints: an array of `{key, default, kind, expected, doc, example, env}`.
pub fn render_json() -> serde_json::Value {
    let rows = table().iter().map(|key| {
        serde_json::json!({
            "key": key.name,
            "default": key.default,
            "kind": key.kind.name(),
            "expected": key.kind.expected(),
            "doc": key.doc,
            "example": key.example,
            "env": env_name(key.name),
        })
    });
    rows.collect()
}
