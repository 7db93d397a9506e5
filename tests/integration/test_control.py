"""The control plane's services, each call in its good and bad cases, by a real gRPC client."""

import re
import socket
import time
import urllib.error
import urllib.request

import grpc
import pytest

import lobos
from conftest import client_for, error_of
from control import Control, admin_pb2, plane_pb2, refused

INVALID, MISSING, EXISTS = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND,
                            grpc.StatusCode.ALREADY_EXISTS)
DENIED, FAILED, NONE = (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION,
                        grpc.StatusCode.UNIMPLEMENTED)
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
NAMES = (f"u{n}" for n in range(1, 10000))


@pytest.fixture(scope="module")
def served():
    made = lobos.Lobos(buckets=["bucket"], grpc_server="127.0.0.1:0", log_level="debug",
                       access_log="true", usage_interval="1")
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def control(served):
    made = Control(served.control_address)
    yield made
    made.close()


@pytest.fixture
def name():
    return next(NAMES)


def s3_of(served, key, secret):
    return client_for(served, aws_access_key_id=key, aws_secret_access_key=secret)


def works(served, key, secret):
    """Is a key accepted? What it may do is another matter."""
    try:
        s3_of(served, key, secret).list_buckets()
    except Exception as why:
        assert why.response["Error"]["Code"] in ("InvalidAccessKeyId", "SignatureDoesNotMatch"), why
        return False
    return True


# ---- the original's service ----


def test_add_user(served, control, name):
    made = control.plane("AddUser", "User", name=name).params
    assert made.name == name and made.backend == "lobos"
    assert re.fullmatch("LB[0-9A-Z]{18}", made.key)
    assert re.fullmatch("[0-9A-Za-z+]{40}", made.secret)
    assert works(served, made.key, made.secret)
    assert not works(served, made.key, "x" * 40)


def test_add_user_with_a_key_of_ones_own(served, control, name):
    made = control.plane("AddUser", "User", name=name, key=f"KEY_{name}", secret="a/secret_of+mine",
                         backend="lobos").params
    assert (made.key, made.secret) == (f"KEY_{name}", "a/secret_of+mine")
    assert works(served, made.key, made.secret)


def test_add_user_refusals(control, name):
    with refused(INVALID, "name"):
        control.plane("AddUser", "User")
    for bad in ("a b", "../x", "a/b", "x" * 65, "lobos", "anonymous", "ü"):
        with refused(INVALID):
            control.plane("AddUser", "User", name=bad)
    with refused(NONE, "lobos"):
        control.plane("AddUser", "User", name=name, backend="ldap")
    with refused(INVALID):
        control.plane("AddUser", "User", name=name, key="with space")
    made = control.plane("AddUser", "User", name=name).params
    with refused(EXISTS, name):
        control.plane("AddUser", "User", name=name)
    with refused(EXISTS):
        control.plane("AddUser", "User", name=next(NAMES), key=made.key)
    with refused(EXISTS):  # the configuration's administrator
        control.plane("AddUser", "User", name=next(NAMES), key=lobos.ACCESS)


def test_names_are_not_cut_at_a_nul(control, name):
    control.plane("AddUser", "User", name=name)
    with refused(INVALID, "NUL"):
        control.plane("RmUser", "RmUserParams", name=f"{name}\0x", force=True)
    control.admin("GetUser", "UserName", name=name)


def entries(control, **fields):
    return [e.params for e in control.plane("ListAllUsers", "Filters", **fields).users]


def test_list_all_users(control, name):
    made = [control.plane("AddUser", "User", name=name).params,
            control.plane("AddKey", "User", name=name).params]
    listed = entries(control, message=name)
    mine = [e for e in listed if e.name == name]
    assert [e.key for e in mine] == sorted(e.key for e in made)
    assert all(e.secret == "" and e.backend == "lobos" for e in listed)
    names = [e.name for e in entries(control)]
    assert names == sorted(names) and "lobos" in names
    assert entries(control, message="nobody") == []


