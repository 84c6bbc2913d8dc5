// Fastify and pg as a team would run them: two workers of a cluster, a pool in
// each, named statements that PostgreSQL prepares once, bodies checked by a schema.
import cluster from "node:cluster";
import { createHash, createPublicKey } from "node:crypto";
import { Readable } from "node:stream";
import Fastify from "fastify";
import { jwtVerify } from "jose";
import pg from "pg";
import QueryStream from "pg-query-stream";

const WORKERS = 2;
const CONNECTIONS = 8;
const NAME = "gouvtech-catalogue";
const [port, url, x] = process.argv.slice(2);

const PUBLIC = "s.status IN ('published', 'outdated')";
const SHOWN = `SELECT s.id, s.slug, s.status, s.published_version AS version, s.score, s.rating, s.created_at,
  s.updated_at, s.published_at, s.confirmed_at, v.sheet, v.origins, o.id AS vendor_id, o.siren, o.details`;
const JOINED = `FROM solutions s
  JOIN solution_versions v ON v.solution_id = s.id AND v.number = s.published_version
  LEFT JOIN organisations o ON o.id = s.organisation_id`;
const DUPLICATES = `(SELECT coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'slug', d.slug)), '[]') FROM solutions d
  WHERE d.name_folded = s.name_folded AND d.id <> s.id AND d.status IN ('published', 'outdated')) AS duplicates`;

function view(row) {
  const { details } = row;
  return {
    id: row.id, slug: row.slug, status: row.status, version: row.version,
    vendor: details && { id: row.vendor_id, name: details.name, siren: row.siren, country: details.country, kinds: details.kinds },
    ...row.sheet, origins: row.origins, possible_duplicates: row.duplicates ?? [],
    score: row.score >= 0 ? row.score / 10000 : null, rating: row.rating >= 0 ? row.rating / 100 : null,
    created_at: row.created_at, updated_at: row.updated_at, published_at: row.published_at, confirmed_at: row.confirmed_at,
  };
}

// Conditions and their values; the name tells one prepared statement from another.
function narrowed({ family, q }) {
  const conditions = [PUBLIC], values = [];
  let name = "";
  if (family) {
    values.push(family);
    name += "f";
    conditions.push(`EXISTS (SELECT 1 FROM solution_facets h WHERE h.facet = 'family' AND h.value = $${values.length} AND h.solution_id = s.id)`);
  }
  if (q) {
    values.push(q);
    name += "q";
    conditions.push(`bench_matches(s.search_text, $${values.length})`);
  }
  return { where: conditions.join(" AND "), values, name };
}

const review = {
  type: "object", additionalProperties: false,
  properties: {
    title: { type: ["string", "null"], maxLength: 120 }, text: { type: ["string", "null"], maxLength: 5000 },
    overall: { type: ["integer", "null"], minimum: 1, maximum: 5 },
    ratings: { type: ["object", "null"], additionalProperties: { type: "integer", minimum: 1, maximum: 5 } },
    context: {
      type: ["object", "null"], additionalProperties: false,
      properties: { role: { type: "string" }, used_since: { type: "string", format: "date" }, user_count: { type: "integer", minimum: 1 } },
    },
    may_be_named: { type: "boolean" }, declares_no_interest: { type: "boolean" },
  },
};

