create table if not exists synod_barrier (
  xid        varbinary(255) not null,
  branch     varbinary(255) not null,
  op         varbinary(16)  not null,
  cause      varbinary(16)  not null,
  entered_ms bigint         not null,
  primary key (xid, branch, op),
  index synod_barrier_entered (entered_ms)
) engine = InnoDB;