def test_a_user_without_keys_is_listed(control, name):
    made = control.plane("AddUser", "User", name=name).params
    control.plane("RmKey", "User", name=name, key=made.key)
    assert [(e.name, e.key) for e in entries(control, message=name) if e.name == name] == [(name, "")]


def test_rm_user(served, control, name):
    made = control.plane("AddUser", "User", name=name).params
    with refused(DENIED, "force"):
        control.plane("RmUser", "RmUserParams", name=name)
    assert works(served, made.key, made.secret)
    assert control.plane("RmUser", "RmUserParams", name=name, force=True).value is True
    assert not works(served, made.key, made.secret)
    with refused(MISSING, name):
        control.plane("RmUser", "RmUserParams", name=name, force=True)
    with refused(INVALID, "name"):
        control.plane("RmUser", "RmUserParams")
    with refused(FAILED, "configuration"):
        control.plane("RmUser", "RmUserParams", name="lobos", force=True)


def test_rm_user_without_keys_needs_no_force(control, name):
    made = control.plane("AddUser", "User", name=name).params
    assert control.plane("RmKey", "User", name=name, key=made.key).value is True
    assert control.plane("RmUser", "RmUserParams", name=name).value is True


def test_add_key(served, control, name):
    first = control.plane("AddUser", "User", name=name).params
    second = control.plane("AddKey", "User", name=name).params
    assert second.name == name and second.key != first.key
    for made in (first, second):
        assert works(served, made.key, made.secret)
    with refused(MISSING):
        control.plane("AddKey", "User", name="nobody")
    with refused(INVALID):
        control.plane("AddKey", "User", name=name, key=first.key)
    with refused(EXISTS):
        control.plane("AddKey", "User", name=name, key=lobos.ACCESS)
    with refused(INVALID, "name"):
        control.plane("AddKey", "User")
    with refused(NONE):
        control.plane("AddKey", "User", name=name, backend="other")
    assert works(served, first.key, first.secret)


def test_rm_key(served, control, name):
    made = control.plane("AddUser", "User", name=name).params
    other = control.plane("AddUser", "User", name=next(NAMES)).params
    for missing in ({"name": name}, {"key": made.key}, {}):
        with refused(INVALID, "needed"):
            control.plane("RmKey", "User", **missing)
    with refused(MISSING):
        control.plane("RmKey", "User", name=name, key="NOKEY")
    with refused(MISSING):
        control.plane("RmKey", "User", name=name, key=other.key)
    with refused(MISSING):
        control.plane("RmKey", "User", name="nobody", key=made.key)
    assert control.plane("RmKey", "User", name=name, key=made.key).value is True
    assert not works(served, made.key, made.secret)
    assert works(served, other.key, other.secret)


# ---- users and grants ----


def test_create_user(served, control, name):
    made = control.admin("CreateUser", "CreateUserRequest", name=name, admin=True)
    assert made.user.name == name and made.user.admin and not made.user.fixed
    assert abs(made.user.created - time.time()) < 60
    assert [k.access_key for k in made.user.keys] == [made.key.key.access_key]
    assert works(served, made.key.key.access_key, made.key.secret_key)
    with refused(EXISTS):
        control.admin("CreateUser", "CreateUserRequest", name=name)
    with refused(INVALID):
        control.admin("CreateUser", "CreateUserRequest", name="")
    with refused(INVALID, "no_key"):
        control.admin("CreateUser", "CreateUserRequest", name=next(NAMES), no_key=True,
                      access_key="KEY")
    with refused(INVALID):  # over already
        control.admin("CreateUser", "CreateUserRequest", name=next(NAMES), expires=1)


def test_create_user_without_a_key(control, name):
    made = control.admin("CreateUser", "CreateUserRequest", name=name, no_key=True)
    assert not made.HasField("key") and not made.user.keys
    control.admin("DeleteUser", "DeleteUserRequest", name=name)
    with refused(MISSING, name):
        control.admin("GetUser", "UserName", name=name)


