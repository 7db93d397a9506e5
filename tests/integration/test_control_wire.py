"""How the control plane is reached: reflection, health, tokens, TLS, and clients that misbehave."""

import socket
import ssl
import struct
import subprocess
import threading
import time

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import \
    ProtoReflectionDescriptorDatabase

import lobos
from control import Control, admin_pb2, refused

TOKEN = "a-token-for-tests-0123456789"
SERVICES = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
            "grpc.reflection.v1alpha.ServerReflection", "lobosadmin.Admin",
            "loboscontrol.ControlPlane"]
UNAUTHENTICATED, NONE = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED


@pytest.fixture(scope="module")
def served():
    made = lobos.Lobos(grpc_server="127.0.0.1:0", log_level="debug")
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def control(served):
    made = Control(served.control_address)
    yield made
    made.close()


# ---- reflection ----


def test_reflection_describes_every_service(control):
    database = ProtoReflectionDescriptorDatabase(control.channel)
    assert sorted(database.get_services()) == SERVICES
    pool = descriptor_pool.DescriptorPool(database)
    for service in SERVICES:
        for method in pool.FindServiceByName(service).methods:
            assert method.input_type.fields is not None and method.output_type.full_name
    assert pool.FindMessageTypeByName("lobosadmin.User").fields_by_name["grants"].number == 5
    assert pool.FindEnumTypeByName("grpc.health.v1.HealthCheckResponse.ServingStatus")
    names = {m.name for m in pool.FindServiceByName("lobosadmin.Admin").methods}
    assert names == {m.name for m in admin_pb2.DESCRIPTOR.services_by_name["Admin"].methods}


def ask(control, *requests):
    stub = reflection_pb2_grpc.ServerReflectionStub(control.channel)
    requests = [reflection_pb2.ServerReflectionRequest(**r) for r in requests]
    return list(stub.ServerReflectionInfo(iter(requests), timeout=10))


def file_of(control, symbol):
    reply = ask(control, {"file_containing_symbol": symbol})[0]
    return reply.WhichOneof("message_response") == "file_descriptor_response"


def test_reflection_finds_symbols(control):
    for symbol in ("loboscontrol.ControlPlane", "loboscontrol.ControlPlane.AddUser",
                   "loboscontrol.User", "loboscontrol.User.name", "lobosadmin.Right",
                   "google.protobuf.BoolValue", "grpc.health.v1.HealthCheckResponse.ServingStatus"):
        assert file_of(control, symbol), symbol
    for symbol in ("", "loboscontrol", "loboscontrol.", "loboscontrol.Use", "loboscontrol.Users",
                   "loboscontrol.User.nam", "User", "loboscontrol.ControlPlane.AddUser.x", "." * 100):
        assert not file_of(control, symbol), symbol


def test_reflection_is_a_dialog(control):
    replies = ask(control, {"list_services": "*"}, {"file_by_filename": "lobosadmin.proto"},
                  {"file_by_filename": "other.proto"}, {"all_extension_numbers_of_type": "x"},
                  {"list_services": "", "host": "here"}, {})
    assert [s.name for s in replies[0].list_services_response.service] and len(replies) == 6
    assert replies[1].file_descriptor_response.file_descriptor_proto
    assert [replies[i].error_response.error_code for i in (2, 3, 5)] == [5, 5, 5]
    assert replies[4].valid_host == "here" and replies[4].original_request.host == "here"
    assert ask(control) == []


# ---- health ----


def test_health(control):
    stub = health_pb2_grpc.HealthStub(control.channel)
    for service in ("", "loboscontrol.ControlPlane", "lobosadmin.Admin"):
        reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert reply.status == health_pb2.HealthCheckResponse.SERVING
    with refused(grpc.StatusCode.NOT_FOUND):
        stub.Check(health_pb2.HealthCheckRequest(service="other"), timeout=10)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="other"), timeout=10)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def test_a_watch_sees_the_drain(make_server):
    server = make_server(grpc_server="127.0.0.1:0", drain_timeout="5")
    control = Control(server.control_address)
    stub = health_pb2_grpc.HealthStub(control.channel)
    watches = [stub.Watch(health_pb2.HealthCheckRequest(), timeout=30) for _ in range(3)]
    for watch in watches:
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    with socket.create_connection(("127.0.0.1", server.port)) as busy:  # so that the drain lasts
        busy.sendall(b"PUT /b/k HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n")
        time.sleep(0.2)
        server.process.terminate()
        for watch in watches:
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert control.admin("GetStatus").draining
    for watch in watches:
        with refused(grpc.StatusCode.UNAVAILABLE):
            next(watch)
    assert server.wait() == 0
    server.process = None
    control.close()


# ---- who may come in ----


