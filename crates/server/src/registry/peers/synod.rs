//! The dialect between Synod nodes: the core's words to the wire's ([`synod_wire::peer`]) and back.

use std::borrow::Cow;
use std::sync::Arc;

use synod_core::registry::instance::{self as core, DataCenter, Instance, Rank, Rare, Status};
use synod_core::registry::merge::{End, News};
use synod_core::registry::survey::{Ended, Sign};
use synod_core::registry::sync::{Answer, Compared, Exchanged, Holdings, Notice};
use synod_core::registry::tally::Bucket;
use synod_wire::peer as wire;

type Pairs = Box<[(Box<str>, Box<str>)]>;

/// What peers are told, to the wire.
pub fn changes_out(notices: &[Notice]) -> wire::Changes<'_> {
    wire::Changes { items: notices.iter().map(item_out).collect() }
}

fn item_out(notice: &Notice) -> wire::Item<'_> {
    match notice {
        Notice::Record(news) => wire::Item::Record(Box::new(record_out(news))),
        Notice::Heartbeat(sign) => wire::Item::Heartbeat(sign_out(sign)),
        Notice::Ended(ended) => wire::Item::Ended(ended_out(ended)),
    }
}

/// What a peer tells, from the wire.
pub fn changes_in(changes: wire::Changes<'static>) -> Vec<Notice> {
    let notice = |item| match item {
        wire::Item::Record(record) => Notice::Record(record_in(*record)),
        wire::Item::Heartbeat(sign) => Notice::Heartbeat(sign_in(sign)),
        wire::Item::Ended(ended) => Notice::Ended(ended_in(ended)),
    };
    changes.items.into_iter().map(notice).collect()
}

/// Answers to the wire.
pub fn answers_out(answers: &[Answer]) -> wire::Answers<'_> {
    wire::Answers { answers: answers.iter().map(answer_out).collect() }
}

fn answer_out(answer: &Answer) -> wire::Answer<'_> {
    match answer {
        // A conflict is a Java peer's answer and none of ours.
        Answer::Done | Answer::Conflict(_) => wire::Answer::Done,
        Answer::Unknown => wire::Answer::Unknown,
        Answer::Newer(news) => wire::Answer::Newer(Box::new(record_out(news))),
        Answer::Ended(end) => wire::Answer::Ended(end_out(*end)),
        Answer::Refused => wire::Answer::Refused,
    }
}

/// Answers from the wire.
pub fn answers_in(answers: wire::Answers<'static>) -> Vec<Answer> {
    let answer = |answer| match answer {
        wire::Answer::Done => Answer::Done,
        wire::Answer::Unknown => Answer::Unknown,
        wire::Answer::Newer(record) => Answer::Newer(record_in(*record)),
        wire::Answer::Ended(end) => Answer::Ended(end_in(end)),
        wire::Answer::Refused => Answer::Refused,
    };
    answers.answers.into_iter().map(answer).collect()
}

/// Fading leases to the wire.
pub fn fading_out(fading: &[Sign]) -> wire::Fading<'_> {
    wire::Fading { fading: fading.iter().map(sign_out).collect() }
}

/// Fading leases from the wire.
pub fn fading_in(fading: wire::Fading<'static>) -> Vec<Sign> {
    fading.fading.into_iter().map(sign_in).collect()
}

/// A fingerprint to the wire.
pub fn compared_out(compared: &Compared) -> wire::Compared<'_> {
    wire::Compared {
        fingerprint: compared.fingerprint.iter().map(|bucket| (bucket.sum, bucket.count)).collect(),
        fresher: compared.fresher.iter().map(sign_out).collect(),
    }
}

/// A fingerprint from the wire.
pub fn compared_in(compared: wire::Compared<'static>) -> Compared {
    let bucket = |(sum, count)| Bucket { sum, count };
    Compared {
        fingerprint: compared.fingerprint.into_iter().map(bucket).collect(),
        fresher: compared.fresher.into_iter().map(sign_in).collect(),
    }
}

/// What is held here, to the wire.
pub fn holdings_out(holdings: &Holdings) -> wire::Holdings<'_> {
    wire::Holdings {
        buckets: holdings.buckets.clone(),
        signs: holdings.signs.iter().map(sign_out).collect(),
        ends: holdings.ends.iter().map(ended_out).collect(),
    }
}

