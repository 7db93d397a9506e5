"""Memory under many connections and large uploads, and lists of a large directory."""

import concurrent.futures
import os
import resource
import selectors
import socket
import stat
import statistics
import time

import pytest

import lobos
from wire import Wire, ask, aws_chunked, request

pytestmark = pytest.mark.skipif(lobos.SANITIZED, reason="a sanitizer's memory is in it")

IDLE = 1000
UPLOADS = 100
MEMORY_MAX = 256 << 20
PIECE = memoryview(bytes(1 << 18))


@pytest.fixture(autouse=True)
def descriptors():
    """For both ends of each connection's process: ours may have few by default."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * IDLE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"only {hard} open files are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def idle_connections(server, stack):
    """Some have sent nothing, some a request, some half of one."""
    for i in range(IDLE):
        wire = Wire(server)
        stack.append(wire)
        if i % 3 == 1:
            assert wire.send(request("GET", "/")).reply().status == 200
        elif i % 3 == 2:
            wire.send("PUT /bucket/never HTTP/1.1\r\nHost: x\r\nContent-Le")


def upload_all(server, size, limit):
    """Uploads of `size` bytes at once, each sent up to `limit`. Returns the responses' status lines."""
    replies = {}
    with selectors.DefaultSelector() as selector:
        for i in range(UPLOADS):
            sock = socket.create_connection(("127.0.0.1", server.port))
            sock.sendall(request("PUT", f"/bucket/large-{i}", Content_Length=str(size)))
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_WRITE, [i, 0])
        while selector.get_map():
            for key, _ in selector.select(30):
                if step(selector, key.fileobj, key.data, size, limit, replies):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
    return replies


def step(selector, sock, state, size, limit, replies):
    """Sends a piece, or reads the response. Returns True at the end."""
    if state[1] == size:
        replies[state[0]] = sock.recv(4096).split(b"\r\n")[0]
        return True
    state[1] += sock.send(PIECE[:min(len(PIECE), limit - state[1])])
    if state[1] == size:
        selector.modify(sock, selectors.EVENT_READ, state)
    return state[1] == limit < size


@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_memory_is_bounded(make_server, figure, long, backend):
    server = make_server(credentials=False, buckets=["bucket"], io_backend=backend, drain_timeout=2,
                         idle_timeout=3600)
    free = os.statvfs(server.root).f_bavail * os.statvfs(server.root).f_frsize
    size = min(1 << 30, free * 3 // 4 // UPLOADS)  # the server reserves what is declared
    limit = size if long else min(8 << 20, size)
    idle = []
    idle_connections(server, idle)
    begun = time.monotonic()
    replies = upload_all(server, size, limit)
    took = time.monotonic() - begun
    if long:
        assert set(replies.values()) == {b"HTTP/1.1 200 OK"} and len(replies) == UPLOADS
    peak = server.status("VmHWM")
    for i, wire in enumerate(idle):
        if i % 30 == 1:
            assert wire.send(request("GET", "/")).reply().status == 200
    for wire in idle:
        wire.sock.close()
    assert peak < MEMORY_MAX, f"{peak >> 20} MiB"
    figure(f"{IDLE} idle connections and {UPLOADS} uploads of {size >> 20} MiB ({limit >> 20} MiB sent of "
           f"each, {UPLOADS * limit / took / 1e6:.0f} MB/s, {backend}): {peak >> 20} MiB")


def test_lists_that_nobody_reads(make_server, figure):
    """They share what max_memory leaves for requests. What is beyond that is refused, and who reads is
    served."""
    server = make_server(credentials=False, buckets=["bucket"], max_memory="128M", list_cache="16M")
    path = server.root.joinpath("bucket", *["&" * 240] * 3)
    path.mkdir(parents=True)
    folder = os.open(path, os.O_RDONLY)
    for i in range(1000):
        os.mknod(f"{i:04}" + "&" * 240, stat.S_IFREG | 0o644, dir_fd=folder)
    os.close(folder)
    page = len(ask(server, "GET", "/bucket").body)
    assert page > 4 << 20  # more than the kernel takes for a socket
    before = server.status("VmRSS")
    silent, waiting = [], 200
    for _ in range(waiting):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(request("GET", "/bucket") + request("GET", "/bucket"))
        silent.append(sock)
    deadline = time.monotonic() + 30
    while ask(server, "GET", "/bucket").code != "SlowDown":
        assert time.monotonic() < deadline
    assert ask(server, "PUT", "/bucket/k", b"hello").status == 200
    assert ask(server, "GET", "/bucket/k").body == b"hello"
    statuses = [sock.recv(12, socket.MSG_WAITALL) for sock in silent]
    grown = server.status("VmHWM") - before
    for sock in silent:
        sock.close()
    assert {b"HTTP/1.1 200", b"HTTP/1.1 503"} == set(statuses)
    deadline = time.monotonic() + 10
    while ask(server, "GET", "/bucket").status != 200:
        assert time.monotonic() < deadline
    figure(f"{waiting} lists of {page >> 10} KiB that nobody reads: {grown >> 20} MiB more")
    assert grown < 72 << 20


def test_framed_uploads_wait_for_buffers(make_server):
    """As others do: there are buffers for a few of them only, and all of them send slowly."""
    server = make_server(credentials=False, buckets=["bucket"], max_memory="16M", threads=1)
    payload = os.urandom(1 << 20)
    body = aws_chunked(payload)
    begun = [Wire(server) for _ in range(60)]
    for i, wire in enumerate(begun):
        wire.send(request("PUT", f"/bucket/k{i}", Content_Length=str(len(body)),
                          x_amz_decoded_content_length=str(len(payload)),
                          x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER"))
    for wire in begun:
        wire.send(body[:1000])
    time.sleep(0.5)
    with concurrent.futures.ThreadPoolExecutor(len(begun)) as pool:
        replies = list(pool.map(lambda wire: wire.send(body[1000:]).reply().status, begun))
    assert set(replies) == {200}
    assert ask(server, "GET", "/bucket/k59").body == payload


def test_listing_a_large_directory(make_server, figure, long):
    number = 1_000_000 if long else 100_000
    server = make_server(credentials=False, buckets=["bucket"])
    folder = os.open(server.root / "bucket", os.O_RDONLY)
    for i in range(number):
        os.mknod(f"k{i:07}", stat.S_IFREG | 0o644, dir_fd=folder)
    os.close(folder)
    begun = time.monotonic()
    assert ask(server, "GET", "/bucket?list-type=2").body.count(b"<Key>") == 1000
    cold = time.monotonic() - begun
    times = []
    with Wire(server) as wire:
        for n in range(20):
            after = number // 2 + n * 1000
            begun = time.monotonic()
            reply = wire.send(request("GET", f"/bucket?list-type=2&start-after=k{after:07}")).reply()
            times.append(time.monotonic() - begun)
            assert reply.body.count(b"<Key>") == 1000
            assert b"<Key>k%07d</Key>" % (after + 1) in reply.body
    warm = statistics.median(times)
    figure(f"a page of 1,000 keys of a directory of {number:,}: first {cold * 1000:.0f} ms, then "
           f"{warm * 1000:.1f} ms; memory {server.status('VmHWM') >> 20} MiB")
    assert warm < (0.02 if long else 0.1)
    assert server.status("VmHWM") < MEMORY_MAX
