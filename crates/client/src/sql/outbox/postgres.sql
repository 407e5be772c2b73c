create table if not exists synod_outbox (
  seq       bigint generated always as identity primary key,
  id        varchar(255) not null unique,
  topic     varchar(255) not null,
  headers   text         not null,
  payload   bytea        not null,
  attempts  bigint       not null,
  due_ms    bigint       not null,
  put_ms    bigint       not null,
  parked_ms bigint,
  problem   text
);
create index if not exists synod_outbox_due on synod_outbox (parked_ms, due_ms);
