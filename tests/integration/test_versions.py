"""Versioned buckets through boto3: versions, delete markers, restoring, lists of many versions, suspended
buckets, and that no version is lost whoever writes at once."""

import concurrent.futures
import re

import pytest

from conftest import client_for, error_of

KEYS = ["plain", "dir/file", "a//b", "x/", "dir", "%2e", "ü ö", "k" * 300]
ID = re.compile("[0-9a-z]{16,32}")


def configure(s3, bucket, status):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


@pytest.fixture
def versioned(s3, bucket):
    configure(s3, bucket, "Enabled")
    return bucket


def put(s3, bucket, key, body, **more):
    return s3.put_object(Bucket=bucket, Key=key, Body=body, **more).get("VersionId")


def body(s3, bucket, key, version=None):
    more = {"VersionId": version} if version else {}
    return s3.get_object(Bucket=bucket, Key=key, **more)["Body"].read()


def listed(s3, bucket, **more):
    """Of each key its versions, newest first, and then its markers (id and "x"), newest first."""
    found, latest = {}, {}
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, **more):
        for kind, sign in (("Versions", ""), ("DeleteMarkers", "x")):
            for entry in page.get(kind, []):
                key = entry["Key"]
                found.setdefault(key, {}).setdefault(kind, []).append(entry["VersionId"] + sign)
                latest[key] = latest.get(key, 0) + entry["IsLatest"]
    assert all(latest[key] == 1 for key in found)
    return {key: kinds.get("Versions", []) + kinds.get("DeleteMarkers", [])
            for key, kinds in found.items()}


