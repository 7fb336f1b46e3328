"""Many readers of task streams at once, over bare sockets: some read, some never do."""
import resource
import selectors
import socket
import ssl
import time

ANY_PEER = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the certificate is a test's own
ANY_PEER.check_hostname, ANY_PEER.verify_mode = False, ssl.CERT_NONE


def raise_file_limit(wanted):
    """Room for that many sockets, or an error that says what is missing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"{wanted} open files are needed, the limit is {hard}: raise it (ulimit -Hn) and try again")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def drip_text(lines, width):
    """What module drip writes (tests/modules/drip/main.c)."""
    alphabet = "".join(chr(97 + i % 26) for i in range(width + 26))

    def line(number):
        head = f"{number:06d} "
        first = (number + len(head)) % 26
        return head + alphabet[first:first + width - 1 - len(head)] + "\n"
    return "".join(line(number) for number in range(lines))


class Reader:
    """One GET of a stream. What comes is counted; what it says is kept only with `keep`."""

    def __init__(self, url, key, task_id, receive_buffer=0, keep=False):
        scheme, address = url.split("://")
        host, port = address.rsplit(":", 1)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((host, int(port)))
        if scheme == "https":
            self.socket = ANY_PEER.wrap_socket(self.socket)
        self.socket.sendall(f"GET /v1/stream/{task_id} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n"
                            f"Authorization: Bearer {key}\r\n\r\n".encode())
        self.bytes, self.head, self.over, self.text = 0, b"", False, [] if keep else None
        self.tail = b""

    def take(self):
        """Reads what is there once; false at the end of the stream."""
        data = self.socket.recv(1 << 18)
        self.bytes += len(data)
        if len(self.head) < 1024:
            self.head += data[:1024]
        if self.text is not None:
            self.text.append(data)
        self.tail = (self.tail + data)[-8:]
        self.over = not data or self.tail.endswith(b"0\r\n\r\n")
        return not self.over

    def opened(self):
        return b": open\n\n" in self.head

    def read_all(self, seconds):
        """To the end of the stream: seconds taken."""
        began = time.monotonic()
        self.socket.settimeout(seconds)
        while self.take():
            if not self.head.startswith(b"HTTP/1.1 200"):
                raise AssertionError(f"the stream was refused: {self.head!r}")
            if time.monotonic() - began > seconds:
                raise AssertionError(f"a stream has not ended within {seconds} s: {self.bytes} bytes came")
        return time.monotonic() - began

    def close(self):
        self.socket.close()


def wait_opened(readers, seconds):
    """Until each has its response's first bytes."""
    selector, until = selectors.DefaultSelector(), time.monotonic() + seconds
    for reader in readers:
        selector.register(reader.socket, selectors.EVENT_READ, reader)
    left = len(readers)
    while left > 0:
        ready = selector.select(1)
        for entry, _ in ready:
            reader = entry.data
            reader.take()
            if reader.opened() or reader.over:
                selector.unregister(reader.socket)
                left -= 1
        if time.monotonic() > until:
            raise AssertionError(f"{left} of {len(readers)} streams have not begun within {seconds} s")
    wrong = [reader for reader in readers if not reader.opened()]
    if wrong:
        raise AssertionError(f"{len(wrong)} streams were refused: {wrong[0].head!r}")
    selector.close()


def close_all(readers):
    for reader in readers:
        reader.close()
