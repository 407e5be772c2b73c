//! What is said on one connection. No sockets: bytes go in, bytes come out, and time is an argument.

use bytes::BytesMut;
use synod_wire::seata::{
    self, Answer, BranchEnd, BranchType, Client as Reader, ClientVersion, DecodeError, Frame, FrameError,
    Header, Kind, Message, Register, RegisterAnswer, Request, Text, UndoLogDelete,
};
use thiserror::Error;
use tokio::time::{Duration, Instant};

use super::config::Config;
use super::meaning::Way;
use super::pending::{Ask, Lost, Pending};

/// Which protocol this is. Servers tell from it which numbers and forms a client understands; what follows the hyphen says who
/// it really is, and does not count.
const VERSION: Text = Text::from_static("2.4.0-synod");
const OWN: ClientVersion = ClientVersion::V2_4_0;
/// Servers before this do not know branches of annotated sagas, and leave a request about one without an answer.
const SAGA_SINCE: ClientVersion = ClientVersion::V2_3_0;
/// After such a silence, one side's or the other's, a ping is sent.
const PING_AFTER: Duration = Duration::from_secs(5);
/// After such a silence the other side is taken for dead, as servers do.
const DEAD_AFTER: Duration = Duration::from_secs(15);

/// Why a connection ends.
#[derive(Debug, Error)]
pub(super) enum End {
    #[error("closed by the server")]
    Gone,
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("the server does not take the registration of {0}{1}")]
    Refused(&'static str, String),
    #[error("no registration in time")]
    Unregistered,
    #[error("the server has been silent for 15 s")]
    Silent,
    #[error("a registration cannot be written: {0}")]
    Unwritable(#[from] seata::EncodeError),
}

/// What a server asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// To end a branch; to be answered under this header.
    End(Header, Way, BranchEnd),
    /// To throw away what is left over; not to be answered.
    Tidy(UndoLogDelete),
}

/// What is said on one connection.
#[derive(Debug)]
pub(super) struct Session {
    config: Config,
    /// The address of this end, for the server's people to read.
    own_ip: String,
    /// How the server writes, once it has said who it is.
    reader: Reader,
    pending: Pending,
    /// The id under which the TM registers, until it is taken.
    tm: Option<i32>,
    /// The id under which resources register, and the version that they make.
    rm: Option<(i32, u64)>,
    /// The version of the resources that the server knows; `None` before the TM is taken.
    known: Option<u64>,
    /// It knows whatever there was when it was greeted, and can be asked.
    is_greeted: bool,
    began: Instant,
    last_read: Instant,
    last_write: Instant,
    last_ping: Instant,
    /// To be written.
    pub(super) output: BytesMut,
    /// What the server has asked for and nobody has taken up.
    pub(super) calls: Vec<Call>,
}

impl Session {
    /// Begins by registering as TM.
    pub(super) fn new(config: Config, own_ip: String, now: Instant) -> Result<Self, End> {
        let mut session = Self {
            pending: Pending::new(config.requests_max),
            config,
            own_ip,
            reader: Reader { version: OWN, is_go: false },
            tm: None,
            rm: None,
            known: None,
            is_greeted: false,
            began: now,
            last_read: now,
            last_write: now,
            last_ping: now,
            output: BytesMut::new(),
            calls: Vec::new(),
        };
        let extra = format!("vgroup={}\nip={}\n", session.config.group, session.own_ip);
        let register = session.registration(extra, String::new());
        session.tm = Some(session.say(&Message::RegisterTm(register))?);
        Ok(session)
    }

    /// The version of the resources that the server knows; `None` before the server can be asked at all.
    pub(super) fn known(&self) -> Option<u64> {
        self.known.filter(|_| self.is_greeted)
    }

    /// Registers resources, if that can be done now and the server does not know them.
    pub(super) fn register(&mut self, ids: String, version: u64) -> Result<(), End> {
        let Some(known) = self.known.filter(|_| self.rm.is_none()) else { return Ok(()) };
        if known >= version {
            self.is_greeted = true;
            return Ok(());
        }
        let register = self.registration(String::new(), ids);
        self.rm = Some((self.say(&Message::RegisterRm(register))?, version));
        Ok(())
    }

    /// Whether one more request can be sent.
    pub(super) fn has_room(&mut self) -> bool {
        self.pending.has_room()
    }

    /// Sends a request. Only when [`Session::has_room`].
    pub(super) fn ask(&mut self, ask: Ask) {
        let Ask { request, reply } = ask;
        if self.known().is_none() {
            // Whoever has gone away does not mind.
            drop(reply.send(Err(Lost::Unsent)));
            return;
        }
        if reply.is_closed() {
            return;
        }
        let is_strange = matches!(&request, Request::BranchRegister(branch) if branch.branch_type == BranchType::SagaAnnotation);
        if is_strange && self.reader.version < SAGA_SINCE {
            let why = format!("a server of version {} knows no branches of sagas", self.reader.version);
            drop(reply.send(Err(Lost::Unwritable(why))));
            return;
        }
        match self.say(&Message::Request(request)) {
            Ok(id) => self.pending.wait(id, reply),
            Err(error) => drop(reply.send(Err(Lost::Unwritable(error.to_string())))),
        }
    }