def empty(s3, bucket):
    """Removes every version and marker."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        targets = [{"Key": v["Key"], "VersionId": v["VersionId"]}
                   for v in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        if targets:
            reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": targets})
            assert "Errors" not in reply and len(reply["Deleted"]) == len(targets)


@pytest.mark.parametrize("key", KEYS)
def test_versions_of_a_key(s3, bucket, key):
    assert put(s3, bucket, key, b"zero") is None
    configure(s3, bucket, "Enabled")
    ids = [put(s3, bucket, key, b"%d" % i, Metadata={"n": str(i)}) for i in range(4)]
    assert all(ID.fullmatch(i) for i in ids) and ids == sorted(ids) and len(set(ids)) == 4
    assert body(s3, bucket, key) == b"3"
    for i, version in enumerate(ids):
        reply = s3.get_object(Bucket=bucket, Key=key, VersionId=version)
        assert (reply["Body"].read(), reply["VersionId"], reply["Metadata"]["n"]) == (
            b"%d" % i, version, str(i))
    assert body(s3, bucket, key, "null") == b"zero"
    assert listed(s3, bucket) == {key: ids[::-1] + ["null"]}
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key, VersionId=ids[3])
    assert body(s3, bucket, key) == b"2"
    s3.delete_object(Bucket=bucket, Key=key, VersionId=ids[1])
    assert listed(s3, bucket) == {key: [ids[2], ids[0], "null"]}
    empty(s3, bucket)
    s3.delete_bucket(Bucket=bucket)


@pytest.mark.parametrize("key", KEYS)
def test_delete_and_undelete(s3, versioned, key):
    first = put(s3, versioned, key, b"1")
    reply = s3.delete_object(Bucket=versioned, Key=key)
    marker = reply["VersionId"]
    assert reply["DeleteMarker"] and marker > first
    assert error_of(s3.get_object, Bucket=versioned, Key=key) == (404, "NoSuchKey")
    assert error_of(s3.get_object, Bucket=versioned, Key=key,
                    VersionId=marker) == (405, "MethodNotAllowed")
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    assert listed(s3, versioned) == {key: [first, marker + "x"]}
    assert error_of(s3.delete_bucket, Bucket=versioned) == (409, "BucketNotEmpty")
    reply = s3.delete_object(Bucket=versioned, Key=key, VersionId=marker)
    assert reply["DeleteMarker"] and reply["VersionId"] == marker
    assert body(s3, versioned, key) == b"1"
    assert listed(s3, versioned) == {key: [first]}


def test_keys_in_each_others_way(s3, versioned):
    """A key that is another's folder can't have both in their places; versions of both are kept."""
    ids = {key: [put(s3, versioned, key, key.encode() + b"%d" % i) for i in range(2)]
           for key in ["a", "a/b", "a/b/c", "a/"]}
    assert listed(s3, versioned) == {key: versions[::-1] for key, versions in ids.items()}
    s3.delete_object(Bucket=versioned, Key="a/b")
    assert body(s3, versioned, "a/b/c") == b"a/b/c1"
    for key, versions in ids.items():
        assert body(s3, versioned, key, versions[0]) == key.encode() + b"0"
    empty(s3, versioned)
    s3.delete_bucket(Bucket=versioned)


def test_marker_of_a_key_that_never_was(s3, versioned):
    reply = s3.delete_object(Bucket=versioned, Key="never")
    assert reply["DeleteMarker"]
    assert listed(s3, versioned) == {"never": [reply["VersionId"] + "x"]}
    s3.delete_object(Bucket=versioned, Key="never", VersionId=reply["VersionId"])
    s3.delete_bucket(Bucket=versioned)


def test_restore_by_copy(s3, versioned):
    first = put(s3, versioned, "k", b"good", ContentType="text/x")
    second = put(s3, versioned, "k", b"bad")
    reply = s3.copy_object(Bucket=versioned, Key="k",
                           CopySource={"Bucket": versioned, "Key": "k", "VersionId": first})
    assert reply["CopySourceVersionId"] == first and reply["VersionId"] > second
    reply = s3.get_object(Bucket=versioned, Key="k")
    assert (reply["Body"].read(), reply["ContentType"]) == (b"good", "text/x")
    assert body(s3, versioned, "k", second) == b"bad"


def test_multipart(s3, versioned):
    first = put(s3, versioned, "k", b"1")
    upload = s3.create_multipart_upload(Bucket=versioned, Key="k")["UploadId"]
    arguments = {"Bucket": versioned, "Key": "k", "UploadId": upload}
    s3.upload_part_copy(**arguments, PartNumber=1,
                        CopySource={"Bucket": versioned, "Key": "k", "VersionId": first})
    second = put(s3, versioned, "k", b"2")
    etag = s3.list_parts(**arguments)["Parts"][0]["ETag"]
    reply = s3.complete_multipart_upload(
        **arguments, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert reply["VersionId"] > second
    assert body(s3, versioned, "k") == b"1"
    assert listed(s3, versioned) == {"k": [reply["VersionId"], second, first]}


def test_many_versions_in_pages(s3, versioned):
    """500 versions of one key and some of others, in pages of every kind of size."""
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda i: put(s3, versioned, "many", b"%d" % i), range(500)))
    others = {f"m{i:02}": [put(s3, versioned, f"m{i:02}", b"x") for _ in range(2)][::-1]
              for i in range(10)}
    assert len(set(ids)) == 500
    expected = {**others, "many": sorted(ids, reverse=True)}
    for size in [1000, 500, 77, 3]:
        assert listed(s3, versioned, PaginationConfig={"PageSize": size}) == expected
    for i in [0, 100, 499]:
        assert body(s3, versioned, "many", ids[i]) == b"%d" % i
    empty(s3, versioned)
    assert listed(s3, versioned) == {}


def test_suspended(s3, versioned):
    first = put(s3, versioned, "k", b"1")
    configure(s3, versioned, "Suspended")
    assert s3.get_bucket_versioning(Bucket=versioned)["Status"] == "Suspended"
    assert put(s3, versioned, "k", b"2") is None  # S3 does not tell of a null version here
    assert put(s3, versioned, "k", b"3") is None
    assert s3.get_object(Bucket=versioned, Key="k")["VersionId"] == "null"
    assert listed(s3, versioned) == {"k": ["null", first]}
    assert (body(s3, versioned, "k"), body(s3, versioned, "k", first)) == (b"3", b"1")
    reply = s3.delete_object(Bucket=versioned, Key="k")
    assert (reply["DeleteMarker"], reply["VersionId"]) == (True, "null")
    assert listed(s3, versioned) == {"k": [first, "nullx"]}
    configure(s3, versioned, "Enabled")
    second = put(s3, versioned, "k", b"4")
    assert listed(s3, versioned) == {"k": [second, first, "nullx"]}
    s3.delete_object(Bucket=versioned, Key="k", VersionId="null")
    assert listed(s3, versioned) == {"k": [second, first]}


def test_conditions(s3, versioned):
    put(s3, versioned, "k", b"1")
    assert error_of(put, s3, versioned, "k", b"2", IfNoneMatch="*") == (412, "PreconditionFailed")
    s3.delete_object(Bucket=versioned, Key="k")
    assert error_of(put, s3, versioned, "k", b"2", IfMatch="*") == (404, "NoSuchKey")
    put(s3, versioned, "k", b"2", IfNoneMatch="*")
    assert body(s3, versioned, "k") == b"2"


def test_meta_of_versions(s3, versioned):
    first, second = put(s3, versioned, "k", b"1"), put(s3, versioned, "k", b"2")
    tags = [{"Key": "a", "Value": "b"}]
    s3.put_object_tagging(Bucket=versioned, Key="k", VersionId=first, Tagging={"TagSet": tags})
    s3.put_object_acl(Bucket=versioned, Key="k", VersionId=first, ACL="public-read")
    reply = s3.get_object_tagging(Bucket=versioned, Key="k", VersionId=first)
    assert (reply["TagSet"], reply["VersionId"]) == (tags, first)
    reply = s3.get_object_tagging(Bucket=versioned, Key="k")
    assert (reply["TagSet"], reply["VersionId"]) == ([], second)
    assert len(s3.get_object_acl(Bucket=versioned, Key="k", VersionId=first)["Grants"]) == 2
    assert len(s3.get_object_acl(Bucket=versioned, Key="k")["Grants"]) == 1
    reply = s3.get_object_attributes(Bucket=versioned, Key="k", VersionId=first,
                                     ObjectAttributes=["ObjectSize", "ETag"])
    assert (reply["VersionId"], reply["ObjectSize"]) == (first, 1)


def test_changes_at_once_lose_nothing(s3, bucket):
    """ACL and tags of one object, and of one bucket, by many at once."""
    put(s3, bucket, "k", b"x")
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    changes = [lambda: s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read"),
               lambda: s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tags),
               lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read"),
               lambda: s3.put_bucket_tagging(Bucket=bucket, Tagging=tags),
               lambda: configure(s3, bucket, "Enabled")]
    with concurrent.futures.ThreadPoolExecutor(len(changes)) as pool:
        for _ in range(10):
            list(pool.map(lambda change: change(), changes))
            assert len(s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]) == 2
            assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags["TagSet"]
            assert len(s3.get_bucket_acl(Bucket=bucket)["Grants"]) == 2
            assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]
            assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
            s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
            s3.delete_object_tagging(Bucket=bucket, Key="k")
            s3.put_bucket_acl(Bucket=bucket, ACL="private")
            s3.delete_bucket_tagging(Bucket=bucket)
            configure(s3, bucket, "Suspended")


def test_seen_by_all_loops_at_once(make_server):
    """Once PutBucketVersioning has returned, no write of any connection loses the object before."""
    server = make_server(threads=2, durability="relaxed")
    clients = [client_for(server) for _ in range(16)]
    for n in range(20):
        bucket = f"fresh{n}"
        clients[0].create_bucket(Bucket=bucket)
        for i, client in enumerate(clients):
            put(client, bucket, f"k{i}", b"before")
        configure(clients[n % 16], bucket, "Enabled")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            ids = list(pool.map(lambda i, b=bucket: put(clients[i], b, f"k{i}", b"after"), range(16)))
        assert all(ID.fullmatch(i or "") for i in ids)
        assert all(body(clients[0], bucket, f"k{i}", "null") == b"before" for i in range(16))


def test_versions_survive_a_restart(make_server):
    server = make_server()
    s3 = client_for(server)
    s3.create_bucket(Bucket="kept")
    configure(s3, "kept", "Enabled")
    ids = [put(s3, "kept", "k", b"%d" % i) for i in range(3)]
    marker = s3.delete_object(Bucket="kept", Key="k")["VersionId"]
    server.stop()
    s3 = client_for(server.start())
    assert listed(s3, "kept") == {"k": [*ids[::-1], marker + "x"]}
    assert [body(s3, "kept", "k", i) for i in ids] == [b"0", b"1", b"2"]
    assert put(s3, "kept", "k", b"3") > marker
