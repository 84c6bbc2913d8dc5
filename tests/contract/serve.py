"""Runs a command against a server of the catalogue, once on each database.

    serve.py [--only sqlite|postgres] PROGRAM COMMAND...

The command finds in its environment:
    CONTRACT_BASE_URL     where the server listens
    CONTRACT_PROGRAM      the program, to make tokens and to import with
    CONTRACT_DATABASE     sqlite or postgres
    GOUVTECH_*            the settings of the server, for that program

The server starts on an empty database with the demonstration. It, its database and
its files are gone when the command ends, however it ends. Exit code: the first
command's that failed.
"""

import argparse
import base64
import contextlib
import hashlib
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

START_SECONDS = 60
STOP_SECONDS = 15


def postgres_programs():
    """The folder of initdb and postgres."""
    folders = []
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        folders.append(Path(subprocess.check_output(["pg_config", "--bindir"], text=True).strip()))
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    sys.exit("serve: no initdb in `pg_config --bindir` or /usr/lib/postgresql/*/bin")


def unprivileged(folder):
    """PostgreSQL refuses to run as root: then another user owns the folder and runs it."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            os.chown(folder, user.pw_uid, user.pw_gid)
            return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]
    sys.exit("serve: no user to run PostgreSQL as")


@contextlib.contextmanager
def postgres():
    """A cluster of our own. Gives its URL."""
    # Short: a socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="gt", dir="/tmp"))
    supervisor = None
    try:
        programs, user = postgres_programs(), unprivileged(folder)
        initdb = [*user, programs / "initdb", "-D", folder / "data", "-U", "test", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync"]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, cwd="/tmp")
        server = [*user, programs / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses=",
                  "-c", "fsync=off", "-c", "max_connections=50", "-c", "log_min_messages=fatal"]
        # The supervisor reads our pipe: when we end, even by a signal, it stops the cluster.
        script = (f"{shlex.join(map(str, server))} & server=$!; cat >/dev/null; kill -QUIT $server; "
                  f"wait $server; rm -rf {shlex.quote(str(folder))}")
        supervisor = subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, cwd="/tmp", start_new_session=True)
        yield f"postgres://test@/postgres?host={folder}"
    finally:
        if supervisor:
            supervisor.stdin.close()
            supervisor.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def sqlite():
    # In memory where the system has that: like PostgreSQL's above, these writes need not outlive the machine.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="gt", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield f"sqlite://{folder}/catalogue.sqlite"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process):
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def witness(folder):
    """A witness of the log that the server knows: its key, and its vkey (C2SP signed-note, cosignature/v1)."""
    pem, name = f"{folder}/witness.pem", "witness.example/1"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", pem], check=True,
                   stderr=subprocess.DEVNULL)
    public = subprocess.check_output(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"])[-32:]
    key = b"\x04" + public
    hint = hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8]
    return {"CONTRACT_WITNESS": pem, "GOUVTECH_WITNESS_KEY": f"{name}+{hint}+{base64.b64encode(key).decode()}"}


@contextlib.contextmanager
def server(program, url, folder):
    """A running server. Gives the environment in which commands find it."""
    base = f"http://127.0.0.1:{free_port()}"
    environment = os.environ | {
        "CONTRACT_BASE_URL": base,
        "CONTRACT_PROGRAM": str(program),
        "GOUVTECH_DATABASE_URL": url,
        "GOUVTECH_SIGNING_KEY": f"{folder}/signing-key.pem",
        "GOUVTECH_DATA_DIR": folder,
        "GOUVTECH_BIND": base.removeprefix("http://"),
        "GOUVTECH_LOG": "warn",
        "GOUVTECH_SECURITY_CONTACT": "mailto:security@example.org",
        "GOUVTECH_SECURITY_EXPIRES": (datetime.now(UTC) + timedelta(days=30)).isoformat(),
    }
    # A budget for one caller is no budget for a thousand made-up requests; tests/ has its own cases on limits.
    environment |= {f"GOUVTECH_RATE_LIMIT_{kind}": "0" for kind in ("READS", "WRITES", "FAILURES", "TOKENS")}
    key = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", environment["GOUVTECH_SIGNING_KEY"]]
    subprocess.run(key, check=True, stderr=subprocess.DEVNULL)
    os.chmod(environment["GOUVTECH_SIGNING_KEY"], 0o600)
    environment |= witness(folder)
    log = Path(folder, "server.log")
    with log.open("wb") as out:
        process = start(program, environment, out, base)
        if process is None:
            sys.exit(f"serve: the server did not start\n{log.read_text()[-4000:]}")
        try:
            yield environment
            if process.poll() is not None:
                sys.exit(f"serve: the server ended by itself\n{log.read_text()[-4000:]}")
        finally:
            stop(process)


def start(program, environment, out, base):
    """A server that is ready. A cluster that has only just started refuses connections: try again."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        process = subprocess.Popen([program, "serve", "--demo"], env=environment, stdout=out, stderr=out)
        while process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"{base}/readyz", timeout=2).status == 200:
                    return process
            time.sleep(0.05)
        stop(process)
    return None


def main():
    parser = argparse.ArgumentParser(description="Runs a command against a server, once on each database.")
    parser.add_argument("program", type=Path)
    parser.add_argument("--only", choices=["sqlite", "postgres"])
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    # Ends as an exception does: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name, database in (("sqlite", sqlite), ("postgres", postgres)):
        if arguments.only in (None, name):
            with database() as url, tempfile.TemporaryDirectory(prefix="gt") as folder:
                with server(arguments.program.resolve(), url, folder) as environment:
                    outcome = subprocess.run(arguments.command, env=environment | {"CONTRACT_DATABASE": name}).returncode
                if outcome:
                    sys.exit(outcome)


if __name__ == "__main__":
    main()
