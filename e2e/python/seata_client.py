"""PyPI's seata-python in AT mode: `seata_client.py SERVER DATABASE_HOST DATABASE_PORT commit|rollback NUMBER`.

One global transaction gives 30 to an account in MariaDB and opens the next one. Prints what it was told in one JSON object,
and stays for phase two until its input ends. One transaction a process: the client keeps a thread in the one that it began.
An update takes the whole table for changed, so that there is one of them; an insert needs parameters; and a delete deletes
nothing.
"""

import json
import os
import sys
import tempfile

# The client prints what it does; the answer is ours alone.
ANSWERS, sys.stdout = sys.stdout, sys.stderr

SERVER, HOST, PORT, END, NUMBER = sys.argv[1:]
CONFIGURATION = {
    "application-id": "python",
    "tx-service-group": "synod",
    "config": {"type": "file"},
    "registry": {"type": "file"},
    "client": {
        "rm": {
            "report-retry-count": 5,
            "table-meta-check-enable": False,
            "report-success-enable": False,
            "lock": {"retry-interval": 0.01, "retry-times": 30, "retry-policy-branch-rollback-on-conflict": True},
        },
        "tm": {"commit-retry-count": 5, "rollback-retry-count": 5, "default-global-transaction-timeout": 60000},
        "undo": {"data-validation": True, "log-table": "undo_log", "only-care-update-columns": True},
    },
    "service": {"vgroupMapping": {"synod": "default"}, "grouplist": {"default": SERVER}},
}
with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
    # JSON is YAML.
    json.dump(CONFIGURATION, file)
    file.flush()
    os.environ["config.name"] = file.name
    from seata.config.Config import ConfigFactory  # noqa: E402

    ConfigFactory.get_config()

import pymysql  # noqa: E402
from dbutils.pooled_db import PooledDB  # noqa: E402
from seata.boot.GlobalTransactionScanner import GlobalTransactionScanner  # noqa: E402
from seata.rm.datasource.DataSourceProxy import DataSourceProxy  # noqa: E402
from seata.tm.TransactionalTemplate import GlobalTransactional  # noqa: E402
from seata.tm.api.TransactionalExecutor import TransactionalExecutor  # noqa: E402

STATEMENTS = [
    ("update account set balance = balance + %s where id = %s", (30, int(NUMBER))),
    ("insert into account(id, owner, balance) values(%s, %s, %s)", (int(NUMBER) + 1, "python", 7)),
]


def work(bank):
    for statement, parameters in STATEMENTS:
        connection = bank.connection()
        cursor = connection.cursor()
        cursor.execute(statement, parameters)
        connection.commit()
        cursor.close()
        connection.close()
    if END == "rollback":
        raise RuntimeError("told to roll back")


def main():
    GlobalTransactionScanner()
    pool = PooledDB(pymysql, host=HOST, port=int(PORT), user="root", password="", database="bank", maxconnections=4)
    bank = DataSourceProxy(pool, "mysql")
    try:
        GlobalTransactional(timeout=60000, name="python")(work)(bank)
        answer = {"code": "CommitDone"}
    except TransactionalExecutor.ExecutionException as outcome:
        answer = {"code": outcome.code.name, "status": outcome.tx.status.name}
    except Exception as failure:
        answer = {"error": repr(failure)}
    print(json.dumps(answer), file=ANSWERS, flush=True)
    sys.stdin.read()
    # Its threads run for ever.
    os._exit(0)


main()
