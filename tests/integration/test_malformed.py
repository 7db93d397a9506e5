"""Malformed requests in great number: the fuzz targets' corpora and seeded mutations of right requests. The
server stays alive and small, answers or closes as HTTP says, and keeps others served."""

import itertools
import os
import random
import re
import threading
import time

import pytest

import lobos
import sigv4
from wire import Watch, Wire, parse_head, request

CORPUS = lobos.REPOSITORY / "tests" / "fuzz" / "corpus"
SEED = int(os.environ.get("LB_SEED", "1"))
THREADS = 4
GROWTH_MAX = 48 << 20

RIGHT = [
    request("GET", "/bucket/alive"), request("HEAD", "/bucket/alive"), request("GET", "/"),
    request("GET", "/bucket?list-type=2&prefix=a%20b&max-keys=7&delimiter=%2F&start-after=x"),
    request("GET", "/bucket?versions&key-marker=a&encoding-type=url"),
    request("GET", "/bucket?uploads&max-uploads=3"),
    request("GET", "/bucket/alive", Range="bytes=1-2", If_None_Match='"x"', Expect="100-continue"),
    request("PUT", "/bucket/made", b"body", Content_MD5="hBotaJrYa9FhFEdFPCLG/A=="),
    request("PUT", "/bucket/made", b"4\r\nbody\r\n0\r\n\r\n", Transfer_Encoding="chunked"),
    request("PUT", "/bucket/made",
            b"4\r\nbody\r\n0\r\nx-amz-checksum-crc32:5LbsuA==\r\n\r\n",
            x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            x_amz_trailer="x-amz-checksum-crc32", x_amz_decoded_content_length="4"),
    request("PUT", "/bucket/copy", b"", x_amz_copy_source="/bucket/alive",
            x_amz_metadata_directive="REPLACE", x_amz_meta_a="b"),
    request("PUT", "/bucket/made?tagging",
            b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
    request("POST", "/bucket?delete",
            b"<Delete><Object><Key>made</Key></Object><Quiet>true</Quiet></Delete>"),
    request("POST", "/bucket/up?uploads", b"", x_amz_checksum_algorithm="CRC32C"),
    request("POST", "/bucket/up?uploadId=0123456789abcdef",
            b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
            b"</CompleteMultipartUpload>"),
    request("PUT", "/bucket/up?partNumber=1&uploadId=0123456789abcdef", b"part"),
    request("GET", "/bucket/alive?attributes", x_amz_object_attributes="ETag,Checksum,ObjectSize"),
    request("DELETE", "/bucket/made?x-id=DeleteObject"), request("OPTIONS", "*"),
]


def signed(method, path, query=""):
    headers = sigv4.sign(method, path, query, {"host": "127.0.0.1"}, access=lobos.ACCESS,
                         secret=lobos.SECRET)
    target = path + (f"?{query}" if query else "")
    return request(method, target, None, **headers)


def corpora():
    """Each seed of the parsers' corpora, in the place of a request where its parser reads."""
    for path in sorted(CORPUS.glob("*/*")):
        data = path.read_bytes()
        kind = path.parent.name
        line = re.sub(rb"[\r\n]", b"", data)
        if kind in ("request", "sigv4"):
            yield data
        elif kind == "chunked":
            yield request("PUT", "/bucket/made", data[1:], Transfer_Encoding="chunked")
        elif kind == "aws_chunked":
            for mode in ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"):
                yield request("PUT", "/bucket/made", data[1:], x_amz_content_sha256=mode,
                              x_amz_decoded_content_length="5")
        elif kind == "query":
            yield b"GET /bucket?" + line + b" HTTP/1.1\r\nHost: x\r\n\r\n"
        elif kind == "xml":
            for target in ("PUT /bucket/made?tagging", "POST /bucket?delete", "PUT /bucket?acl",
                           "POST /bucket/up?uploadId=0123456789abcdef"):
                yield request(*target.split(), data)
        elif kind in ("range", "date"):
            field = {"range": b"Range", "date": b"If-Modified-Since"}[kind]
            yield (b"GET /bucket/alive HTTP/1.1\r\nHost: x\r\n" + field + b": "
                   + line.lstrip(b"\0") + b"\r\n\r\n")
        else:
            yield data


def mutate(rng, seeds):
    """A right request made wrong."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 2, 4, 9))):
        at = rng.randrange(len(data) + 1)
        n = rng.choice((1, 2, 5, 30))
        match rng.randrange(7):
            case 0:
                data[at:at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at:at + n]
            case 2:
                data[at:at] = rng.randbytes(n)
            case 3:
                data[at:at] = data[at:at + n]
            case 4:
                data[at:] = rng.choice(seeds)[at:]
            case 5:
                data[at:at] = rng.choice((b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"%", b"0",
                                          b"99999999999999999999", b"Content-Length: 3\r\n",
                                          b"Transfer-Encoding: chunked\r\n", b"../", b"&", b"<![CDATA["))
            case 6:
                del data[at:]
        if not data:
            data = bytearray(b"\0")
    return bytes(data)


def check_replies(data, sent):
    """What came back is a row of whole responses, or nothing. HEAD can't be told from the outside, so
    that a head may stand alone."""
    count = 0
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, (sent, head)
        status, headers = parse_head(head)
        count += 1
        length = int(headers.get("content-length", 0))
        if status >= 200 and not data.startswith(b"HTTP/1.1 ") and status not in (204, 304):
            assert len(data) >= length or not data, (sent, head, data)
            data = data[length:]
    return count


def sources(index):
    """Addresses of this machine, each for a few connections: from one alone, refused signatures would
    have to wait."""
    for n in itertools.count():
        yield f"127.{1 + index}.{n // 8 // 250 % 250}.{1 + n // 8 % 250}"


def storm(server, messages, outcome, index):
    """Sends each message on a connection of its own and reads what comes."""
    for message, source in zip(messages, sources(index)):
        with Wire(server, 10, source) as wire:
            data = b""
            try:
                wire.send(message).finish()
                while piece := wire.sock.recv(1 << 16):
                    data += piece
            except (ConnectionResetError, BrokenPipeError):
                outcome["reset"] += 1
            except TimeoutError:
                outcome["failures"].append(("no end within 10 s", message, data))
            try:
                outcome["answered"] += check_replies(data, message) > 0
            except (AssertionError, ValueError) as wrong:
                outcome["failures"].append((str(wrong), message, data))
        outcome["sent"] += 1


@pytest.mark.parametrize("backend, credentials", [("io_uring", False), ("io_uring", True),
                                                  ("epoll", False)])
def test_malformed_requests(make_server, figure, long, backend, credentials):
    number = 333_334 if long else 33_334
    try:
        server = make_server(credentials=credentials, buckets=["bucket"], io_backend=backend,
                             durability="relaxed", idle_timeout=5)
    except lobos.StartFailed:
        pytest.skip("the system refuses io_uring")
    (server.root / "bucket" / "alive").write_bytes(b"alive")
    seeds = RIGHT + ([signed("GET", "/bucket/alive"), signed("GET", "/bucket", "list-type=2"),
                      signed("DELETE", "/bucket/made")] if credentials else [])
    rng = random.Random(SEED)
    messages = list(corpora())
    assert len(messages) > 100
    messages += [mutate(rng, seeds) for _ in range(number - len(messages))]
    messages = [m for m in messages if b"DELETE /bucket/alive" not in m]
    outcomes = [{"sent": 0, "answered": 0, "reset": 0, "failures": []} for _ in range(THREADS)]
    alive = signed("GET", "/bucket/alive") if credentials else request("GET", "/bucket/alive")
    watch, stop = Watch(server, alive, b"alive"), threading.Event()
    with Wire(server) as wire:
        watch.once(wire)
    base, descriptors, begun = server.status("VmRSS"), server.descriptors(), time.monotonic()
    watcher = threading.Thread(target=watch.until, args=(stop,))
    workers = [threading.Thread(target=storm, args=(server, messages[i::THREADS], outcomes[i], i))
               for i in range(THREADS)]
    for thread in [watcher, *workers]:
        thread.start()
    for worker in workers:
        worker.join()
    stop.set()
    watcher.join()
    took = time.monotonic() - begun
    total = {k: sum(o[k] for o in outcomes) for k in ("sent", "answered", "reset")}
    failures = [f for o in outcomes for f in o["failures"]]
    assert not failures, f"{len(failures)} of them, LB_SEED={SEED}: {failures[:3]}"
    assert total["sent"] == len(messages) and total["answered"] > len(messages) / 2
    assert watch.asked > 20 and watch.longest_s < 1
    growth = server.status("VmRSS") - base
    assert growth < GROWTH_MAX or lobos.SANITIZED
    until = time.monotonic() + 10
    while server.descriptors() > descriptors + 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert server.descriptors() <= descriptors + 2
    figure(f"{total['sent']} malformed requests ({backend}, credentials {credentials}) in {took:.1f} s:"
           f" {total['answered']} answered, {total['reset']} reset; others waited at most "
           f"{watch.longest_s * 1000:.0f} ms; memory grew by {growth >> 20} MiB")
