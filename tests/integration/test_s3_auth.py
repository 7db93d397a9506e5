"""Who may do what: signatures in the header and in the URL, their time, their scope, anonymous requests."""

import datetime
import hashlib
import http.client
import re
import urllib.parse
import urllib.request

import pytest

import sigv4
from conftest import client_for, error_of
from lobos import ACCESS, SECRET

EMPTY = hashlib.sha256(b"").hexdigest()


def send(server, method, path, headers=None, body=None):
    """Returns status, code of the error document or None, and the reply's body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request(method, path, body=body, headers=headers or {})
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    found = re.search(rb"<Error><Code>(\w+)</Code>", data)
    return reply.status, found and found[1].decode(), data


def signed(server, method, path, query="", headers=None, **more):
    headers = {"host": f"127.0.0.1:{server.port}", **(headers or {})}
    headers = sigv4.sign(method, path, query, headers, **{"access": ACCESS, "secret": SECRET,
                                                          **more})
    return send(server, method, path + (f"?{query}" if query else ""), headers, more.get("body"))


def test_wrong_credentials(server):
    client = client_for(server, aws_secret_access_key="wrong")
    assert error_of(client.list_buckets) == (403, "SignatureDoesNotMatch")
    assert error_of(client.put_object, Bucket="bucket", Key="k", Body=b"x") == (
        403, "SignatureDoesNotMatch")
    client = client_for(server, aws_access_key_id="UNKNOWN")
    assert error_of(client.list_buckets) == (403, "InvalidAccessKeyId")


def test_anonymous(server, s3):
    s3.put_object(Bucket="bucket", Key="private", Body=b"x")
    for method, path in (("GET", "/"), ("GET", "/bucket/private"), ("PUT", "/bucket/new"),
                         ("DELETE", "/bucket/private"), ("GET", "/bucket?list-type=2"),
                         ("PUT", "/newbucket"), ("POST", "/bucket/private?uploads")):
        assert send(server, method, path)[:2] == (403, "AccessDenied")
    assert send(server, "HEAD", "/bucket/private") == (403, None, b"")
    assert s3.get_object(Bucket="bucket", Key="private")["Body"].read() == b"x"


@pytest.mark.parametrize("minutes, allowed", [(0, True), (-14, True), (14, True), (-16, False),
                                              (16, False), (-60 * 24, False), (60 * 24, False)])
def test_clock_skew(server, minutes, allowed):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    status, code, _ = signed(server, "GET", "/bucket", when=when)
    assert (status, code) == ((200, None) if allowed else (403, "RequestTimeTooSkewed"))


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-2", "auto", "x"])
def test_any_region(server, region):
    assert signed(server, "GET", "/bucket", region=region)[0] == 200


def test_each_signed_thing_counts(server):
    base = {"host": f"127.0.0.1:{server.port}", "x-amz-meta-a": "1"}
    good = sigv4.sign("GET", "/bucket", "prefix=a", base, access=ACCESS, secret=SECRET)
    assert send(server, "GET", "/bucket?prefix=a", good)[0] == 200
    mismatch = (403, "SignatureDoesNotMatch")
    assert send(server, "GET", "/bucket?prefix=b", good)[:2] == mismatch
    assert send(server, "GET", "/bucket/?prefix=a", good)[:2] == mismatch
    assert send(server, "GET", "/bucket?prefix=a&delimiter=b", good)[:2] == mismatch
    assert send(server, "DELETE", "/bucket?prefix=a", good)[:2] == mismatch
    assert send(server, "GET", "/bucket?prefix=a", {**good, "x-amz-meta-a": "2"})[:2] == mismatch
    assert send(server, "GET", "/bucket?prefix=a", {**good, "host": "other"})[:2] == mismatch


def test_amz_headers_must_be_signed(server, s3):
    headers = sigv4.sign("PUT", "/bucket/k", "", {"host": f"127.0.0.1:{server.port}"},
                         access=ACCESS, secret=SECRET, payload="UNSIGNED-PAYLOAD")
    headers["x-amz-copy-source"] = "/bucket/other"
    assert send(server, "PUT", "/bucket/k", headers, b"x")[0] == 403


@pytest.mark.parametrize("authorization, code", [
    ("AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
    ("AWS4-HMAC-SHA256 Credential=a/b/c", "AuthorizationHeaderMalformed"),
    ("AWS4-HMAC-SHA256 Credential=%s/20260101/r/s3/aws4_request, SignedHeaders=host" % ACCESS,
     "AuthorizationHeaderMalformed"),
    ("AWS %s:c2lnbmF0dXJl" % ACCESS, "InvalidRequest"),
    ("Basic YTpi", "InvalidRequest"), ("Bearer x", "InvalidRequest"),
])
def test_malformed_authorization(server, authorization, code):
    headers = {"authorization": authorization, "x-amz-content-sha256": EMPTY,
               "x-amz-date": sigv4.stamp()}
    status, got, _ = send(server, "GET", "/bucket", headers)
    assert (status, got) == (400, code)


def test_payload_hash(server, s3):
    other = hashlib.sha256(b"other").hexdigest()
    status, code, _ = signed(server, "PUT", "/bucket/hash", payload=other, body=b"body")
    assert (status, code) == (400, "XAmzContentSHA256Mismatch")
    assert error_of(s3.get_object, Bucket="bucket", Key="hash") == (404, "NoSuchKey")
    for payload in ("UNSIGNED-PAYLOAD", hashlib.sha256(b"body").hexdigest()):
        assert signed(server, "PUT", "/bucket/hash", payload=payload, body=b"body")[0] == 200
        assert s3.get_object(Bucket="bucket", Key="hash")["Body"].read() == b"body"
    assert signed(server, "PUT", "/bucket/hash", payload="nonsense", body=b"body")[0] == 400


@pytest.mark.parametrize("key", ["plain", "a b", "a+b", "a%2Bb", "ü", "~!*'()", "a//b", "../x",
                                 "&=?#", "a%", "trail/"])
def test_signing_of_paths(server, key):
    path = "/bucket/" + urllib.parse.quote(key, safe="/~")
    assert signed(server, "PUT", path, payload="UNSIGNED-PAYLOAD", body=b"x")[0] == 200
    assert signed(server, "GET", path)[2] == b"x"
    assert signed(server, "DELETE", path)[0] == 204


# ---- presigned ----


def presign(server, method, path, expires=60, **more):
    return sigv4.presign(method, path, f"127.0.0.1:{server.port}", access=ACCESS, secret=SECRET,
                         expires=expires, **more)


def test_presigned_by_boto3(server, s3):
    put = s3.generate_presigned_url("put_object", {"Bucket": "bucket", "Key": "pre/ signed+"}, 60)
    request = urllib.request.Request(put, data=b"by url", method="PUT",
                                     headers={"Content-Type": "application/x"})
    with urllib.request.urlopen(request) as reply:
        assert reply.status == 200
    get = s3.generate_presigned_url(
        "get_object", {"Bucket": "bucket", "Key": "pre/ signed+",
                       "ResponseContentType": "text/plain"}, 60)
    with urllib.request.urlopen(get) as reply:
        assert reply.read() == b"by url" and reply.headers["Content-Type"] == "text/plain"
    delete = s3.generate_presigned_url("delete_object",
                                       {"Bucket": "bucket", "Key": "pre/ signed+"}, 60)
    with urllib.request.urlopen(urllib.request.Request(delete, method="DELETE")) as reply:
        assert reply.status == 204


def test_presigned_is_for_one_request(server, s3):
    s3.put_object(Bucket="bucket", Key="k", Body=b"x")
    url = presign(server, "GET", "/bucket/k")
    assert send(server, "GET", url)[2] == b"x"
    mismatch = (403, "SignatureDoesNotMatch")
    assert send(server, "PUT", url, body=b"y")[:2] == mismatch
    assert send(server, "GET", url.replace("/k?", "/other?"))[:2] == mismatch
    assert send(server, "GET", url + "&response-content-type=text/html")[:2] == mismatch
    assert send(server, "GET", url.replace("Expires=60", "Expires=6000"))[:2] == mismatch
    assert send(server, "GET", url[:-1] + ("0" if url[-1] != "0" else "1"))[:2] == mismatch


def test_presigned_time(server, s3):
    s3.put_object(Bucket="bucket", Key="k", Body=b"x")
    now = datetime.datetime.now(datetime.timezone.utc)
    ago = now - datetime.timedelta(seconds=100)
    assert send(server, "GET", presign(server, "GET", "/bucket/k", 200, when=ago))[0] == 200
    status, code, body = send(server, "GET", presign(server, "GET", "/bucket/k", 50, when=ago))
    assert (status, code) == (403, "AccessDenied") and b"expired" in body
    future = now + datetime.timedelta(hours=1)
    assert send(server, "GET", presign(server, "GET", "/bucket/k", when=future))[0] == 403
    week = now - datetime.timedelta(days=6)
    assert send(server, "GET", presign(server, "GET", "/bucket/k", 604800, when=week))[0] == 200
    for expires, expected in ((0, (403, "AccessDenied")), (-1, (403, "AccessDenied")),
                              (604801, (403, "AccessDenied")),
                              ("x", (400, "AuthorizationQueryParametersError"))):
        url = presign(server, "GET", "/bucket/k", expires)
        assert send(server, "GET", url)[:2] == expected, expires


def test_presigned_headers_are_enforced(server):
    url = presign(server, "PUT", "/bucket/k", headers={"x-amz-meta-a": "1"})
    assert send(server, "PUT", url, {"x-amz-meta-a": "1"}, b"x")[0] == 200
    assert send(server, "PUT", url, {"x-amz-meta-a": "2"}, b"x")[0] == 403
    assert send(server, "PUT", url, {}, b"x")[0] == 403


def test_two_signatures_are_one_too_many(server):
    url = presign(server, "GET", "/bucket")
    headers = sigv4.sign("GET", *url.split("?"), {"host": f"127.0.0.1:{server.port}"},
                         access=ACCESS, secret=SECRET)
    assert send(server, "GET", url, headers)[0] == 400


def test_secrets_are_not_in_the_log(server):
    send(server, "GET", presign(server, "GET", "/bucket/k") + "x")
    signed(server, "GET", "/bucket")
    assert SECRET not in server.log and "Signature" not in server.log
