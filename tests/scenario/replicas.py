#!/usr/bin/env python3
"""Several controls on one PostgreSQL: replicas.py AION NAME; run it by tests/servers/postgres.sh with tcp -- ...

Load runs through two gateways while controls are killed, stopped, paused and started: writers repeat what was not answered
under its key, readers come back with their cursor. What was acknowledged is judged at the end, by what clients see and by
the tables."""
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster import Cluster, eventually  # noqa: E402
from events import Kafka, first_of_each  # noqa: E402
from mesh import FINAL, skip  # noqa: E402
from mesh_kill import LIMIT, POLICY, Client, Ledger, judge, judge_money, read_streams, write_tasks  # noqa: E402

LEASE = 2.0
HOSTILE = """  - {name: hostile, intents: [work], module: hostile, attempts: 1}
  - {name: mended, intents: [work], module: noop}
rules:
  - {name: first, when: {intent: work}, use: [hostile]}
"""


class Door:
    """One gateway, as the chaos clients want a mesh."""

    def __init__(self, cluster, index):
        self.env = {"AION_URL": cluster.url(index), "AION_API_KEY": cluster.key}


class Load:
    """Writers and readers at every gateway until `end`; then everything acknowledged is judged."""

    def __init__(self, cluster, writers=4, readers=2):
        self.cluster, self.ledger, self.stop = cluster, Ledger(), threading.Event()
        self.doors = [Door(cluster, index) for index in range(len(cluster.of("gateway")))]
        jobs = [write_tasks] * writers + [read_streams] * readers
        self.threads = [threading.Thread(target=job, args=(self.doors[i % len(self.doors)], self.ledger, self.stop), daemon=True)
                        for i, job in enumerate(jobs)]
        for thread in self.threads:
            thread.start()

    def run(self, seconds):
        time.sleep(seconds)

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def judge(self):
        judge(self.doors[0], self.ledger)
        judge_money(self.doors[0], self.ledger)
        tasks, outcomes, keys = (int(self.cluster.sql(f"SELECT count(*) FROM {table}")[0][0])
                                 for table in ("task", "outcome", "idempotency"))
        own = int(self.cluster.sql("SELECT count(*) FROM own_id")[0][0])
        if not tasks == outcomes == keys + own or tasks < len(self.ledger.acknowledged):
            self.ledger.fault(f"store: {tasks} tasks, {outcomes} outcomes, {keys} keys, {own} own ids, "
                              f"{len(self.ledger.acknowledged)} acknowledged")
        total = int(self.cluster.sql("SELECT (SELECT coalesce(sum(nano_usd), 0) FROM ledger) + (SELECT "
                                     "coalesce(sum(nano_usd), 0) FROM balance)")[0][0])
        if total != 0:
            self.ledger.fault(f"store: the sum over all accounts is {total}")
        for fault in self.ledger.faults[:20]:
            print("FAULT:", fault)
        assert not self.ledger.faults, f"{len(self.ledger.faults)} faults"
        print(f"{len(self.ledger.acknowledged)} tasks acknowledged, each ended once; {self.ledger.repeats} submits repeated, "
              f"{self.ledger.streams} streams over {self.ledger.resumes} resumptions and {self.ledger.restarts} restarts")


def id_in(shard):
    """A client's own task id in this shard: its low six bits."""
    raw = bytearray(uuid.uuid4().bytes)
    raw[15] = raw[15] & 0xC0 | shard
    return str(uuid.UUID(bytes=bytes(raw)))


def accepted(client, shard, seconds):
    """How long until a task in this shard is taken and done; asked again and again, under its one id."""
    began, task_id = time.monotonic(), id_in(shard)
    while time.monotonic() - began < seconds:
        answer = client.ask("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "x"}, "taskId": task_id},
                            {"Prefer": "wait=2"})
        if answer is not None and answer[0] == 200 and answer[1]["state"] == "TASK_STATE_SUCCEEDED":
            return time.monotonic() - began
        assert answer is None or answer[0] in (200, 202, 429, 500, 502, 503, 504), answer
        time.sleep(0.02)
    raise AssertionError(f"no task is done in shard {shard} within {seconds} s")


