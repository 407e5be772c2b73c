//! From the text of a statement to what has to be done about it. What is not understood is refused before it reaches the database.

use sqlparser::ast::{
    AssignmentTarget, Delete, Expr, FromTable, GroupByExpr, Ident, Insert, LockType, NonBlock, ObjectName,
    Query, Select, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, UnaryOperator, Update,
    Value as Literal,
};
use sqlparser::dialect::Dialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::Parser;

use super::error::{Result, refused};
use super::table::Name;
use super::text::{Fragment, Part, Text};

/// How deep a statement may be nested.
const DEPTH_MAX: usize = 50;

/// A statement, and what it needs.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    /// All of it.
    pub(super) text: Fragment,
    /// How many arguments it wants.
    pub(super) arguments: usize,
    /// What it does.
    pub(super) plan: Plan,
}

/// What a statement does.
#[derive(Debug, PartialEq)]
pub(super) enum Plan {
    /// It reads, and takes no locks.
    Read,
    /// It reads, and locks what it reads.
    Lock(Lock),
    /// It adds rows.
    Insert(NewRows),
    /// It changes rows.
    Update(Changed),
    /// It removes rows.
    Delete(Removed),
}

/// A table in a statement.
#[derive(Debug, PartialEq)]
pub(super) struct Target {
    /// Its name and those of what it is in.
    pub(super) names: Vec<Name>,
    /// As it was written.
    pub(super) text: String,
    /// The other name it has in the statement, as it was written.
    pub(super) alias: Option<String>,
}

/// `SELECT … FOR UPDATE`.
#[derive(Debug, PartialEq)]
pub(super) struct Lock {
    pub(super) target: Target,
    /// From `SELECT` to `FROM`, and the rest: columns can be added between them.
    pub(super) columns: Fragment,
    pub(super) rest: Fragment,
}

/// `INSERT`.
#[derive(Debug, PartialEq)]
pub(super) struct NewRows {
    pub(super) target: Target,
    /// Which columns; all when it does not say.
    pub(super) columns: Vec<Name>,
    /// The values of each row; nothing when they come from a query.
    pub(super) rows: Option<Vec<Vec<Cell>>>,
    /// Whether it ends with `RETURNING …`.
    pub(super) returning: bool,
}

/// A value in an `INSERT`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// A literal, or an argument.
    Given(Part),
    /// The database chooses: `NULL` or `DEFAULT`.
    Left,
    /// An expression.
    Computed,
}

/// `UPDATE`.
#[derive(Debug, PartialEq)]
pub(super) struct Changed {
    pub(super) target: Target,
    /// Which columns.
    pub(super) columns: Vec<Name>,
    /// `WHERE …`, or nothing.
    pub(super) condition: Fragment,
}

/// `DELETE`.
#[derive(Debug, PartialEq)]
pub(super) struct Removed {
    pub(super) target: Target,
    /// `WHERE …`, or nothing.
    pub(super) condition: Fragment,
}

/// Reads a statement.
///
/// # Errors
/// It is not understood.
pub(super) fn parse(sql: &str, dialect: &dyn Dialect) -> Result<Parsed> {
    let text = Text::cut(sql, dialect)?;
    let mut parser =
        Parser::new(dialect).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(text.tokens());
    let statements = match parser.parse_statements() {
        Ok(statements) => statements,
        Err(error) => return refused(error.to_string()),
    };
    let [statement] = statements.as_slice() else {
        return refused(format!("{} statements at once", statements.len()));
    };
    let plan = match statement {
        Statement::Query(query) => read(query, &text)?,
        Statement::Insert(insert) => insert_plan(insert, &text)?,
        Statement::Update(update) => update_plan(update, &text)?,
        Statement::Delete(delete) => delete_plan(delete, &text)?,
        _ => return refused("neither SELECT, INSERT, UPDATE nor DELETE"),
    };
    Ok(Parsed { text: text.all(), arguments: text.arguments(), plan })
}

