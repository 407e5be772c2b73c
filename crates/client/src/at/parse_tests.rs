//! Statements and what is made of them.

use proptest::prelude::*;
use sqlparser::dialect::{MySqlDialect, PostgreSqlDialect};

use super::*;

fn mysql(sql: &str) -> Result<Parsed> {
    parse(sql, &MySqlDialect {})
}

fn postgres(sql: &str) -> Result<Parsed> {
    parse(sql, &PostgreSqlDialect {})
}

/// A fragment with its arguments as `{0}`.
fn shown(fragment: &Fragment) -> String {
    let show = |part: &Part| match part {
        Part::Text(text) => text.clone(),
        Part::Argument(argument) => format!("{{{argument}}}"),
    };
    fragment.0.iter().map(show).collect()
}

fn given(text: &str) -> Cell {
    Cell::Given(Part::Text(text.into()))
}

#[test]
fn conditions_are_taken_as_they_were_written() {
    for (sql, condition) in [
        (
            "update t set a = ?, b = 'where' where c = ? and d in (select d from e where f = ?);",
            "where c = {1} and d in (select d from e where f = {2})",
        ),
        ("update t set a = 1", ""),
        ("update t set a = 'it''s \\' x' where b = 'it''s \\' y'", "where b = 'it''s \\' y'"),
        ("update t set a = 1 where b = 2 -- and c = 3", "where b = 2  "),
        (
            "update t set a = 1\nwhere b = /* c = */ '\u{e9}\u{1F600}'\n and d = ?",
            "where b =   '\u{e9}\u{1F600}'  and d = {0}",
        ),
    ] {
        let Plan::Update(update) = mysql(sql).unwrap().plan else { panic!("{sql}") };
        assert_eq!(shown(&update.condition), condition, "{sql}");
    }
    let parsed = postgres("delete from \"Odd\".t as x where x.a = $2 or x.b = $1 or x.c = $2").unwrap();
    let Plan::Delete(delete) = parsed.plan else { panic!() };
    assert_eq!(shown(&delete.condition), "where x.a = {1} or x.b = {0} or x.c = {1}");
    assert_eq!((delete.target.text.as_str(), delete.target.alias.as_deref()), ("\"Odd\".t", Some("x")));
    let quoted = delete.target.names.iter().map(|name| (name.text.as_str(), name.quoted)).collect::<Vec<_>>();
    assert_eq!((quoted, parsed.arguments), (vec![("Odd", true), ("t", false)], 2));
}

#[test]
fn columns_and_values_are_found() {
    let Plan::Insert(insert) =
        mysql("insert into `db`.t(a, `B`, c) values (?, -1, default), (2, 'x', now())").unwrap().plan
    else {
        panic!()
    };
    let argument = |index| Cell::Given(Part::Argument(index));
    assert_eq!(
        insert.rows.unwrap(),
        [vec![argument(0), given("-1"), Cell::Left], vec![given("2"), given("'x'"), Cell::Computed]]
    );
    assert_eq!(insert.columns.iter().map(|name| name.text.as_str()).collect::<Vec<_>>(), ["a", "B", "c"]);
    let Plan::Insert(insert) = mysql("insert into t set a = ?, b = 2").unwrap().plan else { panic!() };
    assert_eq!(insert.rows.unwrap(), [vec![argument(0), given("2")]]);
    let Plan::Insert(insert) =
        postgres("insert into t select * from u where a = $1 returning a").unwrap().plan
    else {
        panic!()
    };
    assert!(insert.rows.is_none() && insert.columns.is_empty() && insert.returning);
    let Plan::Update(update) = postgres("update t set (a, b) = ($1, $2), \"C\" = 1 where d").unwrap().plan
    else {
        panic!()
    };
    assert_eq!(update.columns.iter().map(|name| name.text.as_str()).collect::<Vec<_>>(), ["a", "b", "C"]);
}

#[test]
fn reads_pass_and_locks_are_seen() {
    for sql in [
        "select 1",
        "select * from t where a = ?",
        "select update_time from t",
        "select a from t union select b from u",
    ] {
        assert_eq!(mysql(sql).unwrap().plan, Plan::Read, "{sql}");
    }
    let sql = "select t.*, (select max(x) from u) from t as y where a = ? order by a limit 1 for update";
    let Plan::Lock(lock) = mysql(sql).unwrap().plan else { panic!() };
    assert_eq!(shown(&lock.columns), "select t.*, (select max(x) from u) ");
    assert_eq!(shown(&lock.rest), "from t as y where a = {0} order by a limit 1 for update");
}

#[test]
fn what_could_not_be_undone_is_refused() {
    for sql in [
        "",
        "drop table t",
        "truncate t",
        "call p()",
        "update t set a = 1; delete from t",
        "update t join u on t.a = u.a set t.b = 1",
        "update t, u set t.b = 1",
        "update t set a = 1 limit 1",
        "update t set a = 1 order by a",
        "delete t, u from t join u on t.a = u.a",
        "delete from t limit 1",
        "replace into t values (1)",
        "insert ignore into t values (1)",
        "insert into t values (1) on duplicate key update a = 2",
        "select a from t, u for update",
        "select count(*) from t group by a for update",
        "select distinct a from t for update",
        "select a from t for update skip locked",
        "select a from t lock in share mode",
        "select * from (select a from t for update) x",
        "select a from t /*! for update */",
        "select a into outfile 'x' from t",
        "update t set a = 1 where b = 'open",
    ] {
        assert!(mysql(sql).is_err(), "{sql}");
    }
    for sql in [
        "with x as (delete from t returning *) select * from x",
        "with x as (select 1) update t set a = 1",
        "update t set a = 1 from u where t.b = u.b",
        "update t set a = 1 returning a",
        "delete from t using u where t.a = u.a",
        "insert into t values (1) on conflict do nothing",
        "merge into t using u on t.a = u.a when matched then delete",
        "select * into t2 from t",
        "copy t from stdin",
        "update t set a = $0",
    ] {
        assert!(postgres(sql).is_err(), "{sql}");
    }
    let deep = format!("select {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(postgres(&deep).is_err());
}

#[test]
fn names_of_tables_are_read() {
    let read = |text| table_names(text, &PostgreSqlDialect {}).map(|names| names.len());
    assert_eq!((read("t").unwrap(), read("public.\"T\"").unwrap()), (1, 2));
    let names = table_names("\"Odd \"\"name\"", &PostgreSqlDialect {}).unwrap();
    assert_eq!((names[0].text.as_str(), names[0].quoted), ("Odd \"name", true));
    assert!(read("t where 1 = 1").is_err() && read("").is_err() && read("t; drop table t").is_err());
}

proptest! {
    #[test]
    fn nothing_panics(sql in "(update|insert into|select|delete from|t|a|=|where|set|values|\\(|\\)|'|\"|`|\\$1|\\?|--|/\\*|\n|;|\u{e9}| ){0,30}") {
        drop(mysql(&sql));
        drop(postgres(&sql));
    }
}
