//! Bytes of every command, every record of a snapshot and of a transaction's details, as committed in `golden/`. What was
//! written once has to be read for ever: lines are added to these files and never changed.
//!
//! `SYNOD_WRITE_GOLDEN=1 cargo test -p synod-core --test txn golden` writes them anew.

use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use synod_core::txn::codec::{snapshot, v1};
use synod_core::txn::{
    Amend, Batch, Begin, Command, Decision, Enrolment, Limits, Mode, Options, Protocol, Report, Rows, State,
    Target, Turn, Way,
};

use super::support::{
    Bench, Made, attempted, begin, decide, enlist, mixed, nth_at, nth_step, refuse, report, rows, saga, step,
    stop, with_gid, withdraw, xid,
};

/// Its tag in the log, which is never used for anything else.
fn tag(command: &Command) -> u8 {
    match command {
        Command::Reserve { .. } => 1,
        Command::Begin(_) => 2,
        Command::Enlist(enlist) if enlist.branch.rows.is_some() => 19,
        Command::Enlist(_) => 3,
        Command::Decide(_) => 4,
        Command::Report(_) => 5,
        Command::Attempted(_) => 6,
        Command::Turn(_) => 7,
        Command::TimeOut { .. } => 8,
        Command::GiveUp { .. } => 9,
        Command::Resend { .. } => 10,
        Command::Stop { .. } => 11,
        Command::Forget { .. } => 12,
        Command::Subscribe { .. } => 13,
        Command::Unsubscribe { .. } => 14,
        Command::DeleteTopic { .. } => 15,
        Command::Limit(_) => 16,
        Command::Refuse(_) => 17,
        Command::Amend(_) => 18,
    }
}
const TAGS: u8 = 19;

fn limits() -> Limits {
    Limits {
        open_max: 1_000,
        gids_max: 2_000,
        branches_max: 300,
        payload_bytes_max: 4_000,
        id_bytes_max: 50,
        text_bytes_max: 600,
        headers_max: 7,
        subscribers_max: 8,
        topics_max: 9,
    }
}

/// With something in every field.
fn full_begin() -> Begin {
    let protocols =
        [Protocol::Http, Protocol::Grpc, Protocol::DtmHttp, Protocol::DtmJsonRpc, Protocol::DtmGrpc];
    let branches = protocols.into_iter().zip(1..).map(|(protocol, at): (_, u16)| Enrolment {
        label: format!("label{at}").into(),
        forward: Some(Target { protocol, url: format!("http://f/{at}").into() }),
        after: (0..at - 1).collect(),
        ..step(&format!("{at:02}"), "", "http://b")
    });
    Begin {
        xid: xid(0x1234_5678_9abc),
        gid: Some("order-1".into()),
        mode: Mode::Saga,
        name: "transfer \u{20ac}".into(),
        options: Options {
            timeout_ms: 35_000,
            call_timeout_ms: 3_000,
            retry_ms: 10_000,
            retry_limit: 5,
            delay_ms: 7,
            concurrent: true,
            forward_only: true,
            schedule_ms: vec![15_000, 30_000],
        },
        headers: vec![("traceparent".into(), "00-1-2-01".into()), ("x".into(), "y".into())],
        back_check: Some(Target { protocol: Protocol::DtmHttp, url: "http://check".into() }),
        note: Bytes::from_static(b"note"),
        branches: branches.collect(),
        submit: true,
    }
}

fn seata_step() -> Enrolment {
    let target = || Some(Target { protocol: Protocol::Seata, url: "jdbc:mysql://h/db".into() });
    Enrolment { forward: target(), backward: target(), ..step("01", "", "") }
}

