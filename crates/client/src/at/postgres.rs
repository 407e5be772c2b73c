//! PostgreSQL.

use sqlparser::dialect::PostgreSqlDialect;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgConnection, PgRow, PgTypeInfo};
use sqlx::{Arguments, AssertSqlSafe, Encode, Postgres, Row, Type};

use super::column::{Column, Java};
use super::dialect::{Dialect, Done, Sql};
use super::error::Result;
use super::table::{Name, Table};
use super::value::Value;

impl Dialect for Postgres {}

impl Sql for Postgres {
    const RETURNING: bool = true;
    /// Columns that are always numbered by the database get back the number they had.
    const INSERTS: &str = ") overriding system value values (";

    fn grammar() -> Box<dyn sqlparser::dialect::Dialect + Send + Sync> {
        Box::new(PostgreSqlDialect {})
    }

    fn quote(name: &str) -> String {
        format!("\"{}\"", name.replace('"', "\"\""))
    }

    /// Says the type each time: statements are kept by their text, with the types they had at first.
    fn placeholder(number: usize, value: &Value) -> String {
        let kind = match value {
            Value::Null => return format!("${number}"),
            Value::Bool(_) => "bool",
            Value::Int(_) => "int8",
            Value::UInt(_) | Value::Decimal(_) => "text::numeric",
            Value::Float(_) => "float4",
            Value::Double(_) => "float8",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytea",
            Value::Date(_) => "text::date",
            Value::Time(_) => "text::time",
            Value::DateTime(_) => "text::timestamp",
            Value::Instant(_) => return format!("(${number}::text::timestamp at time zone 'UTC')"),
            Value::Uuid(_) => "text::uuid",
        };
        format!("${number}::{kind}")
    }

    fn read(column: &Column, sql: &str) -> String {
        match column.java {
            // As text it would lose the blanks at its end.
            Some(Java::String) if column.jdbc == 1 => sql.to_owned(),
            Some(Java::Timestamp) => format!("({sql} at time zone 'UTC')::text"),
            _ => format!("{sql}::text"),
        }
    }

