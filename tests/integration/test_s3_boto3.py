"""Buckets and objects through boto3: contents, metadata, ranges, conditions, copies, tags, checksums,
and what the directory then holds."""

import base64
import concurrent.futures
import datetime
import hashlib
import io
import os

import botocore.exceptions
import botocore.handlers
import pytest

import checksums
from conftest import client_for, error_of

SIZES = [0, 1, 4095, 65536, (1 << 20) + 1, 9 << 20]


@pytest.fixture
def put(s3, bucket):
    """Puts an object in the test's bucket."""
    return lambda key, body=b"", **more: s3.put_object(Bucket=bucket, Key=key, Body=body, **more)


@pytest.fixture
def get(s3, bucket):
    return lambda key, **more: s3.get_object(Bucket=bucket, Key=key, **more)


def body_of(reply):
    return reply["Body"].read()


# ---- buckets ----


def test_bucket_life(s3, server):
    s3.create_bucket(Bucket="bucket-life")
    assert not server.files or (server.root / "bucket-life").is_dir()
    assert s3.head_bucket(Bucket="bucket-life")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert "bucket-life" in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket="bucket-life")["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket="bucket-life")
    s3.put_object(Bucket="bucket-life", Key="a/b/c", Body=b"x")
    assert error_of(s3.delete_bucket, Bucket="bucket-life") == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="bucket-life", Key="a/b/c")
    s3.delete_bucket(Bucket="bucket-life")
    assert not server.files or not (server.root / "bucket-life").exists()
    assert error_of(s3.head_bucket, Bucket="bucket-life") == (404, "404")
    assert error_of(s3.delete_bucket, Bucket="bucket-life") == (404, "NoSuchBucket")


def test_bucket_again(s3, bucket):
    try:
        s3.create_bucket(Bucket=bucket)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou"


@pytest.mark.parametrize("name", ["ab", "UPPER", "under_score", "-lead", "dots..dots", "1.2.3.4",
                                  "x" * 64])
def test_bucket_names(server, name):
    client = client_for(server)
    client.meta.events.unregister("before-parameter-build.s3",
                                  botocore.handlers.validate_bucket_name)
    assert error_of(client.create_bucket, Bucket=name) == (400, "InvalidBucketName")
    assert not server.files or not (server.root / name).exists()


def test_buckets_are_directories(s3, server):
    (server.root / "made-by-hand").mkdir()
    (server.root / "a-file").write_text("not a bucket")
    names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert "made-by-hand" in names and "a-file" not in names
    assert ".lobos" not in names
    (server.root / "made-by-hand").rmdir()
    assert error_of(s3.list_objects_v2, Bucket="made-by-hand") == (404, "NoSuchBucket")


def test_list_buckets_pages(s3):
    for i in range(5):
        s3.create_bucket(Bucket=f"paged-{i}")
    seen, token = [], {}
    while True:
        page = s3.list_buckets(Prefix="paged-", MaxBuckets=2, **token)
        seen += [b["Name"] for b in page["Buckets"]]
        if "ContinuationToken" not in page:
            break
        token = {"ContinuationToken": page["ContinuationToken"]}
    assert seen == [f"paged-{i}" for i in range(5)]


# ---- objects ----


@pytest.mark.parametrize("size", SIZES)
def test_put_get_head(s3, server, bucket, put, get, size):
    body = os.urandom(size)
    etag = put("dir/file.bin", body)["ETag"]
    assert etag == checksums.etag(body)
    assert not server.files or (server.root / bucket / "dir" / "file.bin").read_bytes() == body
    reply = get("dir/file.bin")
    assert (reply["ContentLength"], reply["ETag"], body_of(reply)) == (size, etag, body)
    head = s3.head_object(Bucket=bucket, Key="dir/file.bin")
    assert (head["ContentLength"], head["ETag"]) == (size, etag)
    assert head["LastModified"] == reply["LastModified"]
    assert head["AcceptRanges"] == "bytes"


def test_overwrite(put, get):
    for body in (b"first", b"second, longer", b""):
        put("k", body)
        assert body_of(get("k")) == body