fn commands() -> Vec<(&'static str, Command)> {
    let decision = Decision { xid: xid(300), way: Way::Backward, reason: "no".into(), result: "r".into() };
    let turn = |refused, unsure| {
        Command::Turn(Box::new(Turn { xid: xid(300), refused, reason: "no".into(), unsure }))
    };
    let mut all = vec![
        ("reserve", Command::Reserve { below: 1 << 48 }),
        ("begin", full_begin().made()),
        ("begin-bare", begin(1, Mode::Xa).made()),
        ("enlist", enlist(300, nth_step(0))),
        (
            "enlist-refused",
            enlist(300, Enrolment { refused: true, label: "action".into(), ..step("01", "", "") }),
        ),
        ("decide-forward", decide(300, Way::Forward)),
        ("decide-backward", Command::Decide(Box::new(decision))),
        ("report-forward", report(300, 1_000, Way::Forward)),
        ("report-backward", report(300, 0, Way::Backward)),
        ("attempted", attempted(300, 1, Way::Forward)),
        ("turn", turn(None, true)),
        ("turn-refused", turn(Some(2), false)),
        ("time-out", Command::TimeOut { xid: xid(300), unsure: false }),
        ("time-out-unsure", Command::TimeOut { xid: xid(300), unsure: true }),
        ("give-up", Command::GiveUp { xid: xid(300) }),
        ("resend", Command::Resend { xid: xid(300) }),
        ("stop", Command::Stop { xid: xid(300), reason: "enough".into() }),
        ("forget", Command::Forget { before_ms: 1_700_000_000_000 }),
        ("subscribe", Command::Subscribe { topic: "t".into(), url: "http://u".into(), remark: "r".into() }),
        ("unsubscribe", Command::Unsubscribe { topic: "t".into(), url: "http://u".into() }),
        ("delete-topic", Command::DeleteTopic { topic: "t".into() }),
        ("limit", Command::Limit(Box::new(limits()))),
    ];
    all.extend(Mode::ALL.map(|mode| (mode.as_str(), Begin { submit: true, ..begin(1, mode) }.made())));
    let rows = Rows { resource: "jdbc:mysql://h/db".into(), keys: "t:1,2;u:3".into() };
    let amend =
        |payload, withdraw| Command::Amend(Box::new(Amend { xid: xid(300), branch: 2, payload, withdraw }));
    all.extend([
        ("refuse", Command::Refuse(Report { xid: xid(300), branch: 1, way: Way::Backward })),
        ("amend", amend(Some(Bytes::from_static(b"{}")), false)),
        ("amend-withdraw", amend(None, true)),
        ("enlist-rows", enlist(300, Enrolment { rows: Some(Box::new(rows)), ..nth_step(0) })),
        ("enlist-seata", enlist(300, seata_step())),
    ]);
    all
}

