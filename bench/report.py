#!/usr/bin/env python3
"""The tables of runs: `bench/report.py [--into docs/PERFORMANCE.md] target/bench.json…`."""

import json
import pathlib
import statistics
import sys

TITLES = {
    "A": "A: one solution", "B": "B: list of 20 with filter, order and total", "C": "C: search with facets", "D": "D: a review posted",
    "E": "E: facet counts", "F": "F: comparison of four solutions", "G": "G: full export (NDJSON)",
}


def medians(results):
    """One line for who, what and how: the medians of its runs."""
    groups = {}
    for one in results:
        groups.setdefault((one["size"], one["operation"], one["variant"], one["who"]), []).append(one)
    found = {}
    for key, runs in groups.items():
        names = [name for name, value in runs[0].items() if isinstance(value, (int, float)) and name != "size"]
        found[key] = {name: statistics.median(run[name] for run in runs) for name in names}
        found[key]["rates"] = [run["rate"] for run in runs if "rate" in run]
    return found


def table(heads, rows):
    return "\n".join(["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|", *("| " + " | ".join(row) + " |" for row in rows)])


def ratio(mine, other):
    return f"{mine / other:.2f}" if other else "—"


def speed(found, size, operation):
    rows = [(variant, who, one) for (s, o, variant, who), one in found.items() if (s, o) == (size, operation) and variant != "one"]
    if not rows:
        return None
    limit = next((one["rate"] for _, who, one in rows if who.startswith("limit")), None)
    bare = next((one["rate"] for _, who, one in rows if who == "bare handler · PostgreSQL"), None)
    lines = []
    for variant, who, one in sorted(rows, key=lambda row: (not row[1].startswith("limit"), -row[2]["rate"])):
        spread = f"{min(one['rates']):,.0f}–{max(one['rates']):,.0f}" if len(one["rates"]) > 1 else ""
        name = who + (", every solution in turn" if variant == "all" else "")
        share = one["refused"] / max(one["requests"], 1)
        name += f" ({share:.1%} refused)" if share > 0.001 else ""
        cost = f"{one.get('cpu_us', 0):,.0f}" + (f" + {one['database_us']:,.0f}" if one.get("database_us", 0) >= 0.5 else "")
        lines.append([name, f"{one['rate']:,.0f}", spread, f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.1f}", cost,
                      ratio(one["rate"], limit), ratio(one["rate"], bare)])
    heads = ["", "requests/s", "of the runs", "p50 ms", "p99 ms", "processor µs", "of the limit", "of the bare handler on PostgreSQL"]
    return f"**{TITLES[operation]}**\n\n{table(heads, lines)}"


def exports(found, size):
    rows = [[who, f"{one['mb_per_second']:,.0f}", f"{one['mb']:,.0f}", f"{one['growth_mb']:,.1f}"]
            for (s, o, _, who), one in found.items() if (s, o) == (size, "G")]
    return rows and f"**{TITLES['G']}**\n\n" + table(["", "MB/s", "MB", "memory +MB"], rows)


def mixes(found, size):
    rows = []
    for (s, o, _, who), one in found.items():
        if (s, o) == (size, "mix"):
            rows.append([who, f"{one['rate']:,.0f}", ratio(one["rate"], one["read_rate"]), ratio(one["last_rate"], one["first_rate"]),
                         f"{one['read_p99_ms']:.1f}", f"{one['beside_p99_ms']:.1f}", f"{one['beside_writes']:,.0f}"])
    heads = ["95 % reads of A, 5 % reviews posted", "requests/s", "of reads alone", "last tenth of the first", "p99 of reads alone, ms", "p99 of reads beside writes, ms", "writes/s beside"]
    return rows and table(heads, rows)


def memory(found, size):
    rows = [[who, f"{one['idle_mb']:,.0f}", f"{one['loaded_mb']:,.0f}", f"{one['start_ms']:,.0f}"]
            for (s, o, _, who), one in found.items() if (s, o) == (size, "memory")]
    return rows and table(["", "memory idle, MB", "memory loaded, MB", "start to ready, ms"], rows)


# Aims: operation, whose rate, over whose rate, at least.
AIMS = [
    *((f"{o}, hot, of the limit", o, "server · {kind}", "limit", 0.6) for o in "ABCE"),
    ("A, cache off, of the bare handler", "A", "server, cache off · {kind}", "bare handler · {kind}", 0.9),
    ("A, cache off, of Fastify + pg", "A", "server, cache off · {kind}", "Fastify + pg", 1.0),
    *((f"{o}, cache off, of the bare handler on PostgreSQL", o, "server, cache off · {kind}", "bare handler · PostgreSQL", 3.0) for o in "BCE"),
    *((f"{o}, cache off, of Fastify + pg", o, "server, cache off · {kind}", "Fastify + pg", 1.0) for o in "BCE"),
    *((f"{o}, cache off, of FastAPI + asyncpg", o, "server, cache off · {kind}", "FastAPI + asyncpg", 1.0) for o in "BCE"),
    ("D, of the bare handler", "D", "server · {kind}", "bare handler · {kind}", 0.8),
    ("D, of Fastify + pg", "D", "server · {kind}", "Fastify + pg", 1.0),
]

