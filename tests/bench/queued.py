"""(e) A restart of control with a million queued tasks, each a copy of a real one of 1 KiB with its decision: after kill -9, until it serves
with all of them in its queue; what memory they take beside what control counts them as, which queue_bytes_max bounds. No host is attached,
so that none of them starts, and no router: a second of the time is the wait for one."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

from bench import cpu_seconds, figures, table, verdict
from engine import Postgres
from mesh import Mesh, eventually

TASKS = int(os.environ.get("AION_BENCH_QUEUED", "1000000"))
GOAL_S, BYTES = 10, 1024
SLACK = 1.15, 64  # control's own count of its queue, and what it may have resident: by this factor, and MiB


class Pattern:
    """A mesh that ran once: its certificates, and its one task."""

    def __init__(self, context):
        self.mesh = Mesh(str(context.build / "aion"))
        self.mesh.up()
        answer = self.mesh.submit(text="x" * BYTES)
        self.mesh.down()
        if answer.status != 200:
            self.mesh.close()
            raise RuntimeError(f"the task to copy: {answer.status} {answer.body!r}")
        self.tls = pathlib.Path(self.mesh.home) / "tls"
        self.url = f"sqlite:{next(pathlib.Path(self.mesh.home).rglob('aion.db'))}"


class Control:
    """aion control alone, over a store with a backlog."""

    def __init__(self, context, pattern, url):
        tls, self.log = pattern.tls, open(context.log, "ab")
        ready, write = os.pipe()
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [str(context.build / "aion"), "control", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", f"--tls-ca={tls}/ca.crt",
             f"--tls-cert={tls}/control.crt", f"--tls-key={tls}/control.key", f"--router=127.0.0.1:{context.free_port()}",
             f"--queue-tasks-max={2 * TASKS}", "--queue-bytes-max=16GiB", "--log-level=warn"],
            stdout=self.log, stderr=self.log, pass_fds=(write,),
            env={**os.environ, "AION_READY_FD": str(write), "AION_STORE_URL": url})
        os.close(write)
        with os.fdopen(ready) as pipe:
            words = dict(word.split("=") for word in pipe.readline().split()[1:])
        self.served = time.monotonic() - self.began
        if "admin" not in words:
            self.kill()
            raise RuntimeError(f"control did not start; see {context.log}")
        self.admin = words["admin"]

    def metric(self, name):
        text = urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=30).read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith((name + " ", name + "{")))

    def memory_mib(self, name):
        return int(re.search(name + r":\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


def restart(context, pattern, url, database_cpu):
    """A start, and after it is killed another one: that is measured."""
    Control(context, pattern, url).kill()
    before = database_cpu()
    control = Control(context, pattern, url)
    try:
        got = {"seconds": control.served, "cpu": cpu_seconds(control.process.pid), "database": database_cpu() - before,
               "resident": control.memory_mib("VmRSS"), "peak": control.memory_mib("VmHWM")}
        eventually(f"{TASKS} tasks in the queue", lambda: control.metric("aion_control_queue_tasks") == TASKS, 30)
        got["counted"] = control.metric("aion_control_queue_bytes") / 1048576
    finally:
        control.kill()
    return got


def one(context, pattern, url, database_cpu):
    began = time.monotonic()
    done = subprocess.run([str(context.build / "tests/bench/queued/bench_queued_fill"), pattern.url, url, str(TASKS)],
                          capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    filled = time.monotonic() - began
    return {**figures(done.stdout), "filled": filled, **restart(context, pattern, url, database_cpu)}


def measure(context):
    pattern, taken = Pattern(context), {"missing": {}}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="aion-bench-queued-"))
    try:
        context.noise.spin()
        taken["SQLite"] = one(context, pattern, f"sqlite:{folder}/aion.db", lambda: 0)
        shutil.rmtree(folder)
        context.noise.spin()
        try:
            postgres = Postgres()
        except RuntimeError as error:
            taken["missing"]["PostgreSQL"] = str(error).splitlines()[-1]
            return taken
        try:
            taken["PostgreSQL"] = one(context, pattern, postgres.url, postgres.cpu)
        finally:
            postgres.stop()
    finally:
        pattern.mesh.close()
        shutil.rmtree(folder, ignore_errors=True)
    return taken


def report(taken):
    rows = []
    for name in ("SQLite", "PostgreSQL"):
        if name not in taken:
            continue
        run = taken[name]
        bound = run["counted"] * SLACK[0] + SLACK[1]
        rows.append([name, f"{run['tasks']:.0f}", f"{run['seconds']:.1f}", verdict(run["seconds"] / GOAL_S, 1.0), f"{run['cpu']:.1f}",
                     f"{run['database']:.1f}", f"{run['resident']:.0f} / {run['peak']:.0f}",
                     f"{run['counted']:.0f}", verdict(run["peak"] / bound, 1.0), f"{run['resident'] * 1048576 / run['tasks']:.0f}",
                     f"{run['meta']:.0f} + {run['decision']:.0f} + {run['body']:.0f}", f"{run['tasks'] / run['filled']:.0f}"])
    text = table(["store", "tasks", "s until it serves", f"of {GOAL_S} s", "CPU s of control", "of PostgreSQL", "MiB resident / peak",
                  "MiB counted as queued", f"peak of counted x {SLACK[0]} + {SLACK[1]} MiB", "bytes resident a task", "meta + decision + body bytes", "written, tasks/s"], rows)
    for name, reason in taken["missing"].items():
        text += f"\n\nWithout {name}: {reason}"
    return text
