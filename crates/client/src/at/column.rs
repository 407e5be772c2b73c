//! Columns: which Java class their values have in an undo log, and how their texts are read.

use super::error::{Result, refused};
use super::time;
use super::value::{Value, plain_decimal};

/// The class that a Java resource manager has for the values of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Java {
    Boolean,
    Integer,
    Long,
    BigInteger,
    Float,
    Double,
    BigDecimal,
    String,
    Bytes,
    Date,
    /// MariaDB's years, which are the first of January to Java.
    Year,
    Time,
    LocalDateTime,
    /// A point in time.
    Timestamp,
    /// PostgreSQL's `timestamp`: what is on the wall, which Java takes for a point in time in its own zone.
    WallTimestamp,
    Uuid,
    /// What PostgreSQL's driver has no class for; its type is in [`Column::sql`].
    PgObject,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// As the database has it.
    pub(super) name: String,
    /// Its `java.sql.Types`.
    pub(super) jdbc: i32,
    /// The class of its values; nothing if they cannot be undone.
    pub(super) java: Option<Java>,
    /// Its type, as the database writes it.
    pub(super) sql: String,
    /// The database fills it in when it is left out of an insert.
    pub(super) auto: bool,
    /// The database changes it with every update.
    pub(super) on_update: bool,
    /// The database computes it, and nobody else can set it.
    pub(super) generated: bool,
}

impl Column {
    /// The class of its values.
    ///
    /// # Errors
    /// They cannot be undone.
    pub(super) fn java(&self) -> Result<Java> {
        match self.java {
            Some(java) => Ok(java),
            None => refused(format!("the column {} of type {}", self.name, self.sql)),
        }
    }

    /// Reads the text of a value, as the dialect selects it.
    ///
    /// # Errors
    /// An undo log of Java's cannot have it.
    pub(super) fn parse(&self, text: String) -> Result<Value> {
        let bad =
            |text: &str| refused(format!("{text:.80} in the column {} of type {}", self.name, self.sql));
        Ok(match self.java()? {
            Java::Boolean => match text.as_str() {
                "0" | "f" | "false" => Value::Bool(false),
                "1" | "t" | "true" => Value::Bool(true),
                number => number.parse().map(Value::Int).or_else(|_| bad(number))?,
            },
            Java::Integer | Java::Long | Java::BigInteger | Java::Year => match text.parse::<i64>() {
                Ok(number) => Value::Int(number),
                Err(_) => text.parse().map(Value::UInt).or_else(|_| bad(&text))?,
            },
            Java::Float => match text.parse::<f32>() {
                Ok(number) if number.is_finite() => Value::Float(number),
                _ => return bad(&text),
            },
            Java::Double => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Value::Double(number),
                _ => return bad(&text),
            },
            Java::BigDecimal => Value::Decimal(plain_decimal(&text)?),
            Java::String | Java::PgObject => Value::Text(text),
            Java::Uuid => Value::Uuid(text),
            Java::Bytes => match from_hex(text.strip_prefix("\\x").unwrap_or(&text)) {
                Some(bytes) => Value::Bytes(bytes),
                None => return bad(&text),
            },
            Java::Date if time::days(&text).is_some() => Value::Date(text),
            // Java's class has no fractions of a second, and no more than a day.
            Java::Time => match time::time_micros(&text) {
                Some(micros) if micros % 1_000_000 == 0 => {
                    Value::Time(text.split('.').next().unwrap_or_default().to_owned())
                }
                _ => return bad(&text),
            },
            Java::LocalDateTime | Java::WallTimestamp => match time::micros(&text) {
                Some(micros) => Value::DateTime(time::datetime(micros)),
                None => return bad(&text),
            },
            Java::Timestamp => match time::micros(&text).or_else(|| time::seconds(&text)) {
                Some(micros) => Value::Instant(time::datetime(micros)),
                None => return bad(&text),
            },
            Java::Date => return bad(&text),
        })
    }

    /// Makes of a value from an undo log what [`Column::parse`] makes of the same value in the table: drivers differ in the classes
    /// they use for one type.
    pub(super) fn same_kind(&self, value: Value, zone_seconds: i32) -> Value {
        let zone = i64::from(zone_seconds) * 1_000_000;
        let shifted = |text: &str, by: i64| time::micros(text).map(|micros| time::datetime(micros + by));
        match (self.java, value) {
            (Some(Java::Boolean), Value::Int(number @ (0 | 1))) => Value::Bool(number == 1),
            (Some(Java::Integer | Java::Long), Value::Bool(value)) => Value::Int(i64::from(value)),
            (Some(Java::Float), Value::Double(number)) => {
                number.to_string().parse().map_or(Value::Double(number), Value::Float)
            }
            (Some(Java::Double), Value::Int(number)) => {
                number.to_string().parse().map_or(Value::Int(number), Value::Double)
            }
            (Some(Java::BigDecimal), Value::Int(number)) => Value::Decimal(number.to_string()),
            (Some(Java::Year), Value::Date(date)) => {
                date.get(..4).and_then(|year| year.parse().ok()).map_or(Value::Date(date.clone()), Value::Int)
            }
            (Some(Java::Date), Value::DateTime(text) | Value::Instant(text)) => {
                Value::Date(text.split(' ').next().unwrap_or_default().to_owned())
            }
            (Some(Java::LocalDateTime | Java::WallTimestamp), Value::Instant(text)) => {
                shifted(&text, zone).map_or(Value::Instant(text), Value::DateTime)
            }
            (Some(Java::Timestamp), Value::DateTime(text)) => {
                shifted(&text, -zone).map_or(Value::DateTime(text), Value::Instant)
            }
            (Some(Java::Uuid), Value::Text(text)) => Value::Uuid(text),
            (_, value) => value,
        }
    }
}

/// Bytes of an even number of hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
