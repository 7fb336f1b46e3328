#!/usr/bin/env python3
"""What a tenant hears of its tasks, and the lanes that they take, on the real executable: lanes.py AION NAME."""
import datetime
import json
import os
import pathlib
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mesh import SOURCE, descendants, eventually, gone, has, run_scenario, same  # noqa: E402

WHOLE_LIFE = ["accepted", "routed", "queued", "started", "succeeded"]


class Listener:
    """GET /v1/tasks:watch as an event stream, read by a thread; an error event's data is in `error`."""

    def __init__(self, mesh, query="", key=None):
        request = urllib.request.Request(mesh.env["AION_URL"] + "/v1/tasks:watch" + query)
        request.add_header("Authorization", "Bearer " + (key or mesh.env["AION_API_KEY"]))
        request.add_header("Accept", "text/event-stream")
        self.events, self.error, self.ended = [], None, False
        self.answer = urllib.request.urlopen(request, timeout=60)  # pylint: disable=consider-using-with
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        failed = False
        for line in self.answer:
            text = line.decode().strip()
            failed = failed or text == "event: error"
            if text.startswith("data: "):
                value = json.loads(text.removeprefix("data: "))
                if failed:
                    self.error = value
                else:
                    self.events.append(value)
        self.ended = True

    def kinds(self, task_id):
        return [event["kind"] for event in self.events if event["taskId"] == task_id]


