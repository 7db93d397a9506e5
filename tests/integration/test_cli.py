"""The command line, the configuration, and life as a service."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

import pytest

import lobos
from conftest import client_for

DEFINITIONS = lobos.REPOSITORY / "src" / "server" / "config.def"
EXAMPLE = lobos.REPOSITORY / "lobos.cfg"
KEYS = re.findall(r'^LB_CONFIG\("(\w+)", "(\w+)", (\w+), \w+, "([^"]*)"', DEFINITIONS.read_text(),
                  re.M)


def get(server, path, headers=None, timeout=10):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    connection.request("GET", path, headers=headers or {})
    return connection, connection.getresponse()


def config_file(tmp_path, text):
    path = tmp_path / "test.cfg"
    path.write_text(text)
    return path


# ---- what it says about itself ----


def test_help_names_every_option():
    result = lobos.run("--help")
    assert result.returncode == 0 and not result.stderr
    for option in ("--config", "--root", "--dir", "--port", "--threads", "--pin-threads-to-cpus",
                   "--enable-lobos-index", "--lobos-index-refresh-sec", "--set", "--check-config",
                   "--help", "--version"):
        assert option in result.stdout
    assert lobos.run("-h").stdout == result.stdout


def test_version():
    result = lobos.run("--version")
    assert result.returncode == 0
    assert re.fullmatch(r"lobos \d+\.\d+\.\d+\S*\n", result.stdout)


def test_no_argument_shows_the_help_and_fails():
    result = lobos.run()
    assert result.returncode != 0 and "Usage:" in result.stderr


@pytest.mark.parametrize("arguments, said", [
    (["--root", "/nowhere/at/all"], "/nowhere/at/all: No such file"),
    (["--root", ".", "--unknown"], "--help lists the options"),
    (["--root", ".", "stray"], "stray"),
    (["--root"], "missing value"),
    (["--root", ".", "-p", "65536"], "port = 65536: must be a number from 0 to 65535"),
    (["--root", ".", "-p", "http"], "port = http"),
    (["--root", ".", "-t", "-1"], "http_threads = -1"),
    (["--root", ".", "--set", "port"], "--set port: must be KEY=VALUE"),
    (["--root", ".", "--set", "prot=1"], "unknown key prot"),
    (["--root", ".", "--set", "filesystem.prot=1"], "unknown key prot"),
    (["--root", ".", "--set", "nosuch.port=1"], "unknown section [nosuch]"),
    (["--root", ".", "--set", "durability=maybe"], "durability = maybe: must be one of"),
    (["--root", ".", "--set", "max_memory=1"], "max_memory = 1: must be a size"),
    (["--root", ".", "--set", "access_log=perhaps"], "access_log = perhaps: must be true or false"),
    (["--root", ".", "--set", "backend=spdk_blobstore"], "built without SPDK"),
    (["--root", ".", "--set", "backend=tape"], "backend = tape"),
    (["--root", ".", "--set", "http_threads_cores=a"], "http_threads_cores"),
    (["--root", ".", "--set", "http_threads_cores=0-1", "-t", "3"], "http_threads_cores"),
    (["--root", ".", "--set", "tls_key=x"], "tls_certificate and tls_key go together"),
    (["--root", ".", "--set", "access_key=x"], "access_key and secret_key go together"),
    (["--root", ".", "--set", "listen_ip=localhost"], "must be an IPv4 or IPv6 address"),
    (["-c", "/nowhere/lobos.cfg"], "/nowhere/lobos.cfg: No such file"),
    (["--set", "port=1"], "directory in [filesystem] is not set"),
])
def test_mistakes_are_named(arguments, said):
    for check in ([], ["--check-config"]):
        result = lobos.run(*check, *arguments)
        assert result.returncode == 1
        assert said in result.stderr and result.stderr.startswith("lobos: ")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.1"])
def test_without_credentials_only_loopback(address):
    result = lobos.run("--root", ".", "-p", "0", "--set", f"listen_ip={address}")
    assert result.returncode == 1
    assert "without authentication only a loopback address" in result.stderr
    off = lobos.run("--root", ".", "--set", f"listen_ip={address}", "--set", "auth_enabled=false",
                    LOBOS_ACCESS_KEY="a", LOBOS_SECRET_KEY="b")
    assert off.returncode == 1
    signed = lobos.run("--root", ".", "--set", f"listen_ip={address}", "--check-config",
                       LOBOS_ACCESS_KEY="a", LOBOS_SECRET_KEY="b")
    assert signed.returncode == 0, signed.stderr


# ---- the configuration file ----


def test_example_is_right():
    result = lobos.run("-c", EXAMPLE, "--check-config")
    assert (result.returncode, result.stdout) == (0, "the configuration is right\n"), result.stderr


def test_example_documents_every_key_with_its_default():
    documented, section = {}, None
    for line in EXAMPLE.read_text().splitlines():
        if found := re.fullmatch(r"\[(\w+)\]", line):
            section = found[1]
        elif section != "users" and (found := re.fullmatch(r"#?(\w+) =\s*(.*)", line)):
            documented[section, found[1]] = found[2]
    assert len(KEYS) > 30
    assert set(documented) == {(section, key) for section, key, _, _ in KEYS}
    for section, key, _, initial in KEYS:
        if key != "directory":
            assert documented[section, key] == initial, key


def test_every_key_can_be_set(tmp_path):
    """With its default or, where that is empty, a harmless value."""
    values = {"directory": tmp_path, "http_threads_cores": "", "device": "malloc",
              "single_bucket": "one", "access_key": "key", "secret_key": "secret"}
    for entry in ("lobos", "entry"):
        text = "".join(f"[{entry if section == 'lobos' else section}]\n{key} = "
                       f"{values.get(key, initial)}\n" for section, key, _, initial in KEYS)
        result = lobos.run("-c", config_file(tmp_path, text), "--check-config")
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("text, line, said", [
    ("[lobos]\nport = 80\n\nprot = 1\n", 4, "unknown key prot"),
    ("[lobos]\n# a comment\nport = many\n", 3, "port = many"),
    ("[lobos]\ndurability = maybe\n", 2, "durability = maybe"),
    ("port = 80\n", 1, "port stands before any section"),
    ("[network]\nport = 80\n", 1, "unknown section [network]"),
    ("[users]\nalice = AKALICE\n", 2, "[users] alice"),
    ("[users]\nalice = A:b\nbob = A:c\n", 3, "the same access key"),
    ("[lobos]\nport 80\n", 2, "neither a [section]"),
    ("[lobos]\nport = 80\n[filesystem\n", 3, "neither a [section]"),
    ("[filesystem]\nport = 80\n", 2, "unknown key port"),
    ("[lobos]\nport = 1\nbackend = " + "x" * 5000 + "\n", 3, "too long"),
])
def test_config_errors_name_file_and_line(tmp_path, text, line, said):
    path = config_file(tmp_path, text)
    result = lobos.run("-c", path, "--check-config")
    assert result.returncode == 1
    assert result.stderr.startswith(f"lobos: {path}:{line}: ") and said in result.stderr


def test_a_wrong_secret_is_not_shown(tmp_path):
    path = config_file(tmp_path, "[lobos]\nsecret_key = hush-hush\n[filesystem]\ndirectory = .\n")
    result = lobos.run("-c", path, "--check-config")
    assert result.returncode == 1 and "hush-hush" not in result.stderr


def test_options_come_before_the_file_and_environment_between(make_server):
    server = make_server(form="config", credentials=False, options=["--set", "buckets=three"],
                         config="[entry]\nport = 0\nbuckets = one\n[filesystem]\n"
                                "directory = {root}\n", environ={"LOBOS_BUCKETS": "two"})
    assert os.listdir(server.root) != [] and (server.root / "three").is_dir()
    assert not (server.root / "one").exists() and not (server.root / "two").exists()


def test_buckets_at_start(make_server):
    server = make_server(environ={"LOBOS_BUCKETS": "one, two,,three"})
    names = [b["Name"] for b in client_for(server).list_buckets()["Buckets"]]
    assert names == ["one", "three", "two"]


def test_a_bad_bucket_stops_the_start(make_server):
    server = make_server(start=False, environ={"LOBOS_BUCKETS": "Not_A_Bucket"})
    with pytest.raises(lobos.StartFailed, match="Not_A_Bucket"):
        server.start()


def test_short_c_is_the_configuration_without_a_directory(make_server):
    server = make_server(form="config", config="[lobos]\nport = 0\n[filesystem]\n"
                                               "directory = {root}\n")
    assert server.port


def thread_cpus(server):
    tasks = pathlib.Path(f"/proc/{server.pid}/task")
    return [re.search(r"Cpus_allowed_list:\s+(\S+)", (t / "status").read_text())[1]
            for t in tasks.iterdir()]


@pytest.mark.skipif(0 not in os.sched_getaffinity(0), reason="CPU 0 is not ours")
@pytest.mark.parametrize("option", ["-c", "--pin-threads-to-cpus"])
def test_short_c_pins_threads_with_a_directory(make_server, option):
    server = make_server(form="dir", threads=1, options=[option])
    expected = "0"
    assert thread_cpus(server).count(expected) >= 1
    if len(os.sched_getaffinity(0)) > 1:
        assert thread_cpus(make_server(form="dir", threads=1)).count(expected) == 0


def test_dir_form_is_one_bucket(make_server):
    server = make_server(form="dir", options=["-e", "-r", "5"])
    (server.root / "file.txt").write_text("content")
    client = client_for(server)
    assert [b["Name"] for b in client.list_buckets()["Buckets"]] == ["data"]
    assert client.get_object(Bucket="data", Key="file.txt")["Body"].read() == b"content"
    client.put_object(Bucket="data", Key="sub/new", Body=b"new")
    assert (server.root / "sub" / "new").read_bytes() == b"new"
    assert "Starting S3 HTTP server for bucket data at 127.0.0.1:" in server.lines[-1]


def test_start_lines(make_server, certificate):
    server = make_server()
    mode = "fs" if server.files else "volume"
    assert server.lines == [f"starting in {mode} mode", "loading all users", "loading all buckets",
                            f"Starting S3 HTTP server at 127.0.0.1:{server.port}"]
    assert make_server(tls=certificate).lines[-1].startswith("Starting S3 HTTPS server at ")


def test_ipv6(make_server):
    try:
        server = make_server(credentials=False, listen_ip="::1")
    except lobos.StartFailed as why:
        if "EADDRNOTAVAIL" in str(why) or "EAFNOSUPPORT" in str(why):
            pytest.skip("no IPv6 here")
        raise
    assert server.lines[-1].endswith(f"at [::1]:{server.port}")
    with urllib.request.urlopen(f"http://[::1]:{server.port}/", timeout=10) as reply:
        assert reply.status == 200


# ---- one server a directory, one a port ----


def test_second_server_on_the_same_directory_is_refused(make_server):
    first = make_server()
    second = lobos.run("--root", first.root, "-p", "0")
    assert second.returncode == 1
    assert "another lobos serves this directory" in second.stderr
    assert str(first.root) in second.stderr
    first.kill9()
    first.start()


def test_port_in_use_is_said(make_server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = lobos.run("--root", tmp_path, "-p", port)
    assert result.returncode == 1
    assert "another program uses this port" in result.stderr and str(port) in result.stderr


def test_two_servers_do_not_share_a_port(make_server, tmp_path):
    first = make_server()
    result = lobos.run("--root", tmp_path, "-p", first.port)
    assert result.returncode == 1 and "another program uses this port" in result.stderr


def test_port_is_free_again_at_once(make_server):
    server = make_server()
    connection, _ = get(server, "/")
    port = server.port
    server.stop()
    connection.close()
    server.options[server.options.index("-p") + 1] = str(port)
    server.start()
    assert server.port == port


# ---- signals ----

RELOADABLE = """[lobos]
port = 0
log_level = {level}
access_log = {log}
[filesystem]
directory = {root}
"""


def test_sighup_reloads_the_log(make_server):
    server = make_server(form="config", credentials=False,
                         config=RELOADABLE.format(level="warn", log="false", root="{root}"))
    get(server, "/")
    assert "op=ListBuckets" not in server.log
    server.config_path.write_text(RELOADABLE.format(level="info", log="true", root=server.root))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("reloaded")
    get(server, "/")
    server.wait_for_log("op=ListBuckets")
    server.config_path.write_text("[lobos]\nprot = 1\n")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("was not reloaded")
    assert f"{server.config_path}:2: unknown key prot" in server.log
    assert get(server, "/")[1].status == 200


def test_sighup_reloads_limits(make_server):
    text = "[lobos]\nport = 0\nhttp_threads = 2\nidle_timeout = {}\nmax_connections = {}\n" \
           "[filesystem]\ndirectory = {}\n"
    server = make_server(form="config", credentials=False, config=text.format(60, 100, "{root}"))
    server.config_path.write_text(text.format(1, 2, server.root))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("reloaded")
    with socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        assert sock.recv(1) == b""  # idle for a second
    many = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(8)]
    for sock in many:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert any(sock.recv(12) == b"HTTP/1.1 503" for sock in many)
    for sock in many:
        sock.close()


def test_sighup_reloads_the_certificate(make_server, tmp_path):
    def certify(name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", tmp_path / "key.pem",
                        "-out", tmp_path / "cert.pem"], check=True, capture_output=True)

    def seen():
        pem = ssl.get_server_certificate(("127.0.0.1", server.port))
        return ssl.PEM_cert_to_DER_cert(pem)

    def on_disk():
        return ssl.PEM_cert_to_DER_cert((tmp_path / "cert.pem").read_text())

    certify("one")
    server = make_server(tls=(tmp_path / "cert.pem", tmp_path / "key.pem"))
    first = on_disk()
    assert seen() == first
    certify("two")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("reloaded")
    assert seen() == on_disk() != first
    second = on_disk()
    (tmp_path / "key.pem").write_text("no key")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("stay what they were")
    assert seen() == second


def test_json_log(make_server):
    server = make_server(log_format="json", access_log="true")
    get(server, "/b%22%0A/k")
    server.wait_for_log('"path":')
    for line in server.log.splitlines():
        entry = json.loads(line)
        assert {"ts", "level", "msg"} <= set(entry)


def slow_reader(server, key):
    """A connection that has asked for an object and read nothing but the head."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    sock.connect(("127.0.0.1", server.port))
    sock.settimeout(20)
    sock.sendall(f"GET /bucket/{key} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(1024)
    assert head.startswith(b"HTTP/1.1 200 ")
    return sock, len(head.partition(b"\r\n\r\n")[2])


def drain(sock):
    total = 0
    while data := sock.recv(1 << 20):
        total += len(data)
    return total


@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_sigterm_drains_a_running_download(make_server, backend):
    server = make_server(credentials=False, buckets=["bucket"], io_backend=backend)
    size = 32 << 20
    with open(server.root / "bucket" / "large", "wb") as f:
        f.truncate(size)
    idle, _ = get(server, "/")
    sock, got = slow_reader(server, "large")
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_log("stopping")
    idle.sock.settimeout(5)
    assert idle.sock.recv(10) == b"", "an idle connection is closed at once"
    time.sleep(0.3)
    assert server.running()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=2)
    assert got + drain(sock) == size
    assert server.wait(10) == 0