def owner_of_most(cluster):
    owners = list(cluster.owners().values())
    return max(set(owners) - {""}, key=owners.count)


def names(cluster):
    return [process.name for process in cluster.of("control")]


def hosts_attached(cluster):
    """Every host has a stream to every control."""
    return all(process.admin("/metrics")[1].count('slots="offered"') == len(cluster.of("host")) and
               all(f'host_id="{host.name}",slots="offered"' in process.admin("/metrics")[1] for host in cluster.of("host"))
               for process in cluster.of("control"))


# -- scenarios -----------------------------------------------------------------------------------------------------------

def find_each_other(cluster):
    """Three controls share the shards; hosts find all of them; a task in any shard is taken at any gateway, and asked for,
    streamed and cancelled there; a key means the same everywhere."""
    eventually("three controls share the shards", lambda: cluster.shared_out(names(cluster)), 60)
    eventually("hosts are at every control", lambda: hosts_attached(cluster), 60)
    first, second = (Client(Door(cluster, index)) for index in range(2))
    for shard in range(64):
        accepted(first if shard % 2 else second, shard, 10)
    body = {"intent": "noop", "params": {"text": "one"}}
    ids = {client.ask("POST", "/v1/tasks", body, {"Idempotency-Key": f"key-{i}", "Prefer": "wait=5"})[1]["taskId"]
           for i in range(10) for client in (first, second) * 2}
    assert len(ids) == 10, ids
    conflict = first.ask("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "two"}}, {"Idempotency-Key": "key-1"})
    assert conflict[0] == 409, conflict
    for shard in random.sample(range(64), 8):
        task_id = id_in(shard)
        body = {"intent": "drip", "params": {"lines": 2000, "pause_ms": 50, "width": 32}, "taskId": task_id}
        assert first.ask("POST", "/v1/tasks", body)[0] == 202
        eventually("it runs", lambda: second.ask("GET", f"/v1/tasks/{task_id}")[1]["state"] == "TASK_STATE_RUNNING", 10)
        gone = second.ask("DELETE", f"/v1/tasks/{task_id}")
        assert gone[1]["state"] == "TASK_STATE_CANCELLED", gone
    forwarded = sum(process.metric("aion_control_calls_forwarded_total") for process in cluster.of("control"))
    assert forwarded > 0, "every call came to its owner by chance"
    load = Load(cluster)
    load.run(5)
    load.end()
    load.judge()
    print(f"{int(forwarded)} calls were handed on")


def owner_killed(cluster):
    """kill -9 of the control with most shards, three times, under load: tasks in its shards are taken and done again within
    two leases, streams go on, and nothing acknowledged is lost or done twice."""
    eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 60)
    load, worst = Load(cluster), 0.0
    load.run(3)
    for _ in range(3):
        victim = owner_of_most(cluster)
        shards = [shard for shard, owner in cluster.owners().items() if owner == victim]
        cluster.processes[victim].send(signal.SIGKILL)
        cluster.processes[victim].wait()
        found, threads = {}, []
        for i, shard in enumerate(random.sample(shards, 8)):
            client = Client(load.doors[i % 2])
            threads.append(threading.Thread(
                target=lambda c=client, s=shard: found.__setitem__(s, accepted(c, s, 10 * LEASE))))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8, f"of 8 shards of {victim} only {sorted(found)} came back"
        worst = max(worst, *found.values())
        load.run(1)
        cluster.processes[victim].start()
        eventually("the shards are shared again", lambda: cluster.shared_out(names(cluster)), 60)
    load.end()
    load.judge()
    print(f"after a kill a task in a shard of the dead was done after {worst:.2f} s at most; two leases are {2 * LEASE:.0f} s")
    assert worst <= 2 * LEASE


DIGEST = ("SELECT count(*), coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM {} t")
# Not the balances: escrow that was taken from it when it seemed dead is carved anew when it is one of them again.
TABLES = ("task", "decision", "attempt", "attempt_end", "mark", "chunk", "ack", "outcome", "ledger", "outbox")


def picture(cluster):
    return {table: cluster.sql(DIGEST.format(table)) for table in TABLES}


