"""Every command of lobosctl against a real server, in its good and bad cases."""

import concurrent.futures
import contextlib
import os
import re
import socket
import subprocess
import time

import botocore.exceptions
import pytest

import lobos
import lobosctl
from conftest import client_for, error_of
from lobosctl import Ctl, Terminal

CONTROL = {"grpc_server": "127.0.0.1:0"}


@pytest.fixture(scope="module")
def server():
    made = lobos.Lobos(buckets=["bucket"], usage_interval="1", **CONTROL)
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def ctl(server):
    """Its output is searched, when all is done, for secrets where none belong."""
    made = Ctl(server)
    yield made
    for arguments, output in made.outputs:
        assert lobos.SECRET not in output, f"{arguments} shows the administrator's secret"


def s3_as(server, access, secret):
    return client_for(server, aws_access_key_id=access, aws_secret_access_key=secret)


def refused(client):
    """The code of the error that any request of this client gets."""
    return error_of(client.list_buckets)[1]


def new_user(ctl, name, *options):
    """Creates a user; returns the pair of its key."""
    key = ctl.json("user", "add", name, *options)["users"][0]["key"]
    return key["access_key"], key["secret_key"]


# ---- users ----


def test_a_new_users_key_works_at_once(server, ctl):
    output = ctl("user", "add", "anna")
    heads, row, sentence = output.splitlines()
    assert heads.split() == ["USER", "ACCESS", "KEY", "SECRET", "KEY"]
    name, access, secret = row.split()
    assert name == "anna" and re.fullmatch(r"LB[0-9A-Z]{18}", access) and len(secret) == 40
    assert "not shown again" in sentence
    client = s3_as(server, access, secret)
    client.create_bucket(Bucket="annas")
    assert [b["Name"] for b in client.list_buckets()["Buckets"]] == ["annas"]


def test_the_conformance_suites_users_in_one_command(server, ctl):
    triples = [(who, f"KEY{who.upper()}", f"secret/of+{who}:with=colon")
               for who in ("main", "alt", "tenant")]
    output = ctl("user", "add", *map(":".join, triples))
    assert output.count("(as given)") == 3
    for name, access, secret in triples:
        assert secret not in output
        s3_as(server, access, secret).list_buckets()
        assert ctl.json("user", "show", name)["keys"][0]["access_key"] == access


def test_users_from_standard_input(server, ctl):
    made = ctl.json("user", "add", "-", stdin="# two\n\nin1\n  in2:KEYIN2:secret-of-in2\r\n")
    assert [u["name"] for u in made["users"]] == ["in1", "in2"]
    s3_as(server, "KEYIN2", "secret-of-in2").list_buckets()
    assert "no user on standard input" in ctl("user", "add", "-", stdin="# none\n")


def test_user_options(ctl):
    assert ctl.json("user", "add", "keyless", "--no-key")["users"][0]["key"] is None
    assert ctl.json("user", "show", "keyless")["keys"] == []
    assert ctl.json("user", "add", "boss", "--admin")["users"][0]["admin"] is True
    made = ctl.json("user", "add", "guest", "--expires", "2099-01-01T00:00:00Z")["users"][0]
    assert made["key"]["expires"] == "2099-01-01T00:00:00Z"


def test_a_failure_shows_what_was_created_before_it(ctl):
    result = ctl.run("user", "add", "early", "keyless", "late", "--no-key", code=5)
    assert "early" in result.stdout and "keyless" in result.stderr
    names = [u["name"] for u in ctl.json("user", "list")["users"]]
    assert "early" in names and "late" not in names


@pytest.mark.parametrize("spec", ["", "a:", "a:KEY", "a:KEY:", ":KEY:SECRET", "a::SECRET"])
def test_a_malformed_user_creates_none(ctl, spec):
    ctl.error(2, "user", "add", "fine", spec)
    ctl.error(4, "user", "show", "fine")