def test_missing(s3, bucket, get):
    assert error_of(get, "nothing") == (404, "NoSuchKey")
    assert error_of(s3.head_object, Bucket=bucket, Key="nothing") == (404, "404")
    assert error_of(s3.get_object, Bucket="no-such-bucket", Key="k") == (404, "NoSuchBucket")
    assert error_of(s3.put_object, Bucket="no-such-bucket", Key="k") == (404, "NoSuchBucket")
    assert s3.delete_object(Bucket=bucket, Key="nothing")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_an_object_is_not_a_directory(s3, bucket, put, get):
    put("dir/file", b"x")
    assert error_of(get, "dir") == (404, "NoSuchKey")
    assert error_of(get, "dir/") == (404, "NoSuchKey")
    assert error_of(get, "dir/file/deeper") == (404, "NoSuchKey")
    assert error_of(s3.head_object, Bucket=bucket, Key="dir") == (404, "404")


def test_delete_removes_empty_parents(s3, server, bucket, put):
    put("a/b/c/one", b"1")
    put("a/two", b"2")
    s3.delete_object(Bucket=bucket, Key="a/b/c/one")
    assert not server.files or not (server.root / bucket / "a" / "b").exists()
    assert not server.files or (server.root / bucket / "a" / "two").exists()


def test_metadata_comes_back(s3, bucket, put, get):
    system = {"ContentType": "text/x-test; charset=utf-8", "CacheControl": "max-age=5, private",
              "ContentDisposition": 'attachment; filename="a b.txt"', "ContentEncoding": "gzip",
              "ContentLanguage": "de-CH, en"}
    user = {"plain": "value", "mixed-case": "Value With  Spaces", "empty": ""}
    put("k", b"x", Metadata=user, Expires=datetime.datetime(2031, 5, 6, 7, 8, 9), **system)
    for reply in (get("k"), s3.head_object(Bucket=bucket, Key="k")):
        assert {k: reply[k] for k in system} == system
        assert reply["Metadata"].keys() == user.keys()
        assert reply["Metadata"]["plain"] == "value" and reply["Metadata"]["empty"] == ""
        assert reply["ResponseMetadata"]["HTTPHeaders"]["expires"].startswith("Tue, 06 May 2031")
    put("k", b"x")
    reply = get("k")
    assert reply["Metadata"] == {} and "CacheControl" not in reply
    assert reply["ContentType"] == "binary/octet-stream"


def test_metadata_is_bounded(put, get):
    put("fits", b"", Metadata={"a": "x" * 2000})
    assert get("fits")["Metadata"]["a"] == "x" * 2000
    assert error_of(put, "k", b"", Metadata={"a": "x" * 2100}) == (400, "MetadataTooLarge")
    assert error_of(get, "k") == (404, "NoSuchKey")


def test_storage_class(s3, bucket, put):
    put("k", b"x", StorageClass="REDUCED_REDUNDANCY")
    assert s3.head_object(Bucket=bucket, Key="k")["StorageClass"] == "REDUCED_REDUNDANCY"
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["StorageClass"] == "REDUCED_REDUNDANCY"
    assert error_of(put, "k", b"x", StorageClass="NONSENSE") == (400, "InvalidStorageClass")


def test_content_md5(put, get):
    right = base64.b64encode(hashlib.md5(b"body").digest()).decode()
    wrong = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    put("k", b"body", ContentMD5=right)
    assert error_of(put, "k", b"body", ContentMD5=wrong) == (400, "BadDigest")
    assert error_of(put, "k", b"body", ContentMD5="AAAA") == (400, "InvalidDigest")
    assert body_of(get("k")) == b"body"


def test_response_overrides(put, get):
    put("k", b"x", ContentType="text/plain")
    reply = get("k", ResponseContentType="text/html", ResponseCacheControl="no-store",
                ResponseContentDisposition="inline", ResponseContentEncoding="br",
                ResponseContentLanguage="fr",
                ResponseExpires=datetime.datetime(2033, 1, 2, 3, 4, 5))
    assert (reply["ContentType"], reply["CacheControl"], reply["ContentDisposition"],
            reply["ContentEncoding"], reply["ContentLanguage"]) == ("text/html", "no-store",
                                                                   "inline", "br", "fr")
    assert reply["ResponseMetadata"]["HTTPHeaders"]["expires"].startswith("Sun, 02 Jan 2033")


