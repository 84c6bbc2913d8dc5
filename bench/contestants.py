"""Who is measured: how each is installed and started over a copy of the catalogue."""

import shutil
import time

import places
from places import HERE, ROOT, Answering, Skipped, run

PROGRAM = ROOT / "target/release/gouvtech-catalogue"
EXAMPLES = ROOT / "target/release/examples"
# The setting that keeps no answers in memory.
CACHE_OFF = ["--kept-bytes", "0"]
# Nothing is limited for one caller; what is refused for want of room would be seen in the table.
SERVING = ["--rate-limit-reads", "0", "--rate-limit-writes", "0", "--rate-limit-failures", "0", "--log", "warn", "--workers", "2"]

# A larger catalogue is not copied: all write into the one, with the alternatives' index in it.
LARGEST_COPIED = 100_000

# name, kind of database, copy of the catalogue (each that writes has its own)
ALL = [
    ("server", "sqlite", "server"),
    ("server, cache off", "sqlite", "server"),
    ("bare handler", "sqlite", "bare"),
    ("server", "postgres", "server"),
    ("server, cache off", "postgres", "server"),
    ("bare handler", "postgres", "bare"),
    ("Fastify + pg", "postgres", "fastify"),
    ("FastAPI + asyncpg", "postgres", "fastapi"),
]


def build():
    run("cargo", "build", "--release", "--locked", "--bin", "gouvtech-catalogue", "--example", "bench-seed",
        "--example", "bench-limit", "--example", "bench-bare", cwd=ROOT)


