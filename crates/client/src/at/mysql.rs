//! MariaDB, and MySQL.

use sqlparser::dialect::MySqlDialect;
use sqlx::mysql::{MySqlArguments, MySqlConnection, MySqlRow};
use sqlx::{Arguments, AssertSqlSafe, MySql, Row};

use super::column::{Column, Java};
use super::dialect::{Dialect, Done, Sql};
use super::error::{Result, refused};
use super::table::{Name, Table};
use super::time;
use super::value::Value;

impl Dialect for MySql {}

impl Sql for MySql {
    const RETURNING: bool = false;
    const INSERTS: &str = ") values (";

    fn grammar() -> Box<dyn sqlparser::dialect::Dialect + Send + Sync> {
        Box::new(MySqlDialect {})
    }

    fn quote(name: &str) -> String {
        format!("`{}`", name.replace('`', "``"))
    }

    fn placeholder(_: usize, _: &Value) -> String {
        "?".to_owned()
    }

    fn read(column: &Column, sql: &str) -> String {
        match column.java {
            Some(Java::String) => sql.to_owned(),
            Some(Java::Bytes) if column.sql.starts_with("bit") => {
                format!("lpad(hex({sql}), {}, '0')", bit_bytes(&column.sql) * 2)
            }
            Some(Java::Bytes) => format!("hex({sql})"),
            Some(Java::Boolean) if column.sql.starts_with("bit") => format!("cast({sql} + 0 as char)"),
            // As text a FLOAT has six digits, as a DOUBLE all.
            Some(Java::Float) => format!("cast({sql} + 0e0 as char)"),
            // Seconds since 1970, whatever the session's zone.
            Some(Java::Timestamp) => format!("cast(unix_timestamp({sql}) as char)"),
            _ => format!("cast({sql} as char)"),
        }
    }

