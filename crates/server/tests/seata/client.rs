//! A Seata client that says what a test wants it to say, frame by frame, and nothing by itself.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use synod_wire::seata::{
    self, Answer, BranchEnd, BranchEndAnswer, BranchRegister, BranchReport, BranchStatus, BranchType, Client,
    ClientVersion, Frame, GlobalBegin, GlobalEnd, GlobalStatus, Header, Kind, Message, Register, Request,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than any test may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) struct Line {
    stream: TcpStream,
    input: BytesMut,
    client: Client,
    version: String,
    last_id: i32,
}

impl Line {
    /// Connects, as a client of this version.
    pub(crate) async fn connect(to: SocketAddr, version: &str) -> Self {
        let client = Client { version: ClientVersion::parse(version).unwrap(), is_go: false };
        let stream = TcpStream::connect(to).await.unwrap();
        Self { stream, input: BytesMut::new(), client, version: version.into(), last_id: 0 }
    }

    /// Connects as an initiator.
    pub(crate) async fn tm(to: SocketAddr, version: &str) -> Self {
        let mut line = Self::connect(to, version).await;
        let answer = line.ask(Message::RegisterTm(line.register("app", ""))).await;
        assert!(matches!(answer, Message::RegisterTmAnswer(answer) if answer.is_identified));
        line
    }

    /// Connects as a participant of `application` that owns these resources.
    pub(crate) async fn rm(to: SocketAddr, version: &str, application: &str, resources: &str) -> Self {
        let mut line = Self::connect(to, version).await;
        line.own(application, resources).await;
        line
    }

    /// Registers as a participant.
    pub(crate) async fn own(&mut self, application: &str, resources: &str) {
        let answer = self.ask(Message::RegisterRm(self.register(application, resources))).await;
        assert!(matches!(answer, Message::RegisterRmAnswer(answer) if answer.is_identified));
    }

    /// Takes resources back.
    pub(crate) async fn unregister(&mut self, application: &str, resources: &str) -> Message {
        self.ask(Message::UnregisterRm(self.register(application, resources))).await
    }