def test_versions_are_null_only(s3, bucket, put, get):
    put("k", b"x")
    assert body_of(get("k", VersionId="null")) == b"x"
    assert error_of(get, "k", VersionId="3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY") == (
        400, "InvalidArgument")
    status, code = error_of(get, "k", VersionId="0123456789abcdefghij")
    assert code in ("NoSuchVersion", "InvalidArgument") and status in (400, 404)
    s3.delete_object(Bucket=bucket, Key="k", VersionId="null")
    assert error_of(get, "k") == (404, "NoSuchKey")


# ---- ranges ----


@pytest.mark.parametrize("value, first, last", [
    ("bytes=0-0", 0, 0), ("bytes=0-99", 0, 99), ("bytes=500-599", 500, 599),
    ("bytes=990-", 990, 999), ("bytes=-10", 990, 999), ("bytes=900-5000", 900, 999),
    ("bytes=-5000", 0, 999), ("bytes=999-999", 999, 999),
])
def test_ranges(put, get, value, first, last):
    body = bytes(i % 251 for i in range(1000))
    put("k", body)
    reply = get("k", Range=value)
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert reply["ContentRange"] == f"bytes {first}-{last}/1000"
    assert body_of(reply) == body[first:last + 1]


@pytest.mark.parametrize("value", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_ranges_that_cannot_be_had(put, get, value):
    put("k", b"x" * 1000)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        get("k", Range=value)
    reply = caught.value.response
    assert (reply["ResponseMetadata"]["HTTPStatusCode"], reply["Error"]["Code"]) == (
        416, "InvalidRange")
    assert reply["ResponseMetadata"]["HTTPHeaders"]["content-range"] == "bytes */1000"


@pytest.mark.parametrize("value", ["bytes=5-2", "bytes=a-b", "lines=0-5", "bytes=", "bytes=--5"])
def test_ranges_that_are_none(put, get, value):
    put("k", b"x" * 1000)
    reply = get("k", Range=value)
    assert (reply["ResponseMetadata"]["HTTPStatusCode"], reply["ContentLength"]) == (200, 1000)


def test_range_of_an_empty_object(put, get):
    put("k", b"")
    assert error_of(get, "k", Range="bytes=0-99") == (416, "InvalidRange")


def test_many_ranges_of_a_large_object(put, get):
    body = os.urandom(20 << 20)
    put("k", body)
    step = 1_234_567

    def check(at):
        last = min(at + step, len(body)) - 1
        return body_of(get("k", Range=f"bytes={at}-{last}")) == body[at:last + 1]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(check, range(0, len(body), step)))


# ---- conditions ----


def test_conditional_reads(s3, bucket, put, get):
    etag = put("k", b"x")["ETag"]
    time = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    before, after = (time + datetime.timedelta(hours=h) for h in (-1, 1))
    assert body_of(get("k", IfMatch=etag)) == b"x"
    assert body_of(get("k", IfMatch="*")) == b"x"
    assert error_of(get, "k", IfMatch='"other"') == (412, "PreconditionFailed")
    assert error_of(get, "k", IfNoneMatch=etag) == (304, "304")
    assert error_of(get, "k", IfNoneMatch="*") == (304, "304")
    assert body_of(get("k", IfNoneMatch='"other"')) == b"x"
    assert error_of(get, "k", IfModifiedSince=after - datetime.timedelta(hours=1)) == (304, "304")
    assert body_of(get("k", IfModifiedSince=before)) == b"x"
    assert error_of(get, "k", IfUnmodifiedSince=before) == (412, "PreconditionFailed")
    assert body_of(get("k", IfUnmodifiedSince=after)) == b"x"
    assert body_of(get("k", IfMatch=etag, IfUnmodifiedSince=before)) == b"x"
    assert body_of(get("k", IfNoneMatch='"other"', IfModifiedSince=time)) == b"x"
    assert error_of(s3.head_object, Bucket=bucket, Key="k", IfNoneMatch=etag) == (304, "304")
    assert error_of(s3.head_object, Bucket=bucket, Key="k", IfMatch='"other"') == (412, "412")


