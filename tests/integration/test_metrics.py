"""What those who watch are told: metrics, health, slow requests."""

import concurrent.futures
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

import lobos
from conftest import client_for, error_of

DOCUMENT = lobos.REPOSITORY / "docs" / "metrics.md"
DEFINITIONS = lobos.REPOSITORY / "src" / "metrics" / "metrics.def"
DEPLOY = lobos.REPOSITORY / "deploy"
DEFINED = {name: (kind.lower(), labels, text) for name, kind, labels, text in re.findall(
    r'^LB_METRIC\(\w+, "(\w+)", (\w+), "([\w,]*)", "(.*)"\)$', DEFINITIONS.read_text(), re.M)}
PROMTOOL = shutil.which("promtool")


def moved(before, after):
    """What has changed from one scrape to the next, but for what always does."""
    return {name: after[name] - before.get(name, 0) for name in after
            if after[name] != before.get(name, 0)}


def operation(name, **labels):
    more = "".join(f',{k}="{v}"' for k, v in labels.items())
    return f'{{operation="{name}"{more}}}'


# ---- the text ----


def parse(text):
    """Holds the text to the format, strictly. Returns {name: (type, {labels: value})}."""
    assert text.endswith("\n")
    families, name, kind = {}, None, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = re.fullmatch(r"# HELP ([a-z_][a-z0-9_]*) \S.*", line)[1]
            assert name not in families, f"{name} comes twice"
        elif line.startswith("# TYPE "):
            kind = re.fullmatch(rf"# TYPE {name} (counter|gauge|histogram)", line)[1]
            families[name] = (kind, {})
        else:
            found = re.fullmatch(r'([a-z_0-9]+?)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)',
                                 line)
            assert found, line
            suffix = found[1].removeprefix(name)
            assert suffix in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",)), line
            assert found[1] + (found[2] or "") not in families[name][1], f"twice: {line}"
            families[name][1][found[1] + (found[2] or "")] = float(found[3])
    return families


def check_histogram(name, values):
    """Buckets grow up to +Inf, which is the count."""
    series = {}
    for key, value in values.items():
        found = re.fullmatch(rf'{name}_bucket\{{(.*),le="(.*)"\}}', key)
        if found:
            series.setdefault(found[1], []).append((float(found[2]), value))
    for labels, buckets in series.items():
        assert buckets == sorted(buckets) and len(buckets) > 5
        counts = [count for _, count in buckets]
        assert counts == sorted(counts) and buckets[-1][0] == float("inf")
        assert counts[-1] == values[f"{name}_count{{{labels}}}"]
        assert values[f"{name}_sum{{{labels}}}"] >= 0


def test_text_follows_the_format(make_server):
    server = make_server(buckets=["b"])
    s3 = client_for(server)
    s3.put_object(Bucket="b", Key="k", Body=b"x")
    s3.get_object(Bucket="b", Key="k")["Body"].read()
    status, text = server.watch()
    assert status == 200
    families = parse(text)
    for name, (kind, values) in families.items():
        assert (kind == "counter") == name.endswith("_total"), name
        assert kind == DEFINED[name][0]
        if kind == "histogram":
            check_histogram(name, values)
            assert values
    if PROMTOOL:
        result = subprocess.run([PROMTOOL, "check", "metrics"], input=text, text=True,
                                capture_output=True, check=False)
        assert result.returncode == 0 and not result.stderr and not result.stdout


def test_every_metric_is_documented_and_there(make_server):
    server = make_server(buckets=["b"])
    client_for(server).list_buckets()
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|([^|]*)\| ([^|]*) \|$", DOCUMENT.read_text(), re.M)
    documented = {name: (kind, labels.replace("`", "").strip().replace(", ", ","), text.strip())
                  for name, kind, labels, text in rows}
    assert documented == DEFINED
    there = set(parse(server.watch()[1]))
    assert there <= set(DEFINED)
    # Only of engines that count what they hold.
    assert set(DEFINED) - there == {"lobos_storage_objects", "lobos_storage_object_bytes"}


