"""Puts real resources into generated requests, and notes what they reached."""

import atexit
import collections
import json
import os

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from world import World

IDENTITY = os.environ["CONTRACT_IDENTITY"]
REACHED = os.environ["CONTRACT_REACHED"]

world = World()
seeds = {}
tags = {}
calls = collections.Counter()
statuses = collections.defaultdict(collections.Counter)


def operation_id(case):
    return case.operation.definition.raw.get("operationId")


def is_mutated(case, location):
    return case.meta is not None and case.meta.is_negative_at(location)


@schemathesis.hook
def before_call(_context, case, _kwargs):
    operation = operation_id(case)
    calls[operation] += 1
    # One in eight keeps the identifier that was generated: the way to what is absent.
    if not is_mutated(case, ParameterLocation.PATH) and calls[operation] % 8:
        if operation not in seeds:
            seeds[operation] = world.ready(operation)
        if seeds[operation] is not None:
            case.path_parameters.update(seeds[operation].path)
    names = {parameter.name for parameter in case.operation.iter_parameters()}
    # The longest value is made of zeros alone, whatever form the document asks for.
    is_formless = set(case.headers.get("If-Match", "")) == {"0"}
    if "If-Match" in names and (is_formless or not is_mutated(case, ParameterLocation.HEADER)):
        path = case.formatted_path
        if path not in tags:
            tags[path] = world.etag(IDENTITY, path)
        # Mostly the version as it is; now and then a stale one, and none.
        case.headers["If-Match"] = tags[path] if calls[operation] % 6 else '"v0"'
        if calls[operation] % 7 == 0:
            del case.headers["If-Match"]
    # Cursors are signed: a generated one is well-formed by the schema and never right.
    if not is_mutated(case, ParameterLocation.QUERY):
        case.query.pop("cursor", None)


@schemathesis.hook
def after_call(_context, case, response):
    operation = operation_id(case)
    statuses[operation][response.status_code] += 1
    if case.method != "GET" and response.status_code < 300:
        seeds.pop(operation, None)
    if response.status_code < 300 or response.status_code == 412:
        tags.pop(case.formatted_path, None)


@schemathesis.hook
def filter_failure(_context, failure, case, response):
    # Who asks for some members gets these alone, and a schema cannot say so.
    is_sparse = "fields" in (case.query or {})
    if is_sparse and failure.code == "ST108" and "is a required property" in failure.message:
        return False
    # «Come back later» is an answer on a busy machine; `run.py` counts how often it is given.
    if failure.code == "ST101" and response.status_code == 503 and "retry-after" in response.headers:
        return False
    # An identity's token is sent with every request, also with one that was to lack it.
    return not (failure.code == "ST203" and IDENTITY != "anonymous" and "'Authorization'" in failure.message)


@atexit.register
def note():
    with open(REACHED, "w", encoding="utf-8") as file:
        json.dump(statuses, file)
