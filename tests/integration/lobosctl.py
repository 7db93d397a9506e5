"""Runs lobosctl against a server of a test, and as a person would: on a terminal."""

import fcntl
import json
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import lobos

BINARY = os.environ.get("LOBOSCTL", str(pathlib.Path(lobos.BINARY).with_name("lobosctl")))
TIMEOUT_S = 60


def run(*arguments, stdin="", **environ):
    """Runs it to its end without a terminal."""
    return subprocess.run([BINARY, *map(str, arguments)], env=lobos.environment(**environ),
                          text=True, input=stdin, capture_output=True, timeout=TIMEOUT_S,
                          check=False)


class Ctl:
    """lobosctl for one server. Calls check the exit status, which is 0 unless `code` says so."""

    def __init__(self, server, *options):
        self.server = server
        self.options = options
        self.outputs = []  # all that it ever printed

    def run(self, *arguments, code=0, stdin="", **environ):
        environ = {"LOBOS_SERVER": self.server.control_address, **environ}
        result = run(*self.options, *arguments, stdin=stdin, **environ)
        assert result.returncode == code, (arguments, result.returncode, result.stderr)
        assert not code or result.stderr.count("\n") == 1, f"no single line: {result.stderr}"
        self.outputs.append((arguments, result.stdout + result.stderr))
        return result

    def __call__(self, *arguments, **more):
        return self.run(*arguments, **more).stdout

    def json(self, *arguments, **more):
        return json.loads(self.run(*arguments, "--json", **more).stdout)

    def error(self, code, *arguments, **more):
        """What it says when it fails that way."""
        line = self.run(*arguments, code=code, **more).stderr
        assert line.startswith("lobosctl: ")
        return line


class Terminal:
    """lobosctl on a terminal of 80 columns and 24 rows."""

    def __init__(self, *arguments, columns=80, rows=24, **environ):
        self.master, self.slave = pty.openpty()
        self.set_size(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        self.process = subprocess.Popen([BINARY, *map(str, arguments)], stdin=self.slave,
                                        stdout=self.slave, stderr=self.slave,
                                        env=lobos.environment(**environ), start_new_session=True)

    def set_size(self, columns, rows):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.set_size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def read(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self.master], [], [], left)[0]:
                self.output += os.read(self.master, 65536)

    def wait_for(self, text, timeout=20):
        until = time.monotonic() + timeout
        while text.encode() not in self.output:
            assert time.monotonic() < until, f"no {text!r} in {self.output[-500:]}"
            self.read(0.05)

    def send(self, text):
        os.write(self.master, text.encode())

    def end(self, timeout=20):
        """Waits for the end; returns the exit status, with all output read."""
        until = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < until:
            self.read(0.05)
        self.read(0.1)
        return self.process.wait(1)

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)
