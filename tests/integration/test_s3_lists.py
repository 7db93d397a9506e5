"""Lists through boto3: paging, prefixes, delimiters, encodings, both versions and the versions list."""

import os

import pytest

from conftest import error_of

TREE = sorted(["a", "a/", "a/1", "a/2", "a/b/1", "a/b/2", "a/c", "a!", "a0", "b/1", "b/c/d/e",
               "photos/2026/01.jpg", "photos/2026/02.jpg", "photos/2027/01.jpg", "ü/ö", "z z",
               "z+z", "z%2Fz", "z", "\U0001f642", "\uffee", ".hidden", "//x", "a//x"],
              key=str.encode)


@pytest.fixture(scope="module")
def tree(s3, server):
    s3.create_bucket(Bucket="tree")
    for key in TREE:
        s3.put_object(Bucket="tree", Key=key, Body=key.encode())
    return "tree"


def model(keys, prefix="", delimiter="", after=""):
    """What a list is, by the book: the keys and common prefixes in the order of their bytes."""
    result = []
    for key in sorted(keys, key=str.encode):
        if not key.startswith(prefix):
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if cut < 0 else key[:cut + len(delimiter)]
        if (entry.encode() > after.encode() and not (cut >= 0 and after.startswith(entry))
                and entry not in result):
            result.append(entry)
    return result


def pages(call, next_of, **arguments):
    """All pages of a list: the entries in order, each page's count within the bound."""
    entries, more = [], {}
    for _ in range(1000):
        page = call(**arguments, **more)
        names = [o["Key"] for o in page.get("Contents", page.get("Versions", []))]
        prefixes = [p["Prefix"] for p in page.get("CommonPrefixes", [])]
        assert len(names) + len(prefixes) <= arguments.get("MaxKeys", 1000)
        assert names == sorted(names, key=str.encode)
        entries += sorted(names + prefixes, key=str.encode)
        if not page["IsTruncated"]:
            return entries
        more = next_of(page, entries)
    raise AssertionError("a list without end")


def next_v1(page, entries):
    return {"Marker": page.get("NextMarker", entries[-1])}


def next_v2(page, entries):
    return {"ContinuationToken": page["NextContinuationToken"]}


def next_versions(page, entries):
    return {"KeyMarker": page["NextKeyMarker"],
            "VersionIdMarker": page.get("NextVersionIdMarker", "")}  # of a prefix there is none


@pytest.mark.parametrize("max_keys", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("prefix, delimiter", [
    ("", ""), ("", "/"), ("a", ""), ("a/", "/"), ("a", "/"), ("photos/2026/", "/"),
    ("photos/", "/"), ("ph", "20"), ("nothing", "/"), ("", "z"), ("a/b", "/"), ("/", "/"),
    ("", "//"), ("z", "%"), ("ü", "ö"),
])
def test_pages(s3, tree, prefix, delimiter, max_keys):
    arguments = {"Bucket": tree, "MaxKeys": max_keys, "Prefix": prefix, "Delimiter": delimiter}
    expected = model(TREE, prefix, delimiter)
    assert pages(s3.list_objects_v2, next_v2, **arguments) == expected
    assert pages(s3.list_objects, next_v1, **arguments) == expected
    assert pages(s3.list_object_versions, next_versions, **arguments) == expected


@pytest.mark.parametrize("after", ["", "a", "a/", "a/b", "a/b/1", "aa", "m", "zzz", "\U0001f643"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_start_after(s3, tree, after, delimiter):
    page = s3.list_objects_v2(Bucket=tree, StartAfter=after, Delimiter=delimiter)
    names = [o["Key"] for o in page.get("Contents", [])]
    assert names == [k for k in model(TREE, "", delimiter) if k in TREE and k > after
                     and not (delimiter and delimiter in k)]
    if not delimiter:
        page = s3.list_objects(Bucket=tree, Marker=after)
        assert [o["Key"] for o in page.get("Contents", [])] == names


def test_the_token_beats_start_after(s3, tree):
    first = s3.list_objects_v2(Bucket=tree, MaxKeys=3)
    rest = s3.list_objects_v2(Bucket=tree, StartAfter="zzz",
                              ContinuationToken=first["NextContinuationToken"])
    assert len(rest["Contents"]) == len(TREE) - 3
    assert error_of(s3.list_objects_v2, Bucket=tree, ContinuationToken="no token")[0] == 400


def test_fields(s3, tree):
    page = s3.list_objects_v2(Bucket=tree, Prefix="a", Delimiter="/", MaxKeys=1000,
                              StartAfter="A")
    assert (page["Name"], page["Prefix"], page["Delimiter"], page["MaxKeys"],
            page["StartAfter"]) == (tree, "a", "/", 1000, "A")
    assert page["KeyCount"] == len(page["Contents"]) + len(page["CommonPrefixes"])
    entry = page["Contents"][0]
    assert (entry["Size"], entry["StorageClass"]) == (len(entry["Key"]), "STANDARD")
    assert entry["ETag"].strip('"') and entry["LastModified"]
    assert "Owner" not in entry
    owned = s3.list_objects_v2(Bucket=tree, FetchOwner=True)["Contents"][0]
    assert owned["Owner"]["ID"]
    version = s3.list_object_versions(Bucket=tree)["Versions"][0]
    assert (version["VersionId"], version["IsLatest"]) == ("null", True)
    assert "NextMarker" not in s3.list_objects(Bucket=tree, MaxKeys=2)


def test_max_keys(s3, tree):
    empty = s3.list_objects_v2(Bucket=tree, MaxKeys=0)
    assert (empty["KeyCount"], empty["IsTruncated"]) == (0, False) and "Contents" not in empty
    assert s3.list_objects_v2(Bucket=tree, MaxKeys=5000)["KeyCount"] == len(TREE)
    assert error_of(s3.list_objects_v2, Bucket=tree, MaxKeys=-1) == (400, "InvalidArgument")


def test_encoding(s3, tree):
    for key in TREE:
        page = s3.list_objects_v2(Bucket=tree, Prefix=key, EncodingType="url", MaxKeys=1)
        assert page["EncodingType"] == "url" and "+" not in page["Contents"][0]["Key"]
    assert error_of(s3.list_objects_v2, Bucket=tree, EncodingType="base64") == (
        400, "InvalidArgument")


def test_a_thousand_and_more(s3, server, bucket):
    keys = [f"d{i % 3}/k{i:05}" for i in range(2500)]
    for folder in ("d0", "d1", "d2"):
        (server.root / bucket / folder).mkdir()
    for key in keys:
        os.close(os.open(server.root / bucket / key, os.O_CREAT | os.O_WRONLY))
    arguments = {"Bucket": bucket}
    assert pages(s3.list_objects_v2, next_v2, **arguments) == sorted(keys)
    assert pages(s3.list_objects_v2, next_v2, Delimiter="/", **arguments) == ["d0/", "d1/", "d2/"]
    first = s3.list_objects_v2(Bucket=bucket)
    assert (first["KeyCount"], first["IsTruncated"]) == (1000, True)


def test_a_list_sees_each_change(s3, bucket):
    for i in range(20):
        s3.put_object(Bucket=bucket, Key=f"k{i:02}", Body=b"x" * i)
        listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
        assert [(o["Key"], o["Size"]) for o in listed] == [(f"k{n:02}", n) for n in range(i + 1)]
    for i in range(20):
        s3.put_object(Bucket=bucket, Key="k00", Body=b"y" * i)
        assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Size"] == i
    for i in range(20):
        s3.delete_object(Bucket=bucket, Key=f"k{i:02}")
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 19 - i
