"""What the control plane has acknowledged stays: kill -9 at random moments, restarts, many users, many changes
at once. LB_LONG=1 kills at 200 moments."""

import concurrent.futures
import os
import random
import threading
import time

import grpc
import pytest

import lobos
from conftest import client_for
from control import Control, admin_pb2, refused

SEED = int(os.environ.get("LB_SEED", str(random.SystemRandom().randrange(1 << 32))))
WORKERS = 4


def control_of(server):
    return Control(server.control_address)


def state(control):
    """All users, without what the configuration has: name -> (admin, keys, grants)."""
    users, after = {}, ""
    while True:
        page = control.admin("ListUsers", "ListUsersRequest", after=after)
        for u in page.users:
            after = u.name
            if not u.fixed:
                users[u.name] = (u.admin, frozenset((k.access_key, k.disabled) for k in u.keys),
                                 frozenset((g.bucket, tuple(g.rights)) for g in u.grants))
        if not page.more:
            return users


class Administrator(threading.Thread):
    """Changes users of its own at random. `sure` is what was acknowledged; `maybe` what the change on its
    way would have made of one user when the connection broke."""

    def __init__(self, number, address, sure, seed):
        super().__init__()
        self.number, self.sure, self.rng = number, sure, random.Random(seed)
        self.control = Control(address)
        self.maybe = None  # (name, what it would be, whether a key would be added)
        self.changes = 0

    def run(self):
        try:
            while True:
                self.change()
                self.changes += 1
        except grpc.RpcError as why:
            self.end = why.code()
        finally:
            self.control.close()

    def change(self):
        name = f"a{self.number}-{self.rng.randrange(6)}"
        if name not in self.sure:
            self.maybe = (name, (False, frozenset(), frozenset()), True)
            made = self.control.admin("CreateUser", "CreateUserRequest", name=name)
            self.sure[name] = (False, frozenset([(made.key.key.access_key, False)]), frozenset())
        else:
            self.change_one(name, *self.sure[name])
        self.maybe = None

    def change_one(self, name, admin, keys, grants):
        what = self.rng.choice(["delete", "admin", "grant", "key", "key", "disable"])
        if what == "delete":
            self.maybe = (name, None, False)
            self.control.admin("DeleteUser", "DeleteUserRequest", name=name, force=True)
            del self.sure[name]
        elif what == "admin":
            self.attempt(name, (not admin, keys, grants), "SetAdmin", "SetAdminRequest", name=name,
                         admin=not admin)
        elif what == "grant":
            bucket = f"b{self.rng.randrange(3)}"
            rights = tuple(sorted(self.rng.sample([1, 2, 3, 4], self.rng.randrange(4))))
            rest = {g for g in grants if g[0] != bucket} | ({(bucket, rights)} if rights else set())
            self.attempt(name, (admin, keys, frozenset(rest)), "SetGrant", "SetGrantRequest",
                         user=name, grant=admin_pb2.Grant(bucket=bucket, rights=rights))
        elif what == "key" and len(keys) < 4:
            self.maybe = (name, (admin, keys, grants), True)
            made = self.control.admin("CreateKey", "CreateKeyRequest", user=name)
            self.sure[name] = (admin, keys | {(made.key.access_key, False)}, grants)
        elif keys:
            key = self.rng.choice(sorted(keys))
            toggled = (key[0], not key[1])
            self.attempt(name, (admin, keys - {key} | {toggled}, grants), "SetKey", "SetKeyRequest",
                         access_key=key[0], disabled={"value": toggled[1]})

    def attempt(self, name, wanted, method, message, /, **fields):
        self.maybe = (name, wanted, False)
        self.control.admin(method, message, **fields)
        self.sure[name] = wanted

    def settle(self, found):
        """What is found of its users must be what is sure, but for the change that was on its way."""
        if self.maybe:
            name, wanted, key_added = self.maybe
            before, there = self.sure.get(name), found.get(name)
            if there != before:
                if key_added:
                    assert there[0] == wanted[0] and there[2] == wanted[2], (before, there)
                    assert wanted[1] < there[1] and len(there[1] - wanted[1]) == 1, (before, there)
                else:
                    assert there == wanted, (before, there, wanted)
                self.sure.pop(name, None)
                if there is not None:
                    self.sure[name] = there
        mine = {n: u for n, u in found.items() if n.startswith(f"a{self.number}-")}
        assert mine == self.sure