def test_delete_user(control, name):
    control.admin("CreateUser", "CreateUserRequest", name=name)
    with refused(FAILED, "force"):
        control.admin("DeleteUser", "DeleteUserRequest", name=name)
    assert control.admin("DeleteUser", "DeleteUserRequest", name=name, force=True).message
    with refused(MISSING):
        control.admin("DeleteUser", "DeleteUserRequest", name=name, force=True)
    with refused(FAILED, "configuration"):
        control.admin("DeleteUser", "DeleteUserRequest", name="lobos", force=True)


def test_list_users_by_pages(control):
    prefix = next(NAMES) + "-page-"
    names = [f"{prefix}{i}" for i in range(7)]
    for n in reversed(names):
        control.admin("CreateUser", "CreateUserRequest", name=n, no_key=True)
    found, after, pages = [], "", 0
    while True:
        page = control.admin("ListUsers", "ListUsersRequest", prefix=prefix, after=after, limit=3)
        found += [u.name for u in page.users]
        pages += 1
        if not page.more:
            break
        after = found[-1]
    assert found == names and pages == 3
    fixed = control.admin("GetUser", "UserName", name="lobos")
    assert fixed.fixed and fixed.admin and [k.access_key for k in fixed.keys] == [lobos.ACCESS]


def test_set_admin(served, control, name):
    made = control.admin("CreateUser", "CreateUserRequest", name=name)
    s3 = s3_of(served, made.key.key.access_key, made.key.secret_key)
    assert error_of(s3.list_objects_v2, Bucket="bucket") == (403, "AccessDenied")
    assert control.admin("SetAdmin", "SetAdminRequest", name=name, admin=True).admin
    s3.list_objects_v2(Bucket="bucket")
    assert not control.admin("SetAdmin", "SetAdminRequest", name=name, admin=False).admin
    assert error_of(s3.list_objects_v2, Bucket="bucket") == (403, "AccessDenied")
    with refused(MISSING):
        control.admin("SetAdmin", "SetAdminRequest", name="nobody", admin=True)
    with refused(FAILED):
        control.admin("SetAdmin", "SetAdminRequest", name="lobos", admin=False)


def test_grants(served, control, name):
    made = control.admin("CreateUser", "CreateUserRequest", name=name)
    s3 = s3_of(served, made.key.key.access_key, made.key.secret_key)
    client_for(served).put_object(Bucket="bucket", Key=name, Body=b"x")
    read, every = admin_pb2.RIGHT_READ, [admin_pb2.RIGHT_READ, admin_pb2.RIGHT_WRITE,
                                         admin_pb2.RIGHT_LIST, admin_pb2.RIGHT_OWNER]

    def grant(bucket, rights):
        return control.admin("SetGrant", "SetGrantRequest", user=name,
                             grant=admin_pb2.Grant(bucket=bucket, rights=rights)).grants

    assert [(g.bucket, list(g.rights)) for g in grant("bucket", [read])] == [("bucket", [read])]
    assert s3.get_object(Bucket="bucket", Key=name)["Body"].read() == b"x"
    assert error_of(s3.put_object, Bucket="bucket", Key=name) == (403, "AccessDenied")
    assert [(g.bucket, list(g.rights)) for g in grant("buck*", every)] == [("buck*", every),
                                                                          ("bucket", [read])]
    s3.put_object(Bucket="bucket", Key=name)
    assert [g.bucket for g in grant("buck*", [])] == ["bucket"]
    assert error_of(s3.put_object, Bucket="bucket", Key=name) == (403, "AccessDenied")
    assert len(grant("bucket", [])) == 0
    assert error_of(s3.get_object, Bucket="bucket", Key=name) == (403, "AccessDenied")


