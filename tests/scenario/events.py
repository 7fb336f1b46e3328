#!/usr/bin/env python3
"""Events of a real mesh to the outside: events.py AION NAME. Exit 77 with "SKIP: reason" where one cannot run."""
import collections
import http.client
import json
import math
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from mesh import SOURCE, Mesh, eventually, skip  # noqa: E402

TOPICS = {"aion.router.decisions": "aion.v1.DecisionEvent/1", "aion.tasks.lifecycle": "aion.v1.LifecycleEvent/1",
          "aion.metrics.runtime": "aion.v1.RuntimeMetrics/1", "aion.audit.activity": "aion.v1.AuditActivity/1"}
LONG = "AION_TEST_LONG" in os.environ
Record = collections.namedtuple("Record", "key sequence schema value")


class Kafka:
    """A real broker, by tests/servers/kafka.sh."""

    def __init__(self, *words):
        self.script, self.folder = str(SOURCE / "tests/servers/kafka.sh"), tempfile.mkdtemp(prefix="aion-kafka-")
        self.words = words
        self.start()

    def call(self, *words, timeout=120):
        done = subprocess.run([self.script, *words], capture_output=True, text=True, timeout=timeout)
        if done.returncode == 77:
            print(done.stdout.strip())
            sys.exit(77)
        if done.returncode != 0:
            raise AssertionError(f"kafka.sh {' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def start(self):
        told = dict(line.split("=", 1) for line in self.call("start", self.folder, *self.words).splitlines())
        self.brokers = told["BROKERS"]

    def kill(self):
        self.call("kill", self.folder)

    def tool(self, *words):
        return self.call("tool", self.folder, *words)

    def java(self):
        """All records of all topics by Kafka's own console consumer, by schema."""
        out = self.tool("console-consumer", "--include", r"aion\..*", "--from-beginning", "--timeout-ms", "4000", "--property",
                        "print.key=true", "--property", "print.headers=true", "--property", "key.separator=\t")
        records = collections.defaultdict(list)
        for line in out.splitlines():
            headers, key, value = line.split("\t", 2)
            headers = dict(header.split(":", 1) for header in headers.split(","))
            records[headers["aion-schema"]].append(Record(key, int(headers["aion-sequence"]), headers["aion-schema"], value))
        return records

    def kcat(self, topic):
        """The same by kcat, that is librdkafka; partition after partition."""
        done = subprocess.run(["kcat", "-b", self.brokers, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%k\t%h\t%s\n"],
                              capture_output=True, text=True, timeout=60, check=True)
        records = []
        for line in done.stdout.splitlines():
            key, headers, value = line.split("\t", 2)
            headers = dict(header.split("=", 1) for header in headers.split(","))
            records.append(Record(key, int(headers["aion-sequence"]), headers["aion-schema"], value))
        return records

    def close(self):
        self.kill()
        subprocess.run(["rm", "-rf", self.folder], check=True)


class Load:
    """Tasks that were acknowledged, as fast as a few threads get them through; refusals are tried again."""

    def __init__(self, mesh, threads=4, pause=0.03):
        self.mesh, self.pause, self.ids, self.stopped = mesh, pause, [], False
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.stopped:
            try:
                answer = self.mesh.http("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "x"}}, timeout=10)
                if answer.status in (200, 202):
                    self.ids.append(answer.json()["taskId"])
            except OSError:
                pass  # control is away
            time.sleep(self.pause)

    def stop(self):
        self.stopped = True
        for thread in self.threads:
            thread.join()
        return set(self.ids)


def in_console(mesh):
    """Kafka's row of the dependencies; {} while control is away or has not heard of it."""
    done = mesh.run("get", "dependencies", "-o", "json")
    rows = json.loads(done.stdout) if done.returncode == 0 else []
    return next((row for row in rows if row["dependency"] == "kafka"), {})


def metric(mesh, name):
    """Not a number while control is away, which it is for a moment each time a failpoint ends it: then no comparison holds."""
    try:
        page = mesh.admin("control", "/metrics")
    except (OSError, http.client.HTTPException):
        return math.nan
    return next((float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.split(" ")[0].split("{")[0] == name), math.nan)


def insist(what, ask, *statuses):
    """The answer, once it has one of these statuses: asked again while control is away."""
    answers = []

    def answered():
        try:
            answers.append(ask())
        except (OSError, http.client.HTTPException):
            return False
        return answers[-1].status in statuses

    eventually(what, answered, 20)
    return answers[-1]


def restarts(mesh):
    return next(process["restarts"] for process in mesh.status()["processes"] if process["name"] == "control")


def doctor(mesh):
    """The lines of aion doctor kafka, by verdict."""
    lines = mesh.run("doctor", "kafka", timeout=60).stdout.splitlines()
    return {verdict: [line for line in lines if line.startswith(verdict)] for verdict in ("ok", "warn", "FAIL")}


def first_of_each(records):
    """Repeats dropped by (key, sequence); each repeat is its first one byte for byte; what is left is in order per key."""
    seen, last, repeats = {}, {}, 0
    for record in records:
        name = record.key, record.sequence
        if name in seen:
            assert seen[name] == record, f"{record} repeats {seen[name]} otherwise"
            repeats += 1
            continue
        assert record.sequence > last.get(record.key, 0), f"{record} came after {last[record.key]}"
        seen[name], last[record.key] = record, record.sequence
    return list(seen.values()), repeats


def check_told(ids, lifecycle, decisions):
    """Every acknowledged task was told: accepted first, its end last, and where it went."""
    kinds = collections.defaultdict(list)
    for record in lifecycle:
        event = json.loads(record.value)
        assert event["taskId"] == record.key and int(event["sequence"]) == record.sequence
        kinds[record.key] += event["kinds"]
    routed = {record.key for record in decisions}
    missing = [task for task in ids if task not in kinds]
    assert not missing, f"{len(missing)} of {len(ids)} acknowledged tasks were not told, as {missing[:3]}"
    for task in ids:
        assert kinds[task][0] == "accepted", kinds[task]
        assert kinds[task][-1] == "succeeded", (task, kinds[task])
        assert task in routed, f"{task} has no decision"


def wait_done(mesh, ids):
    """All of them have ended, and the relay has told it."""
    waiting = set(ids)

    def ended():
        for task in list(waiting)[:200]:
            answer = mesh.http("GET", f"/v1/tasks/{task}/status")
            if answer.status == 200 and answer.json()["state"] == "TASK_STATE_SUCCEEDED":
                waiting.discard(task)
        return not waiting
    eventually("the tasks' ends", ended, 60)
    eventually("the relay's end", lambda: metric(mesh, "aion_events_relay_lag_rows") == 0, 60)


def cancelled_as_told(broker):
    """The targets of cancellations in the audit's topic, to which lines come once a second."""
    audit, _ = first_of_each(broker.kcat("aion.audit.activity"))
    lines = [json.loads(record.value) for record in audit]
    assert [line["actorId"] for line in lines] == [record.key for record in audit]
    return {line["target"] for line in lines if line["action"] == "AionTasks/Cancel" and line["result"] == "done"}


def kafka(mesh):
    """Under load the broker is killed, and control dies again and again between sending and marking: nothing is lost, repeats
    carry their names, and kcat, Kafka's console consumer and aion read the same. A deleted topic is red, comes back, and
    misses nothing of that time."""
    if subprocess.run(["which", "kcat"], capture_output=True).returncode != 0:
        skip("no kcat (package kcat)")
    broker = Kafka()
    os.environ["AION_KAFKA_BROKERS"] = broker.brokers
    try:
        applied = mesh.command("topics", "apply")
        assert applied.count("+ ") == 4, applied
        os.environ["AION_FAILPOINTS"] = "events/before_mark=kill:12"
        mesh.up()
        told = doctor(mesh)
        assert not told["FAIL"], told
        eventually("the console says it, too", lambda: in_console(mesh).get("state") == "ok")
        load = Load(mesh)
        time.sleep(2)
        broker.kill()
        eventually("the outbox holds", lambda: metric(mesh, "aion_events_relay_lag_rows") > 100)
        eventually("the broker is missed", lambda: metric(mesh, "aion_events_sink_up") == 0)
        eventually("the console says so", lambda: (row := in_console(mesh)).get("state") == "DOWN" and row["lag"] > 100, 20)
        red = doctor(mesh)["FAIL"]
        assert any("no broker answers" in line for line in red), red
        assert any("reaches no broker" in line for line in red), red
        time.sleep(60 if LONG else 3)
        before = len(load.ids)
        broker.start()
        eventually("the broker is back", lambda: metric(mesh, "aion_events_sink_up") == 1, 30)
        assert before > 50, "tasks are taken without a broker"
        deaths = restarts(mesh)
        eventually("control dies before it marks", lambda: restarts(mesh) >= deaths + (20 if LONG else 3), 200)
        ids = load.stop()
        cancelled = list(ids)[:5]
        for task in cancelled:  # what is done, and what is refused, is told too
            insist("a cancellation", lambda: mesh.http("DELETE", f"/v1/tasks/{task}"), 200)
            insist("one of nothing", lambda: mesh.http("DELETE", f"/v1/tasks/{task[:-4]}0000"), 404)
        wait_done(mesh, ids)

        lifecycle, repeats = first_of_each(broker.kcat("aion.tasks.lifecycle"))
        decisions, _ = first_of_each(broker.kcat("aion.router.decisions"))
        check_told(ids, lifecycle, decisions)
        assert repeats > 0, "control was killed between send and mark, and nothing came twice"
        print(f"{len(ids)} tasks, {len(lifecycle)} events, {repeats} repeats")
        eventually("the cancellations are told", lambda: cancelled_as_told(broker) == {f"task/{task}" for task in cancelled}, 20)
        compare_readers(mesh, broker)
        missing_topic(mesh, broker)
    finally:
        broker.close()


def compare_readers(mesh, broker):
    """kcat, Kafka's console consumer and aion see the same records, in order per key, once repeats are dropped."""
    # metrics go on meanwhile: what the others have read lies between two looks
    before, by_java, own = {topic: broker.kcat(topic) for topic in TOPICS}, broker.java(), {}
    for topic in TOPICS:
        tail = mesh.run("events", "tail", topic, "--from", "beginning", "--no-follow", "--json")
        own[topic] = [json.loads(line) for line in tail.stdout.splitlines()], tail.stderr
    after = {topic: broker.kcat(topic) for topic in TOPICS}
    for topic, schema in TOPICS.items():
        first, last = collections.Counter(before[topic]), collections.Counter(after[topic])
        java = collections.Counter(by_java[schema])
        assert first <= java <= last, f"{topic}: Java read {java.total()}, kcat {first.total()} before and {last.total()} after"
        first_of_each(by_java[schema])
        names = {(record.key, record.sequence) for record in before[topic]}
        shown, told = own[topic]
        shown = [(one["key"], int(one["sequence"])) for one in shown]
        assert len(shown) == len(set(shown)) and names <= set(shown), f"{topic}: aion read {len(shown)}: {told}"
        repeats = len(before[topic]) - len(names)
        assert f"{repeats} repeats dropped" in told or topic == "aion.metrics.runtime", told
        print(f"{topic}: {len(shown)} records, {repeats} repeats")


def missing_topic(mesh, broker):
    broker.tool("topics", "--delete", "--topic", "aion.tasks.lifecycle")
    ids = [insist("a task", mesh.submit, 200, 202).json()["taskId"] for _ in range(20)]
    eventually("the relay says so", lambda: metric(mesh, "aion_events_relay_failing") == 1, 30)
    red = doctor(mesh)["FAIL"]
    assert any("aion.tasks.lifecycle is missing; `aion topics apply`" in line for line in red), red
    mesh.command("topics", "apply")
    eventually("the relay goes on", lambda: metric(mesh, "aion_events_relay_lag_rows") == 0, 60)
    lifecycle, _ = first_of_each(broker.kcat("aion.tasks.lifecycle"))
    told = {record.key for record in lifecycle}
    assert told >= set(ids), "events of the time without the topic are missing"
    eventually("nothing is red", lambda: not doctor(mesh)["FAIL"], 20)


def embedded(mesh):
    """Without Kafka the same readers are served from the outbox: by position, by group, over a restart, and live."""
    mesh.up()
    ids = [mesh.submit().json()["taskId"] for _ in range(30)]

    def tail(topic, *words):
        done = mesh.run("events", "tail", topic, "--no-follow", "--json", *words, check=True)
        records = [json.loads(line) for line in done.stdout.splitlines()]
        return ([Record(one["key"], int(one["sequence"]), one["schema"], json.dumps(one["value"])) for one in records],
                done.stderr.strip().rsplit(" ", 1)[-1])

    lifecycle, position = tail("aion.tasks.lifecycle", "--from", "beginning")
    decisions, _ = tail("aion.router.decisions", "--from", "beginning")
    check_told(ids, first_of_each(lifecycle)[0], decisions)
    assert tail("aion.tasks.lifecycle", "--from", position)[0] == []
    assert tail("aion.tasks.lifecycle")[0] == [], "from the end there is nothing yet"
    in_group, _ = tail("aion.tasks.lifecycle", "--from", "beginning", "--group", "g")
    assert in_group == lifecycle
    os.kill(mesh.pid("control"), signal.SIGKILL)
    mesh.wait_ready()
    later = mesh.submit().json()["taskId"]
    in_group, _ = tail("aion.tasks.lifecycle", "--group", "g")
    assert {record.key for record in in_group} == {later}, "a group goes on where it was"
    by_position, _ = tail("aion.tasks.lifecycle", "--from", position)
    assert by_position == in_group
    live = subprocess.Popen([mesh.executable, "events", "tail", "aion.tasks.lifecycle", "--json", "--home", mesh.home],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    new = []

    def is_told():
        """It may not have asked for the end when the first of them is there."""
        new.append(mesh.submit().json()["taskId"])
        return select.select([live.stdout], [], [], 0.5)[0]

    try:
        eventually("what happens is told", is_told, 20)
        assert json.loads(live.stdout.readline())["key"] in new
        live.send_signal(signal.SIGINT)
        assert live.wait(timeout=10) == 0
    finally:
        live.kill()
        live.wait()
    mesh.run("events", "forget", "g", check=True)
    assert mesh.run("events", "forget", "g").returncode == 4
    assert mesh.run("events", "tail", "aion.tasks.lifecycle", "--from", "x:1").returncode == 1
    assert mesh.run("events", "tail", "aion.nothing").returncode == 2


SCENARIOS = {"kafka": kafka, "embedded": embedded}


def main():
    for name in ("AION_KAFKA_BROKERS", "AION_FAILPOINTS"):
        os.environ.pop(name, None)
    with Mesh(sys.argv[1]) as mesh:
        SCENARIOS[sys.argv[2]](mesh)


if __name__ == "__main__":
    main()
