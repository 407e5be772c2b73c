"""PyPI's dtmcli as transaction manager, with participants of its own: `dtm_client.py HOST:PORT [SCENARIO]...`.

Prints one JSON object a line for each scenario, in the shape of the Go client's: what the participants saw, what the SDK
told its caller, and what /query says in the end. Names of this run are replaced by words.
"""

import json
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# The SDK prints stack traces to what standard output and error are; the answers are ours alone.
ANSWERS, sys.stdout = sys.stdout, sys.stderr

import requests  # noqa: E402
from dtmcli import msg, saga, tcc, utils  # noqa: E402

DONE = (200, '{"dtm_result":"SUCCESS"}')
REFUSED = (409, '{"error":"no money"}')
ONGOING = (425, '{"error":"not yet"}')
TRIALS = {}


class Trial:
    """One run of a scenario."""

    def __init__(self, dtm, url, name):
        self.dtm, self.url, self.name = dtm, url, name
        self.gid = utils.gen_gid(dtm)
        self.calls, self.error, self.answers = [], "", {}
        self.lock = threading.Lock()
        TRIALS[self.gid] = self

    def on(self, path, *answers):
        """What a participant answers, one after the other; the last one from then on."""
        self.answers[path] = list(answers)

    def serve(self, line, path):
        with self.lock:
            self.calls.append(line.strip())
            answers = self.answers.get(path, [DONE])
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def words(self, text):
        text = text.replace(self.gid, "GID").replace(urlsplit(self.dtm).netloc, "DTM")
        return re.sub(r"127\.0\.0\.1:\d+", "PARTICIPANT", text)

    def outcome(self):
        """Waits for the end."""
        deadline = time.monotonic() + 60
        while True:
            shown = requests.get(self.dtm + "/query", params={"gid": self.gid}).json()
            transaction = shown["transaction"] or {}
            if transaction.get("status") in ("succeed", "failed") or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        row = {
            "scenario": self.name,
            "transport": "python",
            "error": self.words(self.error),
            "calls": self.calls,
            "status": transaction.get("status", ""),
            "branches": [f"{b['branch_id']} {b['op']} {b['status']}" for b in shown["branches"]],
        }
        if transaction.get("rollback_reason"):
            row["reason"] = self.words(transaction["rollback_reason"])
        return row


class Participant(BaseHTTPRequestHandler):
    def answer(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        line = f"{self.command} {url.path} {query.get('branch_id', '')} {query.get('op', '')} {body}"
        trial = TRIALS.get(query.get("gid"))
        status, text = trial.serve(line, url.path) if trial else (500, "this transaction is over")
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


def told(trial, call):
    """Takes down what the SDK tells its caller."""
    try:
        call()
    except Exception as error:
        trial.error = f"{type(error).__name__}: {error}"


def new_saga(trial):
    it = saga.Saga(trial.dtm, trial.gid)
    it.add({"amount": 30}, trial.url + "/a1", trial.url + "/c1")
    it.add({"amount": 31}, trial.url + "/a2", trial.url + "/c2")
    it.trans_base.retry_interval = 1
    return it


def saga_ok(trial):
    told(trial, new_saga(trial).submit)


def saga_rollback(trial):
    trial.on("/a2", REFUSED)
    told(trial, new_saga(trial).submit)


def saga_ongoing(trial):
    trial.on("/a1", ONGOING, DONE)
    told(trial, new_saga(trial).submit)


def saga_wait_failure(trial):
    trial.on("/a2", REFUSED)
    it = new_saga(trial)
    it.trans_base.wait_result = True
    told(trial, it.submit)


def run_tcc(trial):
    def business(it):
        for name in "1", "2":
            urls = [trial.url + "/" + op + name for op in ("try", "confirm", "cancel")]
            it.call_branch({"amount": 30}, *urls)

    gid = tcc.tcc_global_transaction(trial.dtm, trial.gid, business)
    trial.error = "" if gid == trial.gid else "rolled back"


def tcc_ok(trial):
    run_tcc(trial)


def tcc_cancel(trial):
    trial.on("/try2", REFUSED)
    run_tcc(trial)


def new_msg(trial):
    it = msg.Msg(trial.dtm, trial.gid)
    it.add({"amount": 30}, trial.url + "/a1")
    it.add({"amount": 31}, trial.url + "/a2")
    it.trans_base.timeout_to_fail = it.trans_base.retry_interval = 1
    return it


def msg_ok(trial):
    told(trial, lambda: new_msg(trial).do_and_submit(trial.url + "/check", lambda barrier: None))


def msg_refused(trial):
    def business(barrier):
        raise utils.DTMFailureError("no money")

    told(trial, lambda: new_msg(trial).do_and_submit(trial.url + "/check", business))


def msg_back_check_yes(trial):
    told(trial, lambda: new_msg(trial).prepare(trial.url + "/check"))


def msg_back_check_no(trial):
    trial.on("/check", REFUSED)
    told(trial, lambda: new_msg(trial).prepare(trial.url + "/check"))


SCENARIOS = [
    saga_ok,
    saga_rollback,
    saga_ongoing,
    saga_wait_failure,
    tcc_ok,
    tcc_cancel,
    msg_ok,
    msg_refused,
    msg_back_check_yes,
    msg_back_check_no,
]


def main():
    address, *names = sys.argv[1:]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Participant)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    for scenario in SCENARIOS:
        if names and scenario.__name__ not in names:
            continue
        trial = Trial(f"http://{address}/api/dtmsvr", url, scenario.__name__)
        scenario(trial)
        print(json.dumps(trial.outcome()), file=ANSWERS, flush=True)


main()