class Contestant:
    def __init__(self, name, kind, copy, folder, databases, size):
        self.name, self.kind, self.copy, self.folder = name, kind, copy, folder
        self.database, self.size = databases[kind], size
        self.database_name = f"{copy if size <= LARGEST_COPIED else 'catalogue'}_{size}"
        self.running = self.data = None
        self.idle = self.loaded = 0.0
        self.starts = []

    @property
    def title(self):
        return f"{self.name} · {'SQLite' if self.kind == 'sqlite' else 'PostgreSQL'}"

    @property
    def base(self):
        return self.running.base

    def start(self, key, ready):
        self.running = self.launch(places.free_port(), key, ready)
        self.starts.append(self.running.start_seconds)
        kept = self.kept_index()
        if kept and self.data and not kept.exists():
            shutil.copytree(self.data / "search", kept)

    def launch(self, port, key, ready):
        url = self.database.url(self.database_name)
        if self.name.startswith("server"):
            off = CACHE_OFF if self.name.endswith("off") else []
            if off and off[0] not in run(PROGRAM, "serve", "--help"):
                raise Skipped("this build keeps no answers in memory: its one configuration is measured as the server")
            words = [PROGRAM, "serve", "--database-url", url, "--data-dir", self.data_dir(), "--bind", f"127.0.0.1:{port}"]
            # The first start makes the index, some two thousand solutions a second.
            return Answering([*words, *self.keys(), *SERVING, *off], port, "/readyz", patience=120 + self.size / 500)
        if self.name == "bare handler":
            return Answering([EXAMPLES / "bench-bare", f"127.0.0.1:{port}", url, key], port, ready)
        if self.name.startswith("Fastify"):
            return Answering(["node", self.folder / "fastify" / "server.mjs", port, url, key], port, ready, {"NODE_ENV": "production"})
        uvicorn = [self.folder / "fastapi/bin/python", "-m", "uvicorn", "server:app", "--host", "127.0.0.1", "--port", port,
                   "--workers", 2, "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        return Answering(uvicorn, port, ready, {"BENCH_DATABASE": url, "BENCH_KEY": key, "PYTHONDONTWRITEBYTECODE": "1"}, HERE / "alternatives/fastapi")

    def data_dir(self):
        """Its own: an index and a checkpoint are of one database. The first to start makes the keys that all use."""
        if not self.data:
            first, others = self.folder / "data", sorted(self.folder.glob(f"data-{self.database_name}-{self.kind}-*"))
            self.data = self.folder / f"data-{self.database_name}-{self.kind}-{len(others)}"
            self.data.mkdir()
            if not first.exists():
                first.symlink_to(self.data)
            # Of the same catalogue: the index need not be made again.
            known = [one for one in (self.kept_index(), *(other / "search" for other in others)) if one and one.exists()]
            if known:
                shutil.copytree(known[0], self.data / "search")
        return self.data

    def kept_index(self):
        """Beside a filled catalogue that is kept and not written to."""
        kept = getattr(self.database, "filled", None)
        return kept / f"{self.database_name}.index" if kept and self.size > LARGEST_COPIED else None

    def keys(self):
        first = self.folder / "data"
        return [] if self.data == first.resolve() else ["--signing-key", first / "signing-key.pem", "--log-key", first / "log-key.pem"]

    def install(self):
        """Into a throwaway folder, once."""
        if self.name.startswith("Fastify") and not (self.folder / "fastify").exists():
            if not shutil.which("npm"):
                raise Skipped("no npm on this machine")
            shutil.copytree(HERE / "alternatives/fastify", self.folder / "fastify")
            run("npm", "install", "--no-audit", "--no-fund", "--loglevel", "error", cwd=self.folder / "fastify")
        if self.name.startswith("FastAPI") and not (self.folder / "fastapi").exists():
            run("python3", "-m", "venv", self.folder / "fastapi")
            run(self.folder / "fastapi/bin/pip", "install", "-q", "-r", HERE / "alternatives/fastapi/requirements.txt")

    def load(self, file, seconds, connections):
        """Loads it; beside what the load generator saw, what a request cost it and its database on a processor."""
        before, database_before = self.cpu_seconds(), self.database.cpu_seconds()
        found = places.wrk(self.base, file, seconds, connections)
        found["cpu_us"] = 1e6 * (self.cpu_seconds() - before) / max(found["requests"], 1)
        found["database_us"] = 1e6 * (self.database.cpu_seconds() - database_before) / max(found["requests"], 1)
        self.look()
        self.settle()
        return found

    def settle(self):
        """Until it rests: what was asked and is not waited for any more is worked on still, and must not slow the next."""
        busy = self.cpu_seconds() + self.database.cpu_seconds()
        for _ in range(300):
            time.sleep(0.2)
            before, busy = busy, self.cpu_seconds() + self.database.cpu_seconds()
            if busy - before < 0.04:
                return

    def cpu_seconds(self):
        return places.cpu_seconds(self.running.process.pid)

    def look(self, is_idle=False):
        now = self.running.megabytes()
        if is_idle:
            self.idle = now
        self.loaded = max(self.loaded, now)

    def stop(self):
        if self.running:
            self.running.stop()
            self.running = None


def fill(database, size):
    """The catalogue, once, and the copies that are written to."""
    name, is_postgres = f"catalogue_{size}", isinstance(database, places.Postgres)
    if is_postgres or not database.path(name).exists():
        database.create(name)
        run(EXAMPLES / "bench-seed", "fill", "--database-url", database.url(name), "--solutions", size)
    if is_postgres:
        database.ask(name, "VACUUM ANALYZE")
    if size > LARGEST_COPIED:
        if is_postgres:
            prepare(database, name)
        return
    for copy in dict.fromkeys(copy for _, kind, copy in ALL if is_postgres == (kind == "postgres")):
        database.create(f"{copy}_{size}", name)
        if is_postgres and copy != "server":
            prepare(database, f"{copy}_{size}")


def prepare(database, name):
    """Full text as a team would add it for the alternatives: French stemming under an index."""
    database.ask(name, """CREATE FUNCTION bench_matches(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
        AS $$ SELECT to_tsvector('french', $1) @@ websearch_to_tsquery('french', $2) $$""")
    database.ask(name, "CREATE INDEX bench_search ON solutions USING gin (to_tsvector('french', search_text))")
    database.ask(name, "ANALYZE solutions")
