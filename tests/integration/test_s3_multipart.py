"""Multipart uploads through boto3."""

import concurrent.futures
import io
import os

import botocore.exceptions
import pytest

import checksums
from conftest import client_for, error_of

PART = 5 << 20


class Upload:
    """An upload in progress."""

    def __init__(self, s3, bucket, key, **more):
        self.s3, self.where = s3, {"Bucket": bucket, "Key": key}
        self.where["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key=key,
                                                            **more)["UploadId"]
        self.parts = {}

    def part(self, number, body, **more):
        reply = self.s3.upload_part(PartNumber=number, Body=body, **more, **self.where)
        self.parts[number] = {k: v for k, v in reply.items() if k.startswith(("ETag", "Checksum"))
                              and k != "ChecksumType"}
        return reply

    def complete(self, numbers=None, **more):
        parts = [{"PartNumber": n, **self.parts[n]} for n in numbers or sorted(self.parts)]
        return self.s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **more,
                                                 **self.where)

    def abort(self):
        return self.s3.abort_multipart_upload(**self.where)


@pytest.fixture(scope="module")
def bodies():
    return [os.urandom(PART), os.urandom(PART + 4321), os.urandom(100_001)]


def get(s3, bucket, key, **more):
    reply = s3.get_object(Bucket=bucket, Key=key, **more)
    return reply, reply["Body"].read()


def hidden_files(server, bucket):
    """What uploads keep beside the objects, where they are files."""
    own = server.root / bucket / ".lobos"
    return [p for name in ("tmp", "uploads") for p in (own / name).rglob("*") if p.is_file()]


def test_upload(s3, server, bucket, bodies):
    upload = Upload(s3, bucket, "dir/large", Metadata={"a": "b"}, ContentType="text/x-large")
    for number, body in zip((2, 1, 3), (bodies[1], bodies[0], bodies[2])):
        assert upload.part(number, body)["ETag"] == checksums.etag(body)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    assert error_of(s3.get_object, Bucket=bucket, Key="dir/large") == (404, "NoSuchKey")
    whole, etag = b"".join(bodies), checksums.multipart_etag(bodies)
    assert upload.complete()["ETag"] == etag
    reply, got = get(s3, bucket, "dir/large")
    assert (got == whole, reply["ETag"], reply["Metadata"], reply["ContentType"]) == (
        True, etag, {"a": "b"}, "text/x-large")
    assert not server.files or (server.root / bucket / "dir" / "large").read_bytes() == whole
    assert get(s3, bucket, "dir/large", Range=f"bytes={PART - 5}-{PART + 4}")[1] == (
        whole[PART - 5:PART + 5])
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(o["Key"], o["ETag"], o["Size"]) for o in listed] == [("dir/large", etag, len(whole))]
    assert not server.files or hidden_files(server, bucket) == []


def test_part_numbers_of_the_object(s3, bucket, bodies):
    upload = Upload(s3, bucket, "k")
    for number, body in zip((1, 7, 20), bodies):
        upload.part(number, body)
    upload.complete()
    for number, body in enumerate(bodies, 1):
        reply, got = get(s3, bucket, "k", PartNumber=number)
        assert (reply["ResponseMetadata"]["HTTPStatusCode"], reply["PartsCount"], got == body) == (
            206, 3, True)
        head = s3.head_object(Bucket=bucket, Key="k", PartNumber=number)
        assert (head["ContentLength"], head["PartsCount"]) == (len(body), 3)
    assert error_of(s3.get_object, Bucket=bucket, Key="k", PartNumber=4)[0] in (400, 416)
    s3.put_object(Bucket=bucket, Key="plain", Body=b"x")
    assert get(s3, bucket, "plain", PartNumber=1)[1] == b"x"
    assert error_of(s3.get_object, Bucket=bucket, Key="plain", PartNumber=2)[0] in (400, 416)


def test_a_part_again_wins(s3, bucket, bodies):
    upload = Upload(s3, bucket, "k")
    upload.part(1, b"first")
    upload.part(1, bodies[2])
    upload.complete()
    assert get(s3, bucket, "k")[1] == bodies[2]