def test_conditional_writes(put, get):
    etag = put("k", b"one", IfNoneMatch="*")["ETag"]
    assert error_of(put, "k", b"two", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert error_of(put, "k", b"two", IfMatch='"other"') == (412, "PreconditionFailed")
    assert error_of(put, "absent", b"x", IfMatch=etag) == (404, "NoSuchKey")
    put("k", b"two", IfMatch=etag)
    assert body_of(get("k")) == b"two"
    assert error_of(get, "absent") == (404, "NoSuchKey")


def test_conditional_delete(s3, bucket, put, get):
    etag = put("k", b"one")["ETag"]
    assert error_of(s3.delete_object, Bucket=bucket, Key="k", IfMatch='"other"') == (
        412, "PreconditionFailed")
    assert body_of(get("k")) == b"one"
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)
    assert error_of(get, "k") == (404, "NoSuchKey")


def test_one_of_many_creates(put, get):
    def attempt(i):
        try:
            put("race", b"%d" % i, IfNoneMatch="*")
            return i
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] in ("PreconditionFailed",
                                                       "ConditionalRequestConflict")
            return None

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        winners = [w for w in pool.map(attempt, range(16)) if w is not None]
    assert len(winners) == 1
    assert body_of(get("race")) == b"%d" % winners[0]


# ---- copies ----


def test_copy_takes_content_and_metadata(s3, server, bucket, put, get):
    body = os.urandom(3 << 20)
    put("from/here", body, Metadata={"a": "b"}, ContentType="text/plain")
    reply = s3.copy_object(Bucket=bucket, Key="to/there",
                           CopySource={"Bucket": bucket, "Key": "from/here"})
    assert reply["CopyObjectResult"]["ETag"] == checksums.etag(body)
    copied = get("to/there")
    assert (body_of(copied), copied["Metadata"], copied["ContentType"]) == (body, {"a": "b"},
                                                                            "text/plain")
    assert not server.files or (server.root / bucket / "to" / "there").read_bytes() == body


def test_copy_replaces_metadata(s3, bucket, put, get):
    put("k", b"x", Metadata={"a": "b"}, ContentType="text/plain")
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="k", CopySource=source, MetadataDirective="REPLACE",
                   Metadata={"c": "d"}, ContentType="text/html")
    reply = get("k")
    assert (reply["Metadata"], reply["ContentType"], body_of(reply)) == ({"c": "d"}, "text/html",
                                                                         b"x")
    assert error_of(s3.copy_object, Bucket=bucket, Key="k", CopySource=source) == (
        400, "InvalidRequest")


def test_copy_between_buckets_with_odd_names(s3, bucket, put):
    s3.create_bucket(Bucket=bucket + "-b")
    key = "dir/ä +%20&?=.txt"
    put(key, b"odd")
    for source in ({"Bucket": bucket, "Key": key}, f"{bucket}/{key}", f"/{bucket}/{key}"):
        s3.copy_object(Bucket=bucket + "-b", Key=key, CopySource=source)
        assert body_of(s3.get_object(Bucket=bucket + "-b", Key=key)) == b"odd"
        s3.delete_object(Bucket=bucket + "-b", Key=key)


