"""Telemetry of a fleet: 200 hosts that attach and report over mTLS, 200 routes, tasks that really travel, and 1 M events a minute
in reports, at a real control; what its consoles cost and get; a day's history, and seeks in it.

fleet.py BUILD runs this alone."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

from bench import Noise, cpu_seconds, figures, median, resident_mib, table

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenario"))
from mesh import Mesh  # noqa: E402

HOSTS, ROUTES, TASKS, EVENTS = 200, 200, 100, 16667
CONSOLES = (0, 1, 10, 100)
HOURS = float(os.environ.get("AION_BENCH_HOURS", "24"))
ROUNDS = int(os.environ.get("AION_BENCH_ROUNDS", "3"))
SECONDS = 10


class Control:
    """A control of its own, with certificates of a mesh that ran once; no other program but the fleet's."""

    def __init__(self, build, work, router_port, frames):
        tls = work / "tls-home/tls"
        if not tls.exists():
            mesh = Mesh(str(build / "aion"), str(work / "tls-home"))
            mesh.up()
            mesh.down()
        ready, write = os.pipe()
        self.tls, self.log = tls, open(work / "control.log", "ab")
        self.process = subprocess.Popen(
            [str(build / "aion"), "control", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", f"--tls-ca={tls}/ca.crt",
             f"--tls-cert={tls}/control.crt", f"--tls-key={tls}/control.key", f"--store-url=sqlite:{work}/fleet.db",
             f"--router=127.0.0.1:{router_port}", f"--frames-dir={frames}", "--log-level=warn"],
            stdout=self.log, stderr=self.log, pass_fds=(write,), env={**os.environ, "AION_READY_FD": str(write)})
        os.close(write)
        with os.fdopen(ready) as pipe:
            words = dict(word.split("=") for word in pipe.readline().split()[1:])
        self.address, self.admin = words["listen"], words["admin"]
        self.pid = self.process.pid

    def client(self):
        return [self.address, *(str(self.tls / name) for name in ("ca.crt", "user-admin.crt", "user-admin.key"))]

    def metric(self, line):
        text = urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=10).read().decode()
        return sum(float(row.rsplit(" ", 1)[1]) for row in text.splitlines() if row.startswith(line))

    def buckets(self, name):
        """(bound in ms, count below it) of a histogram."""
        text = urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=10).read().decode()
        return [(1000 * float(row.split('le="')[1].split('"')[0]), float(row.rsplit(" ", 1)[1])) for row in text.splitlines()
                if row.startswith(name + "{")]

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