def test_not_all_parts_need_be_taken(s3, bucket, bodies):
    upload = Upload(s3, bucket, "k")
    for number, body in enumerate(bodies, 1):
        upload.part(number, body)
    assert upload.complete([1, 3])["ETag"] == checksums.multipart_etag([bodies[0], bodies[2]])
    assert get(s3, bucket, "k")[1] == bodies[0] + bodies[2]


def test_mistakes(s3, server, bucket, bodies):
    upload = Upload(s3, bucket, "k")
    upload.part(1, bodies[0])
    upload.part(2, bodies[2])
    upload.part(3, bodies[2])
    assert error_of(upload.complete) == (400, "EntityTooSmall")
    assert error_of(upload.complete, [2, 1]) == (400, "InvalidPartOrder")
    right = upload.parts[3]
    upload.parts[3] = {"ETag": '"00000000000000000000000000000000"'}
    assert error_of(upload.complete, [1, 3]) == (400, "InvalidPart")
    upload.parts[3] = right
    upload.parts[4] = right
    assert error_of(upload.complete, [1, 4]) == (400, "InvalidPart")
    assert error_of(upload.s3.complete_multipart_upload, MultipartUpload={"Parts": []},
                    **upload.where) == (400, "MalformedXML")
    for number in (0, 10001):
        assert error_of(upload.part, number, b"x") == (400, "InvalidArgument")
    assert error_of(s3.get_object, Bucket=bucket, Key="k") == (404, "NoSuchKey")
    upload.complete([1, 2])
    other = {**upload.where, "UploadId": "nonsense/../.."}
    assert error_of(s3.upload_part, PartNumber=1, Body=b"x", **other) == (404, "NoSuchUpload")
    assert error_of(s3.list_parts, **other) == (404, "NoSuchUpload")
    assert not server.files or hidden_files(server, bucket) == []


def test_complete_again_gives_the_same(s3, bucket, bodies):
    upload = Upload(s3, bucket, "k")
    upload.part(1, bodies[2])
    first = upload.complete()
    try:
        assert upload.complete()["ETag"] == first["ETag"]
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchUpload"
    assert get(s3, bucket, "k")[1] == bodies[2]


