//! Seata's own engine of state machines, with its tables in MariaDB: what its steps are called for, and what the server makes of what
//! it reports.
#![allow(clippy::print_stdout, reason = "a run tells its figures")]

use std::time::Duration;

use serde_json::Value;
use synod_e2e::wait::{now, wait_for};
use synod_e2e::{Ledger, Request, SeataClient, SeataVersion, Synod};

/// Longest time until the server has a machine carried on.
const CARRIED_ON: Duration = Duration::from_secs(20);

/// What Seata's engine keeps: machines, their runs, and the steps of these.
const TABLES: &str = "create table seata_state_machine_def(id varchar(32) primary key, name varchar(128) not null, \
    tenant_id varchar(32) not null, app_name varchar(32) not null, type varchar(20), comment_ varchar(255), \
    ver varchar(16) not null, gmt_create datetime(3) not null, status varchar(2) not null, content text, \
    recover_strategy varchar(16)); \
    create table seata_state_machine_inst(id varchar(128) primary key, machine_id varchar(32) not null, \
    tenant_id varchar(32) not null, parent_id varchar(128), gmt_started datetime(3) not null, business_key varchar(48), \
    start_params text, gmt_end datetime(3), excep blob, end_params text, status varchar(2), compensation_status varchar(2), \
    is_running tinyint(1), gmt_updated datetime(3) not null, unique key(business_key, tenant_id)); \
    create table seata_state_inst(id varchar(48) not null, machine_inst_id varchar(128) not null, name varchar(128) not null, \
    type varchar(20), service_name varchar(128), service_method varchar(128), service_type varchar(16), \
    business_key varchar(48), state_id_compensated_for varchar(50), state_id_retried_for varchar(50), \
    gmt_started datetime(3) not null, is_for_update tinyint(1), input_params text, output_params text, \
    status varchar(2) not null, excep blob, gmt_updated datetime(3), gmt_end datetime(3), primary key(id, machine_inst_id))";

/// A client whose machines say of each step that it is taken, or with `registers` false only how the whole stands, as by default.
fn every_scenario(version: SeataVersion, registers: bool) {
    let began = now();
    let node =
        Synod::start(&["registry.self.register=false", "face.seata.listen=127.0.0.1:0", "txn.retry=200ms"]);
    let ledger = Ledger::mariadb();
    ledger.sql(TABLES);
    let address = node.addresses()["seata"].clone();
    let registers = registers.to_string();
    let properties = [
        ("service.default.grouplist", &*address),
        ("client.rm.sagaBranchRegisterEnable", &*registers),
        ("client.rm.reportSuccessEnable", "true"),
    ];
    let mut client = SeataClient::start_with(version, "shop", &properties);
    let url = format!("jdbc:mysql://{}/bank?useSSL=false", ledger.address());
    client.ask("s", &["machines", &url, "root"]);
    let mut shop = Shop { node: &node, client };
    shop.all_steps_succeed();
    shop.a_step_throws_and_all_is_taken_back();
    shop.a_machine_that_stands_still_is_carried_on();
    shop.a_compensation_that_fails_is_repeated();
    println!("{version}, steps registered: {registers}: {:?}", began.elapsed());
}

#[test]
fn machines_of_the_newest_client() {
    every_scenario(SeataVersion::NEWEST, false);
}

#[test]
fn machines_of_the_oldest_client() {
    every_scenario(SeataVersion::OLDEST, true);
}

#[test]
fn machines_of_the_clients_between() {
    // 2.2.0 looks for the engine where its package for old programs keeps it, which only old programs fill.
    let whole = SeataVersion::between().iter().filter(|version| version.number != "2.2.0");
    whole.for_each(|version| every_scenario(*version, true));
}

#[test]
fn machines_whose_steps_are_registered() {
    every_scenario(SeataVersion::NEWEST, true);
}

struct Shop<'a> {
    node: &'a Synod,
    client: SeataClient,
}

impl Shop<'_> {
    /// Runs a machine; what it says of itself when it stands.
    #[track_caller]
    fn run(&mut self, machine: &str) -> Value {
        self.client.ask("s", &["run-machine", machine, "a book"])
    }

    /// The next calls of the machine's steps, and what they did.
    #[track_caller]
    fn called(&mut self, expected: &[&str]) {
        let mut call = || {
            let event = self.client.event(CARRIED_ON);
            assert_eq!(event["text"], "a book");
            let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            match &*word("does") {
                "succeed" => word("event"),
                does => format!("{} {does}s", word("event")),
            }
        };
        let calls: Vec<String> = expected.iter().map(|_| call()).collect();
        assert_eq!(calls, expected);
    }

    /// Waits until the server has ended a machine's transaction like this, with nobody called any more.
    #[track_caller]
    fn ended(&mut self, ran: &Value, status: &str) {
        let xid = ran["xid"].as_str().expect("a machine has an xid");
        let path = format!("/v1/transactions/{xid}");
        wait_for(CARRIED_ON, || {
            let found = self.node.send(&Request::get_json(&path)).expect(200);
            let found: Value = serde_json::from_slice(&found.body).expect("JSON");
            if found["status"] == status { Ok(()) } else { Err(format!("{found}")) }
        });
        assert_eq!(self.client.events(), [Value::Null; 0]);
    }

    fn all_steps_succeed(&mut self) {
        let ran = self.run("careful");
        assert_eq!((&ran["status"], &ran["compensation"]), (&"SU".into(), &Value::Null), "{ran}");
        self.called(&["take", "pay"]);
        self.ended(&ran, "committed");
    }

    fn a_step_throws_and_all_is_taken_back(&mut self) {
        self.client.ask("s", &["plan-step", "pay", "throw"]);
        let ran = self.run("careful");
        assert_eq!(ran["compensation"], "SU", "{ran}");
        self.called(&["take", "pay throws", "refund", "giveBack"]);
        self.ended(&ran, "rolled_back");
    }

    /// The machine says that it does not know; the server calls it until it does.
    fn a_machine_that_stands_still_is_carried_on(&mut self) {
        self.client.ask("s", &["plan-step", "pay", "throw", "throw"]);
        let ran = self.run("stubborn");
        assert_eq!((&ran["status"], &ran["compensation"]), (&"UN".into(), &Value::Null), "{ran}");
        self.called(&["take", "pay throws", "pay throws", "pay"]);
        self.ended(&ran, "committed");
    }

    fn a_compensation_that_fails_is_repeated(&mut self) {
        self.client.ask("s", &["plan-step", "pay", "throw"]);
        self.client.ask("s", &["plan-step", "giveBack", "throw", "throw"]);
        let ran = self.run("careful");
        assert_eq!(ran["compensation"], "UN", "{ran}");
        self.called(&["take", "pay throws", "refund", "giveBack throws", "giveBack throws", "giveBack"]);
        self.ended(&ran, "rolled_back");
    }
}