def test_refused_users(ctl):
    assert "1 to 64" in ctl.error(1, "user", "add", "no spaces")
    ctl.error(1, "user", "add", "../up")
    ctl.error(5, "user", "add", "keyless")
    ctl.error(5, "user", "add", "other:KEYMAIN:some-secret-key")
    ctl.error(4, "user", "show", "other")
    assert "never" in ctl.error(2, "user", "add", "x", "--expires", "tomorrow")


def test_list_and_show_users(ctl):
    output = ctl("user", "list")
    assert re.search(r"^lobos +admin +1 +0 +\(configuration\)$", output, re.M)
    names = [u["name"] for u in ctl.json("user", "list")["users"]]
    assert names == sorted(names) and "anna" in names
    assert [u["name"] for u in ctl.json("user", "list", "--prefix", "an")["users"]] == ["anna"]
    assert ctl.json("user", "list", "--prefix", "zz") == {"users": []}
    assert ctl("user", "list", "--prefix", "zz") == "There are no users.\n"
    shown = ctl("user", "show", "anna")
    assert re.search(r"^role +user$", shown, re.M) and re.search(r"^key +LB\w+ +ok$", shown, re.M)
    assert ctl.json("user", "show", "lobos")["fixed"] is True
    assert "nobody" in ctl.error(4, "user", "show", "nobody")


def test_more_users_than_a_page(ctl):
    many = [f"many{i:04}" for i in range(1203)]
    ctl("user", "add", "-", "--no-key", stdin="\n".join(many), TZ="UTC")
    assert [u["name"] for u in ctl.json("user", "list", "--prefix", "many")["users"]] == many


def test_admin(server, ctl):
    access, secret = new_user(ctl, "climber")
    client = s3_as(server, access, secret)
    assert error_of(client.list_objects_v2, Bucket="bucket")[1] == "AccessDenied"
    assert ctl("user", "admin", "climber", "on") == "climber is an administrator.\n"
    client.list_objects_v2(Bucket="bucket")
    assert ctl.json("user", "admin", "climber", "off")["admin"] is False
    assert error_of(client.list_objects_v2, Bucket="bucket")[1] == "AccessDenied"
    ctl.error(2, "user", "admin", "climber", "maybe")
    ctl.error(4, "user", "admin", "nobody", "on")
    assert "configuration" in ctl.error(1, "user", "admin", "lobos", "off")


def test_removing_a_user_with_keys_wants_a_yes(server, ctl):
    access, secret = new_user(ctl, "leaver")
    assert "--yes" in ctl.error(2, "user", "rm", "leaver")
    s3_as(server, access, secret).list_buckets()
    ctl("user", "rm", "leaver", "--yes")
    assert refused(s3_as(server, access, secret)) == "InvalidAccessKeyId"
    ctl.error(4, "user", "rm", "leaver")
    ctl("user", "rm", "early")


@pytest.mark.parametrize("answer, code", [("n", 1), ("", 1), ("y", 0)])
def test_a_person_is_asked(server, ctl, answer, code):
    name = f"asked{code}{answer}"
    new_user(ctl, name)
    with contextlib.closing(Terminal("user", "rm", name, "--server",
                                     server.control_address)) as terminal:
        terminal.wait_for("has 1 key, which will be removed, too. Go on? [y/N] ")
        terminal.send(answer + "\n")
        assert terminal.end() == code
    ctl.run("user", "show", name, code=0 if code else 4)


# ---- keys ----


