#!/usr/bin/env python3
"""Commits that fail and places to die at, under the whole mesh: mesh_faults.py AION FAILING DEATHS

In the first run each control process lives until one of its fsyncs fails: it must acknowledge nothing more, say why, end
with an error and be started again. In the others a process kills itself at a named point: before the commit, after it and
before any acknowledgement, with a result committed and not settled, with an attempt run and not reported. Clients repeat
what was not answered. After DEATHS of them (AION_TEST_LONG: ten times as many) a mesh without faults must have every
acknowledged task, done once."""
import os
import sys
import threading
import time

from mesh_kill import POLICY, WRITERS, Ledger, Mesh, Sqlite, ends, judge, judge_store, write_tasks

# what: who must have died of it
FAULTS = {
    "fsync fails": "control",  # by tests/chaos/faults/failing.c
    "store/before_commit=kill:90": "control",
    "store/after_commit=kill:90": "control",
    "control/after_commit_before_ack=kill:60": "control",
    "control/after_finish_before_settled=kill:60": "control",
    "host/after_run_before_report=kill:60": "host-1",
}


def environment(name, failing, home):
    if name == "fsync fails":
        return {"LD_PRELOAD": failing, "ASAN_OPTIONS": "verify_asan_link_order=0", "AION_FAULT_FOLDER": home,
                "AION_FAULT": "sync-wal 150 5 1"}
    return {"AION_FAILPOINTS": name}


def restarts_of(mesh):
    return {p["name"]: p["restarts"] for p in mesh.status()["processes"]}


def load_until_dead(mesh, ledger, victim, deaths):
    stop = threading.Event()
    threads = [threading.Thread(target=write_tasks, args=(mesh, ledger, stop)) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 60 * deaths
    try:
        while restarts_of(mesh)[victim] < deaths and time.monotonic() < until:
            time.sleep(0.2)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def run(mesh, failing, name, deaths):
    mesh.write_policy(POLICY)
    folder = mesh.own_modules("noop", "drip")
    before = dict(os.environ)
    os.environ.update(environment(name, failing, mesh.home))
    try:
        mesh.up("--modules", folder)
    finally:
        os.environ.clear()
        os.environ.update(before)
    ledger = Ledger()
    victim = FAULTS[name]
    load_until_dead(mesh, ledger, victim, deaths)
    restarts = restarts_of(mesh)
    log = mesh.run("logs", "-n", "2000").stdout
    mesh.down()
    mesh.up("--modules", folder)
    judge(mesh, ledger)
    mesh.down()
    judge_store(Sqlite(mesh.home), ledger)
    print(f"{name}: {restarts[victim]} times, {len(ledger.acknowledged)} tasks acknowledged, "
          f"{ledger.repeats} submits repeated")
    what = "failed fsyncs under a whole mesh" if name == "fsync fails" else "kills at named points in a whole mesh"
    print(f"COUNTED {restarts[victim]} {what}")
    for fault in ledger.faults[:20]:
        print("FAULT:", fault)
    assert not ledger.faults, f"{len(ledger.faults)} faults"
    assert restarts[victim] >= deaths and len(ledger.acknowledged) > 50, "too little happened to mean anything"
    how = "exited with status" if name == "fsync fails" else "ended by signal 9;"
    assert all(how in line for line in ends(mesh, victim)), f"{victim} ended in another way"
    assert sum(restarts.values()) == restarts[victim], f"others ended, too: {restarts}"
    if name == "fsync fails":
        assert "cannot go on" in log and "the disk has failed" in log, "control has not said why it ended"


def main():
    deaths = int(sys.argv[3]) * (10 if os.environ.get("AION_TEST_LONG") else 1)
    for name in FAULTS:
        with Mesh(os.path.abspath(sys.argv[1])) as mesh:
            run(mesh, os.path.abspath(sys.argv[2]), name, deaths)


if __name__ == "__main__":
    main()
