"""(c) A task of the no-op module, 1 KiB, from Submit to its committed result over gRPC and mTLS: CPU of every process of the mesh.
The no-op module takes up to 16 waiting tasks at once (`batch` in its module.yaml), each with its own attempt and committed end.
The same in the direct lane, which answers at the end of the run and commits afterwards."""
import pathlib
import subprocess

from bench import (children, cpu_seconds, ended_children_cpu_seconds, figures, fsync_us, median, parent, resident_mib, spread, table,
                   verdict)

BYTES, CONCURRENCIES, GOAL_US = 1024, (1, 16, 64), 350
IDLE_MIB = 120  # all processes together
LANES = ("durable", "direct")


def programs(mesh):
    return {row["name"]: row["pid"] for row in mesh.status()["processes"]}


def spent(found):
    """CPU seconds by name. A module's process is renewed now and then: those that ended count by their parent, the spawner."""
    below = children(found["host-1"])
    modules = sum(cpu_seconds(pid) for pid in below)
    spawner = next(pid for pid in below if parent(pid) == found["host-1"])
    return {**{name: cpu_seconds(pid) for name, pid in found.items()}, "modules": modules + ended_children_cpu_seconds(spawner)}


def one_load(context, mesh, concurrency):
    found = programs(mesh)
    load = subprocess.Popen([str(part) for part in (
        context.build / "tests/bench/task/bench_task_load", mesh.env["AION_CONTROL"], mesh.env["AION_CA"], mesh.env["AION_CERT"],
        mesh.env["AION_KEY"], BYTES, concurrency, context.seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if load.stdout.readline().strip() != "begin":
        raise RuntimeError("the load did not begin")
    before = spent(found)
    load.stdin.write("go\n")
    load.stdin.flush()
    line = load.stdout.readline()
    after = spent(found)
    if load.wait(30) != 0:
        raise RuntimeError(f"tasks failed: {line}")
    got = figures(line)
    got["cpu"] = {name: (after[name] - before[name]) * 1e6 / got["tasks"] for name in before}
    got["fsync"] = fsync_us(mesh.home, 100)
    return got


def resident(mesh):
    pids = set(programs(mesh).values()) | {mesh.status()["pid"]}
    return sum(resident_mib(pid) for pid in pids | children(programs(mesh)["host-1"]))


def take_lane(mesh, lane):
    """The lane of the no-op module from now on."""
    pathlib.Path(mesh.home, "policies/10-default.yaml").write_text(
        f"version: 1\ndefault: {{privacy: local_only, lane: {lane}}}\nroutes:\n  - {{name: noop, intents: [noop], module: noop}}\n")
    answer = mesh.http("POST", "/v1/router/policy/reload", {})
    if answer.status != 200:
        raise RuntimeError(f"policy: {answer.body}")


def measure(context):
    mesh, taken = context.mesh(), {}
    try:
        taken["idle_mib"] = resident(mesh)
        for _ in range(context.rounds):
            for lane in LANES:
                take_lane(mesh, lane)
                context.noise.spin()
                for concurrency in CONCURRENCIES:
                    taken.setdefault((lane, concurrency), []).append(one_load(context, mesh, concurrency))
    finally:
        mesh.close()
    return taken


def report(taken):
    places = [(lane, concurrency) for lane in LANES for concurrency in CONCURRENCIES]
    names = list(taken[places[0]][0]["cpu"])
    rows = []
    for place in places:
        runs = taken[place]
        total = [sum(run["cpu"].values()) for run in runs]
        rows.append([*place, spread(total), verdict(median(total) / GOAL_US, 1.0),
                     *(f"{median([run['cpu'][name] for run in runs]):.0f}" for name in names),
                     f"{median([run['rate'] for run in runs]):.0f}",
                     f"{median([run['p50_us'] for run in runs]):.0f} / {median([run['p99_us'] for run in runs]):.0f}",
                     f"{median([run['fsync'][0] for run in runs]):.0f} / {median([run['fsync'][1] for run in runs]):.0f}"])
    return (table(["lane", "tasks at once", "CPU µs a task, all", f"of {GOAL_US} µs", *names, "tasks/s", "latency p50 / p99 µs",
                   "fdatasync p50 / p99 µs"], rows) + f"\n\nThe whole mesh, before its first task: {taken['idle_mib']:.0f} MiB resident, of {IDLE_MIB}: "
            f"{verdict(taken['idle_mib'] / IDLE_MIB, 1.0)}.")