def test_key_add(server, ctl):
    ctl("user", "add", "keys", "--no-key")
    output = ctl("key", "add", "keys")
    access = re.search(r"access key +(\S+)", output)[1]
    secret = re.search(r"secret key +(\S+)", output)[1]
    assert "not shown again" in output
    s3_as(server, access, secret).list_buckets()
    output = ctl("key", "add", "keys", "--access-key", "OWNKEY", "--secret-key", "own-secret-key")
    assert "own-secret-key" not in output
    s3_as(server, "OWNKEY", "own-secret-key").list_buckets()
    ctl("key", "add", "keys", "--access-key", "STDINKEY", "--secret-key", "-",
        stdin="secret-from-stdin\n")
    s3_as(server, "STDINKEY", "secret-from-stdin").list_buckets()
    ctl.error(2, "key", "add", "keys", "--access-key", "ALONE")
    ctl.error(2, "key", "add", "keys", "--secret-key", "alone-secret")
    ctl.error(2, "key", "add", "keys", "--access-key", "A", "--secret-key", "-")
    ctl.error(4, "key", "add", "nobody")
    ctl.error(5, "key", "add", "keys", "--access-key", "KEYMAIN", "--secret-key", "own-secret-key")


def test_a_secret_that_is_typed_does_not_show(server, ctl):
    new_user(ctl, "typist")
    with contextlib.closing(Terminal("key", "add", "typist", "--access-key", "TYPED",
                                     "--secret-key", "-", "--server",
                                     server.control_address)) as terminal:
        terminal.wait_for("secret key: ")
        terminal.send("the-typed-secret\n")
        assert terminal.end() == 0
        assert b"the-typed-secret" not in terminal.output and terminal.restored()
    s3_as(server, "TYPED", "the-typed-secret").list_buckets()


def test_key_list(ctl):
    keys = ctl.json("key", "list", "keys")["keys"]
    assert {"OWNKEY", "STDINKEY"} < {k["access_key"] for k in keys}
    assert all(k["user"] == "keys" and k["state"] == "ok" and k["expires"] is None for k in keys)
    output = ctl("key", "list")
    assert re.search(r"^OWNKEY +keys +ok +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +never$", output, re.M)
    assert ctl("key", "list", "keyless") == "There are no keys.\n"
    ctl.error(4, "key", "list", "nobody")


def test_key_rotate(server, ctl):
    old = new_user(ctl, "rotating")
    output = ctl("key", "rotate", old[0], "--keep", "12h")
    assert f"{old[0]} stays valid for 12h." in output
    s3_as(server, *old).list_buckets()
    middle = ctl.json("key", "rotate", old[0], "--keep", "1h")
    assert "no longer valid" in ctl("key", "rotate", middle["access_key"])
    new = ctl.json("key", "rotate", re.search(r"access key +(\S+)", output)[1])
    assert new["user"] == "rotating"
    s3_as(server, new["access_key"], new["secret_key"]).list_buckets()
    states = {k["access_key"]: k["state"] for k in ctl.json("key", "list", "rotating")["keys"]}
    assert states[old[0]] == "ok" and states[new["access_key"]] == "ok"
    ctl.error(2, "key", "rotate", old[0], "--keep", "long")
    ctl.error(4, "key", "rotate", "NOSUCHKEY")


def test_key_disable_and_enable(server, ctl):
    access, secret = new_user(ctl, "sleeper")
    client = s3_as(server, access, secret)
    assert "disabled" in ctl("key", "disable", access)
    assert refused(client) in ("InvalidAccessKeyId", "AccessDenied")
    assert ctl.json("key", "enable", access)["state"] == "ok"
    client.list_buckets()
    ctl.error(4, "key", "disable", "NOSUCHKEY")
    ctl.error(4, "key", "enable", "NOSUCHKEY")


def test_key_expire(server, ctl):
    access, secret = new_user(ctl, "mortal")
    client = s3_as(server, access, secret)
    assert ctl.json("key", "expire", access, "2099-01-31T12:00:00Z")["expires"] == \
        "2099-01-31T12:00:00Z"
    assert "2099-01-31 13:00:00" in ctl("key", "expire", access, "2099-01-31 13:00", TZ="CET-1")
    client.list_buckets()
    assert "expires never" in ctl("key", "expire", access, "never")
    ctl("key", "expire", access, "1s")
    time.sleep(1.1)
    assert refused(client) in ("InvalidAccessKeyId", "AccessDenied")
    assert ctl.json("key", "list", "mortal")["keys"][0]["state"] == "expired"
    ctl.error(2, "key", "expire", access, "soon")
    ctl.error(4, "key", "expire", "NOSUCHKEY", "1d")


