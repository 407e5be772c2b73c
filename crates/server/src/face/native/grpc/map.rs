//! Wishes as gRPC's messages say them: the only file that reads what the core means out of them.

use std::time::Duration;

use bytes::Bytes;
use synod_base::xid::Xid;
use synod_core::txn::topic::Subscriber;
use synod_core::txn::{End, Mode, Status};
use synod_wire::native::v1;

use super::failed::Failed;
use crate::txn::ask::{BranchWish, Filter, MessageWish, NotificationWish, Wish, page_rows};

/// A mode, if one is named.
pub(super) fn mode(number: i32) -> Result<Option<Mode>, Failed> {
    Ok(Some(match v1::Mode::try_from(number) {
        Ok(v1::Mode::Unspecified) => return Ok(None),
        Ok(v1::Mode::Xa) => Mode::Xa,
        Ok(v1::Mode::Tcc) => Mode::Tcc,
        Ok(v1::Mode::Saga) => Mode::Saga,
        Ok(v1::Mode::Message) => Mode::Message,
        Ok(v1::Mode::Notification) => Mode::Notification,
        Ok(v1::Mode::Workflow) => Mode::Workflow,
        Ok(v1::Mode::Mixed) => Mode::Mixed,
        Err(_) => return Err(Failed::unreadable(format!("mode: {number} is not known here"))),
    }))
}

fn status(number: i32) -> Result<Option<Status>, Failed> {
    Ok(Some(match v1::Status::try_from(number) {
        Ok(v1::Status::Unspecified) => return Ok(None),
        Ok(v1::Status::Active) => Status::Active,
        Ok(v1::Status::Committing) => Status::Committing,
        Ok(v1::Status::RollingBack) => Status::RollingBack,
        Ok(v1::Status::GivenUp) => Status::GivenUp,
        Ok(v1::Status::Committed) => Status::Ended(End::Committed),
        Ok(v1::Status::RolledBack) => Status::Ended(End::RolledBack),
        Ok(v1::Status::Stopped) => Status::Ended(End::Stopped),
        Err(_) => return Err(Failed::unreadable(format!("status: {number} is not known here"))),
    }))
}

pub(super) fn wait(ms: Option<u64>) -> Option<Duration> {
    ms.map(Duration::from_millis)
}

/// An empty payload of a message type without presence is none.
fn said(payload: Bytes) -> Option<Bytes> {
    Some(payload).filter(|payload| !payload.is_empty())
}

fn pauses(schedule: Option<v1::Schedule>) -> Option<Vec<u64>> {
    schedule.map(|schedule| schedule.pauses_ms)
}

/// What is to be begun.
pub(super) fn wish(begin: v1::BeginRequest) -> Result<Wish, Failed> {
    let mode = mode(begin.mode)?.ok_or_else(|| Failed::unreadable("mode: a transaction has one"))?;
    Ok(Wish {
        gid: begin.gid,
        mode,
        name: begin.name,
        timeout_ms: begin.timeout_ms,
        call_timeout_ms: begin.call_timeout_ms,
        retry_ms: begin.retry_interval_ms,
        retry_limit: begin.retry_limit,
        delay_ms: begin.delay_ms,
        concurrent: begin.concurrent,
        forward_only: begin.forward_only,
        schedule_ms: pauses(begin.schedule),
        headers: begin.headers.into_iter().collect(),
        back_check: begin.back_check,
        payload: begin.payload,
        branches: begin.branches.into_iter().map(BranchWish::from).collect(),
        submit: begin.submit,
    })
}

impl From<v1::NewBranch> for BranchWish {
    fn from(branch: v1::NewBranch) -> Self {
        Self {
            id: branch.id,
            label: branch.label,
            forward: branch.forward,
            backward: branch.backward,
            payload: branch.payload,
            after: branch.after,
            refused: branch.refused,
        }
    }
}

impl From<v1::BeginMessageRequest> for MessageWish {
    fn from(message: v1::BeginMessageRequest) -> Self {
        Self {
            gid: message.gid,
            topic: message.topic,
            subscribers: message.subscribers,
            payload: said(message.payload),
            back_check: message.back_check,
            timeout_ms: message.timeout_ms,
            call_timeout_ms: message.call_timeout_ms,
            retry_ms: message.retry_interval_ms,
            delay_ms: message.delay_ms,
            concurrent: message.concurrent,
            headers: message.headers.into_iter().collect(),
            submit: message.submit,
        }
    }
}

impl From<v1::SendNotificationRequest> for NotificationWish {
    fn from(notification: v1::SendNotificationRequest) -> Self {
        Self {
            gid: notification.gid,
            topic: notification.topic,
            url: notification.url,
            payload: said(notification.payload),
            schedule_ms: pauses(notification.schedule),
            call_timeout_ms: notification.call_timeout_ms,
            delay_ms: notification.delay_ms,
            headers: notification.headers.into_iter().collect(),
        }
    }
}

/// Which transactions are wanted.
pub(super) fn filter(list: v1::ListRequest) -> Result<Filter, Failed> {
    let before = |text: String| {
        Xid::parse(&text).ok_or_else(|| Failed::unreadable("before: not the `next` of another page"))
    };
    Ok(Filter {
        ended: list.ended,
        status: status(list.status)?,
        mode: mode(list.mode)?,
        name: list.name,
        gid_prefix: list.gid_prefix,
        attention: list.attention,
        before: list.before.map(before).transpose()?,
        limit: limit(list.limit),
    })
}

/// The rows of a page.
pub(super) fn limit(wanted: Option<u32>) -> usize {
    page_rows(wanted.map(|rows| rows as usize))
}

pub(super) fn subscriber(subscriber: v1::Subscriber) -> Subscriber {
    Subscriber { url: subscriber.url.into(), remark: subscriber.remark.into() }
}
