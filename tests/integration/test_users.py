"""Users in their file: encrypted, damaged, taken over from the original; and guessing that is slowed."""

import os
import secrets
import stat
import time

import pytest
from conftest import client_for, error_of
from control import Control

import lobos

KEY, NEXT = secrets.token_hex(32), secrets.token_hex(32)


def users_file(server):
    return server.root / ".lobos" / "users"


def add(server, name, **fields):
    control = Control(server.control_address)
    try:
        return control.admin("CreateUser", "CreateUserRequest", name=name, **fields).key
    finally:
        control.close()


def client_of(server, key):
    return client_for(server, aws_access_key_id=key.key.access_key, aws_secret_access_key=key.secret_key)


def test_without_an_administrator_in_the_configuration(make_server):
    server = make_server(credentials=False, auth_enabled="true", grpc_server="127.0.0.1:0",
                         listen_ip="0.0.0.0")
    assert error_of(client_for(server).list_buckets)[0] == 403
    root = add(server, "root", admin=True)
    client_of(server, root).create_bucket(Bucket="made")
    server.kill9()
    server.start()
    alice = add(server, "alice")
    assert [b["Name"] for b in client_of(server, root).list_buckets()["Buckets"]] == ["made"]
    assert client_of(server, alice).list_buckets()["Buckets"] == []


def test_the_file_is_private_and_encrypted(make_server):
    server = make_server(grpc_server="127.0.0.1:0", environ={"LOBOS_MASTER_KEY": KEY})
    key = add(server, "alice")
    file = users_file(server)
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert key.key.access_key.encode() in file.read_bytes()
    assert key.secret_key.encode() not in file.read_bytes()
    assert key.secret_key not in server.log
    server.restart()
    client_of(server, key).list_buckets()
    server.stop()
    before = file.read_bytes()
    for master_key, said in ((NEXT, "another master key"), ("", "give its master key"),
                             ("short", "LOBOS_MASTER_KEY: must be 32 bytes")):
        server.environ["LOBOS_MASTER_KEY"] = master_key
        with pytest.raises(lobos.StartFailed, match=said):
            server.start()
        assert file.read_bytes() == before
    (server.base / "key").write_text(KEY + "\n")
    server.options += ["--set", f"master_key_file={server.base / 'key'}"]
    server.environ["LOBOS_MASTER_KEY"] = ""
    server.start()
    client_of(server, key).list_buckets()


def test_a_damaged_file_stops_the_start_and_is_kept(make_server):
    server = make_server(grpc_server="127.0.0.1:0")
    add(server, "alice")
    server.stop()
    file = users_file(server)
    good = file.read_bytes()
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 1
    for content, said in ((bytes(damaged), "is damaged"), (good[:-1], "is damaged"),
                          (b"", "is damaged"), (good[:8] + b"\x02" + good[9:], "newer lobos")):
        file.write_bytes(content)
        with pytest.raises(lobos.StartFailed, match=said):
            server.start()
        assert file.read_bytes() == content
    file.write_bytes(good)
    server.start()


def test_a_file_elsewhere_has_one_server(make_server, tmp_path):
    first = make_server(grpc_server="127.0.0.1:0", users_file=tmp_path / "users")
    add(first, "alice")
    assert (tmp_path / "users").exists() and not users_file(first).exists()
    second = make_server(start=False, users_file=tmp_path / "users")
    with pytest.raises(lobos.StartFailed, match="in use by another lobos"):
        second.start()


def test_import(make_server):
    server = make_server(start=False)
    folder = server.base / "old" / ".__lobos__user__" / "alice"
    folder.mkdir(parents=True)
    (folder / "LBALICE_secretOfAlice_lobos").touch()
    (folder / "LBOTHER_secretOfOther_ceph").touch()
    buckets = server.base / "old" / ".__lobos__bucket__"
    buckets.touch()
    for bucket in ("photos", "BAD_NAME"):
        os.setxattr(buckets, f"user.{bucket}", bytes(17))
    done = lobos.run("--root", server.root, "--import-users", server.base / "old")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:1] and "secretOf" not in done.stdout + done.stderr
    for line in ("alice: LBALICE imported", "alice: LBOTHER skipped: it is of another backend",
                 "1 users and 1 keys imported, 1 skipped", "bucket photos: made",
                 "bucket BAD_NAME skipped: the name is not allowed"):
        assert line in done.stdout.splitlines()
    server.start()
    alice = client_for(server, aws_access_key_id="LBALICE", aws_secret_access_key="secretOfAlice")
    assert alice.list_buckets()["Buckets"] == []
    assert error_of(alice.list_objects_v2, Bucket="photos")[0] == 403
    assert [b["Name"] for b in client_for(server).list_buckets()["Buckets"]] == ["photos"]
    busy = lobos.run("--root", server.root, "--import-users", server.base / "old")
    assert busy.returncode == 1 and "in use by another lobos" in busy.stderr
    none = lobos.run("--root", server.root / "photos", "--import-users", server.root)
    assert none.returncode == 1 and "no users of the original" in none.stderr


def test_guessing_is_slowed(make_server):
    server = make_server(options=["-t", "1"])
    wrong = client_for(server, aws_secret_access_key="wrong")
    begin = time.monotonic()
    for _ in range(20):
        assert error_of(wrong.list_buckets) == (403, "SignatureDoesNotMatch")
    assert time.monotonic() - begin < 10
    begin = time.monotonic()
    assert error_of(wrong.list_buckets) == (403, "SignatureDoesNotMatch")
    assert time.monotonic() - begin > 0.9
    begin = time.monotonic()
    client_for(server).list_buckets()
    assert time.monotonic() - begin < 0.9
    assert server.metrics()['lobos_auth_failures_total{reason="signature"}'] == 21