def test_key_rm(server, ctl):
    access, secret = new_user(ctl, "loser")
    ctl("key", "rm", access)
    assert refused(s3_as(server, access, secret)) == "InvalidAccessKeyId"
    ctl.error(4, "key", "rm", access)


# ---- grants ----


def test_grants(server, ctl):
    client = s3_as(server, *new_user(ctl, "grantee"))
    for name in ("granted-one", "granted-two"):
        ctl("bucket", "add", name)
    assert ctl("grant", "add", "grantee", "granted-one", "list") == \
        "grantee on granted-one: list\n"
    client.list_objects_v2(Bucket="granted-one")
    assert error_of(client.put_object, Bucket="granted-one", Key="k")[1] == "AccessDenied"
    assert error_of(client.list_objects_v2, Bucket="granted-two")[1] == "AccessDenied"
    user = ctl.json("grant", "add", "grantee", "granted-one", "write", "list", "write")
    assert sorted(user["grants"][0]["rights"]) == ["list", "write"]
    client.put_object(Bucket="granted-one", Key="k")
    ctl("grant", "add", "grantee", "granted-*", "list")
    client.list_objects_v2(Bucket="granted-two")
    assert {"user": "grantee", "bucket": "granted-*", "rights": ["list"]} in \
        ctl.json("grant", "list")["grants"]
    assert len(ctl.json("grant", "list", "--bucket", "granted-two")["grants"]) == 1
    assert len(ctl.json("grant", "list", "grantee", "--bucket", "granted-one")["grants"]) == 2
    assert re.search(r"^grantee +granted-\* +list$", ctl("grant", "list", "grantee"), re.M)
    assert re.search(r"^grant +granted-\* +list$", ctl("user", "show", "grantee"), re.M)
    assert ctl("grant", "rm", "grantee", "granted-one", "write") == \
        "grantee on granted-one: list\n"
    assert error_of(client.put_object, Bucket="granted-one", Key="k")[1] == "AccessDenied"
    assert "no grant any more" in ctl("grant", "rm", "grantee", "granted-one")
    ctl("grant", "rm", "grantee", "granted-*")
    assert ctl("grant", "list", "grantee") == "There are no grants.\n"
    assert error_of(client.list_objects_v2, Bucket="granted-one")[1] == "AccessDenied"


def test_refused_grants(ctl):
    assert "read, write, list and owner" in ctl.error(2, "grant", "add", "grantee", "b", "fly")
    ctl.error(2, "grant", "add", "grantee", "bucket")
    ctl.error(4, "grant", "add", "nobody", "bucket", "read")
    ctl.error(4, "grant", "rm", "nobody", "bucket")
    assert "no grant" in ctl.error(4, "grant", "rm", "grantee", "bucket")
    ctl.error(4, "grant", "list", "nobody")


# ---- buckets ----


def test_bucket_life(server, ctl):
    admin = client_for(server)
    made = ctl.json("bucket", "add", "life", "--owner", "anna", "--access", "public-read",
                    "--durability", "relaxed")
    assert (made["owner"], made["access"], made["versioning"], made["durability"]) == \
        ("anna", "public-read", "off", "relaxed")
    admin.head_bucket(Bucket="life")
    shown = ctl("bucket", "set", "life", "--versioning", "enabled", "--owner=")
    assert re.search(r"^versioning +enabled$", shown, re.M)
    assert re.search(r"^owner +\(administrator\)$", shown, re.M)
    assert admin.get_bucket_versioning(Bucket="life")["Status"] == "Enabled"
    again = ctl.json("bucket", "show", "life")
    assert (again["owner"], again["access"], again["versioning"]) == \
        (None, "public-read", "enabled")
    assert "--yes" in ctl.error(2, "bucket", "rm", "life")
    admin.head_bucket(Bucket="life")
    ctl("bucket", "rm", "life", "--yes")
    assert error_of(admin.head_bucket, Bucket="life")[0] == 404