def test_dashboard_and_alerts_name_only_what_is_there(make_server):
    server = make_server()
    known = set(DEFINED) | {f"{name}{suffix}" for name, (kind, _, _) in DEFINED.items()
                            if kind == "histogram" for suffix in ("_bucket", "_sum", "_count")}
    there = set(parse(server.watch()[1]))
    for file in ("grafana-dashboard.json", "prometheus-alerts.yml"):
        text = (DEPLOY / file).read_text()
        named = set(re.findall(r"\b(?:lobos|process)_[a-z_]+\b", text))
        assert len(named) > 5 and named <= known, named - known
        for name in named:
            family = re.sub("_(bucket|sum|count)$", "", name)
            assert name in there or family in there, name
    panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
    assert len({p["id"] for p in panels}) == len(panels)


@pytest.mark.skipif(not PROMTOOL, reason="promtool is not installed")
def test_alert_rules():
    for arguments in (["check", "rules", "prometheus-alerts.yml"],
                      ["test", "rules", "prometheus-alerts-test.yml"]):
        result = subprocess.run([PROMTOOL, *arguments], cwd=DEPLOY, text=True, capture_output=True,
                                check=False)
        assert result.returncode == 0, result.stdout + result.stderr


# ---- the numbers ----


def test_requests_are_counted_exactly(make_server):
    server = make_server(buckets=["b"])
    s3 = client_for(server)
    before = server.metrics()
    for i in range(7):
        s3.put_object(Bucket="b", Key=f"k{i}", Body=bytes(1000 * i))
    for i in range(5):
        s3.get_object(Bucket="b", Key=f"k{i}")["Body"].read()
    s3.get_object(Bucket="b", Key="k6", Range="bytes=0-99")["Body"].read()
    s3.head_object(Bucket="b", Key="k6")
    assert error_of(s3.get_object, Bucket="b", Key="none") == (404, "NoSuchKey")
    s3.delete_objects(Bucket="b", Delete={"Objects": [{"Key": "k0"}, {"Key": "k1"}]})
    change = moved(before, server.metrics())
    requests = {k: v for k, v in change.items() if k.startswith("lobos_requests_total")}
    assert requests == {
        "lobos_requests_total" + operation("PutObject", status=200): 7,
        "lobos_requests_total" + operation("GetObject", status=200): 5,
        "lobos_requests_total" + operation("GetObject", status=206): 1,
        "lobos_requests_total" + operation("GetObject", status=404): 1,
        "lobos_requests_total" + operation("HeadObject", status=200): 1,
        "lobos_requests_total" + operation("DeleteObjects", status=200): 1,
    }
    assert change["lobos_request_duration_seconds_count" + operation("PutObject")] == 7
    assert change["lobos_request_first_byte_seconds_count" + operation("GetObject")] == 7
    assert change["lobos_storage_writes_total"] == 6  # an empty object has no bytes
    assert change["lobos_storage_written_bytes_total"] == 21000
    assert change["lobos_storage_read_bytes_total"] == 10100
    assert change["lobos_storage_synced_commits_total"] >= 7
    assert 1 <= change["lobos_storage_syncs_total"] <= change["lobos_storage_synced_commits_total"]


@pytest.mark.parametrize("framed", [False, True])
def test_bytes_are_those_of_bodies(make_server, framed):
    server = make_server(buckets=["b"], credentials=False)
    before = server.metrics()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    body = iter([b"x" * 40000, b"y" * 60000]) if framed else b"z" * 100000
    connection.request("PUT", "/b/k", body=body, encode_chunked=framed,
                       headers={"Transfer-Encoding": "chunked"} if framed else {})
    assert connection.getresponse().read() == b""
    connection.request("GET", "/b/k")
    assert len(connection.getresponse().read()) == 100000
    connection.request("GET", "/b/k", headers={"Range": "bytes=10-19"})
    assert len(connection.getresponse().read()) == 10
    connection.request("HEAD", "/b/k")
    connection.getresponse().read()
    connection.close()
    after = server.metrics()
    change = moved(before, after)
    assert change["lobos_request_bytes_total" + operation("PutObject")] == 100000
    assert change["lobos_response_bytes_total" + operation("GetObject")] == 100010
    assert after["lobos_response_bytes_total" + operation("HeadObject")] == 0
    assert change["lobos_connections_accepted_total"] == 1


