"""HTTP/1.1 as RFC 9112 has it: what is well-formed is answered, what is ambiguous gets its status and a close.

Each row is sent in one piece and, in a second run, byte by byte. usage: h1_table.py ENGINE_SERVER"""
import sys
import time

from engine import HEAD, Server, read_all, read_response, status_of

GET = b"GET / HTTP/1.1\r\n" + HEAD
POST = b"POST / HTTP/1.1\r\n" + HEAD
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

BAD = [  # name, bytes, status; the connection must close
    ("two lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    ("two equal lengths", POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("length list", POST + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    ("length and chunked", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked and length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("negative length", POST + b"Content-Length: -1\r\n\r\n", 400),
    ("overflowing negative length", POST + b"Content-Length: -123456789123456789123456789\r\n\r\n", 400),
    ("signed length", POST + b"Content-Length: +5\r\n\r\nhello", 400),
    ("length that is no number", POST + b"Content-Length: abc\r\n\r\n", 400),
    ("length with garbage", POST + b"Content-Length: 5x\r\n\r\nhello", 400),
    ("empty length", POST + b"Content-Length: \r\n\r\n", 400),
    ("overflowing length", POST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
    ("transfer-encoding twice", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("transfer-encoding unknown", POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    ("transfer-encoding gzip", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("transfer-encoding with space before colon", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("transfer-encoding with vertical tab", POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("transfer-encoding in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("obs-fold", GET + b"X: a\r\n b\r\n\r\n", 400),
    ("obs-fold by tab", GET + b"X: a\r\n\tb\r\n\r\n", 400),
    ("fold before the first field", b"GET / HTTP/1.1\r\n Host: test\r\n\r\n", 400),
    ("bare LF", b"GET / HTTP/1.1\nHost: test\n\n", 400),
    ("bare LF within", GET + b"X: a\nY: b\r\n\r\n", 400),
    ("bare CR within", GET + b"X: a\rY: b\r\n\r\n", 400),
    ("bare CR as line end", b"GET / HTTP/1.1\rHost: test\r\r", 400),
    ("CR CR LF", GET + b"X: a\r\r\n\r\n", 400),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", GET + HEAD + b"\r\n", 400),
    ("two different Hosts", GET + b"Host: other\r\n\r\n", 400),
    ("empty Host", b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("Host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("Host with a path", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("NUL in a value", GET + b"X: a\0b\r\n\r\n", 400),
    ("NUL in a name", GET + b"X\0Y: a\r\n\r\n", 400),
    ("NUL in the target", b"GET /a\0b HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("control character in a value", GET + b"X: a\x01\r\n\r\n", 400),
    ("DEL in a value", GET + b"X: a\x7f\r\n\r\n", 400),
    ("space before the colon", GET + b"X : a\r\n\r\n", 400),
    ("space in a name", GET + b"X Y: a\r\n\r\n", 400),
    ("brackets in a name", GET + b"X[]: a\r\n\r\n", 400),
    ("non-ASCII name", GET + b"X\xc3\xa9: a\r\n\r\n", 400),
    ("no name", GET + b": a\r\n\r\n", 400),
    ("no colon", GET + b"X\r\n\r\n", 400),
    ("two spaces in the request line", b"GET  / HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("tab in the request line", b"GET\t/ HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("space before the method", b" GET / HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("space after the version", b"GET / HTTP/1.1 \r\n" + HEAD + b"\r\n", 400),
    ("method that is no token", b"G@T / HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("no method", b"/ HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("HTTP/0.9", b"GET /\r\n\r\n", 400),
    ("no version", b"GET / \r\n" + HEAD + b"\r\n", 400),
    ("other protocol", b"GET / FTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("lower-case protocol", b"GET / http/1.1\r\n" + HEAD + b"\r\n", 400),
    ("version without a dot", b"GET / HTTP/11\r\n" + HEAD + b"\r\n", 400),
    ("version of two digits", b"GET / HTTP/1.10\r\n" + HEAD + b"\r\n", 400),
    ("HTTP/2.0 in text", b"GET / HTTP/2.0\r\n" + HEAD + b"\r\n", 505),
    ("HTTP/9.9", b"GET / HTTP/9.9\r\n" + HEAD + b"\r\n", 505),
    ("relative target", b"GET index HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("fragment in the target", b"GET /#a HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("asterisk with GET", b"GET * HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("user info in the target", b"GET http://u@test/ HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("CONNECT", b"CONNECT test:80 HTTP/1.1\r\n" + HEAD + b"\r\n", 501),
    ("two empty lines before", b"\r\n\r\nGET / HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
    ("other expectation", GET + b"Expect: coffee\r\n\r\n", 417),
    ("long target", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414),
    ("long field", GET + b"X: " + b"a" * 9000 + b"\r\n\r\n", 431),
    ("100 KB head", GET + (b"X: " + b"a" * 1000 + b"\r\n") * 100, 431),
    ("too many fields", GET + b"X: a\r\n" * 100 + b"\r\n", 431),
    ("chunk size of 17 digits", CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size that overflows", CHUNKED + b"ffffffffffffffffffff\r\n", 400),
    ("chunk size with sign", CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size with 0x", CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size with a space", CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size empty", CHUNKED + b"\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size that is no number", CHUNKED + b"xyz\r\nhello\r\n0\r\n\r\n", 400),
    ("chunk size ended by LF", CHUNKED + b"5\nhello\r\n0\r\n\r\n", 400),
    ("chunk longer than its size", CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n", 400),
    ("chunk data ended by LF", CHUNKED + b"5\r\nhello\n0\r\n\r\n", 400),
    ("chunk extension with LF", CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400),
    ("long chunk extension", CHUNKED + b"5;" + b"a" * 1000 + b"\r\nhello\r\n0\r\n\r\n", 400),
    ("malformed trailer", CHUNKED + b"0\r\nno colon\r\n\r\n", 400),
    ("folded trailer", CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n", 400),
    ("2 MB announced", POST + b"Content-Length: 2000000\r\n\r\n", 413),
]

GOOD = [  # name, bytes, status, body or None
    ("plain", GET + b"\r\n", 200, b"hello\n"),
    ("one empty line before", b"\r\n" + GET + b"\r\n", 200, b"hello\n"),
    ("HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", 200, b"hello\n"),
    ("higher minor version", b"GET / HTTP/1.9\r\n" + HEAD + b"\r\n", 200, b"hello\n"),
    ("absolute target", b"GET http://test/a HTTP/1.1\r\n" + HEAD + b"\r\n", 200, b"hello\n"),
    ("OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n", 200, b"hello\n"),
    ("unknown method", b"FROB / HTTP/1.1\r\n" + HEAD + b"\r\n", 200, b"hello\n"),
    ("empty value", GET + b"X-Empty:\r\n\r\n", 200, b"hello\n"),
    ("white space around a value", GET + b"X: \t a \t \r\n\r\n", 200, b"hello\n"),
    ("no space after the colon", b"GET / HTTP/1.1\r\nhost:test\r\n\r\n", 200, b"hello\n"),
    ("obs-text in a value", GET + b"X: \xe9\r\n\r\n", 200, b"hello\n"),
    ("IPv6 Host", b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200, b"hello\n"),
    ("body", POST + b"Content-Length: 5\r\n\r\nhello", 200, b"hello"),
    ("empty body", POST + b"Content-Length: 0\r\n\r\n", 200, b"hello\n"),
    ("chunks", CHUNKED + b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", 200, b"hello!"),
    ("upper-case chunk size", CHUNKED + b"A\r\n0123456789\r\n0\r\n\r\n", 200, b"0123456789"),
    ("leading zeros", CHUNKED + b"0005\r\nhello\r\n000\r\n\r\n", 200, b"hello"),
    ("chunk extension", CHUNKED + b'5;a=b;c="d"\r\nhello\r\n0\r\n\r\n', 200, b"hello"),
    ("trailers", CHUNKED + b"5\r\nhello\r\n0\r\nA: b\r\nC:\r\n\r\n", 200, b"hello"),
    ("upper-case coding", POST + b"Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", 200, b"hello\n"),
]


def send(sock, data, slowly):
    if not slowly:
        sock.sendall(data)
        return
    for i in range(0, len(data), 1 if len(data) < 300 else 97):
        step = 1 if len(data) < 300 else 97
        sock.sendall(data[i : i + step])


def check_bad(server, row, slowly):
    name, data, want = row
    with server.connect(2) as sock:
        try:
            send(sock, data, slowly)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent
        answer, closed = read_all(sock)
    got = status_of(answer)
    if got == want and closed and answer.count(b"\r\ndate: ") == 1:
        return []
    return [f"{name}: want {want} and a close, got {got}, closed {closed}"]


def check_good(server, row, slowly):
    name, data, want, body = row
    with server.connect(2) as sock:
        send(sock, data, slowly)
        status, got, _ = read_response(sock)
    return [] if status == want and got == body else [f"{name}: want {want} {body!r}, got {status} {got!r}"]


def check_keep_alive(server):
    failures = []
    with server.connect(2) as sock:  # two hundred pipelined requests, answers in order
        bodies = [b"%d" % i for i in range(200)]
        sock.sendall(b"".join(POST + b"Content-Length: %d\r\n\r\n" % len(b) + b for b in bodies))
        rest = b""
        for body in bodies:
            _, got, rest = read_response(sock, rest)
            if got != body:
                failures.append(f"pipelining: want {body!r}, got {got!r}")
                break
    with server.connect(2) as sock:
        sock.sendall(GET + b"Connection: close\r\n\r\n")
        answer, closed = read_all(sock)
        if not closed or b"connection: close" not in answer:
            failures.append("Connection: close is not kept")
    with server.connect(2) as sock:
        sock.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        read_response(sock)
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        if status_of(read_all(sock)[0]) != 200:
            failures.append("HTTP/1.0 keep-alive is not kept")
    with server.connect(2) as sock:
        sock.sendall(b"HEAD / HTTP/1.1\r\n" + HEAD + b"\r\n" + GET + b"\r\n")
        time.sleep(0.3)
        answer = sock.recv(65536)
        if answer.count(b"content-length: 6") != 2 or answer.count(b"hello") != 1:
            failures.append("HEAD: the length without the body")
    with server.connect(2) as sock:
        sock.sendall(POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        if not sock.recv(100).startswith(b"HTTP/1.1 100 "):
            failures.append("100-continue is not answered")
        sock.sendall(b"hello")
        if read_response(sock)[1] != b"hello":
            failures.append("the body after 100-continue")
    with server.connect(2) as sock:
        sock.sendall(b"GET /stream HTTP/1.1\r\n" + HEAD + b"\r\n")
        time.sleep(0.2)
        answer = sock.recv(65536)
        if b"transfer-encoding: chunked" not in answer or not answer.endswith(b"0\r\n\r\n"):
            failures.append("a stream is not chunked")
    return failures


def main():
    failures = []
    with Server(sys.argv[1]) as server:
        for slowly in (False, True):
            for row in BAD:
                failures += check_bad(server, row, slowly)
            for row in GOOD:
                failures += check_good(server, row, slowly)
        failures += check_keep_alive(server)
    for failure in failures:
        print(failure)
    print(f"{len(BAD)} refusals, {len(GOOD)} answers, each whole and in pieces: {len(failures)} failures")
    return 1 if failures else 0


sys.exit(main())