def test_bucket_usage(server, ctl):
    ctl("bucket", "add", "counted")
    client_for(server).put_object(Bucket="counted", Key="k", Body=bytes(5000))
    until = time.monotonic() + 30
    while ctl.json("bucket", "show", "counted")["bytes"] != 5000:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert re.search(r"^size +4\.9 KiB$", ctl("bucket", "show", "counted"), re.M)
    assert re.search(r"^counted +1 +4\.9 KiB +\(administrator\) +private", ctl("bucket", "list"),
                     re.M)
    assert ctl.json("bucket", "list", "--prefix", "counte")["buckets"][0]["objects"] == 1


def test_more_buckets_than_a_page(server, ctl):
    many = [f"page{i:04}" for i in range(1003)]
    for name in many:
        (server.root / name).mkdir()
    assert [b["name"] for b in ctl.json("bucket", "list", "--prefix", "page")["buckets"]] == many
    for name in many:
        (server.root / name).rmdir()


def test_refused_buckets(server, ctl):
    ctl.error(5, "bucket", "add", "bucket")
    ctl.error(1, "bucket", "add", "Not.A/Name")
    ctl.error(1, "bucket", "add", "fine-name", "--owner", "nobody")
    ctl.error(4, "bucket", "show", "fine-name")
    assert "public-read" in ctl.error(2, "bucket", "add", "fine-name", "--access", "everyone")
    ctl.error(2, "bucket", "set", "bucket")
    ctl.error(1, "bucket", "set", "bucket", "--owner", "nobody")
    ctl.error(4, "bucket", "set", "nosuch", "--access", "private")
    ctl.error(4, "bucket", "show", "nosuch")
    ctl.error(4, "bucket", "rm", "nosuch", "--yes")
    client_for(server).put_object(Bucket="bucket", Key="k")
    ctl.error(1, "bucket", "rm", "bucket", "--yes")
    assert ctl("bucket", "list", "--prefix", "zz") == "There are no buckets.\n"


# ---- uploads ----


def test_uploads(server, ctl):
    client = client_for(server)
    keys = ["plain", "with\x1b[31mescape", "ünïcode/deep"]
    ids = {k: client.create_multipart_upload(Bucket="bucket", Key=k)["UploadId"] for k in keys}
    listed = ctl.json("uploads", "list", "bucket")["uploads"]
    assert {u["key"]: u["id"] for u in listed} == ids
    assert all(u["bucket"] == "bucket" and u["started"] for u in listed)
    output = ctl("uploads", "list", "bucket")
    assert "\x1b" not in output and r"with\x1b[31mescape" in output
    for key, upload in ids.items():
        ctl("uploads", "abort", "bucket", key, upload)
    assert "Uploads" not in client.list_multipart_uploads(Bucket="bucket")
    assert ctl("uploads", "list", "bucket") == "No uploads are in progress.\n"
    ctl.error(4, "uploads", "abort", "bucket", "plain", ids["plain"])
    ctl.error(4, "uploads", "list", "nosuch")


def test_more_uploads_than_a_page(server, ctl):
    """Also of one key: the second page begins in its midst."""
    client = client_for(server)

    def create(i):
        return client.create_multipart_upload(Bucket="paged", Key=f"key{i // 400}")["UploadId"]

    ctl("bucket", "add", "paged")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = sorted(pool.map(create, range(1203)))
    listed = ctl.json("uploads", "list", "paged")["uploads"]
    assert sorted(u["id"] for u in listed) == ids
    assert [u["key"] for u in listed] == sorted(u["key"] for u in listed)


# ---- the server ----


