"""What is asked: files of requests for each operation, over what a copy of the catalogue holds."""

import json
import random

from contestants import EXAMPLES
from places import run

FACETS = "family,licence,distribution,hosting_country,sourcing_rank"
WORDS = ["guichet", "démarches", "parapheur", "archives", "agenda", "messagerie", "cadastre", "courrier", "formulaires", "subventions",
         "paie", "urbanisme", "signalement", "cartographie", "signature", "annuaire", "voirie", "budget", "recrutement", "sondages"]
FAMILIES = "SELECT DISTINCT value FROM solution_facets WHERE facet = 'family' ORDER BY value LIMIT 20"
# What fits the smallest cache, and what fits none.
HOT, MANY = 100, 20_000

TITLES = {
    "A": "one solution", "B": "list of 20: filter, order, total", "C": "search with facets", "D": "a review posted",
    "E": "facet counts", "F": "comparison of four", "G": "full export",
}

REVIEW = json.dumps({
    "title": "Fiable au quotidien", "overall": 4, "ratings": {"fitness": 5, "support": 3},
    "text": "Nous l’utilisons depuis deux ans pour toutes nos démarches. La prise en main est rapide, l’assistance répond, "
            "et les mises à jour n’ont jamais cassé nos formulaires.",
    "context": {"role": "administrator", "used_since": "2024-01-15"}, "declares_no_interest": True,
}, ensure_ascii=False)


def encoded(word):
    from urllib.parse import quote
    return quote(word)


class Requests:
    def __init__(self, database, name, folder, key_file):
        is_sqlite = database.__class__.__name__ == "Sqlite"
        text = (lambda column: f"lower(hex({column}))") if is_sqlite else (lambda column: f"{column}::text")
        self.folder, self.key_file = folder, key_file
        ids = database.ask(name, f"SELECT {text('id')} FROM solutions WHERE status = 'published' ORDER BY name_folded")
        dashed = lambda one: one if "-" in one else "-".join([one[:8], one[8:12], one[12:16], one[16:20], one[20:]])
        self.ids = [dashed(one) for one in ids]
        random.Random(7).shuffle(self.ids)
        where = "is_public_body" if not is_sqlite else "is_public_body = 1"
        self.body = dashed(database.ask(name, f"SELECT {text('id')} FROM organisations WHERE {where} AND status = 'active' ORDER BY id LIMIT 1")[0])
        self.families = database.ask(name, FAMILIES)
        # Persons who have not written anything yet.
        self.next_person = 0

    def paths(self, operation, is_hot, has_facets=True):
        if operation == "A":
            return [f"/api/v1/solutions/{one}" for one in self.ids[: HOT if is_hot else MANY]]
        if operation == "B":
            return [f"/api/v1/solutions?family={one}&sort=-rating&limit=20" for one in self.families]
        if operation == "C":
            facets = "&facets=family,licence" if has_facets else ""
            return [f"/api/v1/solutions?q={encoded(one)}&limit=20{facets}" for one in WORDS]
        if operation == "E":
            return [f"/api/v1/solutions?limit=1&facets={FACETS}"]
        if operation == "F":
            fours = range(0, min(len(self.ids), HOT if is_hot else MANY) - 3, 4)
            return [f"/api/v1/comparisons?solutions={','.join(self.ids[one:one + 4])}" for one in fours]
        return ["/api/v1/exports/solutions.ndjson"]

    def write(self, operation, is_hot=True, has_facets=True):
        return self.file(f"{operation}-{is_hot}-{has_facets}", self.paths(operation, is_hot, has_facets))

    def reviews(self, count):
        """Lines that post, each by another person on another solution."""
        tokens = run(EXAMPLES / "bench-seed", "tokens", "--signing-key", self.key_file, "--organisation", self.body,
                     "--first", self.next_person, "--count", count).split()
        first, self.next_person = self.next_person, self.next_person + count
        solutions = (self.ids[number % len(self.ids)] for number in range(first, first + count))
        return [f"/api/v1/solutions/{one}/reviews\t{token}\t{REVIEW}" for one, token in zip(solutions, tokens)]

    def write_reviews(self, count):
        return self.file(f"D-{self.next_person}", self.reviews(count))

    def write_mix(self, count):
        """Nineteen reads of one solution to one review, which has each place among them in turn: threads take lines in turn."""
        reads, lines = self.paths("A", True), []
        for number, review in enumerate(self.reviews(count // 20)):
            twenty = [reads[(number * 19 + one) % len(reads)] for one in range(19)]
            twenty.insert(number % 20, review)
            lines += twenty
        return self.file(f"mix-{self.next_person}", lines)

    def file(self, name, lines):
        file = self.folder / f"{self.body}-{name}.txt"
        file.write_text("".join(f"{line}\n" for line in lines))
        return file
