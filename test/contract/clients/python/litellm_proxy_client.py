"""LiteLLM's proxy before the server, as a team runs it, and the openai package before the proxy."""

import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import openai
from openai import OpenAI

from contract import (FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, case, check, check_answer, check_longer, check_raises,
                      check_text, interaction_of, run, send_feedback, until_raises)

HOME = pathlib.Path(os.environ["CONTRACT_HOME"])
MASTER_KEY = "sk-" + secrets.token_hex(16)
START_LIMIT = 240  # seconds until the proxy must answer

CONFIG = f"""
model_list:
  - model_name: default
    litellm_params: {{model: openai/default, api_base: "{URL}", api_key: none, allowed_openai_params: [user]}}
  - model_name: guarded
    litellm_params: {{model: openai/default, api_base: "{GUARDED_URL}", api_key: "{KEY}", max_retries: 0}}
  - model_name: wrong-key
    litellm_params: {{model: openai/default, api_base: "{GUARDED_URL}", api_key: wrong}}
  - model_name: nope
    litellm_params: {{model: openai/nope, api_base: "{URL}", api_key: none}}
general_settings: {{master_key: "{MASTER_KEY}"}}
litellm_settings:
  num_retries: 0
router_settings:
  num_retries: 0
  disable_cooldowns: true
"""


def start():
    (HOME / "config.yaml").write_text(CONFIG)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    environment.pop("DATABASE_URL", None)
    process = subprocess.Popen([pathlib.Path(sys.executable).parent / "litellm", "--config", HOME / "config.yaml", "--host", "127.0.0.1",
                                "--port", str(port)], env=environment, cwd=HOME)
    address = f"http://127.0.0.1:{port}"
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        check(process.poll() is None, "the proxy has ended")
        try:
            with urllib.request.urlopen(address + "/health/liveliness"):
                return process, address
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the proxy did not answer within {START_LIMIT} s")


proxy, ADDRESS = start()
client = OpenAI(base_url=ADDRESS, api_key=MASTER_KEY, max_retries=0)
ask = client.chat.completions.create


def asked(text=QUESTION):
    return [{"role": "user", "content": text}]


@case("turn")
def turn():
    check_text(ask(model="default", messages=asked()).choices[0].message.content)


@case("second turn")
def second_turn():
    first = ask(model="default", messages=asked())
    for again in (first.choices[0].message, first.choices[0].message.model_dump()):
        second = ask(model="default", messages=[*asked(), again, *asked(FOLLOW_UP)])
        check_text(second.choices[0].message.content)
        check_longer((second.usage.prompt_tokens, 0), (first.usage.prompt_tokens, first.usage.completion_tokens))


@case("stream")
def stream():
    chunks = list(ask(model="default", messages=asked(), stream=True))
    check_text("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))


@case("stream usage")
def stream_usage():
    chunks = list(ask(model="default", messages=asked(), stream=True, stream_options={"include_usage": True}))
    check(any(c.usage and c.usage.completion_tokens > 0 for c in chunks), "no chunk has usage")


@case("system")
def system():
    plain = ask(model="default", messages=asked())
    for role in ("system", "developer"):
        answer = ask(model="default", messages=[{"role": role, "content": SYSTEM}, *asked()])
        check_text(answer.choices[0].message.content)
        check(answer.usage.prompt_tokens > plain.usage.prompt_tokens, f"the {role} message is not in the prompt")


@case("parts")
def parts():
    content = [{"type": "text", "text": "How long can I"}, {"type": "text", "text": " return an item?"}]
    check_answer(ask(model="default", messages=[{"role": "user", "content": content}], temperature=0).choices[0].message.content)


@case("name")
def name():
    check_answer(ask(model="default", messages=[{"role": "user", "content": QUESTION, "name": "bob"}], temperature=0).choices[0].message.content)


@case("neutral")
def neutral():
    answer = ask(model="default", messages=asked(), temperature=0, tools=[], parallel_tool_calls=True, response_format={"type": "text"},
                 service_tier="auto", store=True, n=1, logit_bias={}, metadata={})
    check_answer(answer.choices[0].message.content)


@case("batch")
def batch():
    both = client.completions.create(model="default", prompt=["How long can I", "How much does"], max_tokens=4)
    check(len(both.choices) == 2, f"two prompts have {len(both.choices)} answers")


@case("models")
def models():
    check("default" in [m.id for m in client.models.list()], "the list has no default")


@case("user")
def user():
    check_text(ask(model="default", messages=asked(), user=USER).choices[0].message.content)


@case("feedback")
def feedback():
    answer = ask(model="default", messages=asked(), user=USER)
    send_feedback(interaction_of(answer.id), answer.model_extra["nightshift"]["feedback_token"])
    raw = client.chat.completions.with_raw_response.create(model="default", messages=asked(), user=USER)
    send_feedback(interaction_of(raw.parse().id), raw.headers.get("llm_provider-x-nightshift-feedback-token"))


@case("responses")
def responses():
    first = client.responses.create(model="default", input=QUESTION)
    check_text(first.output_text)
    check_text(client.responses.create(model="default", input=FOLLOW_UP, previous_response_id=first.id).output_text)
    with client.responses.stream(model="default", input=QUESTION) as events:
        check_text("".join(e.delta for e in events if e.type == "response.output_text.delta"))


@case("400")
def bad_request():
    check_raises(openai.BadRequestError, lambda: ask(model="default", messages=asked(), temperature=9), "temperature")


@case("401")
def wrong_key():
    check_raises(openai.AuthenticationError, lambda: ask(model="wrong-key", messages=asked()))
    check_text(ask(model="guarded", messages=asked()).choices[0].message.content)


@case("404")
def no_model():
    check_raises(openai.NotFoundError, lambda: ask(model="nope", messages=asked()), "nope")


@case("429")
def busy():
    until_raises(openai.RateLimitError, lambda: ask(model="guarded", messages=asked()))


try:
    run()
finally:
    proxy.terminate()
    proxy.wait()