class Fleet:
    def __init__(self, build, seconds, **numbers):
        tls = build_tls(build)
        options = {"hosts": HOSTS, "routes": ROUTES, "tasks": TASKS, "events": EVENTS, "seconds": seconds, **numbers}
        self.process = subprocess.Popen([str(build / "tests/bench/fleet/bench_fleet"), str(tls),
                                         *(f"{name}={value}" for name, value in options.items())],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.router = int(self.process.stdout.readline().split()[1])

    def attach(self, address):
        self.process.stdin.write(address + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().startswith("attached")

    def result(self):
        line = self.process.stdout.readline()
        self.process.wait(30)
        return figures(line)

    def end(self):
        """Its result, before its time."""
        self.process.terminate()
        return self.result()

    def stop(self):
        self.process.kill()
        self.process.wait()


WORK = None


def build_tls(build):
    """The folder of certificates, made once."""
    tls = WORK / "tls-home/tls"
    if not tls.exists():
        mesh = Mesh(str(build / "aion"), str(WORK / "tls-home"))
        mesh.up()
        mesh.down()
    return tls


def consoles(build, control, count, seconds, *more):
    """What `count` consoles got in `seconds`, and control's CPU seconds meanwhile."""
    if count == 0:
        before = cpu_seconds(control.pid)
        time.sleep(seconds)
        return {}, cpu_seconds(control.pid) - before
    process = subprocess.Popen([str(build / "tests/bench/fleet/bench_fleet_consoles"), *control.client(), str(count), "10",
                                str(seconds), *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if process.stdout.readline().strip() != "begin":
        raise RuntimeError("the consoles did not begin")
    before = cpu_seconds(control.pid)
    process.stdin.write("go\n")
    process.stdin.flush()
    line = process.stdout.readline()
    used = cpu_seconds(control.pid) - before
    process.wait(30)
    return figures(line), used


def measure_live(build, taken):
    """Interleaved rounds of 0, 1, 10, 100 consoles beside the whole fleet; then one reader of every event."""
    total = 20 + ROUNDS * len(CONSOLES) * (SECONDS + 4) + 40
    fleet = Fleet(build, total)
    control = Control(build, WORK, fleet.router, WORK / "frames")
    try:
        fleet.attach(control.address)
        time.sleep(12)  # until every row has been told
        for _ in range(ROUNDS):
            for count in CONSOLES:
                got, used = consoles(build, control, count, SECONDS)
                taken.setdefault(count, []).append({**got, "cpu": 100 * used / SECONDS})
        got, used = consoles(build, control, 1, 20, "all")
        taken["all"] = {**got, "cpu": 100 * used / 20}
        taken["rss"] = resident_mib(control.pid)
        taken["lost"] = control.metric('aion_control_frames_total{outcome="lost"}')
        taken["fleet"] = fleet.result()
        taken["tick"] = 1e6 * control.metric("aion_control_telemetry_seconds_sum") / control.metric(
            "aion_control_telemetry_seconds_count")
        buckets = control.buckets("aion_control_telemetry_seconds_bucket")
        taken["tick_most"] = next(bound for bound, count in buckets if count == buckets[-1][1])
    finally:
        fleet.stop()
        control.stop()


def measure_reports(build, taken):
    """A report's CPU in each program of a real, idle mesh."""
    mesh = Mesh(str(build / "aion"))
    mesh.up()
    try:
        time.sleep(15)
        for row in mesh.status()["processes"]:
            text = urllib.request.urlopen(f"http://127.0.0.1:{row['admin_port']}/metrics", timeout=10).read().decode()
            value = {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.splitlines()
                     if line.startswith("aion_telemetry_report_seconds_")}
            taken.setdefault("reports", {})[row["name"]] = (
                1e6 * value["aion_telemetry_report_seconds_sum"] / value["aion_telemetry_report_seconds_count"])
    finally:
        mesh.close()


def measure_history(build, taken):
    """HOURS of all cells moving, written by the code that control runs, at virtual time; then a control that has them."""
    frames = WORK / "day"
    end = int(time.time()) - 1
    done = subprocess.run([str(build / "tests/bench/fleet/bench_fleet_history"), str(frames), str(HOURS), str(HOSTS), str(ROUTES),
                           str(end)], capture_output=True, text=True, timeout=3600, check=True)
    taken["history"] = figures(done.stdout)
    taken["disk"] = sum(file.stat().st_size for file in frames.iterdir())
    fleet = Fleet(build, 1, hosts=1)
    control = Control(build, WORK, fleet.router, frames)
    try:
        fleet.attach(control.address)
        since = time.time() - end  # seconds of which there is nothing
        for name, hours in (("two", 1.95 - since / 3600), ("day", HOURS - 0.2)):
            seek = subprocess.run([str(build / "tests/bench/fleet/bench_fleet_watch"), *control.client(), "seek",
                                   str(int((end - hours * 3600) * 1e6)), str((end - 60) * 1000000), "200"],
                                  capture_output=True, text=True, timeout=300)
            if seek.returncode != 0:
                raise RuntimeError(f"seek: {seek.stdout}{seek.stderr}")
            taken[name] = figures(seek.stdout)
    finally:
        fleet.stop()
        control.stop()


def measure(context):
    global WORK
    WORK = pathlib.Path(tempfile.mkdtemp(prefix="aion-fleet-"))
    taken = {}
    try:
        context.noise.spin()
        measure_reports(context.build, taken)
        measure_live(context.build, taken)
        context.noise.spin()
        if HOURS > 0:
            measure_history(context.build, taken)
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    return taken


def report(taken):
    base = median([run["cpu"] for run in taken[0]])
    rows = []
    for count in CONSOLES:
        runs = taken[count]
        cpu = median([run["cpu"] for run in runs])
        def of(name):
            return f"{median([run[name] for run in runs]):.0f}" if count else "-"
        rows.append([count, f"{cpu:.1f} %", f"{cpu - base:.1f} %" if count else "-", of("frame_bytes_s"), of("event_bytes_s"),
                     of("lag_p50_us"), of("lag_p99_us"), of("dropped"), of("counted"), of("sampled")])
    fleet, every = taken["fleet"], taken["all"]
    text = table(["consoles", "control's CPU", "of it, consoles'", "frames B/s each", "events B/s each", "lag p50 µs", "p99 µs",
                  "frames dropped", f"events counted in {SECONDS} s", "sampled"], rows)
    text += (f"\n\nOne more reader of every event, 20 s: {every['events']:.0f} events, {every['sampled']:.0f} sampled, "
             f"{every['holes']:.0f} holes in the sequence, {every['dropped']:.0f} frames dropped, control's CPU {every['cpu']:.1f} %. "
             f"The fleet sent {fleet['reports']:.0f} reports ({fleet['dropped']:.0f} dropped), {fleet['events']:.0f} events, "
             f"{fleet['submitted']:.0f} tasks ({fleet['failed']:.0f} refused). Frames lost on the way to disk: {taken['lost']:.0f}. "
             f"Control: {taken['rss']:.0f} MiB resident, a look of telemetry's clock {taken['tick']:.0f} µs "
             f"of CPU on average, below {taken['tick_most']:.0f} ms each.\n\nA report costs, CPU µs: "
             + ", ".join(f"{name} {value:.0f}" for name, value in taken["reports"].items()) + ".")
    if "history" in taken:
        history = taken["history"]
        text += (f"\n\n{HOURS:g} h of {HOSTS} hosts and {ROUTES} routes, all values moving: {taken['disk'] / 1e6:.0f} MB on disk, "
                 f"{history['cpu_us_a_frame']:.0f} µs of CPU a frame.\n\n"
                 + table(["seek within", "GetAt p50 / p99 µs", "Watch to its first frame", "a bare unary call"],
                         [[name, *(f"{taken[key][what + '_p50_us']:.0f} / {taken[key][what + '_p99_us']:.0f}"
                                   for what in ("get_at", "watch", "bare"))]
                          for name, key in (("the last 2 h (1 s frames)", "two"), ("24 h", "day"))]))
    return text


class Alone:
    def __init__(self, build):
        self.build, self.noise = pathlib.Path(build).resolve(), Noise()


if __name__ == "__main__":
    alone = Alone(sys.argv[1])
    print(report(measure(alone)))
    print("\n" + alone.noise.report())