def test_copy_conditions(s3, bucket, put):
    etag = put("k", b"x")["ETag"]
    arguments = {"Bucket": bucket, "Key": "k2", "CopySource": {"Bucket": bucket, "Key": "k"}}
    failed = (412, "PreconditionFailed")
    assert error_of(s3.copy_object, CopySourceIfMatch='"other"', **arguments) == failed
    assert error_of(s3.copy_object, CopySourceIfNoneMatch=etag, **arguments) == failed
    past = datetime.datetime(2001, 1, 1)
    assert error_of(s3.copy_object, CopySourceIfUnmodifiedSince=past, **arguments) == failed
    s3.copy_object(CopySourceIfMatch=etag, CopySourceIfModifiedSince=past, **arguments)
    missing = {**arguments, "CopySource": {"Bucket": bucket, "Key": "missing"}}
    assert error_of(s3.copy_object, **missing) == (404, "NoSuchKey")
    missing["CopySource"] = {"Bucket": "no-such-bucket", "Key": "k"}
    assert error_of(s3.copy_object, **missing) == (404, "NoSuchBucket")


# ---- tags, attributes ----

TAGS = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "key with ü", "Value": "v & <w>"}]}


def test_tags(s3, bucket, put, get):
    put("k", b"x", Metadata={"kept": "yes"})
    etag = get("k")["ETag"]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=TAGS)
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == TAGS["TagSet"]
    reply = get("k")
    assert (reply["TagCount"], reply["Metadata"], reply["ETag"]) == (2, {"kept": "yes"}, etag)
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert error_of(s3.get_object_tagging, Bucket=bucket, Key="absent") == (404, "NoSuchKey")


def test_tags_with_the_object(s3, bucket, put):
    put("k", b"x", Tagging="a=1&key%20with%20%C3%BC=v%20%26%20%3Cw%3E")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == TAGS["TagSet"]
    source = {"Bucket": bucket, "Key": "k"}
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source)
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == TAGS["TagSet"]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=source, TaggingDirective="REPLACE",
                   Tagging="b=2")
    assert s3.get_object_tagging(Bucket=bucket, Key="copy")["TagSet"] == [
        {"Key": "b", "Value": "2"}]


@pytest.mark.parametrize("tags", [
    [{"Key": str(i), "Value": ""} for i in range(11)],
    [{"Key": "k" * 129, "Value": ""}],
    [{"Key": "k", "Value": "v" * 257}],
    [{"Key": "same", "Value": "1"}, {"Key": "same", "Value": "2"}],
])
def test_tags_that_are_refused(s3, bucket, put, tags):
    put("k", b"x")
    status, code = error_of(s3.put_object_tagging, Bucket=bucket, Key="k",
                            Tagging={"TagSet": tags})
    assert status == 400 and code in ("InvalidTag", "BadRequest")


def test_attributes(s3, bucket, put):
    put("k", b"body", ChecksumAlgorithm="SHA256")
    reply = s3.get_object_attributes(
        Bucket=bucket, Key="k",
        ObjectAttributes=["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"])
    assert reply["ETag"] == checksums.etag(b"body").strip('"')
    assert reply["Checksum"]["ChecksumSHA256"] == checksums.encoded("SHA256", b"body")
    assert (reply["ObjectSize"], reply["StorageClass"]) == (4, "STANDARD")
    assert "ObjectParts" not in reply
    only = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"])
    assert "ETag" not in only and only["ObjectSize"] == 4


# ---- checksums ----


@pytest.fixture(scope="module")
def secure(certificate):
    """A server with TLS: there boto3 sends checksums in trailers."""
    import lobos
    made = lobos.Lobos(tls=certificate, buckets=["bucket"]).start()
    yield client_for(made, verify=str(certificate[0]))
    made.close()


