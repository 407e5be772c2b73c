create table if not exists synod_barrier (
  xid        varchar(255) not null,
  branch     varchar(255) not null,
  op         varchar(16)  not null,
  cause      varchar(16)  not null,
  entered_ms bigint       not null,
  primary key (xid, branch, op)
);
create index if not exists synod_barrier_entered on synod_barrier (entered_ms);