async function serve() {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS / WORKERS });
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const app = Fastify();
  const first = async (name, text, values, on = pool) => (await on.query({ name, text, values })).rows[0];

  app.get("/api/v1/solutions/:id", async (request, reply) => {
    const text = `${SHOWN}, ${DUPLICATES} ${JOINED} WHERE ${PUBLIC} AND s.id = $1`;
    const row = await first("one", text, [request.params.id]);
    return row ? view(row) : reply.code(404).send();
  });

  app.get("/api/v1/solutions", async (request) => {
    const { where, values, name } = narrowed(request.query);
    const limit = Number(request.query.limit ?? 20);
    const facets = request.query.facets?.split(",") ?? [];
    const [total, rows, ...counts] = await Promise.all([
      first(`count ${name}`, `SELECT count(*)::int AS total FROM solutions s WHERE ${where}`, values),
      pool.query({ name: `page ${name} ${limit}`, values,
        text: `${SHOWN} ${JOINED} WHERE ${where} ORDER BY s.rating DESC, s.id DESC LIMIT ${limit}` }),
      ...facets.map((facet) => pool.query({ name: `facet ${name}`, values: [...values, facet],
        text: `SELECT f.value, count(*)::int AS count FROM solution_facets f JOIN solutions s ON s.id = f.solution_id
          WHERE f.facet = $${values.length + 1} AND ${where} GROUP BY f.value` })),
    ]);
    const counted = counts.map(({ rows }, place) => [facets[place], Object.fromEntries(rows.map((row) => [row.value, row.count]))]);
    return { items: rows.rows.map(view), total: total.total, facets: Object.fromEntries(counted) };
  });

  app.get("/api/v1/comparisons", async (request) => {
    const ids = request.query.solutions.split(",");
    const [shown, answers] = await Promise.all([
      pool.query({ name: "compared", text: `${SHOWN}, ${DUPLICATES} ${JOINED} WHERE ${PUBLIC} AND s.id = ANY($1::uuid[])`, values: [ids] }),
      pool.query({ name: "answers", values: [ids], text: `SELECT e.solution_id, e.set_id, a.criterion, a.value, a.justification
        FROM evaluations e JOIN answers a ON a.evaluation_id = e.id
        WHERE e.status IN ('published', 'contested') AND e.solution_id = ANY($1::uuid[])` }),
    ]);
    const of = new Map(answers.rows.map((row) => [`${row.solution_id} ${row.criterion}`, [row.value, row.justification]]));
    const criteria = await pool.query({ name: "criteria", values: [answers.rows[0]?.set_id],
      text: "SELECT code, content FROM criteria WHERE set_id = $1 ORDER BY position" });
    return {
      solutions: shown.rows.map(view),
      criteria: criteria.rows.map(({ code, content }) => ({ criterion: content, answers: ids.map((id) => of.get(`${id} ${code}`) ?? null) })),
    };
  });

  app.get("/api/v1/exports/solutions.ndjson", async (_, reply) => {
    const client = await pool.connect();
    const rows = client.query(new QueryStream(`${SHOWN} ${JOINED} WHERE ${PUBLIC} ORDER BY s.id`, [], { batchSize: 500 }));
    const lines = async function* () {
      try {
        for await (const row of rows) yield JSON.stringify(view(row)) + "\n";
      } finally {
        client.release();
      }
    };
    return reply.type("application/x-ndjson").send(Readable.from(lines()));
  });

  app.post("/api/v1/solutions/:id/reviews", { schema: { body: review } }, async (request, reply) => {
    const token = request.headers.authorization?.slice("Bearer ".length) ?? "";
    const { payload } = await jwtVerify(token, key, { issuer: NAME, audience: NAME, algorithms: ["EdDSA"] });
    if (payload.role !== "buyer") return reply.code(403).send();
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const body = await first("body", "SELECT status, is_public_body, siren FROM organisations WHERE id = $1", [payload.organisation], client);
      const solution = await first("solution", `SELECT s.id, s.status, o.siren FROM solutions s
        LEFT JOIN organisations o ON o.id = s.organisation_id WHERE s.id = $1`, [request.params.id], client);
      if (body?.status !== "active" || !body.is_public_body || solution?.status !== "published" || solution.siren === body.siren) {
        await client.query("ROLLBACK");
        return reply.code(403).send();
      }
      let actor = await first("actor", "SELECT id FROM actors WHERE issuer = $1 AND subject = $2", [payload.iss, payload.sub], client);
      actor ??= await first("new actor", "INSERT INTO actors (id, issuer, subject, created_at) VALUES (gen_random_uuid(), $1, $2, now()) RETURNING id",
        [payload.iss, payload.sub], client);
      const content = request.body, now = new Date();
      const { id } = await first("review", `INSERT INTO reviews (id, version, solution_id, organisation_id, actor_id, status, content, rating,
        ratings, is_counted, offers_same_family, created_at, updated_at, listed_at)
        VALUES (gen_random_uuid(), 1, $1, $2, $3, 'draft', $4, $5, $6, false, false, $7, $7, $7) RETURNING id`,
        [solution.id, payload.organisation, actor.id, content, content.overall ?? 0, content.ratings ?? {}, now], client);
      const changed = { solution: solution.id, status: "draft" };
      const entry = JSON.stringify([now, actor.id, "buyer", payload.organisation, "create_review", "review", id, 1, changed]);
      await first("change", `INSERT INTO changes (at, actor_id, role, organisation_id, action, resource, resource_id, resource_version, changed, hash)
        VALUES ($1, $2, 'buyer', $3, 'create_review', 'review', $4, 1, $5, $6)`,
        [now, actor.id, payload.organisation, id, changed, createHash("sha256").update(entry).digest("hex")], client);
      await client.query("COMMIT");
      return reply.code(201).send({ id, solution_id: solution.id, status: "draft", version: 1, content, created_at: now });
    } catch (error) {
      await client.query("ROLLBACK");
      return reply.code(error.code === "23505" ? 409 : 500).send();
    } finally {
      client.release();
    }
  });

  await app.listen({ host: "127.0.0.1", port: Number(port) });
}

if (cluster.isPrimary) {
  for (let worker = 0; worker < WORKERS; worker += 1) cluster.fork();
  process.on("SIGTERM", () => {
    for (const worker of Object.values(cluster.workers)) worker.kill();
    process.exit(0);
  });
} else {
  await serve();
}