def owner_paused(cluster):
    """SIGSTOP of the control with most shards for three leases, while its writes are on their way to the store: the others do
    its work; when it wakes what it still sends is refused, not one row of the store changes, and it is one of them again."""
    fenced = 0
    for turn in range(2):
        eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 60)
        load = Load(cluster, writers=8)
        load.run(2)
        victim = cluster.processes[owner_of_most(cluster)]
        before = victim.metric("aion_control_writes_fenced_total")
        held = cluster.hold_shards(victim.name, 0.7)
        time.sleep(0.4)
        victim.send(signal.SIGSTOP)
        held.wait()
        load.run(3 * LEASE)
        others = [name for name in names(cluster) if name != victim.name]
        eventually("the others have its shards", lambda: cluster.shared_out(others), 30)
        load.end()
        client = Client(load.doors[turn % 2])
        for task_id in load.ledger.acknowledged:  # nothing is under way any more
            eventually(task_id, lambda: (client.ask("GET", f"/v1/tasks/{task_id}") or (0, {}))[1].get("state") in FINAL, 30)
        still = picture(cluster)
        victim.send(signal.SIGCONT)
        eventually("it is one of them again", lambda: cluster.shared_out(names(cluster)), 60)
        time.sleep(LEASE)
        now = picture(cluster)
        assert now == still, {table: (still[table], now[table]) for table in TABLES if now[table] != still[table]}
        fenced += victim.metric("aion_control_writes_fenced_total") - before
        load.judge()
    print(f"two pauses: {int(fenced)} writes that came late were refused by the store")
    assert fenced > 0, "the pauses met nothing on its way: they show nothing"


def rolling(cluster):
    """SIGTERM and a new start of every control in turn, twice, under load: not one call fails, and shards are given back at
    once."""
    eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 60)
    stop, failed, done, took = threading.Event(), [], [0, 0, 0, 0], []

    def call(index):
        door = Door(cluster, index % 2)
        while not stop.is_set():
            client, text, headers = Client(door), uuid.uuid4().hex, {"Prefer": "wait=10"}
            if index < 2:
                headers["Idempotency-Key"] = text
            answer = client.ask("POST", "/v1/tasks", {"intent": "noop", "params": {"text": text}}, headers)
            if answer is not None and answer[0] == 202:  # its control left before the end: it is asked for
                task_id, until = answer[1]["taskId"], time.monotonic() + 20
                while "result" not in answer[1] and time.monotonic() < until:
                    answer = client.ask("GET", f"/v1/tasks/{task_id}")
                    if answer is None or answer[0] != 200:
                        break
            if answer is None or answer[0] != 200 or answer[1].get("result", {}).get("text") != text:
                failed.append((index, answer))
            done[index] += 1
            client.close()

    threads = [threading.Thread(target=call, args=(index,), daemon=True) for index in range(4)]
    for thread in threads:
        thread.start()
    for name in names(cluster) * 2:
        process, others = cluster.processes[name], [other for other in names(cluster) if other != name]
        process.send(signal.SIGTERM)
        began = time.monotonic()
        eventually("its shards are the others'", lambda: cluster.shared_out(others), 15)
        took.append(time.monotonic() - began)
        assert process.wait() == 0
        process.start()
        eventually(f"{name} is ready", process.ready, 20)
        eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 60)
    stop.set()
    for thread in threads:
        thread.join()
    print(f"{sum(done)} calls over {len(took)} restarts, {len(failed)} failed; shards were the others' {max(took):.2f} s after "
          f"SIGTERM at most")
    assert not failed, failed[:5]


def each_client(cluster):
    """One a control."""
    return [Client(Door(cluster, index)) for index in range(len(cluster.of("gateway")))]


def ok(answer):
    assert answer is not None and answer[0] == 200, answer
    return answer[1]


def count_states(client, state):
    return len(ok(client.ask("GET", f"/v1/tasks?page_size=1000&states=TASK_STATE_{state}")).get("tasks", []))


