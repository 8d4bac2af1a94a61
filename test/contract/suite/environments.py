"""Installs the clients, each into an environment of its own below .cache/contract, once: again only where its pins change."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

UV = "uv==0.13.9"  # installs the packages of Python

LEAST_PYTHON = (3, 11)  # of the pins
LEAST_NODE = 18


class Missing(Exception):
    """A client cannot run here. The message says why."""


def command(*words, cwd=None):
    """Runs a command that must succeed and returns what it prints."""
    if shutil.which(str(words[0])) is None:
        raise Missing(f"{words[0]} is not installed")
    done = subprocess.run([str(w) for w in words], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()
        raise Missing(f"{' '.join(str(w) for w in words[:3])} …: {' '.join(last[-3:])}")
    return done.stdout


class Environments:
    def __init__(self, here, cache):
        self.here, self.cache = pathlib.Path(here), pathlib.Path(cache)
        self.cache.mkdir(parents=True, exist_ok=True)

    def python(self, name):
        """The interpreter that has requirements/NAME.txt."""
        requirements = self.here / "clients" / "python" / "requirements" / f"{name}.txt"
        directory = self.cache / "python" / name
        interpreter = directory / "bin" / "python"

        def install():
            uv = self._uv()
            command(uv, "venv", "--quiet", "--python", sys.executable, directory)
            command(uv, "pip", "install", "--quiet", "--python", interpreter, "--requirement", requirements)

        self._once(directory, install, requirements)
        return interpreter

    def _uv(self):
        if sys.version_info < LEAST_PYTHON:
            raise Missing(f"Python {'.'.join(map(str, LEAST_PYTHON))} or newer is needed")
        directory = self.cache / "uv"

        def install():
            command(sys.executable, "-m", "venv", directory)
            command(directory / "bin" / "pip", "install", "--quiet", UV)

        self._once(directory, install, UV)
        return directory / "bin" / "uv"

    def node(self):
        """The directory with the clients for Node.js and their packages."""
        version = command("node", "--version").strip()
        if int(version.lstrip("v").split(".")[0]) < LEAST_NODE:
            raise Missing(f"Node.js {LEAST_NODE} or newer is needed, this is {version}")
        source, directory = self.here / "clients" / "node", self.cache / "node"

        def install():
            directory.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(source / name, directory)
            command("npm", "ci", "--no-audit", "--no-fund", cwd=directory)

        self._once(directory, install, source / "package-lock.json")
        for script in source.glob("*.mjs"):
            shutil.copy(script, directory)
        return directory

    def go(self, source, name):
        """The program that the Go files in source make, in the module of clients/go."""
        program = self.cache / "go" / name
        command(os.environ.get("GO", "go"), "build", "-buildvcs=false", "-o", program, source, cwd=self.here / "clients" / "go")
        return program

    @staticmethod
    def _once(directory, install, pins):
        """Installs where the directory is not of these pins, a file or a text."""
        content = pins.read_bytes() if isinstance(pins, pathlib.Path) else pins.encode()
        digest = hashlib.sha256(content + sys.version.encode()).hexdigest()
        mark = directory / ".installed"
        if mark.is_file() and mark.read_text() == digest:
            return
        shutil.rmtree(directory, ignore_errors=True)
        install()
        mark.write_text(digest)
