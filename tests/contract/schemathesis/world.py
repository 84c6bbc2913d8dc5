"""Real resources in the states that operations ask for, made through the API.

`READY` says for each operation with a resource how to bring one to where the
operation succeeds: who may call it, the words of its path and, where the
document's own example does not fit, a body.
"""

import base64
import contextlib
import itertools
import json
import os
import secrets
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from urllib.parse import quote

import requests

BASE = os.environ["CONTRACT_BASE_URL"]
PROGRAM = os.environ["CONTRACT_PROGRAM"]

# The five identities, with every duty of their role.
IDENTITIES = {
    "anonymous": None,
    "vendor": ["signatory"],
    "buyer": ["administrator"],
    "auditor": ["evaluator", "decision_maker"],
    "operator": ["moderator", "label_officer", "accreditor", "appeal_member", "committee_member", "committee_chair",
                 "administrator"],
}
KINDS = {"vendor": "vendor", "buyer": "public_body", "auditor": "audit_body"}
TRAITS = {"all", "saas", "web_ui"}


def token(role, subject, duties, organisation=None):
    words = [PROGRAM, "token", "--role", role, "--subject", subject]
    words += [word for duty in duties for word in ("--duty", duty)]
    words += ["--organisation", organisation] if organisation else []
    return subprocess.check_output(words, text=True).strip()


def siren(stem):
    """A number with a right key (Luhn)."""
    for key in range(10):
        digits = f"{stem:08}{key}"
        doubled = [int(d) * (1 + place % 2) for place, d in enumerate(reversed(digits))]
        if sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0:
            return digits
    raise AssertionError("every stem has a key")


@dataclass
class Seen:
    """An answer, with what the next step needs of it."""

    body: dict
    etag: str

    @property
    def id(self):
        return self.body["id"]


@dataclass
class Ready:
    """A resource where the operation succeeds for `by`."""

    by: str
    path: dict = field(default_factory=dict)
    body: dict | None = None
    query: dict | None = None


SHEET = {
    "summary": "Une solution pour essayer.", "description": "Elle sert aux essais.", "language": "fr",
    "website": "https://solution.example.org/", "families": ["demarches_en_ligne"], "distribution": "free",
    "licence": "AGPL-3.0-or-later", "business_models": ["subscription"], "deployment": ["cloud"],
    "hosting": [{"provider": "Hébergeur", "country": "FR", "qualifications": [{"scheme": "secnumcloud"}]}],
    "sourcing_rank": "market", "traits": ["saas", "web_ui"],
}
REVIEW = {
    "title": "Fiable", "overall": 4, "ratings": {"fitness": 5}, "context": {"role": "administrator", "used_since": "2024-01-15"},
    "declares_no_interest": True,
    "text": "Nous l’utilisons depuis deux ans pour nos démarches. La prise en main est rapide, l’assistance répond, "
            "et les mises à jour n’ont jamais cassé nos formulaires.",
}
ATTESTATION = {"attests": True, "signatory_function": "Directrice générale", "signatory_name": "Camille Martin"}
REASON = {"reason": "Pièce justificative manquante."}
WITHOUT_LIMIT = {"scope": {"themes": [], "families": []}}
CONTEST = {"criterion": "SEC-01", "reason": "Le lien donné ne mène nulle part."}


