"""llm: its Python library with extra-openai-models.yaml, and its command."""

import os
import pathlib
import subprocess
import sys

HOME = pathlib.Path(os.environ["CONTRACT_HOME"])
os.environ["LLM_USER_PATH"] = str(HOME)

from contract import (FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, absent, case, check, check_answer, check_longer,  # noqa: E402
                      check_raises, check_text, interaction_of, run, send_feedback, until_raises)

(HOME / "extra-openai-models.yaml").write_text(f"""
- {{model_id: nightshift, model_name: default, api_base: "{URL}"}}
- {{model_id: nightshift-responses, model_name: default, api_base: "{URL}", responses: true}}
- {{model_id: nightshift-completion, model_name: default, api_base: "{URL}", completion: true}}
- {{model_id: guarded, model_name: default, api_base: "{GUARDED_URL}", api_key_name: guarded}}
- {{model_id: nope, model_name: nope, api_base: "{URL}"}}
""")

import llm  # noqa: E402
import openai  # noqa: E402

absent("parts", "a prompt is one text; parts are for attachments")
absent("name", "messages have no name")
absent("batch", "one prompt a call")
absent("user", "has no option for the person who asks")


def command(*words):
    program = pathlib.Path(sys.executable).parent / "llm"
    done = subprocess.run([program, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    check(done.returncode == 0, f"llm {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def tokens(response):
    usage = response.usage()
    return usage.input, usage.output


@case("turn")
def turn():
    check_text(llm.get_model("nightshift").prompt(QUESTION, stream=False).text())
    check_text(command("-m", "nightshift", "--no-stream", QUESTION))
    check_text(llm.get_model("nightshift-completion").prompt("How long can I", max_tokens=8).text())


@case("second turn")
def second_turn():
    conversation = llm.get_model("nightshift").conversation()
    first = conversation.prompt(QUESTION)
    check_text(first.text())
    second = conversation.prompt(FOLLOW_UP)
    check_text(second.text())
    check_longer(tokens(second), tokens(first))
    command("-m", "nightshift", QUESTION)
    check_text(command("-c", FOLLOW_UP))


@case("stream")
def stream():
    check_text("".join(llm.get_model("nightshift").prompt(QUESTION, stream=True)))
    check_text(command("-m", "nightshift", QUESTION))
    check_text(command("openai", "endpoint", URL, "-m", "default", QUESTION))


@case("stream usage")
def stream_usage():
    answer = llm.get_model("nightshift").prompt(QUESTION, stream=True)
    answer.text()
    check(tokens(answer)[1], f"usage is {answer.usage()}")


@case("system")
def system():
    answer, plain = llm.get_model("nightshift").prompt(QUESTION, system=SYSTEM), llm.get_model("nightshift").prompt(QUESTION)
    check_text(answer.text())
    plain.text()
    check(tokens(answer)[0] > tokens(plain)[0], "the system message is not in the prompt")


@case("neutral")
def neutral():
    check_answer(llm.get_model("nightshift").prompt(QUESTION, temperature=0, top_p=1, frequency_penalty=0, presence_penalty=0, logit_bias={}).text())
    check_answer(command("-m", "nightshift", "-o", "temperature", "0", "-o", "max_tokens", "32", QUESTION))


@case("models")
def models():
    check("default" in command("openai", "endpoint", URL, "--models"), "the list has no default")


@case("feedback")
def feedback():
    answer = llm.get_model("nightshift").prompt(QUESTION, stream=False)
    answer.text()
    origin = answer.json()["nightshift"]
    check(origin["interaction"] == interaction_of(answer.json()["id"]), f"the id {answer.json()['id']} is not of {origin}")
    send_feedback(origin["interaction"], origin["feedback_token"])
    streamed = llm.get_model("nightshift").prompt(QUESTION, stream=True)
    streamed.text()
    interaction_of(streamed.json()["id"])  # a stream keeps the id alone, which is enough for whoever has a key with the role feedback


@case("responses")
def responses():
    conversation = llm.get_model("nightshift-responses").conversation()
    check_text(conversation.prompt(QUESTION).text())
    check_text(conversation.prompt(FOLLOW_UP).text())
    check_text(conversation.prompt(FOLLOW_UP, stream=False).text())
    check_text(command("openai", "endpoint", URL, "-m", "default", "--responses", QUESTION))


@case("400")
def bad_request():
    check_raises(openai.BadRequestError, lambda: llm.get_model("nightshift").prompt("x " * 4000).text(), "context")


@case("401")
def wrong_key():
    check_raises(openai.AuthenticationError, lambda: llm.get_model("guarded").prompt(QUESTION, key="wrong").text())
    check_text(llm.get_model("guarded").prompt(QUESTION, key=KEY).text())


@case("404")
def no_model():
    check_raises(openai.NotFoundError, lambda: llm.get_model("nope").prompt(QUESTION).text(), "nope")


@case("429")
def busy():
    os.environ["OPENAI_MAX_RETRIES"] = "0"
    until_raises(openai.RateLimitError, lambda: llm.get_model("guarded").prompt(QUESTION, key=KEY).text())


run()
