"""(f) The console on a pseudo terminal, beside btop and htop in the same seconds: CPU and bytes a frame, start, loss of its server,
resizes, how it leaves the terminal, 200 hosts and 1 M events a minute, memory, seeks within a day."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import console_report
import fleet
from bench import SOURCE, Server, cpu_seconds, resident_mib
from screens import Screen

from terminal import Pty  # found by screens

RESULTS = None if os.environ.get("AION_BENCH_ONLY") else "RESULTS-console.md"
HOURS = float(os.environ.get("AION_BENCH_HOURS", "24"))
MINUTES = float(os.environ.get("AION_BENCH_MINUTES", "0"))
ROUNDS, SECONDS = 3, 6
SIZES = ((140, 40), (80, 24))
SIGNALS = ("INT", "TERM", "HUP", "QUIT", "SEGV", "ABRT", "BUS", "FPE", "KILL")
KEYS, STARTS, SEEKS, LOSSES, STORMS = 150, 20, 20, 3, 2
CONSOLES = 100
KEPT_MINUTES, SPEED = 16, 20
SETTLE = 12  # until every row has been told
WHOLE = 30  # in so many seconds each console gets one whole frame

report = console_report.report


class Bench:
    def __init__(self, context):
        self.build, self.noise = context.build, context.noise
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="aion-console-"))
        self.tool = str(self.build / "tests/console/console_screen")
        self.taken = {"hours": HOURS}
        self.programs = self.peers_here()
        fleet.WORK = self.work

    def peers_here(self):
        """btop at its fastest rate, ten times a second, and htop; what cannot be had is left out, and said."""
        done = subprocess.run(["bash", "-c", ". tests/lib/packages.sh; packages_need btop htop"], cwd=SOURCE, capture_output=True, text=True)
        folder = self.work / "home/.config/btop"
        folder.mkdir(parents=True)
        (folder / "btop.conf").write_text("update_ms = 100\n")
        programs = {"btop": ["env", f"HOME={self.work}/home", f"XDG_CONFIG_HOME={self.work}/home/.config", "btop", "--utf-force"],
                    "htop": ["htop", "-d", "1"]}
        missing = [name for name in programs if shutil.which(name) is None]
        if missing:
            self.taken["missing"] = f"{', '.join(missing)}: {(done.stdout + done.stderr).strip()[-200:]}"
        return {name: command for name, command in programs.items() if name not in missing}

    def server(self, *options):
        return Server([self.build / "tests/console/console_server", *options], self.work / "server.log")

    def command(self, address, *options):
        return [str(self.build / "tests/console/console_run"), str(address), *map(str, options)]

    def console(self, address, *options, **more):
        return Screen(self.tool, self.command(address, *options), **more)

    def note(self, name, value):
        self.taken.setdefault(name, []).append(value)

    def close(self):
        shutil.rmtree(self.work, ignore_errors=True)

    # -- ten times a second, beside the peers in the same seconds ---------------

    def screens(self, server):
        for cols, rows in SIZES:
            yield ("console", cols), self.console(f"127.0.0.1:{server.port}", cols=cols, rows=rows)
            for name, command in self.programs.items():
                yield (name, cols), Screen(self.tool, command, cols, rows)

    def peers(self):
        server = self.server()
        try:
            for _ in range(ROUNDS):
                self.noise.spin()
                self.one_round(dict(self.screens(server)))
        finally:
            server.stop()

    def one_round(self, screens):
        try:
            time.sleep(3)
            began = [screen.begin() for screen in screens.values()]
            time.sleep(SECONDS)
            for (name, screen), begun in zip(screens.items(), began):
                got = screen.ended(begun)
                self.note(name, {**got, **screen.least(got["since"])})
        finally:
            for screen in screens.values():
                screen.close()

    # -- with nothing to do ----------------------------------------------------

    def idle(self):
        still, moving = self.server("--still", "1"), self.server()
        screens = {"nothing moves": self.console(f"127.0.0.1:{still.port}"), "unfocused": self.console(f"127.0.0.1:{moving.port}")}
        try:
            time.sleep(3)
            screens["unfocused"].key(b"\x1b[O")
            time.sleep(2)
            began = {name: screen.begin() for name, screen in screens.items()}
            time.sleep(20)
            for name, screen in screens.items():
                self.taken[name] = screen.ended(began[name])
        finally:
            for screen in screens.values():
                screen.close()
            still.stop()
            moving.stop()

    # -- start -----------------------------------------------------------------

    def start(self):
        """Cold processes in turn; `floor` is a shell that writes one escape."""
        server = self.server()
        try:
            self.noise.spin()
            for _ in range(STARTS):
                self.one_start("floor", Screen(self.tool, ["sh", "-c", "printf '\\033[m'; exec sleep 5"]))
                self.one_start("console", self.console(f"127.0.0.1:{server.port}"))
                self.one_start("console, no server", self.console("127.0.0.1:1"))
                for name, command in self.programs.items():
                    self.one_start(name, Screen(self.tool, command))
        finally:
            server.stop()

    def one_start(self, name, screen):
        try:
            self.note(("first", name), screen.first(b"\x1b[") - screen.began)
            if name == "console":
                self.note("data", screen.first(b"LIVE") - screen.began)
            elif name in self.programs:
                screen.first(b"%")
        finally:
            screen.close()

    # -- a server that goes ----------------------------------------------------

    def loss(self):
        for how in ("KILL", "STOP"):
            for _ in range(LOSSES):
                self.one_loss(how)

    def one_loss(self, how):
        server = self.server()
        screen = self.console(f"127.0.0.1:{server.port}")
        try:
            screen.first(b"LIVE")
            time.sleep(1)
            began = time.monotonic()
            os.kill(server.pid, getattr(signal, f"SIG{how}"))
            self.note((how, "stale"), screen.row_when(0, lambda row: "STALE" in row or "DISC" in row, began) - began)
            self.note((how, "lost"), screen.row_when(0, lambda row: "DISCONNECTED" in row, began) - began)
            began = time.monotonic()
            if how == "STOP":
                os.kill(server.pid, signal.SIGCONT)
            else:
                server.stop()
                server = self.server("--port", server.port)
            self.note((how, "back"), screen.row_when(
                0, lambda row: row.strip() and "DISCONNECTED" not in row and "STALE" not in row, began) - began)
        finally:
            if server.process.poll() is None:
                os.kill(server.pid, signal.SIGCONT)
            screen.close()
            server.stop()

    # -- sizes -----------------------------------------------------------------

    def storm(self):
        """200 sizes in 2 s; until the last one's picture is whole."""
        server = self.server()
        screen = self.console(f"127.0.0.1:{server.port}")
        try:
            screen.first(b"LIVE")
            for round_ in range(STORMS):
                for i in range(200):
                    screen.resize(60 + (i * 37 + round_) % 200, 16 + (i * 13) % 60)
                    time.sleep(0.01)
                screen.resize(140, 40)
                last = time.monotonic()
                time.sleep(1)
                first = next(at for at, data in screen.frames() if at > last and len(data) > 1000)
                self.note("storm", first - last)
        finally:
            screen.close()
            server.stop()

    # -- how it leaves the terminal --------------------------------------------

    def exits(self):
        server = self.server()
        commands = {"console": self.command(f"127.0.0.1:{server.port}"), **self.programs}
        try:
            with concurrent.futures.ThreadPoolExecutor(len(commands)) as pool:
                for name, faults in zip(commands, pool.map(self.program_exits, commands, commands.values())):
                    self.taken[("exits", name)] = faults
        finally:
            server.stop()

    def program_exits(self, name, command):
        return {what: self.one_exit(name, command, what) for what in SIGNALS}

    @staticmethod
    def one_exit(name, command, what):
        line = Pty(command, 100, 30)
        try:
            line.wait(b"LIVE" if name == "console" else b"%")
            line.read(0.3)
            os.kill(line.console() if name == "console" else line.process.pid, getattr(signal, f"SIG{what}"))
            line.end()
            return line.restored()
        except AssertionError:
            return "it does not end"
        finally:
            line.close()

    # -- 15 minutes kept -------------------------------------------------------

    def memory(self):
        """200 hosts and routes by a clock that runs SPEED times as fast, until more is kept than has room."""
        server = self.server("--hosts", "200", "--routes", "200", "--edges", "20", "--speed", str(SPEED))
        settings = self.work / "slow"
        settings.write_text("set rate 1\n")
        screen = self.console(f"127.0.0.1:{server.port}", "--settings", settings)
        try:
            screen.first(b"LIVE")
            first = latest = self.frame_time(screen)
            until = time.monotonic() + 240
            while latest - first < KEPT_MINUTES * 60 and time.monotonic() < until:
                time.sleep(3)
                latest = self.frame_time(screen)
            self.taken["memory"] = {"minutes": (latest - first) / 60, "rss": resident_mib(screen.worker())}
        finally:
            screen.close()
            server.stop()

    @staticmethod
    def frame_time(screen):
        """Of the newest frame: the clock in the header less the lag beside it; seconds of the day."""
        found = None
        until = time.monotonic() + 20
        while found is None and time.monotonic() < until:
            time.sleep(0.2)
            found = re.search(r"(\d\d):(\d\d):(\d\d)Z +lag ([0-9.]+)s", screen.row(0)[-2][1])
        hours, minutes, seconds, lag = (float(word) for word in found.groups())
        return hours * 3600 + minutes * 60 + seconds - lag

    # -- 200 hosts, 200 routes, a million events a minute ----------------------

    def load(self):
        for name, events in (("1 M", fleet.EVENTS), ("10 M", fleet.EVENTS * 10)):
            mesh = fleet.Fleet(self.build, 3600, events=events)
            control = fleet.Control(self.build, self.work, mesh.router, self.work / f"frames-{events}")
            try:
                mesh.attach(control.address)
                time.sleep(SETTLE)
                self.noise.spin()
                self.under_load(name, control, full=name == "1 M")
                got = self.taken[("load", name)]
                got["lost"] = control.metric('aion_control_frames_total{outcome="lost"}')
                got["fleet"] = mesh.end()
            finally:
                mesh.stop()
                control.stop()

    def at_control(self, control, **more):
        address, *files = control.client()
        return self.console(address, "--tls", *files, **more)

    def under_load(self, name, control, full):
        got = self.taken[("load", name)] = {}
        if full:
            self.readers(control, got)
            self.past_and_live(control, got)
        screen = self.at_control(control)
        try:
            screen.first(b"LIVE")
            time.sleep(3)
            before = cpu_seconds(control.pid)
            got.update(screen.measure(3 * SECONDS))
            got["control"] = 100 * (cpu_seconds(control.pid) - before) / (3 * SECONDS)
            got.update(self.lag(screen, got["since"]), **screen.least(got["since"]))
            if full:
                self.keys(screen, got)
                got["resident"] = self.resident(screen)
            got["footer"] = screen.row(-1)[-2][1]
        finally:
            screen.close()
        if full:
            self.throttled(control)

    def readers(self, control, got):
        """What control spends on nobody, on CONSOLES of them, on one that wants every event. The first two in turn: what the machine does
        besides is of the same size as the difference."""
        got["nobody"], got["consoles"] = [], []
        for name, count in 2 * (("nobody", 0), ("consoles", CONSOLES)) + (("nobody", 0),):
            got[name].append(self.reading(control, count, WHOLE))
        got["every"] = self.reading(control, 1, 8, "all")
        got["control_rss"] = resident_mib(control.pid)
        got["telemetry"] = control.metric("aion_control_telemetry_bytes{") / 1e6

    def reading(self, control, count, seconds, *more):
        figures, used = fleet.consoles(self.build, control, count, seconds, *more)
        return {**figures, "cpu": 100 * used / seconds}

    def past_and_live(self, control, got):
        """Hashes of all cells at the ends of seconds, as they were live and as control finds them again."""
        watch = [str(self.build / "tests/bench/fleet/bench_fleet_watch"), *control.client()]
        text = subprocess.run([*watch, "watch", "rate=1", "seconds=6"], capture_output=True, text=True, timeout=60).stdout
        live = dict(re.findall(r"^frame at=(\d+) span=1000 .* hash=(\w+)", text, re.M))
        text = subprocess.run([*watch, "at", *live], capture_output=True, text=True, timeout=60).stdout
        past = dict(re.findall(r"^frame at=(\d+) .* hash=(\w+)", text, re.M))
        got["seconds"], got["equal"] = len(live), sum(past.get(at) == found for at, found in live.items())

    @staticmethod
    def lag(screen, since):
        """How old a frame was when it came, as the header says in tenths; of each frame drawn."""
        values = [float(text.rsplit("lag ", 1)[1].split("s")[0]) for at, text in screen.row(0) if at >= since and "lag " in text]
        return {"lag_p50": console_report.percentile(values, 0.5), "lag_p99": console_report.percentile(values, 0.99)}

    def keys(self, screen, got):
        """Each key's way beside the floor's: a program that does nothing but write back what it reads."""
        echo = Screen(self.tool, ["sh", "-c", "stty raw -echo; exec cat"])
        try:
            time.sleep(0.5)
            got["floor"], got["keys"] = [], []
            for _ in range(KEYS):
                at = echo.key(b"k")
                got["floor"].append(echo.first(b"k", at) - at)
                got["keys"].append(self.one_key(screen))
        finally:
            echo.close()

    @staticmethod
    def one_key(screen):
        """From the key to the first bytes of the help, a box over half of the screen; then it is closed."""
        at = screen.key(b"?")
        took = screen.first(b"help", at) - at
        screen.key(b"q")
        time.sleep(0.12)
        return took

    @staticmethod
    def resident(screen):
        """Each minute, for as long as AION_BENCH_MINUTES says."""
        values = [resident_mib(screen.worker())]
        for _ in range(int(MINUTES)):
            time.sleep(60)
            values.append(resident_mib(screen.worker()))
        return values

    def throttled(self, control):
        """A terminal that takes so few bytes a second, with as much to show as a large one has."""
        for limit in (16000, 2000):
            screen = self.at_control(control, cols=300, rows=100, limit=limit)
            try:
                screen.first(b"LIVE", seconds=60)
                time.sleep(3)
                self.taken[("throttled", limit)] = screen.measure(SECONDS)
            finally:
                screen.close()

    # -- the past --------------------------------------------------------------

    def write_day(self):
        """Begins HOURS of history of a fleet whose cells all move, by the code that control runs, in the background."""
        self.day_end = int(time.time()) - 1
        return subprocess.Popen(["nice", "-n", "19", str(self.build / "tests/bench/fleet/bench_fleet_history"), str(self.work / "day"),
                                 str(HOURS), str(fleet.HOSTS), str(fleet.ROUTES), str(self.day_end)], stdout=subprocess.PIPE, text=True)

    def day_written(self, process):
        self.taken["day"] = fleet.figures(process.communicate(timeout=3600)[0])
        self.taken["disk"] = sum(file.stat().st_size for file in (self.work / "day").iterdir())

    def history(self):
        """Seeks in that day; the same by bare calls; then what is resident."""
        mesh = fleet.Fleet(self.build, 1, hosts=1)
        control = fleet.Control(self.build, self.work, mesh.router, self.work / "day")
        try:
            mesh.attach(control.address)
            self.seek(control, self.day_end)
        finally:
            mesh.stop()
            control.stop()

    def seek(self, control, end):
        bare = subprocess.run([str(self.build / "tests/bench/fleet/bench_fleet_watch"), *control.client(), "seek",
                               str((end - int(HOURS * 3600) + 600) * 1000000), str((end - 600) * 1000000), "100"],
                              capture_output=True, text=True, timeout=300, check=True)
        self.taken["bare"] = fleet.figures(bare.stdout)
        screen = self.at_control(control)
        try:
            screen.first(b"LIVE")
            for i in range(SEEKS):
                when = end - 3600 * (1 + i % int(HOURS - 1)) - 60 * i
                self.note("seek", self.one_seek(screen, when // 10 * 10))  # before the last 2 h a frame is of 10 s
            screen.key(b"\x1b[F")
            time.sleep(3)
            for _ in range(SEEKS):
                at = screen.key(b"[")
                self.note("near", screen.row_when(0, lambda row: "PAUSED" in row, at) - at)
                screen.key(b"\x1b[F")
                time.sleep(0.2)
            self.taken["seek rss"] = resident_mib(screen.worker())
        finally:
            screen.close()

    @staticmethod
    def one_seek(screen, when):
        clock = time.strftime("%H:%M:%S", time.gmtime(when))
        screen.key(b":at " + clock.encode())
        time.sleep(0.2)
        at = screen.key(b"\r")
        return screen.row_when(0, lambda row: f"PAUSED at {clock}" in row, at) - at

    # -- all of it -------------------------------------------------------------

    def measure(self, only):
        """What a second process does not disturb goes on while the day is written."""
        parts = [name for name in ("memory", "exits", "loss", "storm", "idle", "start", "peers", "load", "history")
                 if (not only or name in only) and (name != "history" or HOURS >= 2)]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            day = self.write_day() if "history" in parts else None
            try:
                memory = pool.submit(self.memory) if "memory" in parts else None
                for name in parts:
                    if name in ("start", "peers", "load", "history"):
                        self.quiet(day, memory)
                    if name != "memory":
                        began = time.monotonic()
                        self.attempt(name)
                        print(f"  {name}: {time.monotonic() - began:.0f} s", flush=True)
                self.quiet(day, memory)
            finally:
                if day is not None and day.poll() is None:
                    day.kill()
                    day.wait()
        self.taken["parts"] = parts

    def attempt(self, name):
        """One part that fails does not take the others' results with it; the report says so."""
        try:
            getattr(self, name)()
        except (AssertionError, RuntimeError, OSError, StopIteration, subprocess.SubprocessError) as fault:
            self.taken.setdefault("failed", {})[name] = f"{type(fault).__name__}: {str(fault)[-300:]} {getattr(fault, 'stdout', '') or ''}{getattr(fault, 'stderr', '') or ''}"

    def quiet(self, day, memory):
        if memory is not None:
            memory.result()
        began = time.monotonic()
        if day is not None and "day" not in self.taken:
            self.day_written(day)
            print(f"  waited for the day: {time.monotonic() - began:.0f} s", flush=True)


def measure(context):
    bench = Bench(context)
    try:
        bench.noise.spin()
        bench.measure(os.environ.get("AION_BENCH_ONLY", "").split())
        return bench.taken
    finally:
        bench.close()


def versions():
    def first(*command):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()[0].split(":")[-1].strip()
    return ", ".join(first(name, "--version") for name in ("btop", "htop") if shutil.which(name))