def test_status(server, ctl):
    status = ctl.json("status")
    assert status["pid"] == server.pid and status["engine"] == "filesystem"
    assert status["address"] == f"127.0.0.1:{server.port}" and status["authentication"] is True
    assert status["storage_total"] > status["storage_free"] > 0
    assert status["draining"] is False and status["read_only"] is False
    assert re.search(rf"^server +lobos [0-9.]+, process {server.pid}$", ctl("status"), re.M)


def test_reload_and_drain(make_server):
    server = make_server(form="config", credentials=False, **CONTROL,
                         config="[lobos]\nport = 0\n[filesystem]\ndirectory = {root}\n")
    ctl = Ctl(server)
    assert "reload" in ctl("reload")
    server.wait_for_log("reloaded")
    server.config_path.write_text("[lobos]\nprot = 1\n")
    assert "prot" in ctl.error(1, "reload")
    assert "--yes" in ctl.error(2, "drain")
    assert server.running()
    assert "in progress" in ctl.json("drain", "--yes")["message"]
    assert server.wait(20) == 0
    assert "is lobos running there?" in ctl.error(3, "status")


def busy(server, requests=40):
    client = client_for(server)
    for i in range(requests):
        client.put_object(Bucket="bucket", Key=f"busy{i}", Body=bytes(1000))
    with contextlib.suppress(botocore.exceptions.ClientError):
        client.get_object(Bucket="bucket", Key="not there")


def test_top_once(server, ctl):
    terminal = Terminal("top", "--json", "--interval", "3", "--server", server.control_address)
    with contextlib.closing(terminal):
        time.sleep(0.5)
        busy(server)
        assert terminal.end() == 0
        text = terminal.output.decode()
    assert '"name": "PutObject"' in text and '"p99_us": null' not in text
    put = text[text.index('"name": "PutObject"'):]
    assert float(re.search(r'"requests_per_s": ([0-9.]+)', put)[1]) * 3 == pytest.approx(40, rel=.2)
    assert float(re.search(r'"bytes_in_per_s": ([0-9.]+)', put)[1]) > 5000
    idle = ctl("top", "--once", "--interval", "1")
    assert re.search(r"^all +0 +0 +0 +0 +- +-$", idle, re.M)
    ctl.error(2, "top", "--interval", "0")


def page(output):
    """The last page that was drawn, as lines."""
    last = output.rsplit(b"\x1b[H", 1)[1].split(b"\x1b[J")[0].decode()
    return last.replace("\x1b[K", "").replace("\r", "").split("\n")


@pytest.mark.parametrize("end", ["q", "\x03", "SIGTERM"])
def test_top_on_a_terminal(server, end):
    terminal = Terminal("top", "--interval", "1", "--server", server.control_address)
    with contextlib.closing(terminal):
        terminal.wait_for("the first sample")
        busy(server)
        terminal.wait_for("PutObject")
        lines = page(terminal.output)
        assert len(lines) <= 24 and max(map(len, lines)) <= 80
        assert any(line.startswith("OPERATION") for line in lines)
        if end == "SIGTERM":
            terminal.process.terminate()
        elif end == "\x03":
            os.kill(terminal.process.pid, 2)
        else:
            terminal.send(end)
        assert terminal.end() == 0
        assert terminal.restored() and terminal.output.endswith(b"\x1b[?25h\x1b[?1049l")


def test_top_fits_a_small_terminal(server):
    terminal = Terminal("top", "--interval", "1", "--server", server.control_address,
                        columns=40, rows=10)
    with contextlib.closing(terminal):
        busy(server)
        terminal.wait_for("every 1 s")
        lines = page(terminal.output)
        assert len(lines) <= 10 and max(map(len, lines)) <= 40
        terminal.resize(60, 20)
        terminal.wait_for("P50  P99")
        terminal.send("q")
        assert terminal.end() == 0


