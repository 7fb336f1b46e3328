#!/usr/bin/env python3
"""The previous release and this one on the same home: previous.py AION BUILD_FOLDER

The old mesh (built by build.sh) takes tasks of every kind and is killed by kill -9 while some wait, some run, some are not
decided yet, and writers are in the middle of a call. Then, on its home: this release dies while it migrates, which changes
nothing for the old one; it migrates, has every acknowledged task, ends each once, and gives every key and every stream as
before; the old one, started again, says which schema it found, which it knows and what to do, and changes nothing.
Exit 77 with "SKIP: reason" where the old one cannot be had."""
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scenario"))
from mesh import FINAL, SOURCE, Mesh, descendants, eventually, gone, same  # noqa: E402

WAITING, UNDECIDED, WRITERS = 30, 5, 3


def build(folder):
    done = subprocess.run([pathlib.Path(__file__).with_name("build.sh"), folder], stdout=subprocess.PIPE, text=True)
    lines = done.stdout.splitlines()
    print("\n".join(lines[:-1] if done.returncode == 0 else lines))
    if done.returncode != 0:
        sys.exit(done.returncode)
    return lines[-1]


def schema(home):
    with sqlite3.connect(f"file:{home}/aion.db?mode=ro", uri=True) as db:
        return db.execute("SELECT value FROM schema_meta WHERE name = 'schema_version'").fetchone()[0]


def contents(home):
    """What a release must leave alone when it refuses a home: every row, and every other file but what tells of runs."""
    with sqlite3.connect(f"file:{home}/aion.db?mode=ro", uri=True) as db:
        rows = hashlib.sha256("\n".join(db.iterdump()).encode()).hexdigest()
    files = {}
    for path in sorted(pathlib.Path(home).rglob("*")):
        name = str(path.relative_to(home))
        if path.is_file() and not name.startswith(("aion.db-", "logs/", "run", "frames/")):
            files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"rows of aion.db": rows, **files}


def kill_all(mesh):
    """Supervisor, programs and their modules, the supervisor first: some of the others are gone before their turn comes."""
    supervisor = json.loads(pathlib.Path(mesh.home, "run.json").read_text())["pid"]
    pids = [supervisor, *descendants(supervisor)]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually("all are gone", lambda: all(gone(pid) for pid in pids))


# -- what is asked of a mesh ------------------------------------------------------------------------------------------------
class Keyed:
    """A task under a key of its own: asked for as often as one likes."""

    def __init__(self, text=None, intent="noop", **params):
        self.key, self.text = uuid.uuid4().hex, text or uuid.uuid4().hex
        self.body = {"intent": intent, "params": {"text": self.text, **params}}
        self.task_id = None  # once it was acknowledged

    def submit(self, mesh, wait=0):
        answer = mesh.http("POST", "/v1/tasks", self.body, {"Prefer": f"wait={wait}", "Idempotency-Key": self.key})
        assert answer.status in (200, 202), answer.body
        task = answer.json()
        same(task["taskId"], self.task_id or task["taskId"], f"the task of key {self.key}")
        self.task_id = task["taskId"]
        return task


def whole(mesh, task_id):
    return mesh.http("GET", f"/v1/tasks/{task_id}").json()


def told(task):
    """What any release tells of a task that has ended."""
    return {name: task.get(name) for name in ("taskId", "state", "intent", "result", "createdAt", "priority")} | {
        "error": (task.get("error") or {}).get("reason"), "route": task.get("engine", {}).get("route"),
        "attempts": len(task.get("attempts", []))}


def stream(mesh, task_id):
    """The chunks of a stream from its beginning to its end."""
    lines = mesh.http("GET", f"/v1/stream/{task_id}", headers={"Accept": "application/x-ndjson"}).body.decode().splitlines()
    return [(line.get("cursor"), line.get("text"), line.get("final", {}).get("state")) for line in map(json.loads, lines)]


def listed(mesh):
    tasks, page = [], ""
    while True:
        answer = mesh.http("GET", f"/v1/tasks?pageSize=100&pageToken={page}").json()
        tasks += answer.get("tasks", [])
        page = answer.get("nextPageToken", "")
        if not page:
            return {task["taskId"] for task in tasks}


# -- the old release's days ---------------------------------------------------------------------------------------------------
class Past:
    """What the old mesh acknowledged."""

    def __init__(self):
        self.ended = {}    # id → what it told of tasks that had ended
        self.streams = {}  # id → chunks
        self.open = []     # Keyed, acknowledged, that had not ended
        self.asked = []    # Keyed, in the middle of whose call the mesh died

    def keep(self, mesh, task_id):
        self.ended[task_id] = told(whole(mesh, task_id))
        assert self.ended[task_id]["state"] in FINAL, self.ended[task_id]


def finish_some(mesh, past):
    document = (SOURCE / "tests/data/us-constitution.txt").read_text()
    for kind in [Keyed() for _ in range(20)] + [Keyed(document, "summarize_text", length=n) for n in (2, 3)]:
        same(kind.submit(mesh, 20)["state"], "TASK_STATE_SUCCEEDED")
        past.keep(mesh, kind.task_id)
        past.streams[kind.task_id] = stream(mesh, kind.task_id)
        kind.submit(mesh)
    own = mesh.submit("noop", "of an own id", taskId=str(uuid.uuid4())).json()
    past.keep(mesh, own["taskId"])
    bad = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": 7}}, {"Prefer": "wait=20"}).json()
    same(bad["state"], "TASK_STATE_FAILED")
    past.keep(mesh, bad["taskId"])


