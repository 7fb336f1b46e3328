#!/usr/bin/env python3
"""A mesh as people meet it first, what they do wrong, and its processes' lives: scenario.py AION NAME."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mesh import SOURCE, Mesh, descendants, eventually, gone, has, run_scenario, same, skip, write  # noqa: E402

DOCUMENT = SOURCE / "tests/data/us-constitution.txt"


def first_result(mesh):
    """A real document over HTTP and gRPC; both summaries agree, and name the decision that routed them."""
    mesh.up()
    text = DOCUMENT.read_text()
    answer = mesh.submit("summarize_text", text, params={"length": 4})
    same(answer.status, 200, answer.body)
    task = answer.json()
    same(task["state"], "TASK_STATE_SUCCEEDED")
    same(task["engine"]["route"], "local-summary")
    has(task["engine"]["reason"], "10-default.yaml:")
    same(answer.headers["aion-task-id"], task["taskId"])
    done = mesh.run("submit", "summarize_text", "--input", str(DOCUMENT), "--param", "length=4", "--wait", check=True)
    same(done.stdout.strip(), task["result"]["text"])
    has(done.stderr, "route local-summary by rule")
    whole = mesh.http("GET", f"/v1/tasks/{task['taskId']}").json()
    kinds = [event["kind"] for event in whole["events"]]
    same(kinds[0], "accepted")
    same(kinds[-1], "succeeded")
    same(len(whole["attempts"]), 1)
    assert any(row["taskId"] == task["taskId"] for row in mesh.http("GET", "/v1/tasks").json()["tasks"])


def idempotency(mesh):
    """The same key and body give the same task; another body is a conflict; a restart of control changes nothing."""
    mesh.up()
    first = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "a"}},
                      {"Prefer": "wait=10", "Idempotency-Key": "key-1"})
    again = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "a"}},
                      {"Prefer": "wait=10", "Idempotency-Key": "key-1"})
    same(again.json()["taskId"], first.json()["taskId"])
    other = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "b"}}, {"Idempotency-Key": "key-1"})
    same(other.status, 409)
    same(other.reason(), "IDEMPOTENCY_KEY_REUSED")
    os.kill(mesh.pid("control"), signal.SIGKILL)
    mesh.wait_ready()
    later = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "a"}},
                      {"Prefer": "wait=10", "Idempotency-Key": "key-1"})
    same(later.json()["taskId"], first.json()["taskId"])


def streams(mesh):
    """SSE gives every chunk once, in order; a cursor resumes behind it; ndjson and a JSON array tell the same."""
    mesh.up()
    task = mesh.submit("summarize_text", DOCUMENT.read_text(), params={"length": 6}).json()
    chunks = mesh.sse(task["taskId"])
    cursors = [cursor for cursor, _ in chunks]
    same(cursors, sorted(set(cursors)), "cursors")
    same("".join(chunk.get("text", "") for _, chunk in chunks), task["result"]["text"])
    has(json.dumps(chunks[-1][1]), "TASK_STATE_SUCCEEDED")
    rest = mesh.sse(task["taskId"], cursors[2])
    same([cursor for cursor, _ in rest], cursors[3:])
    lines = mesh.http("GET", f"/v1/stream/{task['taskId']}", headers={"Accept": "application/x-ndjson"}).body
    same(len(lines.decode().strip().split("\n")), len(chunks))
    array = mesh.http("GET", f"/v1/stream/{task['taskId']}", headers={"Accept": "application/json"}).json()
    same(len(array), len(chunks))
    streamed = mesh.run("submit", "summarize_text", "--input", str(DOCUMENT), "--param", "length=6", "--stream", check=True)
    same(streamed.stdout.strip(), task["result"]["text"])


def policy(mesh):
    """A bad file changes nothing and says file:line:column; a good one is a new revision; rollback goes back and holds."""
    mesh.up()
    file, good = mesh.policy, mesh.policy.read_text()
    first = mesh.http("GET", "/v1/router/policy").json()
    same(first["revision"]["ordinal"], "1")
    write(file, good.replace("tier: local", "tier: cloud", 1))
    refused = mesh.http("POST", "/v1/router/policy/reload", {})
    same(refused.status, 422)
    same(refused.reason(), "POLICY_INVALID")
    line = 1 + good[:good.index("tier: local")].count("\n")
    has(refused.json()["message"], f"10-default.yaml:{line}:")
    checked = mesh.http("POST", "/v1/router/policy/validate", {}).json()
    same(int(checked["faults"][0]["line"]), line)
    assert "valid" not in checked or checked["valid"] is False
    same(mesh.run("policy", "validate").returncode, 1)
    same(mesh.http("GET", "/v1/router/policy").json()["revision"], first["revision"])
    same(mesh.submit("noop").json()["state"], "TASK_STATE_SUCCEEDED")
    write(file, good.replace("name: local-noop", "name: other-noop", 1))
    disk = mesh.http("GET", "/v1/router/policy?on_disk=true").json()
    has(disk["files"][0]["content"], "name: other-noop")
    assert disk["revision"]["digest"] != first["revision"]["digest"]
    long_reason = mesh.http("POST", "/v1/router/policy/reload", {"reason": "x" * 129})
    same((long_reason.status, "reason has 129 bytes" in long_reason.json()["message"]), (400, True))
    second = mesh.http("POST", "/v1/router/policy/reload", {"reason": "another name"}).json()
    same(second["revision"]["ordinal"], "2")
    same(second["cause"], "reload: another name")
    older = mesh.http("GET", "/v1/router/policy?ordinal=1").json()
    same(older["files"][0]["content"], good, "an earlier revision with its files")
    same(mesh.http("GET", "/v1/router/policy?ordinal=77").status, 404)
    same(mesh.submit("noop").json()["engine"]["route"], "other-noop")
    back = mesh.http("POST", "/v1/router/policy/rollback", {}).json()
    same(back["revision"]["digest"], first["revision"]["digest"])
    same(mesh.submit("noop").json()["engine"]["route"], "local-noop")
    os.kill(mesh.pid("router"), signal.SIGKILL)
    mesh.wait_ready()
    same(mesh.submit("noop").json()["engine"]["route"], "local-noop", "a rollback holds over a restart")
    ordinals = [int(row["revision"]["ordinal"]) for row in mesh.http("GET", "/v1/router/policy/revisions").json()["revisions"]]
    same(ordinals, sorted(ordinals, reverse=True))


def bad_requests(mesh):
    """Every wrong request has its status, names the field and what was expected; the mesh goes on."""
    mesh.up()
    wrong = mesh.http("POST", "/v1/tasks", b'{"intent": 5}')
    same(wrong.status, 400)
    has(wrong.body.decode(), "intent")
    same(mesh.http("POST", "/v1/tasks", b'{"intent": "noop", "params": ').status, 400)
    unknown_field = mesh.http("POST", "/v1/tasks", {"intent": "noop", "colour": 1})
    same(unknown_field.status, 400)
    has(unknown_field.body.decode(), "colour")
    unknown = mesh.submit("no_such_intent")
    same(unknown.status, 404)
    same(unknown.reason(), "INTENT_UNKNOWN")
    same(mesh.http("POST", "/v1/tasks", b"[" * 100000).status, 400)
    same(mesh.http("POST", "/v1/tasks", b'{"intent":"noop","params":{"text":"\xff"}}').status, 400)
    same(mesh.http("POST", "/v1/tasks", b'{"intent":"' + b"x" * 7000000 + b'"}').status, 413)
    same(mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "a\0b"}}).status, 400)
    same(mesh.http("GET", "/v1/tasks/not-a-uuid").status, 400)
    same(mesh.http("GET", "/v1/tasks/01a20d71-507e-71d6-9db6-3a4ee1f8b889").status, 404)
    same(mesh.http("GET", "/nowhere").status, 404)
    same(mesh.http("PUT", "/v1/tasks").status, 405)
    same(mesh.http("GET", "/v1/modules").status, 501)
    same(mesh.http("GET", "/v1/tasks", headers={"Authorization": "Bearer wrong-key-wrong-key"}).status, 401)
    failed = mesh.submit("summarize_text", "One sentence.", params={"length": "many"})
    same(failed.json()["state"], "TASK_STATE_FAILED")
    has(failed.json()["error"]["message"], "params.length")
    same(mesh.submit("noop").json()["state"], "TASK_STATE_SUCCEEDED")


def second_up(mesh):
    """A second up in one home says where the first runs; down frees it."""
    mesh.up()
    second = mesh.run("up", "--port-base", "0")
    same(second.returncode, 1)
    has(second.stderr, mesh.env["AION_URL"])
    same(mesh.down().returncode, 0)
    same(mesh.down().returncode, 3)


def port_in_use(mesh):
    """A taken port is named, with the mend."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = mesh.run("up", "--port-base", str(port), "--detach")
    same(failed.returncode, 1)
    has(failed.stderr, str(port))
    has(failed.stderr, "--port-base")


