"""HTTP by hand: bytes to a socket, responses read strictly."""

import re
import socket
import time


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        """The code of an error document."""
        found = re.search(rb"<Error><Code>(\w+)</Code>", self.body)
        return found[1].decode() if found else None

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


def parse_head(head):
    """Status and headers (names in lower case) of a response's head; ValueError when it is not one."""
    line, *fields = head.decode("latin-1").split("\r\n")
    found = re.fullmatch(r"HTTP/1\.[01] (\d{3}) [ -~]*", line)
    if not found:
        raise ValueError(f"no status line: {line!r}")
    headers = {}
    for field in fields:
        name = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\t -~\x80-\xff]*)", field)
        if not name or name[1].lower() in headers:
            raise ValueError(f"malformed or repeated field: {field!r}")
        headers[name[1].lower()] = name[2].strip()
    return int(found[1]), headers


class Wire:
    """A connection. source: an address of this machine that it comes from."""

    def __init__(self, server, timeout=20, source="127.0.0.1"):
        self.sock = socket.create_connection(("127.0.0.1", server.port), timeout, (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.sock.close()

    def send(self, *pieces):
        for piece in pieces:
            self.sock.sendall(piece if isinstance(piece, bytes) else piece.encode())
        return self

    def finish(self):
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def _more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError(f"closed after {self.data[:200]!r}")
        self.data += data

    def reply(self, method="GET", interim=False):
        """The next response; those of 1xx are passed over unless asked for."""
        while b"\r\n\r\n" not in self.data:
            self._more()
        head, _, self.data = self.data.partition(b"\r\n\r\n")
        status, headers = parse_head(head)
        if status < 200:
            return Reply(status, headers, b"") if interim else self.reply(method)
        length = int(headers.get("content-length", 0))
        if method == "HEAD" or status in (204, 304):
            length = 0
        while len(self.data) < length:
            self._more()
        body, self.data = self.data[:length], self.data[length:]
        return Reply(status, headers, body)

    def closed(self, timeout=5):
        """Does the server close, and send no more before that?"""
        self.sock.settimeout(timeout)
        try:
            return not self.data and self.sock.recv(1) == b""
        except ConnectionResetError:
            return not self.data
        except TimeoutError:
            return False

    def everything(self):
        """What comes until the server closes."""
        while True:
            try:
                self._more()
            except (EOFError, ConnectionResetError):
                return self.data


def request(method, target, body=None, host="127.0.0.1", version="1.1", **headers):
    """The bytes of a request. Underscores in names of headers stand for hyphens."""
    fields = {"host": host, **{k.replace("_", "-"): v for k, v in headers.items()}}
    if body is not None and "Transfer-Encoding" not in fields and "Content-Length" not in fields:
        fields["Content-Length"] = str(len(body))
    lines = "".join(f"{k}: {v}\r\n" for k, v in fields.items() if v is not None)
    return f"{method} {target} HTTP/{version}\r\n{lines}\r\n".encode() + (body or b"")


def ask(server, method, target, body=None, **headers):
    """One request on a connection of its own."""
    with Wire(server) as wire:
        return wire.send(request(method, target, body, **headers)).reply(method)


def chunked(data, size=0xfff4):
    """Transfer-Encoding: chunked."""
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def aws_chunked(data, trailer=None, size=0x10000):
    """The unsigned framing of S3; trailer: a pair of name and text."""
    pieces = [data[i:i + size] for i in range(0, len(data), size)]
    end = b"0\r\n" + (f"{trailer[0]}:{trailer[1]}\r\n".encode() if trailer else b"") + b"\r\n"
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + end


class Watch:
    """Asks for one object over and over on a connection of its own, and keeps the longest time."""

    def __init__(self, server, message, expected):
        self.server, self.message, self.expected = server, message, expected
        self.longest_s = 0.0
        self.asked = 0

    def once(self, wire):
        begun = time.monotonic()
        reply = wire.send(self.message).reply()
        self.longest_s = max(self.longest_s, time.monotonic() - begun)
        self.asked += 1
        assert (reply.status, reply.body) == (200, self.expected), reply

    def until(self, stop, pause_s=0.01):
        """stop: a threading.Event."""
        with Wire(self.server) as wire:
            while not stop.wait(pause_s):
                self.once(wire)
