//! The layers of configuration and how they are merged; every error says which layer it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::value::{Raw, Value, parse, parse_bind};
use super::{Address, Key, Kind, Values, table};

/// What a configuration is made from, besides the defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `--config FILE`.
    pub file: Option<PathBuf>,
    /// The environment; variables that do not start with `SYNOD_` are skipped.
    pub env: Vec<(String, String)>,
    /// `--set key=value`, in their order.
    pub set: Vec<String>,
    /// `--bind ADDR`: the host of every listener whose address is still the default.
    pub bind: Option<String>,
    /// `--data DIR`: `data.dir`, and wins over every layer.
    pub data: Option<PathBuf>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The table's default.
    Default,
    /// The TOML file.
    File(PathBuf),
    /// The environment variable of this name.
    Env(String),
    /// A command line flag: `--set`, `--bind` or `--data`.
    Flag(&'static str),
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Why a configuration is refused; exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A name that is no key.
    #[error("unknown key \"{key}\" in {layer}; the nearest known one is \"{nearest}\"")]
    UnknownKey {
        /// As written, as a dotted name.
        key: String,
        /// Where.
        layer: Layer,
        /// The key with the least edit distance.
        nearest: &'static str,
    },
    /// A value that is not of its key's kind.
    #[error("bad value {value} for \"{key}\" in {layer}: expected {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// As written, quoted.
        value: String,
        /// What it should look like.
        expected: String,
        /// Where.
        layer: Layer,
    },
    /// A `--set` without `=`, or a `--bind` that is no host.
    #[error("bad argument \"{argument}\" of {flag}: expected {expected}")]
    BadArgument {
        /// The flag.
        flag: &'static str,
        /// As written.
        argument: String,
        /// What it should look like.
        expected: &'static str,
    },
    /// The file cannot be read.
    #[error("cannot read the file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the file {} is not valid TOML", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// Why, with line and column.
        source: Box<toml::de::Error>,
    },
    /// Others could reach a listener, and nobody has said that this is meant.
    #[error(
        "\"{key}\" would listen on {address}, which others can reach, without any authentication; \
         if that is meant, set auth.mode = \"none\" explicitly, otherwise stay on loopback"
    )]
    OpenWithoutAuth {
        /// The listener's key.
        key: &'static str,
        /// Where it would listen.
        address: Address,
    },
    /// A key that is of use only in tests, and does harm elsewhere.
    #[error("\"{key}\" loses data when the power fails; it is for tests, which set \"{with}\" as well")]
    OnlyForTests {
        /// The key.
        key: &'static str,
        /// The one that tests set as well.
        with: &'static str,
    },
}

/// What was written so far, and where, by key.
type Written = BTreeMap<&'static str, (Raw, Layer)>;

/// Merges the layers, each over those before it, and reads every value as its kind.
pub(super) fn merge(sources: &Sources) -> Result<Values, ConfigError> {
    let mut written = Written::new();
    if let Some(path) = &sources.file {
        read_file(path, &mut written)?;
    }
    read_env(&sources.env, &mut written)?;
    for argument in &sources.set {
        let (name, value) = argument.split_once('=').ok_or_else(|| ConfigError::BadArgument {
            flag: "--set",
            argument: argument.clone(),
            expected: "key=value",
        })?;
        write(name.trim(), Raw::Text(value.to_owned()), Layer::Flag("--set"), &mut written)?;
    }
    if let Some(dir) = &sources.data {
        let raw = Raw::Text(dir.to_string_lossy().into_owned());
        write("data.dir", raw, Layer::Flag("--data"), &mut written)?;
    }
    let bind = sources.bind.as_deref().map(bind_host).transpose()?;
    let mut values = BTreeMap::new();
    for key in table() {
        let value = match written.remove(key.name) {
            Some((raw, layer)) => read_value(key, &raw, layer)?,
            None => default_value(key, bind.as_deref())?,
        };
        values.insert(key.name, value);
    }
    Ok(Values(values))
}

fn bind_host(text: &str) -> Result<String, ConfigError> {
    parse_bind(text).ok_or_else(|| ConfigError::BadArgument {
        flag: "--bind",
        argument: text.to_owned(),
        expected: "an IP address or a host name, without a port",
    })
}

