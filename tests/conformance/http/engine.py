"""Starts the engine's test server and talks to it in raw bytes: shared by the checks of this folder."""
import os
import signal
import socket
import struct
import subprocess
import time

HEAD = b"Host: test\r\n"


class Server:
    def __init__(self, binary, *options):
        self.process = subprocess.Popen([binary, *options], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().split()
        assert line and line[0] == "ready", "the server did not start"
        self.host, port = line[1].rsplit(":", 1)
        self.port = int(port)

    def connect(self, timeout=5.0):
        return socket.create_connection((self.host, self.port), timeout=timeout)

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        status = self.stop()
        assert status == 0, f"the server ended with {status} (a sanitizer's report is above)"


def read_all(sock):
    """Everything until the peer closes; (bytes, closed?)."""
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
        return data, True
    except TimeoutError:
        return data, False
    except ConnectionResetError:
        return data, True


def status_of(data):
    return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/1.1 ") else 0


def read_response(sock, buffer=b""):
    """One response with a length: (status, body, rest)."""
    while b"\r\n\r\n" not in buffer:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("closed within the head: %r" % buffer)
        buffer += piece
    head, rest = buffer.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(rest) < length:
        rest += sock.recv(65536)
    return status_of(head), rest[:length], rest[length:]


# -- HTTP/2, as far as an attacker needs it
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def request_headers(stream, end=True, path=None):
    """GET / by the static table (RFC 7541, appendix A) and a literal :authority; another path is a literal, too."""
    block = b"\x82\x86" + (b"\x44" + bytes([len(path)]) + path if path else b"\x84") + b"\x41\x04test"
    return frame(1, 4 | (1 if end else 0), stream, block)


def frames(data):
    while len(data) >= 9:
        size = int.from_bytes(data[:3], "big")
        if len(data) < 9 + size:
            return
        yield data[3], data[4], int.from_bytes(data[5:9], "big") & 0x7FFFFFFF, data[9 : 9 + size]
        data = data[9 + size :]


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
