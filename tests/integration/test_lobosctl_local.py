"""What lobosctl does without a control plane: doctor, config, completion; and the manual pages."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

import lobos
import lobosctl
from lobosctl import run

TARGETS = ["aws", "boto3", "rclone", "s3cmd", "warp", "lmcache", "vllm", "curl"]
NASTY = "a'b\"c\\d $e`f"
BUILD = pathlib.Path(lobosctl.BINARY).parent
needs = {name: pytest.mark.skipif(not shutil.which(name), reason=f"no {name} here")
         for name in ("bash", "zsh", "fish", "mandoc", "rclone", "s3cmd", "aws")}


# ---- doctor ----


def test_doctor_checks_a_directory(tmp_path):
    result = run("doctor", tmp_path)
    assert result.returncode == 0, result.stdout
    states = dict(re.findall(r"^(?:ok|warn|fail) +(\S+(?: \S+)?)  +(.*)$", result.stdout, re.M))
    assert {"kernel", "io_uring", "descriptors", "hugepages", "clock", "directory", "filesystem",
            "openat2", "xattrs", "copies", "O_DIRECT", "free space"} == set(states)
    assert re.search(r"^\d+ ok, \d+ to look at, 0 wrong$", result.stdout, re.M)
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_to_change():
    result = run("doctor", "/proc", "--json")
    assert result.returncode == 1
    checks = {c["check"]: c for c in json.loads(result.stdout)["checks"]}
    assert checks["directory"]["state"] == "fail" and "write access" in checks["directory"]["advice"]
    assert checks["xattrs"]["state"] == "warn"
    assert all((c["state"] == "ok") == (c["advice"] is None) for c in checks.values())


def test_doctor_knows_memory_from_disk():
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm to write to")
    assert re.search(r"^warn +filesystem +tmpfs$", run("doctor", "/dev/shm").stdout, re.M)


def test_doctor_sees_the_limit_of_descriptors(tmp_path):
    output = subprocess.run(["/bin/sh", "-c", 'ulimit -n 512; exec "$0" doctor "$1"',
                             lobosctl.BINARY, tmp_path], text=True, capture_output=True,
                            check=False, timeout=60)
    assert output.returncode == 1
    assert re.search(r"^fail +descriptors +512 descriptors at most$", output.stdout, re.M)


def test_doctor_without_a_directory(tmp_path):
    result = run("doctor", tmp_path / "none")
    assert result.returncode == 2 and "No such file" in result.stderr


# ---- config ----


@pytest.fixture(scope="module")
def server():
    made = lobos.Lobos(buckets=["kvcache"])
    made.start()
    yield made
    made.close()


def config(target, server=None, secret=None, **more):
    endpoint = ["--endpoint", server.url] if server else []
    keys = ["--access-key", server.credentials[0], "--secret-key", "-"] if server else []
    result = run("config", target, *endpoint, *keys, *more.get("options", ()),
                 stdin=server.credentials[1] if server else "")
    assert result.returncode == 0, result.stderr
    return result.stdout


def shell(script, home, **environ):
    """Runs it as a person would paste it; returns the output."""
    result = subprocess.run(["/bin/bash", "-euc", script], text=True, capture_output=True,
                            timeout=60, check=False,
                            env=lobos.environment(HOME=str(home), AWS_EC2_METADATA_DISABLED="true",
                                                  **environ))
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_curl_runs(server, tmp_path):
    assert "<Name>kvcache</Name>" in shell("set +x\n" + config("curl", server), tmp_path)


def test_boto3_runs(server):
    names = {}
    exec(config("boto3", server), names)  # pylint: disable=exec-used
    assert [b["Name"] for b in names["s3"].list_buckets()["Buckets"]] == ["kvcache"]


@needs["aws"]
def test_aws_runs(server, tmp_path):
    script = config("aws", server)
    assert "kvcache" in shell(script + 'aws --endpoint-url "$AWS_ENDPOINT_URL" s3 ls', tmp_path)


@needs["rclone"]
def test_rclone_runs(server, tmp_path):
    (tmp_path / "rclone.conf").write_text(config("rclone", server))
    assert "kvcache" in shell(f"rclone --config {tmp_path}/rclone.conf lsd lobos:", tmp_path)


@needs["s3cmd"]
def test_s3cmd_runs(server, tmp_path):
    (tmp_path / ".s3cfg").write_text(config("s3cmd", server))
    assert "s3://kvcache" in shell("s3cmd ls", tmp_path)


def test_vllms_settings_are_json(server):
    words = shlex.split(config("vllm", server, options=["--bucket", "it"]), comments=True)
    assert words[0] == "--kv-transfer-config"
    tier = json.loads(words[1])["kv_connector_extra_config"]["secondary_tiers"][0]
    assert tier["store_config"] == {
        "bucket": "it", "endpoint_override": f"127.0.0.1:{server.port}", "scheme": "http",
        "region": "us-east-1", "access_key": server.credentials[0],
        "secret_key": server.credentials[1]}


def test_lmcaches_settings(server):
    lines = dict(re.findall(r"^ *(\w+): (.*)$", config("lmcache", server), re.M))
    assert json.loads(lines["remote_url"]) == f"s3://127.0.0.1:{server.port}"
    assert lines["disable_tls"] == "true"
    assert json.loads(lines["aws_secret_access_key"]) == server.credentials[1]


def test_warps_settings(server, tmp_path):
    script = "warp() { env; }\n" + config("warp", server)
    assert f"WARP_SECRET_KEY={server.credentials[1]}\n" in shell(script, tmp_path)
    assert "WARP_TLS" not in script
    assert "WARP_TLS=true" in run("config", "warp", "--endpoint", "https://h").stdout


@pytest.mark.parametrize("target", TARGETS)
def test_values_are_quoted(target, tmp_path):
    result = run("config", target, "--access-key", "AK", "--secret-key", NASTY,
                 "--endpoint", "https://s3.example.org")
    assert result.returncode == 0
    if target in ("aws", "warp"):
        name = "AWS_SECRET_ACCESS_KEY" if target == "aws" else "WARP_SECRET_KEY"
        output = shell(f"warp() {{ :; }}\n{result.stdout}printf %s \"${name}\"", tmp_path)
        assert output == NASTY
    elif target == "curl":
        assert f"AK:{NASTY}" in shlex.split(result.stdout, comments=True)
    elif target == "vllm":
        assert json.dumps(NASTY) in json.dumps(json.loads(shlex.split(result.stdout,
                                                                      comments=True)[1]))
    elif target in ("boto3", "lmcache"):
        quoted = re.search(r"secret_access_key(?:=|: )(\".*\")", result.stdout)[1]
        assert json.loads(quoted) == NASTY
    else:
        assert result.stdout.endswith(f"= {NASTY}\n")


def test_config_mistakes():
    for endpoint in ("127.0.0.1:8080", "ftp://x", "http://", "http://h/path", "http://h?x"):
        result = run("config", "aws", "--endpoint", endpoint)
        assert result.returncode == 2 and "--endpoint" in result.stderr, endpoint
    assert run("config", "aws", "--secret-key", "a\nb").returncode == 2
    assert run("config", "aws", "--secret-key", "-").returncode == 2
    assert "boto3" in run("config", "netscape").stderr
    assert json.loads(run("config", "aws", "--json").stdout)["settings"].startswith("# Paste")


# ---- completion ----


@needs["bash"]
@pytest.mark.parametrize("line, words", [
    ("us", ["user"]),
    ("user ", ["add", "list", "show", "rm", "admin"]),
    ("--server x bucket s", ["show", "set"]),
    ("bucket add x --access public-read-", ["public-read-write"]),
    ("config rc", ["rclone"]),
    ("config aws --end", ["--endpoint"]),
    ("key add u --exp", ["--expires"]),
    ("completion ", ["bash", "zsh", "fish"]),
])
def test_bash_completes(line, words):
    cut = ["lobosctl", *line.split(" ")]
    script = (run("completion", "bash").stdout + f"COMP_WORDS=({' '.join(map(shlex.quote, cut))})\n"
              f"COMP_CWORD={len(cut) - 1}\n_lobosctl\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
    result = subprocess.run(["bash", "-euc", script], text=True, capture_output=True, check=True,
                            timeout=60)
    found = [w for w in result.stdout.split() if not w.startswith("--") or line[-5:] != "tion "]
    assert found[:len(words)] == words and all(w.startswith("--") for w in found[len(words):])


@needs["fish"]
def test_fish_completes(tmp_path):
    (tmp_path / "c.fish").write_text(run("completion", "fish").stdout)
    for line, word in [("us", "user"), ("user ", "admin"), ("config ", "vllm"),
                       ("bucket add x --access ", "public-read")]:
        out = subprocess.run(["fish", "-c", f"source {tmp_path}/c.fish; complete -C "
                              f"'lobosctl {line}'"], text=True, capture_output=True, check=True,
                             env={**os.environ, "HOME": str(tmp_path)}, timeout=60).stdout
        assert word in [row.split("\t")[0] for row in out.splitlines()], (line, out)


@needs["zsh"]
def test_zsh_takes_its_completion():
    subprocess.run(["zsh", "-fn", "/dev/stdin"], input=run("completion", "zsh").stdout, text=True,
                   check=True, timeout=60)


# ---- manual pages ----

PAGES = [lobos.REPOSITORY / "docs/man/lobos.1", lobos.REPOSITORY / "docs/man/lobosctl.1",
         BUILD / "man/lobos.cfg.5"]


@needs["mandoc"]
@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_manual_pages_are_right(page):
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], text=True,
                            capture_output=True, check=False, timeout=60)
    assert result.returncode == 0 and not result.stdout, result.stdout


def text_of(page):
    """The page's words without macros, one space apart."""
    return " ".join(re.sub(r"\b(Cm|Fl|Ar|Op|Oo|Oc|Ns|No|It|Pq) ", "",
                           page.read_text().replace("Fl Fl ", "--")).split())