def test_grants_refusals(control, name):
    control.admin("CreateUser", "CreateUserRequest", name=name, no_key=True)
    grant = admin_pb2.Grant(bucket="bucket", rights=[admin_pb2.RIGHT_READ])
    with refused(MISSING):
        control.admin("SetGrant", "SetGrantRequest", user="nobody", grant=grant)
    with refused(INVALID, "grant"):
        control.admin("SetGrant", "SetGrantRequest", user=name)
    for bucket in ("", "a*b", "a b", "x" * 70):
        with refused(INVALID):
            control.admin("SetGrant", "SetGrantRequest", user=name,
                          grant=admin_pb2.Grant(bucket=bucket, rights=[admin_pb2.RIGHT_READ]))
    for right in (0, 99):
        with refused(INVALID, "right"):
            control.admin("SetGrant", "SetGrantRequest", user=name,
                          grant=admin_pb2.Grant(bucket="bucket", rights=[right]))


# ---- keys ----


def test_create_key(served, control, name):
    control.admin("CreateUser", "CreateUserRequest", name=name)
    until = int(time.time()) + 3600
    made = control.admin("CreateKey", "CreateKeyRequest", user=name, expires=until)
    assert made.key.user == name and made.key.expires == until and not made.key.disabled
    assert works(served, made.key.access_key, made.secret_key)
    with refused(EXISTS):
        control.admin("CreateKey", "CreateKeyRequest", user=name, access_key=made.key.access_key)
    with refused(EXISTS):
        control.admin("CreateKey", "CreateKeyRequest", user=name, access_key=lobos.ACCESS)
    with refused(MISSING):
        control.admin("CreateKey", "CreateKeyRequest", user="nobody")
    with refused(FAILED):
        control.admin("CreateKey", "CreateKeyRequest", user="lobos")
    with refused(INVALID):
        control.admin("CreateKey", "CreateKeyRequest", user=name, expires=5)


def test_a_user_has_so_many_keys(control, name):
    control.admin("CreateUser", "CreateUserRequest", name=name, no_key=True)
    for _ in range(32):
        control.admin("CreateKey", "CreateKeyRequest", user=name)
    with refused(EXHAUSTED):
        control.admin("CreateKey", "CreateKeyRequest", user=name)
    assert len(control.admin("GetUser", "UserName", name=name).keys) == 32


def test_rotate_key(served, control, name):
    old = control.admin("CreateUser", "CreateUserRequest", name=name).key
    new = control.admin("RotateKey", "RotateKeyRequest", access_key=old.key.access_key, keep_s=3600)
    assert new.key.user == name and new.key.access_key != old.key.access_key
    assert works(served, new.key.access_key, new.secret_key)
    assert works(served, old.key.access_key, old.secret_key)
    newest = control.admin("RotateKey", "RotateKeyRequest", access_key=new.key.access_key)
    assert not works(served, new.key.access_key, new.secret_key)
    assert works(served, newest.key.access_key, newest.secret_key)
    with refused(MISSING):
        control.admin("RotateKey", "RotateKeyRequest", access_key=new.key.access_key)
    with refused(INVALID):
        control.admin("RotateKey", "RotateKeyRequest", access_key=newest.key.access_key, keep_s=-1)
    with refused(FAILED):
        control.admin("RotateKey", "RotateKeyRequest", access_key=lobos.ACCESS)


def test_a_rotated_key_ends(served, control, name):
    old = control.admin("CreateUser", "CreateUserRequest", name=name).key
    control.admin("RotateKey", "RotateKeyRequest", access_key=old.key.access_key, keep_s=2)
    assert works(served, old.key.access_key, old.secret_key)
    time.sleep(2.5)
    assert not works(served, old.key.access_key, old.secret_key)


