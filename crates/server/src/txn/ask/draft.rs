//! From the API's words to what the core takes. What cannot be meant is refused here with a sentence that helps.

use bytes::Bytes;
use http::uri::Authority;
use synod_base::xid::Xid;
use synod_core::txn::command::Enrolment;
use synod_core::txn::{Begin, Branch, Mode, Options, Protocol, Target};

use super::{BranchWish, Code, Desk, No, Wish};
use crate::call::check_header;

/// Words that stand for something else in the place of an id.
const TAKEN_WORDS: [&str; 3] = ["attention", "summary", "watch"];
/// The scheme of gRPC through the registry; inside, the protocol says that.
const SYNOD_GRPC: &str = "synod+grpc";

type Headers = Vec<(Box<str>, Box<str>)>;

impl Desk<'_> {
    /// What is to be proposed. Its id is given later. `trace` travels with the calls.
    pub(super) fn draft(&self, wish: Wish, trace: Headers) -> Result<Begin, No> {
        let mode = wish.mode;
        let submit = wish.submit.unwrap_or(mode == Mode::Notification);
        misplaced(&wish)?;
        if let Some(gid) = &wish.gid {
            check_gid(gid)?;
        }
        self.somebody_to_ask(&wish, submit)?;
        let options = self.options(&wish, submit)?;
        let headers = headers(wish.headers, trace)?;
        let back_check = wish.back_check.as_deref().map(target).transpose()?;
        let (note, fallback) = match (mode, wish.payload) {
            (Mode::Workflow, payload) => (payload.unwrap_or_default(), None),
            (_, payload) => (Bytes::new(), payload),
        };
        let ids: Vec<String> = wish.branches.iter().enumerate().map(branch_id).collect();
        let find = |id: &str| ids.iter().position(|known| known == id).and_then(|at| u16::try_from(at).ok());
        let branches = wish.branches.into_iter().zip(&ids).map(|(branch, id)| {
            let payload = branch.payload.clone().or_else(|| fallback.clone()).unwrap_or_default();
            enrolment(branch, id, payload, find)
        });
        Ok(Begin {
            // Replaced by whoever gives ids out.
            xid: Xid::new(0, 1).expect("in range"),
            gid: wish.gid.map(Into::into),
            mode,
            name: wish.name.into(),
            options,
            headers,
            back_check,
            note,
            branches: branches.collect::<Result<_, No>>()?,
            submit,
        })
    }

    /// Without a decision and without anybody to ask for one, it would stay open for ever.
    fn somebody_to_ask(&self, wish: &Wish, submit: bool) -> Result<(), No> {
        let silent = !submit && wish.back_check.is_none();
        match wish.mode {
            Mode::Message if silent => Err(No::senseless(
                "\"back_check\": a message that is not submitted at once needs a URL at which to ask what became of it",
            )),
            Mode::Workflow if silent => {
                Err(No::senseless("\"back_check\": a workflow needs a URL at which it is started again"))
            }
            _ => Ok(()),
        }
    }

    fn options(&self, wish: &Wish, submit: bool) -> Result<Options, No> {
        let schedule_ms = match wish.mode {
            Mode::Notification => wish.schedule_ms.clone().unwrap_or_else(|| self.schedule_ms(&wish.name)),
            _ => Vec::new(),
        };
        Ok(Options {
            timeout_ms: self.timeout_ms(wish, submit)?,
            call_timeout_ms: wish.call_timeout_ms.unwrap_or(0),
            retry_ms: wish.retry_ms.unwrap_or(0),
            retry_limit: wish.retry_limit.unwrap_or(0),
            delay_ms: wish.delay_ms.unwrap_or(0),
            concurrent: wish.concurrent,
            forward_only: wish.forward_only,
            schedule_ms,
        })
    }

    fn timeout_ms(&self, wish: &Wish, submit: bool) -> Result<u64, No> {
        match wish.timeout_ms {
            Some(0) if !submit => Err(No::senseless(
                "\"timeout\": above zero, or a transaction whose initiator has died would stay open for ever",
            )),
            Some(ms) => Ok(ms),
            None if submit => Ok(0),
            None if wish.mode == Mode::Saga => Err(No::senseless(
                "\"timeout\": a saga that is not submitted at once needs one, and it counts until the saga's end",
            )),
            None => Ok(self.node.config.txn.timeout.as_millis() as u64),
        }
    }

    fn schedule_ms(&self, topic: &str) -> Vec<u64> {
        let config = &self.node.config.notify;
        let pauses = config.schedules.get(topic).unwrap_or(&config.schedule);
        pauses.iter().map(|pause| pause.as_millis() as u64).collect()
    }
}

