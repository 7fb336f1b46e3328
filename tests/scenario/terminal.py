"""Terminals for tests: tmux on a socket of its own, and a bare pseudo terminal."""
import contextlib
import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

ENVIRONMENT = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}


class Tmux:
    """One window of a server of its own. Nothing sleeps: what is expected is waited for."""

    def __init__(self, command, cols=140, rows=40, env=None, term="tmux-256color"):
        self.folder = tempfile.mkdtemp(prefix="aion-tmux-")
        self.socket = os.path.join(self.folder, "socket")
        with open(os.path.join(self.folder, "conf"), "w") as conf:
            conf.write(f"set -g default-terminal {term}\nset -g remain-on-exit on\nset -g status off\nset -s escape-time 0\n"
                       "set -g set-clipboard on\nset -g focus-events off\n")
        # tmux 3.3 may lose the status of a program that ends fast: a shell keeps it
        kept = f"{command}; echo $? > {shlex.quote(os.path.join(self.folder, 'status'))}"
        self.tmux("-f", os.path.join(self.folder, "conf"), "new-session", "-d", "-x", str(cols), "-y", str(rows), kept,
                  env=dict(os.environ, **ENVIRONMENT, **(env or {})))
        self.tmux("set-option", "-g", "window-size", "manual")  # in the file it ends the server of tmux 3.3

    def tmux(self, *arguments, env=None):
        return subprocess.run(["tmux", "-S", self.socket, *arguments], capture_output=True, text=True, env=env, timeout=20)

    def screen(self):
        return self.tmux("capture-pane", "-p").stdout

    def wait(self, text, seconds=15, gone=False):
        """Until the screen has the text (a pattern), or has it no more. Returns the screen."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            screen = self.screen()
            if bool(re.search(text, screen)) != gone:
                return screen
            time.sleep(0.02)
        raise AssertionError(f"{text!r} {'is still' if gone else 'is not'} on the screen after {seconds} s:\n{self.screen()}")

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def escape(self):
        """The escape key alone: what follows at once would belong to it."""
        self.tmux("send-keys", "Escape")
        time.sleep(0.06)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def resize(self, cols, rows):
        self.tmux("resize-window", "-x", str(cols), "-y", str(rows))

    def exit_status(self, seconds=10):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with contextlib.suppress(FileNotFoundError, ValueError):  # ValueError: not written yet
                with open(os.path.join(self.folder, "status")) as status:
                    return int(status.read())
            time.sleep(0.02)
        raise AssertionError(f"the program still runs after {seconds} s:\n{self.screen()}")

    def close(self):
        self.tmux("kill-server")
        shutil.rmtree(self.folder, ignore_errors=True)


class Pty:
    """A program on a pseudo terminal whose other end we keep: what it writes, how it leaves the line."""

    def __init__(self, command, cols=80, rows=24, term="xterm-256color", env=None):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.process = subprocess.Popen(command, stdin=self.slave, stdout=self.slave, stderr=subprocess.PIPE, start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                        env=dict(os.environ, **ENVIRONMENT, TERM=term, **(env or {})))

    def read(self, seconds=0.1):
        """What comes within that time is added to the output."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.master], [], [], left)[0]:
                break
            self.output += os.read(self.master, 65536)

    def wait(self, what, seconds=15):
        until = time.monotonic() + seconds
        while what not in self.output:
            if time.monotonic() > until:
                raise AssertionError(f"{what!r} did not come: {self.output[-2000:]!r}")
            self.read(0.1)

    def console(self):
        """The process behind the guard."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
            return int(children.read().split()[0])

    def end(self, seconds=15):
        """Its exit status, all that it wrote read."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < until, "it does not end"
            self.read(0.05)
        self.read(0.1)
        return self.process.returncode

    def restored(self):
        """What is wrong with the line now; "" when it is as it was."""
        faults = []
        tail = self.output
        for name, on, off in (("alternate screen", b"\x1b[?1049h", b"\x1b[?1049l"), ("cursor", b"\x1b[?25l", b"\x1b[?25h"),
                              ("focus reports", b"\x1b[?1004h", b"\x1b[?1004l"), ("paste mode", b"\x1b[?2004h", b"\x1b[?2004l"),
                              ("mouse", b"\x1b[?1000h", b"\x1b[?1000l"), ("synchronised output", b"\x1b[?2026h", b"\x1b[?2026l")):
            if tail.rfind(on) > tail.rfind(off):
                faults.append(name)
        if termios.tcgetattr(self.slave) != self.before:
            faults.append("termios")
        return ", ".join(faults)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)
