#!/usr/bin/env python3
"""Measures lobos and nginx on this machine in the same run, and prints medians and ratios.

Both servers get one worker, pinned to one CPU; the load generator is pinned to another. The rounds
alternate between the servers, so that what drifts on the machine drifts for both. What is written
by one measurement is on the disk before the next begins.

Ratios that a bar is set for are marked: ops per second of server CPU, or of server and generator
together where loopback makes the receiver do part of the sender's work (GET of 1 MiB)."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

# name: (generator's options, durability of lobos, metric the bar is for, bar)
CASES = {
    "get-32k": ("--op get --size 32KiB --concurrency 200 --objects 1000",
                "relaxed", "per_server_cpu_s", 1.1),
    "get-1m": ("--op get --size 1MiB --concurrency 50 --objects 200",
               "relaxed", "per_both_cpu_s", 1.3),
    "put-1m": ("--op put --size 1MiB --concurrency 50 --objects 200",
               "relaxed", "per_server_cpu_s", 1.2),
    "put-32k": ("--op put --size 32KiB --concurrency 200 --objects 1000",
                "relaxed", "per_server_cpu_s", 0.9),
    "put-32k-sync": ("--op put --size 32KiB --concurrency 200 --objects 1000",
                     "sync", "per_server_cpu_s", 0.7),
    "get-404": ("--op 404 --size 32KiB --concurrency 200 --objects 1000",
                "relaxed", "per_server_cpu_s", 1.1),
    "get-304": ("--op 304 --size 32KiB --concurrency 200 --objects 1000",
                "relaxed", "per_server_cpu_s", 1.1),
}

METRICS = (("rate", "req/s"), ("mib_s", "MiB/s"), ("p50_ms", "p50 ms"), ("p99_ms", "p99 ms"),
           ("per_server_cpu_s", "/server CPU s"), ("per_both_cpu_s", "/both CPU s"))

NGINX_CONF = """
worker_processes 1;
daemon off;
pid {state}/nginx.pid;
error_log {state}/nginx.log;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {data}/tmp;
    proxy_temp_path {state}/proxy;
    fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi;
    scgi_temp_path {state}/scgi;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root {data}/root;
        dav_methods PUT;
        create_full_put_path on;
    }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server under test, running until stop()."""

    def __init__(self, name, command, port, cpu, log):
        self.name, self.port = name, port
        self.log = open(log, "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT,
                                        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    sys.exit(f"{name} does not start:\n{pathlib.Path(log).read_text()}")
                time.sleep(0.05)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def start_nginx(args, state, data):
    port = free_port()
    folder = data / "nginx"
    for name in ("root", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    conf = state / "nginx.conf"
    conf.write_text(NGINX_CONF.format(state=state, data=folder, port=port,
                                      user="user root;" if os.geteuid() == 0 else ""))
    return Server("nginx", [args.nginx, "-c", str(conf), "-e", str(state / "nginx.log")], port,
                  args.server_cpu, state / "nginx.out")


def start_lobos(args, state, data, durability):
    port = free_port()
    folder = data / f"lobos-{durability}"
    folder.mkdir(parents=True, exist_ok=True)
    command = [str(args.lobos), "--root", str(folder), "-p", str(port), "-t", "1",
               "--set", f"durability={durability}", "--set", "metrics_listen=off",
               "--set", "grpc_server=off", "--set", "usage_interval=0", *args.lobos_arg]
    return Server(f"lobos-{durability}", command, port, args.server_cpu,
                  state / f"lobos-{durability}.out")


def measure(args, server, options, *more):
    command = [str(args.generator), "--url", f"http://127.0.0.1:{server.port}", "--json",
               "--server-pid", str(server.process.pid), "--warmup", args.warmup,
               "--duration", args.duration, *options.split(), *more]
    if server.name != "nginx":
        command += ["--bucket", "bench"]
    done = subprocess.run(command, capture_output=True, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, {args.client_cpu}))
    try:
        result = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"{server.name}: {options}\n{done.stdout}{done.stderr}")
    if result["errors"]:
        print(f"  {server.name}: {result['errors']} errors, last status {result['error_status']}",
              file=sys.stderr)
    return result


def median(results, metric):
    return statistics.median(r[metric] for r in results)


def run_case(args, name, servers, data):
    """Returns {"nginx": medians, "lobos": medians}."""
    options, durability, _, _ = CASES[name]
    pair = {"nginx": servers.get("nginx"), "lobos": servers.get(f"lobos-{durability}")}
    results = {side: [] for side, server in pair.items() if server}

    def settle():
        subprocess.run(["sync", "-f", str(data)], check=True)

    for side in results:
        measure(args, pair[side], options, "--prepare", "--warmup", "0s", "--duration", "200ms")
        settle()
    for round_number in range(args.rounds):
        for side in results:
            results[side].append(measure(args, pair[side], options))
            settle()
        print(f"  {name} round {round_number + 1}/{args.rounds}", file=sys.stderr, flush=True)
    return {side: {metric: median(rounds, metric) for metric, _ in METRICS} |
            {"errors": sum(r["errors"] for r in rounds),
             "spread": max(r["rate"] for r in rounds) / max(min(r["rate"] for r in rounds), 1e-9)}
            for side, rounds in results.items()}


def print_table(report):
    header = ["case", "server", *(title for _, title in METRICS), "spread", "errors"]
    rows = []
    for name, sides in report.items():
        for side, values in sides.items():
            rows.append([name, side, *(f"{values[m]:.2f}" if m.endswith("_ms") else
                                       f"{values[m]:.0f}" for m, _ in METRICS),
                         f"{values['spread']:.2f}", str(values["errors"])])
        if len(sides) == 2:
            metric, bar = CASES[name][2:]
            ratios = []
            for m, _ in METRICS:
                base = sides["nginx"][m]
                ratio = sides["lobos"][m] / base if base else 0
                mark = ("*" if ratio >= bar else "!") if m == metric else ""
                ratios.append(f"{ratio:.2f}x{mark}")
            rows.append(["", "ratio", *ratios, f"bar {bar}", ""])
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    for row in [header, *rows]:
        print("  ".join(cell.ljust(w) if i < 2 else cell.rjust(w)
                        for i, (cell, w) in enumerate(zip(row, widths))).rstrip())
    print("\nMedians. spread: fastest round / slowest. *: reaches the bar; !: misses it.")


class LoopExt4:
    """A journaled ext4 in a file, mounted on a folder until it is left."""

    def __init__(self, size, folder):
        self.image, self.mount = folder / "ext4.img", folder / "ext4"
        self.mount.mkdir()
        with open(self.image, "wb") as f:
            os.posix_fallocate(f.fileno(), 0, size)
        self.mounted = False

    def __enter__(self):
        subprocess.run(["mkfs.ext4", "-q", "-F", "-O", "has_journal",
                        "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self.image)],
                       check=True)
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.mount)], check=True)
        self.mounted = True
        return self.mount

    def __exit__(self, *error):
        if self.mounted:
            subprocess.run(["umount", str(self.mount)], check=True)
        self.image.unlink()


def parse_size(text):
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    text = text.removesuffix("iB")
    return int(text[:-1]) * units[text[-1]] if text[-1:] in units else int(text)


def parse_args():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build-bench",
                   help="build folder that holds lobos and bench/lobos_bench")
    p.add_argument("--lobos", type=pathlib.Path, help="the server (BUILD/lobos)")
    p.add_argument("--lobos-arg", action="append", default=[], help="a further argument for lobos")
    p.add_argument("--generator", type=pathlib.Path, help="(BUILD/bench/lobos_bench)")
    p.add_argument("--nginx", default=shutil.which("nginx") or "/usr/sbin/nginx")
    p.add_argument("--only", choices=["nginx", "lobos"], help="measure one side")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--warmup", default="1s")
    p.add_argument("--duration", default="5s")
    p.add_argument("--cases", default=",".join(CASES), help="of " + ", ".join(CASES))
    p.add_argument("--server-cpu", type=int, default=0)
    p.add_argument("--client-cpu", type=int, default=1)
    p.add_argument("--data-dir", type=pathlib.Path, help="where both store (a temporary folder)")
    p.add_argument("--loop-ext4", type=parse_size, metavar="SIZE",
                   help="store on a journaled ext4 of this size made for the run (root only)")
    p.add_argument("--json", type=pathlib.Path, help="write the results to this file too")
    args = p.parse_args()
    args.lobos = args.lobos or args.build / "lobos"
    args.generator = args.generator or args.build / "bench" / "lobos_bench"
    args.cases = args.cases.split(",")
    unknown = set(args.cases) - set(CASES)
    if unknown:
        p.error("unknown case: " + ", ".join(sorted(unknown)))
    if args.loop_ext4 and os.geteuid() != 0:
        p.error("--loop-ext4 needs root")
    if args.only != "lobos" and not os.access(args.nginx, os.X_OK):
        p.error("nginx is not installed (apt install nginx-light), or use --only lobos")
    if len(os.sched_getaffinity(0) & {args.server_cpu, args.client_cpu}) < 2:
        p.error("needs two CPUs: see --server-cpu, --client-cpu")
    return args


def compare(args, state, data):
    servers = {}
    try:
        if args.only != "lobos":
            servers["nginx"] = start_nginx(args, state, data)
        if args.only != "nginx":
            for durability in sorted({CASES[c][1] for c in args.cases}):
                server = start_lobos(args, state, data, durability)
                servers[server.name] = server
        return {name: run_case(args, name, servers, data) for name in args.cases}
    finally:
        for server in servers.values():
            server.stop()


def main():
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    base = args.data_dir
    if base:
        base.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lobos-bench-", dir=base) as folder:
        folder = pathlib.Path(folder)
        if args.loop_ext4:
            with LoopExt4(args.loop_ext4, folder) as data:
                report = compare(args, folder, data)
        else:
            report = compare(args, folder, folder)
    print_table(report)
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
