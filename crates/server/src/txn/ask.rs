//! What the native API asks of the coordinator, whatever carried it: JSON over HTTP, or gRPC. A face reads and writes; what is
//! asked, whom an id names, and why something is refused is here, and the same for all.
//!
//! | file | concern |
//! |---|---|
//! | `wish` | what is to be begun, in the API's words |
//! | `message` | the same of messages and notifications |
//! | `draft` | the same, checked, as the core takes it |
//! | `act` | begin, enlist, decide, wait, and what operators do |
//! | `find` | whom an id names, how it stands, what was decided |
//! | `view` | one transaction, whole |
//! | `locks` | rows that are held, and who waits for whom |
//! | `list` | lists, what needs attention, counts |
//! | `watch` | changes as they happen |
//! | `topics` | named lists of subscribers |
//! | `no` | why not |

mod act;
mod draft;
mod find;
mod list;
mod locks;
mod message;
mod no;
mod topics;
mod view;
mod watch;
mod wish;

use synod_base::xid::Xid;

use super::Coordinator;
use crate::node::Node;

pub use self::act::{Begun, WAIT_MAX};
use self::draft::shown_url;
pub use self::find::{Advice, Found, Stand};
pub use self::list::{Counts, Driven, Filter, Page, Row, Trouble, page_rows};
pub use self::locks::{LockFilter, LockPage, LockRow, Place, WaitRow};
pub use self::message::{MessageWish, NotificationWish};
pub use self::no::{Code, No};
pub use self::topics::TopicView;
pub use self::view::{AttemptView, BranchView, Details, LegView, PAYLOAD_SHOWN_MAX};
pub use self::watch::{News, Watch};
pub use self::wish::{BranchWish, Wish};

/// Where things are asked.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'a> {
    node: &'a Node,
    coordinator: &'a Coordinator,
}

impl<'a> Desk<'a> {
    /// That of a node.
    ///
    /// # Errors
    /// It does not coordinate transactions yet.
    pub fn of(node: &'a Node) -> Result<Self, No> {
        let coordinator = node.txn().map(AsRef::as_ref);
        let not_yet = || No::new(Code::NotReady, "this node is starting: the log has not been read yet");
        Ok(Self { node, coordinator: coordinator.ok_or_else(not_yet)? })
    }

    /// The coordinator.
    pub fn coordinator(&self) -> &'a Coordinator {
        self.coordinator
    }

    /// An XID as text.
    pub fn text(&self, xid: Xid) -> String {
        xid.text(&self.node.xid_address)
    }
}