fn read(query: &Query, text: &Text<'_>) -> Result<Plan> {
    // Those may be in a WITH; FOR UPDATE and FOR NO KEY UPDATE are the only other places of the word.
    let changes = [Keyword::INSERT, Keyword::DELETE, Keyword::MERGE, Keyword::INTO];
    if text.has(&changes, &[]) || text.has(&[Keyword::UPDATE], &[Keyword::FOR, Keyword::KEY]) {
        return refused("a SELECT that changes something");
    }
    let locks = query.locks.iter().filter(|lock| lock.lock_type == LockType::Update).collect::<Vec<_>>();
    let [lock] = locks.as_slice() else {
        return match text.count(Keyword::UPDATE) {
            0 => Ok(Plan::Read),
            _ => refused("FOR UPDATE inside of a query"),
        };
    };
    if text.count(Keyword::UPDATE) > 1 || lock.nonblock == Some(NonBlock::SkipLocked) || query.with.is_some()
    {
        return refused("FOR UPDATE together with WITH, SKIP LOCKED or another one");
    }
    let SetExpr::Select(select) = query.body.as_ref() else {
        return refused("FOR UPDATE of anything but a SELECT");
    };
    lock_plan(select, text)
}

fn lock_plan(select: &Select, text: &Text<'_>) -> Result<Plan> {
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
    if grouped || select.distinct.is_some() || select.having.is_some() || select.top.is_some() {
        return refused("FOR UPDATE of anything but rows");
    }
    let [table] = select.from.as_slice() else {
        return refused("FOR UPDATE of more than one table");
    };
    let target = joined(table)?;
    let Some(from) = text.find(0, &[Keyword::FROM]) else {
        return refused("FOR UPDATE without FROM");
    };
    Ok(Plan::Lock(Lock { target, columns: text.between(0, from), rest: text.between(from, text.len()) }))
}

fn insert_plan(insert: &Insert, text: &Text<'_>) -> Result<Plan> {
    let odd =
        [insert.ignore, insert.replace_into, insert.overwrite, insert.on.is_some(), insert.or.is_some()];
    let partial =
        insert.partitioned.is_some() || !insert.after_columns.is_empty() || insert.insert_alias.is_some();
    if odd.contains(&true) || partial || insert.priority.is_some() || insert.output.is_some() {
        return refused("an INSERT with IGNORE, REPLACE, ON CONFLICT or the like");
    }
    let TableObject::TableName(name) = &insert.table else {
        return refused("an INSERT into anything but a table");
    };
    let alias = insert.table_alias.as_ref().map(|alias| alias.alias.to_string());
    let target = Target { names: names(name)?, text: name.to_string(), alias };
    let returning = insert.returning.is_some();
    if !insert.assignments.is_empty() {
        let mut columns = Vec::new();
        let mut row = Vec::new();
        for assignment in &insert.assignments {
            columns.push(assigned(&assignment.target)?);
            row.push(cell(&assignment.value, text));
        }
        return Ok(Plan::Insert(NewRows { target, columns, rows: Some(vec![row]), returning }));
    }
    let columns = insert.columns.iter().map(column).collect::<Result<Vec<_>>>()?;
    let rows = match insert.source.as_deref() {
        Some(query) => match query.body.as_ref() {
            SetExpr::Values(values) => {
                let row = |row: &Vec<Expr>| row.iter().map(|value| cell(value, text)).collect();
                Some(values.rows.iter().map(|values| row(&values.content)).collect())
            }
            _ => None,
        },
        // DEFAULT VALUES.
        None => None,
    };
    Ok(Plan::Insert(NewRows { target, columns, rows, returning }))
}

