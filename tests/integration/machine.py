"""A machine for a test: systemd as the first process of namespaces, on an overlay of this system
whose changes are in memory and gone at the end. It has its own processes, network (loopback alone),
users and services; nothing that happens in it is seen outside."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time

BOOT_S = 20
END_S = 5

# What sets the machine up, in its namespaces; $1: an empty folder. /proc/sys and /sys are read-only,
# since the kernel is everyone's. Services of this system are masked: those of the test run alone.
BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
cd root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs dev
for node in null zero full random urandom tty; do
    touch dev/$node
    mount --bind /dev/$node dev/$node
done
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mkdir -p dev/pts dev/shm mnt/changes
mount --bind ../upper mnt/changes
rm -f usr/sbin/policy-rc.d
for unit in etc/systemd/system/*.wants/* lib/systemd/system/*.wants/*; do
    case "$unit" in
    *.target | *.slice) ;;
    *) ln -sf /dev/null "etc/systemd/system/${unit##*/}" ;;
    esac
done
mkdir before
pivot_root . before
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . sh -c \
    'umount -l /before && rmdir /before &&
     exec /lib/systemd/systemd --unit=basic.target --log-target=null'
"""


class Unavailable(Exception):
    """This system can't hold such a machine; the text says why."""


def cgroup2():
    """Where the unified hierarchy of control groups is mounted."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, folder, kind, *_ = line.split()
        if kind == "cgroup2":
            return pathlib.Path(folder)
    raise Unavailable("no cgroup2 is mounted")


class Machine:
    """Boots when entered, ends when left."""

    def __init__(self):
        self.process = None
        self.init = 0
        self.folder = None
        self.group = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise Unavailable("it takes root to make a machine with systemd")
        if not os.path.exists("/lib/systemd/systemd"):
            raise Unavailable("systemd is not installed")
        self.group = cgroup2() / f"lobos-test-{os.getpid()}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lobos-machine-"))
        try:
            self._boot()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_):
        self._end()

    def _boot(self):
        try:
            self.group.mkdir()
        except OSError as error:
            raise Unavailable(f"cannot make a control group: {error}") from None
        log = self.folder.with_suffix(".log")
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                ["sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.group / "cgroup.procs"),
                 "unshare", "--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup", "--fork",
                 "--kill-child=KILL", "sh", "-c", BOOT, "boot", str(self.folder)],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        until = time.monotonic() + BOOT_S
        while not self._booted():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Unavailable(f"systemd does not start here: {log.read_text()[-1000:]}")
            time.sleep(0.05)

    def _booted(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = children.read_text().split() if children.exists() else []
        if not pids:
            return False
        self.init = int(pids[0])
        if pathlib.Path(f"/proc/{self.init}/comm").read_text() != "systemd\n":
            return False
        asked = self.run("systemctl", "is-active", "--quiet", "basic.target", check=False)
        return asked.returncode == 0

    def _end(self):
        if self.process:
            self.process.kill()  # and the kernel all that runs in it
            self.process.wait(END_S)
        until = time.monotonic() + END_S
        while self.group.exists() and time.monotonic() < until:
            for folder, _, _ in os.walk(self.group, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    time.sleep(0.05)
        self.folder.with_suffix(".log").unlink(missing_ok=True)
        shutil.rmtree(self.folder)
        assert not self.group.exists(), f"{self.group} is left"

    def run(self, *command, check=True):
        """Runs a command in the machine, as root; its output is text."""
        result = subprocess.run(
            ["nsenter", "--target", str(self.init), "--mount", "--pid", "--uts", "--ipc", "--net",
             "--cgroup", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
             "DEBIAN_FRONTEND=noninteractive", *map(str, command)],
            text=True, capture_output=True, timeout=240, check=False)
        assert not check or result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result

    def sh(self, script):
        """Runs a shell script and returns what it prints, without the last newline."""
        return self.run("sh", "-ec", script).stdout.rstrip("\n")

    def put(self, source, target):
        """Copies a file of this system into the machine."""
        shutil.copyfile(source, f"/proc/{self.init}/root{target}")