def test_token(make_server):
    server = make_server(grpc_server="127.0.0.1:0", grpc_token=TOKEN, log_level="debug")
    for metadata in ((), [("authorization", TOKEN)], [("authorization", f"Bearer {TOKEN}x")],
                     [("authorization", f"Bearer {TOKEN[:-1]}")], [("authorization", "Bearer ")],
                     [("authorization", f"Basic {TOKEN}")], [("token", f"Bearer {TOKEN}")],
                     [("authorization", f"Bearer {TOKEN}{TOKEN}")]):
        control = Control(server.control_address, metadata=metadata)
        with refused(UNAUTHENTICATED, "grpc_token"):
            control.admin("GetStatus")
        with refused(UNAUTHENTICATED):
            control.plane("AddUser", "User", name="eve")
        with refused(UNAUTHENTICATED):
            ask(control, {"list_services": ""})
        stub = health_pb2_grpc.HealthStub(control.channel)
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
        with refused(UNAUTHENTICATED):
            next(stub.Watch(health_pb2.HealthCheckRequest(), timeout=10))
        control.close()
    for scheme in ("Bearer", "bearer"):
        control = Control(server.control_address, metadata=[("authorization", f"{scheme} {TOKEN}")])
        assert [u.params.name for u in control.plane("ListAllUsers").users] == ["lobos"]
        control.close()
    assert TOKEN[:-1] not in server.log
    assert 1 <= server.log.count("no token, or a wrong one") < 8


def test_who_has_no_token_keeps_nobody_out(make_server):
    """Calls that are begun and never asked."""
    server = make_server(grpc_server="127.0.0.1:0", grpc_token=TOKEN)
    stuck, never = [Control(server.control_address) for _ in range(4)], threading.Event()

    def nothing():
        never.wait(30)
        yield b""

    calls = [c.channel.stream_unary("/grpc.health.v1.Health/Check", request_serializer=bytes,
                                    response_deserializer=bytes).future(nothing(), timeout=60)
             for c in stuck for _ in range(80)]
    until = time.monotonic() + 20
    while sum(c.done() for c in calls) < len(calls) - 64:
        assert time.monotonic() < until
        time.sleep(0.05)
    codes = {c.code() for c in calls if c.done()}
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    control = Control(server.control_address, metadata=[("authorization", f"Bearer {TOKEN}")])
    assert control.admin("GetStatus").pid == server.pid
    other = Control(server.control_address)
    stub = health_pb2_grpc.HealthStub(other.channel)
    assert stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
    never.set()
    for c in [*stuck, control, other]:
        c.close()


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


@pytest.mark.parametrize("path", [b"/lobosadmin.Admin/GetStatus", b"/no.Such/Method"])
def test_who_reads_no_refusals_keeps_nobody_out(make_server, path):
    """Their answers stay where they are once all buffers on the way are full."""
    server = make_server(grpc_server="127.0.0.1:0", grpc_token=TOKEN)
    # HPACK: POST, http, path, authority, te, content-type (RFC 7541, appendix A and section 6.2.2)
    head = b"\x83\x86" + b"".join(
        name + bytes([len(value)]) + value
        for name, value in ((b"\x04", path), (b"\x01", b"x"), (b"\x00\x02te", b"trailers"),
                            (b"\x0f\x10", b"application/grpc")))
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", int(server.control_address.rpartition(":")[2])))
        deaf.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") +
                     b"".join(frame(1, 4, stream, head) for stream in range(1, 80001, 2)))
        time.sleep(0.5)
        control = Control(server.control_address, metadata=[("authorization", f"Bearer {TOKEN}")])
        assert control.admin("GetStatus").pid == server.pid
        control.close()


def test_token_file(make_server, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    server = make_server(grpc_server="127.0.0.1:0", grpc_token_file=tmp_path / "token")
    control = Control(server.control_address, metadata=[("authorization", f"Bearer {TOKEN}")])
    assert control.admin("GetStatus").pid == server.pid
    control.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A CA, and a client's certificate of it."""
    folder = tmp_path_factory.mktemp("ca")

    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out",
            "ca.pem")
    openssl("req", *new, "-subj", "/CN=client", "-keyout", "client.key", "-out", "client.csr")
    openssl("x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-out", "client.pem")
    return folder


def secure(server, certificate, client=None, **more):
    pem = [certificate[0].read_bytes()]
    if client:
        pem += [(client / "client.key").read_bytes(), (client / "client.pem").read_bytes()]
    return Control(server.control_address.replace("127.0.0.1", "localhost"),
                   credentials=grpc.ssl_channel_credentials(*pem), **more)


