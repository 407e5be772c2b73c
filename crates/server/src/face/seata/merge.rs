//! Requests that came in one frame, and the forms in which their answers go back (`seata.md` 1.2).

use futures_util::future::join_all;
use synod_wire::seata::{Answer, Header, MergedAnswer, MergedWarp, Message, Request};

use super::connection::{Job, Reply};
use super::session::Session;
use super::{Asker, Front, No};

/// A request has come for itself.
pub(super) fn single(front: &Front, header: Header, asker: Asker, request: Request) -> Job {
    let front = front.clone();
    Box::pin(async move {
        let answer = front.0.answer(&asker, &request).await;
        Reply {
            header: header.answer(),
            client: asker.client,
            requests: 1,
            message: answer.map(Message::Answer),
        }
    })
}

/// Requests have come together. `None` when nobody has registered.
pub(super) fn merged(
    front: &Front,
    session: &Session,
    header: Header,
    merged: MergedWarp,
) -> Option<Vec<Job>> {
    let MergedWarp { requests, ids } = merged;
    let asked = requests.into_iter().map(|request| Some((session.asker(&request)?, request)));
    let asked: Vec<(Asker, Request)> = asked.collect::<Option<_>>()?;
    let form = asked.first().map(|(asker, _)| asker.client.version.merged_answer(ids.len() == asked.len()));
    Some(match form {
        None => Vec::new(),
        Some(MergedAnswer::Whole) => vec![whole(front, header, asked)],
        Some(MergedAnswer::Batch) => {
            let each = asked.into_iter().zip(ids);
            each.map(|((asker, request), id)| batch(front, header, id, asker, request)).collect()
        }
        Some(MergedAnswer::Single) => {
            let each = asked.into_iter().zip(ids);
            each.map(|((asker, request), id)| single(front, Header { id, ..header }, asker, request))
                .collect()
        }
    })
}

/// All answers together, in the order of the requests. If one must not be given, none can be.
fn whole(front: &Front, header: Header, asked: Vec<(Asker, Request)>) -> Job {
    let front = front.clone();
    Box::pin(async move {
        let client = asked.first().map(|(asker, _)| asker.client).unwrap_or_default();
        let answers = join_all(asked.iter().map(|(asker, request)| front.0.answer(asker, request))).await;
        let answers: Result<Vec<Answer>, No> = answers.into_iter().collect();
        let message = answers.map(Message::MergeResult);
        Reply { header: header.answer(), client, requests: asked.len(), message }
    })
}

/// One answer as soon as it is there; the client finds the request by the id beside it.
fn batch(front: &Front, header: Header, id: i32, asker: Asker, request: Request) -> Job {
    let front = front.clone();
    Box::pin(async move {
        let answer = front.0.answer(&asker, &request).await;
        let message = answer.map(|answer| Message::BatchResult(vec![(id, answer)]));
        Reply { header: header.answer(), client: asker.client, requests: 1, message }
    })
}
