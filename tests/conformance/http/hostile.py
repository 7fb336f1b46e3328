"""Clients that mean harm: slow heads and bodies, stalled readers, HTTP/2 rapid reset, thousands of idle streams.

usage: hostile.py ENGINE_SERVER; AION_TEST_LONG=1 for 10,000 idle streams instead of 1,000"""
import os
import resource
import select
import socket
import sys
import time

from engine import HEAD, PREFACE, Server, frame, frames, read_all, read_response, request_headers, status_of, wait_for

SANITIZED = b"__asan_init" in open(sys.argv[1], "rb").read()


def slow_heads(server):
    """1,000 connections that send a byte every half second; a good one beside them."""
    socks = [server.connect() for _ in range(1000)]
    begin, worst = time.monotonic(), 0.0
    open_socks = {s.fileno(): s for s in socks}
    for s in socks:
        s.setblocking(False)
        s.send(b"GET / HTTP/1.1\r\n")
    while open_socks and time.monotonic() - begin < 6:
        for s in list(open_socks.values()):
            try:
                s.send(b"X")
            except OSError:
                pass
        good_begin = time.monotonic()
        with server.connect() as good:
            good.sendall(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert read_response(good)[0] == 200
        worst = max(worst, time.monotonic() - good_begin)
        poll = select.poll()
        for fd in open_socks:
            poll.register(fd, select.POLLIN)
        end = time.monotonic() + 0.5
        while open_socks and (left := end - time.monotonic()) > 0:
            for fd, _ in poll.poll(left * 1000):
                try:
                    gone = open_socks[fd].recv(4096) == b""
                except OSError:
                    gone = True
                if gone:
                    poll.unregister(fd)
                    open_socks.pop(fd).close()
    took = time.monotonic() - begin
    assert not open_socks, f"{len(open_socks)} slow connections are still open after {took:.1f} s"
    assert worst < 2.0, f"a good request took {worst:.2f} s meanwhile"
    return f"1,000 slow heads closed in {took:.1f} s (limit 1 s), worst good request {worst * 1000:.0f} ms"


def slow_body(server):
    with server.connect(8) as sock:
        begin = time.monotonic()
        sock.sendall(b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n")
        answer = b""
        sock.settimeout(0.3)
        while time.monotonic() - begin < 7 and not answer:
            try:
                sock.sendall(b"x" * 10)
                answer = sock.recv(4096)
            except TimeoutError:
                pass
        assert status_of(answer) == 408, f"a slow body got {answer[:40]!r}"
        return f"a slow body got 408 after {time.monotonic() - begin:.1f} s"


def idle(server):
    with server.connect(6) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
        read_response(sock)
        begin = time.monotonic()
        rest, closed = read_all(sock)
        assert closed and rest == b"", "an idle connection is not closed quietly"
        return f"an idle connection was closed after {time.monotonic() - begin:.1f} s"


def stalled_reader(server):
    """Asks for 64 MiB and reads none of it."""
    with server.connect(10) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = server.rss_bytes()
        for _ in range(64):
            sock.sendall(b"GET /big HTTP/1.1\r\n" + HEAD + b"\r\n")
        time.sleep(0.5)
        grown = server.rss_bytes() - before
        assert grown < 24 << 20, f"a stalled reader costs {grown >> 20} MiB"
        poll = select.poll()
        poll.register(sock, select.POLLHUP | select.POLLERR)
        assert wait_for(lambda: poll.poll(0), 6), "a stalled reader is never cut"
        return f"a stalled reader of 64 MiB cost {grown >> 10} KiB and was cut"


def stalled_windows(server):
    """HTTP/2 clients whose socket moves and whose windows do not: of one stream, then of the whole connection."""
    pings = b"".join(frame(6, 0, 0, b"keepopen") for _ in range(4))
    for what, settings, paths in (("stream", b"\0\x04\0\0\0\0", [request_headers(1)]),
                                  ("connection", b"\0\x04\x7f\xff\xff\xff", [request_headers(1, path=b"/big")])):
        with server.connect(10) as sock:
            sock.sendall(PREFACE + frame(4, 0, 0, settings) + b"".join(paths))
            got, begin = b"", time.monotonic()
            while time.monotonic() - begin < 8 and not any(kind == 3 for kind, _, _, _ in frames(got)):
                sock.sendall(pings)
                time.sleep(0.2)
                got += sock.recv(1 << 20)
            reset = [stream for kind, _, stream, _ in frames(got) if kind == 3]
            assert reset == [1], f"a stream that waits for the {what}'s window is never cut"
            assert sum(len(data) for kind, _, _, data in frames(got) if kind == 0) <= 65535
    return "streams that nobody reads were cut: a stream's window at 0, the connection's at 0"


def rapid_reset(server):
    """HEADERS and RST_STREAM as fast as the socket takes them (CVE-2023-44487)."""
    before = server.rss_bytes()
    with server.connect(5) as sock:
        sock.sendall(PREFACE + frame(4, 0, 0))
        sent, stream, refused = 0, 1, False
        try:
            while sent < 40000:
                batch = b""
                for _ in range(100):
                    batch += request_headers(stream, end=False) + frame(3, 0, stream, b"\0\0\0\x08")
                    stream += 2
                sock.sendall(batch)
                sent += 100
                readable, _, _ = select.select([sock], [], [], 0.01)  # the server reads as we send
                got = sock.recv(1 << 20) if readable else None
                if got == b"" or (got and any(kind == 7 for kind, _, _, _ in frames(got))):
                    refused = True
                    break
        except OSError:
            refused = True
    grown = server.rss_bytes() - before
    assert refused, "40,000 resets were taken on one connection"
    assert sent <= 2000, f"GOAWAY came after {sent} resets"
    assert grown < 16 << 20, f"rapid reset left {grown >> 20} MiB"
    return f"rapid reset: the connection ended when the client had sent {sent}, RSS +{grown >> 10} KiB"


def idle_streams(server, count):
    """Open event streams that say nothing: what one costs in this process."""
    before = server.rss_bytes()
    socks = []
    for _ in range(count):
        sock = server.connect()
        sock.sendall(b"GET /tick HTTP/1.1\r\n" + HEAD + b"\r\n")
        socks.append(sock)
    for sock in socks:
        assert b"200 OK" in sock.recv(4096)
    each = (server.rss_bytes() - before) / count
    for sock in socks:
        sock.close()
    most = 64 * 1024 if SANITIZED else 10 * 1024
    assert each <= most, f"an idle stream costs {each / 1024:.1f} KiB"
    return f"{count} idle streams: {each / 1024:.1f} KiB each{' (sanitized)' if SANITIZED else ''}"


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = 10000 if os.environ.get("AION_TEST_LONG") and hard > 21000 else 1000
    with Server(sys.argv[1], "--short") as server:
        for check in (slow_body, idle, stalled_reader, stalled_windows, slow_heads):
            print(check(server), flush=True)
    with Server(sys.argv[1]) as server:
        print(idle_streams(server, count), flush=True)
        print(rapid_reset(server), flush=True)
    return 0


sys.exit(main())