def time_of(seconds_ago):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def watch_tasks(mesh):
    """A tenant hears its own tasks, live and of the past, over HTTP and by the command line; a restart of control ends what
    listened, and whoever begins anew with a time has missed nothing."""
    mesh.write_keys("key-of-one-tenant@one:user", "key-of-the-other@other:user", "key-of-an-admin-here@default:admin")
    mesh.up()
    same(mesh.env["AION_API_KEY"], "key-of-one-tenant")
    own, other = Listener(mesh, key="key-of-one-tenant"), Listener(mesh, key="key-of-the-other")
    ends = Listener(mesh, "?states=TASK_STATE_SUCCEEDED&tenant=*", key="key-of-an-admin-here")

    def submit(key):
        answer = mesh.http("POST", "/v1/tasks", {"intent": "noop"}, {"Authorization": "Bearer " + key, "Prefer": "wait=20"})
        same(answer.status, 200, answer.body)
        return answer.json()["taskId"]

    mine = [submit("key-of-one-tenant") for _ in range(5)]
    his = submit("key-of-the-other")
    eventually("the ends", lambda: len(ends.events) == 6)
    eventually("whole lives", lambda: all(own.kinds(task) == WHOLE_LIFE for task in mine) and other.kinds(his) == WHOLE_LIFE)
    same({event["taskId"] for event in own.events}, set(mine))
    same({event["taskId"] for event in other.events}, {his})
    same({event["tenant"] for event in ends.events}, {"one", "other"})
    refused = mesh.http("GET", "/v1/tasks:watch?tenant=other", headers={"Authorization": "Bearer key-of-one-tenant"})
    same(refused.status, 403, refused.body)
    past = Listener(mesh, f"?since={time_of(600)}", key="key-of-one-tenant")
    eventually("the past", lambda: len(past.events) == 25)
    same(len({(event["taskId"], event["sequence"]) for event in past.events}), 25)

    command = subprocess.Popen([mesh.executable, "tasks", "watch", "--state", "succeeded", "--since", "10m", "-o", "json",
                                "--home", mesh.home], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    shown = submit("key-of-an-admin-here")
    event = json.loads(command.stdout.readline())
    same((event["taskId"], event["kind"]), (shown, "succeeded"))

    before = mesh.pid("control")
    os.kill(before, 15)
    eventually("the end of those that listened", lambda: own.ended and past.ended)
    has(json.dumps(own.error), "stopping")
    same(command.wait(20), 3, command.stderr.read())
    eventually("the next control", lambda: mesh.pid("control") not in (0, before), 20)
    mesh.wait_ready()
    mine.append(submit("key-of-one-tenant"))
    anew = Listener(mesh, f"?since={time_of(600)}", key="key-of-one-tenant")
    eventually("all of it", lambda: all(anew.kinds(task) == WHOLE_LIFE for task in mine))


def whose(mesh):
    """What an operator sees in the list of all tenants' tasks can be looked at, read and ended by its id, over HTTP and at a
    shell; to another tenant's key it is not there, in the words of one that never was."""
    mesh.write_keys("key-of-one-tenant@one:user", "key-of-the-other@other:manager", "key-of-an-admin-here@default:admin")
    mesh.up()
    document = (SOURCE / "tests/data/us-constitution.txt").read_text()

    def ask(key, method, path, body=None, wait=20):
        return mesh.http(method, path, body, {"Authorization": "Bearer " + key, "Prefer": f"wait={wait}"})

    done = ask("key-of-one-tenant", "POST", "/v1/tasks", {"intent": "summarize_text", "params": {"text": document, "length": 2}})
    text = done.json()["result"]["text"]
    mesh.run("tasks", "hold", "--tenant", "one", "--reason", "to be ended", check=True)
    held = ask("key-of-one-tenant", "POST", "/v1/tasks", {"intent": "noop"}, 0).json()["taskId"]
    task, never = done.json()["taskId"], "01a214d5-6f83-70ae-9cd6-0bed6b7252ea"
    for method, path in (("GET", "/v1/tasks/{}"), ("GET", "/v1/tasks/{}/status"), ("GET", "/v1/stream/{}"), ("DELETE", "/v1/tasks/{}"),
                         ("POST", "/v1/stream/{}:ack")):
        body = {"cursor": 1} if method == "POST" else None
        refused, missing = (ask("key-of-the-other", method, path.format(one), body) for one in (task, never))
        same((refused.status, refused.reason()), (404, "TASK_NOT_FOUND"), f"{method} {path}: {refused.body}")
        same(refused.body.decode().replace(task, never), missing.body.decode(), path)

    same(ask("key-of-an-admin-here", "GET", f"/v1/tasks/{task}").json()["tenant"], "one")
    same(ask("key-of-an-admin-here", "GET", f"/v1/tasks/{task}/status").json()["state"], "TASK_STATE_SUCCEEDED")
    has(ask("key-of-an-admin-here", "GET", f"/v1/stream/{task}").body.decode(), json.dumps(text[:40])[1:-1])
    listed = [row["taskId"] for row in json.loads(mesh.run("tasks", "list", "--tenant", "*", "-o", "json", check=True).stdout)["tasks"]]
    same(set(listed), {task, held})
    for one in listed:
        same(json.loads(mesh.run("tasks", "get", one, "-o", "json", check=True).stdout)["tenant"], "one")
        has(mesh.run("explain", one, check=True).stdout, "of tenant one")
    has(mesh.run("tasks", "watch", task, check=True).stdout, text)
    same(mesh.run("tasks", "cancel", held, "--reason", "enough").returncode, 0)
    same(ask("key-of-one-tenant", "GET", f"/v1/tasks/{held}").json()["state"], "TASK_STATE_CANCELLED")
    has(mesh.run("audit", "list", "-o", "json", check=True).stdout, f"task/{held}")


DIRECT = """version: 1
default: {privacy: local_only}
routes:
  - {name: drip, intents: [drip, drip.kept], module: drip, timeout: 30s, cost_nano_usd: 1000}
  - {name: noop, intents: [noop], module: noop, cost_nano_usd: 1000}
rules:
  - {name: interactive, when: {intent: drip}, use: [drip], lane: direct}
  - {name: short, when: {intent: noop}, use: [noop], lane: direct}
"""


def metric(mesh, name):
    lines = [line for line in mesh.admin("control", "/metrics").splitlines() if line.startswith(name + " ")]
    return int(float(lines[0].split()[1])) if lines else 0


def ledger_sum(mesh):
    """(entries, their sum) of the whole ledger in the store's file."""
    with sqlite3.connect(f"file:{mesh.home}/aion.db?mode=ro", uri=True) as database:
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 'ledger%'")]
        rows = [database.execute(f"SELECT count(*), coalesce(sum(nano_usd), 0) FROM {name}").fetchone() for name in names]
    return sum(row[0] for row in rows), sum(row[1] for row in rows)


def states(mesh):
    return {row["taskId"]: row["state"].removeprefix("TASK_STATE_") for row in mesh.listed()}


def workers(mesh, module):
    """Processes of a module under the host."""
    def runs(pid):
        try:
            return os.path.basename(os.readlink(f"/proc/{pid}/exe")) == module
        except OSError:
            return False
    return {pid for pid in descendants(mesh.status()["pid"]) if runs(pid)}


def open_call(mesh, seconds):
    """A direct call under way that drips for so long; the connection."""
    body = json.dumps({"intent": "drip", "params": {"lines": seconds * 20, "pause_ms": 50}}).encode()
    host, port = mesh.env["AION_URL"].removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=40)
    connection.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nPrefer: wait=40\r\n"
                       b"Authorization: Bearer " + mesh.env["AION_API_KEY"].encode()
                       + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    return connection


