"""FastAPI and asyncpg as a team would run them: two uvicorn workers on uvloop and
httptools, a pool in each, bodies checked by pydantic, answers written by orjson."""

import hashlib
import os
import uuid
from contextlib import asynccontextmanager
from datetime import date, datetime, timezone

import asyncpg
import jwt
import orjson
from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import ORJSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

CONNECTIONS, WORKERS = 8, 2
NAME = "gouvtech-catalogue"
PUBLIC = "s.status IN ('published', 'outdated')"
SHOWN = """SELECT s.id, s.slug, s.status, s.published_version, s.score, s.rating, s.created_at, s.updated_at,
  s.published_at, s.confirmed_at, v.sheet, v.origins, o.id AS vendor_id, o.siren, o.details"""
JOINED = """FROM solutions s
  JOIN solution_versions v ON v.solution_id = s.id AND v.number = s.published_version
  LEFT JOIN organisations o ON o.id = s.organisation_id"""
DUPLICATES = """(SELECT coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'slug', d.slug)), '[]') FROM solutions d
  WHERE d.name_folded = s.name_folded AND d.id <> s.id AND d.status IN ('published', 'outdated')) AS duplicates"""
KEY = jwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": os.environ["BENCH_KEY"]}, algorithm="EdDSA").key


async def with_json(connection):
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value), decoder=lambda data: orjson.loads(data[1:]),
    )


@asynccontextmanager
async def with_pool(app):
    size = CONNECTIONS // WORKERS
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE"], min_size=size, max_size=size, init=with_json) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=with_pool, default_response_class=ORJSONResponse)


class Ratings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    fitness: int | None = Field(None, ge=1, le=5)
    ease_of_use: int | None = Field(None, ge=1, le=5)
    reliability: int | None = Field(None, ge=1, le=5)
    support: int | None = Field(None, ge=1, le=5)
    value: int | None = Field(None, ge=1, le=5)


class Context(BaseModel):
    model_config = ConfigDict(extra="forbid")
    role: str | None = None
    used_since: date | None = None
    user_count: int | None = Field(None, ge=1)


