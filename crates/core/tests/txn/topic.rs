//! Topics: who subscribes to what.

use synod_core::txn::{Command, Limits, Outcome, Refusal};

use super::support::Bench;

fn subscribe(topic: &str, url: &str, remark: &str) -> Command {
    Command::Subscribe { topic: topic.into(), url: url.into(), remark: remark.into() }
}

fn unsubscribe(topic: &str, url: &str) -> Command {
    Command::Unsubscribe { topic: topic.into(), url: url.into() }
}

fn delete(topic: &str) -> Command {
    Command::DeleteTopic { topic: topic.into() }
}

const OK: Outcome = Ok(synod_core::txn::Done::Recorded);

/// The outcome of the last command, and the topics after it: name, version, subscribers.
#[track_caller]
fn check(commands: &[Command], outcome: Outcome, expect: &[(&str, u64, &[&str])]) {
    let mut bench = Bench::with(Limits { topics_max: 2, subscribers_max: 2, ..Limits::default() });
    let last = commands.iter().map(|command| bench.apply(command)).last();
    assert_eq!(last, Some(outcome));
    let topics = bench.state.topics().iter().map(|(name, topic)| {
        let subscribers: Vec<String> =
            topic.subscribers.iter().map(|s| format!("{} {}", s.url, s.remark)).collect();
        (name.to_string(), topic.version, subscribers)
    });
    let expect = expect.iter().map(|(name, version, subscribers)| {
        ((*name).to_owned(), *version, subscribers.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    });
    assert_eq!(topics.collect::<Vec<_>>(), expect.collect::<Vec<_>>());
}

#[test]
fn subscribers_come_and_go() {
    let [a, b] = [subscribe("t", "http://a", "1"), subscribe("t", "http://b", "")];
    check(std::slice::from_ref(&a), OK, &[("t", 1, &["http://a 1"])]);
    check(&[a.clone(), a.clone()], OK, &[("t", 1, &["http://a 1"])]);
    check(&[a.clone(), subscribe("t", "http://a", "2")], OK, &[("t", 2, &["http://a 2"])]);
    check(&[a.clone(), b.clone()], OK, &[("t", 2, &["http://a 1", "http://b "])]);
    check(&[a.clone(), b.clone(), unsubscribe("t", "http://a")], OK, &[("t", 3, &["http://b "])]);
    check(&[a.clone(), unsubscribe("t", "http://a")], OK, &[("t", 2, &[])]);
    // Deleted is deleted at once; what comes after it begins anew.
    check(&[a.clone(), b.clone(), delete("t"), b], OK, &[("t", 1, &["http://b "])]);
    check(&[a, delete("t")], OK, &[]);
}

#[test]
fn what_is_not_there_does_not_go() {
    let a = subscribe("t", "http://a", "");
    let nothing = || Err(Refusal::NoSuchTopic);
    check(&[unsubscribe("t", "http://a")], nothing(), &[]);
    check(&[delete("t")], nothing(), &[]);
    check(&[a.clone(), unsubscribe("t", "http://b")], nothing(), &[("t", 1, &["http://a "])]);
    check(&[a, delete("")], nothing(), &[("t", 1, &["http://a "])]);
}

#[test]
fn there_are_limits() {
    let full: Vec<Command> = ["http://a", "http://b"].iter().map(|url| subscribe("t", url, "")).collect();
    let with = |command| [full.clone(), vec![command]].concat();
    let listed: &[&str] = &["http://a ", "http://b "];
    check(
        &with(subscribe("t", "http://c", "")),
        Err(Refusal::Busy("subscribers of the topic")),
        &[("t", 2, listed)],
    );
    check(&with(subscribe("t", "http://a", "")), OK, &[("t", 2, listed)]);
    let two =
        [subscribe("t", "http://a", ""), subscribe("u", "http://a", ""), subscribe("v", "http://a", "")];
    check(&two, Err(Refusal::Busy("topics")), &[("t", 1, &["http://a "]), ("u", 1, &["http://a "])]);
    let invalid = Err(Refusal::Invalid("a subscription needs a topic and a URL"));
    check(&[subscribe("", "http://a", "")], invalid.clone(), &[]);
    check(&[subscribe("t", "", "")], invalid, &[]);
    let long = "x".repeat(5_000);
    let large = Err(Refusal::TooLarge("a topic's name, URL or remark"));
    for command in [subscribe(&long, "u", ""), subscribe("t", &long, ""), subscribe("t", "u", &long)] {
        check(&[command], large.clone(), &[]);
    }
}