def hold_everywhere(clients):
    """Made at one control a hold is in force at all; a few are let go through another, wherever they are, and then the rest."""
    hold = ok(clients[0].ask("POST", "/v1/queue:hold", {"filter": {"intent": "noop"}, "reason": "look first"}))
    eventually("all know it", lambda: all(len(ok(client.ask("GET", "/v1/queue/holds")).get("holds", [])) == 1
                                          for client in clients))
    for i in range(60):
        client = clients[i % len(clients)]
        answer = client.ask("POST", "/v1/tasks", {"intent": "noop", "params": {"text": "x"}, "taskId": id_in(i)})
        assert answer[0] == 202, answer
    for client in clients:
        eventually("each tells all", lambda: ok(client.ask("GET", "/v1/queue/holds"))["holds"][0].get("held") == "60")
    let = ok(clients[-1].ask("POST", "/v1/queue:release", {"holdId": hold["holdId"], "countMax": "50", "reason": "a few"}))
    assert let["lettingGo"] == "50", let
    eventually("fifty have run", lambda: count_states(clients[0], "SUCCEEDED") == 50, 20)
    time.sleep(1)
    assert count_states(clients[0], "HELD") == 10
    began = time.monotonic()
    ok(clients[1].ask("POST", "/v1/queue:release", {"holdId": hold["holdId"], "perSecond": 4}))
    eventually("all have run", lambda: count_states(clients[0], "SUCCEEDED") == 60, 20)
    assert time.monotonic() - began >= 0.5, "ten at four a second"
    eventually("the hold has ended everywhere", lambda: not any(ok(client.ask("GET", "/v1/queue/holds")).get("holds")
                                                                for client in clients))
    time.sleep(1.5)  # longer than rules are read again
    assert clients[0].ask("POST", "/v1/tasks", {"intent": "noop"}, {"Prefer": "wait=10"})[0] == 200


def drain_everywhere(cluster, clients):
    """A host that is drained at one control gets nothing from any, also from one that starts later."""
    ok(clients[0].ask("POST", "/v1/hosts/host-1:drain", {"reason": "new kernel"}))

    def draining(client):
        return [host["hostId"] for host in ok(client.ask("GET", "/v1/hosts"))["hosts"] if host.get("draining")]
    for client in clients:
        eventually("all know it", lambda: draining(client) == ["host-1"])
    again = cluster.of("control")[1]
    again.send(signal.SIGKILL)
    again.wait()
    again.start()
    eventually("it is back", again.ready, 30)
    eventually("the hosts are back", lambda: hosts_attached(cluster), 30)
    assert draining(clients[1]) == ["host-1"]
    eventually("shared", lambda: cluster.shared_out(names(cluster)), 60)
    drained_us = int(time.time() * 1e6)
    for shard in range(64):
        accepted(clients[shard % len(clients)], shard, 20)
    hosts = {row[0] for row in cluster.sql(f"SELECT DISTINCT host FROM outbox WHERE at_us > {drained_us} AND host <> ''")}
    assert hosts == {"host-2"}, hosts
    ok(clients[1].ask("POST", "/v1/hosts/host-1:drain", {"undrain": True, "reason": "it is in"}))
    for client in clients:
        eventually("all know that", lambda: draining(client) == [])


def replay_everywhere(cluster, clients):
    """Dead letters of all shards are replayed by a word to one control, each once; another can tell how far it is."""
    ids = [id_in(shard) for shard in range(0, 64, 4)]
    for i, task_id in enumerate(ids):
        answer = clients[i % len(clients)].ask("POST", "/v1/tasks",
                                               {"intent": "work", "params": {"text": "crash"}, "taskId": task_id})
        assert answer[0] == 202, answer
    eventually("all are dead", lambda: count_states(clients[0], "DEAD") == len(ids), 60)
    cluster.mesh.write_policy(cluster.mesh.policy.read_text().replace("use: [hostile]", "use: [mended]"))
    for process in cluster.of("router"):  # each has a policy of its own in force
        process.send(signal.SIGTERM)
        process.wait()
        process.start()
    cluster.wait_ready()
    eventually("the policy is mended", lambda: all(
        ok(client.ask("POST", "/v1/tasks", {"intent": "work", "params": {"text": "x"}}, {"Prefer": "wait=10"}))
        ["engine"]["route"] == "mended" for client in clients for _ in range(4)), 20)
    ran = count_states(clients[0], "SUCCEEDED")
    begun = ok(clients[0].ask("POST", "/v1/deadletters:replay", {"filter": {"all": True}, "perSecond": 100}))
    where = "/v1/deadletters/replays/" + begun["replayId"]
    eventually("another tells its end", lambda: not ok(clients[1].ask("POST", where, {})).get("running", False), 30)
    told = ok(clients[-1].ask("POST", where, {}))
    assert (told["matched"], told["replayed"]) == (str(len(ids)), str(len(ids))), told
    assert ok(clients[1].ask("GET", "/v1/deadletters")).get("tasks", []) == []
    eventually("each ran once", lambda: count_states(clients[0], "SUCCEEDED") == ran + len(ids), 30)


