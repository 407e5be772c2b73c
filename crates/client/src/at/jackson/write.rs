//! Writing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::column::Java;
use super::super::error::{Result, refused};
use super::super::record::{Change, Field, Log, Operation, Records};
use super::super::time;
use super::super::value::Value;
use super::{CHANGE, FIELD, LIST, LOG, NO_RECORDS, PG_OBJECT, RECORDS, ROW};

/// The package of Seata's Java classes, which was renamed with 2.1. Each client reads its own only, but for newer ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Package {
    /// `org.apache.seata`, since 2.1.
    #[default]
    Apache,
    /// `io.seata`, until 2.0.
    Io,
}

impl Package {
    const fn name(self) -> &'static str {
        match self {
            Self::Apache => "org.apache.seata",
            Self::Io => "io.seata",
        }
    }
}

/// Writes a log, for Java processes that are this far east of Greenwich.
///
/// # Errors
/// A value that Java has no way to write.
pub(in super::super) fn encode(log: &Log, package: Package, zone_seconds: i32) -> Result<String> {
    let mut writer = Writer { text: String::new(), package: package.name(), zone: i64::from(zone_seconds) };
    writer.log(log)?;
    Ok(writer.text)
}

struct Writer {
    text: String,
    package: &'static str,
    zone: i64,
}

impl Writer {
    fn class(&mut self, class: &str) {
        self.text.push_str(&format!("{{\"@class\":\"{}.{class}\",", self.package));
    }

    fn string(&mut self, text: &str) {
        // A text can always be written.
        self.text.push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    fn member(&mut self, name: &str, text: &str) {
        self.text.push_str(&format!("\"{name}\":"));
        self.string(text);
        self.text.push(',');
    }

    fn list<T>(&mut self, name: &str, items: &[T], item: impl Fn(&mut Self, &T) -> Result<()>) -> Result<()> {
        self.text.push_str(&format!("\"{name}\":[\"{LIST}\",["));
        for (index, each) in items.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            item(self, each)?;
        }
        self.text.push_str("]]");
        Ok(())
    }

    fn log(&mut self, log: &Log) -> Result<()> {
        self.class(LOG);
        self.member("xid", &log.xid);
        self.text.push_str(&format!("\"branchId\":{},", log.branch));
        self.list("sqlUndoLogs", &log.changes, Self::change)?;
        self.text.push('}');
        Ok(())
    }

    fn change(&mut self, change: &Change) -> Result<()> {
        self.class(CHANGE);
        let operation = match change.operation {
            Operation::Insert => "INSERT",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
        };
        self.member("sqlType", operation);
        self.member("tableName", &change.table);
        self.text.push_str("\"beforeImage\":");
        self.records(&change.before)?;
        self.text.push_str(",\"afterImage\":");
        self.records(&change.after)?;
        self.text.push('}');
        Ok(())
    }

    fn records(&mut self, records: &Records) -> Result<()> {
        self.class(if records.rows.is_empty() { NO_RECORDS } else { RECORDS });
        self.member("tableName", &records.table);
        self.list("rows", &records.rows, |writer, row| {
            writer.class(ROW);
            writer.list("fields", row, Self::field)?;
            writer.text.push('}');
            Ok(())
        })?;
        self.text.push('}');
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<()> {
        self.class(FIELD);
        self.member("name", &field.name);
        self.member("keyType", if field.key { "PRIMARY_KEY" } else { "NULL" });
        self.text.push_str(&format!("\"type\":{},\"value\":", field.jdbc));
        self.value(field)?;
        self.text.push('}');
        Ok(())
    }

    fn value(&mut self, field: &Field) -> Result<()> {
        let text = match (&field.value, field.java) {
            (Value::Null, _) => "null".to_owned(),
            (Value::Bool(value), _) => value.to_string(),
            (Value::Int(number), Java::Long) => format!("[\"java.lang.Long\",{number}]"),
            (Value::Int(number), Java::BigInteger) => format!("[\"java.math.BigInteger\",{number}]"),
            (Value::UInt(number), _) => format!("[\"java.math.BigInteger\",{number}]"),
            (Value::Int(year), Java::Year) => self.date(&format!("{year:04}-01-01"), field)?,
            (Value::Int(number), _) => number.to_string(),
            (Value::Float(number), _) => format!("[\"java.lang.Float\",{number:?}]"),
            (Value::Double(number), _) => format!("{number:?}"),
            (Value::Decimal(number), _) => format!("[\"java.math.BigDecimal\",{number}]"),
            (Value::Bytes(bytes), _) => format!("[\"[B\",\"{}\"]", STANDARD.encode(bytes)),
            (Value::Date(date), _) => self.date(date, field)?,
            (Value::Time(time), _) => format!("[\"java.sql.Time\",\"{time}\"]"),
            (Value::Uuid(uuid), _) => format!("[\"java.util.UUID\",\"{uuid}\"]"),
            (Value::DateTime(text), Java::LocalDateTime) => {
                self.moment("java.time.LocalDateTime", text, self.zone, field)?
            }
            (Value::DateTime(text), _) => self.moment("java.sql.Timestamp", text, self.zone, field)?,
            (Value::Instant(text), _) => self.moment("java.sql.Timestamp", text, 0, field)?,
            (Value::Text(text), Java::PgObject) => {
                self.text.push_str(&format!("{{\"@class\":\"{PG_OBJECT}\","));
                self.member("type", field.object.as_deref().unwrap_or("json"));
                self.member("value", text);
                self.text.push_str("\"null\":false}");
                return Ok(());
            }
            (Value::Text(text), _) => {
                self.string(text);
                return Ok(());
            }
        };
        self.text.push_str(&text);
        Ok(())
    }

    /// A day, which is its first millisecond to Java.
    fn date(&self, date: &str, field: &Field) -> Result<String> {
        match time::days(date) {
            Some(days) => Ok(format!("[\"java.sql.Date\",{}]", days * 86_400_000 - self.zone * 1000)),
            None => refused(format!("{date:.80} in the column {}", field.name)),
        }
    }

    /// Milliseconds, and where there are parts of them the nanoseconds of the second.
    fn moment(&self, class: &str, text: &str, zone: i64, field: &Field) -> Result<String> {
        let Some(micros) = time::micros(text) else {
            return refused(format!("{text:.80} in the column {}", field.name));
        };
        let micros = micros - zone * 1_000_000;
        let millis = micros.div_euclid(1000);
        if micros.rem_euclid(1000) == 0 {
            return Ok(format!("[\"{class}\",{millis}]"));
        }
        Ok(format!("[\"{class}\",[{millis},{}]]", micros.rem_euclid(1_000_000) * 1000))
    }
}
