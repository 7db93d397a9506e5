"""A lobos process for a test: in a folder of its own, on a free port, watched, stopped, its log read."""

import contextlib
import http.client
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = os.environ.get("LOBOS", str(REPOSITORY / "build" / "lobos"))
# Sanitizers keep memory for themselves: then its bounds say nothing.
SANITIZED = any(word in pathlib.Path(BINARY).read_bytes()
                for word in (b"__asan_init", b"__tsan_init"))
# The engine of all servers that a test does not choose one for: filesystem or volume.
BACKEND = os.environ.get("LOBOS_BACKEND", "filesystem")
VOLUME_SIZE = "8G"  # of a sparse file
ACCESS = "AKIDINTEGRATION"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE"
START_S = 30
STOP_S = 60


class StartFailed(Exception):
    """The process ended instead of serving; the text is what it said."""


def environment(**more):
    """What a child gets: nothing of ours that would configure it, no proxy."""
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith(("LOBOS", "AWS_", "RCLONE_")) and not k.lower().endswith("_proxy")}
    return {**kept, "NO_PROXY": "*", "no_proxy": "*", **more}


def run(*arguments, **more):
    """Runs lobos to its end, which must come by itself. One that might serve has no ports of metrics
    and control, which others use."""
    if "-p" in arguments:
        arguments += ("--set", "metrics_listen=off", "--set", "grpc_server=off")
    return subprocess.run([BINARY, *map(str, arguments)], env=environment(**more), text=True,
                          capture_output=True, timeout=START_S, check=False)


class Lobos:
    """One server. `form` says how the data is given: root, dir, or config (a file's text). On a volume
    the first and the last are the same, and a test that asks for the data root is skipped."""

    def __init__(self, form="root", credentials=True, buckets=(), options=(), config=None, tls=None,
                 threads=2, environ=None, backend=BACKEND, **settings):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="lobos-"))
        self.files = backend == "filesystem" or form == "dir"
        self.data = self.base / "data"
        self.data.mkdir()
        if not self.files and any(len(bucket) < 3 for bucket in buckets):
            shutil.rmtree(self.base)
            pytest.skip("has a bucket with a name that only a folder can have")
        if buckets and not self.files:
            settings = {"buckets": ",".join(buckets), **settings}
        for bucket in buckets if self.files else ():
            (self.data / bucket).mkdir()
        self.log_path = self.base / "log"
        self.config_path = self.base / "lobos.cfg"
        self.credentials = (ACCESS, SECRET) if credentials else None
        self.tls = tls
        self.environ = dict(environ or {})
        if credentials:
            self.environ.update(LOBOS_ACCESS_KEY=ACCESS, LOBOS_SECRET_KEY=SECRET)
        self.options = self._options(form, config, threads, options, settings)
        self.process = None
        self.lines = []
        self.port = 0
        self.metrics_port = 0  # known once metrics() has asked for it
        self.control_port = 0  # known once control_address has asked for it
        self.vm_hwm = 0

    @property
    def root(self):
        """The data root, for a test that looks at the files."""
        if not self.files:
            pytest.skip("looks at files; a volume has none")
        return self.data

    def _options(self, form, config, threads, options, settings):
        if form == "config":
            self.config_path.write_text(config.format(root=self.data))
            result = ["--config", self.config_path]
        elif self.files:
            result = [f"--{form}", self.data, "-p", "0", "-t", threads]
        else:
            result = ["-p", "0", "-t", threads]
        if not self.files:
            result += ["--volume", self.base / "volume", "--size", VOLUME_SIZE]
        if self.tls:
            settings = {"tls_certificate": self.tls[0], "tls_key": self.tls[1], **settings}
        settings = {"metrics_listen": "127.0.0.1:0", "grpc_server": "off", **settings}
        for key, value in settings.items():
            result += ["--set", f"{key}={value}"]
        return [str(o) for o in [*result, *options]]

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, wrapper=(), **popen):
        """Starts the process and waits until it says that it serves."""
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*wrapper, BINARY, *self.options], text=True,
                                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=log, env=environment(**self.environ), **popen)
        self.lines = []
        self.metrics_port = self.control_port = 0
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            found = re.match(r"Starting S3 .*:(\d+)$", line)
            if found:
                self.port = int(found[1])
                return self
        status = self.wait()
        self.process = None
        raise StartFailed(f"exit status {status}\n{self.log}")

    def _find_port(self, pattern):
        """The port in the first line that matches, those that are still to come included."""
        for line in self.lines:
            if found := re.fullmatch(pattern, line):
                return int(found[1])
        while line := self.process.stdout.readline():
            self.lines.append(line.rstrip("\n"))
            if found := re.fullmatch(pattern, self.lines[-1]):
                return int(found[1])
        raise AssertionError(f"no line matches {pattern}: {self.lines}")

    @property
    def control_address(self):
        """Where the control plane listens."""
        if not self.control_port:
            self.control_port = self._find_port(r"Control plane listening on \S+:(\d+)")
        return f"127.0.0.1:{self.control_port}"

    def watch(self, path="/metrics", method="GET", timeout=10):
        """Status and text of what is answered to those who watch."""
        if not self.metrics_port:
            self.metrics_port = self._find_port(r"Metrics at http://\S+:(\d+)/metrics")
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def metrics(self):
        """All values of a scrape, by name and labels as they are written."""
        status, text = self.watch()
        assert status == 200
        lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in lines}

    def restart(self):
        self.stop()
        return self.start()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def status(self, field):
        """A figure of /proc/PID/status, in bytes."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1]) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def wait(self, timeout=STOP_S):
        """Waits for the end and returns the exit status."""
        status = self.process.wait(timeout)
        self.process.stdout.close()
        return status

    def stop(self):
        """SIGTERM; the process must end by itself, with 0, and have kept its secrets."""
        if not self.process:
            return
        if self.running():
            self.vm_hwm = self.status("VmHWM")
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.wait()
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"did not stop within {STOP_S} s\n{self.log[-2000:]}") from None
        self.process = None
        assert status == 0, f"exit status {status}\n{self.log[-4000:]}"
        assert SECRET not in self.log, "the log holds the secret key"
        assert "Signature=" not in self.log, "the log holds a signature"

    def kill9(self):
        self.process.kill()
        self.wait()
        self.process = None

    def wait_for_log(self, text, timeout=10):
        until = time.monotonic() + timeout
        while text not in self.log:
            assert time.monotonic() < until, f"no {text!r} in the log:\n{self.log}"
            time.sleep(0.02)

    def close(self):
        """The end of a test: stops what still runs, with all that stop() asserts, and cleans up."""
        try:
            self.stop()
        finally:
            if self.process and self.running():
                self.kill9()
            shutil.rmtree(self.base, ignore_errors=True)