fn cell(value: &Expr, text: &Text<'_>) -> Cell {
    match value {
        Expr::Value(literal) => match &literal.value {
            Literal::Null => Cell::Left,
            _ => text.at(literal.span.start).map_or(Cell::Computed, Cell::Given),
        },
        Expr::Identifier(word)
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("default") =>
        {
            Cell::Left
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match cell(expr, text) {
            Cell::Given(Part::Text(number)) => Cell::Given(Part::Text(format!("-{number}"))),
            _ => Cell::Computed,
        },
        _ => Cell::Computed,
    }
}

fn update_plan(update: &Update, text: &Text<'_>) -> Result<Plan> {
    if update.from.is_some() || update.limit.is_some() || !update.order_by.is_empty() {
        return refused("an UPDATE with FROM, ORDER BY or LIMIT");
    }
    if update.returning.is_some() || update.output.is_some() || update.or.is_some() {
        return refused("an UPDATE with RETURNING or OR");
    }
    let target = joined(&update.table)?;
    let mut columns = Vec::new();
    for assignment in &update.assignments {
        match &assignment.target {
            AssignmentTarget::Tuple(names) => {
                columns.extend(names.iter().map(column).collect::<Result<Vec<_>>>()?);
            }
            target @ AssignmentTarget::ColumnName(_) => columns.push(assigned(target)?),
        }
    }
    Ok(Plan::Update(Changed { target, columns, condition: condition(update.selection.is_some(), text)? }))
}

fn delete_plan(delete: &Delete, text: &Text<'_>) -> Result<Plan> {
    if delete.limit.is_some() || !delete.order_by.is_empty() || delete.returning.is_some() {
        return refused("a DELETE with ORDER BY, LIMIT or RETURNING");
    }
    if !delete.tables.is_empty() || delete.using.is_some() || delete.output.is_some() {
        return refused("a DELETE from more than one table");
    }
    let (FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables)) = &delete.from;
    let [table] = tables.as_slice() else {
        return refused("a DELETE from more than one table");
    };
    let condition = condition(delete.selection.is_some(), text)?;
    Ok(Plan::Delete(Removed { target: joined(table)?, condition }))
}

/// From the WHERE that is in no parentheses to the end: nothing comes after it in what was not refused.
fn condition(expected: bool, text: &Text<'_>) -> Result<Fragment> {
    match text.find(0, &[Keyword::WHERE]) {
        Some(at) if expected => Ok(text.between(at, text.len())),
        None if !expected => Ok(Fragment::default()),
        _ => refused("a WHERE that is not where it was expected"),
    }
}

fn joined(table: &TableWithJoins) -> Result<Target> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        version: None,
        sample: None,
        partitions,
        index_hints,
        ..
    } = &table.relation
    else {
        return refused("anything but a table");
    };
    if !table.joins.is_empty() || !partitions.is_empty() || !index_hints.is_empty() {
        return refused("joins, partitions and hints");
    }
    if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
        return refused("other names for columns");
    }
    let alias = alias.as_ref().map(|alias| alias.name.to_string());
    Ok(Target { names: names(name)?, text: name.to_string(), alias })
}

fn assigned(target: &AssignmentTarget) -> Result<Name> {
    match target {
        AssignmentTarget::ColumnName(name) => column(name),
        AssignmentTarget::Tuple(_) => refused("several columns set at once"),
    }
}

/// A column: the last of the names.
fn column(name: &ObjectName) -> Result<Name> {
    match names(name)?.pop() {
        Some(name) => Ok(name),
        None => refused("a column without a name"),
    }
}

fn names(name: &ObjectName) -> Result<Vec<Name>> {
    let name_of = |ident: &Ident| match ident.quote_style {
        // The text was not unescaped, so that it can be sent on.
        Some(quote) => {
            Name { text: ident.value.replace(&format!("{quote}{quote}"), &quote.to_string()), quoted: true }
        }
        None => Name { text: ident.value.clone(), quoted: false },
    };
    let mut names = Vec::with_capacity(name.0.len());
    for part in &name.0 {
        match part.as_ident() {
            Some(ident) => names.push(name_of(ident)),
            None => return refused(format!("the name {name}")),
        }
    }
    Ok(names)
}

/// The names in the text of a table, as an undo log has it.
///
/// # Errors
/// It is no name.
pub(super) fn table_names(text: &str, dialect: &dyn Dialect) -> Result<Vec<Name>> {
    let tokens = Text::cut(text, dialect)?.tokens();
    let mut parser = Parser::new(dialect).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens);
    let name = match parser.parse_object_name(false) {
        Ok(name) if parser.peek_token().token == sqlparser::tokenizer::Token::EOF => name,
        _ => return refused(format!("the table {text:.80}")),
    };
    names(&name)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