/// The default, with the host of a listener replaced by that of `--bind`.
fn default_value(key: &'static Key, bind: Option<&str>) -> Result<Value, ConfigError> {
    let value = read_value(key, &Raw::Text(key.default.to_owned()), Layer::Default)?;
    Ok(match (value, bind) {
        (Value::Address(Some(address)), Some(host)) => {
            Value::Address(Some(Address { host: host.to_owned(), port: address.port }))
        }
        (value, _) => value,
    })
}

fn read_value(key: &'static Key, raw: &Raw, layer: Layer) -> Result<Value, ConfigError> {
    // A word that nobody wrote out: only where that is the default.
    if let (Kind::Word(_), "", Raw::Text(text)) = (key.kind, key.default, raw)
        && text.is_empty()
    {
        return Ok(Value::Text(String::new()));
    }
    parse(key.kind, raw).ok_or_else(|| ConfigError::BadValue {
        key: key.name,
        value: raw.to_string(),
        expected: key.kind.expected(),
        layer,
    })
}

/// Notes a value under its key, over what an earlier layer wrote.
fn write(name: &str, raw: Raw, layer: Layer, written: &mut Written) -> Result<(), ConfigError> {
    match table().iter().find(|key| key.name == name) {
        Some(key) => {
            written.insert(key.name, (raw, layer));
            Ok(())
        }
        None => Err(ConfigError::UnknownKey { key: name.to_owned(), layer, nearest: nearest(name) }),
    }
}

fn read_file(path: &Path, written: &mut Written) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    let table = text
        .parse::<toml::Table>()
        .map_err(|source| ConfigError::NotToml { path: path.to_owned(), source: Box::new(source) })?;
    read_table("", &table, &Layer::File(path.to_owned()), written)
}

fn read_table(
    prefix: &str,
    table: &toml::Table,
    layer: &Layer,
    written: &mut Written,
) -> Result<(), ConfigError> {
    for (name, value) in table {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => read_table(&name, inner, layer, written)?,
            toml::Value::Array(items) => {
                let nested = items.iter().any(|item| item.is_table() || item.is_array());
                let items = || items.iter().map(scalar).collect();
                let raw = if nested { Raw::Nested(value.to_string()) } else { Raw::Array(items()) };
                write(&name, raw, layer.clone(), written)?;
            }
            scalar_value => write(&name, Raw::Text(scalar(scalar_value)), layer.clone(), written)?,
        }
    }
    Ok(())
}

/// The text of a scalar, as the other layers would write it.
fn scalar(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn read_env(env: &[(String, String)], written: &mut Written) -> Result<(), ConfigError> {
    for (variable, value) in env {
        let Some(name) = variable.strip_prefix("SYNOD_") else { continue };
        if is_service_link(variable) {
            continue;
        }
        let name = name.to_ascii_lowercase().replace("__", ".");
        write(&name, Raw::Text(value.clone()), Layer::Env(variable.clone()), written)?;
    }
    Ok(())
}

/// The variable that sets `key`: `http.listen` is `SYNOD_HTTP__LISTEN`.
pub(super) fn env_name(key: &str) -> String {
    format!("SYNOD_{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// Whether Kubernetes put this variable there because a Service is called `synod` or `synod-something`: `…_SERVICE_HOST`,
/// `…_SERVICE_PORT`, `…_SERVICE_PORT_NAME`, `…_PORT`, `…_PORT_8761_TCP`, `…_PORT_8761_TCP_ADDR`. No key can look so, as
/// each has a section and therefore `__`.
fn is_service_link(variable: &str) -> bool {
    if variable.contains("__") {
        return false;
    }
    let numbered_port = variable
        .split_once("_PORT_")
        .is_some_and(|(_, rest)| rest.starts_with(|first: char| first.is_ascii_digit()));
    variable.ends_with("_SERVICE_HOST")
        || variable.ends_with("_PORT")
        || variable.contains("_SERVICE_PORT_")
        || numbered_port
}

/// The key with the least edit distance to `name`.
fn nearest(name: &str) -> &'static str {
    let nearest = table().iter().min_by_key(|key| edit_distance(name, key.name));
    nearest.expect("the table has keys").name
}

/// Levenshtein's distance in bytes, of at most the first 128 of each.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (&a.as_bytes()[..a.len().min(128)], &b.as_bytes()[..b.len().min(128)]);
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, byte_a) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, byte_b) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(byte_a != byte_b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