def test_top_waits_for_a_server_that_is_away(make_server):
    server = make_server(credentials=False, **CONTROL)
    terminal = Terminal("top", "--interval", "1", "--server", server.control_address)
    with contextlib.closing(terminal):
        terminal.wait_for("every")
        server.kill9()
        terminal.wait_for("cannot reach")
        terminal.send("q")
        assert terminal.end() == 0


# ---- who may talk to the control plane ----


def test_tls_and_token(make_server, certificate, tmp_path):
    token = "a-token-of-some-length"
    server = make_server(grpc_token=token, grpc_tls_certificate=certificate[0],
                         grpc_tls_key=certificate[1], **CONTROL)
    ctl = Ctl(server, "--ca", certificate[0])
    assert "--token-file" in ctl.error(6, "status")
    ctl.error(6, "status", LOBOS_TOKEN="another-token-of-some-length")
    assert ctl.json("status", LOBOS_TOKEN=token)["engine"] == "filesystem"
    (tmp_path / "token").write_text(token + "\n")
    ctl("status", "--token-file", tmp_path / "token")
    ctl.error(2, "status", "--token-file", tmp_path / "none")
    assert "--ca turns it on" in Ctl(server).error(3, "status", LOBOS_TOKEN=token)
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                             "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=other",
                             "-keyout", tmp_path / "other.key", "-out", other], check=True,
                            capture_output=True)
    wrong = Ctl(server, "--ca", other)
    assert "that the server's is from" in wrong.error(3, "status", LOBOS_TOKEN=token)
    for bad in (certificate[1], "/dev/null"):
        assert "CERTIFICATE" in Ctl(server, "--ca", bad).error(2, "status", LOBOS_TOKEN=token)
    assert token not in server.log


def test_certificates_of_clients(make_server, certificate):
    server = make_server(grpc_tls_certificate=certificate[0], grpc_tls_key=certificate[1],
                         grpc_client_ca=certificate[0], **CONTROL)
    ctl = Ctl(server, "--ca", certificate[0])
    assert "--cert" in ctl.error(3, "status")
    ctl("status", "--cert", certificate[0], "--key", certificate[1])
    assert "--key" in ctl.error(2, "status", "--cert", certificate[0])
    ctl.error(2, "status", "--cert", certificate[0], "--key", certificate[0])
    plain = make_server(**CONTROL)
    assert "no TLS is spoken" in Ctl(plain, "--ca", certificate[0]).error(3, "status")
    result = lobosctl.run("--server", f"127.0.0.1:{plain.port}", "status")
    assert result.returncode == 3 and "HTTP" in result.stderr


def test_a_token_never_goes_elsewhere_in_clear():
    result = lobosctl.run("--server", "store.example.org:1", "status", LOBOS_TOKEN="secret-token")
    assert result.returncode == 2 and "--ca" in result.stderr
    assert "secret-token" not in result.stderr


# ---- a server that does not answer, and mistakes ----


def test_no_server():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = lobosctl.run("--server", f"127.0.0.1:{port}", "--timeout", "1", "status")
        assert result.returncode == 3, "accepts, and says nothing"
    result = lobosctl.run("--server", f"127.0.0.1:{port}", "status")
    assert result.returncode == 3 and "Connection refused" in result.stderr
    assert f"127.0.0.1:{port}" in result.stderr and "is lobos running" in result.stderr


def test_a_proxy_in_the_environment_is_not_asked(server):
    result = subprocess.run(
        [lobosctl.BINARY, "status"], capture_output=True, timeout=60, check=False,
        env={"LOBOS_SERVER": server.control_address, "http_proxy": "http://127.0.0.1:1"})
    assert result.returncode == 0


