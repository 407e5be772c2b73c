//! Bad requests: a clear 4xx, a bounded cost, and nobody else disturbed.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::thread;

use synod_e2e::canary::{refused, under_abuse};
use synod_e2e::{Instance, Request, Synod, gzip};

fn post(content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", "/eureka/apps/BAD").header("Content-Type", content_type).body(body)
}

#[test]
fn malformed_and_truncated_json() {
    under_abuse("malformed JSON", &[], |node| {
        let whole = Instance::new("BAD", "bad-1").json();
        for length in 0..whole.len() {
            refused(
                node,
                &format!("JSON cut at {length}"),
                &post("application/json", &whole.as_bytes()[..length]),
            );
        }
        for body in [
            "null",
            "[]",
            "42",
            "\"instance\"",
            "{}",
            "{\"instance\":null}",
            "{\"instance\":[]}",
            "{\"instance\":7}",
            "{\"instance\":{\"app\":\"BAD\"}}",
            "{\"instance\":{\"app\":7,\"hostName\":{}}}",
            "{instance:{}}",
            "\u{feff}{",
            "{\"instance\":{\"app\":\"BAD\",\"hostName\":\"h\",\"ipAddr\":\"1\",\"status\":\"UP\"}}",
            "NaN",
            "{\"a\":01}",
        ] {
            refused(node, body, &post("application/json", body));
        }
        assert_eq!(node.list().rows.len(), 1, "something of it was registered");
    });
}

#[test]
fn malformed_and_truncated_xml() {
    under_abuse("malformed XML", &[], |node| {
        let whole = Instance::new("BAD", "bad-1").xml();
        for length in 0..whole.len() {
            refused(
                node,
                &format!("XML cut at {length}"),
                &post("application/xml", &whole.as_bytes()[..length]),
            );
        }
        for body in [
            "<instance/>",
            "<other/>",
            "<instance></other>",
            "<<>>",
            "plain",
            "<instance>&undefined;</instance>",
            "<instance a=1></instance>",
            "<!-- only a comment -->",
            "<?xml version=\"1.0\"?>",
            "<instance><app>BAD",
        ] {
            refused(node, body, &post("application/xml", body));
        }
        assert_eq!(node.list().rows.len(), 1, "something of it was registered");
    });
}

#[test]
fn entities_are_never_resolved() {
    under_abuse("entity bombs", &[], |node| {
        let mut laughs = "<?xml version=\"1.0\"?><!DOCTYPE i [<!ENTITY a \"ha\">".to_owned();
        for level in 1..=9 {
            let below = if level == 1 { "a".to_owned() } else { format!("b{}", level - 1) };
            laughs.push_str(&format!("<!ENTITY b{level} \"{}\">", format!("&{below};").repeat(10)));
        }
        laughs.push_str("]>");
        let with_host = |host: &str| Instance::new("BAD", "bad-1").xml().replace("bad-1.example.test", host);
        for (what, body) in [
            ("a billion laughs", format!("{laughs}{}", with_host("&b9;"))),
            (
                "an external entity",
                format!("<!DOCTYPE i [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{}", with_host("&x;")),
            ),
            ("a remote DTD", format!("<!DOCTYPE i SYSTEM \"http://127.0.0.1:1/x.dtd\">{}", with_host("&x;"))),
        ] {
            let reply = refused(node, what, &post("application/xml", body));
            assert!(!reply.text().contains("root:"), "{what} reads files");
        }
    });
}

#[test]
fn deep_nesting() {
    under_abuse("deep nesting", &[], |node| {
        for depth in [1_000, 100_000, 1_000_000] {
            let arrays = format!("{{\"instance\":{{\"x\":{}", "[".repeat(depth));
            refused(node, &format!("{depth} arrays"), &post("application/json", arrays));
            let objects = format!("{{\"instance\":{}", "{\"instance\":".repeat(depth / 12));
            refused(node, &format!("{} objects", depth / 12), &post("application/json", objects));
            let closed = format!("{{\"instance\":{{\"x\":{}{}}}}}", "[".repeat(depth), "]".repeat(depth));
            refused(node, &format!("{depth} closed arrays"), &post("application/json", closed));
            let elements = format!("<instance>{}", "<a>".repeat(depth));
            refused(node, &format!("{depth} elements"), &post("application/xml", elements));
        }
    });
}

