"""The servers that the suite starts: the built program, the model that ships, free ports of the loopback address."""

import json
import os
import pathlib
import secrets
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

from .processes import end_group, start

START_LIMIT = 180  # seconds until a server must be ready


class Server:
    """One `nightshift run` with a data directory of its own."""

    def __init__(self, program, directory, key=None, engine=None):
        self.program, self.directory, self.key = program, pathlib.Path(directory), key
        self.directory.mkdir(parents=True)
        self.config = self.directory / "nightshift.yaml"
        lines = [f"data: {self.directory / 'data'}"]
        if key:
            lines += ["keys:", "  - name: contract", f"    key: {key}", "    roles: [generate, feedback]"]
        if engine:
            lines += ["engine:"] + [f"  {name}: {value}" for name, value in engine.items()]
        self.config.write_text("\n".join(lines) + "\n")
        self.config.chmod(0o600)
        self.process = None
        self.url = None

    def start(self):
        for _ in range(3):  # somebody else may take the port meanwhile
            if self._try():
                return
        raise RuntimeError("no free port was found:\n" + self._log())

    def _try(self):
        port = free_port()
        with open(self.directory / "out", "wb") as out, open(self.directory / "log", "wb") as log:
            self.process = start([self.program, "run", "--config", self.config, "--listen", f"127.0.0.1:{port}"], stdout=out, stderr=log)
        end = time.monotonic() + START_LIMIT
        while b"is ready" not in (self.directory / "out").read_bytes():
            if self.process.poll() is not None:
                if "address already in use" in self._log():
                    return False
                raise RuntimeError("the server did not start:\n" + self._log())
            if time.monotonic() > end:
                raise RuntimeError(f"the server was not ready after {START_LIMIT} s:\n" + self._log())
            time.sleep(0.1)
        self.url = f"http://127.0.0.1:{port}/v1"
        return True

    def _log(self):
        return (self.directory / "log").read_text(errors="replace")

    def stop(self):
        if self.process is not None:
            end_group(self.process)

    def forget(self, user):
        """Deletes what a person said, once the server has ended, and returns how much it was: interactions and pieces of feedback."""
        done = subprocess.run([self.program, "forget", "--config", str(self.config), "--subject", user, "--json"],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"nightshift forget --subject {user}: {done.stderr.strip()}")
        return json.loads(done.stdout)["store"]


class Load:
    """Keeps a server busy with long answers, until it is released."""

    def __init__(self, server, streams=4):
        self.server, self.ended = server, threading.Event()
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(streams)]
        for t in self.threads:
            t.start()

    def _ask(self):
        body = json.dumps({"model": "default", "messages": [{"role": "user", "content": "Tell me everything."}], "max_tokens": 200,
                           "ignore_eos": True}).encode()
        headers = {"Content-Type": "application/json", "Authorization": "Bearer " + self.server.key}
        while not self.ended.is_set():
            try:
                with urllib.request.urlopen(urllib.request.Request(self.server.url + "/chat/completions", body, headers)) as r:
                    r.read()
            except urllib.error.HTTPError:
                self.ended.wait(0.01)  # refused: the server is as busy as it should be

    def release(self):
        self.ended.set()
        for t in self.threads:
            t.join()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def new_key():
    return secrets.token_hex(16)


def executable(program):
    if not os.access(program, os.X_OK):
        raise RuntimeError(f"{program} is not there: make build")
    return os.path.abspath(program)