def bad_certificate(mesh):
    """A broken CA is never overwritten; a certificate of another CA is refused by every gRPC port."""
    mesh.up()
    same(mesh.run("tasks", "list").returncode, 0)
    with Mesh(mesh.executable) as foreign:
        foreign.up()
        for name in ("user-admin.crt", "user-admin.key"):
            pathlib.Path(mesh.home, "tls", name).write_bytes(pathlib.Path(foreign.home, "tls", name).read_bytes())
        refused = mesh.run("tasks", "list")
        same(refused.returncode, 3, refused.stderr)
    same(mesh.down().returncode, 0)
    write(pathlib.Path(mesh.home, "tls/ca.crt"), "no certificate\n")
    failed = mesh.run("up", "--port-base", "0", "--detach")
    same(failed.returncode, 1)
    has(failed.stderr, "ca.crt")


def bad_home(mesh):
    """A home that cannot be made or read is named."""
    file = tempfile.NamedTemporaryFile()
    failed = Mesh(mesh.executable, file.name + "/home").run("up", "--port-base", "0")
    same(failed.returncode, 1)
    has(failed.stderr, file.name)
    same(Mesh(mesh.executable, mesh.home + "/none").run("status").returncode, 3)


def no_orphans(mesh):
    """A supervisor killed -9 takes every process with it, spawner and modules too."""
    mesh.up()
    supervisor = mesh.status()["pid"]
    family = descendants(supervisor)
    assert len(family) >= 8, f"processes, spawner and modules: {family}"
    os.kill(supervisor, signal.SIGKILL)
    eventually("all ended", lambda: all(gone(pid) for pid in family), 15)
    mesh.up()
    same(mesh.submit("noop").json()["state"], "TASK_STATE_SUCCEEDED")


