#!/usr/bin/env python3
"""Several controls on one PostgreSQL: replicas.py AION TEST_MODULES NAME; run it by tests/servers/postgres.sh with tcp -- ...

Load runs through two gateways while controls are killed, stopped, paused and started: writers repeat what was not answered
under its key, readers come back with their cursor. What was acknowledged is judged at the end, by what clients see and by
the tables."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cluster import Cluster, eventually  # noqa: E402
from mesh_kill import FINAL, POLICY, Client, Ledger, judge, read_streams, write_tasks  # noqa: E402

LEASE = 2.0


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


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
        self.threads = [threading.Thread(target=job, args=(self.doors[i % len(self.doors)], self.ledger, self.stop))
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
        tasks, outcomes, keys = (int(self.cluster.sql(f"SELECT count(*) FROM {table}")[0][0])
                                 for table in ("task", "outcome", "idempotency"))
        own = int(self.cluster.sql("SELECT count(*) FROM own_id")[0][0])
        if not tasks == outcomes == keys + own or tasks < len(self.ledger.acknowledged):
            self.ledger.fault(f"store: {tasks} tasks, {outcomes} outcomes, {keys} keys, {own} own ids, "
                              f"{len(self.ledger.acknowledged)} acknowledged")
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
    eventually("three controls share the shards", lambda: cluster.shared_out(names(cluster)), 20)
    eventually("hosts are at every control", lambda: hosts_attached(cluster), 20)
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
    eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 20)
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
        eventually("the shards are shared again", lambda: cluster.shared_out(names(cluster)), 20)
    load.end()
    load.judge()
    print(f"after a kill a task in a shard of the dead was done after {worst:.2f} s at most; two leases are {2 * LEASE:.0f} s")
    assert worst <= 2 * LEASE


DIGEST = ("SELECT count(*), coalesce(md5(string_agg(t::text, ',' ORDER BY t::text)), '') FROM {} t")
TABLES = ("task", "decision", "attempt", "attempt_end", "mark", "chunk", "ack", "outcome", "ledger", "outbox", "balance")


def picture(cluster):
    return {table: cluster.sql(DIGEST.format(table)) for table in TABLES}


def owner_paused(cluster):
    """SIGSTOP of the control with most shards for three leases, while its writes are on their way to the store: the others do
    its work; when it wakes what it still sends is refused, not one row of the store changes, and it is one of them again."""
    fenced = 0
    for turn in range(2):
        eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 20)
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
        eventually("the others have its shards", lambda: cluster.shared_out(others), 10)
        load.end()
        client = Client(load.doors[turn % 2])
        for task_id in load.ledger.acknowledged:  # nothing is under way any more
            eventually(task_id, lambda: (client.ask("GET", f"/v1/tasks/{task_id}") or (0, {}))[1].get("state") in FINAL, 30)
        still = picture(cluster)
        victim.send(signal.SIGCONT)
        eventually("it is one of them again", lambda: cluster.shared_out(names(cluster)), 20)
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
    eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 20)
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

    threads = [threading.Thread(target=call, args=(index,)) for index in range(4)]
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
        eventually("the shards are shared", lambda: cluster.shared_out(names(cluster)), 20)
    stop.set()
    for thread in threads:
        thread.join()
    print(f"{sum(done)} calls over {len(took)} restarts, {len(failed)} failed; shards were the others' {max(took):.2f} s after "
          f"SIGTERM at most")
    assert not failed, failed[:5]


def main():
    executable, modules, name = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3]
    url = os.environ.get("AION_TEST_POSTGRES_URL")
    if not url:
        skip("no server: run it by tests/servers/postgres.sh with tcp -- ...")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="aion-modules-"))
    (folder / "noop").symlink_to(pathlib.Path(executable).parent / "modules/noop")
    (folder / "drip").symlink_to(pathlib.Path(modules) / "drip")
    controls = int(os.environ.get("AION_TEST_CONTROLS", "3"))
    cluster = Cluster(executable, folder, url, controls=controls, lease=f"{int(LEASE * 1000)}ms", policy=POLICY)
    try:
        cluster.up()
        globals()[name](cluster)
        print(f"{name}: passed")
    except BaseException:
        print(cluster.logs()[-12000:], file=sys.stderr)
        raise
    finally:
        cluster.close()
        subprocess.run(["rm", "-rf", str(folder)], check=False)


if __name__ == "__main__":
    main()
