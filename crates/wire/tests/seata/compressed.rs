//! What the compressors of Seata 2.0.0 and 2.6.0 made of a request to enlist a branch, and what must not be believed in a
//! compressed body.
#![allow(clippy::unwrap_used, reason = "what was recorded is known")]

use bytes::{Bytes, BytesMut};
use synod_wire::seata::*;

use crate::golden::{XID, decode, hex};

/// Version of the client, name of the compressor and bytes of each frame.
fn frames() -> Vec<(Client, &'static str, Frame)> {
    let frame = |line: &'static str| {
        let (name, digits) = line.split_once('\t').unwrap();
        let (version, name) = name.split_once(' ').unwrap();
        let client = Client { version: ClientVersion::parse(version).unwrap(), is_go: false };
        (client, name, decode(&hex(digits)).unwrap().unwrap())
    };
    include_str!("../../testdata/seata/golden-compressed.tsv").lines().map(frame).collect()
}

fn request() -> Message {
    Message::Request(Request::BranchRegister(BranchRegister {
        xid: XID,
        branch_type: BranchType::At,
        resource_id: "r1".into(),
        lock_key: (0..40).map(|row| format!("t:{row};")).collect::<String>().into(),
        application_data: "{}".into(),
    }))
}

#[test]
fn frames_are_read_and_what_is_written_is_read_again() {
    for (client, name, frame) in frames() {
        assert_eq!(read(&frame, client), Ok(request()), "{name} of {}", client.version);
        let mut written = BytesMut::new();
        write(frame.header, &request(), client, &mut written).unwrap();
        let again = decode(&written).unwrap().unwrap();
        assert!(again.body.len() < 250, "{name} saves nothing: {} bytes", again.body.len());
        assert_eq!(read(&again, client), Ok(request()), "{name} for {}", client.version);
    }
    assert_eq!(frames().len(), 12);
}

/// The form as far as it differs between versions, or from what the format's own tools write.
#[test]
fn forms_are_those_that_the_client_reads() {
    for (client, name, frame) in frames() {
        let mut written = BytesMut::new();
        compress::deflate(frame.header.compressor, &[b'x'; 70_000], client, &mut written).unwrap();
        let fixed = match name {
            "zip" => 4,
            "bzip2" => 1,
            "lz4" => 4,
            // Frames with the size of the content: four bytes of it are announced behind the magic.
            "zstd" => {
                assert_eq!(written[4..10], [0x80, 0x38, 0x70, 0x11, 1, 0]);
                4
            }
            _ => 1,
        };
        assert_eq!(written[..fixed], frame.body[..fixed], "{name} for {}", client.version);
    }
}

#[test]
fn any_body_survives() {
    let bodies = [
        vec![],
        vec![7],
        vec![0; 200_000],
        (0..200_000_u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect(),
    ];
    for (client, name, frame) in frames() {
        for body in &bodies {
            let mut written = BytesMut::new();
            compress::deflate(frame.header.compressor, body, client, &mut written).unwrap();
            let read = compress::inflate(frame.header.compressor, &written.freeze(), 200_000);
            assert_eq!(read.as_deref(), Ok(&body[..]), "{name} of {} bytes", body.len());
        }
    }
}

#[test]
fn bombs_are_refused() {
    let body = vec![0; 4 << 20];
    for (client, name, frame) in frames() {
        let mut written = BytesMut::new();
        compress::deflate(frame.header.compressor, &body, client, &mut written).unwrap();
        let bomb = written.freeze();
        assert!(bomb.len() < 50_000, "{name}: {}", bomb.len());
        let read = compress::inflate(frame.header.compressor, &bomb, 1 << 20);
        assert_eq!(read, Err(DecodeError::TooLong { max: 1 << 20 }), "{name}");
    }
}

#[test]
fn what_is_cut_or_bent_never_panics() {
    for (client, _, frame) in frames() {
        for length in 0..frame.body.len() {
            let cut = Frame { body: frame.body.slice(..length), ..frame.clone() };
            let whole = read(&cut, client);
            // What is left out may be no more than a mark of the end or a checksum.
            assert!(whole == Ok(request()) || whole.is_err());
            let mut bent = frame.body.to_vec();
            bent[length] ^= 1 << (length % 8);
            drop(read(&Frame { body: bent.into(), ..frame.clone() }, client));
        }
    }
}

#[test]
fn errors_name_the_compressor() {
    let (_, _, frame) = frames().remove(0);
    let text = |compressor, body: &'static [u8]| {
        let header = Header { compressor, ..frame.header };
        let frame = Frame { header, body: Bytes::from_static(body), head_map: Bytes::new() };
        read(&frame, Client::default()).unwrap_err().to_string()
    };
    let hint = "is not supported: set the client's `transport.compressor` to `none` or `gzip`";
    assert_eq!(text(3, b"7z"), format!("compressor 3 (sevenz) {hint}"));
    assert_eq!(text(9, b""), format!("compressor 9 (unknown) {hint}"));
    for (compressor, name) in
        [(1, "gzip"), (2, "zip"), (4, "bzip2"), (5, "lz4"), (6, "deflater"), (7, "zstd")]
    {
        let error = text(compressor, b"not compressed at all");
        assert!(error.starts_with(&format!("malformed {name}: ")), "{error}");
    }
    let mut output = BytesMut::new();
    let header = Header { compressor: 3, ..frame.header };
    assert_eq!(write(header, &request(), Client::default(), &mut output), Err(EncodeError::Compressor(3)));
    let header = Header { version: 0, ..frame.header };
    assert_eq!(write(header, &request(), Client::default(), &mut output), Err(EncodeError::Compressor(1)));
    assert!(output.is_empty());
}
