"""Holds a running server against its own document with five identities.

Run by `serve.py`. First every operation is called once where it succeeds: one that
does not reach 2xx is named and fails. Then schemathesis makes up requests, as each
identity in turn, over resources that `world.py` brings to where they matter.

    run.py [--max-examples N] [--seed N] [--phases LIST]
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
            ready = world.ready(name)
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


def fuzz(identity, world, arguments, folder):
    """One run of schemathesis as one identity."""
    # Hooks write here what was reached.
    reached = Path(folder, f"{identity}.json")
    command = ["schemathesis", "run", f"{BASE}/openapi.json", "--checks", "all", "--no-color",
               "--phases", arguments.phases, "--max-examples", str(arguments.max_examples),
               "--seed", str(arguments.seed), "--warnings", "off"]
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
    succeeded = sum(any(code.startswith("2") for code in counts) for counts in statuses.values())
    print(f"schemathesis: {os.environ['CONTRACT_DATABASE']}, {identity}: {requests} requests, {succeeded} of "
          f"{len(statuses)} operations succeeded at least once, {time.monotonic() - start:.0f} s", flush=True)
    return run.returncode, run.stdout


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
    print(f"schemathesis: {os.environ['CONTRACT_DATABASE']}: {operations - len(faults)} of {operations} operations "
          "reach 2xx where they should", flush=True)
    for fault in faults:
        print(f"\n{fault}", file=sys.stderr)
    failed = bool(faults)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        for code, output in pool.map(lambda identity: fuzz(identity, world, arguments, folder), arguments.identities):
            if code:
                failed = True
                print(output, file=sys.stderr)
    sys.exit(failed)


if __name__ == "__main__":
    main()