def kill_each(mesh):
    """kill -9 of each process in turn, with tasks before, while and after: all finish, once."""
    mesh.up()
    for name in ("control", "router", "host-1", "retention", "gateway"):
        task = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": name}}).json()
        os.kill(mesh.pid(name), signal.SIGKILL)
        mesh.wait_ready()
        eventually(f"task before the kill of {name}",
                   lambda: mesh.state(task["taskId"]) == "SUCCEEDED", 20)
        same(mesh.submit("noop", name).json()["result"]["text"], name)
    same([process["restarts"] for process in mesh.status()["processes"]], [1] * 5)


def full_disk(mesh):
    """On a full disk tasks are refused with STORE_DOWN, none is lost, and space makes it well again by itself."""
    home = tempfile.mkdtemp(prefix="aion-full-")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", home], capture_output=True)
    if mounted.returncode != 0:
        os.rmdir(home)
        skip("mounting a small tmpfs is not permitted here")
    small = Mesh(mesh.executable, home)
    try:
        small.up()
        kept = []
        filler = pathlib.Path(home, "filler")
        with open(filler, "wb", buffering=0) as out:
            try:
                while True:
                    out.write(b"x" * 65536)
            except OSError:
                pass
        refused = None
        for i in range(200):
            answer = small.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "y" * 20000}})
            if answer.status in (200, 202):
                kept.append(answer.json()["taskId"])
            else:
                refused = answer
                break
        assert refused is not None, "a full disk refused nothing"
        same(refused.status, 503, refused.body)
        same(refused.reason(), "STORE_DOWN")
        filler.unlink()
        eventually("well again", lambda: small.submit("noop").status == 200, 20)
        for task_id in kept:
            same(small.http("GET", f"/v1/tasks/{task_id}").status, 200)
    finally:
        small.run("down", timeout=30)
        subprocess.run(["umount", "-l", home], check=True)
        os.rmdir(home)


