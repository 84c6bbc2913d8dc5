"""Holds a running server against its own document with five identities.

Run by `serve.py`. First every operation is called once where it succeeds: one that
does not reach 2xx is named and fails. Then schemathesis makes up requests, as each
identity, over resources that `world.py` brings to where they matter: every phase over
the operations that name the identity, a few requests over all others.

    run.py [--max-examples N] [--seed N] [--phases LIST] [--identities NAME...]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import schemathesis
from world import BASE, IDENTITIES, Ready, World

HERE = Path(__file__).parent
DATABASE = os.environ["CONTRACT_DATABASE"]


def example(definition, schemas):
    """The document's own example of a body."""
    for media, content in definition.get("requestBody", {}).get("content", {}).items():
        reference = content["schema"].get("$ref", "").rsplit("/", 1)[-1]
        return media, content.get("example", schemas.get(reference, {}).get("example"))
    return None, None


def callers(definition):
    """The identities that an operation names."""
    names = []
    for way in definition.get("security", [{}]):
        names += [scope.split(":")[0] for scope in way.get("bearer", [])] or ["anonymous"]
    return names


def reach(world, document):
    """Calls every operation once where it succeeds. Gives what went wrong."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=BASE)
    schemas, faults = document["components"]["schemas"], []
    for path, item in document["paths"].items():
        for method, definition in item.items():
            name = definition["operationId"]
            try:
                ready = world.ready(name)
            except AssertionError as fault:
                faults.append(f"{name}: {fault}")
                continue
            if ready is None and "{" in path:
                faults.append(f"{name}: no resource to call it on: add one to READY in world.py")
                continue
            ready = ready or Ready(callers(definition)[0])
            media, body = example(definition, schemas)
            body = ready.body if ready.body is not None else body
            words = {"path_parameters": ready.path, "headers": world.headers(ready.by), "query": ready.query or {}}
            if media:
                words |= {"body": body, "media_type": media}
            case = schema[path][method.upper()].Case(**words)
            if any(one["name"] == "If-Match" for one in definition.get("parameters", [])):
                case.headers["If-Match"] = world.etag(ready.by, case.formatted_path)
            try:
                answer = case.call_and_validate()
            except Exception as fault:  # noqa: BLE001 - whatever schemathesis has to say is reported
                faults.append(f"{name}: {fault}")
                continue
            if not 200 <= answer.status_code < 300:
                faults.append(f"{name} by {ready.by}: {answer.status_code} {answer.text}")
    return faults


def fuzz(identity, own, world, arguments, folder):
    """One run of schemathesis as one identity, over its own operations or over all others."""
    name = f"{identity}, {'its own' if own else 'foreign'}"
    # Hooks write here what was reached.
    reached = Path(folder, f"{identity}-{bool(own)}.json")
    command = ["schemathesis", "run", f"{BASE}/openapi.json", "--checks", "all", "--no-color", "--warnings", "off",
               "--seed", str(arguments.seed)]
    if own:
        command += ["--phases", arguments.phases, "--max-examples", str(arguments.max_examples)]
        command += [word for one in arguments.own[identity] for word in ("--include-operation-id", one)]
    else:
        command += ["--phases", "fuzzing", "--max-examples", str(max(1, arguments.max_examples // 10))]
        command += [word for one in arguments.own[identity] for word in ("--exclude-operation-id", one)]
    for header, value in world.headers(identity).items():
        command += ["--header", f"{header}: {value}"]
    environment = os.environ | world.environment() | {
        "CONTRACT_IDENTITY": identity, "CONTRACT_REACHED": str(reached), "PYTHONPATH": str(HERE),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    start = time.monotonic()
    run = subprocess.run(command, env=environment, cwd=HERE, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    statuses = json.loads(reached.read_text()) if reached.exists() else {}
    requests = sum(sum(counts.values()) for counts in statuses.values())
    put_off = sum(counts.get("503", 0) for counts in statuses.values())
    succeeded = sum(any(code.startswith("2") for code in counts) for counts in statuses.values())
    print(f"schemathesis: {DATABASE}, {name}: {requests} requests, {succeeded} of {len(statuses)} operations "
          f"succeeded, {put_off} put off, {time.monotonic() - start:.0f} s", flush=True)
    # Nothing sent is nothing tested; a server that often says to come back is not up to its work.
    return run.returncode or requests == 0 or put_off * 1000 > requests + 2000, run.stdout


def main():
    parser = argparse.ArgumentParser(description="Holds a running server against its own document.")
    parser.add_argument("--max-examples", type=int, default=2)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--phases", default="examples,coverage,fuzzing,stateful")
    parser.add_argument("--identities", nargs="*", default=list(IDENTITIES))
    arguments = parser.parse_args()
    world = World()
    document = world.http.get(f"{BASE}/openapi.json", timeout=30).json()
    faults = reach(world, document)
    operations = sum(len(item) for item in document["paths"].values())
    print(f"schemathesis: {DATABASE}: {operations - len(faults)} of {operations} operations "
          "reach 2xx where they should", flush=True)
    for fault in faults:
        print(f"\n{fault}", file=sys.stderr)
    failed = bool(faults)
    # Each operation is thoroughly tried as the first identity that it names.
    arguments.own = {identity: [] for identity in IDENTITIES}
    for item in document["paths"].values():
        for definition in item.values():
            arguments.own[callers(definition)[0]].append(definition["operationId"])
    runs = [(identity, own) for own in (True, False) for identity in arguments.identities]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        for code, output in pool.map(lambda run: fuzz(*run, world, arguments, folder), runs):
            if code:
                failed = True
                print(output, file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    main()
