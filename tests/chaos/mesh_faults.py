#!/usr/bin/env python3
"""Control's commits under the whole mesh: mesh_faults.py AION MODULES FAILING SECONDS

Each control process lives until one of its fsyncs: that one fails, and it must acknowledge nothing more, say why, end with
an error and be started again; or it is killed just before the commit, or after the commit and before any acknowledgement.
Clients repeat what was not answered. Then a mesh without faults must have every acknowledged task, done once."""
import os
import pathlib
import sys
import threading
import time

from mesh_kill import POLICY, WRITERS, Ledger, Mesh, judge, modules_folder, write, write_tasks

# tests/chaos/faults/failing.h: what happens to the control process at which of its commits
FAULTS = {"fails": "sync-wal 150 5 1", "killed before": "sync-wal 90 -1 1", "killed after": "sync-wal 90 -2 1"}


def load_for(mesh, ledger, seconds):
    stop = threading.Event()
    threads = [threading.Thread(target=write_tasks, args=(mesh, ledger, stop)) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()


def run(mesh, modules, failing, name, seconds):
    pathlib.Path(mesh.home, "policies").mkdir()
    write(pathlib.Path(mesh.home, "policies/10-default.yaml"), POLICY)
    folder = modules_folder(mesh, mesh.executable, modules)
    faults = {"LD_PRELOAD": failing, "ASAN_OPTIONS": "verify_asan_link_order=0", "AION_FAULT_FOLDER": mesh.home,
              "AION_FAULT": FAULTS[name]}
    before = dict(os.environ)
    os.environ.update(faults)
    try:
        mesh.up("--modules", folder)
    finally:
        os.environ.clear()
        os.environ.update(before)
    ledger = Ledger()
    load_for(mesh, ledger, seconds)
    restarts = {p["name"]: p["restarts"] for p in mesh.status()["processes"]}
    log = mesh.run("logs", "-n", "2000").stdout
    mesh.down()
    mesh.up("--modules", folder)
    judge(mesh, ledger)
    mesh.down()
    print(f"a commit {name}: {restarts['control']} controls, {len(ledger.acknowledged)} tasks acknowledged, "
          f"{ledger.repeats} submits repeated")
    for fault in ledger.faults[:20]:
        print("FAULT:", fault)
    assert not ledger.faults, f"{len(ledger.faults)} faults"
    assert restarts["control"] > 1 and len(ledger.acknowledged) > 50, "too little happened to mean anything"
    assert sum(restarts.values()) == restarts["control"], f"others ended, too: {restarts}"
    if name == "fails":
        assert "cannot go on" in log and "the disk has failed" in log, "control has not said why it ended"


def main():
    seconds = float(sys.argv[4]) * (20 if os.environ.get("AION_TEST_LONG") else 1)
    for name in FAULTS:
        mesh = Mesh(os.path.abspath(sys.argv[1]))
        try:
            run(mesh, os.path.abspath(sys.argv[2]), os.path.abspath(sys.argv[3]), name, seconds)
        except BaseException:
            print(mesh.run("logs", "-n", "40").stdout[-8000:], file=sys.stderr)
            raise
        finally:
            mesh.close()


if __name__ == "__main__":
    main()
