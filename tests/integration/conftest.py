"""Servers, clients and the limits of a run. LOBOS names the binary; LOBOS_BACKEND=volume
makes the volume engine that of every server; LB_LONG=1 makes the long variants
run, which take minutes each."""

import itertools
import os
import subprocess
import sys

import boto3
import botocore.config
import botocore.exceptions
import pytest

import lobos

sys.dont_write_bytecode = True
for name in list(os.environ):
    if name.startswith("AWS_") or name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ.update(NO_PROXY="*", no_proxy="*", AWS_EC2_METADATA_DISABLED="true",
                  AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")
LONG = os.environ.get("LB_LONG") == "1"
TIMEOUT_S = 300  # of a test: ends a hang, and nothing else on a machine with more to do
figures = []
numbers = itertools.count(100)


def pytest_collection_modifyitems(items):
    """A hang is a failure with a stack, not a run without end."""
    for item in items:
        if not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(0 if LONG else TIMEOUT_S))


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of several processes of pytest-xdist
        session.config.workeroutput["figures"] = figures


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    figures.extend(getattr(node, "workeroutput", {}).get("figures", []))


def pytest_terminal_summary(terminalreporter):
    for line in figures:
        terminalreporter.write_line(f"figure: {line}")


@pytest.fixture(scope="session")
def figure():
    """Keeps a line that is printed at the end of the run."""
    return figures.append


@pytest.fixture(scope="session")
def long():
    return LONG


@pytest.fixture
def make_server():
    """Starts servers that live as long as the test."""
    servers = []

    def make(*args, start=True, **kwargs):
        servers.append(lobos.Lobos(*args, **kwargs))
        return servers[-1].start() if start else servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="module", params=[("io_uring", lobos.BACKEND), ("epoll", lobos.BACKEND),
                                        ("auto", "volume")][:2 if lobos.BACKEND == "volume" else 3],
                ids=lambda param: "volume" if param[0] == "auto" else param[0])
def server(request):
    """One server a file, I/O back end and engine, with credentials and the bucket "bucket"."""
    io_backend, backend = request.param
    made = lobos.Lobos(buckets=["bucket"], io_backend=io_backend, access_log="true",
                       log_level="debug", backend=backend)
    try:
        made.start()
    except lobos.StartFailed as why:
        made.close()
        if io_backend == "io_uring" and ("EPERM" in str(why) or "ENOSYS" in str(why)):
            pytest.skip("the system refuses io_uring")
        raise
    yield made
    made.close()


def client_for(server, **more):
    """A boto3 client that tries once and shows every error."""
    access, secret = server.credentials or ("unused", "unused")
    settings = {"s3": {"addressing_style": "path"}, "signature_version": "s3v4",
                "retries": {"max_attempts": 1}, "connect_timeout": 10, "read_timeout": 60,
                "max_pool_connections": 64, **more.pop("config", {})}
    return boto3.client("s3", **{"endpoint_url": server.url, "region_name": "us-east-1",
                                 "aws_access_key_id": access, "aws_secret_access_key": secret,
                                 "config": botocore.config.Config(**settings), **more})


@pytest.fixture(scope="module")
def s3(server):
    return client_for(server)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    names = "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", names, "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem"], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def bucket(s3):
    """A new bucket for one test."""
    name = f"t{next(numbers)}"
    s3.create_bucket(Bucket=name)
    return name


def error_of(call, *args, **kwargs):
    """The HTTP status and the code of the error that a call must end with."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*args, **kwargs)
    reply = caught.value.response
    return reply["ResponseMetadata"]["HTTPStatusCode"], reply["Error"]["Code"]
