create table if not exists synod_outbox (
  seq       bigint         not null auto_increment primary key,
  id        varbinary(255) not null unique,
  topic     varbinary(255) not null,
  headers   mediumblob     not null,
  payload   mediumblob     not null,
  attempts  bigint         not null,
  due_ms    bigint         not null,
  put_ms    bigint         not null,
  parked_ms bigint,
  problem   mediumblob,
  index synod_outbox_due (parked_ms, due_ms)
) engine = InnoDB;