def test_tls_with_a_token(make_server, certificate):
    server = make_server(grpc_server="127.0.0.1:0", grpc_token=TOKEN,
                         grpc_tls_certificate=certificate[0], grpc_tls_key=certificate[1])
    control = secure(server, certificate, metadata=[("authorization", f"Bearer {TOKEN}")])
    assert control.admin("GetStatus").pid == server.pid
    control.close()
    control = secure(server, certificate)
    with refused(UNAUTHENTICATED):
        control.admin("GetStatus")
    control.close()
    control = Control(server.control_address)
    with refused(grpc.StatusCode.UNAVAILABLE):
        control.admin("GetStatus", timeout=3)
    control.close()


def test_the_certificate_is_reloaded(make_server, certificate, tmp_path, authority):
    """By SIGHUP, for new connections; one that does not work leaves the old one in place."""
    files = [tmp_path / "cert.pem", tmp_path / "key.pem"]

    def put(certificate, key):
        files[0].write_bytes(certificate.read_bytes())
        files[1].write_bytes(key.read_bytes())

    def shown():
        return ssl.get_server_certificate(("127.0.0.1", server.control_port))

    put(*certificate)
    server = make_server(grpc_server="127.0.0.1:0", grpc_token=TOKEN,
                         grpc_tls_certificate=files[0], grpc_tls_key=files[1])
    control = secure(server, certificate, metadata=[("authorization", f"Bearer {TOKEN}")])
    first = shown()
    put(authority / "client.pem", authority / "client.key")
    assert shown() == first
    control.admin("Reload")
    until = time.monotonic() + 10
    while shown() == first:
        assert time.monotonic() < until
    second = shown()
    put(authority / "client.pem", certificate[1])
    control.admin("Reload")
    server.wait_for_log("stay what they were")
    assert shown() == second
    assert control.admin("GetStatus").pid == server.pid
    control.close()


def test_certificates_of_clients(make_server, certificate, authority):
    server = make_server(grpc_server="127.0.0.1:0", grpc_client_ca=authority / "ca.pem",
                         grpc_tls_certificate=certificate[0], grpc_tls_key=certificate[1])
    control = secure(server, certificate, authority)
    assert control.admin("GetStatus").pid == server.pid
    control.close()
    control = secure(server, certificate)
    with refused(grpc.StatusCode.UNAVAILABLE):
        control.admin("GetStatus", timeout=3)
    control.close()


def test_an_address_that_others_reach(make_server, certificate, tmp_path):
    result = lobos.run("--root", tmp_path, "--set", "grpc_server=0.0.0.0:0")
    assert result.returncode == 1 and "needs TLS" in result.stderr
    result = lobos.run("--root", tmp_path, "--set", "grpc_server=0.0.0.0:0", "--set",
                       f"grpc_token={TOKEN}")
    assert result.returncode == 1 and "needs TLS" in result.stderr and TOKEN not in result.stderr


@pytest.mark.parametrize("broken", ["missing", "text", "swapped"])
def test_tls_files_that_do_not_work(tmp_path, certificate, broken):
    files = {"missing": (tmp_path / "none", certificate[1]), "text": (tmp_path / "text", certificate[1]),
             "swapped": (certificate[1], certificate[0])}[broken]
    (tmp_path / "text").write_text("no PEM")
    (tmp_path / "data").mkdir()
    result = lobos.run("--root", tmp_path / "data", "--port", "0", "--set", "metrics_listen=off",
                       "--set", "grpc_server=127.0.0.1:0",
                       "--set", f"grpc_tls_certificate={files[0]}", "--set", f"grpc_tls_key={files[1]}")
    assert result.returncode == 1
    assert "TLS" in result.stderr and str(files[0]) in result.stderr


def test_port_in_use(make_server, tmp_path):
    first = make_server(grpc_server="127.0.0.1:0")
    result = lobos.run("--root", tmp_path, "--port", "0", "--set", "metrics_listen=off", "--set",
                       f"grpc_server={first.control_address}")
    assert result.returncode == 1
    for said in ("another program uses this port", first.control_address, "grpc_server = off"):
        assert said in result.stderr


def test_off(make_server):
    server = make_server(grpc_server="off")
    server.stop()
    assert not any("Control plane" in line for line in server.lines)


# ---- clients that misbehave ----


def raw(control, method, data, timeout=10):
    call = control.channel.unary_unary(method, request_serializer=bytes,
                                       response_deserializer=bytes)
    return call(data, timeout=timeout)


def fields(data):
    """Number and bytes of each field of a message that has strings and messages alone."""
    found = []
    while data:
        assert data[0] & 7 == 2 and data[1] < 0x80
        found.append((data[0] >> 3, data[2:2 + data[1]]))
        data = data[2 + data[1]:]
    return found