def test_abort(s3, server, bucket, bodies):
    upload = Upload(s3, bucket, "k")
    upload.part(1, bodies[0])
    assert not server.files or hidden_files(server, bucket)
    assert upload.abort()["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(upload.abort) == (404, "NoSuchUpload")
    assert error_of(upload.part, 2, b"x") == (404, "NoSuchUpload")
    assert not server.files or hidden_files(server, bucket) == []
    s3.delete_bucket(Bucket=bucket)


def test_conditional_complete(s3, bucket, bodies):
    upload = Upload(s3, bucket, "k")
    upload.part(1, bodies[2])
    s3.put_object(Bucket=bucket, Key="k", Body=b"first")
    assert error_of(upload.complete, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert get(s3, bucket, "k")[1] == b"first"
    upload.complete(IfMatch=checksums.etag(b"first"))
    assert get(s3, bucket, "k")[1] == bodies[2]


def test_list_parts(s3, bucket):
    upload = Upload(s3, bucket, "k")
    for number in (1, 2, 5, 9):
        upload.part(number, b"x" * number)
    seen, marker = [], 0
    while True:
        page = s3.list_parts(MaxParts=3, PartNumberMarker=marker, **upload.where)
        seen += [(p["PartNumber"], p["Size"], p["ETag"]) for p in page["Parts"]]
        if not page["IsTruncated"]:
            break
        marker = page["NextPartNumberMarker"]
    assert seen == [(n, n, checksums.etag(b"x" * n)) for n in (1, 2, 5, 9)]
    upload.abort()


def test_list_uploads(s3, bucket):
    uploads = [Upload(s3, bucket, key) for key in ("a/1", "a/1", "a/2", "b", "c/d/e")]
    expected = sorted((u.where["Key"], u.where["UploadId"]) for u in uploads)
    seen, more = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **more)
        seen += [(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
        if not page["IsTruncated"]:
            break
        more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert sorted(seen) == expected and [k for k, _ in seen] == [k for k, _ in expected]
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [p["Prefix"] for p in page["CommonPrefixes"]] == ["a/", "c/"]
    assert [u["Key"] for u in page["Uploads"]] == ["b"]
    page = s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")
    assert [u["Key"] for u in page["Uploads"]] == ["a/1", "a/1", "a/2"]
    for upload in uploads:
        upload.abort()
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_an_upload_to_a_key_no_path_carries(s3, bucket, bodies):
    for key in ("../up", "x" * 300, "a//b", "dir/"):
        upload = Upload(s3, bucket, key)
        upload.part(1, bodies[0])
        upload.part(2, bodies[2])
        upload.complete()
        assert get(s3, bucket, key)[1] == bodies[0] + bodies[2]


@pytest.mark.parametrize("name", checksums.NAMES)
def test_checksums(s3, bucket, bodies, name):
    kind = "FULL_OBJECT" if name == "CRC64NVME" else "COMPOSITE"
    field = f"Checksum{name}"
    expected = {"FULL_OBJECT": checksums.encoded(name, b"".join(bodies)),
                "COMPOSITE": checksums.composite(name, bodies)}
    kinds = ["FULL_OBJECT", "COMPOSITE"] if name.startswith("CRC32") else [kind]
    for kind in kinds:
        upload = Upload(s3, bucket, "k", ChecksumAlgorithm=name, ChecksumType=kind)
        for number, body in enumerate(bodies, 1):
            reply = upload.part(number, body, ChecksumAlgorithm=name)
            assert reply[field] == checksums.encoded(name, body)
        assert upload.complete()[field] == expected[kind]
        head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert (head[field], head["ChecksumType"]) == (expected[kind], kind)
        reply = s3.get_object_attributes(Bucket=bucket, Key="k",
                                         ObjectAttributes=["Checksum", "ObjectParts"])
        assert reply["Checksum"][field] == expected[kind]
        assert reply["ObjectParts"]["TotalPartsCount"] == 3


def test_a_wrong_part_checksum(s3, bucket):
    upload = Upload(s3, bucket, "k", ChecksumAlgorithm="CRC32C")
    wrong = {"ChecksumCRC32C": checksums.encoded("CRC32C", b"other")}
    assert error_of(upload.part, 1, b"x", **wrong) == (400, "BadDigest")
    assert "Parts" not in s3.list_parts(**upload.where)
    upload.abort()


def test_upload_part_copy(s3, bucket, bodies):
    whole = b"".join(bodies)
    s3.put_object(Bucket=bucket, Key="source", Body=whole)
    upload = Upload(s3, bucket, "k")
    source = {"Bucket": bucket, "Key": "source"}

    def copy(number, value=None, **more):
        if value:
            more["CopySourceRange"] = value
        reply = s3.upload_part_copy(PartNumber=number, CopySource=source, **more, **upload.where)
        upload.parts[number] = {"ETag": reply["CopyPartResult"]["ETag"]}

    copy(1, f"bytes=100-{PART + 99}")
    copy(2)
    copy(3, "bytes=0-9")
    for bad in ("bytes=0-", "0-9", f"bytes=0-{len(whole)}", "bytes=9-3"):
        assert error_of(copy, 4, bad)[0] in (400, 416)
    assert error_of(copy, 4, CopySourceIfMatch='"other"') == (412, "PreconditionFailed")
    upload.complete()
    assert get(s3, bucket, "k")[1] == whole[100:PART + 100] + whole + whole[:10]


def test_transfer_manager(s3, bucket):
    body = os.urandom(40 << 20)
    s3.upload_fileobj(io.BytesIO(body), bucket, "managed")
    sink = io.BytesIO()
    s3.download_fileobj(bucket, "managed", sink)
    assert sink.getvalue() == body


def test_many_uploads_at_once(server, s3, bucket):
    def one(i):
        client = client_for(server)
        upload = Upload(client, bucket, f"k{i % 4}")
        parts = [os.urandom(PART), os.urandom(1000 + i)]
        for number, part in enumerate(parts, 1):
            upload.part(number, part)
        upload.complete()
        return i % 4, b"".join(parts)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        written = list(pool.map(one, range(12)))
    for n in range(4):
        assert get(s3, bucket, f"k{n}")[1] in [body for k, body in written if k == n]