def test_set_key(served, control, name):
    made = control.admin("CreateUser", "CreateUserRequest", name=name).key
    key = made.key.access_key

    def set_key(**fields):
        return control.admin("SetKey", "SetKeyRequest", access_key=key, **fields)

    assert set_key(disabled={"value": True}).disabled
    assert not works(served, key, made.secret_key)
    assert not set_key(disabled={"value": False}).disabled
    assert works(served, key, made.secret_key)
    until = int(time.time()) + 100
    changed = set_key(expires={"value": until})
    assert changed.expires == until and changed.user == name and not changed.disabled
    set_key(expires={"value": 1})
    assert not works(served, key, made.secret_key)
    assert set_key(expires={"value": 0}).expires == 0
    assert works(served, key, made.secret_key)
    with refused(INVALID, "nothing to change"):
        set_key()
    with refused(MISSING):
        control.admin("SetKey", "SetKeyRequest", access_key="NOKEY", disabled={"value": True})
    with refused(FAILED):
        control.admin("SetKey", "SetKeyRequest", access_key=lobos.ACCESS, disabled={"value": True})


def test_delete_key(served, control, name):
    made = control.admin("CreateUser", "CreateUserRequest", name=name).key
    assert control.admin("DeleteKey", "KeyName", access_key=made.key.access_key).message
    assert not works(served, made.key.access_key, made.secret_key)
    with refused(MISSING):
        control.admin("DeleteKey", "KeyName", access_key=made.key.access_key)
    with refused(FAILED):
        control.admin("DeleteKey", "KeyName", access_key=lobos.ACCESS)


# ---- buckets ----


def test_create_bucket(served, control, name):
    bucket = f"made-{name}"
    control.admin("CreateUser", "CreateUserRequest", name=name, no_key=True)
    made = control.admin("CreateBucket", "CreateBucketRequest", name=bucket, owner=name,
                         access=admin_pb2.ACCESS_PUBLIC_READ,
                         versioning=admin_pb2.VERSIONING_ENABLED,
                         durability=admin_pb2.DURABILITY_RELAXED)
    assert (made.name, made.owner, made.access) == (bucket, name, admin_pb2.ACCESS_PUBLIC_READ)
    assert made.versioning == admin_pb2.VERSIONING_ENABLED
    assert made.durability == admin_pb2.DURABILITY_RELAXED
    assert abs(made.created - time.time()) < 60
    s3 = client_for(served)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_acl(Bucket=bucket)["Owner"]["ID"] == name
    with refused(EXISTS):
        control.admin("CreateBucket", "CreateBucketRequest", name=bucket)


def test_create_bucket_defaults(control, name):
    made = control.admin("CreateBucket", "CreateBucketRequest", name=f"plain-{name}")
    assert (made.owner, made.access) == ("", admin_pb2.ACCESS_PRIVATE)
    assert made.versioning == admin_pb2.VERSIONING_OFF
    assert made.durability == admin_pb2.DURABILITY_SERVER
    assert control.admin("GetBucket", "BucketName", name=f"plain-{name}") == made


def test_create_bucket_refusals(control):
    for bad in ("", "ab", "UPPER", "a/b", "..", "x" * 64, ".lobos"):
        with refused(INVALID, "name"):
            control.admin("CreateBucket", "CreateBucketRequest", name=bad)
    with refused(INVALID, "owner"):
        control.admin("CreateBucket", "CreateBucketRequest", name="owned", owner="nobody")
    for field in ("access", "versioning", "durability"):
        with refused(INVALID):
            control.admin("CreateBucket", "CreateBucketRequest", name="odd", **{field: 77})
    for bad in ("owned", "odd"):
        with refused(MISSING):
            control.admin("GetBucket", "BucketName", name=bad)


