//! A server in this process that says what the test wants.

use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use synod_wire::seata::{
    self, Answer, BranchEnd, BranchType, Client as Reader, ClientVersion, FRAME_BYTES_MAX, Frame,
    GlobalBeginAnswer, GlobalEndAnswer, GlobalStatus, Header, Kind, Message, RegisterAnswer, Text,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

use crate::rm::{BoxFuture, Branch, EndError, Resource};
use crate::task::Task;

pub(super) const READER: Reader = Reader { version: ClientVersion::V2_4_0, is_go: false };

type Writer = Arc<tokio::sync::Mutex<OwnedWriteHalf>>;

/// What a client has said, and the way back to it.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) header: Header,
    pub(super) message: Message,
    pub(super) writer: Writer,
}

impl Said {
    pub(super) async fn answer(&self, answer: Answer) {
        write(&self.writer, self.header.answer(), &Message::Answer(answer)).await;
    }

    /// As a server of this version writes it.
    pub(super) async fn answer_as(&self, version: &str, answer: Answer) {
        let reader = Reader { version: ClientVersion::parse(version).unwrap(), is_go: false };
        let mut output = BytesMut::new();
        seata::write(self.header.answer(), &Message::Answer(answer), reader, &mut output).unwrap();
        self.bytes(&output).await;
    }

    /// Bytes as they are.
    pub(super) async fn bytes(&self, bytes: &[u8]) {
        // The client may have hung up at the first of them.
        drop(self.writer.lock().await.write_all(bytes).await);
    }

    pub(super) async fn hang_up(&self) {
        drop(self.writer.lock().await.shutdown().await);
    }

    pub(super) async fn call(&self, id: i32, message: &Message) {
        let header = Header { version: 1, kind: Kind::Request, codec: 1, compressor: 0, id };
        write(&self.writer, header, message).await;
    }
}

async fn write(writer: &Writer, header: Header, message: &Message) {
    let mut output = BytesMut::new();
    seata::write(header, message, READER, &mut output).unwrap();
    drop(writer.lock().await.write_all(&output).await);
}

/// A server that takes registrations and answers pings, and leaves the rest to the test.
pub(super) struct Fake {
    address: String,
    said: mpsc::Receiver<Said>,
    registered: Arc<Mutex<Vec<String>>>,
    /// Ticks when a connection has ended.
    ended: Arc<tokio::sync::Notify>,
    _task: Task,
}

/// What a fake server does by itself.
#[derive(Clone)]
pub(super) struct Ways {
    /// The version that it says it has.
    pub(super) version: &'static str,
    /// Takes registrations.
    pub(super) takes: bool,
}

impl Default for Ways {
    fn default() -> Self {
        Self { version: "2.6.0", takes: true }
    }
}

impl Fake {
    pub(super) async fn start() -> Self {
        Self::with(Ways::default()).await
    }

    pub(super) async fn with(ways: Ways) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, said) = mpsc::channel(64);
        let (registered, ended) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<tokio::sync::Notify>::default());
        let (notes, end) = (Arc::clone(&registered), Arc::clone(&ended));
        let task = Task::spawn(async move {
            let mut tasks = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (ways, sender) = (ways.clone(), sender.clone());
                let (notes, end) = (Arc::clone(&notes), Arc::clone(&end));
                tasks.push(Task::spawn(async move {
                    serve(stream, &ways, &sender, &notes).await;
                    end.notify_one();
                }));
            }
        });
        Self { address, said, registered, ended, _task: task }
    }

    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// Registrations so far, as text.
    pub(super) fn registrations(&self) -> Vec<String> {
        self.registered.lock().unwrap().clone()
    }

    /// Waits until a connection has ended.
    pub(super) async fn hung_up(&self) {
        self.ended.notified().await;
    }

    /// The next message that is no registration.
    pub(super) async fn request(&mut self) -> Said {
        self.said.recv().await.unwrap()
    }
}

async fn serve(
    stream: tokio::net::TcpStream,
    ways: &Ways,
    sender: &mpsc::Sender<Said>,
    registered: &Mutex<Vec<String>>,
) {
    let (mut reader, writer) = stream.into_split();
    let writer = Arc::new(tokio::sync::Mutex::new(writer));
    let mut input = BytesMut::new();
    loop {
        while !input.is_empty()
            && let Some(frame) = Frame::decode(&mut input, FRAME_BYTES_MAX).unwrap()
        {
            let header = frame.header;
            if header.kind == Kind::Ping {
                let mut output = BytesMut::new();
                seata::write_heartbeat(header.answer(), &mut output);
                drop(writer.lock().await.write_all(&output).await);
                continue;
            }
            let message = seata::read(&frame, READER).unwrap();
            let (role, register) = match &message {
                Message::RegisterTm(register) => ("TM", register),
                Message::RegisterRm(register) => ("RM", register),
                _ => {
                    let writer = Arc::clone(&writer);
                    if sender.send(Said { header, message, writer }).await.is_err() {
                        return;
                    }
                    continue;
                }
            };
            let (application, group) = (&register.application_id, &register.transaction_service_group);
            let more = if role == "TM" { &register.extra_data } else { &register.resource_ids };
            let note = format!("{role} {} {application} {group} {more}", register.version);
            registered.lock().unwrap().push(note);
            let answer = RegisterAnswer {
                is_identified: ways.takes,
                version: Text::from_static(ways.version),
                reason: Text::EMPTY,
            };
            let answer = match role {
                "TM" => Message::RegisterTmAnswer(answer),
                _ => Message::RegisterRmAnswer(answer),
            };
            write(&writer, header.answer(), &answer).await;
        }
        match reader.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

pub(super) fn begun(xid: &'static str) -> Answer {
    let xid = Text::from_static(xid);
    Answer::GlobalBegin(GlobalBeginAnswer { outcome: Ok(()), xid, extra_data: Text::EMPTY })
}

pub(super) fn ended(status: GlobalStatus) -> GlobalEndAnswer {
    GlobalEndAnswer { outcome: Ok(()), status }
}

pub(super) fn branch(branch_id: i64, resource: &'static str) -> BranchEnd {
    BranchEnd {
        xid: Text::from_static("10.0.0.9:8091:1"),
        branch_id,
        branch_type: BranchType::Tcc,
        resource_id: Text::from_static(resource),
        application_data: Text::from_static("{\"actionContext\":{}}"),
    }
}

/// A resource that notes what it is called for, and answers from a list; behind its end, yes.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) calls: Mutex<Vec<String>>,
    pub(super) answers: Mutex<Vec<Result<(), EndError>>>,
    /// Permits without which nothing is ended; none are needed if there is no gate.
    pub(super) gate: Option<tokio::sync::Semaphore>,
}

impl Recorder {
    async fn end(&self, what: &str, branch: &Branch) -> Result<(), EndError> {
        let data = std::str::from_utf8(&branch.data).unwrap();
        let note = format!("{what} {} {} {:?} {data}", branch.xid, branch.id, branch.kind);
        self.calls.lock().unwrap().push(note);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        self.answers.lock().unwrap().pop().unwrap_or(Ok(()))
    }
}

impl Resource for Recorder {
    fn commit<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(self.end("commit", branch))
    }

    fn rollback<'a>(&'a self, branch: &'a Branch) -> BoxFuture<'a, Result<(), EndError>> {
        Box::pin(self.end("rollback", branch))
    }

    fn tidy(&self, older_than: std::time::Duration) -> BoxFuture<'_, ()> {
        self.calls.lock().unwrap().push(format!("tidy {}", older_than.as_secs()));
        Box::pin(async {})
    }
}