class World:
    def __init__(self):
        self.http = requests.Session()
        # Distinct from those of the runs before on the same database.
        self.numbers = itertools.count(int(time.time() * 1000) % 80_000_000)
        self.claimable = []
        state = os.environ.get("CONTRACT_WORLD")
        if state:
            self.tokens, self.organisations = json.loads(state)
        else:
            self._populate()

    def _populate(self):
        """Organisations and tokens: the five identities, and colleagues where duties are separated."""
        self.tokens = {"anonymous": None, "operator": token("operator", "odile", IDENTITIES["operator"]),
                       "colleague": token("operator", "omar", IDENTITIES["operator"]),
                       # Who took no part in any case.
                       "panel": token("operator", "paul", ["appeal_member"])}
        self.organisations = {}
        for role, kind in KINDS.items():
            self.organisations[role] = self.organisation(kind).id
            self.tokens[role] = token(role, role, IDENTITIES[role], self.organisations[role])
        self.tokens["evaluator"] = token("auditor", "eva", ["evaluator"], self.organisations["auditor"])
        self.accredited(self.organisations["auditor"])
        for subject in ("auditor", "eva"):
            self.qualified(subject)

    def environment(self):
        """What another process needs to go on in this world."""
        return {"CONTRACT_WORLD": json.dumps([self.tokens, self.organisations])}

    def number(self):
        return next(self.numbers)

    # -- the wire --

    def headers(self, by):
        return {"Authorization": f"Bearer {self.tokens[by]}"} if self.tokens[by] else {}

    def call(self, by, method, path, body=None, on=None):
        headers = self.headers(by) | ({"If-Match": on.etag} if on else {})
        answer = self.http.request(method, f"{BASE}/api/v1{path}", json=body, headers=headers, timeout=30)
        if not answer.ok:
            raise AssertionError(f"seeding: {method} {path} by {by}: {answer.status_code} {answer.text}")
        return Seen(answer.json() if answer.content else {}, answer.headers.get("ETag", "*"))

    def etag(self, by, path):
        """The current tag of the resource that a path starts with, if this caller may read it."""
        start = "/".join(path.split("/")[:5])
        answer = self.http.get(f"{BASE}{start}", headers=self.headers(by), timeout=30)
        return answer.headers.get("ETag", "*") if answer.ok else "*"

    # -- organisations --

    def organisation(self, kind="vendor"):
        return self.call("operator", "POST", "/organisations", {
            "name": f"{kind} {self.number()}", "kinds": [kind], "siren": siren(self.number()),
            "legal_nature": "company"})

    def pending(self):
        newcomer = f"newcomer-{self.number()}"
        self.tokens[newcomer] = token("vendor", newcomer, ["signatory"])
        return self.call(newcomer, "POST", "/organisations", {
            "name": newcomer, "kinds": ["vendor"], "siren": siren(self.number()), "legal_nature": "company"})

    def suspended_organisation(self):
        made = self.organisation()
        return self.call("operator", "POST", f"/organisations/{made.id}/suspend", REASON, made)

    # -- audit bodies --

    def candidate(self):
        return self.call("operator", "POST", "/accreditations", {"organisation_id": self.organisation("audit_body").id})

    def accreditation_step(self, verb, seen, body=None):
        return self.call("operator", "POST", f"/accreditations/{seen.id}/{verb}", body, seen)

    def accredited(self, body=None):
        seen = self.call("operator", "POST", "/accreditations", {"organisation_id": body}) if body else self.candidate()
        return self.accreditation_step("accredit", seen, WITHOUT_LIMIT)

    def suspended_accreditation(self):
        return self.accreditation_step("suspend", self.accredited(), REASON)

    def fresh_key(self, accreditation):
        """A key, and its proof for an accreditation, as an audit body makes them with this program."""
        log = requests.get(f"{BASE}/log/checkpoint", timeout=30).text.splitlines()[0]
        with tempfile.TemporaryDirectory() as folder:
            pem = os.path.join(folder, "key.pem")
            # PKCS#8 of 32 random bytes (RFC 8410 §7).
            der = bytes.fromhex("302e020100300506032b657004220420") + secrets.token_bytes(32)
            with open(pem, "w") as file:
                file.write("-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der).decode()
                           + "\n-----END PRIVATE KEY-----\n")
            proof = subprocess.check_output(
                [PROGRAM, "sign", "--key-proof", accreditation, "--audience", log, "--key", pem], text=True).strip()
            public = subprocess.check_output(["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"])
        x = base64.urlsafe_b64encode(public[-32:]).decode().rstrip("=")
        return {"name": f"audit.example/{self.number()}", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": x},
                "proof": proof}

    def cosignature(self):
        """The checkpoint with the line of the witness that the server knows."""
        text = requests.get(f"{BASE}/log/checkpoint", timeout=30).text.split("\n\n")[0] + "\n"
        name, hint, _ = os.environ["GOUVTECH_WITNESS_KEY"].split("+", 2)
        now = int(time.time())
        with tempfile.NamedTemporaryFile() as file:
            file.write(f"cosignature/v1\ntime {now}\n{text}".encode())
            file.flush()
            signature = subprocess.check_output(
                ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", os.environ["CONTRACT_WITNESS"], "-in", file.name])
        line = base64.b64encode(bytes.fromhex(hint) + now.to_bytes(8, "big") + signature).decode()
        return {"note": f"{text}\n— {name} {line}\n"}

    def with_key(self):
        seen = self.accredited()
        return self.accreditation_step("register-key", seen, self.fresh_key(seen.id))

    def registration(self):
        seen = self.accredited()
        return Ready("operator", {"id": seen.id}, self.fresh_key(seen.id))

    def revocation(self):
        seen = self.with_key()
        return Ready("operator", {"id": seen.id}, {"kid": seen.body["keys"][0]["kid"]} | REASON)

    def person(self, subject=None):
        """Of this very program: its tokens are what the tests sign in with."""
        return {"issuer": "gouvtech-catalogue", "subject": subject or f"person-{self.number()}"}

    def qualification(self, subject=None):
        return {"organisation_id": self.organisations["auditor"], "person": self.person(subject), "themes": [],
                "duties": ["evaluator", "decision_maker"]}

    def qualified(self, subject=None):
        return self.call("operator", "POST", "/qualifications", self.qualification(subject))

    def suspended_qualification(self):
        seen = self.qualified()
        return self.call("operator", "POST", f"/qualifications/{seen.id}/suspend", REASON, seen)

    def link_between(self):
        return {"organisation_id": self.organisation().id, "other_id": self.organisation().id, "kind": "parent",
                "since": "2026-01-01"}

    def link(self):
        return self.call("operator", "POST", "/organisation-links", self.link_between())

    def service_account(self):
        """The oldest make room for it: an organisation may have twenty that are active."""
        accounts = f"/organisations/{self.organisations['vendor']}/service-accounts"
        active = [one["id"] for one in self.call("vendor", "GET", f"{accounts}?limit=100").body["items"]
                  if one["status"] == "active"]
        for old in sorted(active)[:-10]:
            with contextlib.suppress(AssertionError):  # another run was faster
                self.call("vendor", "POST", f"/service-accounts/{old}/revoke", None,
                          self.call("vendor", "GET", f"/service-accounts/{old}"))
        return self.call("vendor", "POST", accounts, {"name": f"Compte {self.number()}", "duties": []})

    def revoked_account(self):
        seen = self.service_account()
        return self.call("vendor", "POST", f"/service-accounts/{seen.id}/revoke", None, seen)

    def token_request(self):
        made = self.service_account().body
        return {"grant_type": "client_credentials", "client_id": made["id"], "client_secret": made["secret"]}

    # -- solutions --

    def draft(self):
        return self.call("vendor", "POST", "/solutions", {"name": f"Solution {self.number()}"} | SHEET)

    def submitted(self):
        return self._submit(self.draft())

    def _submit(self, seen):
        return self.call("vendor", "POST", f"/solutions/{seen.id}/submit", {"accepts_charter": True}, seen)

    def rejected(self):
        seen = self.submitted()
        return self.call("operator", "POST", f"/solutions/{seen.id}/reject",
                         {"code": "duplicate", "reason": "Déjà inscrite."}, seen)

    def published(self):
        seen = self.submitted()
        return self.call("operator", "POST", f"/solutions/{seen.id}/publish", None, seen)

    def suspended(self):
        seen = self.published()
        return self.call("colleague", "POST", f"/solutions/{seen.id}/suspend",
                         {"code": "security", "reason": "Faille exploitée."}, seen)

    def revised(self):
        """Published twice: versions 1 and 2."""
        seen = self.published()
        read = self.call("vendor", "GET", f"/solutions/{seen.id}")
        patched = self.call("vendor", "PATCH", f"/solutions/{seen.id}", {"summary": "Changée."}, read)
        return self._submit(patched)

    def imported(self):
        """A sheet that came from another catalogue and waits for its vendor."""
        if not self.claimable:
            rows = [{"source": "essai", "source_id": str(self.number()), "name": f"Importée {self.number()}",
                     "language": "fr"} for _ in range(20)]
            with tempfile.NamedTemporaryFile("w", suffix=".ndjson", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
                file.flush()
                subprocess.run([PROGRAM, "import", "solutions", file.name], check=True, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
            names, end = {row["name"] for row in rows}, time.monotonic() + 10
            # Another process wrote them: the server follows within a second.
            while len(self.claimable) < len(rows) and time.monotonic() < end:
                found = self.call("operator", "GET", "/solutions?sort=-published_at&limit=100").body["items"]
                self.claimable = [one["id"] for one in found if one["name"] in names]
                time.sleep(0.1)
        return self.claimable.pop()

    def claim(self):
        return self.call("vendor", "POST", f"/solutions/{self.imported()}/claim",
                         {"statement": "Nous éditons cette solution depuis 2019."})

    # -- criteria sets --

    def criteria_set(self):
        number = self.number()
        return self.call("operator", "POST", "/criteria-sets",
                         {"label": f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"})

    def no_set_scheduled(self):
        cursor = ""
        while cursor is not None:
            page = self.call("operator", "GET", f"/criteria-sets?limit=100{cursor}").body
            for one in page["items"]:
                if one["status"] == "scheduled":
                    read = self.call("operator", "GET", f"/criteria-sets/{one['id']}")
                    self.call("operator", "POST", f"/criteria-sets/{one['id']}/retire", None, read)
            cursor = page["next"] and f"&cursor={quote(page['next'])}"

    def scheduled(self):
        made = self.criteria_set()
        for patience in range(20, -1, -1):
            self.no_set_scheduled()
            try:
                return self.call("operator", "POST", f"/criteria-sets/{made.id}/publish", in_force_later(), made)
            except AssertionError:
                # Another identity's run scheduled one meanwhile.
                if not patience:
                    raise

    # -- evaluations --

    def best_answers(self):
        criteria = self.call("anonymous", "GET", "/criteria").body["items"]
        return [(one["code"], one["options"][-1]["code"]) for one in criteria if TRAITS & set(one["applies_to"])]

    def begun(self):
        return self.call("vendor", "POST", f"/solutions/{self.published().id}/evaluations")

    def answered(self):
        seen = self.begun()
        evidence = [{"title": "Preuve", "url": "https://example.org/preuve", "visibility": "public"}]
        answers = [{"criterion": code, "answer": {"value": best, "evidence": evidence}}
                   for code, best in self.best_answers()]
        return self.call("vendor", "PATCH", f"/evaluations/{seen.id}/answers", {"answers": answers}, seen)

    def submitted_evaluation(self):
        seen = self.answered()
        return self.call("vendor", "POST", f"/evaluations/{seen.id}/submit", ATTESTATION, seen)

    def evaluated(self):
        seen = self.submitted_evaluation()
        return self.call("operator", "POST", f"/evaluations/{seen.id}/publish", None, seen)

    def contested(self):
        seen = self.evaluated()
        return self.call("operator", "POST", f"/evaluations/{seen.id}/contest", CONTEST, seen)

    # -- reviews --

    def review(self):
        return self.call("buyer", "POST", f"/solutions/{self.published().id}/reviews", REVIEW)

    def review_step(self, by, verb, seen, body=None):
        return self.call(by, "POST", f"/reviews/{seen.id}/{verb}", body, seen)

    def pending_review(self):
        return self.review_step("buyer", "submit", self.review())

    def published_review(self):
        """By a colleague: who moderated does not decide on a report."""
        return self.review_step("colleague", "publish", self.pending_review())

    def reported_review(self):
        seen = self.published_review()
        read = self.call("vendor", "GET", f"/reviews/{seen.id}")
        return self.review_step("vendor", "report", read, REASON)

    def replied(self):
        seen = self.published_review()
        read = self.call("vendor", "GET", f"/reviews/{seen.id}")
        self.call("vendor", "PUT", f"/reviews/{seen.id}/reply", {"text": "Merci de cet avis."}, read)
        return seen

    # -- labels --

    def application(self):
        solution = self.evaluated().body["solution_id"]
        return self.call("vendor", "POST", f"/solutions/{solution}/label-applications",
                         {"statement": "Nous demandons le label."})

    def label_step(self, by, verb, seen, body=None):
        return self.call(by, "POST", f"/label-applications/{seen.id}/{verb}", body, seen)

    def submitted_application(self):
        return self.label_step("vendor", "submit", self.application(), {"accepts_terms": True})

    def admitted(self):
        return self.label_step("operator", "admit", self.submitted_application())

    def assigned(self):
        return self.label_step("operator", "assign", self.admitted(), self.audit_body())

    def audit_body(self):
        return {"audit_body_id": self.organisations["auditor"]}

    def reassignment(self):
        return Ready("operator", {"id": self.accepted().id}, self.audit_body() | REASON)

    def accepted(self, by="auditor"):
        return self.label_step(by, "accept", self.assigned(), {"declares_independence": True})

    def opened(self, by="auditor"):
        return self.label_step(by, "open", self.accepted(by), self.plan())

    def plan(self):
        return {"starts_on": str(date.today() + timedelta(days=1)), "ends_on": str(date.today() + timedelta(days=30)),
                "methods": ["document_review"], "sample": "Une instance en production."}

    def examined(self, by="auditor"):
        seen = self.opened(by)
        for code, best in self.best_answers():
            seen = self.call(by, "PUT", f"/label-applications/{seen.id}/findings/{code}",
                             {"result": "compliant", "value": best, "comment": "Vu sur pièces."}, seen)
        return seen

    def reported(self):
        """By a colleague: who examined does not decide."""
        return self.label_step("evaluator", "report", self.examined("evaluator"),
                               {"recommendation": "granted", "summary": "Examen complet."})

    def labelled(self):
        seen = self.reported()
        return self.label_step("auditor", "decision", seen, {"outcome": "granted", "reasons": "Aucun écart."})

    # -- the life of a label --

    @staticmethod
    def label_number(decided):
        return decided.body["decisions"][0]["label_number"]

    def label(self):
        return self.label_number(self.labelled())

    def label_act(self, verb, number=None, body=None):
        number = number or self.label()
        seen = self.call("anonymous", "GET", f"/labels/{number}")
        self.call("auditor", "POST", f"/labels/{number}/{verb}", body or REASON, seen)
        return number

    def suspended_label(self):
        return self.label_act("suspend", body=REASON | {"is_urgent": True})

    def with_gap(self):
        """Reported, with a minor finding."""
        seen = self.opened("evaluator")
        for code, best in self.best_answers():
            finding = {"result": "compliant", "value": best, "comment": "Vu sur pièces."}
            if code == "RSP-01":
                finding |= {"result": "minor", "value": "internal"}
            seen = self.call("evaluator", "PUT", f"/label-applications/{seen.id}/findings/{code}", finding, seen)
        report = {"recommendation": "granted_with_reservations", "summary": "Examen complet."}
        return self.label_step("evaluator", "report", seen, report)

    def reserved(self):
        seen = self.label_step("vendor", "comment", self.with_gap(), {"text": "Sans observation."})
        due = str(date.today() + timedelta(days=60))
        reservation = {"criterion": "RSP-01", "text": "Publier la déclaration.", "due_on": due}
        decision = {"outcome": "granted_with_reservations", "reasons": "Presque.", "reservations": [reservation]}
        return self.label_step("auditor", "decision", seen, decision)

    def reserved_label(self):
        return self.label_number(self.reserved())

    @staticmethod
    def correction():
        return {"criteria": ["RSP-01"], "reason": "Publier la déclaration.",
                "due_on": str(date.today() + timedelta(days=60))}

    def under_correction(self):
        return self.label_step("auditor", "require-correction", self.with_gap(), self.correction())

    def challenged(self):
        return self.label_step("vendor", "challenge", self.assigned(), REASON)

    def appealable(self):
        seen = self.reserved()
        return Ready("vendor", {"id": seen.id}, {
            "subject_id": seen.body["decisions"][0]["id"], "grounds": "Le constat porte sur une autre version."})

    def appeal(self):
        ready = self.appealable()
        return self.call("vendor", "POST", f"/label-applications/{ready.path['id']}/appeals", ready.body)

    def changed_label(self):
        """Of a solution that moved to another host since."""
        labelled = self.labelled()
        solution = labelled.body["solution_id"]
        read = self.call("vendor", "GET", f"/solutions/{solution}")
        hosting = [{"provider": f"Hébergeur {self.number()}", "country": "FR"}]
        patched = self.call("vendor", "PATCH", f"/solutions/{solution}", {"hosting": hosting}, read)
        submitted = self._submit(patched)
        self.call("operator", "POST", f"/solutions/{solution}/publish", None, submitted)
        return self.label_number(labelled)

    def orphan(self):
        """A label whose audit body is accredited no more."""
        home = self.organisations["auditor"], self.tokens["auditor"], self.tokens["evaluator"]
        body, number = self.organisation("audit_body").id, self.number()
        accredited = self.accredited(body)
        self.organisations["auditor"] = body
        try:
            for name, duty in (("auditor", "decision_maker"), ("evaluator", "evaluator")):
                self.tokens[name] = token("auditor", f"{name}-{number}", [duty], body)
                self.qualified(f"{name}-{number}")
            label = self.label()
        finally:
            self.organisations["auditor"], self.tokens["auditor"], self.tokens["evaluator"] = home
        self.accreditation_step("suspend", accredited, REASON)
        return label

    def complaint(self):
        text = {"text": "L’hébergement annoncé n’est plus celui qui est utilisé."}
        return self.call("buyer", "POST", f"/labels/{self.label()}/complaints", text)

    # -- operations --

    def ready(self, operation_id):
        """A fresh resource for an operation, or None when it needs none or `READY` has none."""
        make = READY.get(operation_id)
        return make(self) if make else None


def in_force_later():
    return {"in_force_on": str(date.today() + timedelta(days=90))}


def on(by, make, body=None, **words):
    """The resource that `make` gives goes into `{id}`; `words` are the others of the path."""
    return lambda world: Ready(by, {"id": make(world).id} | words, body)


def of_solution(by, make=World.published, body=None, **words):
    return on(by, make, body, **words)


def of_label():
    return lambda world: Ready("anonymous", {"number": world.labelled().body["decisions"][0]["label_number"]})


def on_label(by, make=World.label, body=None):
    return lambda world: Ready(by, {"number": make(world)}, body)


READY = {
    "create_organisation": lambda w: Ready("operator", {}, {
        "name": "Société", "kinds": ["vendor"], "siren": siren(w.number()), "legal_nature": "company"}),
    "find_organisation": on("anonymous", World.organisation),
    "list_organisation_solutions": on("anonymous", World.organisation),
    "update_organisation": lambda w: Ready("vendor", {"id": w.organisations["vendor"]}),
    "delete_organisation": on("operator", World.pending),
    "confirm_organisation": on("operator", World.pending),
    "suspend_organisation": on("operator", World.organisation),
    "reinstate_organisation": on("operator", World.suspended_organisation),

    "create_token": lambda w: Ready("anonymous", {}, w.token_request()),
    "list_service_accounts": lambda w: Ready("vendor", {"id": w.organisations["vendor"]}),
    "create_service_account": lambda w: Ready("vendor", {"id": w.organisations["vendor"]}),
    "find_service_account": on("vendor", World.service_account),
    "update_service_account": on("vendor", World.service_account),
    "delete_service_account": on("vendor", World.revoked_account),
    "revoke_service_account": on("vendor", World.service_account),
    "rotate_service_account": on("vendor", World.service_account),

    "find_family": lambda w: Ready("anonymous", {"code": "demarches_en_ligne"}),
    "find_criterion": lambda w: Ready("anonymous", {"code": "SEC-01"}),
    "find_problem": lambda w: Ready("anonymous", {"code": "not-found"}),

    "create_criteria_set": lambda w: Ready("operator", {}, {"label": f"{w.number() % 1000}.{w.number() % 1000}.7"}),
    "find_criteria_set": on("operator", World.criteria_set),
    "simulate_impact": on("operator", World.criteria_set),
    "update_criteria_set": on("operator", World.criteria_set),
    "delete_criteria_set": on("operator", World.criteria_set),
    "publish_criteria_set": lambda w: (w.no_set_scheduled(), Ready(
        "operator", {"id": w.criteria_set().id}, in_force_later()))[1],
    "retire_criteria_set": on("operator", World.scheduled),
    "list_criteria_of_set": on("operator", World.criteria_set),
    "create_criterion": on("operator", World.criteria_set),
    "find_criterion_of_set": on("operator", World.criteria_set, code="SEC-01"),
    "update_criterion": on("operator", World.criteria_set, code="SEC-01"),
    "delete_criterion": on("operator", World.criteria_set, code="SEC-01"),

    "create_solution": lambda w: Ready("vendor", {}, {"name": f"Solution {w.number()}"}),
    "find_solution": of_solution("anonymous"),
    "update_solution": of_solution("vendor", World.draft),
    "delete_solution": of_solution("vendor", World.draft),
    "submit_solution": of_solution("vendor", World.draft),
    "withdraw_solution": of_solution("vendor", World.submitted),
    "reopen_solution": of_solution("vendor", World.rejected),
    "confirm_solution": of_solution("vendor"),
    "archive_solution": of_solution("vendor"),
    "publish_solution": of_solution("operator", World.submitted),
    "request_changes_of_solution": of_solution("operator", World.submitted),
    "reject_solution": of_solution("operator", World.submitted),
    "suspend_solution": of_solution("operator"),
    "lift_solution": of_solution("operator", World.suspended),
    "list_solution_versions": of_solution("anonymous"),
    "list_evidence_accesses": of_solution("vendor"),
    "find_solution_version": of_solution("anonymous", n=1),
    "diff_solution_versions": of_solution("anonymous", World.revised, n=1, m=2),
    "revert_solution": of_solution("vendor", World.revised, n=1),
    "claim_solution": lambda w: Ready("vendor", {"id": w.imported()}),
    "find_claim": on("vendor", World.claim),
    "accept_claim": on("operator", World.claim),
    "refuse_claim": on("operator", World.claim),
    "list_criteria_of_solution": of_solution("anonymous"),
    "find_rating": of_solution("anonymous"),

    "find_comparison": lambda w: Ready("anonymous", query={"solutions": f"{w.published().id},{w.published().id}"}),
    "list_suggestions": lambda w: Ready("anonymous", query={"q": "essai"}),

    "list_evaluations_of_solution": of_solution("anonymous"),
    "create_evaluation": of_solution("vendor"),
    "find_evaluation_in_force": lambda w: Ready("anonymous", {"id": w.evaluated().body["solution_id"]}),
    "find_evaluation": on("anonymous", World.evaluated),
    "delete_evaluation": on("vendor", World.begun),
    "change_evaluation_answers": on("vendor", World.answered),
    "put_evaluation_answer": on("vendor", World.begun, criterion="SEC-01"),
    "delete_evaluation_answer": on("vendor", World.answered, criterion="SEC-01"),
    "submit_evaluation": on("vendor", World.answered),
    "publish_evaluation": on("operator", World.submitted_evaluation),
    "return_evaluation": on("operator", World.submitted_evaluation),
    "contest_evaluation": on("operator", World.evaluated),
    "resolve_contest": on("operator", World.contested),

    "list_reviews_of_solution": of_solution("anonymous"),
    "create_review": of_solution("buyer"),
    "find_review": on("anonymous", World.published_review),
    "update_review": on("buyer", World.review),
    "delete_review": on("buyer", World.review),
    "submit_review": on("buyer", World.review),
    "withdraw_review": on("buyer", World.published_review),
    "publish_review": on("operator", World.pending_review),
    "reject_review": on("operator", World.pending_review),
    "report_review": on("vendor", World.published_review),
    "keep_review": on("operator", World.reported_review),
    "remove_review": on("operator", World.reported_review),
    "list_review_edits": on("operator", World.published_review),
    "put_review_reply": on("vendor", World.published_review),
    "delete_review_reply": on("vendor", World.replied),

    "list_labels_of_solution": of_solution("anonymous"),
    "find_label": of_label(),
    "find_attestation": of_label(),
    "find_bundle": of_label(),
    "find_label_status": of_label(),
    "find_badge_of_label": of_label(),
    "find_badge_of_solution": of_solution("anonymous"),
    "find_status_list": lambda w: Ready("anonymous", {"purpose": "revocation"}),
    "create_cosignature": lambda w: Ready("anonymous", {}, w.cosignature()),
    "find_tile": lambda w: Ready("anonymous", {"level": "entries", "tile": "000.p/1"}),
    "create_label_application": lambda w: Ready("vendor", {"id": w.evaluated().body["solution_id"]}),
    "find_label_application": on("vendor", World.application),
    "submit_label_application": on("vendor", World.application),
    "abandon_label_application": on("vendor", World.submitted_application),
    "admit_label_application": on("operator", World.submitted_application),
    "refuse_label_application": on("operator", World.submitted_application),
    "assign_label_application": lambda w: Ready("operator", {"id": w.admitted().id}, w.audit_body()),
    "reassign_label_application": World.reassignment,
    "declare_interests": on("auditor", World.assigned),
    "propose_audit_body": lambda w: Ready("vendor", {"id": w.admitted().id}, w.audit_body()),
    "challenge_audit_body": on("vendor", World.assigned),
    "answer_challenge": on("operator", World.challenged),
    "accept_label_application": on("auditor", World.assigned),
    "recuse_label_application": on("auditor", World.accepted),
    "open_label_application": lambda w: Ready("auditor", {"id": w.accepted().id}, w.plan()),
    "put_finding": on("auditor", World.opened, criterion="SEC-01"),
    "submit_report": on("auditor", World.examined),
    "decide_label_application": on("auditor", World.reported),
    "comment_on_report": on("vendor", World.reported),
    "require_correction": lambda w: Ready("auditor", {"id": w.with_gap().id}, w.correction()),
    "deliver_correction": on("vendor", World.under_correction),
    "file_appeal": World.appealable,
    "list_appeals": lambda w: Ready("vendor"),
    "find_appeal": on("vendor", World.appeal),
    "give_opinion": on("panel", World.appeal),
    "withdraw_appeal": on("vendor", World.appeal),
    "lift_label_reservation": on_label("auditor", World.reserved_label),
    "open_label_surveillance": on_label("auditor"),
    "end_label_surveillance": on_label("auditor", lambda w: w.label_act("surveillance")),
    "suspend_label": on_label("auditor"),
    "reinstate_label": on_label("auditor", World.suspended_label),
    "withdraw_label": on_label("auditor", body=REASON | {"heard_on": str(date.today())}),
    "renounce_label": on_label("vendor"),
    "assess_label_change": on_label("auditor", World.changed_label),
    "transfer_label": lambda w: Ready("operator", {"number": w.orphan()}, w.audit_body() | REASON),
    "create_complaint": on_label("buyer"),
    "list_complaints": lambda w: Ready("buyer"),
    "find_complaint": on("buyer", World.complaint),
    "answer_complaint": on("auditor", World.complaint),
    "list_notifications": lambda w: Ready("vendor"),

    "list_accreditations": lambda w: Ready("anonymous"),
    "create_accreditation": lambda w: Ready("operator", {}, {"organisation_id": w.organisation("audit_body").id}),
    "find_accreditation": on("anonymous", World.accredited),
    "accredit_body": on("operator", World.candidate, WITHOUT_LIMIT),
    "restrict_accreditation": on("operator", World.accredited),
    "suspend_accreditation": on("operator", World.accredited),
    "reinstate_accreditation": on("operator", World.suspended_accreditation),
    "withdraw_accreditation": on("operator", World.accredited),
    "register_signing_key": World.registration,
    "revoke_signing_key": World.revocation,
    "list_qualifications": lambda w: Ready("auditor"),
    "create_qualification": lambda w: Ready("operator", {}, w.qualification()),
    "find_qualification": on("auditor", World.qualified),
    "suspend_qualification": on("operator", World.qualified),
    "reinstate_qualification": on("operator", World.suspended_qualification),
    "end_qualification": on("operator", World.qualified),
    "link_identity": lambda w: Ready("operator", {"id": w.qualified().id}, w.person()),
    "list_organisation_links": lambda w: Ready("operator"),
    "create_organisation_link": lambda w: Ready("operator", {}, w.link_between()),
    "find_organisation_link": on("operator", World.link),
    "end_organisation_link": on("operator", World.link, {"until": "2026-01-01"} | REASON),
}
