"""The Debian package, what `make install` installs, and the service under systemd's own rules."""

import ctypes
import os
import pathlib
import shutil
import subprocess

import pytest

import lobos
import machine

BUILD = pathlib.Path(lobos.BINARY).parent
UNIT = lobos.REPOSITORY / "deploy" / "lobos.service"
# What `systemd-analyze security` may say at most, in tenths; up to 49 is "OK".
EXPOSURE_MAX = 15
IO_URING_SETUP = 425

pytestmark = pytest.mark.skipif(lobos.SANITIZED, reason="a build with sanitizers is not packaged")


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {' '.join(missing)}")


def output(*command, **more):
    result = subprocess.run([*map(str, command)], text=True, capture_output=True, timeout=240,
                            check=False, env=lobos.environment(**more))
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    out = tmp_path_factory.mktemp("deb")
    path = output(lobos.REPOSITORY / "tools" / "make-deb", BUILD, out).splitlines()[-1]
    return pathlib.Path(path)


# ---- what is in it ----


@needs("dh", "dpkg-deb")
def test_package_holds_what_a_service_needs(package):
    listed = output("dpkg-deb", "--contents", package).splitlines()
    files = {line.split()[5]: line.split()[0:2] for line in listed}
    programs = {"./usr/bin/lobos", "./usr/bin/lobosctl"}
    wanted = programs | {"./etc/lobos/lobos.cfg", "./lib/systemd/system/lobos.service",
                         "./lib/systemd/system/lobos.socket", "./usr/lib/sysusers.d/lobos.conf",
                         "./usr/share/man/man1/lobos.1.gz", "./usr/share/doc/lobos/copyright"}
    assert wanted <= set(files)
    assert all(owner == "root/root" for _, owner in files.values())
    assert all(files[program][0] == "-rwxr-xr-x" for program in programs)
    assert "libssl3" in output("dpkg-deb", "--field", package, "Depends")
    assert output("dpkg-deb", "--info", package, "conffiles") == "/etc/lobos/lobos.cfg\n"


@needs("dh", "dpkg-deb")
def test_package_has_the_paths_of_a_system(package, tmp_path):
    output("dpkg-deb", "--extract", package, tmp_path)
    config = tmp_path / "etc" / "lobos" / "lobos.cfg"
    assert "\ndirectory = /var/lib/lobos\n" in config.read_text()
    assert (tmp_path / "lib/systemd/system/lobos.service").read_text() == UNIT.read_text()
    assert "\ngrpc_token_file = /etc/lobos/token\n" in config.read_text()
    assert "is right" in output(tmp_path / "usr/bin/lobos", "-c", config, "--check-config",
                                "--set", "grpc_token_file=")


@needs("dh", "lintian")
def test_lintian_finds_nothing(package):
    assert output("lintian", "--allow-root", "--fail-on", "error", package) == ""


def test_install_takes_the_paths_of_its_prefix_and_keeps_settings(tmp_path):
    def install():
        output("cmake", "--install", BUILD, "--prefix", "/usr/local", DESTDIR=str(tmp_path))

    install()
    prefix = tmp_path / "usr" / "local"
    unit = (prefix / "lib/systemd/system/lobos.service").read_text()
    assert "ExecStart=/usr/local/bin/lobos -c /usr/local/etc/lobos/lobos.cfg\n" in unit
    assert (prefix / "lib/sysusers.d/lobos.conf").exists()
    config = prefix / "etc/lobos/lobos.cfg"
    assert "\ndirectory = /var/lib/lobos\n" in config.read_text()
    config.write_text("[lobos]\n")
    install()
    assert config.read_text() == "[lobos]\n"


# ---- the unit ----


@needs("systemd-analyze")
def test_unit_exposes_little():
    said = output("systemd-analyze", "security", "--no-pager", "--offline=true",
                  f"--threshold={EXPOSURE_MAX}", UNIT)
    assert "OK" in said.splitlines()[-1]


def has_io_uring():
    """Whether this system lets anyone have a ring; a container may not."""
    ring = ctypes.CDLL(None, use_errno=True).syscall(IO_URING_SETUP, 1, bytes(120))
    if ring >= 0:
        os.close(ring)
    return ring >= 0


class Host:
    """lobos on a machine: installed from the package, and asked as a client would."""

    def __init__(self, box, package):
        self.box = box
        box.put(package, "/root/lobos.deb")
        box.sh("mkdir -p /run/systemd/system/lobos.service.d && "
               "printf '[Service]\\nStandardError=file:/run/lobos.log\\n' "
               ">/run/systemd/system/lobos.service.d/log.conf")

    def install(self):
        return self.box.sh("dpkg --install /root/lobos.deb")

    def state(self, unit="lobos"):
        return self.box.run("systemctl", "is-active", unit, check=False).stdout.strip()

    def pid(self):
        return int(self.box.sh("systemctl show --property MainPID --value lobos"))

    def curl(self, path, *more, signed=True):
        """The status and, behind a space, the body."""
        script = ". /etc/lobos/credentials; " if signed else ""
        signature = ("--aws-sigv4 aws:amz:us-east-1:s3 "
                     '--user "$LOBOS_ACCESS_KEY:$LOBOS_SECRET_KEY" '
                     "-H 'x-amz-content-sha256: UNSIGNED-PAYLOAD'" if signed else "")
        return self.box.sh(f"{script}curl -s {signature} -o /run/body -w '%{{http_code}} ' "
                           f"{' '.join(more)} http://127.0.0.1:8080{path}; cat /run/body")

    def left(self):
        """Files of lobos that the machine has and this system has not."""
        return self.box.sh("find /mnt/changes -name '*lobos*' ! -type c ! -path '*/root/lobos.deb' "
                           "! -path '/mnt/changes/run/*'").split()