class Review(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str | None = Field(None, max_length=120)
    text: str | None = Field(None, max_length=5000)
    overall: int | None = Field(None, ge=1, le=5)
    ratings: Ratings | None = None
    context: Context | None = None
    may_be_named: bool = False
    declares_no_interest: bool = False


def view(row):
    details, vendor = row["details"], None
    if details:
        vendor = {"id": row["vendor_id"], "name": details["name"], "siren": row["siren"],
                  "country": details.get("country"), "kinds": details["kinds"]}
    return {
        "id": row["id"], "slug": row["slug"], "status": row["status"], "version": row["published_version"],
        "vendor": vendor, **row["sheet"], "origins": row["origins"], "possible_duplicates": row.get("duplicates") or [],
        "score": row["score"] / 10000 if row["score"] >= 0 else None,
        "rating": row["rating"] / 100 if row["rating"] >= 0 else None,
        "created_at": row["created_at"], "updated_at": row["updated_at"],
        "published_at": row["published_at"], "confirmed_at": row["confirmed_at"],
    }


def answer(value):
    # Past FastAPI's own encoder, which would walk through every value: what a team does when it looks for speed.
    return Response(orjson.dumps(value, default=str), media_type="application/json")


@app.get("/api/v1/solutions/{key}")
async def find_solution(key: uuid.UUID):
    row = await app.state.pool.fetchrow(f"{SHOWN}, {DUPLICATES} {JOINED} WHERE {PUBLIC} AND s.id = $1", key)
    if row is None:
        raise HTTPException(404)
    return answer(view(row))


@app.get("/api/v1/solutions")
async def list_solutions(family: str | None = None, q: str | None = None, facets: str = "", limit: int = 20, sort: str = ""):
    conditions, values = [PUBLIC], []
    if family:
        values.append(family)
        conditions.append(f"EXISTS (SELECT 1 FROM solution_facets h WHERE h.facet = 'family' AND h.value = ${len(values)} AND h.solution_id = s.id)")
    if q:
        values.append(q)
        conditions.append(f"bench_matches(s.search_text, ${len(values)})")
    where = " AND ".join(conditions)
    async with app.state.pool.acquire() as connection:
        total = await connection.fetchval(f"SELECT count(*) FROM solutions s WHERE {where}", *values)
        rows = await connection.fetch(f"{SHOWN} {JOINED} WHERE {where} ORDER BY s.rating DESC, s.id DESC LIMIT {limit}", *values)
        counted = {}
        for facet in filter(None, facets.split(",")):
            counts = await connection.fetch(
                f"""SELECT f.value, count(*) AS count FROM solution_facets f JOIN solutions s ON s.id = f.solution_id
                WHERE f.facet = ${len(values) + 1} AND {where} GROUP BY f.value""", *values, facet)
            counted[facet] = {row["value"]: row["count"] for row in counts}
    return answer({"items": [view(row) for row in rows], "total": total, "facets": counted})


@app.get("/api/v1/comparisons")
async def compare(solutions: str):
    ids = [uuid.UUID(one) for one in solutions.split(",")]
    async with app.state.pool.acquire() as connection:
        shown = await connection.fetch(f"{SHOWN}, {DUPLICATES} {JOINED} WHERE {PUBLIC} AND s.id = ANY($1::uuid[])", ids)
        answers = await connection.fetch(
            """SELECT e.solution_id, e.set_id, a.criterion, a.value, a.justification
            FROM evaluations e JOIN answers a ON a.evaluation_id = e.id
            WHERE e.status IN ('published', 'contested') AND e.solution_id = ANY($1::uuid[])""", ids)
        criteria = await connection.fetch(
            "SELECT code, content FROM criteria WHERE set_id = $1 ORDER BY position", answers[0]["set_id"] if answers else None)
    of = {(row["solution_id"], row["criterion"]): (row["value"], row["justification"]) for row in answers}
    return answer({
        "solutions": [view(row) for row in shown],
        "criteria": [{"criterion": row["content"], "answers": [of.get((one, row["code"])) for one in ids]} for row in criteria],
    })


@app.get("/api/v1/exports/solutions.ndjson")
async def export():
    async def lines():
        async with app.state.pool.acquire() as connection, connection.transaction():
            part = []
            async for row in connection.cursor(f"{SHOWN} {JOINED} WHERE {PUBLIC} ORDER BY s.id", prefetch=500):
                part.append(orjson.dumps(view(row), default=str))
                if len(part) == 100:
                    yield b"\n".join(part) + b"\n"
                    part = []
            yield b"".join(line + b"\n" for line in part)
    return StreamingResponse(lines(), media_type="application/x-ndjson")


@app.post("/api/v1/solutions/{key}/reviews", status_code=201)
async def create_review(key: uuid.UUID, review: Review, authorization: str = Header("")):
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), KEY, algorithms=["EdDSA"], audience=NAME, issuer=NAME)
    except jwt.PyJWTError:
        raise HTTPException(401) from None
    if claims["role"] != "buyer":
        raise HTTPException(403)
    organisation, now = uuid.UUID(claims["organisation"]), datetime.now(timezone.utc)
    content = review.model_dump(mode="json")
    try:
        async with app.state.pool.acquire() as connection, connection.transaction():
            body = await connection.fetchrow("SELECT status, is_public_body, siren FROM organisations WHERE id = $1", organisation)
            solution = await connection.fetchrow(
                "SELECT s.id, s.status, o.siren FROM solutions s LEFT JOIN organisations o ON o.id = s.organisation_id WHERE s.id = $1", key)
            is_fit = body and body["status"] == "active" and body["is_public_body"]
            if not is_fit or not solution or solution["status"] != "published" or solution["siren"] == body["siren"]:
                raise HTTPException(403)
            actor = await connection.fetchval("SELECT id FROM actors WHERE issuer = $1 AND subject = $2", claims["iss"], claims["sub"])
            if actor is None:
                actor = uuid.uuid4()
                await connection.execute("INSERT INTO actors (id, issuer, subject, created_at) VALUES ($1, $2, $3, $4)",
                                         actor, claims["iss"], claims["sub"], now)
            made = uuid.uuid4()
            await connection.execute(
                """INSERT INTO reviews (id, version, solution_id, organisation_id, actor_id, status, content, rating, ratings,
                is_counted, offers_same_family, created_at, updated_at, listed_at)
                VALUES ($1, 1, $2, $3, $4, 'draft', $5, $6, $7, false, false, $8, $8, $8)""",
                made, key, organisation, actor, content, review.overall or 0, content["ratings"] or {}, now)
            changed = {"solution": str(key), "status": "draft"}
            entry = orjson.dumps([now, actor, "buyer", organisation, "create_review", "review", made, 1, changed])
            await connection.execute(
                """INSERT INTO changes (at, actor_id, role, organisation_id, action, resource, resource_id, resource_version,
                changed, hash) VALUES ($1, $2, 'buyer', $3, 'create_review', 'review', $4, 1, $5, $6)""",
                now, actor, organisation, made, changed, hashlib.sha256(entry).hexdigest())
    except asyncpg.UniqueViolationError:
        raise HTTPException(409) from None
    return answer({"id": made, "solution_id": key, "status": "draft", "version": 1, "content": content, "created_at": now})