def test_gauges_of_what_is_in_progress(make_server):
    server = make_server(buckets=["b"], credentials=False)
    with socket.create_connection(("127.0.0.1", server.port)) as one:
        one.sendall(b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + bytes(1000))
        until = time.monotonic() + 10
        values = server.metrics()
        while not values["lobos_buffer_used_bytes"]:  # the engine is asked before the client
            assert time.monotonic() < until
            values = server.metrics()
        assert values["lobos_connections"] == 1 and values["lobos_requests_in_flight"] == 1
        assert 0 < values["lobos_buffer_used_bytes"] <= values["lobos_buffer_held_bytes"]
        assert values["lobos_buffer_held_bytes"] < values["lobos_buffer_max_bytes"]
    while server.metrics()["lobos_connections"] != 0:
        assert time.monotonic() < until
    values = server.metrics()
    assert values["lobos_requests_in_flight"] == 0 and values["lobos_buffer_used_bytes"] == 0
    assert 0 < values["lobos_storage_free_bytes"] < values["lobos_storage_size_bytes"]
    assert abs(values["process_start_time_seconds"] - time.time()) < 60
    assert values["process_resident_memory_bytes"] > 1 << 20
    assert 5 < values["process_open_fds"] < values["process_max_fds"]


def test_usage_of_buckets(make_server):
    server = make_server(buckets=["full", "none"], usage_interval=1)
    s3 = client_for(server)
    for i in range(5):
        s3.put_object(Bucket="full", Key=f"k/{i}", Body=bytes(100))
    until = time.monotonic() + 30
    while server.metrics().get('lobos_bucket_objects{bucket="full"}') != 5:
        assert time.monotonic() < until
        time.sleep(0.1)
    values = server.metrics()
    assert values['lobos_bucket_bytes{bucket="full"}'] == 500
    assert values['lobos_bucket_objects{bucket="none"}'] == 0
    assert abs(values['lobos_bucket_counted_timestamp_seconds{bucket="full"}'] - time.time()) < 60
    s3.delete_bucket(Bucket="none")
    while 'lobos_bucket_objects{bucket="none"}' in server.metrics():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_failures_of_authentication(make_server):
    server = make_server(buckets=["b"])
    before = server.metrics()
    wrong = client_for(server, aws_secret_access_key="wrong-" + "x" * 20)
    unknown = client_for(server, aws_access_key_id="AKNOBODY")
    for _ in range(3):
        assert error_of(wrong.list_buckets)[1] == "SignatureDoesNotMatch"
    assert error_of(unknown.list_buckets)[1] == "InvalidAccessKeyId"
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/b/k", headers={"Authorization": "AWS4-HMAC-SHA256 nonsense"})
    assert connection.getresponse().status == 400
    connection.close()
    after = server.metrics()
    change = {k: v for k, v in moved(before, after).items() if "auth_failures" in k}
    assert change == {'lobos_auth_failures_total{reason="signature"}': 3,
                      'lobos_auth_failures_total{reason="unknown_key"}': 1,
                      'lobos_auth_failures_total{reason="malformed"}': 1}
    assert after["lobos_requests_total" + operation("none", status=403)] == 4
    text = server.watch()[1]
    assert lobos.SECRET not in text and lobos.ACCESS not in text and "AKNOBODY" not in text


def test_what_is_no_request_of_s3_is_counted_under_none(make_server):
    server = make_server(credentials=False)
    with socket.create_connection(("127.0.0.1", server.port)) as one:
        one.sendall(b"nonsense\r\n\r\n")
        assert b" 400 " in one.recv(4096)
    assert server.metrics()["lobos_requests_total" + operation("none", status=400)] == 1


