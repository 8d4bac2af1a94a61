#!/usr/bin/env python3
"""Drives a server of its own with the clients that people have, and prints which case passes with which client.

Exit status: 0 if every row passes, 1 if one fails or cannot run, 2 for a mistake in the arguments, 130 after Ctrl-C.
"""

import argparse
import contextlib
import json
import pathlib
import shutil
import signal
import sys
import tempfile

from suite import clients, page, report
from suite.environments import Environments, Missing
from suite.server import Server, executable, new_key

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def arguments():
    names = [c.name for c in clients.CLIENTS] + ["defaults", "page"]
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="rows: " + ", ".join(names))
    p.add_argument("--only", default="", metavar="ROW,…", help="these rows alone")
    p.add_argument("--may-miss", default="", metavar="ROW,…|all", help="these rows may be unable to run: they do not fail then")
    p.add_argument("--program", metavar="FILE", default=ROOT / "bin" / "nightshift", help="the built program (default: bin/nightshift)")
    p.add_argument("--json", action="store_true", help="the results as JSON")
    p.add_argument("--list", action="store_true", help="print the rows and their versions, and run nothing")
    a = p.parse_args()
    a.only, a.may_miss = [[w for w in v.split(",") if w] for v in (a.only, a.may_miss)]
    for name in a.only + [n for n in a.may_miss if n != "all"]:
        if name not in names:
            p.error(f"there is no row {name!r}; there are {', '.join(names)}")
    a.rows = a.only or names
    if a.may_miss == ["all"]:
        a.may_miss = names
    return a


@contextlib.contextmanager
def servers(program):
    """A server as anybody starts it, and one with a key that takes one request at a time and lets one wait."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="nightshift-contract-"))
    plain = Server(program, directory / "plain")
    guarded = Server(program, directory / "guarded", key=new_key(), engine={"slots": 1, "queue": 1})
    try:
        plain.start()
        guarded.start()
        yield plain, guarded
    finally:
        plain.stop()
        guarded.stop()
        shutil.rmtree(directory, ignore_errors=True)


def run_client(client, environments, plain, guarded):
    row = {"client": client.name, "title": client.title, "version": clients.version(client, environments), "cases": {}}
    log = environments.cache / "logs" / f"{client.name}.log"
    log.parent.mkdir(exist_ok=True)
    row["log"] = str(log)
    try:
        row["cases"] = clients.run(client, environments, plain, guarded, log)
    except Missing as e:
        row["missing"] = str(e)
    return row


def look_for(row, client, plain):
    """Whether the people whom the client named, and their ratings, are in the store: those who asked are then known to nights."""
    if row["cases"].get("user", {}).get("result") == "absent":
        return  # everybody who asks with this client is one person without a name
    found = plain.forget(client.user)
    if client is clients.DEFAULTS:
        if found["interactions"]:
            row["cases"][clients.NOT_STORED] = {"result": "fail", "detail": f"the store has {found['interactions']} interactions of {client.user!r}"}
        return
    for case, key in (("user", "interactions"), ("feedback", "feedback")):
        if row["cases"].get(case, {}).get("result") == "pass" and not found[key]:
            row["cases"][case] = {"result": "fail", "detail": f"the store has no {key} of {client.user!r}"}


def main():
    a = arguments()
    environments = Environments(HERE, ROOT / ".cache" / "contract")
    chosen = [c for c in [*clients.CLIENTS, clients.DEFAULTS] if c.name in a.rows]
    if a.list:
        for c in chosen:
            print(f"{c.name:20}{clients.version(c, environments)}")
        return 0
    progress = sys.stderr
    rows, snippets = [], []
    with servers(executable(a.program)) as (plain, guarded):
        for c in chosen:
            print(f"{c.title} {clients.version(c, environments)} …", file=progress, flush=True)
            rows.append(run_client(c, environments, plain, guarded))
        if "page" in a.rows:
            print("docs/clients.md …", file=progress, flush=True)
            snippets = page.run(ROOT / "docs" / "clients.md", environments, plain)
        plain.stop()
        for c, row in zip(chosen, rows, strict=True):
            if "missing" not in row:
                look_for(row, c, plain)
        page.look_for_person(snippets, plain)
    return report.finish(rows, snippets, a.may_miss, as_json=a.json)


def interrupted(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted; the servers have ended", file=sys.stderr)
        sys.exit(130)
    except RuntimeError as e:
        print(e, file=sys.stderr)
        sys.exit(1)
