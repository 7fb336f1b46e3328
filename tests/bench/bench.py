"""What every benchmark needs: processes with their CPU time, interleaved rounds, medians, the machine's own noise."""
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/scenario"))  # for mesh.py


class Server:
    """A process that prints "ready PORT", and ends with us."""

    def __init__(self, command, log, env=None, ready=True):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE if ready else self.log,
                                        stderr=self.log, env={**os.environ, **(env or {})}, text=ready)
        self.pid = self.process.pid
        self.port = None
        if ready:
            line = self.process.stdout.readline().split()
            if line[:1] != ["ready"]:
                self.stop()
                raise RuntimeError(f"{command[0]} did not start; see {log}")
            self.port = int(line[1])

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def figures(text):
    """{"rate": 123.0, ...} of a line "calls 5 rate 123 ..."."""
    words = text.split()
    return {name: float(value) for name, value in zip(words[::2], words[1::2])}


def run_load(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return figures(done.stdout)


def cpu_seconds(pid):
    """CPU time of all threads of a process that live; 0 when it is gone."""
    total = 0
    try:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return total * 1e-9


def ended_children_cpu_seconds(pid):
    """What its children had used that have ended: cutime and cstime of proc(5)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def parent(pid):
    """Its parent; 0 when it is gone."""
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return 0


def children(pid):
    """All descendants."""
    parents = {int(entry.name): parent(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()}
    found, seen = [pid], set()
    while found:
        above = found.pop()
        for child, its in parents.items():
            if its == above and child not in seen:
                seen.add(child)
                found.append(child)
    return seen


def median(values):
    return statistics.median(values)


def spread(values):
    return f"{median(values):.1f} ({min(values):.1f}-{max(values):.1f})"


class Noise:
    """How quiet the machine was: a fixed piece of work by wall time, before each round; steal and load."""

    def __init__(self):
        self.spins = []
        self.began = self.ticks()

    @staticmethod
    def ticks():
        return [int(word) for word in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]

    def spin(self):
        began = time.monotonic()
        n = 0
        for i in range(1_000_000):
            n += i
        self.spins.append((time.monotonic() - began) * 1000)

    def report(self):
        now = self.ticks()
        spent = [b - a for a, b in zip(self.began, now)]
        steal = 100 * spent[7] / max(1, sum(spent))
        return (f"a fixed loop took {median(self.spins):.0f} ms (fastest {min(self.spins):.0f}, slowest {max(self.spins):.0f}); "
                f"steal {steal:.1f} %; load average at the end {os.getloadavg()[0]:.1f}")


def middle_and_worst(took):
    """Median and 99th percentile."""
    took = sorted(took)
    return took[len(took) // 2], took[len(took) * 99 // 100]


def one_fsync_us(fd):
    """One fdatasync after 4 KiB appended."""
    os.write(fd, b"x" * 4096)
    began = time.monotonic()
    os.fdatasync(fd)
    return (time.monotonic() - began) * 1e6


def one_timer_us():
    """How much later than asked a sleep of 1 ms ends."""
    began = time.monotonic()
    time.sleep(0.001)
    return (time.monotonic() - began) * 1e6 - 1000


@contextlib.contextmanager
def fsync_probe(folder):
    path = pathlib.Path(folder, "fsync-probe")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)
        path.unlink()


def fsync_us(folder, count=200):
    with fsync_probe(folder) as fd:
        return middle_and_worst([one_fsync_us(fd) for _ in range(count)])


class Floors:
    """What a bare fdatasync and a bare timer take in the same seconds as what runs within: some 45 samples of each a second."""

    def __init__(self, folder):
        self.folder, self.over, self.took = folder, threading.Event(), {"fsync": [], "timer": []}
        self.thread = threading.Thread(target=self.sample)

    def sample(self):
        with fsync_probe(self.folder) as fd:
            while not self.over.wait(0.02):
                self.took["fsync"].append(one_fsync_us(fd))
                self.took["timer"].append(one_timer_us())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def figures(self):
        return {name: middle_and_worst(took) for name, took in self.took.items()}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def verdict(ratio, goal):
    return f"{ratio:.2f} (goal {goal}: {'met' if ratio <= goal else 'NOT met'})"