def check_install(host):
    said = host.install()
    assert "neither enabled nor started" in said
    assert host.box.sh("cut -d= -f2 /etc/lobos/credentials | tail -n 1") not in said
    assert host.box.sh("cat /etc/lobos/token") not in said
    assert host.state() == "inactive"
    assert host.box.run("systemctl", "is-enabled", "lobos", check=False).stdout == "disabled\n"
    assert host.box.sh("cd /etc/lobos; stat -c '%a %U %G %n' *") == (
        "600 root root credentials\n640 root lobos lobos.cfg\n640 root lobos token")
    assert host.box.sh("grep -cE '^LOBOS_(ACCESS_KEY=LB[0-9A-Z]{18}|SECRET_KEY=[0-9A-Za-z]{40})$' "
                       "/etc/lobos/credentials") == "2"
    host.box.run("systemd-analyze", "verify", "--man=no", "lobos.service", "lobos.socket")


def check_service(host):
    box = host.box
    # Type=notify: it serves when this returns.
    box.sh("systemctl start lobos || { systemctl status lobos; cat /run/lobos.log; exit 1; }")
    status = dict(line.split(":\t", 1) for line in box.sh(
        f"cat /proc/{host.pid()}/status").splitlines() if ":\t" in line)
    assert status["CapBnd"] == status["CapPrm"] == "0" * 16
    assert (status["NoNewPrivs"], status["Seccomp"], status["Umask"]) == ("1", "2", "0077")
    assert box.sh(f"stat -c %U /proc/{host.pid()}") == "lobos"
    rings = box.sh(f"ls -l /proc/{host.pid()}/fd | grep -c io_uring || true")
    assert (int(rings) > 0) == has_io_uring()
    assert host.curl("/", signed=False).startswith("403 ")
    assert host.curl("/demo", "-X", "PUT").startswith("200 ")
    assert host.curl("/demo/hello", "-X", "PUT", "-d", "hello").startswith("200 ")
    assert host.curl("/demo/hello") == "200 hello"
    assert box.sh("stat -c '%U %a' /var/lib/lobos/demo/hello") == "lobos 600"
    box.run("systemctl", "reload", "lobos")
    box.sh("for i in $(seq 100); do grep -q reloaded /run/lobos.log && exit; sleep 0.05; done; "
           "cat /run/lobos.log; exit 1")


def check_control_plane(host):
    denied = host.box.run("lobosctl", "status", check=False)
    assert denied.returncode != 0 and "--token-file" in denied.stderr
    allowed = ("lobosctl", "--token-file", "/etc/lobos/token")
    host.box.run("runuser", "-u", "lobos", "--", *allowed, "status")
    host.box.run(*allowed, "user", "add", "alice")
    for path in ("/metrics", "/health/live", "/health/ready"):
        assert host.box.sh("curl -s -o /dev/null -w '%{http_code}' "
                           f"http://127.0.0.1:9091{path}") == "200"


def check_upgrade(host):
    before, credentials = host.pid(), host.box.sh("cat /etc/lobos/credentials")
    host.install()
    assert host.state() == "active" and host.pid() != before
    assert host.box.sh("cat /etc/lobos/credentials") == credentials
    assert host.curl("/demo/hello") == "200 hello"


def check_socket(host):
    host.box.run("systemctl", "stop", "lobos")
    host.box.run("systemctl", "enable", "--now", "lobos.socket")
    assert host.state() == "inactive"
    assert host.curl("/demo/hello") == "200 hello"
    assert host.state() == "active"


def check_removal(host):
    box = host.box
    box.run("systemctl", "enable", "lobos")
    box.run("dpkg", "--remove", "lobos")
    assert host.state() == host.state("lobos.socket") == "inactive"
    assert box.sh("ls /etc/lobos") == "credentials\nlobos.cfg\ntoken"
    said = box.sh("dpkg --purge lobos")
    assert "/var/lib/lobos is not empty and stays" in said
    assert box.sh("cat /var/lib/lobos/demo/hello") == "hello"
    box.run("rm", "-r", "/var/lib/lobos")
    assert host.left() == []


def check_purge_of_an_unused_one(host):
    host.install()
    host.box.run("mkdir", "/var/lib/lobos")
    host.box.run("dpkg", "--purge", "lobos")
    assert host.left() == []


@needs("dh", "dpkg", "systemd-analyze", "unshare", "nsenter", "curl")
def test_life_of_the_service(package):
    try:
        with machine.Machine() as box:
            host = Host(box, package)
            for check in (check_install, check_service, check_control_plane, check_upgrade,
                          check_socket, check_removal, check_purge_of_an_unused_one):
                check(host)
    except machine.Unavailable as reason:
        pytest.skip(str(reason))
