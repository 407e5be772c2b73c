//! Who a client is, as it has said when it registered, in one role or in both (`seata.md` 1.3).

use std::net::SocketAddr;
use std::sync::Arc;

use synod_wire::seata::{
    Client, ClientVersion, Header, Kind, Message, Register, RegisterAnswer, Request, Text,
};

use super::Asker;
use crate::call::seata::Seat;

/// What we say we are: from 2.6.0 on clients take resources back with [`Message::UnregisterRm`].
const OWN_VERSION: Text = Text::from_static("2.6.0");

/// One of a client's roles.
#[derive(Clone, Debug)]
struct Member {
    application: Arc<str>,
    group: Arc<str>,
    client: Client,
}

/// What a connection's client has said of itself.
#[derive(Debug)]
pub(super) struct Session {
    peer: SocketAddr,
    /// Where calls to it are put, and what is known of it there.
    seat: Seat,
    tm: Option<Member>,
    rm: Option<Member>,
    /// How it writes its frames, and so how it reads ours.
    version: u8,
    codec: u8,
}

/// What comes of a registration.
#[derive(Debug)]
pub(super) struct Registered {
    pub(super) answer: Message,
    /// Resources that can be reached from now on.
    pub(super) resources: Vec<Arc<str>>,
}

impl Session {
    pub(super) fn new(peer: SocketAddr, seat: Seat) -> Self {
        Self { peer, seat, tm: None, rm: None, version: 1, codec: 1 }
    }

    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// A frame has come.
    pub(super) fn heard(&mut self, header: Header) {
        (self.version, self.codec) = (header.version, header.codec);
    }

    /// The head of a frame that is no answer.
    pub(super) fn header(&self, kind: Kind, id: i32) -> Header {
        Header { version: self.version.min(1), kind, codec: self.codec, compressor: 0, id }
    }

    /// What it understands in the role in which it owns branches, or else in the other.
    pub(super) fn client(&self) -> Client {
        self.rm.as_ref().or(self.tm.as_ref()).map(|member| member.client).unwrap_or_default()
    }

    /// Whose request this is; `None` when nobody has registered.
    pub(super) fn asker(&self, request: &Request) -> Option<Asker> {
        let of_branches = matches!(
            request,
            Request::BranchRegister(_) | Request::BranchReport(_) | Request::GlobalLockQuery(_)
        );
        let (first, second) = if of_branches { (&self.rm, &self.tm) } else { (&self.tm, &self.rm) };
        let Member { application, group, client } = first.clone().or_else(|| second.clone())?;
        Some(Asker { peer: self.peer, application, group, client })
    }

    /// An initiator. seata-go is told by its not asking for an answer.
    pub(super) fn register_tm(&mut self, register: &Register, kind: Kind) -> Message {
        let member = match member(register, kind == Kind::OneWay) {
            Ok(member) => member,
            Err(refusal) => return Message::RegisterTmAnswer(refusal),
        };
        if let (true, Some(rm)) = (member.client.is_go, &mut self.rm) {
            rm.client.is_go = true;
        }
        tracing::debug!(peer = %self.peer, application = &*member.application, version = %member.client.version, "TM");
        self.tm = Some(member);
        Message::RegisterTmAnswer(taken())
    }

    /// A participant, or more resources of one.
    pub(super) fn register_rm(&mut self, register: &Register) -> Registered {
        let is_go = self.tm.as_ref().is_some_and(|tm| tm.client.is_go);
        let registered = member(register, is_go).and_then(|member| {
            let resources = self.seat.register_rm(&member.application, &register.resource_ids);
            Ok((member, resources.map_err(|error| refused(&error))?))
        });
        let (member, resources) = match registered {
            Ok(registered) => registered,
            Err(refusal) => {
                return Registered { answer: Message::RegisterRmAnswer(refusal), resources: Vec::new() };
            }
        };
        let (application, version) = (&*member.application, member.client.version);
        tracing::debug!(peer = %self.peer, application, %version, resources = ?resources, "RM");
        self.rm = Some(member);
        Registered { answer: Message::RegisterRmAnswer(taken()), resources }
    }

    /// A participant takes resources back.
    pub(super) fn unregister_rm(&self, register: &Register) -> Message {
        self.seat.unregister_rm(&register.resource_ids);
        Message::UnregisterRmAnswer(taken())
    }
}

fn member(register: &Register, is_go: bool) -> Result<Member, RegisterAnswer> {
    let version = ClientVersion::parse(&register.version).map_err(|error| refused(&error))?;
    Ok(Member {
        application: (*register.application_id).into(),
        group: (*register.transaction_service_group).into(),
        client: Client { version, is_go },
    })
}

fn taken() -> RegisterAnswer {
    RegisterAnswer { is_identified: true, version: OWN_VERSION, reason: Text::EMPTY }
}

fn refused(error: &dyn std::error::Error) -> RegisterAnswer {
    RegisterAnswer { is_identified: false, version: OWN_VERSION, reason: error.to_string().into() }
}