/// A branch that joins a transaction with these.
pub(super) fn joining(mode: Mode, known: &[Branch], branch: BranchWish) -> Result<Enrolment, No> {
    misplaced_in_branch(mode, &branch)?;
    let Some(id) = branch.id.clone() else {
        return Err(No::senseless(
            "\"id\": a branch that joins needs one, or a repeated request adds it twice",
        ));
    };
    let find =
        |id: &str| known.iter().position(|known| *known.id == *id).and_then(|at| u16::try_from(at).ok());
    let payload = branch.payload.clone().unwrap_or_default();
    enrolment(branch, &id, payload, find)
}

fn check_gid(gid: &str) -> Result<(), No> {
    check_name("gid", gid)?;
    if Xid::parse(gid).is_some() {
        return Err(No::senseless("\"gid\": this is the form of an XID, which only the server gives out"));
    }
    if TAKEN_WORDS.contains(&gid) {
        return Err(No::senseless(format!("\"gid\": {gid:?} stands for something else in the API's paths")));
    }
    Ok(())
}

/// Ids travel in headers of every call, which cannot carry everything.
fn check_name(field: &str, name: &str) -> Result<(), No> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(No::senseless(format!("\"{field}\": {name:?} is empty or has control characters")));
    }
    Ok(())
}

/// What means nothing in a mode was meant for another one.
fn misplaced(wish: &Wish) -> Result<(), No> {
    use Mode::{Message, Notification, Saga, Workflow};
    for (given, field, modes) in [
        (wish.back_check.is_some(), "back_check", &[Message, Workflow][..]),
        (wish.schedule_ms.is_some(), "schedule", &[Notification]),
        (wish.retry_limit.is_some(), "retry_limit", &[Saga]),
        (wish.forward_only, "forward_only", &[Saga]),
        (wish.delay_ms.is_some(), "delay", &[Message, Notification]),
        (wish.concurrent, "concurrent", &[Mode::Xa, Mode::Tcc, Mode::Mixed, Saga, Message]),
    ] {
        if given && !modes.contains(&wish.mode) {
            return Err(No::senseless(format!("\"{field}\" means nothing in mode {}", wish.mode.as_str())));
        }
    }
    if !wish.concurrent && wish.branches.iter().any(|branch| !branch.after.is_empty()) {
        return Err(No::senseless("\"after\" orders branches that go side by side: set \"concurrent\""));
    }
    wish.branches.iter().try_for_each(|branch| misplaced_in_branch(wish.mode, branch))
}

fn misplaced_in_branch(mode: Mode, branch: &BranchWish) -> Result<(), No> {
    for (given, field, home) in [
        (!branch.after.is_empty(), "after", Mode::Saga),
        (!branch.label.is_empty(), "label", Mode::Workflow),
        (branch.refused, "refused", Mode::Workflow),
    ] {
        if given && mode != home {
            return Err(No::senseless(format!("\"{field}\" means nothing in mode {}", mode.as_str())));
        }
    }
    Ok(())
}

/// Those without an id are numbered.
fn branch_id((at, branch): (usize, &BranchWish)) -> String {
    branch.id.clone().unwrap_or_else(|| format!("{:02}", at + 1))
}

fn enrolment(
    branch: BranchWish,
    id: &str,
    payload: Bytes,
    find: impl Fn(&str) -> Option<u16>,
) -> Result<Enrolment, No> {
    check_name("id", id)?;
    let number = |before: &String| {
        find(before).ok_or_else(|| {
            No::senseless(format!("\"after\": branch {id:?} waits for {before:?}, which is not there"))
        })
    };
    Ok(Enrolment {
        id: id.into(),
        label: branch.label.into(),
        forward: branch.forward.as_deref().map(target).transpose()?,
        backward: branch.backward.as_deref().map(target).transpose()?,
        payload,
        after: branch.after.iter().map(number).collect::<Result<_, No>>()?,
        refused: branch.refused,
        rows: None,
    })
}

/// The initiator's headers and, unless it has said otherwise, the trace of its request.
fn headers(given: Vec<(String, String)>, trace: Headers) -> Result<Headers, No> {
    let mut headers = Vec::with_capacity(given.len() + trace.len());
    for (name, value) in given {
        check_header(&name, &value)
            .map_err(|error| No::senseless(format!("\"headers\": {name:?} cannot be sent: {error}")))?;
        headers.push((name.into_boxed_str(), value.into_boxed_str()));
    }
    let is_traced = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("traceparent"));
    headers.extend(trace.into_iter().filter(|_| !is_traced));
    Ok(headers)
}

