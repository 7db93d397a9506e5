"""The conformance suite ceph/s3-tests, when LOBOS_S3TESTS_DIR names a checkout: the core set and the sets copy,
tagging, conditional, checksum (with attributes) and versioning. s3tests_expected.txt holds the failures that are expected, each
with its reason; what fails beside them, or no longer fails, fails here. LOBOS_S3TESTS_PYTHON names a Python that
has the suite's requirements (boto3, munch, pytest, isodate, pytz, requests, PyYAML, lxml, httplib2, gevent)."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

import lobos

CHECKOUT = os.environ.get("LOBOS_S3TESTS_DIR")
PYTHON = os.environ.get("LOBOS_S3TESTS_PYTHON", sys.executable)
EXPECTED = pathlib.Path(__file__).parent / "s3tests_expected.txt"
FILES = "s3tests/functional/test_s3.py"
GENERAL = "not (fails_on_aws or bucket_logging or lifecycle or encryption or sse_s3)"
SETS = {  # files, -m, -k, at least so many tests
    "core": (FILES + " s3tests/functional/test_headers.py",
             "not (fails_on_aws or auth_aws2 or bucket_logging or bucket_logging_cleanup or "
             "encryption or sse_s3 or lifecycle or lifecycle_transition or bucket_policy or tagging "
             "or checksum or copy or conditional_write or object_ownership or cloud_restore or "
             "iam_tenant or delete_marker)",
             "not (versioning or versioned or object_lock or cors or post_object or acl or policy or "
             "access_bucket or public or grant or attributes or ownership or tags or restore or sse "
             "or usage or copy)", 200),
    "tagging": (FILES, "not (fails_on_aws or bucket_logging or lifecycle)",
                "(tagging or tags) and not policy", 10),
    "copy": (FILES, GENERAL, "copy and not policy", 25),
    "conditional": (FILES, "not fails_on_aws",
                    "if_match or if_none_match or ifmatch or ifnonmatch or ifnonematch or "
                    "conditional_write", 12),
    "checksum": (FILES, "not (fails_on_aws or encryption)",
                 "checksum or cksum or object_attributes", 12),
    "versioning": (FILES, GENERAL, "(versioning or versioned or delete_marker) and not acl", 30),
}
USERS = {"main": (lobos.ACCESS, lobos.SECRET, "lobos"), "alt": ("ALTKEY", "altsecret", "alt"),
         "tenant": ("TENANTKEY", "tenantsecret", "tenant")}
SERVER = f"""[lobos]
port = 0
access_key = {lobos.ACCESS}
secret_key = {lobos.SECRET}
[filesystem]
directory = {{root}}
[users]
alt = ALTKEY:altsecret
tenant = TENANTKEY:tenantsecret
"""


def settings(port):
    """The suite's configuration."""
    text = (f"[DEFAULT]\nhost = 127.0.0.1\nport = {port}\nis_secure = False\nssl_verify = False\n"
            "[fixtures]\nbucket prefix = t-{random}-\niam name prefix = t-\niam path prefix = /t/\n")
    for section, user in (("s3 main", "main"), ("s3 alt", "alt"), ("s3 tenant", "tenant"),
                          ("iam", "main"), ("iam root", "main"), ("iam alt root", "alt")):
        access, secret, name = USERS[user]
        text += (f"[{section}]\ndisplay_name = {name}\nuser_id = {name}\nemail = {name}@localhost\n"
                 f"access_key = {access}\nsecret_key = {secret}\n")
        text += {"s3 main": "api_name = default\n", "s3 tenant": "tenant = testx\n"}.get(section, "")
    return text


def expected_failures():
    lines = [line.split(maxsplit=1) for line in EXPECTED.read_text().splitlines()
             if line.strip() and not line.startswith("#")]
    assert all(len(line) == 2 for line in lines), "each expected failure needs a reason"
    return {name for name, _ in lines}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    server = lobos.Lobos(form="config", config=SERVER, durability="relaxed").start()
    path = tmp_path_factory.mktemp("s3tests") / "s3tests.conf"
    path.write_text(settings(server.port))
    yield path
    server.close()


@pytest.mark.skipif(not CHECKOUT, reason="LOBOS_S3TESTS_DIR names no checkout of ceph/s3-tests")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SETS)
def test_conformance(config, figure, name):
    files, marks, keywords, least = SETS[name]
    result = subprocess.run(
        [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", "-rfEp",
         *files.split(), "-m", marks, "-k", keywords], cwd=CHECKOUT, text=True,
        env=lobos.environment(S3TEST_CONF=str(config), AWS_MAX_ATTEMPTS="1",
                              AWS_RETRY_MODE="standard", PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True, timeout=1700, check=False)
    outcome = dict(reversed(pair) for pair in re.findall(
        r"^(PASSED|FAILED|ERROR) \S+::(\w+)", result.stdout, re.M))
    failed = {test for test, word in outcome.items() if word != "PASSED"}
    assert len(outcome) >= least, result.stdout[-3000:] + result.stderr[-1000:]
    expected = expected_failures()
    figure(f"s3-tests {name}: {len(outcome) - len(failed)} of {len(outcome)} passed, "
           f"{len(failed & expected)} fail as expected")
    assert failed <= expected, f"unexpected: {sorted(failed - expected)}\n{result.stdout[-6000:]}"
    passed = (expected & outcome.keys()) - failed
    assert not passed, f"passes now; take it out of {EXPECTED.name}: {sorted(passed)}"