def words(cluster):
    """What an admin says to one control holds for all: holds, drained hosts, replays, and readers of events at any of them."""
    eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 60)
    eventually("hosts are at every control", lambda: hosts_attached(cluster), 60)
    clients = each_client(cluster)
    hold_everywhere(clients)
    drain_everywhere(cluster, clients)
    replay_everywhere(cluster, clients)


def relayed(cluster):
    return all(process.metric("aion_events_relay_lag_rows") == 0 for process in cluster.of("control"))


def kafka(cluster):
    """Two controls relay to one Kafka while owners are killed, stopped and started: every event of every task is told, in
    order but for repeats that carry their names; each line of the audit is told by one control."""
    eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 60)
    load = Load(cluster)
    load.run(3)
    for number in (signal.SIGKILL, signal.SIGTERM):
        victim = cluster.processes[owner_of_most(cluster)]
        victim.send(number)
        victim.wait()
        load.run(2 * LEASE)
        victim.start()
        eventually("it is ready", victim.ready, 60)
        eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 60)
        load.run(1)
    load.end()
    load.judge()
    eventually("all is relayed", lambda: relayed(cluster), 60)
    lifecycle, repeats = first_of_each(cluster.kafka.kcat("aion.tasks.lifecycle"))
    told = {(record.key, record.sequence) for record in lifecycle}
    rows = {(row[0], int(row[1])) for row in cluster.sql("SELECT encode(id, 'hex')::uuid, sequence FROM outbox WHERE kinds <> 2")}
    assert rows <= told, f"{len(rows - told)} of {len(rows)} rows were not told, as {list(rows - told)[:3]}"
    written, lines = int(cluster.sql("SELECT count(*) FROM audit")[0][0]), []

    def audit_is_told():  # lines of it are looked for once a second
        lines[:] = cluster.kafka.kcat("aion.audit.activity")
        return len({(record.key, record.sequence) for record in lines}) == written

    eventually(f"all {written} lines of the audit are told", audit_is_told, 20)
    print(f"{len(rows)} events, {repeats} repeats; {written} lines of the audit, {len(lines) - written} repeats")


def main():
    executable, name = os.path.abspath(sys.argv[1]), sys.argv[2]
    url = os.environ.get("AION_TEST_POSTGRES_URL")
    if not url:
        skip("no server: run it by tests/servers/postgres.sh with tcp -- ...")
    controls, options, broker = int(os.environ.get("AION_TEST_CONTROLS", "3")), [], None
    with contextlib.ExitStack() as ends:
        if name == "kafka":
            broker = Kafka()
            ends.callback(broker.close)
            subprocess.run([executable, "topics", "apply"], check=True, stdout=subprocess.DEVNULL,
                           env={**os.environ, "AION_KAFKA_BROKERS": broker.brokers})
            options = [f"--kafka-brokers={broker.brokers}"]
        cluster = ends.enter_context(Cluster(
            executable, ("noop", "drip", "hostile"), url, controls=controls, lease=f"{int(LEASE * 1000)}ms", options=options,
            gateways=controls if name == "words" else 2, policy=POLICY + (HOSTILE if name == "words" else ""),
            pinned=name == "words"))
        cluster.kafka = broker
        cluster.up()
        if name not in ("words", "rolling"):
            ok(Client(Door(cluster, 0)).ask("POST", "/v1/budgets/kill-loop",
                                            {"period": "PERIOD_MONTH", "limitNanoUsd": str(LIMIT)}))
            time.sleep(2)  # in force at every control
        globals()[name](cluster)
        print(f"{name}: passed")


if __name__ == "__main__":
    main()