def test_the_bytes_are_those_of_the_original(control):
    """Written out, so that no change of the proto can pass unseen: clients of the original were built from
    its own."""
    service = "/loboscontrol.ControlPlane/"
    user = b"\x0a\x04wire\x12\x07KEYWIRE\x1a\x06secret\x22\x05lobos"
    assert raw(control, service + "AddUser", user) == b"\x0a" + bytes([len(user)]) + user
    [(number, made)] = fields(raw(control, service + "AddKey", b"\x0a\x04wire"))
    assert number == 1 and [n for n, _ in fields(made)] == [1, 2, 3, 4]
    listed = fields(raw(control, service + "ListAllUsers", b"\x0a\x04wire"))
    assert [n for n, _ in listed] == [1, 1]
    for _, entry in listed:
        [(number, shown)] = fields(entry)
        assert number == 1 and [n for n, _ in fields(shown)] == [1, 2, 4]  # no secret
    assert raw(control, service + "RmKey", b"\x0a\x04wire\x12\x07KEYWIRE") == b"\x08\x01"
    with refused(grpc.StatusCode.PERMISSION_DENIED):
        raw(control, service + "RmUser", b"\x0a\x04wire")
    assert raw(control, service + "RmUser", b"\x0a\x04wire\x10\x01") == b"\x08\x01"


def test_unknown_methods(control):
    for method in ("/loboscontrol.ControlPlane/Nothing", "/x/y", "/loboscontrol.ControlPlane/",
                   "/loboscontrol.ControlPlane/AddUser/", "/a" * 500):
        with refused(NONE):
            raw(control, method, b"")


def test_messages_that_are_none(control):
    for data in (b"\xff", b"\x0a\x05a", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x00", b"\x0b",
                 b"\x0a\x02\xc3\x28", b"\x0a\x02a\x00", b"\x0d\x01", b"\x08" + b"\xff" * 11):
        with refused(grpc.StatusCode.INVALID_ARGUMENT):
            raw(control, "/loboscontrol.ControlPlane/AddUser", data)
    assert raw(control, "/lobosadmin.Admin/GetStatus", b"\x98\x06\x01")  # a field of a later proto


def test_large_messages_are_refused(control):
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED):
        raw(control, "/loboscontrol.ControlPlane/AddUser", b"\x0a\x80\x80\x80\x01" + b"a" * (2 << 20))
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        control.plane("AddUser", "User", name="a" * 1000000)


def test_compressed_messages_are_refused(served):
    control = Control(served.control_address,
                      options=[("grpc.default_compression_algorithm", 2)])
    with refused(NONE):
        control.plane("AddUser", "User", name="a" * 100000)
    control.close()


def test_many_calls_at_once(served, control):
    failures = []

    def work():
        own = Control(served.control_address)
        try:
            for _ in range(20):
                assert own.admin("GetStatus").pid == served.pid
        except grpc.RpcError as why:
            failures.append(why)
        finally:
            own.close()

    threads = [threading.Thread(target=work) for _ in range(32)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_streams_beyond_the_limit(served):
    """Held open by clients, they must not keep others from being answered for ever."""
    controls = [Control(served.control_address) for _ in range(4)]
    watches = [health_pb2_grpc.HealthStub(c.channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
               for c in controls for _ in range(70)]
    codes = []
    for watch in watches:
        try:
            next(watch)
        except grpc.RpcError as why:
            codes.append(why.code())
    assert codes and set(codes) == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    for watch in watches:
        watch.cancel()
    for c in controls:
        c.close()
    other = Control(served.control_address)
    until = time.monotonic() + 10
    while True:
        try:
            assert other.admin("GetStatus").pid == served.pid
            break
        except grpc.RpcError:
            assert time.monotonic() < until
    other.close()


def test_clients_that_vanish(served, control):
    for _ in range(20):
        own = Control(served.control_address)
        calls = [own.admin_stub.CreateUser.future(admin_pb2.CreateUserRequest(name="gone", no_key=True))
                 for _ in range(5)]
        own.close()
        del calls
    for data in (b"", b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100):
        with socket.create_connection(("127.0.0.1", served.control_port)) as s:
            s.sendall(data)
    assert control.admin("GetStatus").pid == served.pid


def test_descriptors_are_given_back(served):
    before = served.descriptors()
    for _ in range(30):
        own = Control(served.control_address)
        own.admin("GetStatus")
        own.close()
    until = time.monotonic() + 10
    while served.descriptors() > before + 3:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_stop_does_not_wait_for_idle_streams(make_server):
    server = make_server(grpc_server="127.0.0.1:0")
    control = Control(server.control_address)
    watch = health_pb2_grpc.HealthStub(control.channel).Watch(health_pb2.HealthCheckRequest())
    next(watch)
    begun = time.monotonic()
    server.stop()
    assert time.monotonic() - begun < 3
    control.close()