@pytest.mark.parametrize("name", checksums.NAMES)
def test_checksums_in_headers(s3, bucket, put, get, name):
    body = os.urandom(300_000)
    field, value = f"Checksum{name}", checksums.encoded(name, body)
    assert put("k", body, ChecksumAlgorithm=name)[field] == value
    assert put("given", body, **{field: value})[field] == value
    for key in ("k", "given"):
        reply = get(key, ChecksumMode="ENABLED")
        assert (reply[field], reply["ChecksumType"]) == (value, "FULL_OBJECT")
        assert body_of(reply) == body
        assert s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")[field] == value
        assert field not in s3.head_object(Bucket=bucket, Key=key)
        assert field not in get(key, ChecksumMode="ENABLED", Range="bytes=0-9")
    wrong = {field: checksums.encoded(name, b"other")}
    assert error_of(put, "wrong", body, **wrong) == (400, "BadDigest")
    assert error_of(get, "wrong") == (404, "NoSuchKey")
    listed = {o["Key"]: o for o in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed["k"]["ChecksumAlgorithm"] == [name]


@pytest.mark.parametrize("name", checksums.NAMES)
@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_checksums_in_trailers(secure, name, size):
    body = os.urandom(size)
    secure.put_object(Bucket="bucket", Key=name, Body=io.BytesIO(body), ChecksumAlgorithm=name)
    reply = secure.get_object(Bucket="bucket", Key=name, ChecksumMode="ENABLED")
    assert reply[f"Checksum{name}"] == checksums.encoded(name, body)
    assert body_of(reply) == body
    assert "ContentEncoding" not in reply


def test_copy_keeps_or_makes_a_checksum(s3, bucket, put):
    put("k", b"body", ChecksumAlgorithm="SHA1")
    source = {"Bucket": bucket, "Key": "k"}
    reply = s3.copy_object(Bucket=bucket, Key="same", CopySource=source)
    assert reply["CopyObjectResult"]["ChecksumSHA1"] == checksums.encoded("SHA1", b"body")
    reply = s3.copy_object(Bucket=bucket, Key="other", CopySource=source,
                           ChecksumAlgorithm="CRC32C")
    assert reply["CopyObjectResult"]["ChecksumCRC32C"] == checksums.encoded("CRC32C", b"body")


# ---- keys ----

KEYS = ["plain", "ü/日本/🙂", "with space", "plus+plus", "percent%41%2F", "a//b", "//lead", "../x",
        "a/../../../etc/passwd", "./x", "x/.", "x/..", ".", "..", "/", "/abs", "trail/", "trail//",
        ".lobos", ".lobos/tmp/x", ".lobosx", ".hidden", "a\\b", "quote\"'<>&", "semi;colon,comma",
        "!'()*~-_.", "#?&=:@[]{}|^`$", "tab\tkey", "x" * 255, "x" * 256, "x" * 300 + "/y",
        "y/" * 300 + "z", "é" * 512, "\u0301combining", "CON", "a\u00a0b"]


@pytest.mark.parametrize("key", KEYS, ids=lambda k: k[:20].encode("unicode_escape").decode())
def test_odd_keys(s3, server, bucket, put, get, key):
    assert len(key.encode()) <= 1024
    body = key.encode() + b"!"
    put(key, body, Metadata={"a": "b"})
    reply = get(key)
    assert body_of(reply) == body and reply["Metadata"] == {"a": "b"}
    assert s3.head_object(Bucket=bucket, Key=key)["ContentLength"] == len(body)
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    listed = s3.list_objects(Bucket=bucket, Prefix=key)["Contents"]
    assert [(o["Key"], o["ETag"]) for o in listed] == [(key, checksums.etag(body))]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert body_of(get("copy")) == body
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert error_of(get, key) == (404, "NoSuchKey")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    s3.delete_bucket(Bucket=bucket)


def test_keys_beside_each_other(s3, bucket, put, get):
    keys = ["a", "a/", "a//", "a/b", "a/b/c", "a/b/", "a/.", "a.b", "a b"]
    for order in (keys, keys[::-1]):
        for key in order:
            put(key, key.encode())
        for key in keys:
            assert body_of(get(key)) == key.encode()
        listed = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]]
        assert listed == sorted(keys, key=str.encode)
        for key in order:
            s3.delete_object(Bucket=bucket, Key=key)
            assert error_of(get, key) == (404, "NoSuchKey")
        assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_longest_key(put, get):
    put("k" * 1024, b"x")
    assert body_of(get("k" * 1024)) == b"x"
    assert error_of(put, "k" * 1025, b"x") == (400, "KeyTooLongError")


# ---- the directory ----