@pytest.mark.parametrize("line, said", [
    ("frobnicate", "no command frobnicate"),
    ("user", "add, list, show, rm, admin"),
    ("user frobnicate", "add, list, show, rm, admin"),
    ("user add", "usage: lobosctl user add NAME"),
    ("user list extra", "usage: lobosctl user list"),
    ("user list --frob", "no option --frob"),
    ("--frob", "no option --frob"),
    ("status --timeout 0", "--timeout"),
    ("status --timeout", "needs a value"),
    ("status --server nowhere", "HOST:PORT"),
    ("status --server http://127.0.0.1:1", "HOST:PORT"),
    ("status --json=yes", "takes no value"),
    ("status --ca /nonexistent", "/nonexistent"),
    ("completion tcsh", "bash zsh fish"),
    ("help frobnicate", "no command"),
])
def test_mistakes(line, said):
    result = lobosctl.run(*line.split())
    assert result.returncode == 2 and said in result.stderr and result.stdout == ""
    assert result.stderr.count("\n") == 1


def test_a_full_disk_is_said():
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([lobosctl.BINARY, "help"], stdout=full, stderr=subprocess.PIPE,
                                text=True, check=False, timeout=60)
    assert result.returncode == 1 and "No space left" in result.stderr


def test_secrets_vanish_from_the_list_of_processes(make_server):
    """A server that never answers leaves time to look."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = ["--server", f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "20"]
        for words in (["user", "add", "n:KEY:the-hidden-secret", "m:KEY2:the-hidden-secret"],
                      ["key", "add", "n", "--access-key", "K", "--secret-key=the-hidden-secret"]):
            process = subprocess.Popen([lobosctl.BINARY, *options, *words])
            try:
                connection, _ = silent.accept()
                with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                    shown = file.read()
                connection.close()
            finally:
                process.kill()
                process.wait()
            assert b"add" in shown and b"the-hidden-secret" not in shown


def test_help():
    overview = lobosctl.run("--help")
    assert overview.returncode == 0 and "user add NAME" in overview.stdout
    assert overview.stdout == lobosctl.run("help").stdout
    nothing = lobosctl.run()
    assert nothing.returncode == 2 and nothing.stderr == overview.stdout
    assert "--no-key" in lobosctl.run("user", "add", "--help").stdout
    assert lobosctl.run("help", "user", "add").stdout == \
        lobosctl.run("user", "add", "-h").stdout
    assert "bucket set" in lobosctl.run("bucket", "--help").stdout
    assert re.fullmatch(r"lobosctl \d+\.\d+\.\d+\n", lobosctl.run("--version").stdout)


# ---- secrets ----


def test_no_secret_is_ever_shown_again(make_server):
    server = make_server(log_level="debug", access_log="true", **CONTROL)
    ctl = Ctl(server)
    secrets = [new_user(ctl, f"user{i}")[1] for i in range(3)]
    ctl("user", "add", "given:KEYGIVEN:the-given-secret-key")
    created = ctl.json("key", "rotate", "KEYGIVEN", "--keep", "1d")["secret_key"]
    secrets += ["the-given-secret-key", created]
    ctl.outputs.clear()
    for command in ("user list", "user show given", "key list", "grant list", "status",
                    "user add given:KEYGIVEN:the-given-secret-key"):
        for json in ([], ["--json"]):
            ctl.run(*command.split(), *json, code=5 if "add" in command else 0)
    shown = "".join(output for _, output in ctl.outputs) + server.log
    for secret in secrets:
        assert secret not in shown


# ---- the README ----


def test_the_readmes_transcript_runs(make_server):
    """Its commands succeed, and print as many lines that begin with the same words."""
    section = (lobos.REPOSITORY / "README.md").read_text().split("\n## lobosctl\n")[1]
    transcript = section.split("```\n")[1]
    ctl = Ctl(make_server(**CONTROL))
    parts = re.split(r"^\$ lobosctl (.*)\n", transcript, flags=re.M)[1:]
    assert len(parts) >= 10
    for command, expected in zip(parts[::2], parts[1::2]):
        first_words = [[line.split(" ")[0] for line in text.splitlines()]
                       for text in (ctl(*command.split()), expected)]
        assert first_words[0] == first_words[1], command