/// What is held there, from the wire.
pub fn holdings_in(holdings: wire::Holdings<'static>) -> Holdings {
    Holdings {
        buckets: holdings.buckets,
        signs: holdings.signs.into_iter().map(sign_in).collect(),
        ends: holdings.ends.into_iter().map(ended_in).collect(),
    }
}

/// The answer to holdings, to the wire.
pub fn exchanged_out(exchanged: &Exchanged) -> wire::Exchanged<'_> {
    let key = |(app, id): &'_ (Arc<str>, Arc<str>)| (Cow::Owned(app.to_string()), Cow::Owned(id.to_string()));
    wire::Exchanged {
        records: exchanged.news.iter().map(record_out).collect(),
        ends: exchanged.ends.iter().map(ended_out).collect(),
        wanted: exchanged.wanted.iter().map(key).collect(),
    }
}

/// The answer to holdings, from the wire.
pub fn exchanged_in(exchanged: wire::Exchanged<'static>) -> Exchanged {
    Exchanged {
        news: exchanged.records.into_iter().map(record_in).collect(),
        ends: exchanged.ends.into_iter().map(ended_in).collect(),
        wanted: exchanged.wanted.into_iter().map(|(app, id)| (arc(app), arc(id))).collect(),
    }
}

/// A record, to the wire.
pub fn record_out(news: &News) -> wire::Record<'_> {
    wire::Record {
        instance: instance_out(&news.instance),
        status: status_out(news.status),
        overridden: status_out(news.overridden),
        override_ms: news.override_ms,
        dirty_ms: news.dirty_ms,
        registered_ms: news.registered_ms,
        up_ms: news.up_ms,
        stamp_ms: news.stamp_ms,
        age_ms: news.age_ms,
    }
}

/// A record, from the wire.
pub fn record_in(record: wire::Record<'static>) -> News {
    News {
        instance: Arc::new(instance_in(record.instance)),
        status: status_in(record.status),
        overridden: status_in(record.overridden),
        override_ms: record.override_ms,
        dirty_ms: record.dirty_ms,
        registered_ms: record.registered_ms,
        up_ms: record.up_ms,
        stamp_ms: record.stamp_ms,
        age_ms: record.age_ms,
    }
}

fn sign_out(sign: &Sign) -> wire::Sign<'_> {
    wire::Sign {
        app: Cow::Borrowed(&sign.app),
        id: Cow::Borrowed(&sign.id),
        rank: rank_out(sign.rank),
        stamp_ms: sign.stamp_ms,
        age_ms: sign.age_ms,
    }
}

fn sign_in(sign: wire::Sign<'static>) -> Sign {
    let wire::Sign { app, id, rank, stamp_ms, age_ms } = sign;
    Sign { app: arc(app), id: arc(id), rank: rank_in(rank), stamp_ms, age_ms }
}

fn ended_out(ended: &Ended) -> wire::Ended<'_> {
    wire::Ended { app: Cow::Borrowed(&ended.app), id: Cow::Borrowed(&ended.id), end: end_out(ended.end) }
}

fn ended_in(ended: wire::Ended<'static>) -> Ended {
    Ended { app: arc(ended.app), id: arc(ended.id), end: end_in(ended.end) }
}

fn end_out(end: End) -> wire::End {
    wire::End { rank: rank_out(end.rank), stamp_ms: end.stamp_ms, duration_s: end.duration_s }
}

fn end_in(end: wire::End) -> End {
    End { rank: rank_in(end.rank), stamp_ms: end.stamp_ms, duration_s: end.duration_s }
}

fn rank_out(rank: Rank) -> wire::Rank {
    wire::Rank(rank.dirty_ms, rank.override_ms, rank.digest)
}

fn rank_in(wire::Rank(dirty_ms, override_ms, digest): wire::Rank) -> Rank {
    Rank { dirty_ms, override_ms, digest }
}

