//! As much of DNS (RFC 1035, SRV: RFC 2782) as finding peers takes: one question, and of the answer the addresses,
//! services and texts. Names in answers may be compressed; whatever is malformed is refused, never followed for ever.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    A = 1,
    /// Texts.
    Txt = 16,
    /// IPv6 addresses.
    Aaaa = 28,
    /// Services.
    Srv = 33,
}

/// One record of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// An address of the name.
    Address(IpAddr),
    /// The strings of one text record, joined.
    Text(String),
    /// A host and port that offer the service.
    Service {
        /// Lower ones first.
        priority: u16,
        /// Share among those of one priority.
        weight: u16,
        /// Where it listens.
        port: u16,
        /// On which host, without the final dot.
        host: String,
    },
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The records of the kind asked for; none when there is no such name.
    Records(Vec<Record>),
    /// The answer did not fit: ask again over TCP.
    Truncated,
    /// The server failed or refused; its response code.
    Failed(u8),
}

/// Why a name cannot be asked for, or a message is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// A label is empty or over 63 bytes, or the name over 253.
    #[error("not a DNS name")]
    Name,
    /// The message is cut short or contradicts itself.
    #[error("malformed DNS message")]
    Malformed,
    /// It answers another question.
    #[error("a DNS message that answers another question")]
    Stray,
}

const HEADER: usize = 12;
const INTERNET: u16 = 1;
/// Names in one answer are followed over this many pointers at most.
const POINTERS_MAX: usize = 32;
const NO_SUCH_NAME: u8 = 3;

/// The message that asks for `name`, with recursion desired. `id` should be hard to guess.
///
/// # Errors
/// [`DnsError::Name`].
pub fn question(id: u16, name: &str, kind: Kind) -> Result<Vec<u8>, DnsError> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 {
        return Err(DnsError::Name);
    }
    let mut message = Vec::with_capacity(HEADER + name.len() + 6);
    message.extend(id.to_be_bytes());
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        message.push(length.ok_or(DnsError::Name)?);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend((kind as u16).to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    Ok(message)
}

/// Reads the answer to `question`. Records under other names are taken too: a chain of aliases ends there.
///
/// # Errors
/// When it is malformed, or the answer to something else.
pub fn response(message: &[u8], question: &[u8]) -> Result<Response, DnsError> {
    let asked = question.get(HEADER..).filter(|asked| asked.len() > 4).ok_or(DnsError::Malformed)?;
    let kind = u16::from_be_bytes([asked[asked.len() - 4], asked[asked.len() - 3]]);
    let mut reader = Reader { message, at: 0 };
    let [id_high, id_low, flags, code] = reader.take()?;
    let is_answer = flags & 0x80 != 0 && [id_high, id_low] == question[..2];
    let questions = reader.u16()?;
    let answers = reader.u16()?;
    reader.skip(4)?;
    if !is_answer || questions > 1 {
        return Err(DnsError::Stray);
    }
    if questions == 1 {
        let echoed = reader.bytes(asked.len())?;
        if !echoed.eq_ignore_ascii_case(asked) {
            return Err(DnsError::Stray);
        }
    }
    match code & 0x0f {
        0 | NO_SUCH_NAME => {}
        failure => return Ok(Response::Failed(failure)),
    }
    if flags & 0x02 != 0 {
        return Ok(Response::Truncated);
    }
    let mut records = Vec::new();
    for _ in 0..answers {
        reader.name()?;
        let (of_kind, class) = (reader.u16()?, reader.u16()?);
        reader.skip(4)?;
        let length = usize::from(reader.u16()?);
        let end = reader.at + length;
        if end > message.len() {
            return Err(DnsError::Malformed);
        }
        if of_kind == kind && class == INTERNET {
            records.push(reader.record(kind, end)?);
        }
        reader.at = end;
    }
    Ok(Response::Records(records))
}

struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    fn bytes(&mut self, count: usize) -> Result<&'m [u8], DnsError> {
        let bytes = self.message.get(self.at..self.at + count).ok_or(DnsError::Malformed)?;
        self.at += count;
        Ok(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DnsError> {
        self.bytes(N)?.try_into().map_err(|_| DnsError::Malformed)
    }

    fn skip(&mut self, count: usize) -> Result<(), DnsError> {
        self.bytes(count).map(drop)
    }

    fn u16(&mut self) -> Result<u16, DnsError> {
        self.take().map(u16::from_be_bytes)
    }

    fn record(&mut self, kind: u16, end: usize) -> Result<Record, DnsError> {
        const A: u16 = Kind::A as u16;
        const AAAA: u16 = Kind::Aaaa as u16;
        const TXT: u16 = Kind::Txt as u16;
        let record = match kind {
            A => Record::Address(Ipv4Addr::from(self.take::<4>()?).into()),
            AAAA => Record::Address(Ipv6Addr::from(self.take::<16>()?).into()),
            TXT => {
                let mut text = Vec::new();
                while self.at < end {
                    let [length] = self.take()?;
                    text.extend(self.bytes(usize::from(length))?);
                }
                Record::Text(String::from_utf8_lossy(&text).into_owned())
            }
            _ => {
                let (priority, weight, port) = (self.u16()?, self.u16()?, self.u16()?);
                Record::Service { priority, weight, port, host: self.name()? }
            }
        };
        if self.at == end { Ok(record) } else { Err(DnsError::Malformed) }
    }

    /// Reads a name, following pointers, and stops behind it.
    fn name(&mut self) -> Result<String, DnsError> {
        let mut name = String::new();
        let mut behind = None;
        let mut pointers = 0;
        loop {
            let [length] = self.take()?;
            match length {
                0 => break,
                1..64 => {
                    let label = self.bytes(usize::from(length))?;
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(&String::from_utf8_lossy(label));
                    if name.len() > 1_024 {
                        return Err(DnsError::Malformed);
                    }
                }
                192.. => {
                    let [low] = self.take()?;
                    behind.get_or_insert(self.at);
                    pointers += 1;
                    if pointers > POINTERS_MAX {
                        return Err(DnsError::Malformed);
                    }
                    self.at = usize::from(length & 0x3f) << 8 | usize::from(low);
                }
                _ => return Err(DnsError::Malformed),
            }
        }
        self.at = behind.unwrap_or(self.at);
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(question: &[u8], flags: [u8; 2], records: &[&[u8]]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2..4].copy_from_slice(&flags);
        message[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        message.extend(records.concat());
        message
    }

    /// A record whose name points at the question's.
    fn record(kind: Kind, data: &[u8]) -> Vec<u8> {
        let mut record = vec![0xc0, 12, 0, kind as u8, 0, 1, 0, 0, 0, 60];
        record.extend((data.len() as u16).to_be_bytes());
        record.extend(data);
        record
    }

    #[test]
    fn each_kind_is_read() {
        let srv = [&[0, 1, 0, 2, 0x22, 0x39, 1, b'n'], &[0xc0, 12][..]].concat();
        for (kind, data, expect) in [
            (Kind::A, vec![10, 0, 0, 1], Record::Address([10, 0, 0, 1].into())),
            (Kind::Aaaa, vec![1; 16], Record::Address([1u8; 16].into())),
            (Kind::Txt, vec![2, b'a', b' ', 1, b'b'], Record::Text("a b".into())),
            (
                Kind::Srv,
                srv,
                Record::Service { priority: 1, weight: 2, port: 0x2239, host: "n.example.org".into() },
            ),
        ] {
            let question = question(7, "example.org.", kind).unwrap();
            let alias = [&[0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0][..], &[12]].concat();
            let message = answer(&question, [0x81, 0x80], &[&alias, &record(kind, &data)]);
            assert_eq!(response(&message, &question), Ok(Response::Records(vec![expect])), "{kind:?}");
        }
    }

    #[test]
    fn what_is_no_answer_is_told_apart() {
        let asked = question(7, "example.org", Kind::A).unwrap();
        for (flags, expect) in [
            ([0x81, 0x83], Ok(Response::Records(Vec::new()))),
            ([0x83, 0x80], Ok(Response::Truncated)),
            ([0x81, 0x82], Ok(Response::Failed(2))),
            ([0x01, 0x00], Err(DnsError::Stray)),
        ] {
            assert_eq!(response(&answer(&asked, flags, &[]), &asked), expect, "{flags:?}");
        }
        let other = question(8, "example.org", Kind::A).unwrap();
        assert_eq!(response(&answer(&other, [0x81, 0x80], &[]), &asked), Err(DnsError::Stray));
        let other = question(7, "example.net", Kind::A).unwrap();
        assert_eq!(response(&answer(&other, [0x81, 0x80], &[]), &asked), Err(DnsError::Stray));
    }

    #[test]
    fn names_that_cannot_be_asked_for_are_refused() {
        let long = "a".repeat(64);
        for name in ["", "a..b", ".a", &long, &"a.".repeat(130)] {
            assert_eq!(question(1, name, Kind::A), Err(DnsError::Name), "{name}");
        }
    }

    #[test]
    fn pointers_that_go_in_circles_end() {
        let question = question(7, "a.b", Kind::Srv).unwrap();
        let at = question.len() as u8;
        let message = answer(&question, [0x81, 0x80], &[&[0xc0, at]]);
        assert_eq!(response(&message, &question), Err(DnsError::Malformed));
    }
}
