//! A bank over SQLite, asked in the orders that networks bring about.

use synod_client::sql::sqlx::{self, Sqlite};
use synod_client::sql::{Barrier, Key, Op};
use tempfile::TempDir;

use super::account::Account;
use super::message::sender;
use super::posting::{NotDone, Posting, Said, Side};
use super::vault::Vault as _;
use crate::books::{self, Balance};
use crate::database::Database;
use crate::mode::Mode;

const BRANCH: Key<'static> = Key::branch("127.0.0.1:8091:1", "one");
const POSTING: Posting = Posting { account: 0, amount: 100 };

struct Till {
    database: Database,
    debit: Account<Sqlite>,
    credit: Account<Sqlite>,
    _folder: TempDir,
}

impl Till {
    async fn new(balance: i64) -> Self {
        sqlx::any::install_default_drivers();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("bank.sqlite").display());
        let database = Database::parse(&url).unwrap();
        books::create(&database, 1).await.unwrap();
        books::reset(&database, balance, false).await.unwrap();
        let pool = Sqlite::pool(&url).unwrap();
        Barrier::create_table(&pool).await.unwrap();
        let account = |side| Account { pool: pool.clone(), mode: Mode::Tcc, side };
        let (debit, credit) = (account(Side::Debit), account(Side::Credit));
        Self { database, debit, credit, _folder: folder }
    }

    async fn ask(&self, side: Side, op: Op) -> Said {
        let account = if side == Side::Debit { &self.debit } else { &self.credit };
        account.step(BRANCH, op, POSTING).await
    }

    async fn agrees(&self, side: Side, op: Op) -> bool {
        match self.ask(side, op).await {
            Ok(_) => true,
            Err(NotDone::Refused(_)) => false,
            Err(NotDone::Failed(why)) => panic!("{op:?}: {why}"),
        }
    }

    async fn account(&self) -> (i64, i64, i64) {
        let Balance { balance, frozen, incoming, prepared, undo } =
            books::audit(&self.database).await.unwrap();
        assert_eq!((prepared, undo), (0, 0));
        (balance, frozen, incoming)
    }
}

#[tokio::test]
async fn each_step_happens_once() {
    let till = Till::new(400).await;
    for _ in 0..2 {
        assert!(till.agrees(Side::Debit, Op::Try).await);
        assert_eq!(till.account().await, (400, 100, 0));
    }
    for _ in 0..2 {
        assert!(till.agrees(Side::Debit, Op::Confirm).await);
        assert_eq!(till.account().await, (300, 0, 0));
    }
    let till = Till::new(200).await;
    for _ in 0..2 {
        assert!(till.agrees(Side::Credit, Op::Deliver).await);
        assert_eq!(till.account().await, (300, 0, 0));
    }
}

#[tokio::test]
async fn what_was_reserved_is_given_free_once() {
    for (side, reserved) in [(Side::Debit, (400, 100, 0)), (Side::Credit, (400, 0, 100))] {
        let till = Till::new(400).await;
        assert!(till.agrees(side, Op::Try).await);
        assert_eq!(till.account().await, reserved);
        for _ in 0..2 {
            assert!(till.agrees(side, Op::Cancel).await);
            assert_eq!(till.account().await, (400, 0, 0));
        }
    }
}

#[tokio::test]
async fn a_step_back_without_its_step_forward_does_nothing_and_keeps_it_out() {
    for (forward, back) in [(Op::Try, Op::Cancel), (Op::Action, Op::Compensate)] {
        for side in Side::BOTH {
            let till = Till::new(400).await;
            assert!(till.agrees(side, back).await);
            assert_eq!(till.account().await, (400, 0, 0), "an empty {back:?} changes nothing");
            assert!(!till.agrees(side, forward).await, "a {forward:?} after its {back:?} is refused");
            assert!(till.agrees(side, back).await);
            assert_eq!(till.account().await, (400, 0, 0));
        }
    }
}

#[tokio::test]
async fn a_refused_step_has_not_happened() {
    let till = Till::new(99).await;
    let error = till.ask(Side::Debit, Op::Action).await.unwrap_err();
    assert_eq!(error.to_string(), "refuses: not enough money");
    assert!(till.agrees(Side::Debit, Op::Compensate).await);
    assert_eq!(till.account().await, (99, 0, 0), "nothing is given back that was not taken");
    let till = Till::new(200).await;
    books::close_accounts(&till.database, true).await.unwrap();
    assert!(!till.agrees(Side::Credit, Op::Deliver).await);
    books::close_accounts(&till.database, false).await.unwrap();
    assert!(till.agrees(Side::Credit, Op::Deliver).await, "it may come again when the account is open");
    assert_eq!(till.account().await, (300, 0, 0));
}

#[tokio::test]
async fn a_saga_is_undone() {
    for side in Side::BOTH {
        let till = Till::new(400).await;
        assert!(till.agrees(side, Op::Action).await);
        assert_ne!(till.account().await, (400, 0, 0));
        assert!(till.agrees(side, Op::Compensate).await);
        assert_eq!(till.account().await, (400, 0, 0));
    }
}

#[tokio::test]
async fn frozen_money_is_not_spent_twice() {
    let till = Till::new(150).await;
    assert!(till.agrees(Side::Debit, Op::Try).await);
    let other = Key::branch("127.0.0.1:8091:1", "other");
    let error = till.debit.step(other, Op::Action, POSTING).await.unwrap_err();
    assert!(matches!(error, NotDone::Refused(_)), "{error}: only 50 are free");
    assert_eq!(till.account().await, (150, 100, 0));
}

#[tokio::test]
async fn whoever_asks_back_gets_an_answer_that_stays_true() {
    let till = Till::new(400).await;
    till.debit.step(sender("m"), Op::Send, POSTING).await.unwrap();
    for _ in 0..2 {
        assert!(Barrier.was_sent(&till.debit.pool, sender("m")).await.unwrap());
    }
    let till = Till::new(400).await;
    for _ in 0..2 {
        assert!(!Barrier.was_sent(&till.debit.pool, sender("m")).await.unwrap());
    }
    assert!(till.debit.step(sender("m"), Op::Send, POSTING).await.is_err(), "a no is kept");
    assert_eq!(till.account().await, (400, 0, 0));
}
