//! Tables with a column of every type that can be undone, and rows for them.

use synod_scratch::Kind;

pub(crate) const MARIADB: &str = "alter database bank character set utf8mb4; create table undo_log(branch_id bigint not null, xid varchar(128) not null, \
    context varchar(128) not null, rollback_info longblob not null, log_status int not null, \
    log_created datetime(6) not null, log_modified datetime(6) not null, unique key ux_undo_log(xid, branch_id)); \
    create table account(id int primary key, owner varchar(40), balance int not null); \
    create table keyless(a int); create table odd(id int primary key, ti time(3)); \
    create table numbered(id bigint unsigned primary key auto_increment, name varchar(20)); \
    create table pairs(a varchar(20), b varchar(20), c int, primary key(b, a)); \
    alter table pairs drop primary key, add primary key(a, b); \
    create table wide(a int not null, b varchar(20) not null, a2 int default 7, i8 tinyint, u8 tinyint unsigned, \
    i1 tinyint(1), i2 smallint, i3 mediumint, i bigint, u int unsigned, ub bigint unsigned, d decimal(30,10), f float, \
    g double, c char(5), t text, y year, bt bit(1), b12 bit(12), da date, ti time, dt datetime(3), \
    ts timestamp(6) null on update current_timestamp(6), \
    bi binary(4), vb varbinary(10), bl blob, lt longtext, js json, en enum('x','y'), \
    `Odd ``name` int, gen int as (a2 * 2) stored, primary key(a, b));";

pub(crate) const POSTGRES: &str = "create table undo_log(id serial not null primary key, branch_id bigint not null, \
    xid varchar(128) not null, context varchar(128) not null, rollback_info bytea not null, log_status int not null, \
    log_created timestamp(0) not null, log_modified timestamp(0) not null, unique(xid, branch_id)); \
    create table account(id int primary key, owner varchar(40), balance int not null); \
    create table keyless(a int); create table odd(id int primary key, ti time); \
    create table numbered(id bigserial primary key, name varchar(20)); \
    create table pairs(a varchar(20), b varchar(20), c int, primary key(a, b)); \
    create type mood as enum('x', 'y'); \
    create table wide(a int not null, b varchar(20) not null, a2 int default 7, i2 smallint, i bigint, d numeric(30,10), \
    n numeric, f real, g double precision, c char(5), t text, bo boolean, b1 bit(1), da date, ti time, ts timestamp, \
    tstz timestamptz, bb bytea, js json, jb jsonb, uu uuid, en mood, always int generated always as identity, \
    \"Odd \"\"name\" int, gen int generated always as (a2 * 2) stored, primary key(a, b));";

/// The columns, so that nothing of their values is left out.
pub(crate) fn shown(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => {
            "a, b, a2, i8, u8, i1, i2, i3, i, u, ub, d, f + 0e0, g, concat('<', c, '>'), t, y, hex(bt), hex(b12), da, ti, dt, ts, \
             hex(bi), hex(vb), hex(bl), lt, js, en, `Odd ``name`, gen"
        }
        Kind::Postgres => {
            "a, b, a2, i2, i, d, n, f, g, '<' || c::varchar || '>', t, bo, b1, da, ti, ts, tstz, bb, js, jb, uu, en, always, \
             \"Odd \"\"name\", gen"
        }
    }
}

pub(crate) fn insert(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => {
            "insert into wide(a, b, a2, i8, u8, i1, i2, i3, i, u, ub, d, f, g, c, t, y, bt, b12, da, ti, dt, ts, bi, vb, bl, lt, \
             js, en, `Odd ``name`) values (1, 'k', 3, -5, 250, 5, 300, 70000, -9000000000, 4000000000, 18446744073709551615, \
             -12345678901234567890.0123456789, 1.2345678, 0.1, 'ab', '\u{e9}\u{1F600} \"q\" \\\\ \n', 2024, b'1', b'100000000001', \
             '1999-12-31', '12:13:14', '2024-02-03 04:05:06.789', '2024-02-03 04:05:06.123456', x'01020300', x'ff00', x'0001ff', \
             'long', '{\"a\":1}', 'y', 1)"
        }
        Kind::Postgres => {
            "insert into wide(a, b, a2, i2, i, d, n, f, g, c, t, bo, b1, da, ti, ts, tstz, bb, js, jb, uu, en, \"Odd \"\"name\") \
             values (1, 'k', 3, -300, -9000000000, -12345678901234567890.0123456789, 0.00000001, 1.2345678, 0.1, 'ab', \
             '\u{e9}\u{1F600} \"q\" \\ \n', true, b'1', '1999-12-31', '12:13:14', '2024-02-03 04:05:06.789', \
             '2024-02-03 04:05:06.123456+03', '\\x0001ff', '{\"a\": 1}', '{\"b\": 2}', \
             'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'y', 1)"
        }
    }
}

pub(crate) fn update(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => {
            "update wide set a2 = 4, i8 = 1, u8 = 1, i1 = 0, i2 = 1, i3 = 1, i = 1, u = 1, ub = 1, d = d / 3, f = 2, g = 2, \
             c = 'x', t = null, y = 2025, bt = b'0', b12 = 1, da = '2024-01-01', ti = '01:00:00', dt = '2020-01-01', \
             ts = '2020-01-01', bi = 'a', vb = 'b', bl = 'c', lt = 'd', js = '[]', en = 'x', `Odd ``name` = 2 \
             where a = 1 and b like 'k%'"
        }
        Kind::Postgres => {
            "update wide set a2 = 4, i2 = 1, i = 1, d = d / 3, n = 1, f = 2, g = 2, c = 'x', t = null, bo = false, b1 = b'0', \
             da = '2024-01-01', ti = '01:00:00', ts = '2020-01-01', tstz = '2020-01-01', bb = 'a', js = '[]', jb = '[]', \
             uu = null, en = 'x', \"Odd \"\"name\" = 2 where a = 1 and b like 'k%'"
        }
    }
}
