"""(d) A no-op task of 1 KiB from submission to its committed result on durable settings: AION on SQLite and on PostgreSQL, Temporal's dev server
(a workflow of one activity; its store is in memory), River (a job with its output recorded) on PostgreSQL. The no-op module takes up to 16 waiting
tasks at once (`batch` in its module.yaml), each with its own attempt and committed end; River fetches and completes its jobs in batches, too. CPU of all server processes a task: the
whole mesh with its host and modules, and PostgreSQL with its backends; Temporal's server without its worker; River's working client and PostgreSQL,
and beside it the same with River's inserting client (which does what AION's control does at admission, and is the load as well). Interleaved
rounds, each with the floors of its own seconds: fdatasync of 4 KiB, oversleep of a 1 ms timer. With AION_BENCH_SNAPSHOT=SECONDS (600 for the
goal) also the rate beside a REPEATABLE READ transaction that stays open that long."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import peers
from bench import (SOURCE, Floors, Server, children, cpu_seconds, ended_children_cpu_seconds, figures, fsync_us, median, middle_and_worst,
                   one_timer_us, run_load, spread, table, verdict)
from mesh import Mesh
from task import programs, spent

BYTES, RATE = 1024, 500
CONCURRENCIES = {"AION on SQLite": (64, 256, 1000), "AION on PostgreSQL": (64, 256, 1000), "Temporal": (40,), "River": (64, 1000)}
RATE_GOALS = {"AION on SQLite": 3000, "AION on PostgreSQL": 1000}
SNAPSHOT_SECONDS, SNAPSHOT_LOAD = float(os.environ.get("AION_BENCH_SNAPSHOT", "0")), 64
POSTGRES = SOURCE / "tests/servers/postgres.sh"
TEMPORAL = "github.com/temporalio/cli/cmd/temporal@v1.5.1"


def timer_us(count=300):
    return middle_and_worst([one_timer_us() for _ in range(count)])


def tree_cpu(pid):
    """Of a server and all it ever started."""
    return sum(cpu_seconds(one) for one in children(pid) | {pid}) + ended_children_cpu_seconds(pid)


def go_program(name):
    """tests/bench/engine/NAME with what all of them share, built below $AION_TOOLS."""
    work = peers.tools() / "bench" / name
    for part in (name, "load"):
        shutil.copytree(SOURCE / "tests/bench/engine" / part, work, dirs_exist_ok=True)
    peers.shell(f"go_ready; cd '{work}'; go mod tidy; nice go build -trimpath -o bin/{name} .")
    return work / "bin" / name


class Postgres:
    """A durable one of its own."""

    def __init__(self):
        if not POSTGRES.exists():
            raise RuntimeError(f"{POSTGRES.relative_to(SOURCE)} is not there")
        self.folder = tempfile.mkdtemp(prefix="aion-bench-pg-")
        os.chmod(self.folder, 0o755)
        done = subprocess.run([POSTGRES, "start", self.folder, "durable", "tcp"], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError((done.stdout + done.stderr).strip())
        self.url, self.pid = (line.split("=", 1)[1] for line in done.stdout.splitlines())

    def cpu(self):
        return tree_cpu(int(self.pid))

    def url_of(self, database):
        return f"{self.url.rsplit('/', 1)[0]}/{database}"

    def psql(self, database, *arguments, **options):
        url = self.url_of(database).replace("postgres:", "postgresql:", 1)
        return subprocess.Popen(["psql", "-X", "-q", "-t", url, *arguments], text=True, **options)

    def stop(self):
        subprocess.run([POSTGRES, "stop", self.folder], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


CLIENT = "inserting client"  # its CPU is kept apart


class Handled:
    """A load that says "begin", waits for a line, measures, prints its figures, and waits again while CPU times are read."""

    def __init__(self, command):
        self.load = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        words = self.load.stdout.readline().split()
        if words[:1] != ["begin"]:
            raise RuntimeError(f"{command[0]} did not begin")
        self.engine = int(words[1]) if len(words) > 1 else 0

    def say(self):
        try:
            self.load.stdin.write("go\n")
            self.load.stdin.flush()
        except BrokenPipeError:  # it has ended with its figures
            pass

    def measure(self, cpu):
        """Figures, with CPU µs a task by name."""
        before = cpu()
        self.say()
        line = self.load.stdout.readline()
        after = cpu()
        self.say()
        if self.load.wait(60) != 0:
            raise RuntimeError(f"tasks failed: {line}")
        got = figures(line)
        spent_us = {name: (after[name] - before[name]) * 1e6 / got["tasks"] for name in before}
        got["client"] = spent_us.pop(CLIENT, 0)
        got["cpu"] = spent_us
        return got


class Aion:
    def __init__(self, context, postgres=None, database="aion"):
        self.context, self.postgres = context, postgres
        self.mesh = Mesh(str(context.build / "aion"))
        try:
            if postgres is not None:
                os.environ["AION_STORE_URL"] = postgres.url_of(database)
            self.mesh.up()
        except BaseException:
            self.stop()
            raise
        finally:
            os.environ.pop("AION_STORE_URL", None)
        self.folder = self.mesh.home if postgres is None else postgres.folder

    def arguments(self):
        return [self.mesh.env[name] for name in ("AION_CONTROL", "AION_CA", "AION_CERT", "AION_KEY")]

    def cpu(self):
        found = spent(programs(self.mesh))
        return {"control": found["control"], "router": found["router"], "host and modules": found["host-1"] + found["modules"],
                "gateway, retention": found["gateway"] + found["retention"],
                **({"PostgreSQL": self.postgres.cpu()} if self.postgres is not None else {})}

    def one(self, concurrency, seconds=None):
        command = [self.context.build / "tests/bench/task/bench_task_load", *self.arguments(), BYTES, concurrency,
                   seconds or self.context.seconds]
        return Handled(command).measure(self.cpu)

    def paced(self):
        return run_load([self.context.build / "tests/bench/engine/bench_engine_paced", *self.arguments(), BYTES, RATE, 3 * self.context.seconds])

    def stop(self):
        self.mesh.close()
        if self.postgres is not None:
            self.postgres.stop()


class Temporal:
    def __init__(self, context):
        self.context, self.folder = context, context.work
        self.program = go_program("temporal")
        peers.shell(f"go_tool temporal {TEMPORAL}")
        server, port = peers.tools() / "bin/temporal", context.free_port()
        self.address = f"127.0.0.1:{port}"
        self.server = Server([server, "server", "start-dev", "--ip", "127.0.0.1", "--port", port, "--headless", "--log-level", "error"],
                             context.log, ready=False)
        until = time.monotonic() + 60
        while subprocess.run([server, "operator", "cluster", "health", "--address", self.address], capture_output=True).returncode != 0:
            if time.monotonic() > until:
                self.stop()
                raise RuntimeError("Temporal's dev server was not healthy after 60 s")
            time.sleep(0.2)

    def one(self, concurrency):
        load = Handled([self.program, "load", self.address, BYTES, concurrency, self.context.seconds])
        return load.measure(lambda: {"server": tree_cpu(self.server.pid)})

    def stop(self):
        self.server.stop()


class River:
    def __init__(self, context):
        self.context = context
        self.program = go_program("river")
        self.postgres = Postgres()
        self.folder = self.postgres.folder

    def one(self, concurrency):
        load = Handled([self.program, "load", self.postgres.url, BYTES, concurrency, self.context.seconds])
        return load.measure(lambda: {"River's client": cpu_seconds(load.engine), "PostgreSQL": self.postgres.cpu(),
                                     CLIENT: cpu_seconds(load.load.pid)})

    def stop(self):
        self.postgres.stop()


MAKERS = {"AION on SQLite": Aion, "AION on PostgreSQL": lambda context: Aion(context, Postgres()), "Temporal": Temporal, "River": River}


def start_all(context, missing):
    systems = {}
    for name, make in MAKERS.items():
        try:
            systems[name] = make(context)
        except (RuntimeError, AssertionError, OSError, subprocess.SubprocessError) as error:
            missing[name] = str(error).strip().splitlines()[-1][:300] if str(error).strip() else type(error).__name__
            print(f"without {name}: {missing[name]}", flush=True)
    return systems


def with_floors(system, got):
    return {**got, "fsync": fsync_us(system.folder, 100), "timer": timer_us()}


def one_round(context, systems, taken):
    context.noise.spin()
    for name, system in systems.items():
        for concurrency in CONCURRENCIES[name]:
            taken["loads"].setdefault((name, concurrency), []).append(with_floors(system, system.one(concurrency)))
    os.sync()  # the disk still writes back what the loads have left: one fdatasync of anybody's then takes up to 40 ms
    for name, system in systems.items():
        if isinstance(system, Aion):
            with Floors(system.folder) as floors:
                got = system.paced()
            taken["paced"].setdefault(name, []).append({**got, **floors.figures()})


def measure(context):
    taken = {"missing": {}, "loads": {}, "paced": {}}
    systems = start_all(context, taken["missing"])
    try:
        for _ in range(context.rounds):
            one_round(context, systems, taken)
    finally:
        for system in systems.values():
            system.stop()
    if SNAPSHOT_SECONDS > 0 and "AION on PostgreSQL" in systems:
        taken["snapshot"] = snapshot(context, SNAPSHOT_SECONDS)
    return taken


def open_snapshot(postgres):
    """A transaction that has seen the tables, and stays."""
    held = postgres.psql("aion", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    held.stdin.write("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM pg_class;\nSELECT 'open';\n")
    held.stdin.flush()
    while "open" not in (line := held.stdout.readline()):
        if line == "":
            raise RuntimeError("psql did not open the snapshot")
    return held


def snapshot(context, seconds):
    """A snapshot holds back only its own database: slices of a mesh there and of a mesh on another database of the same server take
    turns, so that the machine's drift meets both."""
    postgres, meshes, taken = Postgres(), {}, {"open": [], "none": []}
    try:
        if postgres.psql("postgres", "-c", "CREATE DATABASE other").wait(60) != 0:
            raise RuntimeError("the second database could not be made")
        meshes = {"open": Aion(context, postgres), "none": Aion(context, postgres, "other")}
        for mesh in meshes.values():
            mesh.one(SNAPSHOT_LOAD, 2)
        held = open_snapshot(postgres)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for name, mesh in meshes.items():
                taken[name].append(mesh.one(SNAPSHOT_LOAD, min(10, seconds / 4)))
        held.stdin.close()
        held.wait(30)
    finally:
        for mesh in meshes.values():
            mesh.mesh.close()
        postgres.stop()
    return taken


