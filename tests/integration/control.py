"""A client of the control plane, made from the protos in the source."""

import contextlib
import importlib
import pathlib
import sys
import tempfile

import grpc
import grpc_tools
import pytest
from grpc_tools import protoc

import lobos

PROTOS = lobos.REPOSITORY / "src" / "control" / "proto"


def compile_protos():
    folder = tempfile.TemporaryDirectory(prefix="lobos-proto-")
    builtin = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    for name in ("loboscontrol", "lobosadmin"):
        status = protoc.main(["protoc", f"-I{PROTOS}", f"-I{builtin}", f"--python_out={folder.name}",
                              f"--grpc_python_out={folder.name}", f"{name}.proto"])
        assert status == 0
    sys.path.insert(0, folder.name)
    try:
        return folder, [importlib.import_module(m) for m in
                        ("loboscontrol_pb2", "loboscontrol_pb2_grpc", "lobosadmin_pb2",
                         "lobosadmin_pb2_grpc")]
    finally:
        sys.path.remove(folder.name)


FOLDER, (plane_pb2, plane_grpc, admin_pb2, admin_grpc) = compile_protos()


class Control:
    """Both services of a server; calls have ten seconds."""

    def __init__(self, address, credentials=None, metadata=(), options=()):
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1), *options]
        self.channel = (grpc.secure_channel(address, credentials, options) if credentials
                        else grpc.insecure_channel(address, options))
        self.metadata = metadata
        self.plane_stub = plane_grpc.ControlPlaneStub(self.channel)
        self.admin_stub = admin_grpc.AdminStub(self.channel)

    def plane(self, method, message="Filters", /, timeout=10, **fields):
        return self.call(self.plane_stub, plane_pb2, method, message, timeout, fields)

    def admin(self, method, message="Nothing", /, timeout=10, **fields):
        return self.call(self.admin_stub, admin_pb2, method, message, timeout, fields)

    def call(self, stub, module, method, message, timeout, fields):
        request = getattr(module, message)(**fields)
        return getattr(stub, method)(request, timeout=timeout, metadata=self.metadata)

    def close(self):
        self.channel.close()


@contextlib.contextmanager
def refused(code, text=""):
    """The call must end with that status, and a message that holds the text."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code() == code, caught.value
    assert text in caught.value.details() and caught.value.details(), caught.value.details()
