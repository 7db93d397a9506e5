"""Clients as people use them: aws, rclone, s3cmd and curl from the distribution."""

import filecmp
import os
import pathlib
import re
import shutil
import subprocess

import pytest

import lobos

AWS = "/usr/bin/aws" if os.access("/usr/bin/aws", os.X_OK) else "aws"


@pytest.fixture(scope="module")
def server():
    made = lobos.Lobos(access_log="true").start()
    yield made
    made.close()


@pytest.fixture
def run(server, tmp_path):
    """Runs a client with our server and a home of its own; returns what it prints."""
    variables = {
        "HOME": str(tmp_path), "AWS_ACCESS_KEY_ID": lobos.ACCESS,
        "AWS_SECRET_ACCESS_KEY": lobos.SECRET, "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.url, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": "",
        "RCLONE_CONFIG_L_TYPE": "s3", "RCLONE_CONFIG_L_PROVIDER": "Other",
        "RCLONE_CONFIG_L_ENDPOINT": server.url, "RCLONE_CONFIG_L_REGION": "us-east-1",
        "RCLONE_CONFIG_L_ACCESS_KEY_ID": lobos.ACCESS,
        "RCLONE_CONFIG_L_SECRET_ACCESS_KEY": lobos.SECRET, "RCLONE_RETRIES": "1",
        "RCLONE_LOW_LEVEL_RETRIES": "1", "RCLONE_CONFIG": str(tmp_path / "rclone.conf")}
    (tmp_path / "rclone.conf").touch()

    def call(*command, status=0):
        if not shutil.which(str(command[0])):
            pytest.fail(f"{command[0]} is not installed; tools/install-deps check installs it")
        result = subprocess.run([str(c) for c in command], env=lobos.environment(**variables),
                                cwd=tmp_path, text=True, errors="replace",
                                capture_output=True, timeout=280, check=False)
        assert result.returncode == status, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    return call


@pytest.fixture
def tree(tmp_path):
    """A directory with the names that people have."""
    root = tmp_path / "tree"
    for name, size in (("readme.txt", 10), ("empty", 0), ("docs/with space.md", 1000),
                       ("docs/deep/er/ü-日本.bin", 70_000), ("plus+and%20.txt", 5),
                       ("large.bin", 9 << 20), ("docs/&<>'.txt", 3)):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
    return root


def same(a, b):
    """Do two directories hold the same files?"""
    files = sorted(p.relative_to(a) for p in a.rglob("*") if p.is_file())
    others = sorted(p.relative_to(b) for p in b.rglob("*")
                    if p.is_file() and ".lobos" not in p.parts)
    return files == others and all(filecmp.cmp(a / f, b / f, shallow=False) for f in files)


# ---- aws ----


@pytest.fixture
def aws(server, run):
    return lambda *args, **more: run(AWS, "--endpoint-url", server.url, *args, **more)


