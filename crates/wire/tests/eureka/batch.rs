//! Replication batches and start-up lists.

use synod_wire::eureka::*;

use crate::recordings::{BATCHES, INSTANCE_JSON, LIST_JSON};

fn batch(body: &str) -> Result<Vec<BatchItem<'_>>, DecodeError> {
    decode_batch(body.as_bytes(), &Limits::REQUEST)
}

#[test]
fn recorded_batches_survive_byte_for_byte() {
    let mut kinds = Vec::new();
    for line in BATCHES.lines() {
        let items = batch(line).expect("a batch");
        for item in &items {
            assert_eq!(item.refused, None);
            let ItemAction::Known(kind) = item.action else { panic!("{:?}", item.action) };
            assert_eq!(item.instance.is_some(), kind == ActionKind::Register);
            kinds.push(kind);
        }
        let mut out = Vec::new();
        write_batch(&mut out, &items);
        assert_eq!(String::from_utf8(out).expect("UTF-8"), line);
    }
    for kind in ActionKind::ALL {
        assert!(kinds.contains(&kind), "{kind:?}");
    }
}

#[test]
fn a_missing_list_is_not_an_empty_one() {
    for body in ["{}", r#"{"replicationList":null}"#, r#"{"other":[]}"#] {
        assert_eq!(batch(body), Err(DecodeError::Missing { field: "replicationList" }), "{body}");
    }
    assert_eq!(batch(r#"{"replicationList":[]}"#), Ok(vec![]));
    for (body, expect) in [
        ("", "malformed JSON"),
        ("[]", "batch: expected an object, found a list"),
        ("null", "batch: expected an object, found null"),
        (r#"{"replicationList":7}"#, "replicationList: expected a list, found a number"),
    ] {
        let error = batch(body).expect_err(body).to_string();
        assert!(error.starts_with(expect), "{body}: {error}");
    }
}

#[test]
fn what_is_wrong_with_one_item_is_its_own_affair() {
    let body = r#"{"more":{},"replicationList":[
        {"appName":"A","id":"1","action":"Cancel","unknown":[1]},
        {"appName":"A","id":"2","action":"Explode"},
        {"appName":"A","id":"3","lastDirtyTimestamp":"17","instanceInfo":null},
        {"appName":"A","id":"4","action":"Register","instanceInfo":{"app":"A","dataCenterInfo":{"name":"X"}}},
        {"appName":"A","id":"5","action":"Register","instanceInfo":{"instance":{"app":"B"}}},
        null,
        {"appName":"A","id":"6","action":"Heartbeat","lastDirtyTimestamp":"now"}]}"#;
    let items = batch(body).expect("a batch");
    let actions: Vec<_> = items.iter().map(|item| item.action.clone()).collect();
    assert_eq!(actions[0], ItemAction::Known(ActionKind::Cancel));
    assert_eq!(actions[1], ItemAction::Unknown("Explode".into()));
    assert_eq!(actions[2], ItemAction::Missing);
    assert_eq!((items[2].last_dirty, &items[2].instance), (Some(17), &None));
    let app = |i: usize| items[i].instance.as_ref().and_then(|instance| instance.app.as_deref());
    assert_eq!(app(4), Some("B"));
    assert_eq!(items[5], BatchItem::default());
    let refused: Vec<_> = items.iter().map(|item| item.refused.as_ref().map(ToString::to_string)).collect();
    assert_eq!(refused.iter().flatten().count(), 2, "{refused:?}");
    assert!(refused[3].as_ref().is_some_and(|why| why.starts_with("dataCenterInfo.name")), "{refused:?}");
    assert!(refused[6].as_ref().is_some_and(|why| why.starts_with("lastDirtyTimestamp")), "{refused:?}");
}

#[test]
fn answers() {
    let instance =
        decode_instance(INSTANCE_JSON.as_bytes(), Format::Json, &Limits::REQUEST).expect("an instance");
    let answers = vec![
        ItemAnswer { status: 200, instance: None },
        ItemAnswer { status: 409, instance: Some(Box::new(instance)) },
        ItemAnswer { status: 404, instance: None },
    ];
    let mut out = Vec::new();
    write_batch_response(&mut out, &answers);
    let bare = INSTANCE_JSON.strip_prefix("{\"instance\":").and_then(|text| text.strip_suffix('}'));
    let expect = format!(
        "{{\"responseList\":[{{\"statusCode\":200}},{{\"statusCode\":409,\"responseEntity\":{}}},\
         {{\"statusCode\":404}}]}}",
        bare.expect("a wrapper")
    );
    assert_eq!(String::from_utf8(out.clone()).expect("UTF-8"), expect);
    assert_eq!(decode_batch_response(&out, &Limits::REQUEST), Ok(answers));

    let read = |body: &'static str| decode_batch_response(body.as_bytes(), &Limits::REQUEST);
    assert_eq!(read(r#"{"responseList":[]}"#), Ok(vec![]));
    assert_eq!(read("{}"), Err(DecodeError::Missing { field: "responseList" }));
    let odd = read(r#"{"responseList":{"statusCode":"409","responseEntity":{"port":"x"}}}"#);
    assert_eq!(odd, Ok(vec![ItemAnswer { status: 409, instance: None }]));
    assert!(read(r#"{"responseList":[{"statusCode":200},{}]}"#).is_err());
}

#[test]
fn one_bad_instance_does_not_spoil_the_list() {
    let bad = LIST_JSON.replacen("{\"instanceId\":", "{\"port\":\"x\"},7,{\"instanceId\":", 1);
    let list = decode_applications(bad.as_bytes(), &Limits::SYNC).expect("a list");
    assert_eq!(list.applications[0].instances.len(), 1);
    assert_eq!(list.refused.len(), 2);
    // Neither does a bad name outside of it, which counts against nothing but itself.
    let bad = LIST_JSON.replacen("\"name\":\"ORDERS\"", "\"name\":{}", 1);
    let list = decode_applications(bad.as_bytes(), &Limits::SYNC).expect("a list");
    assert_eq!((list.applications[0].instances.len(), list.refused.len()), (1, 1));
}

#[test]
fn lists_in_other_shapes() {
    let read = |body: &'static str| decode_applications(body.as_bytes(), &Limits::SYNC);
    assert!(read(r#"{"applications":{}}"#).is_ok_and(|list| list.applications.is_empty()));
    assert!(read(r#"{"application":""}"#).is_ok_and(|list| list.applications.is_empty()));
    let bare = read(r#"{"application":{"name":"A","instance":{"app":"A"}}}"#).expect("a list");
    assert_eq!(bare.applications[0].instances.len(), 1);
    for body in ["{}", r#"{"status":500,"error":"x"}"#, r#"{"applications":null}"#] {
        assert_eq!(read(body), Err(DecodeError::Missing { field: "applications" }), "{body}");
    }
    assert!(read("[]").is_err());
}