#[test]
fn wrong_content_types() {
    under_abuse("content types", &[], |node| {
        let json = Instance::new("BAD", "bad-1").json();
        for kind in [
            "application/octet-stream",
            "image/png",
            "multipart/form-data",
            "text/html",
            ";;;",
            "application/json; charset=utf-16",
        ] {
            refused(node, kind, &post(kind, json.clone()));
        }
        refused(node, "JSON called XML", &post("application/xml", json.clone()));
        refused(node, "XML called JSON", &post("application/json", Instance::new("BAD", "bad-1").xml()));
        for encoding in ["br", "gzip"] {
            let encoded = post("application/json", json.clone()).header("Content-Encoding", encoding);
            refused(node, &format!("plain JSON called {encoding}"), &encoded);
        }
        let torn = gzip::compress(json.as_bytes());
        let torn = post("application/json", &torn[..torn.len() / 2]).header("Content-Encoding", "gzip");
        refused(node, "torn gzip", &torn);
        let whole =
            post("application/json", gzip::compress(json.as_bytes())).header("Content-Encoding", "gzip");
        node.send(&whole).expect(204);
    });
}

#[test]
fn large_bodies_and_gzip_bombs() {
    under_abuse("large bodies", &["http.body_bytes_max=10MiB"], |node| {
        let padding = "x".repeat((10 << 20) - 2000);
        let just_fits = Instance::new("BAD", "bad-1").meta("padding", &padding).json();
        refused(node, "10 MB that fit and are one instance", &post("application/json", just_fits));
        let address = node.address();
        let too_large = post("application/json", vec![b' '; 12 << 20]);
        // The refusal may come while the body is still being sent.
        if let Ok(reply) = synod_e2e::http::try_send(address, &too_large) {
            assert_eq!(reply.status, 413);
        }
        let endless = "POST /eureka/apps/BAD HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                       Transfer-Encoding: chunked\r\n\r\n";
        let mut connection = node.connect();
        connection.write(endless.as_bytes()).expect("it reads");
        let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
        let sent = (0..64).take_while(|_| connection.write(&chunk).is_ok()).count();
        println!("{sent} MiB of an endless body were taken before the refusal");
        if let Ok(reply) = connection.read_reply(false) {
            assert_eq!(reply.status, 413);
        }
        assert!(sent < 64, "an endless body is read for ever");
        for size in [64 << 20, 1 << 30] {
            let bomb = gzip::bomb(size);
            println!("{} bytes that inflate to {size}", bomb.len());
            let reply = refused(
                node,
                "a gzip bomb",
                &post("application/json", bomb).header("Content-Encoding", "gzip"),
            );
            assert_eq!(reply.status, 413);
        }
    });
}

#[test]
fn large_bodies_in_parallel_are_bounded() {
    under_abuse("large bodies in parallel", &[], |node| {
        let body = format!("{{\"instance\":{{\"metadata\":{{\"k\":\"{}", "y".repeat(9 << 20));
        thread::scope(|scope| {
            for _ in 0..8 {
                let request = post("application/json", body.clone());
                scope.spawn(move || refused(node, "9 MiB of half an instance", &request));
            }
        });
        let peak = node.memory_bytes();
        println!("{} MiB resident right after eight bodies of 9 MiB", peak >> 20);
        assert!(peak < 256 << 20, "eight bodies of 9 MiB took {} MiB", peak >> 20);
    });
}

#[test]
fn metadata_without_end() {
    under_abuse("metadata", &[], |node| {
        let mut instance = Instance::new("BAD", "bad-1");
        for number in 0..100_000 {
            instance = instance.meta(&format!("key-{number}"), "v");
        }
        refused(node, "100,000 metadata keys", &instance.register());
        let query: String = (0..2000).map(|number| format!("&key-{number}=v")).collect();
        node.send(&Instance::new("BAD", "bad-2").register()).expect(204);
        let target = format!("/eureka/apps/BAD/bad-2/metadata?a=b{query}");
        refused(node, "2,000 metadata keys in one query", &Request::put(&target));
        for round in 0..40 {
            let query: String = (0..50).map(|number| format!("&r{round}-{number}=v")).collect();
            let reply = node.send(&Request::put(&format!("/eureka/apps/BAD/bad-2/metadata?a=b{query}")));
            assert!(reply.status == 200 || (400..500).contains(&reply.status), "{}", reply.status);
        }
        let found = node.send(&Request::get_json("/eureka/apps/BAD/bad-2")).expect(200).json();
        let keys = found["instance"]["metadata"].as_object().map_or(0, serde_json::Map::len);
        assert!(keys <= 512, "metadata grew to {keys} keys, 50 a time; registry.metadata_keys_max is 512");
    });
}

