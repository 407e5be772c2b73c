//! Layers, errors and the table itself.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use super::value::{Raw, parse};
use super::*;

fn set(arguments: &[&str]) -> Sources {
    Sources { set: arguments.iter().map(ToString::to_string).collect(), ..Sources::default() }
}

fn env(variables: &[(&str, &str)]) -> Sources {
    let env = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Sources { env, ..Sources::default() }
}

fn file(text: &str) -> (tempfile::NamedTempFile, Sources) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let sources = Sources { file: Some(file.path().to_owned()), ..Sources::default() };
    (file, sources)
}

fn error(sources: &Sources) -> String {
    Config::load(sources).unwrap_err().to_string()
}

#[test]
fn the_defaults_are_the_contract() {
    let config = Config::default();
    let listeners: Vec<_> = config.listeners().map(|(key, address)| format!("{key} {address}")).collect();
    assert_eq!(
        listeners,
        [
            "http.listen 127.0.0.1:8761",
            "face.seata.listen 127.0.0.1:8091",
            "face.dtm.http.listen 127.0.0.1:36789",
            "face.dtm.grpc.listen 127.0.0.1:36790",
            "face.nacos.listen 127.0.0.1:8848",
            "face.zookeeper.listen 127.0.0.1:2181",
            "grpc.listen 127.0.0.1:8762",
            "cluster.listen 127.0.0.1:8763",
        ]
    );
    assert_eq!(config.registry.wait_when_empty, Duration::ZERO);
    assert!(config.registry.own.register && config.registry.peers.is_empty());
}

#[test]
fn the_table_is_sound() {
    let mut names = BTreeSet::new();
    for key in table() {
        assert!(names.insert(key.name), "{} is declared twice", key.name);
        assert!(key.name.contains('.') && !key.name.contains("__"), "{}", key.name);
        assert!(key.doc.ends_with('.') && !key.doc.contains("  "), "{}: {:?}", key.name, key.doc);
        let example = Raw::Text(key.example.into());
        assert!(parse(key.kind, &example).is_some(), "the example of {}", key.name);
        assert_ne!(key.example, key.default, "{}", key.name);
    }
    for name in &names {
        let inner = format!("{name}.");
        assert!(!names.iter().any(|other| other.starts_with(&inner)), "{name} is a value and a table");
    }
    let listens = table().iter().filter(|key| key.name.ends_with(".listen")).count();
    assert_eq!(Config::default().listeners().count(), listens);
}

#[test]
fn later_layers_win() {
    let (_file, mut sources) =
        file("[http]\nlisten = '127.0.0.1:1'\nconnections_max = 11\nidle_timeout = '1m'\n");
    sources.env = vec![
        ("SYNOD_HTTP__LISTEN".into(), "127.0.0.1:2".into()),
        ("SYNOD_HTTP__CONNECTIONS_MAX".into(), "22".into()),
        ("PATH".into(), "/bin".into()),
    ];
    sources.set = vec!["http.listen=127.0.0.1:3".into(), "http.listen=127.0.0.1:4".into()];
    let http = Config::load(&sources).unwrap().http;
    assert_eq!((http.listen.port, http.connections_max, http.idle_timeout.as_secs()), (4, 22, 60));
    assert_eq!(http.header_timeout.as_secs(), 10);
}

#[test]
fn the_file_speaks_toml() {
    let (_file, sources) = file(
        "[registry]\npeers = ['http://a/eureka', 'http://b/eureka']\npreservation_threshold = 0.5\n\
         [registry.self]\nregister = false\n[face.dtm]\nhttp.listen = 'off'\n",
    );
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.registry.peers, ["http://a/eureka", "http://b/eureka"]);
    assert!(!config.registry.own.register && config.face.dtm_http_listen.is_none());
    assert!((config.registry.preservation_threshold - 0.5).abs() < f64::EPSILON);

    let (_file, sources) = file("http = [");
    assert!(error(&sources).ends_with("is not valid TOML"));
    let (_file, sources) = file("[registry]\npeers_refresh = 30\n");
    assert!(error(&sources).starts_with("bad value \"30\" for \"registry.peers_refresh\" in the file "));
    let (_file, sources) = file("http.listen = ['127.0.0.1:1']\n");
    assert!(error(&sources).contains("bad value [\"127.0.0.1:1\"] for \"http.listen\""));
    let (_file, sources) = file("registry.peers = ['a', { b = 1 }]\n");
    assert!(error(&sources).contains("for \"registry.peers\" in the file"));
    let missing = Sources { file: Some("/nowhere/synod.toml".into()), ..Sources::default() };
    assert_eq!(error(&missing), "cannot read the file /nowhere/synod.toml");
}

#[test]
fn an_unknown_key_names_the_nearest() {
    assert_eq!(
        error(&set(&["registry.self_preservaton=false"])),
        "unknown key \"registry.self_preservaton\" in --set; the nearest known one is \"registry.self_preservation\""
    );
    assert_eq!(
        error(&env(&[("SYNOD_HTTP_LISTEN", "127.0.0.1:1")])),
        "unknown key \"http_listen\" in the environment variable SYNOD_HTTP_LISTEN; \
         the nearest known one is \"http.listen\""
    );
    let (_file, sources) = file("[node]\nnmae = 'x'\n");
    assert!(error(&sources).contains("unknown key \"node.nmae\" in the file"));
    assert!(error(&sources).ends_with("is \"node.name\""));
}