def total(run):
    return sum(run["cpu"].values())


def middle(runs, *path):
    def value(run):
        for step in path:
            run = run[step]
        return run
    return median([value(run) for run in runs])


def loads_table(loads):
    rows = []
    for (name, concurrency), runs in loads.items():
        parts = ", ".join(f"{part} {middle(runs, 'cpu', part):.0f}" for part in runs[0]["cpu"])
        if middle(runs, "client") > 0:
            parts += f"; beside it the {CLIENT} {middle(runs, 'client'):.0f}"
        rows.append([name, concurrency, spread([total(run) for run in runs]), parts, f"{middle(runs, 'rate'):.0f}",
                     f"{middle(runs, 'p50_us') / 1000:.1f} / {middle(runs, 'p99_us') / 1000:.1f}",
                     f"{middle(runs, 'fsync', 0):.0f} / {middle(runs, 'fsync', 1):.0f}",
                     f"{middle(runs, 'timer', 0):.0f} / {middle(runs, 'timer', 1):.0f}"])
    return table(["system", "at once", "CPU µs a task, all", "of it", "tasks/s", "latency p50 / p99 ms", "fdatasync p50 / p99 µs",
                  "timer p50 / p99 µs"], rows)


def best(loads, name, with_client=False):
    """CPU µs a task at its cheapest, rate at its fastest, over the numbers at once."""
    runs = [runs for (system, _), runs in loads.items() if system == name]
    if not runs:
        return None
    return (min(median([total(run) + with_client * run["client"] for run in one]) for one in runs),
            max(middle(one, "rate") for one in runs))