#[test]
fn invalid_utf8_and_odd_targets() {
    under_abuse("odd bytes", &[], |node| {
        let json = Instance::new("BAD", "bad-1").json();
        let broken = json.replace("10.0.0.1", "10.0.\u{1}.1").into_bytes();
        let mut invalid = json.clone().into_bytes();
        let at = json.find("10.0.0.1").expect("the address is there");
        invalid[at] = 0xFF;
        refused(node, "invalid UTF-8 in JSON", &post("application/json", invalid));
        refused(node, "a control character in JSON", &post("application/json", broken));
        let mut xml = Instance::new("BAD", "bad-1").xml().into_bytes();
        xml[40] = 0xC3;
        refused(node, "invalid UTF-8 in XML", &post("application/xml", xml));
        for target in [
            "/eureka/apps/BAD/%FF%FE",
            "/eureka/apps/%00",
            "/eureka/apps/BAD/%",
            "/eureka/apps/BAD/%zz",
            "/eureka/apps/%2e%2e/x",
            "/eureka/../../etc/passwd",
            "/eureka/apps/BAD/a%0d%0aSet-Cookie:x",
            "/eureka/vips/%",
            "/eureka/instances/%FF",
        ] {
            let reply = node.send(&Request::get_json(target));
            assert!((400..500).contains(&reply.status) || reply.status == 200, "{target}: {}", reply.status);
            assert!(!reply.text().contains("root:") && reply.header("Set-Cookie").is_none(), "{target}");
        }
        for target in [
            "/eureka/apps/BAD/x/status?value=%FF",
            "/eureka/apps/BAD/x?lastDirtyTimestamp=99999999999999999999999",
        ] {
            refused(node, target, &Request::put(target));
        }
        let long = format!("/eureka/apps/{}", "A".repeat(100_000));
        if let Ok(reply) = synod_e2e::http::try_send(node.address(), &Request::get(&long)) {
            assert!((400..500).contains(&reply.status), "a path of 100 kB: {}", reply.status);
        }
    });
}

#[test]
fn percent_encoded_ids_mean_the_id() {
    let node = Synod::start(&["registry.self.register=false"]);
    let spoken = [
        "host:app:8080",
        "a/b",
        "white space",
        "ünïcödé",
        "per%cent",
        "plus+plus",
        "semi;colon",
        "q?q#h&h=h",
    ];
    for id in spoken {
        node.send(&Request::post_json("/eureka/apps/CODED", Instance::new("CODED", id).json())).expect(204);
        let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/eureka/apps/CODED/{encoded}");
        let found = node.send(&Request::get_json(&path)).expect(200).json();
        assert_eq!(found["instance"]["instanceId"], id);
        node.send(&Request::put(&path)).expect(200);
        node.send(&Request::put(&format!("{path}/status?value=DOWN"))).expect(200);
        assert_eq!(node.list().status("CODED", id), Some("DOWN"), "{id}");
        let xml = synod_e2e::listing::Form { xml: true, ..Default::default() };
        assert_eq!(xml.decode(node.send(&xml.request())).status("CODED", id), Some("DOWN"), "{id} in XML");
        node.send(&Request::get_json(&format!("/eureka/instances/{encoded}"))).expect(200);
        node.send(&Request::delete(&path)).expect(200);
    }
    assert_eq!(node.list().rows.len(), 0);
}

#[test]
fn batches_that_are_wrong() {
    under_abuse("batches", &[], |node| {
        let batch = |body: &str| Request::post_json("/eureka/peerreplication/batch/", body.to_owned());
        for body in ["", "{", "[]", "null", "{\"replicationList\":7}", "{\"replicationList\":null}"] {
            refused(node, &format!("the batch {body}"), &batch(body));
        }
        let unknown =
            batch("{\"replicationList\":[{\"appName\":\"A\",\"id\":\"a\",\"action\":\"Explode\"}]}");
        let reply = node.send(&unknown);
        let per_item =
            reply.status == 200 && reply.json()["responseList"][0]["statusCode"].as_u64() >= Some(400);
        assert!(reply.status == 400 || per_item, "{} {}", reply.status, reply.text());
        let item = "{\"appName\":\"A\",\"id\":\"a\",\"action\":\"Heartbeat\"},".repeat(100_000);
        let reply = node.send(&batch(&format!("{{\"replicationList\":[{}]}}", item.trim_end_matches(','))));
        assert!(reply.status == 200 || (400..500).contains(&reply.status), "{}", reply.status);
    });
}
