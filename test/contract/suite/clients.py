"""The clients, what each needs, and how one is run: its cases come as lines of JSON through a pipe."""

import json
import os
import re
import subprocess
import tempfile
import threading

from .processes import end_group, start
from .server import Load

CASES = ["turn", "second turn", "stream", "stream usage", "system", "parts", "name", "neutral", "batch", "models", "user", "feedback",
         "responses", "400", "401", "404", "429"]

BUSY = "429"  # the case during which the guarded server is kept busy

SILENCE_LIMIT = 300  # seconds without a line from a client: it hangs


class Client:
    def __init__(self, name, title, packages, program):
        self.name, self.title = name, title
        self.packages = packages  # names of the packages whose versions are printed
        self.program = program  # from environments to the words of a command

    @property
    def user(self):
        return "contract-" + self.name


def _python(script, environment):
    return lambda e: [e.python(environment), e.here / "clients" / "python" / script]


def _node(script):
    return lambda e: ["node", e.node() / script]


CLIENTS = [
    Client("openai-python", "openai (Python)", {"openai": "openai"}, _python("openai_client.py", "openai")),
    Client("openai-npm", "openai (npm)", {"npm": "openai"}, _node("openai_client.mjs")),
    Client("openai-go", "openai-go", {"go": "github.com/openai/openai-go/v3"}, lambda e: [e.go("./contract", "contract")]),
    Client("langchain", "LangChain", {"langchain": "langchain-openai"}, _python("langchain_client.py", "langchain")),
    Client("llamaindex", "LlamaIndex", {"llama_index": "llama-index-llms-openai-like"}, _python("llama_index_client.py", "llama_index")),
    Client("litellm", "LiteLLM (sdk)", {"litellm": "litellm"}, _python("litellm_client.py", "litellm")),
    Client("litellm-proxy", "LiteLLM (proxy)", {"litellm": "litellm"}, _python("litellm_proxy_client.py", "litellm")),
    Client("ai-sdk-compatible", "AI SDK, openai-compatible", {"npm": "@ai-sdk/openai-compatible"}, _node("ai_sdk_compatible_client.mjs")),
    Client("ai-sdk-openai", "AI SDK, openai", {"npm": "@ai-sdk/openai"}, _node("ai_sdk_openai_client.mjs")),
    Client("llm", "llm", {"llm": "llm"}, _python("llm_client.py", "llm")),
    Client("haystack", "Haystack", {"haystack": "haystack-ai"}, _python("haystack_client.py", "haystack")),
    Client("pydantic-ai", "pydantic-ai", {"pydantic_ai": "pydantic-ai-slim"}, _python("pydantic_ai_client.py", "pydantic_ai")),
]

# Not a client but a table of its own: fields at their defaults, sent by the openai package.
DEFAULTS = Client("defaults", "accepted defaults", {"openai": "openai"}, _python("defaults.py", "openai"))


NOT_STORED = 'chat: {"store": false} leaves no record'  # of DEFAULTS; the suite looks into the store


def version(client, environments):
    """The version of the client's package that is pinned."""
    (source, package), = client.packages.items()
    clients = environments.here / "clients"
    if source == "npm":
        return json.loads((clients / "node" / "package.json").read_text())["dependencies"][package]
    if source == "go":
        return re.search(re.escape(package) + r" v(\S+)", (clients / "go" / "go.mod").read_text())[1]
    pins = (clients / "python" / "requirements" / f"{source}.txt").read_text()
    return re.search(rf"^{re.escape(package)}==(\S+)$", pins, re.M)[1]


def run(client, environments, plain, guarded, log):
    """Runs a client and returns {case: {"result": pass|fail|absent, "detail": …}}. environments.Missing is raised where it cannot run."""
    words = client.program(environments)
    read, write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="nightshift-contract-client-") as home, open(log, "wb") as output:
        env = os.environ | {
            "CONTRACT_URL": plain.url, "CONTRACT_GUARDED_URL": guarded.url, "CONTRACT_KEY": guarded.key, "CONTRACT_USER": client.user,
            "CONTRACT_FD": str(write), "CONTRACT_HOME": home, "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
        }
        process = start(words, stdout=output, stderr=subprocess.STDOUT, pass_fds=[write], env=env, cwd=home)
        os.close(write)
        try:
            results = _follow(process, read, guarded)
        finally:
            end_group(process)
    return results


def _follow(process, read, guarded):
    results, load, hung = {}, None, threading.Event()

    def give_up():
        hung.set()
        end_group(process)

    with os.fdopen(read) as lines:
        try:
            while True:
                timer = threading.Timer(SILENCE_LIMIT, give_up)
                timer.daemon = True
                timer.start()
                line = lines.readline()
                timer.cancel()
                if not line:
                    break
                said = json.loads(line)
                if said["result"] == "begins":
                    results[said["case"]] = {"result": "fail", "detail": "the client ended within this case"}
                    if said["case"] == BUSY:
                        load = Load(guarded)
                    continue
                results[said["case"]] = {"result": said["result"], "detail": said.get("detail", "")}
                if load:
                    load.release()
                    load = None
        finally:
            if load:
                load.release()
    status = process.wait()
    if hung.is_set():
        status = f"nothing came for {SILENCE_LIMIT} s"
    if status != 0:
        results["end"] = {"result": "fail", "detail": f"the client ended badly: {status}"}
    return results
