"""py-eureka-client driven over standard input and output: `client.py URL APP ID PORT`.

One command a line (list, status S, override S, clear-override, counters, leave), one JSON object a line as the answer.
"""

import json
import os
import sys
import threading

# The library logs to what standard output is when it is imported; that belongs to the answers.
ANSWERS, sys.stdout = sys.stdout, sys.stderr

from py_eureka_client import eureka_client  # noqa: E402

COUNTERS = {"full": 0, "delta": 0, "heartbeats": 0, "registrations": 0, "errors": 0}
FAILED_HERE = []


def count(key, function):
    """The library's own call, counted when it succeeded."""

    async def counted(*args, **kwargs):
        answer = await function(*args, **kwargs)
        COUNTERS[key] += 1
        return answer

    return counted


def count_library_calls():
    """The client resolves these module globals at each call, so that replacing them counts what it does by itself."""
    eureka_client.get_applications = count("full", eureka_client.get_applications)
    eureka_client.get_delta = count("delta", eureka_client.get_delta)
    eureka_client.send_heartbeat = count("heartbeats", eureka_client.send_heartbeat)
    eureka_client._register = count("registrations", eureka_client._register)


def on_error(kind, exception):
    COUNTERS["errors"] += 1
    if threading.current_thread() is threading.main_thread():
        FAILED_HERE.append(f"{kind}: {exception!r}")
    print(f"client error {kind}: {exception!r}", file=sys.stderr)


def listing(client):
    rows = [
        {"app": application.name, "id": instance.instanceId, "status": instance.status}
        for application in client.applications.applications
        for instance in application.instances
    ]
    return sorted(rows, key=lambda row: (row["app"], row["id"]))


def wait(call):
    """Runs a library call, again if needed: its lock fails when it meets its own heartbeat thread, and it only logs that."""
    for _ in range(5):
        FAILED_HERE.clear()
        eureka_client.get_event_loop().run_until_complete(call())
        if not FAILED_HERE:
            return
    raise RuntimeError(FAILED_HERE[-1])


def answer(client, words):
    match words:
        case ["list"]:
            return {"instances": listing(client)}
        case ["counters"]:
            return COUNTERS
        case ["status", status]:
            wait(lambda: client.register(status=status))
        case ["override", status]:
            wait(lambda: client.status_update(status))
        case ["clear-override"]:
            wait(client.delete_status_override)
        case ["leave"]:
            wait(client.stop)
        case _:
            return {"error": f"unknown command {words}"}
    return {"ok": True}


def main():
    url, app, instance_id, port = sys.argv[1:]
    count_library_calls()
    client = eureka_client.init(
        eureka_server=url,
        app_name=app,
        instance_id=instance_id,
        instance_host="127.0.0.1",
        instance_port=int(port),
        renewal_interval_in_secs=1,
        duration_in_secs=10,
        on_error=on_error,
    )

    def say(value):
        print(json.dumps(value), file=ANSWERS, flush=True)

    say({"ready": True})
    for line in sys.stdin:
        words = line.split()
        try:
            say(answer(client, words))
        except Exception as error:  # the test decides what an error means
            say({"error": repr(error)})
        if words == ["leave"]:
            # At once: the library's heartbeat thread goes on after stop() and would register again.
            os._exit(0)


main()
