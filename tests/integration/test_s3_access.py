"""Several users: who owns what, and what a canned ACL opens to whom."""

import base64
import hashlib
import urllib.error
import urllib.request

import pytest

import lobos
from conftest import client_for, error_of
from sigv4 import presign, sign
from wire import Wire, ask

CONFIG = f"""[lobos]
port = 0
access_key = {lobos.ACCESS}
secret_key = {lobos.SECRET}
access_log = true
[filesystem]
directory = {{root}}
[users]
alice = AKALICE:alice-secret
bob = AKBOB:bob-secret
"""
DENIED = (403, "AccessDenied")


@pytest.fixture(scope="module")
def shared():
    made = lobos.Lobos(form="config", config=CONFIG, buckets=["foreign"]).start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def admin(shared):
    return client_for(shared)


@pytest.fixture(scope="module")
def alice(shared):
    return client_for(shared, aws_access_key_id="AKALICE", aws_secret_access_key="alice-secret")


@pytest.fixture(scope="module")
def bob(shared):
    return client_for(shared, aws_access_key_id="AKBOB", aws_secret_access_key="bob-secret")


def anonymous(server, path, method="GET", body=None):
    request = urllib.request.Request(server.url + path, method=method, data=body)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def names(client):
    return {b["Name"] for b in client.list_buckets()["Buckets"]}


def test_private(shared, admin, alice, bob):
    alice.create_bucket(Bucket="alice-private")
    alice.put_object(Bucket="alice-private", Key="k", Body=b"x")
    assert "alice-private" in names(alice) and "alice-private" not in names(bob)
    assert "foreign" not in names(alice) and "foreign" in names(admin)
    for call, more in ((bob.get_object, {"Key": "k"}), (bob.list_objects_v2, {}),
                       (bob.put_object, {"Key": "k", "Body": b"y"}),
                       (bob.delete_object, {"Key": "k"}), (bob.get_object_tagging, {"Key": "k"}),
                       (bob.create_multipart_upload, {"Key": "k"}),
                       (bob.get_object_attributes, {"Key": "k", "ObjectAttributes": ["ETag"]}),
                       (bob.list_multipart_uploads, {}), (bob.list_object_versions, {}),
                       (bob.get_object, {"Key": "missing"})):
        assert error_of(call, Bucket="alice-private", **more) == DENIED, call
    assert error_of(bob.head_bucket, Bucket="alice-private") == (403, "403")
    assert error_of(bob.create_bucket, Bucket="alice-private")[0] == 409
    source = {"Bucket": "alice-private", "Key": "k"}
    bob.create_bucket(Bucket="bob-private")
    assert error_of(bob.copy_object, Bucket="bob-private", Key="k", CopySource=source) == DENIED
    assert admin.get_object(**source)["Body"].read() == b"x"
    assert anonymous(shared, "/alice-private/k") == 403
    assert error_of(bob.delete_bucket, Bucket="alice-private") == DENIED
    assert alice.get_object(**source)["Body"].read() == b"x"


def test_public_read(shared, alice, bob):
    alice.create_bucket(Bucket="alice-public", ACL="public-read")
    alice.put_object(Bucket="alice-public", Key="closed", Body=b"x")
    alice.put_object(Bucket="alice-public", Key="open", Body=b"x", ACL="public-read")
    assert len(bob.list_objects_v2(Bucket="alice-public")["Contents"]) == 2
    assert bob.get_object(Bucket="alice-public", Key="open")["Body"].read() == b"x"
    assert error_of(bob.get_object, Bucket="alice-public", Key="closed") == DENIED
    assert anonymous(shared, "/alice-public?list-type=2") == 200
    assert anonymous(shared, "/alice-public/open") == 200
    assert anonymous(shared, "/alice-public/closed") == 403
    assert anonymous(shared, "/alice-public/missing") == 404
    assert anonymous(shared, "/alice-public/open", "DELETE") == 403
    assert anonymous(shared, "/alice-public/new", "PUT", b"x") == 403
    assert anonymous(shared, "/alice-public/open?response-content-type=text/html") == 400
    alice.put_object_acl(Bucket="alice-public", Key="open", ACL="private")
    assert anonymous(shared, "/alice-public/open") == 403


def test_authenticated_read(shared, alice, bob):
    alice.create_bucket(Bucket="alice-members")
    alice.put_object(Bucket="alice-members", Key="k", Body=b"x", ACL="authenticated-read")
    assert bob.get_object(Bucket="alice-members", Key="k")["Body"].read() == b"x"
    assert anonymous(shared, "/alice-members/k") == 403
    assert error_of(bob.list_objects_v2, Bucket="alice-members") == DENIED


def test_public_write(shared, alice):
    alice.create_bucket(Bucket="alice-drop", ACL="public-read-write")
    assert anonymous(shared, "/alice-drop/k", "PUT", b"x") == 200
    assert anonymous(shared, "/alice-drop/k", "DELETE") == 204
    assert anonymous(shared, "/alice-drop?acl", "PUT", b"") in (400, 403)


def sent(server, method, path, query, access, secret, body=b"", host=None, **headers):
    """Head and body of a request that is signed by hand."""
    more = sign(method, path, query, {"host": host or f"127.0.0.1:{server.port}", **headers}, access,
                secret, body=body)
    lines = "".join(f"{k}: {v}\r\n" for k, v in more.items())
    return (f"{method} {path}{'?' * bool(query)}{query} HTTP/1.1\r\n{lines}"
            f"Content-Length: {len(body)}\r\n\r\n"), body