@pytest.mark.parametrize("backend", ["io_uring", "epoll"])
def test_drain_has_an_end(make_server, backend):
    server = make_server(credentials=False, buckets=["bucket"], drain_timeout=1,
                         io_backend=backend)
    with open(server.root / "bucket" / "large", "wb") as f:
        f.truncate(64 << 20)
    sock, _ = slow_reader(server, "large")
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(10) == 0
    sock.close()


def test_a_second_signal_stops_at_once(make_server):
    server = make_server(credentials=False, buckets=["bucket"])
    with open(server.root / "bucket" / "large", "wb") as f:
        f.truncate(64 << 20)
    sock, _ = slow_reader(server, "large")
    server.process.send_signal(signal.SIGTERM)
    server.wait_for_log("stopping")
    time.sleep(0.2)
    server.process.send_signal(signal.SIGTERM)
    assert server.wait(5) == -signal.SIGTERM
    sock.close()
    server.process = None


def test_sigint_stops(make_server):
    server = make_server()
    server.process.send_signal(signal.SIGINT)
    assert server.wait(10) == 0


# ---- the service manager ----


@pytest.mark.parametrize("abstract", [False, True])
def test_sd_notify(make_server, tmp_path, abstract):
    name = f"\0lobos-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        manager.settimeout(10)
        server = make_server(environ={"NOTIFY_SOCKET": name.replace("\0", "@")})
        assert manager.recv(100) == b"READY=1"
        server.process.send_signal(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"
        assert server.wait(10) == 0


def test_socket_activation(make_server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, port = listener.fileno(), listener.getsockname()[1]
        server = make_server(start=False, credentials=False, threads=2)
        script = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&{fd}'
        server.start(wrapper=["/bin/bash", "-c", script], pass_fds=[fd])
        assert server.port == port
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = list(pool.map(lambda _: get(server, "/")[1].status, range(32)))
        assert replies == [200] * 32
        server.stop()


# ---- TLS, connections ----


def test_tls(make_server, certificate):
    server = make_server(tls=certificate, buckets=["bucket"])
    client = client_for(server, verify=str(certificate[0]))
    body = os.urandom(3 << 20)
    client.put_object(Bucket="bucket", Key="k", Body=body)
    assert client.get_object(Bucket="bucket", Key="k")["Body"].read() == body
    reply = client.get_object(Bucket="bucket", Key="k", Range="bytes=1000-2000000")
    assert reply["Body"].read() == body[1000:2000001]
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        plain.settimeout(10)
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1 200" not in plain.recv(1000)
    context = ssl.create_default_context(cafile=certificate[0])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as secure:
            assert secure.selected_alpn_protocol() == "http/1.1"


def test_a_bad_certificate_stops_the_start(certificate, tmp_path):
    other = tmp_path / "key.pem"
    other.write_text("nothing")
    result = lobos.run("--root", tmp_path, "-p", "0", "--set", f"tls_certificate={certificate[0]}",
                       "--set", f"tls_key={other}")
    assert result.returncode == 1 and str(other) in result.stderr


def test_one_connection_too_many_is_told(make_server):
    server = make_server(threads=1, max_connections=4, credentials=False)
    kept = [get(server, "/") for _ in range(4)]
    assert [reply.status for _, reply in kept] == [200] * 4
    reply = get(server, "/")[1]
    assert reply.status == 503 and b"SlowDown" in reply.read()
    for connection, _ in kept:
        connection.close()
    time.sleep(0.2)
    assert get(server, "/")[1].status == 200