def test_set_bucket(served, control, name):
    bucket = f"set-{name}"
    control.admin("CreateUser", "CreateUserRequest", name=name, no_key=True)
    s3 = client_for(served)
    s3.create_bucket(Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})

    def change(**fields):
        return control.admin("SetBucket", "SetBucketRequest", name=bucket, **fields)

    assert change(owner={"value": name}).owner == name
    assert change(access=admin_pb2.ACCESS_AUTHENTICATED_READ).owner == name
    changed = change(versioning=admin_pb2.VERSIONING_ENABLED)
    assert changed.access == admin_pb2.ACCESS_AUTHENTICATED_READ
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"  # at once
    with refused(FAILED, "suspended"):
        change(versioning=admin_pb2.VERSIONING_OFF)
    change(versioning=admin_pb2.VERSIONING_SUSPENDED)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    assert change(durability=admin_pb2.DURABILITY_SYNC).durability == admin_pb2.DURABILITY_SYNC
    assert change(owner={"value": ""}).owner == ""
    assert change(owner={"value": name}).owner == name
    assert change(owner={"value": "lobos"}).owner == ""
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    with refused(INVALID, "owner"):
        change(owner={"value": "nobody"})
    with refused(MISSING):
        control.admin("SetBucket", "SetBucketRequest", name="not-there",
                      access=admin_pb2.ACCESS_PRIVATE)


def test_public_at_once_and_private_at_once(served, control, name):
    bucket = f"open-{name}"
    control.admin("CreateBucket", "CreateBucketRequest", name=bucket)
    made = control.admin("CreateUser", "CreateUserRequest", name=name).key
    s3 = s3_of(served, made.key.access_key, made.secret_key)
    for _ in range(5):
        control.admin("SetBucket", "SetBucketRequest", name=bucket,
                      access=admin_pb2.ACCESS_PUBLIC_READ_WRITE)
        s3.put_object(Bucket=bucket, Key="k")
        control.admin("SetBucket", "SetBucketRequest", name=bucket,
                      access=admin_pb2.ACCESS_PRIVATE)
        assert error_of(s3.put_object, Bucket=bucket, Key="k") == (403, "AccessDenied")


def status_of(served, path):
    """Of an unsigned GET."""
    try:
        with urllib.request.urlopen(f"{served.url}{path}", timeout=20) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def test_anyone_may_read_what_is_open(served, control, name):
    bucket = f"open-read-{name}"
    made = control.admin("CreateUser", "CreateUserRequest", name=name).key
    control.admin("CreateBucket", "CreateBucketRequest", name=bucket, owner=name)
    s3 = s3_of(served, made.key.access_key, made.secret_key)
    s3.put_object(Bucket=bucket, Key="k", Body=b"private by its own ACL")
    for access, read, listed in ((admin_pb2.ACCESS_PRIVATE, 403, 403),
                                 (admin_pb2.ACCESS_PUBLIC_READ, 403, 200),
                                 (admin_pb2.ACCESS_OPEN_READ, 200, 200),
                                 (admin_pb2.ACCESS_PRIVATE, 403, 403)):
        changed = control.admin("SetBucket", "SetBucketRequest", name=bucket, access=access)
        assert changed.access == access
        assert status_of(served, f"/{bucket}/k") == read
        assert status_of(served, f"/{bucket}?list-type=2") == listed
    control.admin("SetBucket", "SetBucketRequest", name=bucket, access=admin_pb2.ACCESS_OPEN_READ)
    request = urllib.request.Request(f"{served.url}/{bucket}/k", data=b"x", method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=20)
    assert status_of(served, f"/{bucket}/k?tagging") == 403
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][-1]["Permission"] == "READ"


def test_list_and_delete_buckets(served, control, name):
    names = [f"list-{name}-{i}" for i in range(5)]
    for bucket in names:
        control.admin("CreateBucket", "CreateBucketRequest", name=bucket)
    page = control.admin("ListBuckets", "ListBucketsRequest", prefix=f"list-{name}-", limit=3)
    assert [b.name for b in page.buckets] == names[:3] and page.more
    page = control.admin("ListBuckets", "ListBucketsRequest", prefix=f"list-{name}-", limit=3,
                         after=names[2])
    assert [b.name for b in page.buckets] == names[3:] and not page.more
    client_for(served).put_object(Bucket=names[0], Key="k")
    with refused(FAILED):
        control.admin("DeleteBucket", "BucketName", name=names[0])
    client_for(served).delete_object(Bucket=names[0], Key="k")
    for bucket in names:
        assert control.admin("DeleteBucket", "BucketName", name=bucket).message
    with refused(MISSING):
        control.admin("DeleteBucket", "BucketName", name=names[0])
    assert not control.admin("ListBuckets", "ListBucketsRequest", prefix=f"list-{name}-").buckets
    assert error_of(client_for(served).list_objects_v2, Bucket=names[0]) == (404, "NoSuchBucket")


