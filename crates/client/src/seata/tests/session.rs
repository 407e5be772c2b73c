//! What happens when nothing does: time is an argument.

use std::time::Duration;

use bytes::BytesMut;
use synod_wire::seata::{self, Frame, GlobalEnd, Header, Kind, Message, RegisterAnswer, Request, Text};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::Config;
use super::super::pending::{Ask, Lost};
use super::super::session::{End, Session};
use super::fake::READER;
use crate::clock;

fn second(began: Instant, second: u64) -> Instant {
    began + Duration::from_secs(second)
}

/// A session that has just been opened.
fn opened() -> (Session, Instant) {
    let began = clock::now();
    let config = Config::new(["10.0.0.1:8091"], "shop", "group");
    (Session::new(config, "10.0.0.2".into(), began).unwrap(), began)
}

/// The frames that a session wants to be sent.
fn sent(session: &mut Session) -> Vec<Frame> {
    let mut output = std::mem::take(&mut session.output);
    let mut frames = Vec::new();
    while !output.is_empty() {
        frames.push(Frame::decode(&mut output, 1 << 20).unwrap().unwrap());
    }
    frames
}

fn receive(session: &mut Session, header: Header, message: &Message, now: Instant) {
    let mut input = BytesMut::new();
    seata::write(header, message, READER, &mut input).unwrap();
    session.receive(&mut input, now).unwrap();
}

/// One that the server has taken.
fn greeted() -> (Session, Instant) {
    let (mut session, began) = opened();
    let register = sent(&mut session).remove(0);
    let answer =
        RegisterAnswer { is_identified: true, version: Text::from_static("2.0.0"), reason: Text::EMPTY };
    receive(&mut session, register.header.answer(), &Message::RegisterTmAnswer(answer), began);
    assert_eq!(session.known(), None, "before it is known whether there are resources");
    session.register(String::new(), 0).unwrap();
    assert_eq!(session.known(), Some(0));
    (session, began)
}

fn status() -> (Ask, oneshot::Receiver<super::super::pending::Reply>) {
    let (reply, answer) = oneshot::channel();
    (Ask { request: Request::GlobalStatus(GlobalEnd::default()), reply }, answer)
}

#[test]
fn nobody_is_asked_before_he_has_taken_the_registration() {
    let (mut session, began) = opened();
    let (ask, mut answer) = status();
    session.ask(ask);
    assert_eq!(answer.try_recv(), Ok(Err(Lost::Unsent)));
    assert_eq!(sent(&mut session).len(), 1, "the registration only");
    assert!(session.tick(second(began, 9)).is_ok());
    assert!(matches!(session.tick(second(began, 10)), Err(End::Unregistered)));
}

#[test]
fn silence_is_broken_by_pings_and_ends_after_fifteen_seconds() {
    let (mut session, began) = greeted();
    assert_eq!(session.due(), second(began, 5));
    session.tick(second(began, 4)).unwrap();
    assert!(session.output.is_empty());
    for at in [5, 10] {
        session.tick(second(began, at)).unwrap();
        let frames = sent(&mut session);
        assert_eq!(frames.iter().map(|frame| frame.header.kind).collect::<Vec<_>>(), [Kind::Ping]);
    }
    assert_eq!(session.due(), second(began, 15));
    assert!(matches!(session.tick(second(began, 15)), Err(End::Silent)));
}

#[test]
fn pongs_keep_a_connection() {
    let (mut session, began) = greeted();
    for at in (5..300).step_by(5) {
        session.tick(second(began, at)).unwrap();
        session.wrote(second(began, at));
        let ping = sent(&mut session).remove(0);
        let mut input = BytesMut::new();
        seata::write_heartbeat(ping.header.answer(), &mut input);
        session.receive(&mut input, second(began, at)).unwrap();
    }
}

/// A server that works long on every request says nothing, and lives: it is asked.
#[test]
fn who_writes_without_hearing_pings_too() {
    let (mut session, began) = greeted();
    session.wrote(second(began, 4));
    session.tick(second(began, 5)).unwrap();
    assert_eq!(sent(&mut session).len(), 1);
}

#[test]
fn pings_of_the_server_are_answered() {
    let (mut session, began) = greeted();
    let mut input = BytesMut::new();
    seata::write_heartbeat(Header::ping(77), &mut input);
    // The last frame is not whole.
    input.extend_from_slice(&[0xda, 0xda, 1]);
    session.receive(&mut input, began).unwrap();
    let frames = sent(&mut session);
    assert_eq!((frames[0].header.kind, frames[0].header.id), (Kind::Pong, 77));
    assert_eq!(&input[..], [0xda, 0xda, 1]);
}

#[test]
fn requests_are_bounded() {
    let began = clock::now();
    let mut config = Config::new(["10.0.0.1:8091"], "shop", "group");
    config.requests_max = 2;
    let mut session = Session::new(config, String::new(), began).unwrap();
    let register = sent(&mut session).remove(0);
    let answer =
        RegisterAnswer { is_identified: true, version: Text::from_static("odd"), reason: Text::EMPTY };
    receive(&mut session, register.header.answer(), &Message::RegisterTmAnswer(answer), began);
    session.register(String::new(), 0).unwrap();
    let mut answers = Vec::new();
    while session.has_room() {
        let (ask, answer) = status();
        session.ask(ask);
        answers.push(answer);
    }
    assert_eq!((answers.len(), sent(&mut session).len()), (2, 2));
    drop(answers.pop());
    assert!(session.has_room());
    drop(session);
    assert!(answers[0].try_recv().is_err(), "the connection is gone, and so is the answer");
}
