//! The names of rows, as Seata's clients write them for the coordinator: `table:key,key;table:key_key`.

use super::error::{Result, refused};
use super::table::Table;
use super::value::Value;

/// Names rows by their keys. Nothing for no rows.
///
/// # Errors
/// A key has a character that names cannot have.
pub(super) fn name(table: &Table, keys: &[Vec<Value>]) -> Result<Option<String>> {
    let mut names = Vec::with_capacity(keys.len());
    for key in keys {
        let mut parts = Vec::with_capacity(key.len());
        for value in key {
            match value.to_text() {
                Some(text) if !text.contains([',', ';']) => parts.push(text),
                _ => {
                    return refused(format!(
                        "a key of the table {} with a comma or a semicolon, or none",
                        table.name
                    ));
                }
            }
        }
        names.push(parts.join("_"));
    }
    Ok((!names.is_empty()).then(|| format!("{}:{}", table.name, names.join(","))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_java_writes_them() {
        let table = Table { name: "account".into(), columns: Vec::new(), keys: Vec::new() };
        let keys =
            [vec![Value::Int(1), Value::from("k")], vec![Value::Int(2), Value::Decimal("2.50".into())]];
        assert_eq!(name(&table, &keys).unwrap().as_deref(), Some("account:1_k,2_2.50"));
        assert_eq!(name(&table, &[]).unwrap(), None);
        for bad in [Value::from("a,b"), Value::from("a;b"), Value::Null, Value::Bytes(vec![1])] {
            assert!(name(&table, &[vec![bad]]).is_err());
        }
    }
}