def test_signed_for_another_host(shared, alice):
    """The authority of an absolute target counts, so it is that which must have been signed."""
    for bucket in ("alice-one", "alice-two"):
        alice.create_bucket(Bucket=bucket)
        alice.put_object(Bucket=bucket, Key="k", Body=bucket.encode())
    target = presign("GET", "/k", "alice-one.localhost", "AKALICE", "alice-secret", 60)
    for host, status in (("alice-one.localhost", 200), ("alice-two.localhost", 403)):
        with Wire(shared) as wire:
            wire.send(f"GET http://{host}{target} HTTP/1.1\r\nHost: alice-one.localhost\r\n\r\n")
            assert wire.reply().status == status, host


def put_slowly(server, path, query, body, meanwhile):
    """Alice's PUT of a document; meanwhile() is called once its head is accepted."""
    head, body = sent(server, "PUT", path, query, "AKALICE", "alice-secret", body)
    with Wire(server) as wire:
        wire.send(head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"))
        assert wire.reply(interim=True).status == 100
        meanwhile()
        return wire.send(body).reply().status


TAGGING = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
GRANT = (b"<AccessControlPolicy><Owner><ID>alice</ID></Owner><AccessControlList><Grant><Grantee>"
         b"<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee>"
         b"<Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>")


@pytest.mark.parametrize("path,query,body", [("", "tagging=", TAGGING), ("", "acl=", GRANT),
                                             ("/k", "acl=", GRANT), ("/k", "tagging=", TAGGING)])
def test_bucket_changes_hands(shared, alice, bob, path, query, body):
    """What one began as a bucket's owner, one can't end when it is another's."""
    bucket = f"handed-{len(path)}-{query[:3]}"
    alice.create_bucket(Bucket=bucket)
    alice.put_object(Bucket=bucket, Key="k", Body=b"x")

    def change_hands():
        alice.delete_object(Bucket=bucket, Key="k")
        alice.delete_bucket(Bucket=bucket)
        bob.create_bucket(Bucket=bucket)
        bob.put_object(Bucket=bucket, Key="k", Body=b"bob's")

    assert put_slowly(shared, f"/{bucket}{path}", query, body, change_hands) == 403
    assert bob.get_object(Bucket=bucket, Key="k")["Body"].read() == b"bob's"
    assert error_of(alice.get_object, Bucket=bucket, Key="k") == DENIED
    assert anonymous(shared, f"/{bucket}/k") == 403


@pytest.mark.parametrize("length", [1 << 63, (1 << 64) - 1])
def test_no_promised_length_is_passed_over(shared, alice, length):
    alice.create_bucket(Bucket="alice-lengths", ACL="public-read-write")
    assert ask(shared, "PUT", "/alice-lengths/k", b"0\r\n\r\n",
               x_amz_decoded_content_length=str(length),
               x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER").code == "EntityTooLarge"


def test_documents_are_bounded():
    """Together, not only each: what is sent of them is held until their ends come."""
    server = lobos.Lobos(credentials=False, buckets=["bucket"], threads=1).start()
    head = ("POST /bucket?delete HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n"
            "Content-MD5: {}\r\n\r\n")
    begun, refused = [], 0
    for _ in range(24):
        begun.append(Wire(server).send(head.format(4 << 20, base64.b64encode(bytes(16)).decode())))
        begun[-1].send(bytes(3 << 20))
    for wire in begun:
        wire.sock.settimeout(0.2)
        try:
            refused += wire.reply().status == 503
        except TimeoutError:
            pass
        wire.sock.close()
    assert 8 <= refused < 24
    document = b"<Delete><Object><Key>k</Key></Object></Delete>" + b" " * (1 << 20)
    digest = base64.b64encode(hashlib.md5(document).digest()).decode()
    with Wire(server) as wire:
        assert wire.send(head.format(len(document), digest), document).reply().status == 200
    server.close()


def test_who_is_told_as_owner(admin, alice):
    alice.create_bucket(Bucket="alice-owned")
    assert alice.get_bucket_acl(Bucket="alice-owned")["Owner"]["ID"] == "alice"
    assert alice.list_buckets()["Owner"]["ID"] == "alice"
    assert error_of(alice.list_objects_v2, Bucket="alice-owned", ExpectedBucketOwner="bob") == DENIED
    assert alice.list_objects_v2(Bucket="alice-owned", ExpectedBucketOwner="alice")["KeyCount"] == 0
    assert error_of(admin.list_objects_v2, Bucket="alice-owned",
                    ExpectedBucketOwner="lobos") == DENIED


def test_restart_keeps_owners(shared, alice, bob):
    alice.create_bucket(Bucket="alice-kept")
    shared.restart()
    again = client_for(shared, aws_access_key_id="AKALICE", aws_secret_access_key="alice-secret")
    other = client_for(shared, aws_access_key_id="AKBOB", aws_secret_access_key="bob-secret")
    assert "alice-kept" in names(again)
    assert error_of(other.list_objects_v2, Bucket="alice-kept") == DENIED


def test_secrets_are_not_in_the_log(shared):
    assert not any(s in shared.log for s in ("alice-secret", "bob-secret"))