    fn write(column: &Column, _: usize, value: Value) -> (String, Value) {
        match (column.java, value) {
            (Some(Java::Boolean), Value::Bool(value)) if column.sql.starts_with("bit") => {
                ("cast(? as unsigned)".to_owned(), Value::Int(i64::from(value)))
            }
            (Some(Java::Timestamp), Value::Instant(text)) => {
                let seconds = time::micros(&text)
                    .map(|micros| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
                ("from_unixtime(cast(? as decimal(20, 6)))".to_owned(), Value::from(seconds))
            }
            (Some(Java::BigDecimal), value) => ("cast(? as decimal(65, 30))".to_owned(), value),
            (_, value) => ("?".to_owned(), value),
        }
    }

    fn remove_old(table: &str, age: &str, rows: u32) -> String {
        format!("delete from {table} where log_created <= now(6) - interval {age} second limit {rows}")
    }

    fn resource_id(pool: &sqlx::Pool<Self>) -> Option<String> {
        let options = pool.connect_options();
        match (options.get_socket(), options.get_database()) {
            (None, Some(database)) => {
                Some(format!("jdbc:mysql://{}:{}/{database}", options.get_host(), options.get_port()))
            }
            _ => None,
        }
    }

    async fn rows(
        connection: &mut MySqlConnection,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<MySqlRow>, sqlx::Error> {
        sqlx::query_with(AssertSqlSafe(sql), arguments(values)?).fetch_all(connection).await
    }

    async fn run(
        connection: &mut MySqlConnection,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Done, sqlx::Error> {
        let done = sqlx::query_with(AssertSqlSafe(sql), arguments(values)?).execute(connection).await?;
        Ok(Done { rows: done.rows_affected(), first_id: done.last_insert_id() })
    }

    async fn simple(connection: &mut MySqlConnection, sql: &'static str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(sql).execute(connection).await.map(drop)
    }

    fn text(row: &MySqlRow, index: usize) -> Result<Option<String>, sqlx::Error> {
        row.try_get_unchecked(index)
    }

    fn bytes(row: &MySqlRow, index: usize) -> Result<Vec<u8>, sqlx::Error> {
        row.try_get(index)
    }

    async fn table(connection: &mut MySqlConnection, names: &[Name]) -> Result<Table> {
        let (schema, name) = match names {
            [name] => (None, &name.text),
            [schema, name] => (Some(schema.text.clone()), &name.text),
            _ => return refused("a table with more than two names"),
        };
        let arguments = vec![Value::from(schema), Value::from(name.as_str()), Value::from(name.as_str())];
        let rows = Self::rows(connection, COLUMNS.to_owned(), arguments).await?;
        let mut table = Table { name: name.clone(), columns: Vec::new(), keys: Vec::new() };
        let mut keys = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let cell = |index| Self::text(row, index).map(Option::unwrap_or_default);
            table.name = cell(0)?;
            if let Ok(place @ 1..) = cell(5)?.parse::<i32>() {
                keys.push((place, index));
            }
            let (sql, extra) = (cell(3)?.to_lowercase(), cell(4)?.to_lowercase());
            let (jdbc, java) = of_type(&cell(2)?.to_lowercase(), &sql);
            table.columns.push(Column {
                name: cell(1)?,
                jdbc,
                java,
                sql,
                auto: extra.contains("auto_increment"),
                on_update: extra.contains("on update"),
                generated: extra.contains("virtual")
                    || extra.contains("stored")
                    || extra.contains("persistent"),
            });
        }
        keys.sort_unstable();
        table.keys = keys.into_iter().map(|(_, index)| index).collect();
        Ok(table)
    }
}

/// Names are compared in any case of letters there, and differ in it on most servers.
const COLUMNS: &str = "select cast(c.table_name as char), cast(c.column_name as char), cast(c.data_type as char), \
    cast(c.column_type as char), cast(c.extra as char), cast(coalesce(s.seq_in_index, 0) as char) \
    from information_schema.columns c left join information_schema.statistics s \
    on s.table_schema = c.table_schema and s.table_name = c.table_name and s.column_name = c.column_name \
    and s.index_name = 'PRIMARY' \
    where c.table_schema = coalesce(?, database()) and c.table_name = ? \
    and (@@lower_case_table_names <> 0 or binary c.table_name = ?) order by c.ordinal_position";

/// How many bytes a `bit(12)` has.
fn bit_bytes(sql: &str) -> usize {
    let digits = sql.chars().filter(char::is_ascii_digit).collect::<String>();
    digits.parse::<usize>().unwrap_or(1).div_ceil(8)
}

/// What Java's driver makes of a type.
fn of_type(kind: &str, sql: &str) -> (i32, Option<Java>) {
    let unsigned = sql.contains("unsigned");
    match kind {
        "tinyint" if sql == "tinyint(1)" => (-7, Some(Java::Boolean)),
        "tinyint" => (-6, Some(Java::Integer)),
        "smallint" => (5, Some(Java::Integer)),
        "mediumint" => (4, Some(Java::Integer)),
        "int" => (4, Some(if unsigned { Java::Long } else { Java::Integer })),
        "bigint" => (-5, Some(if unsigned { Java::BigInteger } else { Java::Long })),
        "bit" if sql == "bit(1)" => (-7, Some(Java::Boolean)),
        "bit" => (-7, Some(Java::Bytes)),
        "decimal" => (3, Some(Java::BigDecimal)),
        "float" => (7, Some(Java::Float)),
        "double" => (8, Some(Java::Double)),
        "char" | "enum" | "set" => (1, Some(Java::String)),
        "varchar" | "tinytext" => (12, Some(Java::String)),
        "text" | "mediumtext" | "longtext" | "json" => (-1, Some(Java::String)),
        "binary" => (-2, Some(Java::Bytes)),
        "varbinary" | "tinyblob" => (-3, Some(Java::Bytes)),
        "blob" | "mediumblob" | "longblob" => (-4, Some(Java::Bytes)),
        "date" => (91, Some(Java::Date)),
        "year" => (91, Some(Java::Year)),
        "time" => (92, Some(Java::Time)),
        "datetime" => (93, Some(Java::LocalDateTime)),
        "timestamp" => (93, Some(Java::Timestamp)),
        _ => (1111, None),
    }
}

fn arguments(values: Vec<Value>) -> Result<MySqlArguments, sqlx::Error> {
    let mut arguments = MySqlArguments::default();
    for value in values {
        let added = match value {
            Value::Bool(value) => arguments.add(value),
            Value::Int(value) => arguments.add(value),
            Value::UInt(value) => arguments.add(value),
            Value::Float(value) => arguments.add(value),
            Value::Double(value) => arguments.add(value),
            Value::Bytes(value) => arguments.add(value),
            other => arguments.add(other.to_text()),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