# Megabytes and milliseconds to start, by size.
ROOM = {10_000: (80, 500), 1_000_000: (1500, 10_000)}


def aims(found, size):
    def rate(operation, who):
        for (s, o, variant, name), one in found.items():
            if (s, o) == (size, operation) and variant in ("", "hot") and name.startswith(who):
                return one["rate"]
        # A build without a cache is its own cold path.
        return rate(operation, who.replace(", cache off", "")) if ", cache off" in who else None

    rows = []
    for title, operation, mine, other, least in AIMS:
        cells = []
        for kind in ("SQLite", "PostgreSQL"):
            ours, theirs = rate(operation, mine.format(kind=kind)), rate(operation, other.format(kind=kind))
            cells.append(f"{ours / theirs:.2f}{'' if ours / theirs >= least else ' ✗'}" if ours and theirs else "—")
        if operation == "D" and "Fastify" in other:
            cells[0] = "—"
        rows.append([title, f"≥ {least}", *cells])
    def row(title, aim, operation, of, is_met, form="{:.2f}"):
        cells = []
        for kind in ("SQLite", "PostgreSQL"):
            one = found.get((size, operation, "", f"server · {kind}"))
            cells.append(form.format(of(one)) + ("" if is_met(of(one)) else " ✗") if one else "—")
        rows.append([title, aim, *cells])

    row("mix, of A hot", "≥ 0.5", "mix", lambda one: one["rate"] / one["read_rate"], lambda x: x >= 0.5)
    row("mix, last tenth of the first", "no decay", "mix", lambda one: one["last_rate"] / one["first_rate"], lambda x: x >= 0.9)
    row("read p99 beside writes, of that without", "≤ 2", "mix", lambda one: one["beside_p99_ms"] / one["read_p99_ms"], lambda x: x <= 2)
    if size in ROOM:
        megabytes, milliseconds = ROOM[size]
        row("memory loaded, MB", f"≤ {megabytes:,}", "memory", lambda one: one["loaded_mb"], lambda x: x <= megabytes, "{:,.0f}")
        row("start to ready, ms", f"≤ {milliseconds:,}", "memory", lambda one: one["start_ms"], lambda x: x <= milliseconds, "{:,.0f}")
    if size >= 100_000:
        row("export, MB/s", "≥ 100", "G", lambda one: one["mb_per_second"], lambda x: x >= 100, "{:,.0f}")
        row("export, memory +MB", "≤ 20", "G", lambda one: one["growth_mb"], lambda x: x <= 20, "{:,.1f}")
    return table(["", "aim", "SQLite", "PostgreSQL"], [row for row in rows if row[2:] != ["—", "—"]])


def growth(found):
    """What one answer from the database takes as the catalogue grows."""
    sizes = sorted({s for s, _, variant, _ in found if variant == "one"})
    rows = []
    for operation, who in sorted({(o, who) for _, o, variant, who in found if variant == "one"}):
        times = [found.get((size, operation, "one", who), {}).get("p50_ms") for size in sizes]
        rows.append([f"{operation}, {who}", *(f"{one:.2f}" if one else "—" for one in times)])
    return rows and "### Growth\n\np50 in ms of one connection, asking the database\n\n" + table(["", *(f"{size:,}" for size in sizes)], rows)


def markdown(whole):
    found, about, settings = medians(whole["results"]), whole["machine"], whole["settings"]
    parts = [f"{about['cpu']}, {about['cores']} cores shared by load, server and database, {about['memory_gib']} GiB, Linux {about['kernel']}; "
             f"{about['commit']}, {about['at']}. Medians of {settings['runs']} alternating runs of {settings['seconds']} s, "
             f"{settings['connections']} connections. Load average {about['load_before']:.1f} before, {about['load_after']:.1f} after."]
    parts += ["\n".join(f"- {note}" for note in whole["notes"])] if whole["notes"] else []
    for size in sorted({key[0] for key in found}):
        filled = [f"{who} {one['mb']:,.0f} MB" for (s, o, _, who), one in found.items() if (s, o) == (size, "fill") and "mb" in one]
        parts += [f"### {size:,} solutions", *filter(None, ["On disk: " + ", ".join(filled) + "." if filled else ""]), *filter(None, (speed(found, size, operation) for operation in "ABCDEF")),
                  *filter(None, (exports(found, size), mixes(found, size), memory(found, size)))]
        parts += [f"**Aims at {size:,}** (✗: not reached)", aims(found, size)]
    parts += filter(None, [growth(found)])
    return "\n\n".join(parts)


BEGIN, END = "<!-- figures: written by bench/report.py -->", "<!-- end of figures -->"


def main():
    words = sys.argv[1:]
    target = words.pop(words.index("--into") + 1) if "--into" in words else None
    text = "\n\n".join(markdown(json.loads(pathlib.Path(one).read_text())) for one in words if one != "--into")
    if not target:
        print(text)
        return
    file = pathlib.Path(target)
    before, _, rest = file.read_text().partition(BEGIN)
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