def exit_codes(mesh):
    """The command line's exit statuses are what the help says."""
    same(mesh.run("status").returncode, 3)
    same(subprocess.run([mesh.executable, "nonsense"], capture_output=True).returncode, 2)
    mesh.up()
    same(mesh.run("submit").returncode, 2)
    same(mesh.run("submit", "no_such_intent").returncode, 4)
    same(mesh.run("submit", "summarize_text", "--param", "text=A b.", "--param", "length=no", "--wait").returncode, 6)
    same(mesh.run("tasks", "get", "01a20d71-507e-71d6-9db6-3a4ee1f8b889").returncode, 4)
    body = json.dumps({"intent": "noop", "params": {"text": "from json"}})
    same(mesh.run("submit", "--json", "-", "--wait", stdin=body).stdout.strip(), "from json")
    same(mesh.run("doctor").returncode, 0)
    for shell in ("bash", "zsh", "fish"):
        has(subprocess.run([mesh.executable, "completion", shell], capture_output=True, text=True).stdout, "submit")


def drain(mesh):
    """SIGTERM under load: what was acknowledged finishes after the next start; down takes at most ten seconds."""
    mesh.up()
    taken, stop = [], threading.Event()

    def load():
        while not stop.is_set():
            try:
                answer = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "z"}}, timeout=10)
                if answer.status in (200, 202):
                    taken.append(answer.json()["taskId"])
            except OSError:
                return

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    eventually("tasks are taken", lambda: len(taken) > 20)
    began = time.monotonic()
    same(mesh.down().returncode, 0)
    assert time.monotonic() - began < 10.5, "down took longer than ten seconds"
    stop.set()
    for thread in threads:
        thread.join()
    mesh.up()
    for task_id in taken[-200:]:
        eventually(task_id, lambda: mesh.state(task_id) == "SUCCEEDED", 20)


def rolling_restart(mesh):
    """SIGTERM to every process in turn, twice, under HTTP and gRPC load: not one call fails."""
    mesh.up()
    stop, failed, done = threading.Event(), [], [0, 0, 0]

    def right(status, task, text):
        """A result; or, when control left before it came, the task, which is asked for."""
        assert status in (200, 202), (status, task)
        if status == 202:
            eventually(text, lambda: "result" in mesh.http("GET", f"/v1/tasks/{task['taskId']}").json())
            task = mesh.http("GET", f"/v1/tasks/{task['taskId']}").json()
        return task["result"]["text"] == text

    def fresh(text):
        answer = mesh.submit("noop", text)
        return right(answer.status, answer.json(), text)

    def kept(text, connection=http.client.HTTPConnection(mesh.env["AION_URL"].removeprefix("http://"), timeout=30)):
        connection.request("POST", "/v1/tasks", json.dumps({"intent": "noop", "params": {"text": text}}),
                           {"Authorization": "Bearer " + mesh.env["AION_API_KEY"], "Prefer": "wait=20"})
        answer = connection.getresponse()
        return right(answer.status, json.loads(answer.read()), text)

    def grpc(text):
        done = mesh.run("submit", "noop", "--param", "text=" + text, "--wait")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() == text

    def load(index, call):
        while not stop.is_set():
            try:
                good = call(f"{index}-{done[index]}")
            except (OSError, http.client.HTTPException, AssertionError, KeyError, ValueError) as error:
                failed.append(f"{call.__name__} {done[index]}: {error!r}")
                good = time.sleep(0.1) is None
            if not good:
                failed.append(f"{call.__name__} {done[index]}: another text")
            done[index] += 1

    threads = [threading.Thread(target=load, args=work, daemon=True) for work in enumerate((fresh, kept, grpc))]
    for thread in threads:
        thread.start()
    for name in ("retention", "host-1", "router", "control", "gateway") * 2:
        before = mesh.pid(name)
        os.kill(before, signal.SIGTERM)
        eventually(f"{name} ended", lambda: gone(before), 11)
        mesh.wait_ready()
        settled = list(done)
        eventually("calls go on", lambda: all(a > b + 2 for a, b in zip(done, settled)))
    stop.set()
    for thread in threads:
        thread.join()
    same(failed, [], f"of {sum(done)} calls")