fn state() -> State {
    let mut bench = Bench::with(limits());
    bench.all([
        Command::Reserve { below: 100_000 },
        full_begin().made(),
        report(full_begin().xid.number(), 0, Way::Forward),
        attempted(full_begin().xid.number(), 1, Way::Forward),
        Begin { back_check: super::support::target("http://c"), ..begin(2, Mode::Message) }.made(),
        with_gid(saga(3, vec![]), "order-3").made(),
        with_gid(begin(4, Mode::Tcc), "order-4").made(),
        decide(4, Way::Backward),
        begin(5, Mode::Workflow).made(),
        stop(5),
        saga(5 * 4_096, vec![]).made(),
        saga(6 * 4_096, vec![]).made(),
        Command::Forget { before_ms: bench.at_ms + 115 },
        Command::Subscribe { topic: "t".into(), url: "http://u".into(), remark: "r".into() },
    ]);
    bench.state
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn unhex(text: &str) -> Bytes {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("two digits");
    (0..text.len()).step_by(2).map(byte).collect::<Vec<_>>().into()
}

/// Whether the file has exactly these lines, a name and its bytes each.
#[track_caller]
fn check(file: &str, lines: &[(String, Bytes)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/txn/golden").join(file);
    let text: String = lines.iter().map(|(name, bytes)| format!("{name} {}\n", hex(bytes))).collect();
    if std::env::var_os("SYNOD_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("the sources can be written to");
    }
    let known = std::fs::read_to_string(&path).expect("the file is there");
    for (known, new) in known.lines().zip(text.lines()) {
        assert_eq!(known, new, "{file}: what was written once has to be read for ever");
    }
    assert_eq!(known.lines().count(), lines.len(), "{file}");
}

fn known(file: &str) -> Vec<(String, Bytes)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/txn/golden").join(file);
    let text = std::fs::read_to_string(path).expect("the file is there");
    let split = |line: &str| line.split_once(' ').map(|(name, hex)| (name.to_owned(), unhex(hex)));
    text.lines().map(|line| split(line).expect("a name and bytes")).collect()
}

#[test]
fn commands_have_the_bytes_they_always_had() {
    let of = |command: Command| Batch { at_ms: 1_700_000_000_000, commands: vec![command] };
    let lines: Vec<_> =
        commands().into_iter().map(|(name, command)| (name.to_owned(), v1::encode(&of(command)))).collect();
    check("commands-v1.txt", &lines);
    let mut tags: Vec<u8> = Vec::new();
    for ((name, bytes), (_, command)) in known("commands-v1.txt").iter().zip(commands()) {
        tags.push(tag(&command));
        assert_eq!(v1::decode(bytes), Ok(of(command)), "{name}");
        assert_eq!(bytes[8], *tags.last().unwrap(), "{name}: behind the version, the stamp and the count");
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags, (1..=TAGS).collect::<Vec<_>>(), "every command has its bytes here");
}

#[test]
fn records_have_the_bytes_they_always_had() {
    let names = ["", "head", "open", "page", "gone", "gid", "topic"];
    let lines: Vec<_> =
        snapshot::records(&state()).map(|bytes| (names[usize::from(bytes[0])].to_owned(), bytes)).collect();
    check("snapshot-v1.txt", &lines);
    let mut kinds: Vec<u8> = lines.iter().map(|(_, bytes)| bytes[0]).collect();
    kinds.dedup();
    assert_eq!(kinds, [1, 2, 3, 4, 5, 6], "every record has its bytes here");
    let mut loader = snapshot::Loader::new(Limits::default());
    known("snapshot-v1.txt").iter().for_each(|(_, bytes)| loader.take(bytes).expect("what was written once"));
    let read: Vec<Bytes> = snapshot::records(&loader.finish().unwrap()).collect();
    assert_eq!(read, lines.into_iter().map(|(_, bytes)| bytes).collect::<Vec<_>>());
}

#[test]
fn details_have_the_bytes_they_always_had() {
    let mut bench = Bench::new();
    bench.all([full_begin().made(), report(full_begin().xid.number(), 0, Way::Forward)]);
    bench.all([super::support::turn(full_begin().xid.number(), Some(1)), stop(full_begin().xid.number())]);
    let txn = &bench.ended[0];
    check("details-v1.txt", &[("saga".to_owned(), snapshot::encode_txn(txn))]);
    assert_eq!(snapshot::decode_txn(&known("details-v1.txt")[0].1).as_ref(), Ok(&**txn));
}

/// A mixed transaction in which one branch has given its rows back and another is refused.
fn state_with_rows() -> Bench {
    let mut bench = Bench::with(limits());
    let branches = [nth_at(0, "t:1"), nth_step(1), nth_at(2, "t:1,2;u:3"), nth_at(3, "t:4")];
    bench.all(mixed(0x1234, branches));
    bench.all([withdraw(0x1234, 0), decide(0x1234, Way::Backward), refuse(0x1234, 3, Way::Backward)]);
    bench.all(mixed(0x1235, [nth_at(0, "t:5")]));
    bench
}

#[test]
fn records_of_rows_have_the_bytes_they_always_had() {
    let bench = state_with_rows();
    let names = ["", "head", "open", "page", "gone", "gid", "topic", "rows"];
    let lines: Vec<_> = snapshot::records(&bench.state)
        .map(|bytes| (names[usize::from(bytes[0])].to_owned(), bytes))
        .collect();
    check("snapshot-rows-v1.txt", &lines);
    let order: Vec<&str> = lines.iter().map(|(name, _)| &**name).collect();
    assert_eq!(order, ["head", "open", "rows", "rows", "rows", "open", "rows"]);
    let mut loader = snapshot::Loader::new(Limits::default());
    let known = known("snapshot-rows-v1.txt");
    known.iter().for_each(|(_, bytes)| loader.take(bytes).expect("what was written once"));
    let read = loader.finish().unwrap();
    assert_eq!(
        snapshot::records(&read).collect::<Vec<_>>(),
        known.into_iter().map(|(_, b)| b).collect::<Vec<_>>()
    );
    assert_eq!((read.locks_len(), bench.state.locks_len()), (5, 5));
    for (keys, holder) in
        [("t:1", 0x1234), ("t:2", 0x1234), ("u:3", 0x1234), ("t:4", 0x1234), ("t:5", 0x1235)]
    {
        let rolling_back = holder == 0x1234;
        assert_eq!(read.conflict(xid(1), &rows(keys)), Some((xid(holder), rolling_back)), "{keys}");
    }
}

#[test]
fn details_with_rows_have_the_bytes_they_always_had() {
    let mut bench = state_with_rows();
    bench.all([stop(0x1234)]);
    let txn = &bench.ended[0];
    check("details-v2.txt", &[("mixed".to_owned(), snapshot::encode_txn(txn))]);
    let known = &known("details-v2.txt")[0].1;
    assert_eq!((known[0], snapshot::decode_txn(known).as_ref()), (2, Ok(&**txn)));
}

/// Repeated begins are told from others by it, also across a restart with another release.
#[test]
fn the_digest_of_a_begin_is_what_it_always_was() {
    let lines: Vec<_> = commands()
        .into_iter()
        .filter_map(|(name, command)| match command {
            Command::Begin(begin) => {
                let digest = v1::content_digest(&begin);
                Some((name.to_owned(), Bytes::copy_from_slice(&digest.to_be_bytes())))
            }
            _ => None,
        })
        .collect();
    check("digests-v1.txt", &lines);
}
