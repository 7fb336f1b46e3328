"""A program on a pseudo terminal under measurement: what it wrote and when, what it used."""
import fcntl
import os
import pathlib
import select
import struct
import subprocess
import sys
import termios
import threading
import time

from bench import cpu_seconds, figures, resident_mib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scenario"))
from terminal import Pty  # noqa: E402

GAP = 0.015  # a pause that ends a frame


class Screen(Pty):
    """Its output is read by a thread, at most `limit` bytes a second; `chunks` are (time, bytes)."""

    def __init__(self, tool, command, cols=140, rows=40, limit=None, env=None, term="xterm-256color"):
        self.tool, self.cols, self.rows, self.limit = tool, cols, rows, limit
        self.chunks, self.began, self.stopping = [], time.monotonic(), False
        super().__init__(command, cols, rows, env=env, term=term)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while not self.stopping:
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.master, 65536 if self.limit is None else max(1, self.limit // 20))
            except OSError:
                return
            self.chunks.append((time.monotonic(), data))
            if self.limit is not None:
                time.sleep(len(data) / self.limit)

    def first(self, what, since=0.0, seconds=15):
        """When those bytes had come, of what came after `since`."""
        until = time.monotonic() + seconds
        text, seen, started = b"", 0, False
        while True:
            chunks = self.chunks
            while seen < len(chunks):
                at, data = chunks[seen]
                seen += 1
                if not started and at < since:
                    continue
                started = True
                text = text[-len(what):] + data
                if what in text:
                    return at
            if time.monotonic() > until:
                raise AssertionError(f"{what!r} did not come in {seconds} s")
            time.sleep(0.0005)

    def resize(self, cols, rows):
        self.cols, self.rows = cols, rows
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def key(self, keys):
        at = time.monotonic()
        os.write(self.master, keys)
        return at

    def worker(self):
        """The process that draws: ours is behind a guard."""
        try:
            return self.console()
        except (IndexError, OSError):
            return self.process.pid

    def frames(self):
        """(time of its last byte, bytes) of each frame."""
        found = []
        last = 0.0
        for at, data in list(self.chunks):
            if found and at - last < GAP:
                found[-1] = (at, found[-1][1] + data)
            else:
                found.append((at, data))
            last = at
        return found

    def packed(self, frames):
        return b"".join(struct.pack("<I", len(data)) + data for _, data in frames)

    def least(self, since=0.0):
        """The figures of console_screen, of the frames after `since`."""
        frames = self.frames()
        before = b"".join(data for at, data in frames if at < since)
        after = [frame for frame in frames if frame[0] >= since]
        done = subprocess.run([self.tool, str(self.rows), str(self.cols)], input=self.packed([(0, before), *after]),
                              capture_output=True, check=True)
        return figures(done.stdout.decode())

    def row(self, row):
        """(time, text of that row) after each frame."""
        frames = self.frames()
        done = subprocess.run([self.tool, str(self.rows), str(self.cols), str(row)], input=self.packed(frames),
                              capture_output=True, check=True)
        return list(zip((at for at, _ in frames), done.stdout.decode().split("\n")))

    def row_when(self, row, wanted, since, seconds=20):
        """When that row was first so, after `since`."""
        until = time.monotonic() + seconds
        while True:
            time.sleep(0.3)
            for at, text in self.row(row):
                if at >= since and wanted(text):
                    return at
            if time.monotonic() > until:
                raise AssertionError(f"the row is {self.row(row)[-1][1]!r}")

    def begin(self):
        pid = self.worker()
        return pid, time.monotonic(), cpu_seconds(pid)

    def ended(self, begun):
        """CPU, bytes and frames since begin()."""
        pid, began, cpu = begun
        spent, end = cpu_seconds(pid) - cpu, time.monotonic()
        sizes = sorted(len(data) for at, data in self.frames() if began <= at < end)
        took = end - began
        return {"since": began, "cpu": 100 * spent / took, "frames_s": len(sizes) / took, "bytes_s": sum(sizes) / took,
                "frame": sizes[len(sizes) // 2] if sizes else 0, "worst": self.worst(began, end), "rss": resident_mib(pid)}

    def measure(self, seconds):
        begun = self.begin()
        time.sleep(seconds)
        return self.ended(begun)

    def worst(self, began, ended):
        """The most bytes within one second."""
        times = [(at, len(data)) for at, data in list(self.chunks) if began <= at < ended]
        most = size = first = 0
        for at, count in times:
            size += count
            while at - times[first][0] > 1.0:
                size -= times[first][1]
                first += 1
            most = max(most, size)
        return most

    def close(self):
        self.stopping = True
        self.process.terminate()
        self.process.wait(10)
        self.thread.join()
        super().close()