GOALS = (("Temporal", False, 1 / 20), ("River", False, 1 / 2), ("River", True, 1 / 2))


def goals_table(loads):
    rows = []
    for ours, rate_goal in RATE_GOALS.items():
        we = best(loads, ours)
        for peer, with_client, goal in GOALS:
            they = best(loads, peer, with_client)
            if we is None or they is None:
                continue
            times = we[1] / they[1]
            rows.append([ours, peer + (f" with its {CLIENT}" if with_client else ""), verdict(we[0] / they[0], goal),
                         f"{times:.1f} (goal 2 or more: {'met' if times >= 2 else 'NOT met'})",
                         f"{we[1]:.0f}/s (goal on two quiet cores {rate_goal}: {'met' if we[1] >= rate_goal else 'NOT met'})"])
    return table(["", "beside", "CPU a task, each at its cheapest", "rate, each at its fastest", "rate"], rows) if rows else ""


def paced_table(paced):
    rows = []
    for name, runs in paced.items():
        bound = 3 * middle(runs, "fsync", 1) + 5000
        floor = middle(runs, "timer", 1) + 5000
        rows.append([name, f"{middle(runs, 'submit_p50_us'):.0f} / {middle(runs, 'submit_p99_us'):.0f}",
                     verdict(middle(runs, "submit_p99_us") / bound, 1.0),
                     f"{middle(runs, 'dispatch_p50_us'):.0f} / {middle(runs, 'dispatch_p99_us'):.0f}",
                     verdict(middle(runs, "dispatch_p99_us") / floor, 1.0),
                     f"{middle(runs, 'admitted_p50_us'):.0f} / {middle(runs, 'admitted_p99_us'):.0f}",
                     f"{middle(runs, 'fsync', 1):.0f}", f"{middle(runs, 'timer', 1):.0f}"])
    return table([f"at {RATE}/s", "submit p50 / p99 µs", "of 3 fdatasync + 5 ms", "ready to dispatched p50 / p99 µs", "of timer + 5 ms",
                  "admitted to dispatched p50 / p99 µs", "fdatasync p99 µs", "timer p99 µs"], rows)


def snapshot_table(taken):
    rows = []
    for name, runs in taken.items():
        last = runs[len(runs) // 2:]
        rows.append([name, f"{middle(last, 'rate'):.0f}", f"{middle(last, 'cpu', 'PostgreSQL'):.0f}", len(last)])
    fall = 1 - float(rows[0][1]) / float(rows[1][1])
    return (table([f"REPEATABLE READ transaction of {SNAPSHOT_SECONDS / 60:.0f} min, its second half", "tasks/s", "PostgreSQL's CPU µs a task",
                   "slices"], rows) + f"\n\nThe rate falls by {100 * fall:.0f} % (goal at most 10: {'met' if fall <= 0.1 else 'NOT met'}).")


def report(taken):
    text = loads_table(taken["loads"])
    if taken["loads"]:
        text += "\n\n" + goals_table(taken["loads"])
    text += "\n\n" + paced_table(taken["paced"])
    if "snapshot" in taken:
        text += "\n\n" + snapshot_table(taken["snapshot"])
    for name, reason in taken["missing"].items():
        text += f"\n\nWithout {name}: {reason}"
    return text
