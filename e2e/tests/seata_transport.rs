//! How Seata's Java clients reach the server and write to it, where it is not the way that is theirs by default: found through
//! the node's own Eureka face or as the leader of a Raft, and with bodies that each of their compressors has made small.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::time::Duration;

use synod_e2e::seata_relay::{Side, Written};
use synod_e2e::wait::now;
use synod_e2e::{SeataClient, SeataRelay, SeataServer, SeataVersion, Synod};

/// Longer than any scenario.
const MINUTE: Duration = Duration::from_secs(60);
/// Longest time until phase two calls an action.
const CALLED: Duration = Duration::from_secs(20);
/// Seata's numbers of its serializers.
const SEATA: u8 = 1;
const PROTOBUF: u8 = 2;

/// One transaction each way; the action gets back what it has stored.
#[track_caller]
fn both_ways(client: &mut SeataClient) {
    client.ask("open", &["action", "stock"]);
    // So large that it takes more than one block of any compressor, and nothing that packs to next to nothing.
    let text: String = (0..4_000_u32).map(|at| format!("{} ä;", at.wrapping_mul(2_654_435_761))).collect();
    for (end, code) in [("commit", "CommitDone"), ("rollback", "RollbackDone")] {
        let xid = client.begin("s", MINUTE);
        client.ask("s", &["try", "stock", &text]);
        assert_eq!(client.ask("s", &[end])["code"], code, "{end}");
        let event = client.event(CALLED);
        assert_eq!((&event["event"], &event["xid"]), (&end.into(), &xid.into()));
        assert_eq!(event["text"], *text, "{end}: what was stored comes back");
    }
}

#[test]
fn a_client_finds_the_server_in_eureka() {
    let began = now();
    let node = Synod::start(&["face.seata.listen=127.0.0.1:0", "face.seata.cluster=shop-east"]);
    let properties = [
        ("registry.type", "eureka"),
        ("registry.eureka.serviceUrl", &*node.url()),
        ("service.vgroupMapping.synod", "shop-east"),
    ];
    let mut client = SeataClient::start_with(SeataVersion::NEWEST, "shop", &properties);
    both_ways(&mut client);
    println!("{} through Eureka: {:?}", client.version(), began.elapsed());
}

#[test]
fn a_client_finds_the_leader_as_of_seatas_raft() {
    let began = now();
    let node = Synod::start(&["face.seata.listen=127.0.0.1:0"]);
    let properties = [
        ("registry.type", "raft"),
        ("registry.raft.serverAddr", &*node.address().to_string()),
        ("service.vgroupMapping.synod", "default"),
    ];
    let mut client = SeataClient::start_with(SeataVersion::NEWEST, "shop", &properties);
    both_ways(&mut client);
    println!("{} through Raft's metadata: {:?}", client.version(), began.elapsed());
}

#[test]
fn compressors_of_the_newest_client() {
    let server = SeataServer::start();
    let compressors = [("gzip", 1), ("zip", 2), ("bzip2", 4), ("lz4", 5), ("deflater", 6), ("zstd", 7)];
    for (name, number) in compressors {
        written(&server, SeataVersion::NEWEST, ("seata", SEATA), (name, number));
    }
}

#[test]
fn protobuf_and_compressors_of_the_oldest_client() {
    let server = SeataServer::start();
    // What it calls LZ4 is not the format of that name.
    for (serializer, compressor) in [
        (("protobuf", PROTOBUF), ("gzip", 1)),
        (("seata", SEATA), ("lz4", 5)),
        (("seata", SEATA), ("bzip2", 4)),
    ] {
        written(&server, SeataVersion::OLDEST, serializer, compressor);
    }
}

/// Transactions of a client with this serializer and this compressor, each a name and a number, and whether all that went over
/// the wire was written so.
#[track_caller]
fn written(server: &SeataServer, version: SeataVersion, serializer: (&str, u8), compressor: (&str, u8)) {
    let began = now();
    let relay = SeataRelay::start(server.address());
    let properties = [
        ("service.default.grouplist", &*relay.address().to_string()),
        ("transport.serialization", serializer.0),
        ("transport.compressor", compressor.0),
    ];
    let mut client = SeataClient::start_with(version, "shop", &properties);
    both_ways(&mut client);
    let frame = |by, answers, compressor| Written { by, answers, codec: serializer.1, compressor };
    // The server compresses what answers something compressed; what it asks is short, and so is what comes back.
    let expected = [
        frame(Side::Client, false, compressor.1),
        frame(Side::Client, true, 0),
        frame(Side::Server, false, 0),
        frame(Side::Server, true, compressor.1),
    ];
    assert_eq!(relay.seen().into_iter().collect::<Vec<_>>(), expected, "{version}, {compressor:?}");
    println!("{version}, {} and {}: {:?}", serializer.0, compressor.0, began.elapsed());
}
