#!/usr/bin/env python3
"""What control promises of tasks: their money, their order, what is held, dead or in doubt, and where they are kept: durable.py AION NAME.
Exit 77 with "SKIP: reason" where one cannot run."""
import concurrent.futures
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mesh import Mesh, eventually, has, run_scenario, same, skip, write  # noqa: E402

PRICED = """version: 1
routes:
  - {name: dear, intents: [noop], module: noop, cost_nano_usd: 1000}
  - {name: spare, intents: [noop.cheap], module: noop, cost_nano_usd: 1000}
  - {name: free, intents: [noop.cheap], module: noop}
rules:
  - {name: dear-first, when: {intent: noop.cheap}, use: [spare, free]}
"""


def submit_batches(mesh, intent, count, size=1000):
    """`count` tasks by parallel batches: the outcomes, all of them."""
    def one(number):
        body = {"requests": [{"intent": intent, "params": {"text": f"{number}-{i}"}} for i in range(size)]}
        answer = mesh.http("POST", "/v1/tasks:batch", body, timeout=100)
        same(answer.status, 200, answer.body[:300])
        return answer.json()["outcomes"]
    with concurrent.futures.ThreadPoolExecutor(count // size) as pool:
        return [outcome for part in pool.map(one, range(count // size)) for outcome in part]


def unfinished(mesh):
    return mesh.listed("ACCEPTED", "QUEUED", "RUNNING", "RETRY_WAIT")


def budget(mesh):
    """10,000 at once against one budget: exactly what it can pay is taken, nothing is overspent, a kill -9 of control changes no sum,
    and a route that costs nothing stays usable."""
    os.environ["AION_CONTROL_DECIDE_TIMEOUT"] = "60s"  # 10,000 decisions in one go, with sanitizers: none is taken undecided
    mesh.up()
    mesh.write_policy(PRICED)
    same(mesh.http("POST", "/v1/router/policy/reload", {}).status, 200)
    made = mesh.http("POST", "/v1/budgets/acme-day", {"period": "PERIOD_DAY", "limitNanoUsd": "3000000"})
    same(made.status, 200, made.body)
    outcomes = submit_batches(mesh, "noop", 10000)
    taken = [outcome["task"] for outcome in outcomes if "task" in outcome]
    refused = {outcome["error"]["reason"] for outcome in outcomes if "error" in outcome}
    same(len(taken), 3000)
    same(refused, {"BUDGET_EXHAUSTED"})
    os.kill(mesh.pid("control"), signal.SIGKILL)
    mesh.wait_ready()
    eventually("every task ends", lambda: not unfinished(mesh), 60)
    now = mesh.http("GET", "/v1/budgets/acme-day").json()
    same((now["spentNanoUsd"], now.get("reservedNanoUsd", "0"), now.get("leftNanoUsd", "0")), ("3000000", "0", "0"))
    late = mesh.submit("noop")
    same((late.status, late.reason()), (429, "BUDGET_EXHAUSTED"))
    free = mesh.submit("noop.cheap").json()
    same((free["state"], free["engine"]["route"]), ("TASK_STATE_SUCCEEDED", "free"))
    raised = mesh.http("POST", "/v1/budgets/acme-day", {"period": "PERIOD_DAY", "limitNanoUsd": "3002000"}).json()
    same(raised["leftNanoUsd"], "2000")
    same(mesh.submit("noop.cheap").json()["engine"]["route"], "spare")
    same(mesh.submit("noop").json()["usage"]["costNanoUsd"], "1000")
    same(mesh.submit("noop").reason(), "BUDGET_EXHAUSTED")
    bad = mesh.http("POST", "/v1/budgets/acme-day", {"period": "PERIOD_DAY", "limitNanoUsd": "-1"})
    same(bad.status, 400)
    has(bad.json()["message"], "below 0")


def repeats(mesh):
    """1,000 at once under one key, ten batches beside each other and in each the same again and again: one task, which runs once
    and is paid for once; so after a kill -9 of control, too. Another body under that key is refused each time."""
    mesh.up()
    mesh.write_policy(PRICED)
    same(mesh.http("POST", "/v1/router/policy/reload", {}).status, 200)
    same(mesh.http("POST", "/v1/budgets/b", {"period": "PERIOD_TOTAL", "limitNanoUsd": "2000000"}).status, 200)

    def hundred(text):
        part = {"intent": "noop", "params": {"text": text}, "idempotencyKey": "the-one"}
        answer = mesh.http("POST", "/v1/tasks:batch", {"requests": [part] * 100}, timeout=100)
        same(answer.status, 200, answer.body[:300])
        return answer.json()["outcomes"]

    def thousand():
        outcomes = sum(in_threads(10, lambda _: hundred("first")), [])
        same(len(outcomes), 1000)
        assert all("task" in outcome for outcome in outcomes), [outcome for outcome in outcomes if "task" not in outcome][:3]
        return {outcome["task"]["taskId"] for outcome in outcomes}

    ids = thousand()
    same(len(ids), 1)
    task_id = ids.copy().pop()
    eventually("it has run", lambda: mesh.state(task_id) == "SUCCEEDED", 30)
    os.kill(mesh.pid("control"), signal.SIGKILL)
    mesh.wait_ready()
    same(thousand(), ids)
    same(mesh.http("POST", "/v1/budgets/b", {"period": "PERIOD_TOTAL", "limitNanoUsd": "1000"}).status, 200)
    same(thousand(), ids)  # there is no money for another
    same({outcome["error"]["reason"] for outcome in hundred("second")}, {"IDEMPOTENCY_KEY_REUSED"})
    same(len(mesh.http("GET", f"/v1/tasks/{task_id}").json()["attempts"]), 1)
    same([task["taskId"] for task in mesh.http("GET", "/v1/tasks").json()["tasks"]], [task_id])
    now = mesh.http("GET", "/v1/budgets/b").json()
    same((now["spentNanoUsd"], now.get("reservedNanoUsd", "0"), now.get("leftNanoUsd", "0")), ("1000", "0", "0"))


def audit(mesh):
    """What was changed and what was refused stands in the log, in a chain; a line that is rewritten or removed is found."""
    mesh.write_keys("secret-of-a-user:user", "secret-of-an-admin:admin")
    mesh.up()
    mesh.env["AION_API_KEY"] = "secret-of-an-admin"
    same(mesh.http("POST", "/v1/budgets/b", {"period": "PERIOD_DAY", "limitNanoUsd": "5"}).status, 200)
    same(mesh.http("POST", "/v1/budgets/b", {"period": "PERIOD_DAY", "limitNanoUsd": "7"}).status, 200)
    mesh.env["AION_API_KEY"] = "secret-of-a-user"
    denied = mesh.http("POST", "/v1/budgets/b", {"period": "PERIOD_DAY", "limitNanoUsd": "9"})
    same((denied.status, denied.reason()), (403, "ROLE_MISSING"))
    task = mesh.submit("noop").json()
    same(mesh.http("DELETE", f"/v1/tasks/{task['taskId']}?reason=enough").status, 200)
    mesh.env["AION_API_KEY"] = "secret-of-an-admin"
    eventually("five lines", lambda: len(mesh.http("GET", "/v1/audit").json().get("lines", [])) >= 5)
    lines = mesh.http("GET", "/v1/audit?page.size=3").json()
    more = mesh.http("GET", "/v1/audit?page.size=3&page.token=" + lines["nextPageToken"]).json()
    rows = [(row["action"], row.get("target", ""), row["result"], row.get("detail", "")) for row in (lines["lines"] + more["lines"])[:4]]
    same(rows, [("AionTasks/Cancel", f"task/{task['taskId']}", "done", "SUCCEEDED"),
                ("Budgets/SetBudget", "", "PERMISSION_DENIED", ""),
                ("Budgets/SetBudget", "budget/b", "done", "limit 5 -> 7 nano-USD"),
                ("Budgets/SetBudget", "budget/b", "done", "new, limit 5 nano-USD")])
    whole = mesh.http("POST", "/v1/audit:verify", {}).json()
    same(whole["valid"], True)
    same(whole["chains"][0]["lines"], str(int(lines["lines"][0]["number"])))
    mesh.down()
    with sqlite3.connect(pathlib.Path(mesh.home, "aion.db")) as database:
        database.execute("UPDATE audit SET actor = 'somebody else' WHERE number = 2")
    mesh.up()
    mesh.env["AION_API_KEY"] = "secret-of-an-admin"
    found = mesh.http("POST", "/v1/audit:verify", {}).json()
    same((found.get("valid", False), found["chains"][0]["firstBad"]), (False, "2"))


def routed_modules(mesh, *names):
    """A folder with these modules alone, and a policy that routes an intent to each."""
    mesh.write_policy("version: 1\ndefault: {privacy: local_only}\nroutes:\n" + "".join(
        f"  - {{name: {name}, intents: [{name}], module: {name}, timeout: 20s, attempts: 3}}\n" for name in names))
    return mesh.own_modules(*names)


def in_threads(count, work):
    """work(number) in as many threads; what they returned, in order."""
    results = [None] * count

    def run(number):
        results[number] = work(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert None not in results, results
    return results


def fair_tenants(mesh):
    """One tenant floods; a task of another starts within 50 ms all the same (half of them here, where processes share the machine;
    each one in simulated time: trial_flood of tests/sim), and within its turn at a second module."""
    mesh.write_keys("key-of-the-flood@flood:user", "key-of-the-few-ones@few:user")
    mesh.up("--modules", routed_modules(mesh, "drip", "bundle"))
    drip = {"intent": "drip", "params": {"lines": 1, "pause_ms": 20}}

    def flood(_):
        return [mesh.http("POST", "/v1/tasks", drip, {"Authorization": "Bearer key-of-the-flood"}).status for _ in range(60)]

    waits = []

    def few(number):
        for _ in range(5):
            body = drip if number % 2 else {"intent": "bundle", "params": {"pause_ms": 1}}
            task = mesh.http("POST", "/v1/tasks", body, {"Authorization": "Bearer key-of-the-few-ones", "Prefer": "wait=20"}).json()
            waits.append(int(task["usage"].get("queueUs", 0)))
            same(task["state"], "TASK_STATE_SUCCEEDED", task)
        return True

    same(set(sum(in_threads(8, flood), [])), {202})
    in_threads(2, few)
    left = mesh.http("GET", "/v1/tasks", headers={"Authorization": "Bearer key-of-the-flood"}).json()["tasks"]
    assert sum(task["state"] == "TASK_STATE_QUEUED" for task in left) > 0, "the flood was over before"
    waits.sort()
    print("the few waited", waits, "us")
    assert waits[len(waits) // 2] <= 50000, waits
    assert waits[-1] <= 500000, waits  # what this machine's other work may take


def batches(mesh):
    """What a module's manifest lets come together comes together; a crash in a batch hurts only who crashes."""
    mesh.up("--modules", routed_modules(mesh, "bundle"))

    def send(number):
        text = "crash" if number == 7 else f"text {number}"
        return mesh.submit("bundle", text, params={"pause_ms": 40}).json()

    tasks = in_threads(24, send)
    together = []
    for number, task in enumerate(tasks):
        if number == 7:
            same(task["state"], "TASK_STATE_DEAD", task)
            same(task["error"]["reason"], "MODULE_CRASHED")
            continue
        same(task["state"], "TASK_STATE_SUCCEEDED", task)
        together.append(int(task["result"]["text"].split()[0]))
        stream = "".join(chunk.get("text", "") for _, chunk in mesh.sse(task["taskId"]))
        assert stream.endswith(task["result"]["text"]), (stream, task)  # after the attempt that the crash took along
    assert max(together) > 1 and max(together) <= 8, together
    host = mesh.http("GET", "/v1/hosts").json()["hosts"][0]
    same(host["modules"][0]["batchMax"], 8)
    slow = mesh.http("POST", "/v1/tasks", {"intent": "bundle", "params": {"pause_ms": 10000}}).json()["taskId"]
    eventually("it runs", lambda: mesh.state(slow) == "RUNNING")
    same(mesh.http("DELETE", f"/v1/tasks/{slow}").json()["state"], "TASK_STATE_CANCELLED")


def keyed(mesh, number):
    return mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": f"text {number}"}},
                     {"Prefer": "wait=20", "Idempotency-Key": f"key-{number}"})


def store_move(mesh):
    """A store goes to another place, by a file and directly: the same tasks, the same keys, and new work."""
    mesh.up()
    tasks = {number: keyed(mesh, number).json()["taskId"] for number in range(20)}
    busy = mesh.run("store", "export", "--to", mesh.home + "/busy")
    same(busy.returncode, 1, busy.stderr)
    has(busy.stderr, "in use by another process")
    mesh.down()
    file = mesh.home + "/export"
    out = mesh.run("store", "export", "--to", file, check=True).stdout
    has(out, "outcome                  20")
    has(mesh.run("store", "export", "--to", file).stderr, "is there already")
    named = pathlib.Path(mesh.home, "url")  # as control takes it
    write(named, f"sqlite:{mesh.home}/aion.db\n")
    os.environ["AION_STORE_URL_FILE"] = str(named)
    with Mesh(mesh.executable) as elsewhere:
        has(elsewhere.run("store", "export", "--to", mesh.home + "/named", check=True).stdout, "outcome                  20")
    del os.environ["AION_STORE_URL_FILE"]
    others = [Mesh(mesh.executable, tempfile.mkdtemp(prefix="aion-moved-", dir=mesh.home)) for _ in range(2)]
    others[0].run("store", "import", "--from", file, check=True)
    others[1].run("store", "migrate", "--from", f"sqlite:{mesh.home}/aion.db", "--to", f"sqlite:{others[1].home}/aion.db",
                  check=True)
    has(others[0].run("store", "import", "--from", file).stderr, "is not empty")
    has(others[0].run("store", "import", "--from", file, "--resume", check=True).stdout, "(20 were there)")
    for other in others:
        try:
            other.up()
            for number, task_id in tasks.items():
                same(other.http("GET", f"/v1/tasks/{task_id}").json()["result"]["text"], f"text {number}")
                same(keyed(other, number).json()["taskId"], task_id)
            same(other.submit("noop", "new").json()["state"], "TASK_STATE_SUCCEEDED")
        finally:
            other.close()


def failpoints(mesh):
    """Control dies between its commit and the answer, and before a host hears of one; a host dies with a result in its
    hands: under its key each piece of work is one task with one result."""
    os.environ["AION_FAILPOINTS"] = ",".join(["control/after_commit_before_ack=kill:7", "host/after_run_before_report=kill:9",
                                              "control/after_finish_before_settled=kill:11"])
    mesh.up()
    tasks = {}

    def done(number):
        try:
            answer = keyed(mesh, number)
        except OSError:
            return False  # the gateway's word was cut off with control's
        if answer.status != 200:
            return False
        tasks[number] = answer.json()
        return True

    for number in range(30):
        eventually(f"task {number}", lambda: done(number), 30)
        same(tasks[number]["result"]["text"], f"text {number}")
    for number, task in tasks.items():
        same(keyed(mesh, number).json()["taskId"], task["taskId"])
        whole = mesh.http("GET", f"/v1/tasks/{task['taskId']}").json()
        same([event["kind"] for event in whole["events"] if event["kind"] in ("accepted", "succeeded")],
             ["accepted", "succeeded"])
    same(len(mesh.http("GET", "/v1/tasks?pageSize=1000").json()["tasks"]), 30)
    deaths = {process["name"]: process["restarts"] for process in mesh.status()["processes"]}
    assert deaths["control"] >= 2 and deaths["host-1"] >= 1, deaths


def postgres(mesh):
    """A mesh on PostgreSQL: tasks before and after kill -9 of control and of the database; a task that waits outlives a
    restart of the whole mesh; doctor names the store; the password is in no command line."""
    url, folder, server = (os.environ.get(name, "") for name in
                           ("AION_TEST_POSTGRES_URL", "AION_TEST_POSTGRES_DIR", "AION_TEST_POSTGRES"))
    if not url:
        skip("no server: run it by tests/servers/postgres.sh with tcp -- ...")
    os.environ["AION_STORE_URL"] = url + "?aion_schema=scenario"
    mesh.up()
    assert not pathlib.Path(mesh.home, "aion.db").exists(), "an embedded store beside the database"
    has(mesh.run("doctor").stdout, "postgres, the last commit went through")
    assert url not in pathlib.Path(f"/proc/{mesh.pid('control')}/cmdline").read_text()

    def state(task_id):
        return mesh.http("GET", f"/v1/tasks/{task_id}").json().get("state")

    same(mesh.submit("noop", "one").json()["result"]["text"], "one")
    done = []
    for victim in ("control", "database", "control"):
        task = mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": victim}}).json()["taskId"]
        if victim == "control":
            os.kill(mesh.pid("control"), signal.SIGKILL)
        else:
            subprocess.run([server, "kill", folder], check=True)
            subprocess.run([server, "start", folder], check=True, stdout=subprocess.DEVNULL)
        eventually(f"task before the kill of {victim}", lambda: state(task) == "TASK_STATE_SUCCEEDED", 30)
        eventually(f"tasks after the kill of {victim}", lambda: mesh.submit("noop", "again").status == 200, 30)
        done.append(task)
    mesh.down()
    mesh.up()
    for task in done:
        same(state(task), "TASK_STATE_SUCCEEDED")
    same(mesh.submit("noop", "last").json()["result"]["text"], "last")


def postgres_move(mesh):
    """An embedded mesh becomes a cluster and goes back: the same tasks with their results, the same keys, and new work."""
    url = os.environ.get("AION_TEST_POSTGRES_URL")
    if not url:
        skip("no server: run it by tests/servers/postgres.sh with tcp -- ...")
    url += "?aion_schema=moved"

    def check(tasks):
        for number, task_id in tasks.items():
            same(mesh.http("GET", f"/v1/tasks/{task_id}").json()["result"]["text"], f"text {number}")
            same(keyed(mesh, number).json()["taskId"], task_id)
        same(mesh.submit("noop", "new").json()["state"], "TASK_STATE_SUCCEEDED")

    mesh.up()
    tasks = {number: keyed(mesh, number).json()["taskId"] for number in range(20)}
    mesh.down()
    has(mesh.run("store", "migrate", "--to", url, check=True).stdout, "outcome                  20")
    has(mesh.run("store", "migrate", "--to", url, "--resume", check=True).stdout, "(20 were there)")
    os.environ["AION_STORE_URL"] = url
    mesh.up()
    check(tasks)
    tasks.update((number, keyed(mesh, number).json()["taskId"]) for number in range(20, 30))
    mesh.down()
    file = mesh.home + "/export"
    mesh.run("store", "export", "--to", file, check=True)
    del os.environ["AION_STORE_URL"]
    pathlib.Path(mesh.home, "aion.db").rename(mesh.home + "/embedded.db")
    mesh.run("store", "import", "--from", file, check=True)
    mesh.up()
    check(tasks)


def holds(mesh):
    """--hold: tasks are taken and kept; some are let go, the rest at a rate; holds and what was let go outlive a kill -9."""
    def count(state):
        return len(mesh.listed(state))

    os.environ["AION_CONTROL_HOLD"] = "true"
    mesh.up()
    outcomes = mesh.http("POST", "/v1/tasks:batch", {"requests": [{"intent": "noop", "params": {"text": str(i)}} for i in range(50)]}).json()
    same(len([outcome for outcome in outcomes["outcomes"] if "task" in outcome]), 50)
    eventually("all are held", lambda: count("HELD") == 50)
    same(count("QUEUED"), 0)
    (hold,) = mesh.http("GET", "/v1/queue/holds").json()["holds"]
    same((hold["holdId"], hold["held"], hold["filter"]["all"]), ("start", "50", True))
    same(mesh.http("POST", "/v1/queue:release", {"holdId": "start", "countMax": "10", "reason": "try a few"}).status, 200)
    eventually("ten have run", lambda: count("SUCCEEDED") == 10)
    del os.environ["AION_CONTROL_HOLD"]
    os.kill(mesh.pid("control"), signal.SIGKILL)
    mesh.wait_ready()
    eventually("the rest is held again", lambda: count("HELD") == 40)
    same(count("SUCCEEDED"), 10)
    cancelled = mesh.listed("HELD")[0]
    same(cancelled["holdId"], "start")
    same(mesh.http("DELETE", f"/v1/tasks/{cancelled['taskId']}").json()["state"], "TASK_STATE_CANCELLED")
    same(mesh.http("POST", "/v1/queue:release", {"holdId": "start", "perSecond": 50}).json()["releasing"], True)
    eventually("all have run", lambda: count("SUCCEEDED") == 49, 20)
    eventually("the hold has ended", lambda: mesh.http("GET", "/v1/queue/holds").json().get("holds", []) == [])
    made = mesh.http("POST", "/v1/queue:hold", {"filter": {"intent": "noop"}, "reason": "look first"}).json()
    same(mesh.http("POST", "/v1/queue:hold", {"filter": {"intent": "noop"}}).json()["holdId"], made["holdId"])
    held = mesh.http("POST", "/v1/tasks", {"intent": "noop"}).json()
    same(mesh.submit("summarize_text", "One. Two.").json()["state"], "TASK_STATE_SUCCEEDED")
    same(mesh.state(held["taskId"]), "HELD")
    same(mesh.http("POST", "/v1/queue:release", {"holdId": made["holdId"]}).status, 200)
    eventually("it has run", lambda: mesh.state(held["taskId"]) == "SUCCEEDED")
    none = mesh.http("POST", "/v1/queue:release", {"holdId": made["holdId"]})
    same((none.status, none.reason()), (404, "HOLD_NOT_FOUND"))


def hostile_policy(mesh, routes):
    """The hostile module and noop, with routes of the test's own."""
    mesh.write_policy("version: 1\nroutes:\n" + routes)
    return mesh.own_modules("noop", "hostile")


def dead_letters(mesh):
    """What died is listed, and replayed: one, by filter, over another route, at a rate, each once, also when it is asked for twice."""
    modules = hostile_policy(mesh, "  - {name: hostile, intents: [work], module: hostile, attempts: 1}\n"
                                   "  - {name: mended, intents: [work], module: noop}\n"
                                   "rules:\n  - {name: first, when: {intent: work}, use: [hostile]}\n")
    mesh.up("--modules", modules)
    ids = [mesh.http("POST", "/v1/tasks", {"intent": "work", "params": {"text": "crash"}, "metadata": {"n": str(i)}}).json()["taskId"]
           for i in range(12)]
    eventually("all are dead", lambda: all(mesh.state(task_id) == "DEAD" for task_id in ids), 30)
    letters = mesh.http("GET", "/v1/deadletters?page.size=5").json()
    same(len(letters["tasks"]), 5)
    same(letters["tasks"][0]["error"]["reason"], "MODULE_CRASHED")
    dry = mesh.http("POST", "/v1/deadletters:replay", {"filter": {"reason": "MODULE_CRASHED"}, "dryRun": True}).json()
    same((dry["matched"], dry.get("replayed", "0"), dry.get("replayId", "")), ("12", "0", ""))
    same(mesh.http("POST", "/v1/deadletters:replay", {"filter": {"reason": "OTHER"}, "dryRun": True}).json().get("matched", "0"), "0")

    def replay(body):
        begun = mesh.http("POST", "/v1/deadletters:replay", body)
        same(begun.status, 200, begun.body)
        where = "/v1/deadletters/replays/" + begun.json()["replayId"]
        eventually("the replay is over", lambda: not mesh.http("POST", where, {}).json().get("running", False), 20)
        return mesh.http("POST", where, {}).json()

    # the rule prefers the hostile route: the policy is mended first
    mesh.write_policy(mesh.policy.read_text().replace("use: [hostile]", "use: [mended]"))
    same(mesh.http("POST", "/v1/router/policy/reload", {}).status, 200)
    one = replay({"filter": {"taskIds": [ids[0]]}, "perSecond": 1000})
    same((one["matched"], one["replayed"]), ("1", "1"))
    dead = mesh.http("GET", f"/v1/tasks/{ids[0]}").json()
    again = mesh.http("GET", f"/v1/tasks/{dead['replayedAs']}").json()
    same((again["replayOf"], again["metadata"]), (ids[0], {"n": "0"}))
    eventually("it runs now", lambda: mesh.state(dead["replayedAs"]) == "SUCCEEDED")
    twice = replay({"filter": {"taskIds": [ids[0]]}, "perSecond": 1000})
    same((twice.get("replayed", "0"), twice["refused"], twice["error"]["reason"]), ("0", "1", "NO_DEAD_LETTER"))
    began = time.monotonic()
    rest = replay({"filter": {"all": True}, "perSecond": 20, "reason": "mended"})
    same((rest["matched"], rest["replayed"]), ("11", "11"))
    assert time.monotonic() - began >= 0.4, "eleven at 20 a second"
    same(mesh.http("GET", "/v1/deadletters").json().get("tasks", []), [])
    eventually("all have run", lambda: len(mesh.listed("SUCCEEDED")) == 12)


def doubt(mesh):
    """An attempt nobody knows the end of is not repeated where the policy says so: its money stays aside until somebody tells."""
    modules = hostile_policy(mesh, "  - {name: unsafe, intents: [pay], module: hostile, attempts: 3, repeat: unsafe, cost_nano_usd: 7}\n")
    mesh.up("--modules", modules)
    same(mesh.http("POST", "/v1/budgets/b", {"period": "PERIOD_DAY", "limitNanoUsd": "100"}).status, 200)
    ids = [mesh.http("POST", "/v1/tasks", {"intent": "pay", "params": {"text": "crash"}}).json()["taskId"] for _ in range(3)]
    eventually("all are in doubt", lambda: all(mesh.state(task_id) == "IN_DOUBT" for task_id in ids), 30)
    now = mesh.http("GET", "/v1/budgets/b").json()
    same((now["doubtNanoUsd"], now.get("reservedNanoUsd", "0"), now["leftNanoUsd"]), ("21", "0", "79"))
    os.kill(mesh.pid("control"), signal.SIGKILL)
    mesh.wait_ready()
    same([mesh.state(task_id) for task_id in ids], ["IN_DOUBT"] * 3)

    def resolve(task_id, **how):
        return mesh.http("POST", f"/v1/tasks/{task_id}:resolve", {"reason": "asked the bank", **how})

    same(resolve(ids[0], outcome="OUTCOME_SUCCEEDED", result={"text": "paid"}, costNanoUsd="5").json()["result"]["text"], "paid")
    same(resolve(ids[1], outcome="OUTCOME_FAILED").json()["error"]["reason"], "RESOLVED_FAILED")
    same(resolve(ids[2], outcome="OUTCOME_DID_NOT_RUN").status, 200)
    eventually("it was tried again, and is in doubt again", lambda: len(mesh.http("GET", f"/v1/tasks/{ids[2]}").json()["attempts"]) == 2)
    eventually("doubt", lambda: mesh.state(ids[2]) == "IN_DOUBT")
    now = mesh.http("GET", "/v1/budgets/b").json()
    same((now["spentNanoUsd"], now["doubtNanoUsd"], now["leftNanoUsd"]), ("5", "7", "88"))
    late = resolve(ids[0], outcome="OUTCOME_FAILED")
    same((late.status, late.reason()), (400, "NOT_IN_DOUBT"))


if __name__ == "__main__":
    run_scenario(globals())
