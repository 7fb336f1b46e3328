#!/usr/bin/env python3
"""kill -9 of any process of the mesh, again and again, under load: mesh_kill.py AION KILLS [SEED]

On SQLite; run by tests/servers/postgres.sh with tcp durable -- it is on that PostgreSQL, whose server is killed, too.

Writers submit tasks with idempotency keys and repeat what was not answered; readers follow streams and come back with
their cursor. At the end: every acknowledged task has succeeded, once, with the right result; every stream was read
without gap or double; the same key never gave two tasks; each task that succeeded is paid for once; the audit log is whole.
The ledger of what was acknowledged lives here, outside."""
import http.client
import json
import os
import pathlib
import random
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenario"))
from mesh import FINAL, Mesh, descendants, eventually  # noqa: E402
from readers import drip_text  # noqa: E402

POLICY = """version: 1
default: {privacy: local_only}
routes:
  - {name: drip, intents: [drip], module: drip, tier: local, pool: cpu, timeout: 30s, attempts: 10, cost_nano_usd: 5000}
  - {name: noop, intents: [noop], module: noop, tier: local, pool: cpu, timeout: 10s, attempts: 10, cost_nano_usd: 1000}
"""
PRICES = {"drip": 5000, "noop": 1000}
LIMIT = 10**12  # nano-USD of the budget that pays for all of it
POSTGRES_URL = os.environ.get("AION_TEST_POSTGRES_URL")  # with the script and the folder of its server beside it
WRITERS, READERS = 6, 4
LEASE = 10  # of a host, in seconds: control's default
LINES, PAUSE_MS, WIDTH = 30, 20, 32


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.acknowledged = {}  # task id -> text its result must have
        self.succeeded = {"drip": 0, "noop": 0}  # as the tasks themselves say, at the end
        self.repeats = self.resumes = self.restarts = self.streams = 0
        self.faults = []

    def fault(self, text):
        with self.lock:
            self.faults.append(text)


class Client:
    """A keep-alive HTTP client that is told of every failure: retrying is the caller's business."""

    def __init__(self, mesh):
        self.host = mesh.env["AION_URL"].removeprefix("http://")
        self.key = mesh.env["AION_API_KEY"]
        self.connection = None

    def open(self, method, path, body=None, headers=None):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, timeout=20)
        sent = {"Authorization": "Bearer " + self.key, "Content-Type": "application/json", **(headers or {})}
        try:
            self.connection.request(method, path, json.dumps(body) if body is not None else None, sent)
            return self.connection.getresponse()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def ask(self, method, path, body=None, headers=None):
        """(status, json) or None when there was no whole answer."""
        try:
            answer = self.open(method, path, body, headers)
            text = answer.read()
            return answer.status, json.loads(text)
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return None


def submit(client, ledger, body, key, stop_at):
    """The id, however often it takes: the key makes repeating safe. None: time is up, so it was never acknowledged."""
    ids, refusals = set(), {429, 500, 502, 503, 504}
    while time.monotonic() < stop_at:
        answer = client.ask("POST", "/v1/tasks", body, {"Idempotency-Key": key})
        if answer is not None and answer[0] in (200, 202):
            ids.add(answer[1]["taskId"])
            if len(ids) > 1:
                ledger.fault(f"key {key} gave two tasks: {ids}")
            return answer[1]["taskId"]
        if answer is not None and answer[0] not in refusals:
            ledger.fault(f"submit answered {answer}")
            return None
        with ledger.lock:
            ledger.repeats += 1
        time.sleep(0.05)
    return None


def write_tasks(mesh, ledger, stop):
    client = Client(mesh)
    while not stop.is_set():
        text, key = uuid.uuid4().hex, uuid.uuid4().hex
        task_id = submit(client, ledger, {"intent": "noop", "params": {"text": text}}, key, time.monotonic() + 60)
        if task_id is None:
            continue
        with ledger.lock:
            ledger.acknowledged[task_id] = text
        if random.random() < 0.2:  # the answer was lost, as far as the client knows: it asks again
            again = submit(client, ledger, {"intent": "noop", "params": {"text": text}}, key, time.monotonic() + 60)
            if again is not None and again != task_id:
                ledger.fault(f"key {key} gave {task_id}, then {again}")
        time.sleep(0.02)


