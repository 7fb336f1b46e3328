#!/usr/bin/env python3
"""An operator at a shell, on the real mesh: cli.py AION NAME. What is changed is looked at over HTTP, too, where it counts."""
import json
import os
import pathlib
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from durable import PRICED, hostile_policy  # noqa: E402
from mesh import Mesh, eventually, has, run_scenario, same, write  # noqa: E402


def table(text):
    """The rows of a printed table: a dict of title and cell each. Columns stand at least two blanks apart."""
    lines = [[cell for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    return [{title.strip(): cell.strip() for title, cell in zip(lines[0], line)} for line in lines[1:]]


def rows(done):
    same(done.returncode, 0, done.stderr)
    return table(done.stdout)


def asked(mesh, *arguments):
    """The answer as JSON."""
    return json.loads(mesh.run(*arguments, "-o", "json", check=True).stdout)


def refused(mesh, status, part, *arguments):
    """A refusal: its exit status, a part of what it says, nothing on stdout, nothing but words for people on stderr."""
    done = mesh.run(*arguments)
    same((done.returncode, done.stdout, "grpc core" in done.stderr), (status, "", False), done.stderr)
    has(done.stderr, part)


def budgets(mesh):
    """A budget is set, bounds tasks to the nano-dollar, is raised, listed and removed."""
    mesh.up()
    mesh.write_policy(PRICED)
    same(mesh.run("policy", "reload").returncode, 0)
    same(rows(mesh.run("budgets", "list")), [])
    (made,) = rows(mesh.run("budgets", "set", "day", "--limit", "0.000002", "--period", "day", "--intent", "noop"))
    same((made["LIMIT USD"], made["LEFT USD"], made["PERIOD"], made["TENANT"], made["INTENT"]),
         ("0.000002000", "0.000002000", "day", "any", "noop"))
    for _ in range(2):
        same(mesh.run("submit", "noop", "--wait").returncode, 0)
    refused(mesh, 1, "`aion budgets list` shows what is left", "submit", "noop")
    (spent,) = rows(mesh.run("budgets", "get", "day"))
    same((spent["SPENT USD"], spent["LEFT USD"]), ("0.000002000", "0.000000000"))
    same(mesh.run("budgets", "set", "day", "--limit", "3000nano", "--period", "DAY", "--intent", "noop").returncode, 0)
    same(mesh.run("submit", "noop", "--wait").returncode, 0)
    same(mesh.run("budgets", "set", "a", "--limit", "9223372036.854775807", "--period", "total", "--tenant", "acme").returncode, 0)
    same([row["BUDGET"] for row in rows(mesh.run("budgets", "list"))], ["a", "day"])
    (of_acme,) = asked(mesh, "budgets", "list", "--tenant", "acme")["budgets"]
    same((of_acme["budgetId"], of_acme["limitNanoUsd"]), ("a", "9223372036854775807"))
    (gone,) = rows(mesh.run("budgets", "remove", "day"))
    same((gone["PERIOD"], gone["LIMIT USD"]), ("removed", "0.000003000"))
    same([row["BUDGET"] for row in rows(mesh.run("budgets", "list"))], ["a"])
    same(mesh.run("submit", "noop", "--wait").returncode, 0)
    refused(mesh, 4, "`aion budgets list` shows the budgets there are", "budgets", "get", "nothing")
    refused(mesh, 4, "[BUDGET_NOT_FOUND]", "budgets", "remove", "nothing")
    refused(mesh, 1, "budget_id is 1 to 64 of", "budgets", "set", "NO", "--limit", "1", "--period", "day")


def listed(mesh, state):
    """The ids of the tasks in a state."""
    return [row["TASK"] for row in rows(mesh.run("tasks", "list", "--state", state, "--limit", "1000"))]


def queue(mesh):
    """Tasks are held by a rule, some let go by number, by id and by a filter, the rest at a rate."""
    mesh.up()
    same(rows(mesh.run("tasks", "holds")), [])
    (hold,) = rows(mesh.run("tasks", "hold", "--intent", "noop", "--reason", "look first\x1b[31m"))
    same((hold["INTENT"], hold["TENANT"], hold["HELD"], hold["STATE"]), ("noop", "any", "0", "holding"))
    same(hold["REASON"], "look first [31m")
    (again,) = rows(mesh.run("tasks", "hold", "--intent", "noop"))
    same(again["HOLD"], hold["HOLD"])
    ids = [asked(mesh, "submit", "noop", "--param", f"text=number {number}")["taskId"] for number in range(12)]
    eventually("all are held", lambda: sorted(listed(mesh, "held")) == sorted(ids))
    began = time.monotonic()
    waited = asked(mesh, "submit", "noop", "--wait=6")
    assert waited["state"] == "TASK_STATE_HELD" and 6 <= time.monotonic() - began < 11, waited
    same(mesh.run("tasks", "cancel", waited["taskId"]).returncode, 0)
    same(rows(mesh.run("tasks", "list", "--state", "HELD", "--since", "1h", "--limit", "3"))[0]["TASK"], ids[-1])
    has(mesh.run("tasks", "list", "--limit", "3").stderr, "there are more")
    same(rows(mesh.run("tasks", "list", "--state", "held", "--until", "1h")), [])
    same(mesh.run("submit", "summarize_text", "--param", "text=One. Two.", "--wait").returncode, 0)
    same(mesh.run("tasks", "release", hold["HOLD"], "--max", "2", "--reason", "try two").returncode, 0)
    eventually("two have run", lambda: sorted(listed(mesh, "held")) == sorted(ids[2:]))
    same(mesh.run("tasks", "release", hold["HOLD"], ids[7], ids[9]).returncode, 0)
    eventually("two more, by id", lambda: sorted(listed(mesh, "held")) == sorted(set(ids[2:]) - {ids[7], ids[9]}))
    same(mesh.run("tasks", "release", hold["HOLD"], "--since", "1s", "--intent", "other").returncode, 0)
    same(len(listed(mesh, "held")), 8)
    same(rows(mesh.run("tasks", "cancel", ids[2], "--reason", "not wanted"))[0]["STATE"], "CANCELLED")
    (now,) = rows(mesh.run("tasks", "holds"))
    same((now["HELD"], now["RELEASED"], now["BY"] != "-"), ("7", "4", True))
    (going,) = asked(mesh, "tasks", "release", hold["HOLD"], "--rate", "20"),
    same((going["releasing"], going["reason"]), (True, "look first\x1b[31m"))
    eventually("the hold has ended", lambda: rows(mesh.run("tasks", "holds")) == [], 20)
    eventually("all have run", lambda: len(listed(mesh, "succeeded")) == 12)
    refused(mesh, 4, "`aion tasks holds` shows the holds in force", "tasks", "release", hold["HOLD"])
    refused(mesh, 4, "`aion tasks list` shows the tasks there are", "tasks", "get", hold["HOLD"])
    refused(mesh, 1, "UUID", "tasks", "get", "nonsense")
    refused(mesh, 4, "`aion tasks list` shows the tasks there are", "tasks", "watch", hold["HOLD"])
    has(mesh.run("tasks", "watch", ids[0], check=True).stdout, "SUCCEEDED")
    gone = mesh.run("tasks", "watch", waited["taskId"])
    same(gone.returncode, 6)
    has(gone.stdout, "CANCELLED")
    same(len(rows(mesh.run("tasks", "list", "--tenant", "*", "--limit", "1000"))), 14)
    same(rows(mesh.run("tasks", "list", "--tenant", "other")), [])
    refused(mesh, 2, "or --all to mean every task", "tasks", "hold")
    (everything,) = asked(mesh, "tasks", "hold", "--all"),
    same(everything["filter"]["all"], True)
    same(mesh.run("tasks", "release", everything["holdId"]).returncode, 0)


def dead(mesh):
    """Dead letters are listed by what killed them, counted, replayed by id, by filter and at a rate; a replay is followed and stopped."""
    modules = hostile_policy(mesh, "  - {name: hostile, intents: [work], module: hostile, attempts: 1}\n"
                                   "  - {name: mended, intents: [work], module: noop}\n"
                                   "rules:\n  - {name: first, when: {intent: work}, use: [hostile]}\n")
    mesh.up("--modules", modules)
    ids = [asked(mesh, "submit", "work", "--param", "text=crash")["taskId"] for _ in range(10)]
    eventually("all are dead", lambda: sorted(listed(mesh, "dead")) == sorted(ids), 30)
    letters = rows(mesh.run("dead", "list", "--error", "MODULE_CRASHED", "--since", "1h"))
    same(sorted(row["TASK"] for row in letters), sorted(ids))
    has(letters[0]["ERROR"], "MODULE_CRASHED: ")
    few = mesh.run("dead", "list", "--limit", "4")
    same((len(rows(few)), "there are more" in few.stderr), (4, True))
    same(rows(mesh.run("dead", "list", "--module", "noop")), [])
    (dry,) = rows(mesh.run("dead", "replay", "--intent", "work", "--dry-run"))
    same((dry["STATE"], dry["MATCHED"], dry["REPLAYED"]), ("dry run", "10", "0"))
    same(asked(mesh, "dead", "replay", "--error", "OTHER", "--dry-run").get("matched", "0"), "0")
    mesh.write_policy(mesh.policy.read_text().replace("use: [hostile]", "use: [mended]"))
    same(mesh.run("policy", "reload").returncode, 0)
    (one,) = rows(mesh.run("dead", "replay", ids[0], "--wait", "--reason", "mended"))
    same((one["STATE"], one["MATCHED"], one["REPLAYED"]), ("ended", "1", "1"))
    anew = asked(mesh, "tasks", "get", ids[0])["replayedAs"]
    eventually("it runs now", lambda: listed(mesh, "succeeded") == [anew])
    again = mesh.run("dead", "replay", ids[0], "--wait")
    same(again.returncode, 1)
    has(again.stdout, "NO_DEAD_LETTER: ")
    slow = asked(mesh, "dead", "replay", "--all", "--rate", "1")
    same(asked(mesh, "dead", "status", slow["replayId"])["running"], True)
    same(mesh.run("dead", "stop", slow["replayId"]).returncode, 0)
    eventually("it stops", lambda: rows(mesh.run("dead", "status", slow["replayId"]))[0]["STATE"] == "ended")
    left = len(rows(mesh.run("dead", "list")))
    assert 0 < left < 10, left
    rest = asked(mesh, "dead", "replay", "--all", "--rate", "1000", "--max", "1", "--wait")
    same((rest["replayed"], len(rows(mesh.run("dead", "list")))), ("1", left - 1))
    same(mesh.run("dead", "replay", "--tenant", "default", "--rate", "1000", "--route", "mended", "--wait").returncode, 0)
    same(rows(mesh.run("dead", "list")), [])
    eventually("all have run", lambda: len(listed(mesh, "succeeded")) == 10)
    refused(mesh, 4, "`aion dead list` shows what is still to be replayed", "dead", "status", ids[0])
    refused(mesh, 2, "or --all to mean every dead letter", "dead", "replay")
    refused(mesh, 1, "is not a UUID", "dead", "replay", "nonsense", "--dry-run")


def doubt(mesh):
    """Tasks whose attempt nobody knows the end of: an operator says what became of each, and what it cost."""
    modules = hostile_policy(mesh, "  - {name: unsafe, intents: [pay], module: hostile, attempts: 3, repeat: unsafe, cost_nano_usd: 7}\n")
    mesh.up("--modules", modules)
    same(mesh.run("budgets", "set", "b", "--limit", "100nano", "--period", "day").returncode, 0)
    ids = [asked(mesh, "submit", "pay", "--param", "text=crash")["taskId"] for _ in range(3)]
    eventually("all are in doubt", lambda: sorted(listed(mesh, "in-doubt")) == sorted(ids), 30)
    same(rows(mesh.run("budgets", "list"))[0]["DOUBT USD"], "0.000000021")
    refused(mesh, 2, "--outcome did-not-run, succeeded or failed", "tasks", "resolve", ids[0])
    refused(mesh, 2, "--result is of what succeeded", "tasks", "resolve", ids[0], "--outcome", "failed", "--result", "x")
    refused(mesh, 2, "what did not run cost nothing", "tasks", "resolve", ids[0], "--outcome", "did-not-run", "--cost", "1")
    (paid,) = rows(mesh.run("tasks", "resolve", ids[0], "--outcome", "succeeded", "--result", "paid", "--cost", "5nano", "--reason", "asked the bank"))
    same(paid["STATE"], "SUCCEEDED")
    has(mesh.run("tasks", "get", ids[0]).stdout, "\npaid\n")
    same(asked(mesh, "tasks", "resolve", ids[1], "--outcome", "FAILED", "--reason", "asked the bank")["error"]["message"], "asked the bank")
    same(mesh.run("tasks", "resolve", ids[2], "--outcome", "did_not_run").returncode, 0)
    eventually("it was tried again", lambda: len(asked(mesh, "tasks", "get", ids[2])["attempts"]) == 2)
    eventually("and is in doubt again", lambda: listed(mesh, "in_doubt") == [ids[2]])
    (left,) = rows(mesh.run("budgets", "list"))
    same((left["SPENT USD"], left["DOUBT USD"], left["LEFT USD"]), ("0.000000005", "0.000000007", "0.000000088"))
    refused(mesh, 1, "`aion tasks list --state in-doubt` shows the tasks that are", "tasks", "resolve", ids[0], "--outcome", "failed")


def audit(mesh):
    """What was done stands in the log, with who and why; a line that is rewritten is named, and the status says so."""
    mesh.up()
    began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    same(mesh.run("budgets", "set", "b", "--limit", "1", "--period", "day").returncode, 0)
    same(mesh.run("budgets", "set", "b", "--limit", "2.5", "--period", "day").returncode, 0)
    same(mesh.run("hosts", "drain", "host-1", "--reason", "new kernel").returncode, 0)
    same(mesh.run("hosts", "drain", "nobody", "--reason", "x").returncode, 4)

    def deeds():  # the router writes lines of its own
        return [line for line in rows(mesh.run("audit", "list", "--since", began)) if line["ROLE"] == "admin"]

    eventually("all is written", lambda: len(deeds()) == 4)
    same([(line["ACTION"], line["RESULT"]) for line in deeds()],
         [("Hosts/DrainHost", "NOT_FOUND"), ("Hosts/DrainHost", "done"), ("Budgets/SetBudget", "done"), ("Budgets/SetBudget", "done")])
    (line,) = rows(mesh.run("audit", "list", "--action", "Budgets/SetBudget", "--limit", "1"))
    same((line["ACTOR"], line["ROLE"], line["TARGET"], line["DETAIL"]), ("admin", "admin", "budget/b", "limit 1000000000 -> 2500000000 nano-USD"))
    same(rows(mesh.run("audit", "list", "--actor", "nobody")), [])
    same(rows(mesh.run("audit", "list", "--until", "1h")), [])
    (chain,) = rows(mesh.run("audit", "verify"))
    same(chain["HOLDS"], "yes")
    same(asked(mesh, "audit", "verify")["valid"], True)
    mesh.down()
    with sqlite3.connect(pathlib.Path(mesh.home, "aion.db")) as database:
        database.execute("UPDATE audit SET actor = 'somebody else' WHERE action = 'Budgets/SetBudget'")
        (first,) = database.execute("SELECT min(number) FROM audit WHERE action = 'Budgets/SetBudget'").fetchone()
    mesh.up()
    broken = mesh.run("audit", "verify")
    same(broken.returncode, 1)
    has(broken.stderr, f"the audit log does not hold: line {first} of ")
    same([row["FIRST BAD"] for row in table(broken.stdout) if row["HOLDS"] == "NO"], [str(first)])
    as_json = mesh.run("audit", "verify", "-o", "json")
    same((as_json.returncode, json.loads(as_json.stdout).get("valid", False)), (1, False))


def hosts(mesh):
    """A host is drained with a reason and put back: nothing new runs there meanwhile."""
    mesh.up()
    (host,) = rows(mesh.run("hosts", "list"))
    same((host["HOST"], host["STATE"], host["DRAINED BY"]), ("host-1", "ok", "-"))
    has(host["MODULES"], "noop@")
    refused(mesh, 2, "drain needs --reason", "hosts", "drain", "host-1")
    refused(mesh, 4, "`aion hosts list` shows the hosts that are attached", "hosts", "drain", "nobody", "--reason", "x")
    (host,) = rows(mesh.run("hosts", "drain", "host-1", "--reason", "new kernel"))
    same((host["STATE"], host["REASON"], host["DRAINED BY"]), ("drained", "new kernel", "admin"))
    waits = asked(mesh, "submit", "noop")["taskId"]
    same(asked(mesh, "hosts", "list")["hosts"][0]["drainReason"], "new kernel")
    eventually("the task waits", lambda: listed(mesh, "queued") == [waits])
    (host,) = rows(mesh.run("hosts", "undrain", "host-1"))
    same((host["STATE"] in ("ok", "full"), host["REASON"]), (True, "-"))
    eventually("the task runs", lambda: listed(mesh, "succeeded") == [waits])


def explain(mesh):
    """Why a task went where it went: the rule as it stood then, the attempts, the cost; a held one, a dead one, one that repeats it."""
    modules = hostile_policy(mesh, "  - {name: hostile, intents: [work], module: hostile, attempts: 2, cost_nano_usd: 5}\n"
                                   "  - {name: mended, intents: [work], module: noop, cost_nano_usd: 1500000001}\n"
                                   "rules:\n  - name: first\n    when: {intent: work}\n    use: [hostile]\n")
    mesh.up("--modules", modules)
    same(mesh.run("budgets", "set", "b", "--limit", "100", "--period", "day").returncode, 0)
    task = asked(mesh, "submit", "work", "--param", "text=crash")["taskId"]
    eventually("it is dead", lambda: listed(mesh, "dead") == [task], 30)
    mesh.write_policy(mesh.policy.read_text().replace("use: [hostile]", "use: [mended]"))
    same(mesh.run("policy", "reload").returncode, 0)
    told = mesh.run("explain", task, check=True).stdout
    for part in (f"task       {task} DEAD, work of tenant default", "error      MODULE_CRASHED: ", "route      hostile by rule: 10-default.yaml:6 first",
                 "|   - name: first", "|     use: [hostile]", "policy     revision 1 sha256:", "module     hostile, tier local"):
        has(told, part)
    same([row["HOST"] for row in table(told[told.index("ATTEMPT  "):].split("\n\n")[0])], ["host-1", "host-1"])
    same(table(told[told.index("AFTER"):])[0]["EVENT"], "accepted")
    same(mesh.run("dead", "replay", task, "--wait").returncode, 0)
    anew = asked(mesh, "explain", task)["replayedAs"]
    eventually("it ends", lambda: listed(mesh, "succeeded") == [anew])
    told = mesh.run("explain", anew, check=True).stdout
    for part in ("mended by rule", "|     use: [mended]", "revision 2", f"repeats    {task}", "cost       1.500000001 USD"):
        has(told, part)
    refused(mesh, 4, "`aion tasks list` shows the tasks there are", "explain", "01a20d71-507e-71d6-9db6-3a4ee1f8b889")
    refused(mesh, 1, "is not a UUID", "explain", "nonsense")


def batch(mesh):
    """A file of tasks: each line is taken or refused by itself, in order, over the bound of one call; given again it makes no second task."""
    mesh.up()
    good = [json.dumps({"intent": "noop", "params": {"text": f"line {number}"}, "idempotencyKey": f"key-{number}"}) for number in range(1, 1201)]
    good[6], good[7], good[8] = "", '{"intent":', '{"intent": "noop", "wait": "1s"}'
    good[1100] = '{"intent": "no_such_intent"}'
    file = pathlib.Path(mesh.home, "tasks.ndjson")
    write(file, "\n".join(good))
    done = mesh.run("submit", "--batch", str(file))
    same((done.returncode, done.stderr), (1, "1196 taken, 3 refused\n"))
    told = [line.split("  ") for line in done.stdout.splitlines()]
    same([int(line[0]) for line in told], [number for number in range(1, 1201) if number != 7])
    wrong = {int(line[0]): line[2] for line in told if line[1] == "-"}
    same(sorted(wrong), [8, 9, 1101])
    has(wrong[8], "NO_REQUEST: ")
    has(wrong[9], "leave `wait` out")
    has(wrong[1101], "INTENT_UNKNOWN: ")
    again = [json.loads(line) for line in mesh.run("submit", "--batch", "-", "-o", "json", stdin="\n".join(good[:6]) + "\n").stdout.splitlines()]
    same([(line["line"], line["outcome"]["task"]["taskId"]) for line in again], [(int(line[0]), line[1]) for line in told[:6]])
    large = [json.dumps({"intent": "noop", "params": {"text": "x"}, "input": "QUJD" * (1 << 19), "contentType": "text/plain"}) for _ in range(9)]
    done = mesh.run("submit", "--batch", "-", stdin="\n".join(large))
    same((done.returncode, done.stderr), (0, "9 taken, 0 refused\n"))
    eventually("all have run", lambda: not any(listed(mesh, state) for state in ("accepted", "queued", "running")), 60)
    refused(mesh, 4, "nowhere cannot be read", "submit", "--batch", "nowhere")
    empty = mesh.run("submit", "--batch", "-", stdin="\n\n")
    same(empty.returncode, 1)
    has(empty.stderr, "give one task a line, as JSON")


def silence(mesh):
    """Why the mesh does not answer is said: a control that stands still, a certificate of another mesh, none at all."""
    mesh.up()
    os.kill(mesh.pid("control"), signal.SIGSTOP)
    try:
        refused(mesh, 3, "does not answer: `aion status` shows what runs", "budgets", "list")
        refused(mesh, 3, "does not answer: `aion status` shows what runs", "get", "tasks")
        refused(mesh, 3, "does not answer: ", "tasks", "watch", "01a20d71-507e-71d6-9db6-3a4ee1f8b889")
    finally:
        os.kill(mesh.pid("control"), signal.SIGCONT)
    own = pathlib.Path(mesh.home, "tls/user-admin.key")
    kept = own.read_bytes()
    with Mesh(mesh.executable) as foreign:
        foreign.up()
        own.write_bytes(pathlib.Path(foreign.home, "tls/user-admin.key").read_bytes())
    refused(mesh, 3, "user-admin.key is not the key of", "tasks", "list")
    same(mesh.run("doctor").returncode, 1)
    has(mesh.run("doctor").stdout, "FAIL  identity")
    own.write_bytes(kept)
    eventually("all is well", lambda: mesh.run("budgets", "list").returncode == 0)
    same(mesh.run("doctor").returncode, 0)
    own.rename(own.with_suffix(".away"))
    refused(mesh, 3, "user-admin.key\" cannot be read", "tasks", "list")
    own.with_suffix(".away").rename(own)
    mesh.env["AION_API_KEY"] = "not the key"
    has(mesh.http("GET", "/v1/budgets").body.decode(), "it stands in the home's api-key")
    mesh.down()
    refused(mesh, 3, "start one by `aion up`", "budgets", "list")


def logs(mesh):
    """`logs -f` goes on in the next file when one is full: no line of either is missed. No mesh is needed for it."""
    file = pathlib.Path(mesh.home, "logs", "router.log")
    file.parent.mkdir()
    write(file, "first\n")
    follower = subprocess.Popen([mesh.executable, "logs", "-f", "router", "--home", mesh.home], stdout=subprocess.PIPE, text=True)
    try:
        lines = [follower.stdout.readline()]
        with file.open("a") as old:
            old.write("last of the old\n")
        file.rename(file.with_suffix(".log.1"))
        write(file, "first of the new\n")
        lines += [follower.stdout.readline() for _ in range(2)]
        with file.open("a") as new:
            new.write("next\n")
        lines.append(follower.stdout.readline())
    finally:
        follower.kill()
        follower.wait()
    same([line.split("| ")[1].strip() for line in lines], ["first", "last of the old", "first of the new", "next"])


def told(mesh):
    """What `up` and `env` tell is what the gateway was given by the environment: HTTPS, keys in a file."""
    mesh.up()
    has(mesh.env["AION_URL"], "http://")
    mesh.down()
    os.environ["AION_GATEWAY_API_KEYS"] = "one-key-that-is-long-enough:admin,another-key-that-is-long:user"
    mesh.up()
    same(mesh.env["AION_API_KEY"], "one-key-that-is-long-enough")
    request = urllib.request.Request(mesh.env["AION_URL"] + "/v1/tasks", headers={"Authorization": "Bearer another-key-that-is-long"})
    same(urllib.request.urlopen(request, timeout=10).status, 200)
    del os.environ["AION_GATEWAY_API_KEYS"]
    mesh.down()
    mesh.write_keys("a-key-that-is-long-enough@acme:user")
    os.environ["AION_GATEWAY_HTTP_CERT"] = mesh.home + "/tls/gateway.crt"
    os.environ["AION_GATEWAY_HTTP_KEY"] = mesh.home + "/tls/gateway.key"
    mesh.up()
    same(mesh.env["AION_API_KEY"], "a-key-that-is-long-enough")
    has(mesh.env["AION_URL"], "https://")
    request = urllib.request.Request(mesh.env["AION_URL"] + "/v1/tasks", headers={"Authorization": "Bearer " + mesh.env["AION_API_KEY"]})
    same(urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=10).status, 200)


if __name__ == "__main__":
    run_scenario(globals())
