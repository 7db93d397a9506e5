"""The wire: what recorded clients send, framing, persistence, addressing, slowness, smuggling."""

import os
import re
import threading
import time

import pytest

import checksums
import lobos
import sigv4
from wire import Wire, ask, aws_chunked, chunked, request

BACKENDS = ["io_uring", "epoll"]


def started(backend, **more):
    server = lobos.Lobos(credentials=False, buckets=["bucket", "default"], io_backend=backend,
                         access_log="true", **more)
    try:
        return server.start()
    except lobos.StartFailed:
        if backend == "io_uring":
            pytest.skip("the system refuses io_uring")
        raise


@pytest.fixture(scope="module", params=BACKENDS)
def plain(request):
    """Without credentials."""
    server = started(request.param, default_bucket="default", domain="s3.example.com")
    yield server
    server.close()


@pytest.fixture(scope="module", params=BACKENDS)
def impatient(request):
    """Without credentials, with a second of patience."""
    server = started(request.param, idle_timeout=1)
    yield server
    server.close()


def put(server, path, body):
    assert ask(server, "PUT", path, body).status == 200


def signed(server, method, path, query="", **headers):
    """The head of a signed request."""
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    payload = headers.pop("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    headers = sigv4.sign(method, path, query, {"host": f"127.0.0.1:{server.port}", **headers},
                         access=lobos.ACCESS, secret=lobos.SECRET, payload=payload)
    fields = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    target = path + (f"?{query}" if query else "")
    return headers, f"{method} {target} HTTP/1.1\r\n{fields}"


# ---- NIXL (aws-sdk-cpp 1.11.760), as recorded ----

AGENT = ("aws-sdk-cpp/1.11.760 ua/2.1 api/S3 os/Linux lang/c++#C++11 md/aws-crt#0.37.3 "
         "md/arch#x86_64 md/GCC#14.2.1 md/http#curl m/D,W,Z,b,P")
SDK = {"amz-sdk-invocation-id": "01C6AE45-057F-4C64-9BD3-39F4A3846257",
       "amz-sdk-request": "attempt=1"}


