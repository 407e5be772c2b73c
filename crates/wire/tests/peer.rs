//! What every codec between nodes must hold for any input: what is written is read back, and nothing makes it panic.

use std::borrow::Cow;

use proptest::prelude::*;
use synod_wire::dns;
use synod_wire::peer::*;

fn text() -> impl Strategy<Value = Text<'static>> {
    ".{0,12}".prop_map(Cow::Owned)
}

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        Just(Status::Up),
        Just(Status::Down),
        Just(Status::Starting),
        Just(Status::OutOfService),
        Just(Status::Unknown),
    ]
}

fn pairs() -> impl Strategy<Value = Vec<(Text<'static>, Text<'static>)>> {
    prop::collection::vec((text(), text()), 0..4)
}

fn data_center() -> impl Strategy<Value = DataCenter<'static>> {
    prop_oneof![Just(DataCenter::MyOwn), Just(DataCenter::Netflix), pairs().prop_map(DataCenter::Amazon)]
}

prop_compose! {
    fn instance()(
        (app, id, host, ip) in (text(), text(), text(), text()),
        options in prop::collection::vec(prop::option::of(text()), 9),
        (port, secure_port, country_id, id_declared) in any::<((i32, bool), (i32, bool), i32, bool)>(),
        (renewal_interval_s, duration_s, dirty_ms) in any::<(u32, u32, u64)>(),
        (status, overridden) in (status(), status()),
        (data_center, metadata) in (data_center(), pairs()),
    ) -> Instance<'static> {
        let option = |at: usize| options[at].clone();
        Instance {
            app, id, id_declared, host, ip,
            sid: option(0),
            port: Port(port.0, port.1),
            secure_port: Port(secure_port.0, secure_port.1),
            country_id, data_center, renewal_interval_s, duration_s, metadata,
            app_group: option(1),
            home_page_url: option(2),
            status_page_url: option(3),
            health_check_url: option(4),
            secure_health_check_url: option(5),
            vip: option(6),
            secure_vip: option(7),
            asg: option(8),
            status, overridden, dirty_ms,
        }
    }
}

fn rank() -> impl Strategy<Value = Rank> {
    any::<(u64, u64, u64)>().prop_map(|(dirty, overridden, digest)| Rank(dirty, overridden, digest))
}

prop_compose! {
    fn record()(
        instance in instance(),
        (status, overridden) in (status(), status()),
        n in any::<[u64; 6]>(),
    ) -> Record<'static> {
        Record {
            instance, status, overridden,
            override_ms: n[0], dirty_ms: n[1], registered_ms: n[2], up_ms: n[3], stamp_ms: n[4], age_ms: n[5],
        }
    }
}

prop_compose! {
    fn sign()(app in text(), id in text(), rank in rank(), (stamp_ms, age_ms) in any::<(u64, u64)>()) -> Sign<'static> {
        Sign { app, id, rank, stamp_ms, age_ms }
    }
}

prop_compose! {
    fn end()(rank in rank(), stamp_ms in any::<u64>(), duration_s in any::<u32>()) -> End {
        End { rank, stamp_ms, duration_s }
    }
}

fn ended() -> impl Strategy<Value = Ended<'static>> {
    (text(), text(), end()).prop_map(|(app, id, end)| Ended { app, id, end })
}

fn item() -> impl Strategy<Value = Item<'static>> {
    prop_oneof![
        record().prop_map(|record| Item::Record(Box::new(record))),
        sign().prop_map(Item::Heartbeat),
        ended().prop_map(Item::Ended),
    ]
}

fn answer() -> impl Strategy<Value = Answer<'static>> {
    prop_oneof![
        Just(Answer::Done),
        Just(Answer::Unknown),
        Just(Answer::Refused),
        record().prop_map(|record| Answer::Newer(Box::new(record))),
        end().prop_map(Answer::Ended),
    ]
}

fn some<T: std::fmt::Debug>(one: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    prop::collection::vec(one, 0..4)
}

fn read_back<M: Message + PartialEq + std::fmt::Debug>(message: &M) {
    let bytes = encode(message);
    assert_eq!(&decode::<M>(&bytes).expect("what was written"), message);
    for cut in 0..bytes.len() {
        assert!(decode::<M>(&bytes[..cut]).is_err(), "cut short at {cut}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn changes_and_answers(items in some(item()), answers in some(answer())) {
        read_back(&Changes { items });
        read_back(&Answers { answers });
    }

    #[test]
    fn comparing(fading in some(sign()), fresher in some(sign()), fingerprint in some(any::<(u64, u32)>())) {
        read_back(&Fading { fading });
        read_back(&Compared { fingerprint, fresher });
    }

    #[test]
    fn exchanging(
        buckets in some(any::<u16>()),
        signs in some(sign()),
        ends in some(ended()),
        records in some(record()),
        wanted in some((text(), text())),
    ) {
        read_back(&Holdings { buckets, signs, ends: ends.clone() });
        read_back(&Exchanged { records, ends, wanted });
    }

    #[test]
    fn any_bytes_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode::<Changes<'static>>(&bytes).is_err());
        let question = dns::question(1, "a.b", dns::Kind::Srv).unwrap();
        let mut message = question.clone();
        message[2] = 0x80;
        message[7] = 3;
        message.extend(&bytes);
        // Whatever it makes of this, it returns.
        drop((dns::response(&bytes, &question), dns::response(&message, &question)));
    }
}

#[test]
fn unknown_fields_are_passed_over_and_missing_ones_are_not() {
    let hello: Hello<'_> = decode(br#"{"synod_peer":1,"id":"a","name":"b","since":"later"}"#).unwrap();
    assert_eq!(hello, Hello { synod_peer: 1, id: "a".into(), name: "b".into() });
    for text in
        [r#"{"id":"a","name":"b"}"#, "[]", "null", "", "<html>", r#"{"synod_peer":-1,"id":"a","name":"b"}"#]
    {
        assert!(decode::<Hello<'_>>(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_message_with_too_many_items_is_refused() {
    let answers = vec![Answer::Done; ITEMS_MAX + 1];
    let error = decode::<Answers<'_>>(&encode(&Answers { answers })).unwrap_err();
    assert_eq!(error.to_string(), "more than 200000 items in a message of kind answers");
}

/// Seeds that are no messages would leave the fuzzer to find the format by itself.
#[test]
fn the_seeds_of_the_fuzz_target_are_messages() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/peer_message");
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert_eq!(entries.len(), 7, "one for each message");
    for entry in entries {
        let path = entry.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let read = match name {
            "hello" => decode::<Hello<'_>>(&body).map(drop),
            "changes" => decode::<Changes<'_>>(&body).map(drop),
            "answers" => decode::<Answers<'_>>(&body).map(drop),
            "digest" => decode::<Fading<'_>>(&body).map(drop),
            "digest_answer" => decode::<Compared<'_>>(&body).map(drop),
            "buckets" => decode::<Holdings<'_>>(&body).map(drop),
            "buckets_answer" => decode::<Exchanged<'_>>(&body).map(drop),
            other => panic!("a seed that is no message: {other}"),
        };
        read.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