def running(mesh):
    return metric(mesh, 'aion_control_tasks{state="RUNNING"}')


def direct(mesh):
    """Direct tasks run without a row before, are recorded and paid for once, and end with their call, whoever ends that."""
    mesh.write_policy(DIRECT)
    mesh.up("--modules", mesh.own_modules("drip", "noop"))
    same(mesh.http("POST", "/v1/budgets/b", {"period": "PERIOD_TOTAL", "limitNanoUsd": "1000000"}).status, 200)
    listener = Listener(mesh)

    done = [mesh.submit() for _ in range(20)]
    same({answer.json()["state"] for answer in done}, {"TASK_STATE_SUCCEEDED"})
    same(metric(mesh, "aion_control_direct_tasks_total"), 20)
    same(mesh.http("GET", f"/v1/tasks/{done[-1].json()['taskId']}").json()["state"], "TASK_STATE_SUCCEEDED")
    eventually("whole lives", lambda: all(listener.kinds(answer.json()["taskId"]) == WHOLE_LIFE for answer in done))
    kept = mesh.submit("drip.kept", params={"lines": 1, "pause_ms": 0}).json()
    same((kept["state"], metric(mesh, "aion_control_direct_tasks_total")), ("TASK_STATE_SUCCEEDED", 20))
    same(ledger_sum(mesh), (21 * 4, 0))

    connection = open_call(mesh, 30)  # its client goes away
    eventually("it runs", lambda: running(mesh) == 1)
    before = workers(mesh, "drip")
    same(len(states(mesh)), 21)
    connection.close()
    eventually("the end of the work", lambda: any(gone(pid) for pid in before) and running(mesh) == 0)
    eventually("the record", lambda: sorted(states(mesh).values()).count("CANCELLED") == 1)

    over = mesh.http("POST", "/v1/tasks", {"intent": "drip", "params": {"lines": 1000, "pause_ms": 50}}, {"Prefer": "wait=1"})
    same((over.status, over.json()["state"]), (200, "TASK_STATE_EXPIRED"))

    connection = open_call(mesh, 30)  # control dies in the midst
    eventually("it runs", lambda: running(mesh) == 1)
    before = mesh.pid("control")
    os.kill(before, 9)
    answer = connection.recv(65536).decode()
    has(answer.split("\r\n")[0], "503")
    eventually("the next control", lambda: mesh.pid("control") not in (0, before), 20)
    mesh.wait_ready()
    after = mesh.http("POST", "/v1/tasks", {"intent": "drip", "params": {"lines": 1, "pause_ms": 0}}, {"Prefer": "wait=20"})
    same((after.status, after.json()["state"]), (200, "TASK_STATE_SUCCEEDED"))
    eventually("all is recorded", lambda: metric(mesh, "aion_control_direct_unrecorded") == 0 and len(states(mesh)) == 24)
    same(set(states(mesh).values()), {"SUCCEEDED", "CANCELLED", "EXPIRED"})
    same(ledger_sum(mesh)[1], 0)
    now = mesh.http("GET", "/v1/budgets/b").json()
    same((now["spentNanoUsd"], now.get("reservedNanoUsd", "0"), now["leftNanoUsd"]), ("22000", "0", "978000"))

    connection = open_call(mesh, 30)  # control stops in good order
    eventually("it runs", lambda: running(mesh) == 1)
    before = mesh.pid("control")
    os.kill(before, 15)
    has(connection.recv(65536).decode().split("\r\n")[0], "503")
    eventually("the next control", lambda: mesh.pid("control") not in (0, before), 20)
    mesh.wait_ready()
    same(sorted(states(mesh).values()).count("CANCELLED"), 2)
    same(ledger_sum(mesh)[1], 0)