def leave_some(mesh, past):
    """The host is stopped: some run in it, the others wait; then the router: what comes is not decided."""
    stopped = [mesh.pid("host-1"), mesh.pid("router")]
    os.kill(stopped[0], signal.SIGSTOP)
    past.open = [Keyed() for _ in range(WAITING)]
    for kind in past.open:
        kind.submit(mesh)
    cancelled = Keyed()
    mesh.http("DELETE", "/v1/tasks/" + cancelled.submit(mesh)["taskId"])
    past.keep(mesh, cancelled.task_id)
    os.kill(stopped[1], signal.SIGSTOP)
    for _ in range(UNDECIDED):
        past.open.append(Keyed())
        past.open[-1].submit(mesh)
    states = []

    def some_run_and_some_wait():
        states[:] = [whole(mesh, kind.task_id)["state"] for kind in past.open]
        return {"TASK_STATE_RUNNING", "TASK_STATE_QUEUED"} <= set(states)

    eventually("some run, some wait", some_run_and_some_wait)
    print("unfinished at the kill:", {state: states.count(state) for state in sorted(set(states))})
    return stopped[1]


def write_until_killed(mesh, past, lock):
    """One call after the other, until one is cut off."""
    while True:
        kind = Keyed()
        try:
            kind.submit(mesh)
        except (OSError, ValueError, AssertionError):  # refused, cut off, or the gateway's word that control is gone
            with lock:
                past.asked.append(kind)
            return
        with lock:
            past.open.append(kind)


def live(mesh):
    """A day of the old mesh, which ends by kill -9."""
    past, lock = Past(), threading.Lock()
    mesh.up()
    finish_some(mesh, past)
    os.kill(leave_some(mesh, past), signal.SIGCONT)
    writers = [threading.Thread(target=write_until_killed, args=(mesh, past, lock)) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    time.sleep(0.5)
    kill_all(mesh)
    for writer in writers:
        writer.join()
    print(f"acknowledged: {len(past.ended)} ended, {len(past.open)} open; {len(past.asked)} calls cut off")
    return past


# -- what must hold ------------------------------------------------------------------------------------------------------------
def judge(mesh, past, calls_end):
    """Every acknowledged task is there and has ended once; calls_end: also what was cut off is repeated."""
    for kind in past.open + (past.asked if calls_end else []):
        task = kind.submit(mesh, 20)
        eventually(f"end of {kind.task_id}", lambda: whole(mesh, kind.task_id)["state"] in FINAL, 30)
        task = whole(mesh, kind.task_id)
        same((task["state"], task.get("result", {}).get("text")), ("TASK_STATE_SUCCEEDED", kind.text), kind.task_id)
        same([event["kind"] for event in task["events"]].count("succeeded"), 1, kind.task_id)
    for task_id, before in past.ended.items():
        same(told(whole(mesh, task_id)), before, "a task that had ended")
    for task_id, before in past.streams.items():
        same(stream(mesh, task_id), before, "a stream that had ended")
    if calls_end:
        same(listed(mesh), set(past.ended) | {kind.task_id for kind in past.open + past.asked}, "all tasks")


def dies_while_it_migrates(copy, new, past):
    """On a copy of the home: whatever this release began is not there, and the old one goes on."""
    before = contents(copy.home)["rows of aion.db"]
    done = subprocess.run([new, "up", "--port-base", "0", "--detach", "--home", copy.home], text=True, capture_output=True,
                          timeout=60, env=os.environ | {"AION_FAILPOINTS": "store/in_migration=kill:1"})
    assert done.returncode != 0, "it did not die while it migrated"
    same(contents(copy.home)["rows of aion.db"], before, "a migration that died")
    copy.up()
    judge(copy, past, False)
    copy.down()


def refuses(mesh, old, found, known):
    """The old release on a home of this one."""
    before = contents(mesh.home)
    older = Mesh(old, mesh.home)
    done = older.run("up", "--port-base", "0", "--detach", timeout=60)
    said = done.stdout + done.stderr
    older.down()  # it may be on its way out still
    print("the old release says:", said.strip().splitlines()[0] if said.strip() else "nothing")
    assert done.returncode != 0, "the old release started on a newer store"
    for part in (f"schema {found}", f"knows {known}", "newer AION", "run that version"):
        assert part in said, f"{part!r} is not in what the old release says: {said}"
    after = contents(mesh.home)
    same({name for name in before | after if before.get(name) != after.get(name)}, set(), "what the old release changed")


def goes_on(mesh, old, past):
    """The old release on a home of this one, where both have the same schema."""
    older = Mesh(old, mesh.home)
    older.up()
    judge(older, past, True)
    older.down()


def run(mesh, old, copy):
    past = live(Mesh(old, mesh.home))
    shutil.copytree(mesh.home, copy.home, dirs_exist_ok=True)
    known = schema(mesh.home)
    mesh.up()
    judge(mesh, past, True)
    mesh.down()
    found = schema(mesh.home)
    print(f"schema {known}, then {found}")
    if found == known:
        goes_on(mesh, old, past)
    else:
        refuses(mesh, old, found, known)
        dies_while_it_migrates(copy, mesh.executable, past)
    mesh.up()
    judge(mesh, past, True)
    same(mesh.submit("noop", "new").json()["state"], "TASK_STATE_SUCCEEDED")
    mesh.down()


def main():
    old = build(sys.argv[2])
    with Mesh(os.path.abspath(sys.argv[1])) as mesh, Mesh(old) as copy:
        run(mesh, old, copy)


if __name__ == "__main__":
    main()