def test_lobosctls_page_has_every_command_and_option():
    page = text_of(PAGES[1])
    overview = run("help").stdout
    commands = re.findall(r"^  ((?:user|key|grant|bucket|uploads) [a-z]+|[a-z]+)(?= )", overview,
                          re.M)
    assert len(commands) == 30
    for command in commands:
        assert re.search(rf"(^|[ .]){command}\b", page), f"{command} is not in the manual page"
        for option in re.findall(r"^  --([a-z-]+)", run("help", *command.split()).stdout, re.M):
            assert f"--{option}" in page, f"{command} --{option} is not in the manual page"
    for option in re.findall(r"^  --([a-z-]+)", overview, re.M):
        assert f"--{option}" in page, f"--{option} is not in the manual page"


def test_loboss_page_has_every_option():
    page = text_of(PAGES[0])
    options = re.findall(r"--[a-z-]+", lobos.run("--help").stdout)
    assert "--check-config" in options
    for option in options:
        assert option in page, f"{option} is not in the manual page"


def test_the_configurations_page_has_every_key():
    page = PAGES[2].read_text()
    definition = (lobos.REPOSITORY / "src/server/config.def").read_text()
    keys = re.findall(r'^LB_CONFIG\("\w+", "(\w+)"', definition, re.M)
    assert len(keys) > 40
    for key in keys:
        assert re.search(rf'Cm "{key} =', page), f"{key} is not in lobos.cfg(5)"