def test_aws_daily_work(server, aws, run, tree, tmp_path):
    aws("s3", "mb", "s3://daily")
    large = tmp_path / "100MiB"
    large.write_bytes(os.urandom(1 << 20) * 100)
    aws("s3", "cp", "--quiet", large, "s3://daily/big/file.bin")
    assert filecmp.cmp(large, server.root / "daily" / "big" / "file.bin", shallow=False)
    server.wait_for_log("op=CompleteMultipartUpload")
    aws("s3", "cp", "--quiet", "s3://daily/big/file.bin", tmp_path / "back")
    assert filecmp.cmp(large, tmp_path / "back", shallow=False)
    (tmp_path / "back").unlink()
    aws("s3", "sync", "--quiet", tree, "s3://daily/tree")
    assert same(tree, server.root / "daily" / "tree")
    assert aws("s3", "sync", tree, "s3://daily/tree") == ""
    listed = aws("s3", "ls", "--recursive", "s3://daily/tree/")
    names = [line.split(maxsplit=3)[3] for line in listed.splitlines()]
    expected = sorted((f"tree/{p.relative_to(tree)}" for p in tree.rglob("*") if p.is_file()),
                      key=str.encode)
    assert names == expected
    assert "PRE docs/" in aws("s3", "ls", "s3://daily/tree/")
    aws("s3", "sync", "--quiet", "s3://daily/tree", tmp_path / "copy")
    assert same(tree, tmp_path / "copy")
    (tree / "readme.txt").unlink()
    aws("s3", "sync", "--quiet", "--delete", tree, "s3://daily/tree")
    assert not (server.root / "daily" / "tree" / "readme.txt").exists()
    aws("s3", "mv", "--quiet", "s3://daily/tree/empty", "s3://daily/tree/moved")
    assert (server.root / "daily" / "tree" / "moved").exists()
    url = aws("s3", "presign", "s3://daily/tree/plus+and%20.txt").strip()
    run("curl", "-sSf", "-o", tmp_path / "presigned", url)
    assert filecmp.cmp(tmp_path / "presigned", tree / "plus+and%20.txt", shallow=False)
    aws("s3", "rm", "--quiet", "--recursive", "s3://daily")
    assert aws("s3", "ls", "s3://daily") == ""
    aws("s3", "rb", "s3://daily")
    assert not (server.root / "daily").exists()


def test_aws_streams(aws, server, run, tmp_path):
    aws("s3", "mb", "s3://streams")
    run("/bin/sh", "-c", f"head -c 20000000 /dev/urandom | tee sent | {AWS} --endpoint-url "
                         f"{server.url} s3 cp - s3://streams/piped")
    assert filecmp.cmp(tmp_path / "sent", server.root / "streams" / "piped", shallow=False)
    (tmp_path / "got").write_bytes(b"")
    run("/bin/sh", "-c", f"{AWS} --endpoint-url {server.url} s3 cp s3://streams/piped - > got")
    assert filecmp.cmp(tmp_path / "sent", tmp_path / "got", shallow=False)


def test_aws_api(aws, tmp_path):
    aws("s3api", "create-bucket", "--bucket", "api")
    (tmp_path / "f").write_bytes(b"content")
    aws("s3api", "put-object", "--bucket", "api", "--key", "k", "--body", tmp_path / "f",
        "--metadata", "a=b", "--checksum-algorithm", "SHA256")
    assert '"a": "b"' in aws("s3api", "head-object", "--bucket", "api", "--key", "k")
    aws("s3api", "get-object", "--bucket", "api", "--key", "k", "--range", "bytes=0-2",
        tmp_path / "part")
    assert (tmp_path / "part").read_bytes() == b"con"
    aws("s3api", "head-object", "--bucket", "api", "--key", "missing", status=254)


# ---- rclone ----


def test_rclone(server, run, tree, tmp_path):
    def rclone(*args, **more):
        return run("rclone", *args, **more)

    rclone("mkdir", "L:rclone")
    rclone("copy", tree, "L:rclone/tree")
    assert same(tree, server.root / "rclone" / "tree")
    rclone("check", tree, "L:rclone/tree")
    rclone("check", "--download", tree, "L:rclone/tree")
    listed = rclone("lsf", "-R", "--files-only", "L:rclone/tree").splitlines()
    assert sorted(listed) == sorted(str(p.relative_to(tree)) for p in tree.rglob("*")
                                    if p.is_file())
    (tree / "text").write_text("some text")
    rclone("copy", tree / "text", "L:rclone/tree")
    assert rclone("cat", "L:rclone/tree/text") == "some text"
    (tree / "new file").write_text("new")
    (tree / "empty").unlink()
    rclone("sync", tree, "L:rclone/tree")
    assert same(tree, server.root / "rclone" / "tree")
    rclone("check", tree, "L:rclone/tree")
    rclone("copy", "L:rclone/tree", tmp_path / "back")
    assert same(tree, tmp_path / "back")
    rclone("copyto", "L:rclone/tree/new file", "L:rclone/server side")
    assert (server.root / "rclone" / "server side").read_text() == "new"
    (tmp_path / "multi").write_bytes(os.urandom(12 << 20))
    rclone("copyto", "--s3-upload-cutoff", "5M", "--s3-chunk-size", "5M", tmp_path / "multi",
           "L:rclone/multi")
    assert filecmp.cmp(tmp_path / "multi", server.root / "rclone" / "multi", shallow=False)
    rclone("purge", "L:rclone")
    assert not (server.root / "rclone").exists()