    fn register(&self, application: &str, resources: &str) -> Register {
        Register {
            version: (*self.version).into(),
            application_id: application.into(),
            transaction_service_group: "group".into(),
            resource_ids: resources.into(),
            ..Register::default()
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends a message under the next id, which is returned.
    pub(crate) async fn send(&mut self, kind: Kind, message: &Message) -> i32 {
        self.last_id += 1;
        self.send_as(kind, self.last_id, message).await;
        self.last_id
    }

    pub(crate) async fn send_as(&mut self, kind: Kind, id: i32, message: &Message) {
        let header = Header { version: 1, kind, codec: 1, compressor: 0, id };
        let mut output = BytesMut::new();
        seata::write(header, message, self.client, &mut output).unwrap();
        self.write(&output).await;
    }

    /// Sends a ping, and waits for the pong, which has to be the next frame.
    pub(crate) async fn ping(&mut self) {
        self.last_id += 1;
        let mut output = BytesMut::new();
        let ping = Header { version: 1, kind: Kind::Ping, codec: 1, compressor: 0, id: self.last_id };
        seata::write_heartbeat(ping, &mut output);
        self.write(&output).await;
        let pong = self.frame().await.expect("the connection lives").header;
        assert_eq!((pong.kind, pong.id), (Kind::Pong, self.last_id));
    }

    /// The next frame; none when the connection was closed.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = Frame::decode(&mut self.input, seata::FRAME_BYTES_MAX).unwrap() {
                return Some(frame);
            }
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.input)).await;
            match read.expect("a frame in time") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next message and its id.
    pub(crate) async fn next(&mut self) -> (i32, Message) {
        let frame = self.frame().await.expect("a frame before the end");
        (frame.header.id, seata::read(&frame, self.client).unwrap())
    }

    /// Sends a message, and waits for its answer, which has to be the next frame.
    pub(crate) async fn ask(&mut self, message: Message) -> Message {
        let asked = self.send(Kind::Request, &message).await;
        let (id, answer) = self.next().await;
        assert_eq!(id, asked, "{answer:?}");
        answer
    }

    pub(crate) async fn request(&mut self, request: Request) -> Answer {
        match self.ask(Message::Request(request)).await {
            Message::Answer(answer) => answer,
            other => panic!("not an answer: {other:?}"),
        }
    }

    /// Begins a transaction; its XID.
    pub(crate) async fn begin(&mut self, timeout_ms: i32) -> String {
        match self.request(Request::GlobalBegin(GlobalBegin { timeout_ms, name: "tx".into() })).await {
            Answer::GlobalBegin(answer) => {
                answer.outcome.unwrap();
                answer.xid.to_string()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Commits, and returns the status; it must be an answer to a commit.
    pub(crate) async fn commit(&mut self, xid: &str) -> GlobalStatus {
        match self.request(Request::GlobalCommit(end(xid))).await {
            Answer::GlobalCommit(answer) => answer.status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn roll_back(&mut self, xid: &str) -> GlobalStatus {
        match self.request(Request::GlobalRollback(end(xid))).await {
            Answer::GlobalRollback(answer) => answer.status,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn status(&mut self, xid: &str) -> GlobalStatus {
        match self.request(Request::GlobalStatus(end(xid))).await {
            Answer::GlobalStatus(answer) => answer.status,
            other => panic!("{other:?}"),
        }
    }

    /// Whether a transaction has ended, in whatever way.
    pub(crate) async fn has_ended(&mut self, xid: &str) -> bool {
        use GlobalStatus::{Committed, Finished, Rollbacked, TimeoutRollbacked};
        matches!(self.status(xid).await, Committed | Rollbacked | TimeoutRollbacked | Finished)
    }

    /// Registers a branch; its id.
    pub(crate) async fn branch(&mut self, branch: BranchRegister) -> Result<i64, seata::Failure> {
        match self.request(Request::BranchRegister(branch)).await {
            Answer::BranchRegister(answer) => answer.outcome.map(|()| answer.branch_id),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn report(&mut self, xid: &str, branch_id: i64, status: BranchStatus) -> seata::Outcome {
        let report = BranchReport {
            xid: xid.into(),
            branch_id,
            status,
            resource_id: "r".into(),
            application_data: "".into(),
            // As Java's clients put it, whatever it is.
            branch_type: BranchType::At,
        };
        match self.request(Request::BranchReport(report)).await {
            Answer::BranchReport(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    /// Waits to be told what to do with a branch: (id of the call, whether to commit, the branch).
    pub(crate) async fn told(&mut self) -> (i32, bool, BranchEnd) {
        match self.next().await {
            (id, Message::BranchCommit(end)) => (id, true, end),
            (id, Message::BranchRollback(end)) => (id, false, end),
            (_, other) => panic!("not a call: {other:?}"),
        }
    }

    /// Answers such a call.
    pub(crate) async fn did(&mut self, (id, commit, end): &(i32, bool, BranchEnd), status: BranchStatus) {
        let answer =
            BranchEndAnswer { outcome: Ok(()), xid: end.xid.clone(), branch_id: end.branch_id, status };
        let message =
            if *commit { Message::BranchCommitAnswer(answer) } else { Message::BranchRollbackAnswer(answer) };
        self.send_as(Kind::Response, *id, &message).await;
    }
}

pub(crate) fn end(xid: &str) -> GlobalEnd {
    GlobalEnd { xid: xid.into(), extra_data: "".into() }
}

pub(crate) fn tcc(xid: &str, resource: &str) -> BranchRegister {
    BranchRegister {
        xid: xid.into(),
        branch_type: BranchType::Tcc,
        resource_id: resource.into(),
        lock_key: "".into(),
        application_data: r#"{"actionContext":{"n":1}}"#.into(),
    }
}

pub(crate) fn at(xid: &str, resource: &str, rows: &str) -> BranchRegister {
    BranchRegister {
        branch_type: BranchType::At,
        lock_key: rows.into(),
        application_data: "".into(),
        ..tcc(xid, resource)
    }
}
