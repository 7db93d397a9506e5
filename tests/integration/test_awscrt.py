"""The S3 client of awscrt, used as LMCache's connector uses it: a bare address as endpoint, no bucket in the
path, managed uploads and downloads that the client splits."""

import os
import urllib.parse
from io import BytesIO

import pytest
from awscrt import auth, http, io, s3

import lobos

REGION = "us-east-1"
KEY = "model/name@1@0@1f3a9c0e@bfloat16".replace("/", "_")


class Client:
    """What LMCache's S3 connector does, one request at a time."""

    def __init__(self, server, secret=lobos.SECRET):
        provider = auth.AwsCredentialsProvider.new_static(lobos.ACCESS, secret)
        signing = s3.create_default_s3_signing_config(region=REGION, credential_provider=provider)
        group = io.EventLoopGroup(2)
        bootstrap = io.ClientBootstrap(group, io.DefaultHostResolver(group))
        self.host = f"127.0.0.1:{server.port}"
        self.client = s3.S3Client(bootstrap=bootstrap, region=REGION, signing_config=signing,
                                  tls_mode=s3.S3RequestTlsMode.DISABLED)

    def _run(self, kind, method, key, fields=(), stream=None, operation=None, on_body=None):
        path = "/" + urllib.parse.quote(key)
        headers = http.HttpHeaders([("Host", self.host), *fields])
        message = http.HttpRequest(method, path, headers, stream)
        result = {}

        def on_headers(status_code, headers, **kwargs):
            result["headers"] = {k.lower(): v for k, v in headers}

        def on_done(error, status_code, **kwargs):
            result["status"] = status_code

        made = self.client.make_request(type=kind, request=message, operation_name=operation,
                                        on_headers=on_headers, on_done=on_done, on_body=on_body)
        made.finished_future.result(60)
        return result

    def head(self, key):
        return self._run(s3.S3RequestType.DEFAULT, "HEAD", key, operation="HeadObject")

    def put(self, key, body):
        fields = [("Content-Length", str(len(body))), ("Content-Type", "application/octet-stream")]
        return self._run(s3.S3RequestType.PUT_OBJECT, "PUT", key, fields, BytesIO(body))

    def get(self, key, size):
        buffer = bytearray(size)

        def on_body(chunk, offset, **kwargs):
            assert offset + len(chunk) <= size, "more than the object holds"
            buffer[offset:offset + len(chunk)] = chunk

        result = self._run(s3.S3RequestType.GET_OBJECT, "GET", key, on_body=on_body)
        return result, bytes(buffer)

    def delete(self, key):
        return self._run(s3.S3RequestType.DEFAULT, "DELETE", key, operation="DeleteObject")


@pytest.fixture(scope="module", params=["io_uring", "epoll"])
def cache(request):
    server = lobos.Lobos(buckets=["kv"], default_bucket="kv", durability="relaxed",
                         io_backend=request.param, access_log="true")
    try:
        server.start()
    except lobos.StartFailed:
        pytest.skip("the system refuses io_uring")
    yield server
    server.close()


@pytest.fixture(scope="module")
def client(cache):
    return Client(cache)


def status_of_failure(call, *arguments):
    with pytest.raises(Exception) as caught:
        call(*arguments)
    return getattr(caught.value, "status_code", None)


@pytest.mark.parametrize("size", [1, 1000, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 32 << 20])
def test_put_head_get(cache, client, size):
    body = os.urandom(size)
    assert client.put(KEY, body)["status"] == 200
    assert (cache.root / "kv" / KEY).read_bytes() == body
    result = client.head(KEY)
    assert (result["status"], result["headers"]["content-length"]) == (200, str(size))
    result, got = client.get(KEY, size)
    assert result["status"] in (200, 206) and got == body
    assert client.delete(KEY)["status"] == 204
    assert not (cache.root / "kv" / KEY).exists()


def test_large_puts_are_multipart(cache, client):
    client.put(KEY, bytes(32 << 20))
    for operation in ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"):
        cache.wait_for_log(f"op={operation}")


def test_missing(client):
    assert status_of_failure(client.head, "missing") == 404
    assert status_of_failure(client.get, "missing", 10) == 404


def test_empty_object(client):
    client.put("empty", b"")
    assert client.head("empty")["headers"]["content-length"] == "0"
    result, got = client.get("empty", 0)
    assert result["status"] in (200, 206) and got == b""


def test_keys_as_lmcache_makes_them(cache, client):
    for key in ("m@1@0@3039@bfloat16", "org/model@00000001@group:0@abcdef@salt", "a b@ü@1"):
        client.put(key, key.encode())
        assert (cache.root / "kv" / key).read_bytes() == key.encode()
        assert client.get(key, len(key.encode()))[1] == key.encode()


def test_many_at_once(cache, client):
    """A batch, as the multiprocess adapter starts it: all at once, over at most 25 connections."""
    bodies = {f"batch@{i}": os.urandom(100_000 + i) for i in range(60)}
    futures = []
    for key, body in bodies.items():
        fields = [("Host", client.host), ("Content-Length", str(len(body)))]
        message = http.HttpRequest("PUT", "/" + urllib.parse.quote(key), http.HttpHeaders(fields),
                                   BytesIO(body))
        made = client.client.make_request(type=s3.S3RequestType.PUT_OBJECT, request=message)
        futures.append((made, made.finished_future))
    for _, future in futures:
        future.result(60)
    for key, body in bodies.items():
        assert client.get(key, len(body))[1] == body


def test_wrong_secret(cache):
    assert status_of_failure(Client(cache, "wrong").put, "denied", b"x") == 403