class Reader:
    """One stream, read to its end over as many connections as it takes."""

    def __init__(self, ledger, task_id):
        self.ledger, self.task_id = ledger, task_id
        self.pieces = []  # (cursor, text)
        self.cursor = 0
        self.final = None

    def take(self, cursor, chunk):
        if cursor <= self.cursor:
            self.ledger.fault(f"{self.task_id}: cursor {cursor} after {self.cursor}")
        self.cursor = cursor
        if chunk.get("gap"):
            self.ledger.fault(f"{self.task_id}: gap at {cursor}")
        if "restart" in chunk:
            self.ledger.restarts += 1
            discard_from = int(chunk["restart"].get("discardFrom", 0))
            self.pieces = [piece for piece in self.pieces if piece[0] < discard_from]
        if "final" in chunk:
            self.final = chunk["final"]["state"]
        elif "text" in chunk:
            self.pieces.append((cursor, chunk["text"]))

    def events(self, answer):
        cursor, data = None, None
        for raw in answer:
            line = raw.decode().rstrip("\r\n")
            if line.startswith("id:"):
                cursor = int(line[3:])
            elif line.startswith("data:"):
                data = line[5:]
            elif line == "" and data is not None:
                if cursor is not None:
                    self.take(cursor, json.loads(data))
                cursor = data = None

    def read(self, client, stop_at):
        first = True
        while self.final is None and time.monotonic() < stop_at:
            if not first:
                self.ledger.resumes += 1
                time.sleep(0.05)
            first = False
            headers = {"Accept": "text/event-stream"}
            if self.cursor:
                headers["Last-Event-ID"] = str(self.cursor)
            try:
                answer = client.open("GET", f"/v1/stream/{self.task_id}", headers=headers)
                if answer.status == 200:
                    self.events(answer)
                elif answer.status not in (429, 500, 502, 503, 504):
                    self.ledger.fault(f"{self.task_id}: stream answered {answer.status} {answer.read()}")
                    return
            except (OSError, http.client.HTTPException, ValueError):
                pass
            client.close()


def read_streams(mesh, ledger, stop):
    client, wanted = Client(mesh), drip_text(LINES, WIDTH)
    body = {"intent": "drip", "params": {"lines": LINES, "pause_ms": PAUSE_MS, "width": WIDTH}}
    while not stop.is_set():
        task_id = submit(client, ledger, body, uuid.uuid4().hex, time.monotonic() + 60)
        if task_id is None:
            continue
        with ledger.lock:
            ledger.acknowledged[task_id] = wanted
        reader = Reader(ledger, task_id)
        reader.read(client, time.monotonic() + 90)
        ledger.streams += 1
        got = "".join(text for _, text in reader.pieces)
        if reader.final != "TASK_STATE_SUCCEEDED" or got != wanted:
            ledger.fault(f"{task_id}: stream ended {reader.final} with {len(got)} of {len(wanted)} bytes")


def kill_postgres():
    """The server and its backends, as a power switch would; it is started again at once."""
    script, folder = os.environ["AION_TEST_POSTGRES"], os.environ["AION_TEST_POSTGRES_DIR"]
    for command in ("kill", "start"):
        subprocess.run([script, command, folder], capture_output=True, check=True)


def strike(mesh, name, counts):
    """kill -9 of the process of that name, of any "module", of "postgres"; counted. False: there is none now."""
    if name == "postgres":
        kill_postgres()
    else:
        pids = {p["name"]: p["pid"] for p in mesh.status()["processes"] if p["pid"] > 0}
        victims = [pid for other, pid in pids.items() if other == name]
        if name == "module":
            victims = descendants(pids.get("host-1", -1))[1:]  # behind its spawner
        try:
            os.kill(random.choice(victims), signal.SIGKILL)
        except (IndexError, ProcessLookupError):
            return False
    counts[name] = counts.get(name, 0) + 1
    return True


def kill_some(mesh, kills):
    """Kills at random moments; a process is struck again only once it is up again."""
    counts, names = {}, ["control", "control", "router", "host-1", "gateway", "retention", "module"]
    if POSTGRES_URL:
        names += ["postgres", "postgres"]
    while sum(counts.values()) < kills:
        name = random.choice(names)
        if not strike(mesh, name, counts):
            time.sleep(0.05)
            continue
        if name == "postgres":
            continue
        time.sleep(random.uniform(0.1, 0.9))
        if random.random() < 0.5:
            mesh.wait_ready(30)
    mesh.wait_ready(30)
    return counts


def judge(mesh, ledger):
    """Every acknowledged task: succeeded, with its own result, by one committed outcome, soon enough."""
    client = Client(mesh)
    until = time.monotonic() + 2 * LEASE
    for task_id, text in ledger.acknowledged.items():
        answer = None

        def final():
            nonlocal answer
            answer = client.ask("GET", f"/v1/tasks/{task_id}")
            return answer is not None and answer[0] == 200 and answer[1]["state"] in FINAL
        eventually(f"task {task_id} is final after twice a host's lease", final, max(until - time.monotonic(), 1))
        task = answer[1]
        if task["state"] != "TASK_STATE_SUCCEEDED" or task["result"]["text"] != text:
            ledger.fault(f"{task_id}: {task['state']} {task.get('error')}")
        finals = [event for event in task["events"] if event["state"] in FINAL]
        if len(finals) != 1:
            ledger.fault(f"{task_id}: {len(finals)} final events")


