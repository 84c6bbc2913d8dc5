// A solution from its vendor's registration to its label, through the generated
// client, against the server that `serve.py` started.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { ask, catalogue, from, type ProblemCode, Refused, type View } from "./catalogue.js";

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this by serve.py`);
  return value;
}

const base = setting("CONTRACT_BASE_URL");

/** Somebody with a token, acting for an organisation. */
function caller(role: string, subject: string, duties: string[], organisation?: string) {
  const options = [`--role=${role}`, `--subject=${subject}`, ...duties.map((duty) => `--duty=${duty}`)];
  if (organisation !== undefined) options.push(`--organisation=${organisation}`);
  return catalogue(base, execFileSync(setting("CONTRACT_PROGRAM"), ["token", ...options], { encoding: "utf8" }).trim());
}

/** Wants a refusal of one kind; the compiler knows the kinds. */
async function refused(attempt: Promise<unknown>, code: ProblemCode): Promise<Refused> {
  try {
    await attempt;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    assert.equal(error.problem.code, code, error.message);
    assert.equal(error.problem.status, error.response.status);
    return error;
  }
  throw new Error(`accepted, where ${code} was due`);
}

/** A number with a right key (Luhn) that nobody else in this run has. */
function siren(stem: number): string {
  for (let key = 0; key < 10; key++) {
    const digits = `${stem}${key}`;
    const sum = [...digits].reverse().reduce((total, digit, place) => {
      const value = Number(digit) * (place % 2 === 0 ? 1 : 2);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    if (sum % 10 === 0) return digits;
  }
  throw new Error(`no key for ${stem}`);
}

const everyDuty = ["moderator", "label_officer", "administrator", "accreditor"];
const anybody = catalogue(base);
const operator = caller("operator", "odile", everyDuty);

// Registration.
async function register(name: string, kind: View<"OrganisationKind">, stem: number): Promise<string> {
  const { data } = await ask(
    operator.POST("/api/v1/organisations", {
      body: { name, kinds: [kind], siren: siren(stem), legal_nature: "company", country: "FR" },
    }),
  );
  assert.equal(data.status, "active");
  return data.id;
}
const vendorId = await register("Atelier des formulaires", "vendor", 40_000_001);
const buyerId = await register("Ville d’essai", "public_body", 40_000_002);
const auditBodyId = await register("Cabinet d’audit", "audit_body", 40_000_003);
const vendor = caller("vendor", "vera", ["signatory"], vendorId);
const buyer = caller("buyer", "basile", [], buyerId);
const candidate = await ask(operator.POST("/api/v1/accreditations", { body: { organisation_id: auditBodyId } }));
const accreditation = await ask(operator.POST("/api/v1/accreditations/{id}/accredit", {
  params: { path: { id: candidate.data.id }, header: from(candidate) }, body: { scope: { themes: [], families: [] } },
}));
assert.equal(accreditation.data.status, "accredited");
for (const [subject, duty] of [["eva", "evaluator"], ["denis", "decision_maker"]] as const) {
  await ask(operator.POST("/api/v1/qualifications", {
    body: {
      organisation_id: auditBodyId, person: { issuer: "gouvtech-catalogue", subject }, themes: [], duties: [duty],
    },
  }));
}
const evaluator = caller("auditor", "eva", ["evaluator"], auditBodyId);
const decider = caller("auditor", "denis", ["decision_maker"], auditBodyId);
await refused(ask(anybody.POST("/api/v1/solutions", { body: { name: "Sans jeton" } })), "unauthenticated");

// A draft, and what publication asks for.
let solution = await ask(vendor.POST("/api/v1/solutions", { body: { name: "Guichet d’essai" } }));
const id = solution.data.id;
const path = { id };
const submit = (read: { etag: string }) =>
  ask(vendor.POST("/api/v1/solutions/{id}/submit", {
    params: { path, header: from(read) }, body: { accepts_charter: true },
  }));
const incomplete = await refused(submit(solution), "validation_failed");
assert.ok(incomplete.problem.errors?.some((fault) => fault.pointer === "/deployment"), incomplete.message);
await refused(ask(anybody.GET("/api/v1/solutions/{id}", { params: { path } })), "not_found");

// Filled in, submitted, published.
const edit = (read: { etag: string }, body: View<"SolutionSheetPatch">) =>
  ask(vendor.PATCH("/api/v1/solutions/{id}", {
    params: { path, header: from(read) }, body, headers: { "Content-Type": "application/merge-patch+json" },
  }));
solution = await edit(solution, {
  summary: "Des démarches en ligne sans développement.",
  description: "Un agent compose un formulaire, l’usager le remplit, le service instruit.",
  language: "fr",
  website: "https://guichet.example.org/",
  families: ["demarches_en_ligne"],
  distribution: "free",
  licence: "AGPL-3.0-or-later",
  business_models: ["subscription"],
  deployment: ["cloud"],
  hosting: [{ provider: "Hébergeur", country: "FR", qualifications: [{ scheme: "secnumcloud" }] }],
  sourcing_rank: "market",
  traits: ["saas", "web_ui"],
});
assert.deepEqual(solution.data.missing, []);
solution = await submit(solution);
assert.equal(solution.data.status, "submitted");
const queue = await ask(operator.GET("/api/v1/solutions", { params: { query: { status: ["submitted"], limit: 100 } } }));
assert.ok(queue.data.items.some((one) => one.id === id));
const seen = await ask(operator.GET("/api/v1/solutions/{id}", { params: { path } }));
await ask(operator.POST("/api/v1/solutions/{id}/publish", { params: { path, header: from(seen) } }));
const published = await ask(anybody.GET("/api/v1/solutions/{id}", { params: { path } }));
assert.equal(published.data.status, "published");

// Two members of the vendor edit the same version: one wins, the other reads again.
const read = await ask(vendor.GET("/api/v1/solutions/{id}", { params: { path } }));
const outcomes = await Promise.allSettled([
  edit(read, { summary: "Des démarches en ligne, sans écrire de code." }),
  edit(read, { tags: ["formulaires"] }),
]);
const lost = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [outcome.reason as unknown] : []));
assert.equal(lost.length, 1, "exactly one of two writers wins");
const [loss] = lost;
assert.ok(loss instanceof Refused && loss.problem.code === "precondition_failed", String(loss));
assert.ok(loss.response.headers.get("ETag"), "a stale version is told the current one");
const current = await ask(vendor.GET("/api/v1/solutions/{id}", { params: { path } }));
assert.deepEqual(current.data.revision, { status: "draft", version: 2 });
const revised = await edit(current, {
  summary: "Des démarches en ligne, sans écrire de code.", tags: ["formulaires"],
});
assert.equal((await ask(anybody.GET("/api/v1/solutions/{id}", { params: { path } }))).data.version, published.data.version);
await submit(revised);
const difference = await ask(anybody.GET("/api/v1/solutions/{id}/versions/{n}/diff/{m}", {
  params: { path: { id, n: 1, m: 2 } },
}));
assert.ok(difference.data.changes.some((change) => change.field === "summary"));

// A self-evaluation with an answer to every criterion that applies.
const traits: string[] = ["all", "saas", "web_ui"];
const criteria = (await ask(anybody.GET("/api/v1/criteria"))).data.items
  .filter((criterion) => criterion.applies_to.some((trait) => traits.includes(trait)))
  .map((criterion) => ({ code: criterion.code, best: criterion.options.at(-1)?.code ?? "met" }));
assert.ok(criteria.length > 10, `${criteria.length} criteria`);
let evaluation = await ask(vendor.POST("/api/v1/solutions/{id}/evaluations", { params: { path } }));
const evaluationPath = { id: evaluation.data.id };
evaluation = await ask(vendor.PATCH("/api/v1/evaluations/{id}/answers", {
  params: { path: evaluationPath, header: from(evaluation) },
  body: {
    answers: criteria.map(({ code, best }) => ({
      criterion: code,
      answer: { value: best, evidence: [{ title: "Preuve", url: "https://example.org/preuve", visibility: "public" as const }] },
    })),
  },
}));
evaluation = await ask(vendor.POST("/api/v1/evaluations/{id}/submit", {
  params: { path: evaluationPath, header: from(evaluation) },
  body: { attests: true, signatory_name: "Camille Martin", signatory_function: "Directrice générale" },
}));
evaluation = await ask(operator.POST("/api/v1/evaluations/{id}/publish", {
  params: { path: evaluationPath, header: from(evaluation) },
}));
const inForce = await ask(anybody.GET("/api/v1/solutions/{id}/evaluation", { params: { path } }));
assert.equal(inForce.data.id, evaluationPath.id);
assert.equal(inForce.data.scores?.overall, 1);

// A review, read by a moderator before the public reads it.
let review = await ask(buyer.POST("/api/v1/solutions/{id}/reviews", {
  params: { path },
  body: {
    title: "Fiable au quotidien",
    overall: 4,
    ratings: { fitness: 5, support: 3 },
    text: "Nous l’utilisons depuis deux ans pour nos démarches. La prise en main est rapide, l’assistance répond, "
      + "et les mises à jour n’ont jamais cassé nos formulaires.",
    context: { role: "administrator", used_since: "2024-01-15" },
    declares_no_interest: true,
  },
}));
const reviewPath = { id: review.data.id };
review = await ask(buyer.POST("/api/v1/reviews/{id}/submit", { params: { path: reviewPath, header: from(review) } }));
await refused(ask(anybody.GET("/api/v1/reviews/{id}", { params: { path: reviewPath } })), "not_found");
await ask(operator.POST("/api/v1/reviews/{id}/publish", { params: { path: reviewPath, header: from(review) } }));
const reviews = await ask(anybody.GET("/api/v1/solutions/{id}/reviews", { params: { path } }));
assert.deepEqual(reviews.data.items.map((one) => one.overall), [4]);

// The label: application, admission, assignment, examination, decision.
let application = await ask(vendor.POST("/api/v1/solutions/{id}/label-applications", {
  params: { path }, body: { statement: "Nous demandons le label." },
}));
const applicationPath = { id: application.data.id };
const step = () => ({ path: applicationPath, header: from(application) });
application = await ask(vendor.POST("/api/v1/label-applications/{id}/submit", {
  params: step(), body: { accepts_terms: true },
}));
application = await ask(operator.POST("/api/v1/label-applications/{id}/admit", { params: step() }));
application = await ask(operator.POST("/api/v1/label-applications/{id}/assign", {
  params: step(), body: { audit_body_id: auditBodyId },
}));
application = await ask(evaluator.POST("/api/v1/label-applications/{id}/accept", {
  params: step(), body: { declares_independence: true },
}));
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
application = await ask(evaluator.POST("/api/v1/label-applications/{id}/open", {
  params: step(),
  body: {
    starts_on: inDays(1), ends_on: inDays(30), methods: ["document_review"], sample: "Une instance en production.",
  },
}));
for (const { code, best } of criteria) {
  application = await ask(evaluator.PUT("/api/v1/label-applications/{id}/findings/{criterion}", {
    params: { path: { ...applicationPath, criterion: code }, header: from(application) },
    body: { result: "compliant", value: best, comment: "Vu sur pièces." },
  }));
}
application = await ask(evaluator.POST("/api/v1/label-applications/{id}/report", {
  params: step(), body: { recommendation: "granted", summary: "Examen complet sur l’échantillon." },
}));
const decision: View<"Decide"> = { outcome: "granted", reasons: "Aucun écart." };
const both = caller("auditor", "eva", ["evaluator", "decision_maker"], auditBodyId);
await refused(ask(both.POST("/api/v1/label-applications/{id}/decision", { params: step(), body: decision })), "forbidden");
application = await ask(decider.POST("/api/v1/label-applications/{id}/decision", { params: step(), body: decision }));
assert.equal(application.data.status, "decided");
const labels = await ask(anybody.GET("/api/v1/solutions/{id}/labels", { params: { path } }));
const number = labels.data.items[0]?.number ?? "none";
const label = await ask(anybody.GET("/api/v1/labels/{number}", { params: { path: { number } } }));
assert.equal(label.data.status, "active");
assert.equal(label.data.audit_body?.id, auditBodyId);

// A list to its last page, by its cursor.
let cursor: string | undefined;
let rows = 0;
let total: number;
do {
  const page = await ask(anybody.GET("/api/v1/solutions", {
    params: { query: { limit: 5, ...(cursor === undefined ? {} : { cursor }) } },
  }));
  rows += page.data.items.length;
  total = page.data.total;
  cursor = page.data.next ?? undefined;
} while (cursor !== undefined);
assert.equal(rows, total, "the pages hold every row once");

console.log(`journey: from registration to ${number} on ${setting("CONTRACT_DATABASE")}`);
