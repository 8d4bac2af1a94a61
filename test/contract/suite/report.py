"""The tables for people, the JSON for programs, and whether all of it is well."""

import json
import sys

from .clients import CASES, DEFAULTS

MARKS = {"pass": "ok", "fail": "FAIL", "absent": "–"}


def finish(rows, snippets, may_miss, as_json):
    """Prints everything and returns the exit status."""
    failed = failures(rows, snippets, may_miss)
    if as_json:
        json.dump({"ok": not failed, "failures": failed, "clients": rows, "page": snippets}, sys.stdout, indent=1, ensure_ascii=False)
        print()
    else:
        print_tables(rows, snippets)
        for f in failed:
            print(f"\nFAIL {f['row']}: {f['case']}\n     {f['detail']}" + (f"\n     log: {f['log']}" if f.get("log") else ""))
        print(f"\n{'ok' if not failed else f'{len(failed)} failed'}")
    return 1 if failed else 0


def failures(rows, snippets, may_miss):
    """What failed. A row that could not run is a failure, and so is one that says nothing about a case."""
    found = []
    for row in rows:
        def add(case, detail, row=row):
            found.append({"row": row["client"], "case": case, "detail": detail, "log": row.get("log")})

        if "missing" in row:
            if row["client"] not in may_miss:
                add("could not run", row["missing"])
            continue
        if row["client"] != DEFAULTS.name and "end" not in row["cases"]:
            for case in CASES:
                if case not in row["cases"]:
                    add(case, "the client does not say anything about this case")
        if not row["cases"]:
            add("no case", "nothing was tried")
        for case, outcome in row["cases"].items():
            if outcome["result"] == "fail":
                add(case, outcome["detail"])
    for s in snippets:
        if s["result"] == "fail" and not (s.get("missing") and "page" in may_miss):
            found.append({"row": "page", "case": s["name"], "detail": s["detail"]})
    return found


def print_tables(rows, snippets):
    table = [r for r in rows if r["client"] != DEFAULTS.name]
    if table:
        head = ["", *CASES]
        lines = [[f"{r['title']} {r['version']}"] + (["not run"] + [""] * (len(CASES) - 1) if "missing" in r else
                 [MARKS[r["cases"].get(c, {"result": "fail"})["result"]] for c in CASES]) for r in table]
        _print(head, lines)
        print("\n– what the client does not have:")
        for r in table:
            for case, outcome in r["cases"].items():
                if outcome["result"] == "absent":
                    print(f"  {r['title']}, {case}: {outcome['detail']}")
    for r in rows:
        if r["client"] == DEFAULTS.name and "missing" not in r:
            print(f"\naccepted defaults, sent by openai {r['version']}: the answer is bit for bit the one without")
            _print(["", "result"], [[name, MARKS[o["result"]]] for name, o in r["cases"].items()])
    if snippets:
        print("\ndocs/clients.md")
        _print(["", "result"], [[s["name"], MARKS[s["result"]]] for s in snippets])


def _print(head, lines):
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    for line in [head, *lines]:
        print("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip())