    /// Answers a call.
    pub(super) fn answer(&mut self, header: Header, message: &Message) {
        if let Err(error) = seata::write(header.answer(), message, self.reader, &mut self.output) {
            tracing::warn!(%error, "an answer to a Seata server cannot be written");
        }
    }

    /// Bytes have come: takes what is whole.
    pub(super) fn receive(&mut self, input: &mut BytesMut, now: Instant) -> Result<(), End> {
        self.last_read = now;
        while let Some(frame) = Frame::decode(input, self.config.frame_bytes_max)? {
            self.take(&frame)?;
            if input.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Bytes were written.
    pub(super) fn wrote(&mut self, now: Instant) {
        self.last_write = now;
    }

    /// When [`Session::tick`] has something to do.
    pub(super) fn due(&self) -> Instant {
        let due = self.ping_due().min(self.last_read + DEAD_AFTER);
        if self.known().is_none() { due.min(self.began + self.config.connect_timeout) } else { due }
    }

    /// Pings, or gives up.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), End> {
        if self.known().is_none() && now >= self.began + self.config.connect_timeout {
            return Err(End::Unregistered);
        }
        if now >= self.last_read + DEAD_AFTER {
            return Err(End::Silent);
        }
        if now >= self.ping_due() {
            self.last_ping = now;
            let id = self.pending.next_id();
            seata::write_heartbeat(Header::ping(id), &mut self.output);
            self.pending.sweep();
        }
        Ok(())
    }

    fn ping_due(&self) -> Instant {
        self.last_ping.max(self.last_read.min(self.last_write)) + PING_AFTER
    }

    fn registration(&self, extra: String, resource_ids: String) -> Register {
        Register {
            version: VERSION,
            application_id: self.config.application_id.as_str().into(),
            transaction_service_group: self.config.group.as_str().into(),
            extra_data: extra.into(),
            resource_ids: resource_ids.into(),
        }
    }

    fn say(&mut self, message: &Message) -> Result<i32, End> {
        let id = self.pending.next_id();
        let header = Header { version: 1, kind: Kind::Request, codec: seata::CODEC_SEATA, compressor: 0, id };
        seata::write(header, message, self.reader, &mut self.output)?;
        Ok(id)
    }

    fn take(&mut self, frame: &Frame) -> Result<(), End> {
        let header = frame.header;
        match header.kind {
            Kind::Ping => seata::write_heartbeat(header.answer(), &mut self.output),
            Kind::Pong => {}
            Kind::Request | Kind::Response | Kind::OneWay => match seata::read(frame, self.reader) {
                Ok(message) => return self.understand(header, message),
                Err(error) => self.misunderstand(header, &error),
            },
        }
        Ok(())
    }

    /// Of a frame only its body is broken: the next one can be read.
    fn misunderstand(&mut self, header: Header, error: &DecodeError) {
        let is_answer = header.kind == Kind::Response;
        if !is_answer || !self.pending.answered(header.id, Err(Lost::Unreadable(error.to_string()))) {
            tracing::debug!(id = header.id, %error, "a Seata server's message is left out");
        }
    }

    fn understand(&mut self, header: Header, message: Message) -> Result<(), End> {
        match message {
            Message::RegisterTmAnswer(answer) if self.tm == Some(header.id) => {
                let server = taken("the TM", &answer)?;
                self.reader.version = server.min(OWN);
                (self.tm, self.known) = (None, Some(0));
            }
            Message::RegisterRmAnswer(answer) => {
                if let Some((_, version)) = self.rm.take_if(|(id, _)| *id == header.id) {
                    taken("the resources", &answer)?;
                    self.known = Some(version);
                }
            }
            Message::Answer(answer) => self.answered(header.id, answer),
            Message::BatchResult(answers) => {
                for (id, answer) in answers {
                    self.answered(id, answer);
                }
            }
            Message::BranchCommit(end) => self.calls.push(Call::End(header, Way::Forward, end)),
            Message::BranchRollback(end) => self.calls.push(Call::End(header, Way::Backward, end)),
            Message::UndoLogDelete(delete) => self.calls.push(Call::Tidy(delete)),
            // What only clients say, or answers to what was not asked.
            other => {
                tracing::debug!(id = header.id, message = ?other, "a Seata server's message is left out")
            }
        }
        Ok(())
    }

    fn answered(&mut self, id: i32, answer: Answer) {
        if !self.pending.answered(id, Ok(answer)) {
            tracing::debug!(id, "an answer for which nobody waits");
        }
    }
}

/// The server's version, if it has taken a registration.
fn taken(whom: &'static str, answer: &RegisterAnswer) -> Result<ClientVersion, End> {
    if answer.is_identified {
        // One that cannot be read is some development's.
        return Ok(ClientVersion::parse(&answer.version).unwrap_or(OWN));
    }
    let why = if answer.reason.is_empty() { String::new() } else { format!(": {}", answer.reason) };
    Err(End::Refused(whom, why))
}
