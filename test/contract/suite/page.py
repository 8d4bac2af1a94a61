"""Runs the blocks of docs/clients.md as they stand, against the server of the suite.

The first line of a block says how: ```LANGUAGE ENVIRONMENT, and then file=NAME, for one that is a file of the blocks after it, or
serves=PORT, for a command that stays until the page ends. Addresses of the page are replaced by those of the suite.
"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from .environments import Missing
from .processes import end_group, start
from .server import free_port

ADDRESS = "http://127.0.0.1:8080/v1"  # on the page
PERSON = "customer-17"  # on the page

RUN_LIMIT = 600  # seconds for one block: it hangs
SERVES_LIMIT = 240  # seconds until a command must listen


class Block:
    def __init__(self, section, language, environment, options, text):
        self.section, self.language, self.environment, self.text = section, language, environment, text
        self.options = dict(o.split("=", 1) for o in options)
        self.name = f"{section}: {language}"

    @property
    def names_person(self):
        return PERSON in self.text


def blocks(page):
    found, section = [], "page"
    lines = iter(pathlib.Path(page).read_text().splitlines())
    for line in lines:
        if heading := re.match(r"## (.+)", line):
            section = heading[1]
        if line.startswith("```"):
            language, *rest = line[3:].split()
            text = []
            for line in lines:
                if line == "```":
                    break
                text.append(line)
            environment, *options = rest or [""]
            found.append(Block(section, language, environment, options, "\n".join(text) + "\n"))
    return found


def run(page, environments, plain):
    """Runs all blocks and returns their results."""
    results = []
    with tempfile.TemporaryDirectory(prefix="nightshift-contract-page-") as directory, contextlib.ExitStack() as stack:
        ports = {b.options["serves"]: str(free_port()) for b in blocks(page) if "serves" in b.options}
        for b in blocks(page):
            result = {"name": b.name, "names_person": b.names_person, "result": "pass", "detail": ""}
            try:
                text = b.text.replace(ADDRESS, plain.url)
                for stated, port in ports.items():
                    text = re.sub(rf"\b{stated}\b", port, text)
                _run(b, text, ports, pathlib.Path(directory), environments, stack)
            except Missing as e:
                result |= {"result": "fail", "detail": f"could not run: {e}", "missing": True}
            except (RuntimeError, subprocess.TimeoutExpired) as e:
                result |= {"result": "fail", "detail": str(e)}
            results.append(result)
    return results


def _run(block, text, ports, directory, environments, stack):
    if "file" in block.options:
        (directory / block.options["file"]).write_text(text)
        return
    words, env = _command(block, text, directory, environments)
    env = os.environ | {"LLM_USER_PATH": str(directory), "LITELLM_LOCAL_MODEL_COST_MAP": "True"} | env
    if "serves" in block.options:
        _serve(words, directory, env, int(ports[block.options["serves"]]), stack)
        return
    done = subprocess.run(words, cwd=directory, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=RUN_LIMIT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"exit status {done.returncode}: {(done.stderr.strip() or done.stdout.strip())[-600:]}")
    if not done.stdout.strip():
        raise RuntimeError("it prints nothing")


def _command(block, text, directory, environments):
    """The words of the command that runs the block, and what it needs in the environment."""
    match block.language, block.environment:
        case "sh", "curl":
            return ["bash", "-euc", text], {}
        case "sh", name:
            path = str(environments.python(name).parent)
            return ["bash", "-euc", text], {"PATH": path + os.pathsep + os.environ["PATH"]}
        case "python", name if name:
            return [str(environments.python(name)), "-c", text], {}
        case "js", "npm":
            script = environments.node() / "page.mjs"
            script.write_text(text)
            return ["node", str(script)], {}
        case "go", "go":
            module = directory / "go"
            module.mkdir()
            for name in ("go.mod", "go.sum"):
                shutil.copy(environments.here / "clients" / "go" / name, module)
            (module / "main.go").write_text(text)
            return ["bash", "-euc", f"cd '{module}' && ${{GO:-go}} run -buildvcs=false ."], {}
    raise RuntimeError(f"the block says ```{block.language} {block.environment}, and the suite cannot run that")


def _serve(words, directory, env, port, stack):
    output = stack.enter_context(open(directory / "serves.log", "w+"))
    process = start(words, cwd=directory, env=env, stdout=output, stderr=subprocess.STDOUT)
    stack.callback(end_group, process)
    end = time.monotonic() + SERVES_LIMIT
    while process.poll() is None and time.monotonic() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    output.seek(0)
    raise RuntimeError("it does not listen: " + output.read()[-600:])


def look_for_person(results, plain):
    """One more result: whether the person of the page is in the store as often as blocks of it name them."""
    asked = sum(r["result"] == "pass" and r["names_person"] for r in results)
    if asked:
        found = plain.forget(PERSON)
        ok = found["interactions"] >= asked and found["feedback"] > 0
        detail = "" if ok else (f"{asked} blocks name {PERSON}; the store has {found['interactions']} interactions and "
                                f"{found['feedback']} pieces of feedback")
        results.append({"name": f"{PERSON} is in the store", "names_person": False, "result": "pass" if ok else "fail", "detail": detail})
