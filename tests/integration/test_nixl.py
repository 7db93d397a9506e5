"""NIXL's object plugin itself, with LOBOS_TEST_NIXL=1 and a Python that has it: no GPU and no torch are needed
(pip install numpy; pip install --no-deps nixl nixl-cu12), so that LOBOS_NIXL_PYTHON may name one of its own."""

import os
import subprocess
import sys

import pytest

import lobos

PYTHON = os.environ.get("LOBOS_NIXL_PYTHON", sys.executable)
PROGRAM = """
import ctypes, os, sys, time
from nixl._api import nixl_agent, nixl_agent_config

port, access, secret, *extra = sys.argv[1:]
agent = nixl_agent("A", nixl_agent_config(backends=[]))
agent.create_backend("OBJ", {"bucket": "kv", "endpoint_override": "127.0.0.1:" + port,
                             "scheme": "http", "access_key": access, "secret_key": secret,
                             "region": "us-east-1", "num_threads": "4",
                             **dict(e.split("=") for e in extra)})

def run(operation, dram, obj):
    handle = agent.initialize_xfer(operation, dram, obj, "A")
    state = agent.transfer(handle)
    while state == "PROC":
        time.sleep(0.001)
        state = agent.check_xfer_state(handle)
    agent.release_xfer_handle(handle)
    assert state == "DONE", state

for size in (1 << 10, 1 << 20, 12 << 20):
    content = os.urandom(size)
    key = f"m_r0/abc/de_g0/{size}.bin"
    buffer = ctypes.create_string_buffer(content, size)
    at = ctypes.addressof(buffer)
    dram = agent.register_memory([(at, size, 0, "")], "DRAM")
    obj = agent.register_memory([(0, size, 1, key)], "OBJ")
    memory = agent.get_xfer_descs([(at, size, 0)], "DRAM")
    run("WRITE", memory, obj.trim())
    ctypes.memset(at, 0, size)
    run("READ", memory, obj.trim())
    assert buffer.raw == content, size
    found = agent.query_memory([(0, 1, 0, key), (0, 1, 0, "nope")], "OBJ", "OBJ")
    assert found == [{}, None], found
    agent.deregister_memory(obj)
    agent.deregister_memory(dram)
print("all right")
"""


@pytest.mark.skipif(os.environ.get("LOBOS_TEST_NIXL") != "1", reason="LOBOS_TEST_NIXL is not 1")
@pytest.mark.parametrize("parameter", [None, "req_checksum=required", "crtMinLimit=1",
                                       "crtMinLimit=5242880"])
def test_nixl(make_server, parameter):
    server = make_server(buckets=["kv"])
    result = subprocess.run(
        [PYTHON, "-c", PROGRAM, str(server.port), lobos.ACCESS, lobos.SECRET,
         *filter(None, [parameter])], env=lobos.environment(), text=True, capture_output=True,
        timeout=80, check=False)
    assert "all right" in result.stdout, result.stdout + result.stderr
    assert (server.root / "kv" / "m_r0" / "abc" / "de_g0" / "1024.bin").stat().st_size == 1024