def test_connections_beyond_the_limit(make_server):
    server = make_server(credentials=False, threads=1, max_connections=1)
    with socket.create_connection(("127.0.0.1", server.port)) as held:
        held.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in held.recv(4096)
        with socket.create_connection(("127.0.0.1", server.port)) as more:
            more.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b" 503 " in more.recv(4096)
        values = server.metrics()
    assert values["lobos_connections_accepted_total"] == 2
    assert values["lobos_connections_refused_total"] == 1


# ---- the endpoint ----


def test_health(make_server):
    server = make_server()
    assert server.watch("/health/live") == (200, "alive\n")
    assert server.watch("/health/ready") == (200, "ready\n")
    assert server.metrics()["lobos_ready"] == 1
    assert server.watch("/health/ready", method="HEAD") == (200, "")
    assert server.watch("/metrics", method="HEAD") == (200, "")
    assert server.watch("/metrics", method="POST")[0] == 405
    assert server.watch("/")[0] == 404
    assert server.watch("/metrics/")[0] == 404
    assert server.watch("/metrics?name=value")[0] == 200


def test_not_ready_while_draining(make_server):
    server = make_server(buckets=["b"], credentials=False, drain_timeout=20)
    assert server.watch("/health/ready")[0] == 200
    with socket.create_connection(("127.0.0.1", server.port)) as one:
        one.sendall(b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        while server.metrics()["lobos_requests_in_flight"] != 1:
            pass
        server.process.terminate()
        server.wait_for_log("stopping")
        until = time.monotonic() + 10
        while server.watch("/health/ready")[0] == 200:
            assert time.monotonic() < until
        assert server.watch("/health/ready") == (503, "draining: the server is about to end\n")
        assert server.watch("/health/live")[0] == 200
        assert server.metrics()["lobos_ready"] == 0
        one.sendall(b"cde")
        assert b" 200 " in one.recv(4096)
    assert server.wait() == 0
    server.process = None


def test_off(make_server):
    server = make_server(metrics_listen="off")
    server.stop()
    assert not any("Metrics" in line for line in server.lines)


def test_a_port_in_use_says_what_to_set(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = lobos.run("--root", tmp_path, "--port", "0", "--set", f"metrics_listen={address}")
    assert result.returncode == 1
    assert "metrics_listen" in result.stderr and "set metrics_listen to another" in result.stderr


@pytest.mark.parametrize("value", ["9091", "127.0.0.1", "localhost:9091", "::1:9091", "127.0.0.1:x",
                                   "127.0.0.1:65536", "[127.0.0.1]:1", "", "[]:1", "no"])
def test_addresses_that_are_none(tmp_path, value):
    result = lobos.run("--root", tmp_path, "--set", f"metrics_listen={value}", "--check-config")
    assert result.returncode == 1 and "127.0.0.1:9091" in result.stderr


@pytest.mark.parametrize("value", ["off", "0.0.0.0:9091", "[::1]:0", "[::]:65535"])
def test_addresses(tmp_path, value):
    result = lobos.run("--root", tmp_path, "--set", f"metrics_listen={value}", "--check-config")
    assert result.returncode == 0, result.stderr


def test_scrapes_of_many_at_once_and_of_the_idle(make_server):
    server = make_server(buckets=["b"])
    server.watch()
    idle = [socket.create_connection(("127.0.0.1", server.metrics_port)) for _ in range(20)]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: server.watch()[0], range(200)))
    assert answers == [200] * 200
    server.stop()
    for one in idle:
        one.close()


