//! A bank over SQLite, asked in the orders that networks bring about.

use tempfile::TempDir;

use super::local::carry_out;
use super::order::{Order, Side, Step};
use super::{Said, xa};
use crate::args::Mode;
use crate::books::{self, Account};
use crate::database::Database;

struct Till {
    database: Database,
    _folder: TempDir,
}

impl Till {
    async fn new(balance: i64) -> Self {
        sqlx::any::install_default_drivers();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("bank.sqlite").display());
        let database = Database::parse(&url).unwrap();
        books::create(&database).await.unwrap();
        books::reset(&database, balance, false).await.unwrap();
        Self { database, _folder: folder }
    }

    async fn ask(&self, side: Side, step: Step) -> Said {
        carry_out(&self.database, &order(side, step)).await.unwrap()
    }

    async fn agrees(&self, side: Side, step: Step) -> bool {
        matches!(self.ask(side, step).await, Said::Done(_))
    }

    async fn account(&self) -> (i64, i64, i64) {
        let Account { balance, frozen, incoming, prepared } = books::audit(&self.database).await.unwrap();
        assert_eq!(prepared, 0);
        (balance, frozen, incoming)
    }
}

fn order(side: Side, step: Step) -> Order {
    let (xid, branch) = ("127.0.0.1:8091:1".to_owned(), "one".to_owned());
    Order { mode: Mode::Tcc, side, step, xid, branch, amount: 100 }
}

#[tokio::test]
async fn each_step_happens_once() {
    let till = Till::new(400).await;
    for _ in 0..2 {
        assert!(till.agrees(Side::Debit, Step::Try).await);
        assert_eq!(till.account().await, (400, 100, 0));
    }
    for _ in 0..2 {
        assert!(till.agrees(Side::Debit, Step::Confirm).await);
        assert_eq!(till.account().await, (300, 0, 0));
    }
    let till = Till::new(200).await;
    for _ in 0..2 {
        assert!(till.agrees(Side::Credit, Step::Deliver).await);
        assert_eq!(till.account().await, (300, 0, 0));
    }
}

#[tokio::test]
async fn what_was_reserved_is_given_free_once() {
    for (side, reserved) in [(Side::Debit, (400, 100, 0)), (Side::Credit, (400, 0, 100))] {
        let till = Till::new(400).await;
        assert!(till.agrees(side, Step::Try).await);
        assert_eq!(till.account().await, reserved);
        for _ in 0..2 {
            assert!(till.agrees(side, Step::Cancel).await);
            assert_eq!(till.account().await, (400, 0, 0));
        }
    }
}

#[tokio::test]
async fn a_step_back_without_its_step_forward_does_nothing_and_keeps_it_out() {
    for (forward, back) in [(Step::Try, Step::Cancel), (Step::Action, Step::Compensate)] {
        for side in [Side::Debit, Side::Credit] {
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
    assert_eq!(
        till.ask(Side::Debit, Step::Action).await,
        Said::Refused("refuses: not enough money".to_owned())
    );
    assert!(till.agrees(Side::Debit, Step::Compensate).await);
    assert_eq!(till.account().await, (99, 0, 0), "nothing is given back that was not taken");
    let till = Till::new(200).await;
    books::close_account(&till.database, true).await.unwrap();
    assert!(!till.agrees(Side::Credit, Step::Deliver).await);
    books::close_account(&till.database, false).await.unwrap();
    assert!(till.agrees(Side::Credit, Step::Deliver).await, "it may come again when the account is open");
    assert_eq!(till.account().await, (300, 0, 0));
}

#[tokio::test]
async fn a_saga_is_undone() {
    for side in [Side::Debit, Side::Credit] {
        let till = Till::new(400).await;
        assert!(till.agrees(side, Step::Action).await);
        assert_ne!(till.account().await, (400, 0, 0));
        assert!(till.agrees(side, Step::Compensate).await);
        assert_eq!(till.account().await, (400, 0, 0));
    }
}

#[tokio::test]
async fn frozen_money_is_not_spent_twice() {
    let till = Till::new(150).await;
    assert!(till.agrees(Side::Debit, Step::Try).await);
    let other = Order { branch: "other".to_owned(), ..order(Side::Debit, Step::Action) };
    let said = carry_out(&till.database, &other).await.unwrap();
    assert!(matches!(said, Said::Refused(_)), "{said:?}: only 50 are free");
    assert_eq!(till.account().await, (150, 100, 0));
}

#[tokio::test]
async fn whoever_asks_back_gets_an_answer_that_stays_true() {
    let till = Till::new(400).await;
    assert!(till.agrees(Side::Debit, Step::Send).await);
    assert!(till.agrees(Side::Debit, Step::Check).await);
    assert!(till.agrees(Side::Debit, Step::Check).await);
    let till = Till::new(400).await;
    assert!(!till.agrees(Side::Debit, Step::Check).await);
    assert!(!till.agrees(Side::Debit, Step::Check).await);
    assert!(!till.agrees(Side::Debit, Step::Send).await, "a no is kept");
    assert_eq!(till.account().await, (400, 0, 0));
}

#[tokio::test]
async fn sqlite_cannot_take_part_in_xa() {
    let till = Till::new(400).await;
    let error = xa::carry_out(&till.database, &order(Side::Debit, Step::Prepare)).await.unwrap_err();
    assert_eq!(error.to_string(), "SQLite cannot prepare a transaction");
}
