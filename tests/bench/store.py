#!/usr/bin/env python3
"""The store on PostgreSQL by itself: what a task costs, and what an old snapshot does to it.

  tests/bench/store.py BUILD                    closed loops and rates, 1 KiB bodies and results
  tests/bench/store.py BUILD snapshot [SECONDS] the rate beside a REPEATABLE READ transaction that stays open (default 600)

A durable PostgreSQL of its own (tests/servers/postgres.sh). CPU is of all of PostgreSQL's processes, and of the driver's own
process, per task of two commits (accepted, ended)."""
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bench import SOURCE, cpu_seconds, figures, parent  # noqa: E402

SERVER = SOURCE / "tests/servers/postgres.sh"
LOADS = [("one after the other", 1, 0), ("16 at once", 16, 0), ("64 at once", 64, 0), ("256 at once", 256, 0),
         ("500 a second", 0, 500), ("1000 a second", 0, 1000)]


def postmaster():
    folder = pathlib.Path(os.environ["AION_TEST_POSTGRES_DIR"])
    return int((folder / "data/postmaster.pid").read_text().splitlines()[0])


def database_cpu():
    """By process, since backends come and go: what ended before the second reading is not of the load."""
    server = postmaster()
    pids = [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()]
    return {pid: cpu_seconds(pid) for pid in pids if pid == server or parent(pid) == server}


def run_load(build, schema, inflight, rate, seconds, database="aion"):
    url = os.environ["AION_TEST_POSTGRES_URL"].replace("/aion?", f"/{database}?")
    url += ("&" if "?" in url else "?") + f"aion_schema={schema}"
    load = subprocess.Popen([str(build / "tests/bench/store/bench_store_load"), url, "1024", str(inflight), str(rate), str(seconds)],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if load.stdout.readline().strip() != "begin":
        raise RuntimeError("the load did not begin")
    before = database_cpu()
    load.stdin.write("go\n")
    load.stdin.flush()
    got = figures(load.stdout.readline())
    after = database_cpu()
    load.stdin.write("end\n")
    load.stdin.flush()
    if load.wait(60) != 0:
        raise RuntimeError("tasks failed")
    got["database"] = sum(cpu - before.get(pid, 0) for pid, cpu in after.items()) * 1e6 / got["tasks"]
    return got


def loads(build):
    print("| load | tasks/s | CPU us a task: PostgreSQL | driver | operations a commit | accept p50, p99 us | finish p50, p99 us |")
    print("|---|---|---|---|---|---|---|")
    for name, inflight, rate in LOADS:
        got = run_load(build, "loads", inflight, rate, float(os.environ.get("AION_BENCH_SECONDS", "3")))
        print(f"| {name} | {got['rate']:.0f} | {got['database']:.0f} | {got['cpu']:.0f} | {got['batch']:.1f} "
              f"| {got['accept50']:.0f}, {got['accept99']:.0f} | {got['finish50']:.0f}, {got['finish99']:.0f} |", flush=True)


def psql(database, *arguments, **options):
    url = os.environ["AION_TEST_POSTGRES_URL"].replace("postgres:", "postgresql:", 1).replace("/aion?", f"/{database}?")
    return subprocess.Popen(["psql", "-X", "-q", "-t", url, *arguments], text=True, **options)


def open_snapshot():
    """A transaction that has seen the tables, and stays."""
    held = psql("aion", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    held.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM snapshot.task;\nSELECT 'open';\n")
    held.stdin.flush()
    while "open" not in held.stdout.readline():
        pass
    return held


def snapshot(build, seconds):
    """A snapshot holds back only its own database: slices there and in a second database of the same server take turns, so that
    the machine's drift meets both."""
    psql("postgres", "-c", "CREATE DATABASE free").wait(60)
    for database in ("aion", "free"):
        run_load(build, "snapshot", 64, 0, 2, database)
    held = open_snapshot()
    until, rates, costs = time.monotonic() + seconds, {"aion": [], "free": []}, {"aion": [], "free": []}
    while time.monotonic() < until:
        for database in rates:
            got = run_load(build, "snapshot", 64, 0, 10, database)
            rates[database].append(got["rate"])
            costs[database].append(got["database"])
    held.stdin.close()
    held.wait(30)
    last = slice(-max(1, len(rates["aion"]) // 2), None)
    for name, unit, got in (("tasks/s", "", rates), ("PostgreSQL's CPU", " us a task", costs)):
        open_, free = (statistics.median(got[database][last]) for database in ("aion", "free"))
        print(f"{name}: {open_:.0f}{unit} beside a snapshot open for {seconds / 60:.0f} min, {free:.0f} without: "
              f"{100 * open_ / free:.0f} % (medians of the second half of {len(got['aion'])} slices)")


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    if "AION_TEST_POSTGRES_URL" not in os.environ:
        os.execv(SERVER, [str(SERVER), "with", "durable", "--", sys.executable, *sys.argv])
    if sys.argv[2:3] == ["snapshot"]:
        snapshot(build, float(sys.argv[3]) if len(sys.argv) > 3 else 600)
    else:
        loads(build)


if __name__ == "__main__":
    main()