def test_scrapes_do_not_stall_requests(make_server, figure):
    """While one scrapes without pause, small requests are answered as before."""
    server = make_server(buckets=["b"], credentials=False, threads=1)
    server.watch()
    connection = http.client.HTTPConnection("127.0.0.1", server.port)

    def slowest(n):
        times = []
        for _ in range(n):
            begin = time.monotonic()
            connection.request("GET", "/b/none")
            connection.getresponse().read()
            times.append(time.monotonic() - begin)
        return sorted(times)[int(n * 0.95)]

    alone = slowest(300)
    stop = []

    def scrape():
        times = []
        while not stop:
            begin = time.monotonic()
            server.watch()
            times.append(time.monotonic() - begin)
        return sorted(times)[len(times) // 2]

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        scraping = pool.submit(scrape)
        beside = slowest(300)
        stop.append(True)
        figure(f"metrics: a scrape takes {scraping.result() * 1000:.1f} ms; 95 of 100 requests "
               f"within {alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside scrapes")
    connection.close()
    assert beside < alone + 0.2


# ---- slow requests ----


def fields(line):
    return dict(re.findall(r'(\w+)=("[^"]*"|\S+)', line))


def test_slow_requests_are_logged_with_their_phases(make_server):
    server = make_server(buckets=["b"], credentials=False, slow_request_ms=300)
    with socket.create_connection(("127.0.0.1", server.port)) as one:
        one.sendall(b"GET /b/none HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 404 " in one.recv(4096)
        one.sendall(b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        time.sleep(0.5)
        one.sendall(b"cde")
        reply = one.recv(4096).decode()
        assert " 200 " in reply
    server.wait_for_log("slow request")
    lines = [line for line in server.log.splitlines() if "slow request" in line]
    assert len(lines) == 1 and " WARN " in lines[0]
    said = fields(lines[0])
    assert said["op"] == "PutObject" and said["bucket"] == "b" and said["status"] == "200"
    assert said["received"] == "5" and said["sent"] == "0"
    assert f"x-amz-request-id: {said['id']}" in reply
    phases = {k: int(v) for k, v in said.items() if k.endswith("_us")}
    assert set(phases) == {"parse_us", "auth_us", "engine_us", "io_us", "receive_us", "send_us"}
    assert 450000 < phases["receive_us"] <= int(said["us"])
    assert phases["io_us"] > 0 and phases["engine_us"] > 0 and phases["auth_us"] > 0
    assert sum(phases.values()) <= int(said["us"]) + 6
    assert server.metrics()["lobos_slow_requests_total"] == 1


def test_slow_requests_off_and_reloaded(make_server):
    config = "[lobos]\nport = 0\nslow_request_ms = {ms}\n[filesystem]\ndirectory = {{root}}\n"
    server = make_server(form="config", config=config.format(ms=0), buckets=["b"],
                         credentials=False)

    def slow_request():
        with socket.create_connection(("127.0.0.1", server.port)) as one:
            one.sendall(b"GET /b/none HT")
            time.sleep(0.05)
            one.sendall(b"TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            while one.recv(4096):
                pass

    slow_request()
    assert server.metrics()["lobos_slow_requests_total"] == 0
    server.config_path.write_text(config.format(ms=20).format(root=server.root))
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_log("reloaded")
    slow_request()
    assert server.metrics()["lobos_slow_requests_total"] == 1
    assert server.log.count("slow request") == 1


def test_slow_lines_are_bounded(make_server):
    server = make_server(buckets=["b"], credentials=False, threads=1, slow_request_ms=1)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        def delayed(_):
            with socket.create_connection(("127.0.0.1", server.port)) as one:
                one.sendall(b"GET /b/none HT")
                time.sleep(0.02)
                one.sendall(b"TP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                while one.recv(4096):
                    pass
        begin = time.monotonic()
        list(pool.map(delayed, range(200)))
        seconds = time.monotonic() - begin
    assert server.metrics()["lobos_slow_requests_total"] == 200
    assert server.log.count("slow request") <= 20 * (seconds + 2)


def test_access_log_tells_real_time(make_server):
    """Also of what a turn of the loop answers at once."""
    server = make_server(buckets=["b"], credentials=False, access_log="true")
    (server.root / "b" / "k").write_bytes(b"x" * 1000)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    for _ in range(20):
        connection.request("GET", "/b/k")
        connection.getresponse().read()
    connection.close()
    server.stop()
    took = [int(fields(line)["us"]) for line in server.log.splitlines() if "op=GetObject" in line]
    assert len(took) == 20 and min(took) > 0 and max(took) < 10000000