fn instance_out(instance: &Instance) -> wire::Instance<'_> {
    let text = |text: &'_ Option<Box<str>>| text.as_deref().map(|text| Cow::Owned(text.to_owned()));
    wire::Instance {
        app: Cow::Borrowed(&instance.app),
        id: Cow::Borrowed(&instance.id),
        id_declared: instance.id_declared,
        host: Cow::Borrowed(&instance.host),
        ip: Cow::Borrowed(&instance.ip),
        sid: text(&instance.rare.sid),
        port: wire::Port(instance.port.number, instance.port.enabled),
        secure_port: wire::Port(instance.secure_port.number, instance.secure_port.enabled),
        country_id: instance.country_id,
        data_center: match &instance.rare.data_center {
            DataCenter::MyOwn => wire::DataCenter::MyOwn,
            DataCenter::Netflix => wire::DataCenter::Netflix,
            DataCenter::Amazon(pairs) => wire::DataCenter::Amazon(pairs_out(pairs)),
        },
        renewal_interval_s: instance.renewal_interval_s,
        duration_s: instance.duration_s,
        metadata: pairs_out(&instance.metadata),
        app_group: text(&instance.rare.app_group),
        home_page_url: text(&instance.home_page_url),
        status_page_url: text(&instance.status_page_url),
        health_check_url: text(&instance.health_check_url),
        secure_health_check_url: text(&instance.rare.secure_health_check_url),
        vip: text(&instance.vip),
        secure_vip: text(&instance.secure_vip),
        asg: text(&instance.rare.asg),
        status: status_out(instance.status),
        overridden: status_out(instance.overridden),
        dirty_ms: instance.dirty_ms,
    }
}

fn instance_in(instance: wire::Instance<'static>) -> Instance {
    let text = |text: Option<wire::Text<'static>>| text.map(boxed);
    let port = |wire::Port(number, enabled)| core::Port { number, enabled };
    let rare = Rare {
        sid: text(instance.sid),
        data_center: match instance.data_center {
            wire::DataCenter::MyOwn => DataCenter::MyOwn,
            wire::DataCenter::Netflix => DataCenter::Netflix,
            wire::DataCenter::Amazon(pairs) => DataCenter::Amazon(pairs_in(pairs)),
        },
        app_group: text(instance.app_group),
        secure_health_check_url: text(instance.secure_health_check_url),
        asg: text(instance.asg),
    };
    Instance {
        app: arc(instance.app),
        id: arc(instance.id),
        id_declared: instance.id_declared,
        host: boxed(instance.host),
        ip: boxed(instance.ip),
        port: port(instance.port),
        secure_port: port(instance.secure_port),
        country_id: instance.country_id,
        // A lease of no length would divide by zero somewhere; no node sends one.
        renewal_interval_s: instance.renewal_interval_s.max(1),
        duration_s: instance.duration_s.max(1),
        metadata: pairs_in(instance.metadata),
        home_page_url: text(instance.home_page_url),
        status_page_url: text(instance.status_page_url),
        health_check_url: text(instance.health_check_url),
        vip: text(instance.vip),
        secure_vip: text(instance.secure_vip),
        rare: rare.into(),
        status: status_in(instance.status),
        overridden: status_in(instance.overridden),
        dirty_ms: instance.dirty_ms,
    }
}

fn pairs_out(pairs: &Pairs) -> Vec<(wire::Text<'_>, wire::Text<'_>)> {
    pairs.iter().map(|(key, value)| (Cow::Borrowed(&**key), Cow::Borrowed(&**value))).collect()
}

fn pairs_in(pairs: Vec<(wire::Text<'static>, wire::Text<'static>)>) -> Pairs {
    pairs.into_iter().map(|(key, value)| (boxed(key), boxed(value))).collect()
}

fn boxed(text: wire::Text<'static>) -> Box<str> {
    text.into_owned().into()
}

fn arc(text: wire::Text<'static>) -> Arc<str> {
    text.into_owned().into()
}

fn status_out(status: Status) -> wire::Status {
    match status {
        Status::Up => wire::Status::Up,
        Status::Down => wire::Status::Down,
        Status::Starting => wire::Status::Starting,
        Status::OutOfService => wire::Status::OutOfService,
        Status::Unknown => wire::Status::Unknown,
    }
}

fn status_in(status: wire::Status) -> Status {
    match status {
        wire::Status::Up => Status::Up,
        wire::Status::Down => Status::Down,
        wire::Status::Starting => Status::Starting,
        wire::Status::OutOfService => Status::OutOfService,
        wire::Status::Unknown => Status::Unknown,
    }
}