def nixl_head(server, key, size, length_known=True):
    more = {"x-amz-decoded-content-length": str(size)} if length_known else {}
    return signed(server, "PUT", f"/bucket/{key}", **SDK, **more, content_encoding="aws-chunked",
                  content_type="binary/octet-stream", x_amz_trailer="x-amz-checksum-crc64nvme",
                  x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER")[1]


def nixl_body(body, value=None):
    value = value or checksums.encoded("CRC64NVME", body)
    return aws_chunked(body, ("x-amz-checksum-crc64nvme", value))


@pytest.mark.parametrize("size", [0, 1, 100, 65536, 65537, 3 << 20])
@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("length_known", [True, False])
def test_nixl_put(server, s3, size, double, length_known):
    body = os.urandom(size)
    framed = chunked(nixl_body(body)) if double else nixl_body(body)
    head = nixl_head(server, "nixl", size, length_known)
    framing = "transfer-encoding: chunked" if double else f"Content-Length: {len(framed)}"
    with Wire(server) as wire:
        wire.send(f"{head}{framing}\r\nAccept: */*\r\nuser-agent: {AGENT}\r\n"
                  "Expect: 100-continue\r\n\r\n")
        begun = time.monotonic()
        assert wire.reply(interim=True).status == 100
        assert time.monotonic() - begun < 0.5, "curl waits a second for the 100"
        reply = wire.send(framed).reply()
        assert (reply.status, reply.headers["etag"]) == (200, checksums.etag(body))
        assert reply.headers["x-amz-checksum-crc64nvme"] == checksums.encoded("CRC64NVME", body)
        got = s3.get_object(Bucket="bucket", Key="nixl")
        assert got["Body"].read() == body and "ContentEncoding" not in got
        assert wire.send(nixl_get(server, "nixl", 0, max(size, 1))).reply().status in (206, 416)


def nixl_get(server, key, at, n):
    return signed(server, "GET", f"/bucket/{key}", **SDK, content_type="application/xml",
                  range=f"bytes={at}-{at + n - 1}", x_amz_api_version="2006-03-01",
                  x_amz_checksum_mode="enabled",
                  x_amz_content_sha256="e3b0c44298fc1c149afbf4c8996fb924"
                                       "27ae41e4649b934ca495991b7852b855")[1] + "\r\n"


def test_nixl_get_is_always_ranged(server, s3):
    body = os.urandom(1 << 20)
    s3.put_object(Bucket="bucket", Key="nixl-get", Body=body)
    with Wire(server) as wire:
        for at, n in ((0, 1 << 20), (5, 10), (1000, 1 << 19), (0, 1)):
            reply = wire.send(nixl_get(server, "nixl-get", at, n)).reply()
            assert (reply.status, reply.body == body[at:at + n]) == (206, True)
            assert reply.headers["content-range"] == f"bytes {at}-{at + n - 1}/{1 << 20}"
            assert reply.headers["etag"] == checksums.etag(body)
            assert n == 1 << 20 or not any(h.startswith("x-amz-checksum") for h in reply.headers)


def test_nixl_query_of_missing_keys(server):
    head = signed(server, "HEAD", "/bucket/nope", **SDK, content_type="application/xml")[1]
    with Wire(server) as wire:
        for _ in range(3):
            reply = wire.send(head + "\r\n").reply("HEAD")
            assert (reply.status, reply.body) == (404, b"")


@pytest.mark.parametrize("spoil", ["crc", "cut", "longer", "no_trailer", "junk", "size"])
def test_a_spoiled_nixl_put_stores_nothing(server, s3, spoil):
    body = os.urandom(100_000)
    framed = {"crc": nixl_body(body, checksums.encoded("CRC64NVME", b"other")),
              "cut": nixl_body(body)[:-30], "longer": nixl_body(body + b"x"),
              "no_trailer": aws_chunked(body), "junk": b"zz\r\n" + body,
              "size": aws_chunked(body).replace(b"10000\r\n", b"10001\r\n", 1)}[spoil]
    head = nixl_head(server, f"spoiled-{spoil}", len(body))
    with Wire(server) as wire:
        wire.send(head + "transfer-encoding: chunked\r\n\r\n", chunked(framed))
        reply = wire.reply()
        assert 400 <= reply.status < 500 and reply.code, reply
    assert "Contents" not in s3.list_objects_v2(Bucket="bucket", Prefix="spoiled-")


# ---- LMCache (awscrt), as recorded: no bucket in the path, a bare address as Host ----


def test_lmcache_at_a_bare_address(plain):
    key = "/minio_probe%401%400%403039%40bfloat16"
    host = f"127.0.0.1:{plain.port}"
    agent = "CRTS3NativeClient/0.1.x"
    body = os.urandom(70_000)
    with Wire(plain) as wire:
        assert wire.send(request("HEAD", key, host=host, User_Agent=agent)).reply("HEAD").status == 404
        reply = wire.send(request("PUT", key, body, host=host, User_Agent=agent,
                                  Content_Type="application/octet-stream")).reply()
        assert reply.status == 200 and reply.headers["etag"]
        head = wire.send(request("HEAD", key, host=host)).reply("HEAD")
        assert head.headers["content-length"] == "70000"
        reply = wire.send(request("GET", key, host=host, Range="bytes=0-8388607")).reply()
        assert (reply.status, reply.body) == (206, body)
        assert reply.headers["content-range"] == "bytes 0-69999/70000" and reply.headers["etag"]
        reply = wire.send(request("GET", key, host=host, Range="bytes=10-19",
                                  If_Match=reply.headers["etag"])).reply()
        assert (reply.status, reply.body) == (206, body[10:20])
        put(plain, "/empty", b"")
        reply = wire.send(request("GET", "/empty", host=host, Range="bytes=0-8388607")).reply()
        assert reply.status == 416 and b"<ActualObjectSize>0</ActualObjectSize>" in reply.body
        assert wire.send(request("GET", "/empty?partNumber=1", host=host)).reply().status == 200
        listed = wire.send(request("GET", "/?list-type=2&max-keys=9&prefix=minio_probe%40",
                                   host=host)).reply()
        assert b"<Key>minio_probe@1@0@3039@bfloat16</Key>" in listed.body
        assert wire.send(request("DELETE", key, host=host)).reply().status == 204
    assert not plain.files or not (plain.root / "default" / "minio_probe@1@0@3039@bfloat16").exists()


# ---- chunks that are signed ----


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("trailer", [None, "CRC32C", "SHA256"])
@pytest.mark.parametrize("wrong", [False, True])
def test_signed_chunks(server, s3, double, trailer, wrong):
    body = os.urandom(200_001)
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    more = {"x-amz-trailer": f"x-amz-checksum-{trailer.lower()}"} if trailer else {}
    headers, head = signed(server, "PUT", "/bucket/chunks", content_encoding="aws-chunked",
                           x_amz_decoded_content_length=str(len(body)),
                           x_amz_content_sha256=kind, **more)
    signer = sigv4.ChunkSigner(headers, lobos.SECRET)
    pieces = [body[i:i + 65536] for i in range(0, len(body), 65536)] + [b""]
    framed = b"".join(signer.chunk(p) for p in pieces)
    framed += signer.trailer(more["x-amz-trailer"],
                             checksums.encoded(trailer, body)) if trailer else b"\r\n"
    if wrong:
        framed = framed[:100_000] + bytes([framed[100_000] ^ 1]) + framed[100_001:]
    framing = "Transfer-Encoding: chunked" if double else f"Content-Length: {len(framed)}"
    with Wire(server) as wire:
        wire.send(f"{head}{framing}\r\n\r\n", chunked(framed) if double else framed)
        reply = wire.reply()
    if wrong:
        assert (reply.status, reply.code) == (403, "SignatureDoesNotMatch")
    else:
        assert reply.status == 200, reply
        got = s3.get_object(Bucket="bucket", Key="chunks")
        assert got["Body"].read() == body and "ContentEncoding" not in got


@pytest.mark.parametrize("name", checksums.NAMES)
def test_trailers(plain, name):
    body = os.urandom(150_000)
    field = f"x-amz-checksum-{name.lower()}"
    for value, status in ((checksums.encoded(name, body), 200),
                          (checksums.encoded(name, b"other"), 400), ("not base64", 400)):
        reply = ask(plain, "PUT", "/bucket/trailer", aws_chunked(body, (field, value)),
                    Content_Encoding="aws-chunked,gzip", x_amz_trailer=field,
                    x_amz_decoded_content_length=str(len(body)),
                    x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        assert reply.status == status, reply
    got = ask(plain, "GET", "/bucket/trailer", x_amz_checksum_mode="ENABLED")
    assert got.body == body and got.headers["content-encoding"] == "gzip"
    assert got.headers[field] == checksums.encoded(name, body)


# ---- 100 Continue ----


def test_continue_comes_after_the_check(server):
    """Who may not, is told without sending the body."""
    with Wire(server) as wire:
        wire.send(request("PUT", "/bucket/k", Content_Length="1000000", Expect="100-continue"))
        reply = wire.reply(interim=True)
        assert (reply.status, reply.code) == (403, "AccessDenied")


def test_continue_for_a_missing_bucket(plain):
    with Wire(plain) as wire:
        wire.send(request("PUT", "/bucket/a/" + "k" * 1100, Content_Length="10",
                          Expect="100-continue"))
        reply = wire.reply(interim=True)
        assert (reply.status, reply.code) == (400, "KeyTooLongError")


def test_continue_is_not_for_those_who_sent(plain):
    with Wire(plain) as wire:
        wire.send(request("PUT", "/bucket/k", b"body", Expect="100-continue"))
        assert wire.reply().status == 200
        assert wire.send(request("GET", "/bucket/k")).reply().body == b"body"


def test_continue_comes_for_an_empty_body_too(plain):
    """Else botocore takes the final status line for that of the next response as well."""
    with Wire(plain) as wire:
        wire.send(request("PUT", "/bucket/empty", Content_Length="0", Expect="100-continue"))
        assert wire.reply(interim=True).status == 100
        assert wire.reply().status == 200
        wire.send(request("PUT", "/nosuch.bucket/empty", Content_Length="0",
                          Expect="100-continue", If_Match='"x"'))
        reply = wire.reply(interim=True)
        assert reply.status == 100 or (reply.status == 404 and wire.closed())


def test_another_expectation(plain):
    assert ask(plain, "PUT", "/bucket/k", b"x", Expect="a-pony").status in (200, 417)


# ---- persistence ----


def test_pipelining(plain):
    put(plain, "/bucket/p", b"content")
    wanted = []
    message = b""
    for i in range(60):
        if i % 3 == 0:
            message += request("PUT", f"/bucket/p{i}", b"body %d" % i)
            wanted.append((200, b""))
        elif i % 3 == 1:
            message += request("GET", f"/bucket/p{i - 1}")
            wanted.append((200, b"body %d" % (i - 1)))
        else:
            message += request("GET", "/bucket/missing")
            wanted.append((404, None))
    with Wire(plain) as wire:
        wire.send(message)
        for status, body in wanted:
            reply = wire.reply()
            assert reply.status == status and (body is None or reply.body == body)


def test_pipelining_in_every_cut(plain):
    message = (request("PUT", "/bucket/cut", b"ab") + request("GET", "/bucket/cut")
               + request("PUT", "/bucket/cut", chunked(b"cd"), Transfer_Encoding="chunked")
               + request("GET", "/bucket/cut"))
    for cut in range(1, len(message), 7):
        with Wire(plain) as wire:
            wire.send(message[:cut])
            time.sleep(0.001)
            wire.send(message[cut:])
            assert [wire.reply().body for _ in range(4)] == [b"", b"ab", b"", b"cd"]


def test_connection_survives_errors(plain):
    with Wire(plain) as wire:
        for method, target, body, status in (
                ("GET", "/bucket/missing", None, 404), ("PUT", "/bucket/k?retention", b"x" * 1000, 501),
                ("PUT", "/bucket/k?tagging", b"<broken", 400), ("POST", "/bucket/k", b"x", 405),
                ("GET", "/bucket?max-keys=x", None, 400), ("PUT", "/Bad_Name", b"", 200),
                ("PUT", "/bucket/" + "k" * 1100, b"x" * 100_000, 400),
                ("GET", "/bucket/%zz", None, 400), ("GET", "/bucket/%00", None, 400),
                ("DELETE", "/bucket/missing", None, 204), ("PATCH", "/bucket/k", b"x", 501),
                ("HEAD", "/bucket/missing", None, 404), ("OPTIONS", "/bucket/k", None, 400)):
            reply = wire.send(request(method, target, body)).reply(method)
            if target != "/Bad_Name":
                assert reply.status == status, (method, target, reply)
            assert reply.headers["x-amz-request-id"]
            assert reply.headers.get("connection", "keep-alive") == "keep-alive", (method, target)
            if method == "HEAD":
                assert not wire.data
        assert wire.send(request("GET", "/")).reply().status == 200


def test_error_documents(plain):
    reply = ask(plain, "GET", "/bucket/missing%26%3C")
    text = reply.body.decode()
    assert reply.headers["content-type"] == "application/xml"
    assert re.search(r"<Code>NoSuchKey</Code><Message>[^<]+</Message>", text)
    request_id = re.search(r"<RequestId>(\w+)</RequestId>", text)[1]
    assert reply.headers["x-amz-request-id"] == request_id
    assert ask(plain, "GET", "/bucket/missing").headers["x-amz-request-id"] != request_id


def test_close_is_honoured(plain):
    with Wire(plain) as wire:
        reply = wire.send(request("GET", "/", Connection="close")).reply()
        assert reply.status == 200 and reply.headers["connection"] == "close" and wire.closed()


def test_http_1_0(plain):
    put(plain, "/bucket/old", b"content")
    with Wire(plain) as wire:
        reply = wire.send("GET /bucket/old HTTP/1.0\r\n\r\n").reply()
        assert (reply.status, reply.body) == (200, b"content") and wire.closed()
    with Wire(plain) as wire:
        for _ in range(3):
            reply = wire.send("GET /bucket/old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").reply()
            assert (reply.status, reply.headers["connection"]) == (200, "keep-alive")


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("reads", [True, False])
def test_an_early_error_arrives(server, framing, reads):
    """Of an upload that nobody wants, 40 MiB: the response comes, whether the client reads meanwhile or
    only when all is sent or the connection breaks."""
    size = 40 << 20
    field = {"Content_Length": str(size)} if framing == "length" else {
        "Transfer_Encoding": "chunked"}
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if framing == "chunked" else b"x" * 65536
    with Wire(server) as wire:
        wire.send(request("PUT", "/bucket/unwanted", **field))
        replies = []
        reader = threading.Thread(target=lambda: replies.append(wire.reply()))
        if reads:
            reader.start()
        try:
            for _ in range(size // 65536):
                wire.send(piece)
                if replies:
                    break
        except (BrokenPipeError, ConnectionResetError):
            pass
        if not reads:
            reader.start()
        reader.join(20)
        assert replies and (replies[0].status, replies[0].code) == (403, "AccessDenied")


def test_a_client_that_leaves(plain):
    """In the middle of an upload: nothing is stored, nothing is left."""
    for cut in (0, 1, 1000, 1 << 20):
        with Wire(plain) as wire:
            wire.send(request("PUT", "/bucket/left/behind", Content_Length=str(2 << 20)),
                      b"x" * cut)
    with Wire(plain) as wire:
        wire.send(request("PUT", "/bucket/left/behind", Content_Length="100"), b"x" * 50)
        reply = wire.finish().reply()
        assert (reply.status, reply.code) == (400, "IncompleteBody")
    until = time.monotonic() + 5
    leftovers = plain.root / "bucket" / ".lobos" / "tmp"
    while leftovers.exists() and os.listdir(leftovers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not leftovers.exists() or os.listdir(leftovers) == []
    assert ask(plain, "GET", "/bucket/left/behind").status == 404
    assert not (plain.root / "bucket" / "left").exists()


def test_a_download_that_is_left(plain):
    with open(plain.root / "bucket" / "large", "wb") as f:
        f.truncate(256 << 20)
    before = plain.descriptors()
    for _ in range(20):
        with Wire(plain) as wire:
            wire.send(request("GET", "/bucket/large"))
            wire.sock.recv(1000)
    until = time.monotonic() + 5
    while plain.descriptors() > before + 4 and time.monotonic() < until:
        time.sleep(0.05)
    assert plain.descriptors() <= before + 4


# ---- slowness ----


def test_a_slow_head_is_closed(impatient):
    """Byte by byte does not prolong the time for a head."""
    begun = time.monotonic()
    with Wire(impatient) as wire:
        with pytest.raises(OSError):
            for byte in b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 1000:
                wire.send(bytes([byte]))
                time.sleep(0.1)
                if time.monotonic() - begun > 10:
                    break
    assert 0.5 < time.monotonic() - begun < 6


def test_idle_connections_are_closed(impatient):
    with Wire(impatient) as fresh, Wire(impatient) as used:
        used.send(request("GET", "/")).reply()
        begun = time.monotonic()
        assert fresh.closed(8) and used.closed(8)
        assert 0.5 < time.monotonic() - begun < 6


def test_a_body_that_stops_is_timed_out(impatient):
    with Wire(impatient) as wire:
        wire.send(request("PUT", "/bucket/stops", Content_Length="1000"), b"x" * 500)
        reply = wire.reply()
        assert (reply.status, reply.code) == (400, "RequestTimeout") and wire.closed()
    assert ask(impatient, "GET", "/bucket/stops").status == 404


def test_a_slow_body_is_not(impatient):
    with Wire(impatient) as wire:
        wire.send(request("PUT", "/bucket/slow", Content_Length="7"))
        for byte in b"slowly!":
            time.sleep(0.25)
            wire.send(bytes([byte]))
        assert wire.reply().status == 200
    assert ask(impatient, "GET", "/bucket/slow").body == b"slowly!"


def test_a_reader_that_stops_is_dropped(impatient):
    with open(impatient.root / "bucket" / "large", "wb") as f:
        f.truncate(256 << 20)
    got = 0
    with Wire(impatient) as wire:
        wire.send(request("GET", "/bucket/large"))
        time.sleep(2.5)
        try:
            while data := wire.sock.recv(1 << 20):
                got += len(data)
        except ConnectionResetError:
            pass
    assert 0 < got < 256 << 20


# ---- addressing ----


@pytest.mark.parametrize("host, path, bucket, key", [
    ("127.0.0.1", "/bucket/a1", "bucket", "a1"), ("localhost:8080", "/bucket/a2", "bucket", "a2"),
    ("[::1]:8080", "/bucket/a3", "bucket", "a3"), ("bucket.localhost", "/a4", "bucket", "a4"),
    ("BUCKET.LocalHost:99", "/a5", "bucket", "a5"), ("bucket.localhost.", "/a6", "bucket", "a6"),
    ("bucket.s3.example.com", "/a7", "bucket", "a7"), ("s3.example.com", "/bucket/a8", "bucket", "a8"),
    ("bucket.anything.test", "/a9", "bucket", "a9"),
    ("bucket.anything.test", "/bucket/b1", "bucket", "bucket/b1"),
    ("unknown.test", "/bucket/b2", "bucket", "b2"), ("unknown.test", "/other/b3", "default", "other/b3"),
    ("10.1.2.3", "/b4", "default", "b4"), ("localhost", "/dir/b5", "default", "dir/b5"),
    ("127.0.0.1", "/bucket%2Fb6", "default", "bucket/b6"),
])
def test_addressing(plain, host, path, bucket, key):
    reply = ask(plain, "PUT", path, b"x", host=host)
    assert reply.status == 200, reply
    assert not plain.files or (plain.root / bucket / key).read_bytes() == b"x"
    assert ask(plain, "GET", path, host=host).body == b"x"
    assert ask(plain, "DELETE", path, host=host).status == 204
    assert not plain.files or not (plain.root / bucket / key).exists()


def test_a_missing_bucket_in_the_host(plain):
    reply = ask(plain, "GET", "/k", host="nosuch.localhost")
    assert (reply.status, reply.code) == (404, "NoSuchBucket")


def test_absolute_form(plain):
    put(plain, "/bucket/abs", b"absolute")
    for target in ("http://127.0.0.1/bucket/abs", "HTTP://bucket.localhost:80/abs",
                   "https://bucket.localhost/abs?x-id=GetObject"):
        assert ask(plain, "GET", target, host="other.test").body == b"absolute"
    assert ask(plain, "GET", "ftp://127.0.0.1/bucket/abs").status == 400
    assert b"ListBucketResult" in ask(plain, "GET", "http://s3.example.com").body
    assert ask(plain, "OPTIONS", "*").status in (400, 501)


# ---- smuggling: what can be read in two ways is refused, and nothing behind it is obeyed ----

HEAD = "PUT /bucket/smuggle HTTP/1.1\r\nHost: x\r\n"
SMUGGLED = "DELETE /bucket/victim HTTP/1.1\r\nHost: x\r\n\r\n"
AMBIGUOUS = {
    "length and coding": HEAD + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": HEAD + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": HEAD + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "two equal lengths": HEAD + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "list of lengths": HEAD + "Content-Length: 5, 5\r\n\r\nhello",
    "plus": HEAD + "Content-Length: +5\r\n\r\nhello",
    "minus": HEAD + "Content-Length: -5\r\n\r\nhello",
    "hexadecimal": HEAD + "Content-Length: 0x5\r\n\r\nhello",
    "empty length": HEAD + "Content-Length:\r\n\r\nhello",
    "huge length": HEAD + "Content-Length: 18446744073709551621\r\n\r\nhello",
    "length with a space inside": HEAD + "Content-Length: 5 5\r\n\r\nhello",
    "two codings": HEAD + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": HEAD + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "unknown coding": HEAD + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "quoted coding": HEAD + 'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "vertical tab": HEAD + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "space before the colon": HEAD + "Content-Length : 5\r\n\r\nhello",
    "tab before the colon": HEAD + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "fold": HEAD + "Content-Length:\r\n 5\r\n\r\nhello",
    "fold of coding": HEAD + "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": HEAD + "Content-Length: 5\n\r\nhello",
    "bare LF at the end": HEAD + "Content-Length: 5\r\n\nhello",
    "bare CR": HEAD + "X: y\rContent-Length: 5\r\n\r\nhello",
    "NUL": HEAD + "X: y\0\r\nContent-Length: 5\r\n\r\nhello",
    "no name": HEAD + ": 5\r\n\r\n",
    "no colon": HEAD + "Content-Length 5\r\n\r\nhello",
    "odd name": HEAD + "Content(Length: 5\r\n\r\nhello",
    "no host": "PUT /bucket/smuggle HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "two hosts": HEAD + "Host: y\r\nContent-Length: 5\r\n\r\nhello",
    "host with a path": "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
    "host with an at": "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "two spaces": "GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tab": "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "leading space": " GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": "GET /\r\nHost: x\r\n\r\n",
    "lower case": "GET / http/1.1\r\nHost: x\r\n\r\n",
    "version 2": "GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    "version 1.2": "GET / HTTP/1.2\r\nHost: x\r\n\r\n",
    "the preface of HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "fragment": "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
    "control in the target": "GET /a\x01 HTTP/1.1\r\nHost: x\r\n\r\n",
    "old version with coding": "PUT /bucket/smuggle HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "0\r\n\r\n",
    "many headers": HEAD + "a: b\r\n" * 200 + "\r\n",
    "large head": HEAD + "a: " + "b" * 20_000 + "\r\n\r\n",
    "large target": "GET /" + "a" * 20_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + "\0" * 40,
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_ambiguous_requests(plain, name):
    put(plain, "/bucket/victim", b"alive")
    with Wire(plain) as wire:
        wire.send(AMBIGUOUS[name].encode("latin-1"), SMUGGLED)
        reply = wire.reply()
        assert reply.status in (400, 431, 501, 505), reply
        assert reply.headers["connection"] == "close"
        assert reply.headers["x-amz-request-id"]
        assert wire.closed(8)
    assert not plain.files or (plain.root / "bucket" / "victim").read_bytes() == b"alive"
    assert not plain.files or not (plain.root / "bucket" / "smuggle").exists()


@pytest.mark.parametrize("body", [
    b"5 \r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n",
    b"5\r\nhello\n0\r\n\r\n", b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nhello", b"\r\nhello\r\n0\r\n\r\n", b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n", b"5\r\nhello\r\n0\r\na: b\nc: d\r\n\r\n",
    b"g\r\nhello\r\n0\r\n\r\n", b"5" + b";x" * 9000 + b"\r\nhello\r\n0\r\n\r\n",
], ids=range(15))
def test_bad_chunks(plain, body):
    put(plain, "/bucket/victim", b"alive")
    with Wire(plain) as wire:
        wire.send(HEAD + "Transfer-Encoding: chunked\r\n\r\n", body, SMUGGLED)
        reply = wire.reply()
        assert 400 <= reply.status < 500, reply
        assert reply.headers["connection"] == "close" and wire.closed(8)
    assert not plain.files or (plain.root / "bucket" / "victim").read_bytes() == b"alive"
    assert not plain.files or not (plain.root / "bucket" / "smuggle").exists()


def test_chunks_that_are_right(plain):
    for body in (b"5\r\nhello\r\n0\r\n\r\n", b"05\r\nhello\r\n000\r\n\r\n",
                 b"2;a=b;c=\"d\"\r\nhe\r\n3\r\nllo\r\n0;x\r\nTrailer: x\r\n\r\n"):
        reply = ask(plain, "PUT", "/bucket/chunks", body, Transfer_Encoding="chunked")
        assert reply.status == 200, reply
        assert ask(plain, "GET", "/bucket/chunks").body == b"hello"


def test_traversal(plain):
    (plain.base / "secret").write_text("outside")
    for target in ("/bucket/../../secret", "/bucket/%2e%2e/%2e%2e/secret", "/../secret",
                   "/bucket/..%2f..%2fsecret", "/bucket//../../../etc/passwd", "/..%2fsecret",
                   "/.lobos/tmp", "/bucket/.lobos/bucket", "/%2e%2e/secret", "/./bucket/victim"):
        for host in ("127.0.0.1", "bucket.localhost", "...localhost", "..localhost"):
            reply = ask(plain, "GET", target, host=host)
            assert reply.status in (400, 404) and b"outside" not in reply.body, (target, reply)
            assert ask(plain, "PUT", target, b"x", host=host).status in (200, 400, 404)
            ask(plain, "DELETE", target, host=host)
    assert (plain.base / "secret").read_text() == "outside"
    files = set(os.listdir(plain.base)) - {"volume", "volume.users"}
    assert sorted(files) == ["data", "log", "secret"]
