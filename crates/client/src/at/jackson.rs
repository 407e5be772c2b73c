//! Undo logs as JSON, as Seata's Java clients write and read it with Jackson: each object says its class, and so does each value whose
//! class is not clear from how it is written.

mod read;
mod write;

pub(super) use read::decode;
pub use write::Package;
pub(super) use write::encode;

/// Where the classes are, below the package.
const LOG: &str = "rm.datasource.undo.BranchUndoLog";
const CHANGE: &str = "rm.datasource.undo.SQLUndoLog";
const RECORDS: &str = "rm.datasource.sql.struct.TableRecords";
const NO_RECORDS: &str = "rm.datasource.sql.struct.TableRecords$EmptyTableRecords";
const ROW: &str = "rm.datasource.sql.struct.Row";
const FIELD: &str = "rm.datasource.sql.struct.Field";
const LIST: &str = "java.util.ArrayList";
const PG_OBJECT: &str = "org.postgresql.util.PGobject";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::column::Java;
    use crate::at::record::{Change, Field, Log, Operation, Records};
    use crate::at::value::Value;

    const NEWEST: [&str; 5] = [
        include_str!("golden/java_2_6_0_mariadb_insert.json"),
        include_str!("golden/java_2_6_0_mariadb_update.json"),
        include_str!("golden/java_2_6_0_mariadb_delete.json"),
        include_str!("golden/java_2_6_0_postgres_insert.json"),
        include_str!("golden/java_2_6_0_postgres_delete.json"),
    ];
    const OLDEST: [&str; 2] = [
        include_str!("golden/java_1_4_2_mariadb_delete.json"),
        include_str!("golden/java_1_4_2_postgres_update.json"),
    ];

    /// Rows that real clients have written are read, and written again byte for byte.
    #[test]
    fn what_java_writes_is_read_and_written_alike() {
        let of = |package, texts: &[&'static str]| {
            texts.iter().map(|text| (package, text.trim_end())).collect::<Vec<_>>()
        };
        for (package, text) in [of(Package::Apache, &NEWEST), of(Package::Io, &OLDEST)].concat() {
            let log = decode(text.as_bytes(), 0).unwrap();
            assert_eq!(encode(&log, package, 0).unwrap(), text);
        }
    }

    /// Java ran in UTC; another zone makes another text of the same wall clock.
    #[test]
    fn values_are_what_the_tables_had() {
        let value = |log: &Log, image: fn(&Change) -> &Records, name: &str| {
            let fields = image(&log.changes[0]).rows[0].iter();
            fields.filter(|field| field.name == name).map(|field| field.value.clone()).next().unwrap()
        };
        let log = decode(NEWEST[0].as_bytes(), 0).unwrap();
        assert_eq!((log.changes[0].operation, &*log.changes[0].table), (Operation::Insert, "wide"));
        for (name, expected) in [
            ("a", Value::Int(1)),
            ("ub", Value::UInt(u64::MAX)),
            ("d", Value::Decimal("12.50".into())),
            ("f", Value::Float(1.5)),
            ("g", Value::Double(2.25)),
            ("b8", Value::Bytes(vec![0x81])),
            ("i1", Value::Bool(true)),
            ("da", Value::Date("2024-02-03".into())),
            ("ti", Value::Time("12:13:14".into())),
            ("dt", Value::DateTime("2024-02-03 04:05:06.789".into())),
            ("ts", Value::Instant("2024-02-03 04:05:06.123456".into())),
            ("js", Value::Text("{\"a\":1}".into())),
        ] {
            assert_eq!(value(&log, |change| &change.after, name), expected, "{name}");
        }
        let log = decode(NEWEST[0].as_bytes(), 3600).unwrap();
        assert_eq!(
            value(&log, |change| &change.after, "dt"),
            Value::DateTime("2024-02-03 05:05:06.789".into())
        );
        let log = decode(NEWEST[4].as_bytes(), 0).unwrap();
        assert_eq!(value(&log, |change| &change.before, "jb"), Value::Text("{\"a\": 1}".into()));
        assert_eq!(
            value(&log, |change| &change.before, "uu"),
            Value::Uuid("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".into())
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let text = NEWEST[1];
        for (from, to) in [
            ("\"sqlType\":\"UPDATE\"", "\"sqlType\":\"UPDATE_JOIN\""),
            ("java.lang.Long", "evil.Gadget"),
            ("java.time.LocalDateTime\",1706933106789", "java.time.LocalDateTime\",\"x\""),
            ("}]]}]]}}]]}", ""),
        ] {
            let text = text.replace(from, to);
            assert!(decode(text.as_bytes(), 0).is_err() || !NEWEST[1].contains(from), "{to}");
        }
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(decode(deep.as_bytes(), 0).is_err());
    }

    #[test]
    fn texts_are_escaped() {
        let value = Value::Text("\"quoted\" \\ \n \u{1F600}".into());
        let (java, name) = (Java::String, "te\"xt".to_owned());
        let field = Field { name, key: false, jdbc: 12, java, object: None, value };
        let records = Records { table: "t".into(), rows: vec![vec![field]] };
        let change = Change {
            operation: Operation::Delete,
            table: "`t`".into(),
            before: records,
            after: Records::none("t"),
        };
        let log = Log { xid: "127.0.0.1:8091:1".into(), branch: i64::MAX, changes: vec![change] };
        let text = encode(&log, Package::Apache, 0).unwrap();
        assert_eq!(decode(text.as_bytes(), 0).unwrap(), log);
    }
}
