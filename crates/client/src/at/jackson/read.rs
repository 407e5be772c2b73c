//! Reading. No class is trusted to be what it says: those that are known are read, all others refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::column::Java;
use super::super::record::{Change, Field, Log, Operation, Records};
use super::super::time;
use super::super::value::{Value, plain_decimal};
use super::PG_OBJECT;

/// Reads a log of a Java process that is this far east of Greenwich.
///
/// # Errors
/// It is none, or has something in it that is not understood; the text says what.
pub(in super::super) fn decode(bytes: &[u8], zone_seconds: i32) -> Result<Log, String> {
    let read: LogOnWire<'_> = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let zone = i64::from(zone_seconds);
    let changes = read.changes.1.into_iter().map(|change| change.read(zone)).collect::<Result<_, _>>()?;
    Ok(Log { xid: read.xid, branch: read.branch, changes })
}

/// A list and its class.
type List<T> = (String, Vec<T>);

#[derive(Deserialize)]
struct LogOnWire<'a> {
    xid: String,
    #[serde(rename = "branchId")]
    branch: i64,
    #[serde(rename = "sqlUndoLogs", borrow)]
    changes: List<ChangeOnWire<'a>>,
}

#[derive(Deserialize)]
struct ChangeOnWire<'a> {
    #[serde(rename = "sqlType")]
    operation: String,
    #[serde(rename = "tableName")]
    table: String,
    #[serde(rename = "beforeImage", borrow)]
    before: RecordsOnWire<'a>,
    #[serde(rename = "afterImage", borrow)]
    after: RecordsOnWire<'a>,
}

#[derive(Deserialize)]
struct RecordsOnWire<'a> {
    #[serde(rename = "tableName")]
    table: String,
    #[serde(borrow)]
    rows: List<RowOnWire<'a>>,
}

#[derive(Deserialize)]
struct RowOnWire<'a> {
    #[serde(borrow)]
    fields: List<FieldOnWire<'a>>,
}

#[derive(Deserialize)]
struct FieldOnWire<'a> {
    name: String,
    #[serde(rename = "keyType")]
    key: String,
    #[serde(rename = "type")]
    jdbc: i32,
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ObjectOnWire {
    #[serde(rename = "@class")]
    class: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    value: Option<String>,
}

impl ChangeOnWire<'_> {
    fn read(self, zone: i64) -> Result<Change, String> {
        let operation = match self.operation.as_str() {
            "INSERT" => Operation::Insert,
            "UPDATE" => Operation::Update,
            "DELETE" => Operation::Delete,
            other => return Err(format!("a statement of type {other:.80}")),
        };
        let (before, after) = (self.before.read(zone)?, self.after.read(zone)?);
        Ok(Change { operation, table: self.table, before, after })
    }
}

impl RecordsOnWire<'_> {
    fn read(self, zone: i64) -> Result<Records, String> {
        let row = |row: RowOnWire<'_>| row.fields.1.into_iter().map(|field| field.read(zone)).collect();
        Ok(Records { table: self.table, rows: self.rows.1.into_iter().map(row).collect::<Result<_, _>>()? })
    }
}

impl FieldOnWire<'_> {
    fn read(self, zone: i64) -> Result<Field, String> {
        let (java, object, value) = match self.value {
            None => (Java::String, None, Value::Null),
            Some(raw) => read_value(raw.get(), zone)
                .ok_or_else(|| format!("the value {:.200} of the column {}", raw.get(), self.name))?,
        };
        let key = self.key.eq_ignore_ascii_case("PRIMARY_KEY");
        Ok(Field { name: self.name, key, jdbc: self.jdbc, java, object, value })
    }
}

type Found = (Java, Option<String>, Value);

fn read_value(text: &str, zone: i64) -> Option<Found> {
    let plain = |java, value| Some((java, None, value));
    match text.bytes().next()? {
        b'n' => plain(Java::String, Value::Null),
        b't' | b'f' => plain(Java::Boolean, Value::Bool(text == "true")),
        b'"' => plain(Java::String, Value::Text(serde_json::from_str(text).ok()?)),
        b'{' => {
            let object: ObjectOnWire = serde_json::from_str(text).ok()?;
            let value = object.value.map_or(Value::Null, Value::Text);
            (object.class == PG_OBJECT).then_some((Java::PgObject, Some(object.kind), value))
        }
        b'[' => {
            let (class, value): (String, &RawValue) = serde_json::from_str(text).ok()?;
            of_class(&class, value.get(), zone).map(|(java, value)| (java, None, value))
        }
        _ => match text.parse() {
            Ok(number) => plain(Java::Integer, Value::Int(number)),
            Err(_) => plain(Java::Double, Value::Double(text.parse().ok()?)),
        },
    }
}

fn of_class(class: &str, text: &str, zone: i64) -> Option<(Java, Value)> {
    let string = || serde_json::from_str::<String>(text).ok();
    Some(match class {
        "java.lang.Integer" | "java.lang.Short" | "java.lang.Byte" => {
            (Java::Integer, Value::Int(text.parse().ok()?))
        }
        "java.lang.Long" => (Java::Long, Value::Int(text.parse().ok()?)),
        "java.math.BigInteger" => match text.parse() {
            Ok(number) => (Java::BigInteger, Value::Int(number)),
            Err(_) => (Java::BigInteger, Value::UInt(text.parse().ok()?)),
        },
        "java.lang.Float" => (Java::Float, Value::Float(text.parse().ok()?)),
        "java.lang.Double" => (Java::Double, Value::Double(text.parse().ok()?)),
        "java.math.BigDecimal" => (Java::BigDecimal, Value::Decimal(plain_decimal(text).ok()?)),
        "[B" | "javax.sql.rowset.serial.SerialBlob" => {
            (Java::Bytes, Value::Bytes(STANDARD.decode(string()?).ok()?))
        }
        "javax.sql.rowset.serial.SerialClob" => (Java::String, Value::Text(string()?)),
        "java.util.UUID" => (Java::Uuid, Value::Uuid(string()?)),
        "java.sql.Time" => {
            (Java::Time, Value::Time(string().filter(|text| time::time_micros(text).is_some())?))
        }
        "java.sql.Date" => match string() {
            Some(text) => (Java::Date, Value::Date(time::days(&text).map(time::date)?)),
            None => {
                let seconds = text.parse::<i64>().ok()?.div_euclid(1000).checked_add(zone)?;
                (Java::Date, Value::Date(time::date(seconds.div_euclid(86_400))))
            }
        },
        "java.sql.Timestamp" => (Java::Timestamp, Value::Instant(time::datetime(moment(text, 0)?))),
        "java.time.LocalDateTime" => {
            (Java::LocalDateTime, Value::DateTime(time::datetime(moment(text, zone)?)))
        }
        _ => return None,
    })
}

/// Microseconds of milliseconds, or of milliseconds and the nanoseconds of the second.
fn moment(text: &str, zone: i64) -> Option<i64> {
    let micros = match serde_json::from_str::<(i64, i64)>(text) {
        Ok((millis, nanos)) => millis.div_euclid(1000).checked_mul(1_000_000)?.checked_add(nanos / 1000)?,
        Err(_) => text.parse::<i64>().ok()?.checked_mul(1000)?,
    };
    micros.checked_add(zone * 1_000_000)
}