# ---- s3cmd ----


def test_s3cmd(server, run, tree, tmp_path):
    port = server.port
    (tmp_path / ".s3cfg").write_text(
        f"[default]\naccess_key = {lobos.ACCESS}\nsecret_key = {lobos.SECRET}\n"
        f"host_base = 127.0.0.1:{port}\nhost_bucket = 127.0.0.1:{port}\nuse_https = False\n"
        "signature_v2 = False\nbucket_location = us-east-1\n")

    def s3cmd(*args, **more):
        return run("s3cmd", "--no-progress", *args, **more)

    s3cmd("mb", "s3://s3cmd")
    s3cmd("put", tree / "docs" / "with space.md", "s3://s3cmd/a b+c.md")
    assert filecmp.cmp(tree / "docs" / "with space.md", server.root / "s3cmd" / "a b+c.md",
                       shallow=False)
    s3cmd("get", "s3://s3cmd/a b+c.md", tmp_path / "back.md")
    assert filecmp.cmp(tree / "docs" / "with space.md", tmp_path / "back.md", shallow=False)
    (tmp_path / "multi").write_bytes(os.urandom(17 << 20))
    s3cmd("put", "--multipart-chunk-size-mb=5", tmp_path / "multi", "s3://s3cmd/multi")
    assert filecmp.cmp(tmp_path / "multi", server.root / "s3cmd" / "multi", shallow=False)
    s3cmd("sync", f"{tree}/", "s3://s3cmd/tree/")
    assert same(tree, server.root / "s3cmd" / "tree")
    listed = s3cmd("ls", "--recursive", "s3://s3cmd")
    assert "s3://s3cmd/tree/docs/deep/er/ü-日本.bin" in listed
    assert re.search(r"File size:\s+17825792", s3cmd("info", "s3://s3cmd/multi"))
    s3cmd("cp", "s3://s3cmd/multi", "s3://s3cmd/copied")
    s3cmd("del", "s3://s3cmd/copied")
    s3cmd("del", "--recursive", "--force", "s3://s3cmd")
    s3cmd("rb", "s3://s3cmd")
    assert not (server.root / "s3cmd").exists()


# ---- curl ----


def test_curl(server, run, tmp_path):
    def curl(*args, **more):
        return run("curl", "-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3",
                   "--user", f"{lobos.ACCESS}:{lobos.SECRET}",
                   "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", *args, **more)

    curl("-X", "PUT", f"{server.url}/curl")
    (tmp_path / "f").write_bytes(os.urandom(3 << 20))
    curl("-T", tmp_path / "f", f"{server.url}/curl/dir/f")
    assert filecmp.cmp(tmp_path / "f", server.root / "curl" / "dir" / "f", shallow=False)
    curl("-o", tmp_path / "g", f"{server.url}/curl/dir/f")
    assert filecmp.cmp(tmp_path / "f", tmp_path / "g", shallow=False)
    assert "<Key>dir/f</Key>" in curl(f"{server.url}/curl?list-type=2")
    assert "NoSuchKey" in curl(f"{server.url}/curl/missing", status=22)
    curl("-X", "DELETE", f"{server.url}/curl/dir/f")
    assert pathlib.Path(server.root / "curl").is_dir()
