//! Seata's Java clients in XA mode over MariaDB and PostgreSQL.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::time::Duration;

use synod_e2e::wait::now;
use synod_e2e::{Ledger, Mode, SeataClient, SeataServer, SeataVersion};

/// Longer than any scenario.
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_newest_client() {
    every_scenario(SeataVersion::NEWEST);
}

#[test]
fn the_oldest_client() {
    every_scenario(SeataVersion::OLDEST);
}

#[test]
fn the_clients_between() {
    SeataVersion::between().iter().copied().for_each(every_scenario);
}

fn every_scenario(version: SeataVersion) {
    let (server, maria, postgres) = (SeataServer::start(), Ledger::mariadb(), Ledger::postgres());
    let began = now();
    let mut client = SeataClient::start(version, "bank", server.address());
    maria.open(&mut client, Mode::Xa);
    postgres.open(&mut client, Mode::Xa);
    for (end, code, from_after, to_after) in
        [("commit", "CommitDone", 70, 130), ("rollback", "RollbackDone", 100, 100)]
    {
        let ([from], [to]) = (maria.accounts(), postgres.accounts());
        client.begin("s", MINUTE);
        let take = format!("update account set balance = balance - 30 where id = {from}");
        let give = format!("update account set balance = balance + 30 where id = {to}");
        client.sql("s", maria.name(), &take);
        // Several statements in one local transaction are one branch.
        client.ask("s", &["local-begin", postgres.name()]);
        for statement in [&give, &format!("insert into account values({}, 'new', 0)", to + 1000)] {
            client.sql("s", postgres.name(), statement);
        }
        client.ask("s", &["local-commit", postgres.name()]);
        // Both are prepared, and nobody else sees anything.
        for (ledger, number) in [(&maria, from), (&postgres, to)] {
            assert_eq!(ledger.prepared().len(), 1, "{} has not prepared one branch", ledger.name());
            assert_eq!(ledger.balances(&[number])[&number], 100);
        }
        let answer = client.ask("s", &[end]);
        assert_eq!(answer["code"], code, "{answer}");
        maria.settles(&[(from, from_after)], &[]);
        let inserted = [(to, to_after), (to + 1000, 0)];
        let kept = if end == "commit" { 2 } else { 1 };
        postgres.settles(&inserted[..kept], if kept == 1 { &[0] } else { &[] });
    }
    println!("{version}: all scenarios in {:?}", began.elapsed());
}