/// Whom to call at a URL. The scheme says in which protocol.
pub(super) fn target(url: &str) -> Result<Target, No> {
    let no = |why: &str| No::new(Code::Destination, format!("{url:?} cannot be called: {why}"));
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(no("a URL begins with http://, https://, grpc://, synod:// or synod+grpc://"));
    };
    let protocol = match scheme {
        "http" | "https" | "synod" => Protocol::Http,
        "grpc" | SYNOD_GRPC => Protocol::Grpc,
        _ => return Err(no("spoken are http, https, grpc, synod and synod+grpc")),
    };
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if rest.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(no("it has blanks or control characters"));
    }
    if host.contains('@') {
        return Err(no("credentials belong in a header"));
    }
    let authority: Authority = host.parse().map_err(|_| no("it names no host"))?;
    let is_service = scheme.starts_with("synod");
    let has_port = host.len() > authority.host().len();
    if authority.host().is_empty() {
        return Err(no("it names no host"));
    }
    match authority.port_u16() {
        None if has_port => return Err(no("it names no host and port")),
        Some(_) if is_service => return Err(no("the registry knows the ports of a service")),
        None if scheme == "grpc" => return Err(no("gRPC has no usual port: name one")),
        _ => {}
    }
    let is_method = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let is_method = is_method.is_some_and(|(service, method)| {
        !service.is_empty() && !method.is_empty() && !method.contains(['/', '?', '#'])
    });
    if protocol == Protocol::Grpc && !is_method {
        return Err(no("a method of gRPC is called as /package.Service/Method"));
    }
    let url = if scheme == SYNOD_GRPC { format!("synod://{rest}").into() } else { url.into() };
    Ok(Target { protocol, url })
}

/// A target as it was given.
pub(super) fn shown_url(target: &Target) -> String {
    match target.url.strip_prefix("synod://") {
        Some(rest) if matches!(target.protocol, Protocol::Grpc | Protocol::DtmGrpc) => {
            format!("{SYNOD_GRPC}://{rest}")
        }
        _ => target.url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_says_the_protocol() {
        for (url, protocol, inside) in [
            ("http://a/x?y=1", Protocol::Http, "http://a/x?y=1"),
            ("https://[::1]:9/x", Protocol::Http, "https://[::1]:9/x"),
            ("http://a", Protocol::Http, "http://a"),
            ("grpc://a:9/p.S/M", Protocol::Grpc, "grpc://a:9/p.S/M"),
            ("synod://pay/try", Protocol::Http, "synod://pay/try"),
            ("synod+grpc://pay/p.S/M", Protocol::Grpc, "synod://pay/p.S/M"),
        ] {
            let made = target(url).unwrap();
            assert_eq!((made.protocol, &*made.url), (protocol, inside), "{url}");
            assert_eq!(shown_url(&made), url);
        }
        for bad in [
            "",
            "pay/try",
            "ftp://a/x",
            "HTTP://a/x",
            "http://",
            "http:///x",
            "http://:80/x",
            "http://a:/x",
            "http://a:port/x",
            "http://a:99999/x",
            "http://u:p@a/x",
            "http://a/x y",
            "http://a/x\n",
            "grpc://a/p.S/M",
            "grpc://a:9",
            "grpc://a:9/p.S",
            "grpc://a:9/p.S/M/x",
            "synod://pay:80/x",
            "synod+grpc://pay/x",
        ] {
            let no = target(bad).unwrap_err();
            assert!(matches!(no, No::Refused { code: Code::Destination, .. }), "{bad}");
        }
    }

    #[test]
    fn what_means_nothing_in_a_mode_is_refused() {
        let detail = |change: &dyn Fn(&mut Wish), mode| {
            let mut wish = Wish::new(mode);
            change(&mut wish);
            match misplaced(&wish) {
                Ok(()) => String::new(),
                Err(No::Refused { detail, .. }) => detail,
                Err(No::Unanswered) => panic!(),
            }
        };
        let back_check: &dyn Fn(&mut Wish) = &|wish| wish.back_check = Some("http://a".into());
        assert_eq!(detail(back_check, Mode::Message), "");
        assert!(detail(back_check, Mode::Tcc).contains("\"back_check\" means nothing in mode tcc"));
        let after: &dyn Fn(&mut Wish) = &|wish| {
            wish.branches = vec![BranchWish { after: vec!["01".into()], ..BranchWish::default() }];
        };
        assert!(detail(after, Mode::Saga).contains("set \"concurrent\""));
        let both: &dyn Fn(&mut Wish) = &|wish| {
            after(wish);
            wish.concurrent = true;
        };
        assert_eq!(detail(both, Mode::Saga), "");
        assert!(detail(both, Mode::Tcc).contains("\"after\""));
    }

    #[test]
    fn the_trace_is_the_requests_unless_the_initiator_names_one() {
        let trace = || vec![("traceparent".into(), "t".into()), ("tracestate".into(), "s".into())];
        let given = |name: &str| vec![(name.to_owned(), "v".to_owned())];
        assert_eq!(headers(given("x-tenant"), trace()).unwrap().len(), 3);
        assert_eq!(headers(given("TraceParent"), trace()).unwrap().len(), 1);
        assert!(headers(given("synod-xid"), trace()).is_err());
    }

    #[test]
    fn ids_that_would_mislead_are_refused() {
        for bad in ["127.0.0.1:8091:77", "watch", "", "a\nb"] {
            assert!(check_gid(bad).is_err(), "{bad}");
        }
        for good in ["77", "order-1", "127.0.0.1:8091", "watches"] {
            assert!(check_gid(good).is_ok(), "{good}");
        }
    }
}
