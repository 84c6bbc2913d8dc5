"""Tries to inject SQL through every query parameter of the public lists, with sqlmap.

    python3 injection.py BINARY [DATABASE_URL]

Starts BINARY on a demonstration catalogue, lets sqlmap (Debian package) at it,
and wants nothing found. Then the control: the same tool at a server that does
concatenate SQL must find that, or finding nothing proves nothing. Everything
happens on 127.0.0.1. Exit code 0: all as wanted.
"""

import contextlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

# Text goes furthest into a query: these are where an injection would be.
TARGETS = [
    "/api/v1/solutions?q=mail&tag=Formulaires&sort=name&limit=5",
    "/api/v1/solutions?family=demarches_en_ligne&licence=AGPL-3.0-or-later&hosting_country=FR",
    "/api/v1/organisations?q=direction&siren=130025265&limit=5",
    "/api/v1/labels?status=active&limit=5",
]
MINUTES = 10


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def catalogue(binary, database_url, folder):
    port = free_port()
    process = subprocess.Popen(
        [binary, "serve", "--demo", "--bind", f"127.0.0.1:{port}", "--data-dir", folder,
         "--database-url", database_url or f"sqlite://{folder}/catalogue.sqlite", "--log", "warn"],
        stdout=subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(600):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{base}/readyz", timeout=2)
                break
            time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextlib.contextmanager
def injectable():
    """What the catalogue must not be."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            q = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query).get("q", [""])[0]
            database = sqlite3.connect(":memory:")
            database.execute("CREATE TABLE solutions (name TEXT)")
            database.execute("INSERT INTO solutions VALUES ('mail'), ('agenda')")
            try:
                rows, status = database.execute(f"SELECT name FROM solutions WHERE name = '{q}'").fetchall(), 200
            except sqlite3.Error as error:
                rows, status = [str(error)], 500
            body = json.dumps(rows).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


def parameters_found(url, folder):
    """The parameters that sqlmap calls injectable."""
    run = subprocess.run(
        ["sqlmap", "-u", url, "--batch", "--level=2", "--risk=2", "--threads=4", "--flush-session",
         "--disable-coloring", "--ignore-code=400", f"--output-dir={folder}", "--time-sec=2"],
        capture_output=True, text=True, timeout=MINUTES * 60, check=False,
    )
    if "heuristic" not in run.stdout:
        sys.exit(f"sqlmap tried nothing at {url}:\n{run.stdout}\n{run.stderr}")
    return [line.strip() for line in run.stdout.splitlines() if line.startswith("Parameter: ")]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    if shutil.which("sqlmap") is None:
        sys.exit("sqlmap is missing: apt-get install sqlmap")
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    database_url = sys.argv[2] if len(sys.argv) == 3 else None
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        reports = os.path.join(folder, "reports")
        with injectable() as base:
            if not parameters_found(f"{base}/?q=mail", reports):
                sys.exit("the control: sqlmap did not find what is there")
            print("control: found in a server that concatenates SQL")
        with catalogue(binary, database_url, folder) as base:
            for target in TARGETS:
                found = parameters_found(base + target, reports)
                print(f"{target}: {', '.join(found) or 'nothing found'}")
                wrong += found
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