def test_foreign_files_are_objects_at_once(s3, server, bucket, get):
    folder = server.root / bucket / "by" / "hand"
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    folder.mkdir(parents=True)
    (folder / "note.txt").write_bytes(b"by hand")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(o["Key"], o["Size"]) for o in listed] == [("by/hand/note.txt", 7)]
    reply = get("by/hand/note.txt")
    assert (body_of(reply), reply["ContentType"]) == (b"by hand", "text/plain")
    assert reply["ETag"] == listed[0]["ETag"]
    (folder / "note.txt").write_bytes(b"changed by hand")
    changed = get("by/hand/note.txt")
    assert body_of(changed) == b"changed by hand" and changed["ETag"] != reply["ETag"]
    (folder / "note.txt").unlink()
    assert error_of(get, "by/hand/note.txt") == (404, "NoSuchKey")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_an_object_changed_by_hand_loses_its_etag(server, bucket, put, get):
    etag = put("k", b"by lobos")["ETag"]
    (server.root / bucket / "k").write_bytes(b"by hand")
    reply = get("k")
    assert body_of(reply) == b"by hand" and reply["ETag"] != etag


def test_symlinks_do_not_lead_out(s3, server, bucket, get, tmp_path):
    (tmp_path / "secret").write_text("outside")
    (server.root / bucket / "link").symlink_to(tmp_path / "secret")
    (server.root / bucket / "dir").symlink_to(tmp_path)
    assert error_of(get, "link")[0] in (403, 404)
    assert error_of(get, "dir/secret")[0] in (403, 404)
    s3.put_object(Bucket=bucket, Key="dir/new", Body=b"x")
    assert body_of(get("dir/new")) == b"x" and not (tmp_path / "new").exists()


def test_special_files_are_no_objects(s3, server, bucket, get):
    os.mkfifo(server.root / bucket / "pipe")
    assert error_of(get, "pipe")[0] in (403, 404)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


# ---- deletes ----


def test_delete_many(s3, bucket, put):
    keys = [f"dir{i % 7}/{i}" for i in range(250)]
    for key in keys[:200]:
        put(key, b"x")
    objects = [{"Key": k} for k in keys]
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [d["Key"] for d in reply["Deleted"]] == keys and "Errors" not in reply
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    assert "Deleted" not in quiet and "Errors" not in quiet


def test_delete_many_is_bounded(s3, bucket):
    objects = [{"Key": str(i)} for i in range(1001)]
    assert error_of(s3.delete_objects, Bucket=bucket, Delete={"Objects": objects}) == (
        400, "MalformedXML")


# ---- what is not there ----


@pytest.mark.parametrize("call", [
    lambda s3, b: s3.get_bucket_cors(Bucket=b),
    lambda s3, b: s3.get_bucket_policy(Bucket=b), lambda s3, b: s3.get_bucket_lifecycle(Bucket=b),
    lambda s3, b: s3.get_bucket_website(Bucket=b),
    lambda s3, b: s3.get_bucket_encryption(Bucket=b),
    lambda s3, b: s3.get_object_lock_configuration(Bucket=b),
    lambda s3, b: s3.get_object_retention(Bucket=b, Key="k"),
    lambda s3, b: s3.put_object_acl(Bucket=b, Key="k", GrantRead="id=bob"),
    lambda s3, b: s3.put_bucket_policy(Bucket=b, Policy="{}"),
    lambda s3, b: s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={
        "Status": "Enabled", "MFADelete": "Enabled"}),
    lambda s3, b: s3.delete_bucket_policy(Bucket=b), lambda s3, b: s3.delete_bucket_cors(Bucket=b),
    lambda s3, b: s3.put_object(Bucket=b, Key="k", Body=b"new", ServerSideEncryption="AES256"),
    lambda s3, b: s3.put_object(Bucket=b, Key="k", Body=b"new", ACL="aws-exec-read"),
    lambda s3, b: s3.restore_object(Bucket=b, Key="k", RestoreRequest={"Days": 1}),
])
def test_what_is_not_there_says_so(s3, bucket, put, get, call):
    put("k", b"kept")
    status, code = error_of(call, s3, bucket)
    assert (status, code) == (501, "NotImplemented")
    assert body_of(get("k")) == b"kept" and s3.head_bucket(Bucket=bucket)