def judge_money(mesh, ledger):
    """Each task that succeeded is paid for once, nothing is left reserved; and the audit log is whole."""
    client, after = Client(mesh), ""
    while True:
        page = client.ask("GET", "/v1/tasks?pageSize=1000" + (f"&pageToken={after}" if after else ""))[1]
        for task in page.get("tasks", []):
            ledger.succeeded[task["intent"]] += task["state"] == "TASK_STATE_SUCCEEDED"
        after = page.get("nextPageToken")
        if not after:
            break
    due = sum(PRICES[intent] * count for intent, count in ledger.succeeded.items())
    budget = client.ask("GET", "/v1/budgets/kill-loop")[1]
    spent, reserved = int(budget.get("spentNanoUsd", 0)), int(budget.get("reservedNanoUsd", 0))
    if spent != due or reserved != 0:
        ledger.fault(f"money: {spent} spent and {reserved} reserved, {due} due for {ledger.succeeded}")
    verdict = client.ask("POST", "/v1/audit:verify", {})[1]
    if not verdict.get("valid"):
        ledger.fault(f"the audit log: {verdict}")


def ends(mesh, name):
    """What the supervisor wrote of the ends of a process."""
    logs = pathlib.Path(mesh.home, "logs").glob(name + ".log*")
    return [line for log in logs for line in log.read_text(errors="replace").splitlines() if "; restarted in" in line]


class Sqlite:
    """The database file: a table is the tables of its windows."""

    def __init__(self, home):
        self.db = sqlite3.connect(f"file:{home}/aion.db?mode=ro", uri=True)

    def sum(self, table, what="1", where="true"):
        names = [name for name, in self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                 if re.fullmatch(table + "(_(w[0-9]+|k[0-9]+|kept))?", name)]
        return sum(self.db.execute(f"SELECT coalesce(sum({what}), 0) FROM {name} WHERE {where}").fetchone()[0] for name in names)

    def close(self):
        self.db.close()


class Postgres:
    """The server of tests/servers/postgres.sh: a table is its partitions, and what was kept of windows that went."""

    def __init__(self, url):
        self.url = url

    def ask(self, query):
        done = subprocess.run(["psql", "-X", "-Atq", self.url, "-c", "SET search_path = aion", "-c", query], capture_output=True,
                              text=True, check=True)
        return done.stdout.strip()

    def sum(self, table, what="1", where="true"):
        names = self.ask(f"SELECT tablename FROM pg_tables WHERE schemaname = 'aion' AND tablename IN ('{table}', '{table}_kept')")
        return sum(int(self.ask(f"SELECT coalesce(sum({what}), 0) FROM {name} WHERE {where}")) for name in names.split())

    def close(self):
        pass


def judge_store(db, ledger):
    """The database itself: as many tasks as keys, an outcome each, one beginning and one end of each told; and the books' sum."""
    tasks, outcomes, keys = (db.sum(table) for table in ("task", "outcome", "idempotency"))
    begun, ended = (db.sum("outbox", where=f"kinds & {bits} <> 0") for bits in (1, 64 | 128 | 256 | 512 | 1024))
    if not tasks == outcomes == keys == begun == ended or tasks < len(ledger.acknowledged):
        ledger.fault(f"store: {tasks} tasks, {outcomes} outcomes, {keys} keys, {begun} begun and {ended} ended in the "
                     f"outbox, {len(ledger.acknowledged)} acknowledged")
    books = db.sum("ledger", "nano_usd") + db.sum("balance", "nano_usd")
    if books != 0:
        ledger.fault(f"store: the sum over all accounts is {books}")
    db.close()


def run(mesh, kills):
    mesh.write_policy(POLICY)
    if POSTGRES_URL:
        os.environ["AION_STORE_URL"] = POSTGRES_URL
    mesh.up("--modules", mesh.own_modules("noop", "drip"))
    made = mesh.http("POST", "/v1/budgets/kill-loop", {"period": "PERIOD_MONTH", "limitNanoUsd": str(LIMIT)})
    assert made.status == 200, made.body
    ledger, stop = Ledger(), threading.Event()
    threads = [threading.Thread(target=write_tasks, args=(mesh, ledger, stop)) for _ in range(WRITERS)]
    threads += [threading.Thread(target=read_streams, args=(mesh, ledger, stop)) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        counts = kill_some(mesh, kills)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    judge(mesh, ledger)
    judge_money(mesh, ledger)
    mesh.down()
    judge_store(Postgres(POSTGRES_URL) if POSTGRES_URL else Sqlite(mesh.home), ledger)
    print(f"{sum(counts.values())} kills {counts}: {len(ledger.acknowledged)} tasks acknowledged, {ledger.repeats} submits "
          f"repeated, {ledger.streams} streams read over {ledger.resumes} resumptions and {ledger.restarts} restarts")
    print(f"COUNTED {sum(counts.values())} kills in a whole mesh")
    for fault in ledger.faults[:20]:
        print("FAULT:", fault)
    assert not ledger.faults, f"{len(ledger.faults)} faults"
    assert len(ledger.acknowledged) > 2 * kills and ledger.streams > 10, "too little load to mean anything"
    assert ledger.resumes > 0 and ledger.restarts > 0, "no stream was ever cut: the kills missed their target"


def main():
    kills = int(sys.argv[2])
    if os.environ.get("AION_TEST_LONG"):
        kills *= 12
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(1 << 31)
    print(f"seed {seed}")
    random.seed(seed)
    with Mesh(os.path.abspath(sys.argv[1])) as mesh:
        run(mesh, kills)


if __name__ == "__main__":
    main()