#[test]
fn a_bad_value_names_key_value_layer_and_what_is_expected() {
    assert_eq!(
        error(&set(&["http.idle_timeout=120"])),
        "bad value \"120\" for \"http.idle_timeout\" in --set: \
         expected a duration above zero with its unit, such as \"30s\" or \"250ms\""
    );
    assert_eq!(
        error(&env(&[("SYNOD_HTTP__CONNECTIONS_MAX", "0")])),
        "bad value \"0\" for \"http.connections_max\" in the environment variable SYNOD_HTTP__CONNECTIONS_MAX: \
         expected a whole number from 1 to 1000000"
    );
    assert!(error(&set(&["http.listen=off"])).contains("bad value \"off\""));
    assert_eq!(error(&set(&["node.name"])), "bad argument \"node.name\" of --set: expected key=value");
}

#[test]
fn variables_of_kubernetes_services_are_skipped() {
    let links = [
        "SYNOD_SERVICE_HOST",
        "SYNOD_SERVICE_PORT",
        "SYNOD_SERVICE_PORT_HTTP",
        "SYNOD_PORT",
        "SYNOD_PORT_8761_TCP",
        "SYNOD_PORT_8761_TCP_ADDR",
        "SYNOD_HEADLESS_SERVICE_HOST",
    ];
    let links: Vec<_> = links.into_iter().map(|name| (name, "tcp://10.0.0.1:8761")).collect();
    assert_eq!(Config::load(&env(&links)).unwrap(), Config::default());
}

#[test]
fn bind_moves_the_listeners_nobody_placed() {
    let mut sources = set(&["grpc.listen=127.0.0.1:5", "cluster.listen=off", "auth.mode=none"]);
    sources.bind = Some("::".into());
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.http.listen.to_string(), "[::]:8761");
    assert_eq!(config.face.seata.listen.unwrap().to_string(), "[::]:8091");
    assert_eq!(config.grpc.listen.unwrap().to_string(), "127.0.0.1:5");
    assert_eq!(config.cluster.listen, None);

    sources.bind = Some("0.0.0.0:8761".into());
    assert!(error(&sources).starts_with("bad argument \"0.0.0.0:8761\" of --bind"));
}

#[test]
fn others_reach_nothing_unless_that_is_written_out() {
    let open = error(&set(&["http.listen=0.0.0.0:8761"]));
    assert!(
        open.contains("\"http.listen\" would listen on 0.0.0.0:8761")
            && open.contains("auth.mode = \"none\"")
    );
    assert!(error(&set(&["face.zookeeper.listen=10.0.0.1:0"])).contains("face.zookeeper.listen"));
    assert!(Config::load(&set(&["http.listen=0.0.0.0:8761", "auth.mode=none"])).is_ok());
    assert!(error(&set(&["auth.mode=basic"])).ends_with("expected one of: none"));
}

#[test]
fn the_log_has_bounds() {
    let too_small = error(&set(&["raft.segment_bytes=4MiB"]));
    assert!(too_small.ends_with("expected a size with its unit, from 8MiB to 1GiB"), "{too_small}");
    assert!(error(&set(&["raft.snapshot_bytes=1000"])).contains("\"raft.snapshot_bytes\""));
    let odd = Config::load(&set(&["raft.segment_bytes=8388609B", "raft.keep_bytes=1MiB"])).unwrap();
    let settings = crate::raft::Settings::from(&odd.raft);
    assert_eq!((settings.segment_bytes, settings.keep_bytes), (8 << 20, 1 << 20));
    let unsafe_log = error(&set(&["raft.power_cut_skip_sync=true"]));
    assert!(unsafe_log.contains("loses data"), "{unsafe_log}");
    assert!(Config::load(&set(&["raft.power_cut_skip_sync=true", "raft.power_cut_journal=j"])).is_ok());
}

#[test]
fn the_data_flag_wins() {
    let mut sources = set(&["data.dir=a"]);
    sources.data = Some("b".into());
    assert_eq!(Config::load(&sources).unwrap().data_dir().to_str(), Some("b"));
}

#[test]
fn every_key_is_rendered_everywhere() {
    let (markdown, text, json) = (render_markdown(), render_text(), render_json());
    assert_eq!(json.as_array().unwrap().len(), table().len());
    for key in table() {
        assert!(markdown.contains(&format!("\n| `{}` |", key.name)), "{}", key.name);
        assert!(text.contains(&format!("{} = ", key.name)), "{}", key.name);
    }
}

/// The page for those who come from Eureka names keys; none of them may be another one by now.
#[test]
fn keys_that_the_page_on_moving_names_exist() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/from-eureka.md");
    let page = std::fs::read_to_string(page).unwrap();
    let words = page.split('`').skip(1).step_by(2).map(|code| code.split([' ', '=']).next().unwrap());
    let ours = ["registry.", "tls.", "http."];
    let named: BTreeSet<_> = words.filter(|word| ours.iter().any(|part| word.starts_with(part))).collect();
    assert!(named.len() > 25, "{named:?}");
    for name in named {
        assert!(table().iter().any(|key| key.name == name), "{name} is no key");
    }
}
