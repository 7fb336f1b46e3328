"""(d) A no-op task of 1 KiB from submission to its committed result on durable settings: AION on SQLite and on PostgreSQL, Temporal's dev server
(a workflow of one activity; its store is in memory), River (a job with its output recorded) on PostgreSQL. CPU of all server processes a task: the
whole mesh with its host and modules, and PostgreSQL with its backends; Temporal's server without its worker; River's working client and PostgreSQL
without the inserting client. Interleaved rounds, each with the floors of its own seconds: fdatasync of 4 KiB, oversleep of a 1 ms timer."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import peers
from bench import SOURCE, Server, children, cpu_seconds, ended_children_cpu_seconds, figures, fsync_us, median, run_load, spread, table, verdict
from mesh import Mesh
from task import programs, spent

BYTES, RATE = 1024, 500
CONCURRENCIES = {"AION on SQLite": (16, 64, 256), "AION on PostgreSQL": (16, 64, 256), "Temporal": (40,), "River": (64, 1000)}
POSTGRES = SOURCE / "tests/servers/postgres.sh"
TEMPORAL = "github.com/temporalio/cli/cmd/temporal@v1.5.1"


def timer_us(count=300):
    """Median and 99th percentile of how much later than asked a sleep of 1 ms ends."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        time.sleep(0.001)
        took.append((time.monotonic() - began) * 1e6 - 1000)
    took.sort()
    return took[count // 2], took[count * 99 // 100]


def tree_cpu(pid):
    """Of a server and all it ever started."""
    return sum(cpu_seconds(one) for one in children(pid) | {pid}) + ended_children_cpu_seconds(pid)


def go_program(name):
    """tests/bench/engine/NAME, built below $AION_TOOLS."""
    work = peers.tools() / "bench" / name
    shutil.copytree(SOURCE / "tests/bench/engine" / name, work, dirs_exist_ok=True)
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

    def stop(self):
        subprocess.run([POSTGRES, "stop", self.folder], capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


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
        got["cpu"] = {name: (after[name] - before[name]) * 1e6 / got["tasks"] for name in before}
        return got


class Aion:
    def __init__(self, context, postgres=None):
        self.context, self.postgres = context, postgres
        self.mesh = Mesh(str(context.build / "aion"))
        try:
            if postgres is not None:
                os.environ["AION_STORE_URL"] = postgres.url
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

    def one(self, concurrency):
        command = [self.context.build / "tests/bench/task/bench_task_load", *self.arguments(), BYTES, concurrency, self.context.seconds]
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
        return load.measure(lambda: {"River's client": cpu_seconds(load.engine), "PostgreSQL": self.postgres.cpu()})

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


def measure(context):
    taken = {"missing": {}, "loads": {}, "paced": {}}
    systems = start_all(context, taken["missing"])
    try:
        for _ in range(context.rounds):
            context.noise.spin()
            for name, system in systems.items():
                for concurrency in CONCURRENCIES[name]:
                    got = system.one(concurrency)
                    got["fsync"], got["timer"] = fsync_us(system.folder, 100), timer_us()
                    taken["loads"].setdefault((name, concurrency), []).append(got)
            for name, system in systems.items():
                if isinstance(system, Aion):
                    got = system.paced()
                    got["fsync"], got["timer"] = fsync_us(system.folder, 100), timer_us()
                    taken["paced"].setdefault(name, []).append(got)
    finally:
        for system in systems.values():
            system.stop()
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
        rows.append([name, concurrency, spread([total(run) for run in runs]), parts, f"{middle(runs, 'rate'):.0f}",
                     f"{middle(runs, 'p50_us') / 1000:.1f} / {middle(runs, 'p99_us') / 1000:.1f}",
                     f"{middle(runs, 'fsync', 0):.0f} / {middle(runs, 'fsync', 1):.0f}",
                     f"{middle(runs, 'timer', 0):.0f} / {middle(runs, 'timer', 1):.0f}"])
    return table(["system", "at once", "CPU µs a task, all", "of it", "tasks/s", "latency p50 / p99 ms", "fdatasync p50 / p99 µs",
                  "timer p50 / p99 µs"], rows)


def best(loads, name):
    """CPU µs a task at its cheapest, rate at its fastest, over the numbers at once."""
    runs = [runs for (system, _), runs in loads.items() if system == name]
    if not runs:
        return None
    return min(median([total(run) for run in one]) for one in runs), max(middle(one, "rate") for one in runs)


GOALS = (("AION on SQLite", "Temporal", 1 / 20), ("AION on PostgreSQL", "Temporal", 1 / 20), ("AION on SQLite", "River", 1 / 2),
         ("AION on PostgreSQL", "River", 1 / 2))


def goals_table(loads):
    rows = []
    for ours, peer, goal in GOALS:
        we, they = best(loads, ours), best(loads, peer)
        if we is None or they is None:
            continue
        rate = we[1] / they[1]
        rows.append([ours, peer, verdict(we[0] / they[0], goal), f"{rate:.1f} (goal 2 or more: {'met' if rate >= 2 else 'NOT met'})"])
    return table(["", "beside", "CPU a task, each at its cheapest", "rate, each at its fastest"], rows) if rows else ""


def paced_table(paced):
    rows = []
    for name, runs in paced.items():
        bound = 3 * middle(runs, "fsync", 1) + 5000
        floor = middle(runs, "timer", 1) + 5000
        rows.append([name, f"{middle(runs, 'submit_p50_us'):.0f} / {middle(runs, 'submit_p99_us'):.0f}",
                     verdict(middle(runs, "submit_p99_us") / bound, 1.0),
                     f"{middle(runs, 'dispatch_p50_us'):.0f} / {middle(runs, 'dispatch_p99_us'):.0f}",
                     verdict(middle(runs, "dispatch_p99_us") / floor, 1.0), f"{middle(runs, 'fsync', 1):.0f}", f"{middle(runs, 'timer', 1):.0f}"])
    return table([f"at {RATE}/s", "submit p50 / p99 µs", "of 3 fdatasync + 5 ms", "ready to dispatched p50 / p99 µs", "of timer + 5 ms",
                  "fdatasync p99 µs", "timer p99 µs"], rows)


def report(taken):
    text = loads_table(taken["loads"])
    if taken["loads"]:
        text += "\n\n" + goals_table(taken["loads"])
    text += "\n\n" + paced_table(taken["paced"])
    for name, reason in taken["missing"].items():
        text += f"\n\nWithout {name}: {reason}"
    return text