def test_kill_during_changes(make_server, long, figure):
    server = make_server(grpc_server="127.0.0.1:0", buckets=["bucket"])
    rng = random.Random(SEED)
    sures = [{} for _ in range(WORKERS)]
    changes = 0
    for _ in range(200 if long else 20):
        admins = [Administrator(i, server.control_address, sures[i], rng.random())
                  for i in range(WORKERS)]
        for a in admins:
            a.start()
        time.sleep(rng.uniform(0.02, 0.4))
        server.kill9()
        for a in admins:
            a.join()
            assert a.end in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED), (SEED, a.end)
        changes += sum(a.changes for a in admins)
        server.start()
        control = control_of(server)
        found = state(control)
        control.close()
        for a in admins:
            a.settle(found)
    assert changes > 100, SEED
    figure(f"control plane: {changes} changes acknowledged over kills, none lost (seed {SEED})")


def test_a_key_works_at_once_and_after_kill(make_server):
    server = make_server(grpc_server="127.0.0.1:0")
    control = control_of(server)
    made = control.plane("AddUser", "User", name="alram").params
    gone = control.plane("AddKey", "User", name="alram").params
    control.plane("RmKey", "User", name="alram", key=gone.key)
    control.close()

    def s3(user):
        return client_for(server, aws_access_key_id=user.key, aws_secret_access_key=user.secret)

    s3(made).create_bucket(Bucket="mine")
    s3(made).put_object(Bucket="mine", Key="k", Body=b"v")
    server.kill9()
    server.start()
    assert s3(made).get_object(Bucket="mine", Key="k")["Body"].read() == b"v"
    with pytest.raises(Exception, match="InvalidAccessKeyId"):
        s3(gone).list_buckets()
    control = control_of(server)
    control.plane("RmUser", "RmUserParams", name="alram", force=True)
    control.close()
    server.kill9()
    server.start()
    with pytest.raises(Exception, match="InvalidAccessKeyId"):
        s3(made).list_buckets()


def add_users(server, n, workers=16):
    """n users with a key each, by so many clients. Returns the time it took."""
    controls = [control_of(server) for _ in range(4)]
    begun = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda i: controls[i % 4].plane("AddUser", "User", name=f"user{i:05}"), range(n)))
    took = time.monotonic() - begun
    for c in controls:
        c.close()
    return took


def test_ten_thousand_users(make_server, figure):
    """They are made while requests of S3 are answered: none of which may fail."""
    server = make_server(grpc_server="127.0.0.1:0", buckets=["bucket"])
    s3 = client_for(server)
    s3.put_object(Bucket="bucket", Key="k", Body=b"v")
    done, failures, answered = threading.Event(), [], []

    def read():
        own = client_for(server)
        while not done.is_set():
            try:
                own.get_object(Bucket="bucket", Key="k")["Body"].read()
                answered.append(1)
            except Exception as why:
                failures.append(why)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for r in readers:
        r.start()
    took = add_users(server, 10000)
    done.set()
    for r in readers:
        r.join()
    assert not failures and answered
    figure(f"control plane: {10000 / took:.0f} users made a second (client in Python), "
           f"{len(answered) / took:.0f} GET/s beside it")
    server.stop()
    begun = time.monotonic()
    server.start()
    started = time.monotonic() - begun
    control = control_of(server)
    assert control.admin("GetStatus").users == 10001
    control.close()
    figure(f"control plane: start with 10,000 users took {started:.2f} s")
    if not lobos.SANITIZED:
        assert started < 1


def test_two_administrators_change_one_bucket(make_server):
    """Each changes settings of its own; no change is lost."""
    server = make_server(grpc_server="127.0.0.1:0", buckets=["bucket"])

    def change(field, values):
        control = control_of(server)
        for v in values:
            while True:
                try:
                    control.admin("SetBucket", "SetBucketRequest", name="bucket", **{field: v})
                    break
                except grpc.RpcError as why:
                    assert why.code() == grpc.StatusCode.ABORTED, why
            found = getattr(control.admin("GetBucket", "BucketName", name="bucket"), field)
            assert found == v
        control.close()

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for future in [pool.submit(change, "access", [1, 2, 3, 4] * 20),
                       pool.submit(change, "versioning", [2, 3] * 40),
                       pool.submit(change, "durability", [1, 2, 3] * 25)]:
            future.result()


def test_a_full_disk_changes_nothing(make_server):
    """The users' file can't grow: RLIMIT_FSIZE stands for the disk."""
    import resource

    server = make_server(grpc_server="127.0.0.1:0", start=False)
    server.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)))
    control = control_of(server)
    n = 0
    with pytest.raises(grpc.RpcError) as caught:
        while n < 1000:
            control.plane("AddUser", "User", name=f"u{n}")
            n += 1
    assert caught.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL)
    assert control.admin("GetStatus").users == n + 1
    with refused(grpc.StatusCode.NOT_FOUND):
        control.admin("GetUser", "UserName", name=f"u{n}")
    control.plane("RmUser", "RmUserParams", name="u0", force=True)
    control.close()
    server.restart()
    control = control_of(server)
    assert control.admin("GetStatus").users == n
    control.close()
