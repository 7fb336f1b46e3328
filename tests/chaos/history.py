#!/usr/bin/env python3
"""A history of tasks under kill -9, judged by Porcupine: history.py AION LOAD OPERATIONS [SEED]

On SQLite; run by tests/servers/postgres.sh with tcp durable -- it is on that PostgreSQL, whose server is killed, too.

history/load.c records what its clients and scripted hosts do and hear while processes of the mesh are killed at random;
history/judge looks for an order of it that its model of a task allows. The same history, spoiled in known ways, must be
found illegal. A history that is judged illegal is kept with the page that shows why."""
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "scenario"))
from mesh import Mesh  # noqa: E402
from mesh_kill import POSTGRES_URL, strike  # noqa: E402

POLICY = """version: 1
default: {privacy: local_only}
routes:
  - {name: chaos, intents: [chaos], module: chaos, tier: local, pool: chaos, timeout: 20s, attempts: 10}
"""
# Short waits: what a crash leaves behind is taken up again while the history is still being made, and modules that do not
# hear a cancellation in time meet control's own end of their task.
OPTIONS = {"AION_CONTROL_HOST_LEASE": "2s", "AION_CONTROL_HOST_GRACE": "500ms", "AION_CONTROL_CANCEL_GRACE": "10ms",
           "AION_CONTROL_RETRY_FIRST": "10ms", "AION_CONTROL_RETRY_LONGEST": "200ms"}
TARGETS = ["control"] * 6 + ["router"] * 2 + ["gateway", "host-1", "retention"] + ["postgres"] * (3 if POSTGRES_URL else 0)


def build_judge():
    """The path of the judge; None with the reason printed when it cannot be had."""
    tools = pathlib.Path(os.environ.setdefault("AION_TOOLS", str(HERE.parents[1] / "build/tools")))
    judge = tools / "bin/history"
    script = f". '{HERE.parent}/lib/go.sh'; mkdir -p '{judge.parent}'; go_ready; cd '{HERE}/history/judge'; go build -trimpath -o '{judge}' ."
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True)
    if done.returncode == 0:
        return str(judge)
    print("SKIP: the judge cannot be built:", " ".join((done.stdout + done.stderr).strip().splitlines()[-1:]) or f"status {done.returncode}")
    return None


def kill_until(mesh, calm):
    """Kills one process after another, each only once it is up again; every target gets its share of them."""
    counts, deck = {}, []
    while not calm.wait(random.uniform(0.2, 0.8)):
        deck = deck or random.sample(TARGETS, len(TARGETS))
        name = deck.pop()
        if strike(mesh, name, counts) and name != "postgres" and random.random() < 0.7:
            mesh.wait_ready(30)
    mesh.wait_ready(30)
    return counts


def listen(load, calm):
    for line in load.stdout:
        if line.strip() == "calm":
            calm.set()
        else:
            print("load:", line, end="")
    calm.set()


def record(mesh, program, operations, seed, path):
    env = mesh.env
    tls = pathlib.Path(mesh.home, "tls")
    command = [program, env["AION_CONTROL"], env["AION_CA"], env["AION_CERT"], env["AION_KEY"], str(tls / "host-1.crt"),
               str(tls / "host-1.key"), str(operations), str(seed), path]
    load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    calm = threading.Event()
    listener = threading.Thread(target=listen, args=(load, calm))
    listener.start()
    began = time.monotonic()
    try:
        counts = kill_until(mesh, calm)
        status = load.wait(120)
    finally:
        load.kill()
        listener.join()
    print(f"{sum(counts.values())} kills {counts} in {time.monotonic() - began:.0f} s")
    print(f"COUNTED {sum(counts.values())} kills in a whole mesh")
    assert status == 0, "a promised task has no end (or the load failed)"
    assert counts.get("control", 0) >= 2, "control was not killed often enough to mean anything"


def run(judge, path):
    done = subprocess.run([judge, *path], capture_output=True, text=True, timeout=600)
    print(done.stdout[-6000:] + done.stderr[-2000:], end="", flush=True)
    return done.returncode == 0


def main():
    executable, program, operations = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), int(sys.argv[3])
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 31)
    if os.environ.get("AION_TEST_LONG"):
        operations *= 5
    judge = build_judge()
    if judge is None:
        sys.exit(77)
    folder = tempfile.mkdtemp(prefix="aion-history-")
    print(f"seed {seed}; kept until it is judged and legal: {folder}")
    random.seed(seed)
    path, page = f"{folder}/history.jsonl", f"{folder}/history.html"
    os.environ.update(OPTIONS)
    if POSTGRES_URL:
        os.environ["AION_STORE_URL"] = POSTGRES_URL + "?aion_schema=history"
    with Mesh(executable) as mesh:
        mesh.write_policy(POLICY)
        mesh.up()
        record(mesh, program, operations, seed, path)
    assert run(judge, ["-html", page, path]), "the history is illegal"
    assert run(judge, ["-plant", path]), "a spoiled history passes for a legal one"
    print(f"COUNTED {operations} operations judged")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
