create table if not exists synod_barrier (
  xid        text    not null,
  branch     text    not null,
  op         text    not null,
  cause      text    not null,
  entered_ms integer not null,
  primary key (xid, branch, op)
);
create index if not exists synod_barrier_entered on synod_barrier (entered_ms);
