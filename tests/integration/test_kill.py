"""kill -9 at random moments under load: what was acknowledged is there and whole, nothing is torn, nothing is
left behind. (The page cache outlives the process, so this holds for both kinds of durability; power loss is
for the crash simulation.)"""

import hashlib
import http.client
import os
import random
import re
import threading
import time
import xml.etree.ElementTree

import pytest

import lobos

KEYS = [f"d{i % 3}/k{i:02}" for i in range(24)] + ["a//b", "x" * 300, "../up", "dir/"]
SIZES = (0, 1, 100, 5000, 70_000, 300_000)
PART = 5 << 20
SEED = int(os.environ.get("LB_SEED", str(random.SystemRandom().randrange(1 << 32))))
THREADS = 6
SPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def content(tag, size):
    """Bytes that tell of themselves what they are: a tag, a size, and a fill that depends on both."""
    head = b"%016x%016x" % (tag, size)
    fill = hashlib.sha256(head).digest()
    return (head + fill * (size // len(fill) + 1))[:size + len(head)]


def whole(data):
    """The tag of a content, or None when it is not one, whole."""
    try:
        tag, size = int(data[:16], 16), int(data[16:32], 16)
    except ValueError:
        return None
    return tag if content(tag, size) == data else None


def quote(key):
    return "/bucket/" + "".join(c if c.isalnum() or c in "/." else f"%{ord(c):02X}" for c in key)


class Writer(threading.Thread):
    """Writes to keys of its own, so that what must be there is known: the last that was acknowledged, or
    one that was on its way after it."""

    def __init__(self, number, seed):
        super().__init__()
        self.rng = random.Random(seed)
        self.keys = KEYS[number::THREADS]
        self.possible = {key: {None} for key in self.keys}  # tags; None: no object
        self.acknowledged = 0
        self.port = 0

    def ask(self, method, path, body=None):
        reply = self.connection.request(method, path, body) or self.connection.getresponse()
        data = reply.read()
        if reply.status not in (200, 204):
            raise AssertionError(f"{method} {path}: {reply.status} {data!r}")
        return data

    def put(self, key, tag):
        self.ask("PUT", quote(key), content(tag, self.rng.choice(SIZES)))

    def multipart(self, key, tag):
        data = content(tag, PART + self.rng.randrange(10_000))
        text = self.ask("POST", quote(key) + "?uploads").decode()
        upload = re.search(r"<UploadId>(\w+)</UploadId>", text)[1]
        for number, piece in enumerate((data[:PART], data[PART:]), 1):
            self.ask("PUT", f"{quote(key)}?partNumber={number}&uploadId={upload}", piece)
        if self.rng.random() < 0.2:
            return False
        parts = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{hashlib.md5(p).hexdigest()}"
                        "</ETag></Part>" for n, p in enumerate((data[:PART], data[PART:]), 1))
        self.ask("POST", f"{quote(key)}?uploadId={upload}",
                 f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
        return True

    def step(self):
        key, tag = self.rng.choice(self.keys), self.rng.getrandbits(60)
        chance = self.rng.random()
        new = None if chance < 0.2 else tag
        self.possible[key].add(new)
        if chance < 0.2:
            self.ask("DELETE", quote(key))
        elif chance < 0.24:
            if not self.multipart(key, tag):
                return
        else:
            self.put(key, tag)
        self.possible[key] = {new}
        self.acknowledged += 1

    def run(self):
        """Until the server is gone."""
        self.failure = None
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            while True:
                self.step()
        except (OSError, http.client.HTTPException):
            pass
        except AssertionError as wrong:
            self.failure = wrong
        self.connection.close()

    def again(self):
        """Another thread that knows what this one knew."""
        other = Writer.__new__(Writer)
        threading.Thread.__init__(other)
        other.rng, other.keys, other.possible = self.rng, self.keys, self.possible
        other.acknowledged, other.port = self.acknowledged, self.port
        return other


def listed(connection):
    connection.request("GET", "/bucket?list-type=2")
    tree = xml.etree.ElementTree.fromstring(connection.getresponse().read())
    return {e.find(f"{SPACE}Key").text: int(e.find(f"{SPACE}Size").text)
            for e in tree.iter(f"{SPACE}Contents")}


def abort_uploads(connection):
    """Those that the kill broke off."""
    connection.request("GET", "/bucket?uploads")
    tree = xml.etree.ElementTree.fromstring(connection.getresponse().read())
    for upload in tree.iter(f"{SPACE}Upload"):
        key, name = upload.find(f"{SPACE}Key").text, upload.find(f"{SPACE}UploadId").text
        connection.request("DELETE", f"{quote(key)}?uploadId={name}")
        reply = connection.getresponse()
        assert (reply.status, reply.read()) == (204, b""), (key, name)


def check(server, writers):
    """After the restart: each key holds what it may, the list agrees, and no temporary is left."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    sizes = {}
    for writer in writers:
        for key, possible in writer.possible.items():
            connection.request("GET", quote(key))
            reply = connection.getresponse()
            data = reply.read()
            tag = None if reply.status == 404 else whole(data)
            assert reply.status in (200, 404), (key, reply.status, data)
            assert reply.status == 404 or tag is not None, f"{key} is torn: {data[:64]!r}"
            assert tag in possible, f"{key}: {tag} is none of {possible}"
            writer.possible[key] = {tag}
            if reply.status == 200:
                sizes[key] = len(data)
                if "-" not in reply.headers["ETag"]:
                    assert reply.headers["ETag"] == f'"{hashlib.md5(data).hexdigest()}"', key
    assert listed(connection) == sizes
    abort_uploads(connection)
    connection.close()
    if not server.files:
        return
    temporary = server.root / "bucket" / ".lobos" / "tmp"
    assert not temporary.exists() or os.listdir(temporary) == []


@pytest.mark.parametrize("durability", ["sync", "relaxed"])
def test_kill(make_server, figure, long, durability):
    kills = 500 if long else 10
    server = make_server(credentials=False, buckets=["bucket"], durability=durability)
    rng = random.Random(SEED)
    writers = [Writer(i, rng.getrandbits(32)) for i in range(THREADS)]
    for n in range(kills):
        writers = [w.again() for w in writers]
        for writer in writers:
            writer.port = server.port
            writer.start()
        time.sleep(rng.uniform(0.02, 0.6))
        server.kill9()
        for writer in writers:
            writer.join()
            assert not writer.failure, f"LB_SEED={SEED}, kill {n}: {writer.failure}"
        server.start()
        try:
            check(server, writers)
        except AssertionError as wrong:
            raise AssertionError(f"LB_SEED={SEED}, kill {n}: {wrong}") from wrong
    total = sum(w.acknowledged for w in writers)
    assert total > kills * 5
    figure(f"{kills} kills ({durability}): {total} acknowledged writes, all whole")
    assert lobos.SECRET not in server.log