def test_usage_is_counted(served, control, name):
    bucket = f"used-{name}"
    control.admin("CreateBucket", "CreateBucketRequest", name=bucket)
    s3 = client_for(served)
    for i in range(1100):  # more than a page of the list
        (served.root / bucket / f"f{i:04}").write_bytes(b"x" * (i % 3))
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"12345")
    expected = (1101, sum(i % 3 for i in range(1100)) + 5)
    until = time.monotonic() + 30
    while True:
        usage = control.admin("GetBucket", "BucketName", name=bucket).usage
        if (usage.objects, usage.bytes) == expected:
            break
        assert time.monotonic() < until, usage
        time.sleep(0.1)
    assert abs(usage.counted - time.time()) < 60
    listed = control.admin("ListBuckets", "ListBucketsRequest", prefix=bucket).buckets[0].usage
    assert listed.objects == 1101


# ---- uploads ----


def test_uploads(served, control, name):
    bucket = f"up-{name}"
    s3 = client_for(served)
    s3.create_bucket(Bucket=bucket)
    made = [(key, s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"])
            for key in ("b", "a", "a/c", "ä")]
    listed, after = [], {}
    while True:
        page = control.admin("ListUploads", "ListUploadsRequest", bucket=bucket, limit=3, **after)
        listed += [(u.key, u.id) for u in page.uploads]
        if not page.more:
            break
        after = {"after": listed[-1][0], "after_id": listed[-1][1]}
    assert sorted(listed) == sorted(made) and len(listed) == 4
    assert abs(page.uploads[0].started - time.time()) < 60 and page.uploads[0].bucket == bucket
    for key, upload in made:
        assert control.admin("AbortUpload", "UploadName", bucket=bucket, key=key, id=upload).message
        with refused(MISSING):
            control.admin("AbortUpload", "UploadName", bucket=bucket, key=key, id=upload)
    assert not control.admin("ListUploads", "ListUploadsRequest", bucket=bucket).uploads
    with refused(MISSING):
        control.admin("ListUploads", "ListUploadsRequest", bucket="not-there")
    with refused(MISSING):
        control.admin("AbortUpload", "UploadName", bucket="not-there", key="k", id="0" * 32)


# ---- the server ----


def test_status(served, control):
    status = control.admin("GetStatus")
    assert status.version and status.engine == "filesystem"
    assert status.storage == str(served.root) and status.address == f"127.0.0.1:{served.port}"
    assert status.authentication and status.loops == 2 and status.io in ("io_uring", "epoll")
    assert status.pid == served.pid and abs(status.started - time.time()) < 600
    assert 0 < status.storage_free <= status.storage_total
    assert 0 < status.memory_max and not status.draining and not status.read_only
    assert status.users == len({e.name for e in entries(control)})


def test_counters(served, control):
    def of(counters):
        return {o.name: o for o in counters.operations}

    before = control.admin("GetCounters")
    s3 = client_for(served)
    s3.put_object(Bucket="bucket", Key="counted", Body=b"x" * 1000)
    s3.get_object(Bucket="bucket", Key="counted")["Body"].read()
    error_of(s3.get_object, Bucket="bucket", Key="not there")
    assert not works(served, "NOSUCHKEY", "secret")
    after = control.admin("GetCounters")
    assert after.time_us > before.time_us
    assert list(after.latency_us) == sorted(after.latency_us)
    assert after.auth_failures > before.auth_failures
    put, get = of(after)["PutObject"], of(after)["GetObject"]
    old_put = of(before).get("PutObject", admin_pb2.Operation())
    old_get = of(before).get("GetObject", admin_pb2.Operation())
    assert (put.requests - old_put.requests, put.bytes_in - old_put.bytes_in) == (1, 1000)
    assert get.requests - old_get.requests == 2
    assert get.client_errors - old_get.client_errors == 1
    assert get.bytes_out - old_get.bytes_out >= 1000
    assert len(get.latency) == len(after.latency_us) + 1
    assert sum(get.latency) == get.requests
    assert after.engine_writes > before.engine_writes


def test_reload(make_server):
    config = ("[lobos]\nport = 0\ngrpc_server = 127.0.0.1:0\nmetrics_listen = off\n"
              "log_level = {level}\n[filesystem]\ndirectory = {root}\n")
    server = make_server(form="config", credentials=False, start=False,
                         config=config.replace("{level}", "warn"))
    server.options = ["--config", str(server.config_path)]
    server.start()
    control = Control(server.control_address)
    text = server.config_path.read_text()
    server.config_path.write_text(text.replace("= warn", "= info"))
    assert control.admin("Reload").message
    server.wait_for_log("reloaded")
    server.config_path.write_text(text.replace("= warn", "= loud"))
    with refused(INVALID, "log_level = loud"):
        control.admin("Reload")
    server.config_path.unlink()
    with refused(INVALID, str(server.config_path)):
        control.admin("Reload")
    assert control.admin("GetStatus").pid == server.pid
    control.close()


def test_drain(make_server):
    server = make_server(grpc_server="127.0.0.1:0")
    control = Control(server.control_address)
    with socket.create_connection(("127.0.0.1", server.port)) as busy:
        busy.sendall(b"PUT /bucket/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n")
        time.sleep(0.2)
        for _ in range(5):  # once and for all: it is not broken off
            assert control.admin("Drain").message
        until = time.monotonic() + 10
        while not control.admin("GetStatus").draining:
            assert time.monotonic() < until
        assert control.admin("Drain").message
        with refused(FAILED, "end"):
            control.admin("Reload")
        time.sleep(0.3)
        assert server.running()
    assert server.wait() == 0
    server.process = None
    control.close()


# ---- secrets ----


def test_no_secret_in_lists_and_logs(served, control, name):
    """The log is at debug, with every request."""
    secret = f"VeryPrivate{name}Secret0123456789abcdef"
    made = control.plane("AddUser", "User", name=name, secret=secret).params
    key = control.admin("CreateKey", "CreateKeyRequest", user=name)
    new = control.admin("RotateKey", "RotateKeyRequest", access_key=key.key.access_key, keep_s=100)
    secrets = [secret, key.secret_key, new.secret_key, lobos.SECRET]
    assert works(served, made.key, secret) and works(served, new.key.access_key, new.secret_key)
    said = []
    for method, bad in (("AddUser", {"name": name}), ("AddUser", {"name": "a b"}),
                        ("AddKey", {"name": name, "key": made.key}), ("AddKey", {"name": "nobody"})):
        with pytest.raises(grpc.RpcError) as caught:
            control.plane(method, "User", secret=secret, **bad)
        said.append(str(caught.value))
    said += [str(control.plane("ListAllUsers")), str(control.admin("ListUsers", "ListUsersRequest")),
             str(control.admin("GetUser", "UserName", name=name)), str(control.admin("GetStatus")),
             str(control.admin("GetCounters")), served.log, served.watch()[1]]
    for s in secrets:
        assert all(s not in text for text in said), s


def test_changes_are_logged_without_what_they_are(served, control, name):
    control.plane("AddUser", "User", name=name)
    lines = [line for line in served.log.splitlines() if "/AddUser" in line]
    assert re.search(r" INFO control peer=\S*127.0.0.1\S* method=\S+ status=0 us=\d+$", lines[-1])
    assert name not in lines[-1]