    fn write(column: &Column, number: usize, value: Value) -> (String, Value) {
        let text = match value {
            Value::Bool(value) if column.sql.starts_with("bit") => Some(i32::from(value).to_string()),
            Value::Bytes(bytes) => {
                Some(bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")))
            }
            // What is in UTC says so.
            Value::Instant(text) => Some(format!("{text}+00")),
            other => other.to_text(),
        };
        let text = text.map_or(Value::Null, Value::Text);
        // PostgreSQL has no type for a value that is not there but is asked for one.
        (format!("cast(${number}::text as {})", column.sql), text)
    }

    fn remove_old(table: &str, age: &str, rows: u32) -> String {
        format!(
            "delete from {table} where ctid in (select ctid from {table} where log_created <= \
             now() - {age} * interval '1 second' limit {rows})"
        )
    }

    fn resource_id(pool: &sqlx::Pool<Self>) -> Option<String> {
        let options = pool.connect_options();
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        match options.get_socket() {
            Some(_) => None,
            None => {
                Some(format!("jdbc:postgresql://{}:{}/{database}", options.get_host(), options.get_port()))
            }
        }
    }

    async fn rows(
        connection: &mut PgConnection,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        sqlx::query_with(AssertSqlSafe(sql), arguments(values)?).fetch_all(connection).await
    }

    async fn run(
        connection: &mut PgConnection,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Done, sqlx::Error> {
        let done = sqlx::query_with(AssertSqlSafe(sql), arguments(values)?).execute(connection).await?;
        Ok(Done { rows: done.rows_affected(), first_id: 0 })
    }

    async fn simple(connection: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(connection).await.map(drop)
    }

    fn text(row: &PgRow, index: usize) -> Result<Option<String>, sqlx::Error> {
        row.try_get_unchecked(index)
    }

    fn bytes(row: &PgRow, index: usize) -> Result<Vec<u8>, sqlx::Error> {
        row.try_get(index)
    }

    async fn table(connection: &mut PgConnection, names: &[Name]) -> Result<Table> {
        // As the database reads names: in quotes as they are, else in small letters.
        let quoted = names.iter().map(|name| match name.quoted {
            true => Self::quote(&name.text),
            false => Self::quote(&name.text.to_lowercase()),
        });
        let name = quoted.collect::<Vec<_>>().join(".");
        let rows = Self::rows(connection, COLUMNS.to_owned(), vec![Value::Text(name.clone())]).await?;
        let mut table = Table { name, columns: Vec::new(), keys: Vec::new() };
        let mut keys = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let cell = |index| Self::text(row, index).map(Option::unwrap_or_default);
            // Locks of old clients are without the schema that everybody has.
            table.name = match cell(0)?.as_str() {
                "public" => cell(1)?,
                schema => format!("{schema}.{}", cell(1)?),
            };
            if let Ok(place @ 0..) = cell(6)?.parse::<i32>() {
                keys.push((place, index));
            }
            let (kind, sql) = (cell(3)?, cell(4)?);
            let (jdbc, java) = of_type(&kind, &sql, &cell(7)?);
            let (name, generated) = (cell(2)?, cell(5)? == "true");
            table.columns.push(Column { name, jdbc, java, sql, auto: false, on_update: false, generated });
        }
        keys.sort_unstable();
        table.keys = keys.into_iter().map(|(_, index)| index).collect();
        Ok(table)
    }
}

const COLUMNS: &str = "select n.nspname::text, c.relname::text, a.attname::text, t.typname::text, \
    format_type(a.atttypid, a.atttypmod), (a.attgenerated <> '')::text, \
    coalesce(array_position(i.indkey::int2[], a.attnum), -1)::text, t.typtype::text \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
    join pg_type t on t.oid = a.atttypid \
    left join pg_index i on i.indrelid = c.oid and i.indisprimary \
    where c.oid = to_regclass($1::text) and c.relkind in ('r', 'p') order by a.attnum";

/// What Java's driver makes of a type.
fn of_type(kind: &str, sql: &str, class: &str) -> (i32, Option<Java>) {
    match (kind, class) {
        (_, "e") => (12, Some(Java::String)),
        ("int2", _) => (5, Some(Java::Integer)),
        ("int4", _) => (4, Some(Java::Integer)),
        ("int8", _) => (-5, Some(Java::Long)),
        ("numeric", _) => (2, Some(Java::BigDecimal)),
        ("float4", _) => (7, Some(Java::Float)),
        ("float8", _) => (8, Some(Java::Double)),
        ("bool", _) => (-7, Some(Java::Boolean)),
        ("bit", _) if sql == "bit(1)" => (-7, Some(Java::Boolean)),
        ("bpchar", _) => (1, Some(Java::String)),
        ("varchar" | "text" | "name", _) => (12, Some(Java::String)),
        ("date", _) => (91, Some(Java::Date)),
        ("time", _) => (92, Some(Java::Time)),
        ("timestamp", _) => (93, Some(Java::WallTimestamp)),
        ("timestamptz", _) => (93, Some(Java::Timestamp)),
        ("bytea", _) => (-2, Some(Java::Bytes)),
        ("uuid", _) => (1111, Some(Java::Uuid)),
        ("json" | "jsonb", _) => (1111, Some(Java::PgObject)),
        _ => (1111, None),
    }
}

/// A null of a type that the server finds out.
struct Unknown;

impl Type<Postgres> for Unknown {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Unknown {
    fn encode_by_ref(&self, _: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        Ok(IsNull::Yes)
    }
}

fn arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Null => arguments.add(Unknown),
            Value::Bool(value) => arguments.add(value),
            Value::Int(value) => arguments.add(value),
            Value::Float(value) => arguments.add(value),
            Value::Double(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            other => arguments.add(other.to_text()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