REFUSING = """version: 1
default: {privacy: local_only}
routes:
  - {name: noop, intents: [noop], module: noop, cost_nano_usd: 1000}
  - {name: closed, intents: [noop.closed], module: noop}
rules:
  - {name: nobody, when: {intent: noop.closed}, deny: "closed for now"}
"""


def refusals(mesh):
    """What limits, budgets and the policy refuse is kept with its inputs; denials stand in the audit log; a flood is bounded."""
    mesh.write_policy(REFUSING)
    mesh.up()
    same(mesh.http("POST", "/v1/budgets/small", {"period": "PERIOD_TOTAL", "limitNanoUsd": "1000"}).status, 200)
    same(mesh.submit().json()["state"], "TASK_STATE_SUCCEEDED")
    same(mesh.submit().reason(), "BUDGET_EXHAUSTED")
    began = time.monotonic()
    denied = mesh.submit("noop.closed")
    same((denied.status, denied.reason()), (403, "DENIED_BY_POLICY"))
    batch = mesh.http("POST", "/v1/tasks:batch", {"requests": [{"intent": "noop.closed"}] * 999 + [{"intent": "no.such"}]}).json()
    took = time.monotonic() - began
    same({outcome["error"]["reason"] for outcome in batch["outcomes"]}, {"DENIED_BY_POLICY", "INTENT_UNKNOWN"})
    same(mesh.submit("Bad Intent").status, 400)

    def kept():
        with sqlite3.connect(f"file:{mesh.home}/aion.db?mode=ro", uri=True) as database:
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE name LIKE 'arrival%' AND type='table'")]
            return [row for name in names for row in database.execute(
                f"SELECT intent, reason, limit_id, lane, body_bytes > 0, tenant FROM {name}")]

    def arrivals(outcome):
        return metric(mesh, f'aion_control_arrivals_total{{outcome="{outcome}"}}')

    eventually("the arrivals", lambda: arrivals("written") + arrivals("dropped") == 1002)
    rows = kept()
    same(len(rows), arrivals("written"))
    assert len(rows) >= 900, len(rows)
    assert ("noop", "BUDGET_EXHAUSTED", "small", "durable", 1, "default") in rows, rows[:5]
    assert ("noop.closed", "DENIED_BY_POLICY", "", "durable", 1, "default") in rows
    same({row[1] for row in rows} <= {"BUDGET_EXHAUSTED", "DENIED_BY_POLICY", "INTENT_UNKNOWN"}, True)

    def audited():
        lines = mesh.http("GET", "/v1/audit?page.size=1000").json()["lines"]
        return [line for line in lines if line["result"] == "PERMISSION_DENIED"]

    eventually("the denials", lambda: len(audited()) + metric(mesh, "aion_control_audit_dropped_total") == 1000)
    has(audited()[0]["reason"], "closed for now")
    assert 100 <= len(audited()) <= 100 * (took + 2), f"{len(audited())} refusals of {took:.1f} s were told"
    same(mesh.http("POST", "/v1/audit:verify", {}).json()["valid"], True)


if __name__ == "__main__":
    run_scenario(globals())
