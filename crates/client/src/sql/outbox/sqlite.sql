create table if not exists synod_outbox (
  seq       integer primary key autoincrement,
  id        text    not null unique,
  topic     text    not null,
  headers   text    not null,
  payload   blob    not null,
  attempts  integer not null,
  due_ms    integer not null,
  put_ms    integer not null,
  parked_ms integer,
  problem   text
);
create index if not exists synod_outbox_due on synod_outbox (parked_ms, due_ms);