def resident(pid):
    """Bytes."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def hostile_module(mesh):
    """What a module does wrong ends its attempt with a reason, leaves no process behind, and hurts no other task."""
    mesh.write_policy(
        "version: 1\ndefault: {privacy: local_only}\nroutes:\n"
        "  - {name: hostile, intents: [hostile], module: hostile, tier: local, pool: cpu, timeout: 2s, attempts: 1}\n"
        "  - {name: noop, intents: [noop], module: noop, tier: local, pool: cpu, timeout: 5s}\n")
    os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=8"  # freed memory is none that is held
    mesh.up("--modules", mesh.own_modules("noop", "hostile"))
    host, begun = mesh.pid("host-1"), {}
    for deed in ("crash", "leave", "garbage", "spin", "sleep", "flood"):
        begun[deed] = mesh.http("POST", "/v1/tasks", {"intent": "hostile", "params": {"text": deed}}).json()["taskId"]
        same(mesh.submit("noop", deed).json()["result"]["text"], deed)
    reasons = {}
    for deed, task_id in begun.items():
        eventually(deed, lambda: "error" in mesh.http("GET", f"/v1/tasks/{task_id}").json(), 30)
        task = mesh.http("GET", f"/v1/tasks/{task_id}").json()
        assert task["state"] in ("TASK_STATE_FAILED", "TASK_STATE_DEAD"), task
        reasons[deed] = task["error"]["reason"]
    same(reasons["garbage"], "MODULE_PROTOCOL")
    for deed in ("crash", "leave"):
        same(reasons[deed], "MODULE_CRASHED", deed)
    for deed in ("spin", "sleep"):
        same(reasons[deed], "MODULE_TIMEOUT", deed)
    deaths = mesh.admin("host-1", "/metrics")
    for cause, least in (("crash", 2), ("protocol", 1), ("timeout", 2)):
        found = re.search(rf'aion_module_process_deaths_total{{module="hostile",.*cause="{cause}"}} (\d+)', deaths)
        assert found and int(found[1]) >= least, (cause, [line for line in deaths.splitlines() if "process_deaths" in line])
    child = int(mesh.sse(begun["sleep"])[0][1]["text"])
    eventually("the child of a killed module is gone", lambda: gone(child))
    quiet, most = resident(host), 0
    chatter = mesh.http("POST", "/v1/tasks", {"intent": "hostile", "params": {"text": "chatter"}}).json()["taskId"]
    while "error" not in mesh.http("GET", f"/v1/tasks/{chatter}").json():
        same(mesh.submit("noop", "beside chatter").json()["result"]["text"], "beside chatter")
        most = max(most, resident(host))
    assert most - quiet < 64 << 20, f"a module that writes lines without an end cost its host {most - quiet >> 20} MiB"
    opened = mesh.submit("hostile", "open").json()["result"]["text"]
    assert 0 < int(opened.removeprefix("files: ")) <= 64, opened
    same(mesh.pid("host-1"), host, "the host lives")


def bad_first_policy(mesh):
    """A mesh that cannot start says why, at once, and leaves nothing running."""
    mesh.write_policy("version: 1\nroutes:\n  - nam: x\n")
    began = time.monotonic()
    failed = mesh.run("up", "--port-base", "0", "--detach")
    same(failed.returncode, 1)
    has(failed.stderr, "router cannot start: 10-default.yaml:3:")
    assert time.monotonic() - began < 20
    same(mesh.run("status").returncode, 3, "the mesh is gone")


def store_away(mesh):
    """A mesh whose store cannot be reached says why, at once, and leaves nothing running."""
    os.environ["AION_STORE_URL"] = "postgres://nobody@127.0.0.1:1/none"
    began = time.monotonic()
    failed = mesh.run("up", "--port-base", "0", "--detach")
    same(failed.returncode, 1)
    has(failed.stderr, "control cannot start: PostgreSQL cannot be reached")
    assert time.monotonic() - began < 20
    same(mesh.run("status").returncode, 3, "the mesh is gone")


def retention(mesh):
    """The plan has bounds; a dry run counts and deletes nothing; nothing young is swept."""
    mesh.up()
    task = mesh.submit("noop").json()
    plan = mesh.http("GET", "/v1/retention/plan").json()
    same(plan["keepSucceeded"], "604800s")
    refused = mesh.http("POST", "/v1/retention/plan", {"keepSucceeded": "5s"})
    same(refused.status, 400)
    has(refused.body.decode(), "keep_succeeded")
    same(mesh.http("POST", "/v1/retention/plan", {"keepSucceeded": "60s"}).json()["keepSucceeded"], "60s")
    swept = mesh.http("POST", "/v1/retention/sweep", {"dryRun": True}, {"Accept": "application/json"})
    same(swept.status, 200, swept.body)
    same(mesh.http("GET", f"/v1/tasks/{task['taskId']}").status, 200)


if __name__ == "__main__":
    run_scenario(globals())
