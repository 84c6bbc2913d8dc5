"""What runs while we measure: PostgreSQL, and whoever answers. All of it ends with us."""

import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


class Skipped(Exception):
    """What cannot be measured here, and why."""


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Skipped(f"{pathlib.Path(str(words[0])).name}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def get(url, timeout=10):
    """Status and body."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def family(pid):
    """A process and all it forked."""
    ours, waiting = [], [pid]
    while waiting:
        pid = waiting.pop()
        ours.append(pid)
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*"):
            try:
                waiting += map(int, (task / "children").read_text().split())
            except OSError:
                pass
    return ours


def cpu_seconds(pid):
    """Time on a processor, of a process and all it forked, also of those that ended."""
    total = 0
    for one in family(pid):
        try:
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


class Postgres:
    """A throwaway cluster with the settings of a small production machine: what is acknowledged is on disk."""

    SETTINGS = {
        "shared_buffers": "1GB", "effective_cache_size": "4GB", "work_mem": "16MB", "maintenance_work_mem": "256MB",
        "random_page_cost": "1.1", "max_wal_size": "4GB", "checkpoint_timeout": "15min", "wal_compression": "on",
        "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_connections": "100",
        "listen_addresses": "127.0.0.1", "log_min_messages": "fatal",
    }

    def __init__(self, folder):
        self.programs = self.find()
        self.folder, self.port = folder / "postgres", free_port()
        self.folder.mkdir(mode=0o700)
        # PostgreSQL refuses to run as root.
        self.user = {}
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chmod(folder, 0o755)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        run(self.programs / "initdb", "-D", self.folder, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8",
            "--data-checksums", cwd="/tmp", **self.user)
        settings = [f"-c{name}={value}" for name, value in self.SETTINGS.items()]
        self.process = subprocess.Popen(
            [self.programs / "postgres", "-D", self.folder, "-p", str(self.port), f"-cunix_socket_directories={self.folder}", *settings],
            cwd="/tmp", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self.user)
        for _ in range(300):
            if subprocess.run([self.programs / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)], capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise Skipped("PostgreSQL did not start")

    @staticmethod
    def find():
        folders = [pathlib.Path(one) for one in sorted(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)]
        if shutil.which("pg_config"):
            folders.insert(0, pathlib.Path(run("pg_config", "--bindir").strip()))
        for folder in folders:
            if (folder / "initdb").exists() and (folder / "postgres").exists():
                return folder
        raise Skipped("no initdb on this machine")

    def url(self, name):
        return f"postgres://bench@127.0.0.1:{self.port}/{name}"

    def ask(self, name, sql):
        out = run(self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url(name))
        return [line for line in out.splitlines() if line]

    def create(self, name, template=None):
        self.ask("postgres", f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))

    def drop(self, name):
        self.ask("postgres", f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def megabytes(self, name):
        return int(self.ask(name, f"SELECT pg_database_size('{name}')")[0]) / 1e6

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


class Sqlite:
    """Files in a folder, under the same names; as they were filled, in one that outlives us if there is one."""

    def __init__(self, folder, filled=None):
        self.folder, self.filled = folder, filled
        if filled:
            filled.mkdir(parents=True, exist_ok=True)

    def path(self, name):
        return (self.filled if self.is_kept(name) else self.folder) / f"{name}.sqlite"

    def is_kept(self, name):
        return bool(self.filled) and name.startswith("catalogue_")

    def url(self, name):
        return f"sqlite://{self.path(name)}"

    def ask(self, name, sql):
        with sqlite3.connect(f"file:{self.path(name)}?mode=ro", uri=True) as connection:
            return [row[0] for row in connection.execute(sql)]

    def create(self, name, template=None):
        if template:
            shutil.copyfile(self.path(template), self.path(name))

    def drop(self, name):
        for one in () if self.is_kept(name) else self.folder.glob(f"{name}.sqlite*"):
            one.unlink()

    def megabytes(self, name):
        return self.path(name).stat().st_size / 1e6

    def cpu_seconds(self):
        """It runs in whoever asks it."""
        return 0

    def stop(self):
        pass


class Answering:
    """A process that answers requests, with all it forked."""

    def __init__(self, words, port, ready, env=None, cwd=None, patience=120):
        self.base, self.ready = f"http://127.0.0.1:{port}", ready
        began = time.monotonic()
        self.process = subprocess.Popen([str(word) for word in words], env={**os.environ, **(env or {})}, cwd=cwd,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            self.wait(began, patience, words)
        except BaseException:
            # Nobody knows it yet who would end it.
            self.stop()
            raise
        self.start_seconds = time.monotonic() - began

    def wait(self, began, patience, words):
        while True:
            try:
                if get(self.base + self.ready, 1)[0] == 200:
                    return
            except OSError:
                pass
            if self.process.poll() is not None:
                raise Skipped(f"{pathlib.Path(str(words[0])).name} ended with {self.process.returncode}")
            if time.monotonic() - began > patience:
                raise Skipped(f"not ready within {patience:.0f} s")
            time.sleep(0.002)

    def megabytes(self):
        """Resident, what is shared between workers counted once (Pss)."""
        total = 0
        for pid in family(self.process.pid):
            try:
                lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def wrk(base, file, seconds, connections, pause=0, threads=2, later=False):
    """Loads with the requests of a file; gives what was measured, or the running process."""
    threads = min(threads, connections)
    words = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", HERE / "load" / "requests.lua", base,
             "--", file, threads, pause]
    words = [str(word) for word in words]
    if later:
        return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    return measured(subprocess.run(words, capture_output=True, text=True).stdout)


def measured(out):
    lines = [line for line in out.splitlines() if line.startswith("{")]
    if not lines:
        raise Skipped(f"wrk: {out.strip()[-300:]}")
    found = json.loads(lines[-1])
    found["rate"] = found["requests"] / max(found["seconds"], 1e-9)
    return found
