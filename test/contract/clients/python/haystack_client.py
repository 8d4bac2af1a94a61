"""Haystack: OpenAIChatGenerator and OpenAIGenerator."""

import openai
from haystack import Pipeline
from haystack.components.generators.chat import OpenAIChatGenerator, OpenAIResponsesChatGenerator
from haystack.dataclasses import ChatMessage
from haystack.utils import Secret

from contract import (FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, absent, case, check, check_answer, check_longer,
                      check_raises, check_text, run, send_feedback, until_raises)

absent("batch", "one conversation a run")
absent("models", "lists no models")


def generator(url=URL, key="none", model="default", kind=OpenAIChatGenerator, **more):
    return kind(api_key=Secret.from_token(key), model=model, api_base_url=url, **more)


def reply(messages, **more):
    return generator(**more).run(messages)["replies"][0]


def ask(text=QUESTION):
    return [ChatMessage.from_user(text)]


def tokens(message):
    return message.meta["usage"]["prompt_tokens"], message.meta["usage"]["completion_tokens"]


@case("turn")
def turn():
    check_text(reply(ask()).text)
    pipeline = Pipeline()
    pipeline.add_component("llm", generator())
    check_text(pipeline.run({"llm": {"messages": ask()}})["llm"]["replies"][0].text)


@case("second turn")
def second_turn():
    first = reply(ask())
    second = reply([*ask(), first, *ask(FOLLOW_UP)])
    check_text(second.text)
    check_longer(tokens(second), tokens(first))


@case("stream")
def stream():
    pieces = []
    answer = reply(ask(), streaming_callback=lambda c: pieces.append(c.content))
    check(answer.text == check_text("".join(pieces)), "the pieces are not the answer")


@case("stream usage")
def stream_usage():
    options = {"stream_options": {"include_usage": True}}
    answer = reply(ask(), streaming_callback=lambda c: None, generation_kwargs=options)
    check(answer.meta["usage"]["completion_tokens"] > 0, f"usage is {answer.meta['usage']}")


@case("system")
def system():
    answer = reply([ChatMessage.from_system(SYSTEM), *ask()])
    check_text(answer.text)
    check(tokens(answer)[0] > tokens(reply(ask()))[0], "the system message is not in the prompt")


@case("parts")
def parts():
    message = ChatMessage.from_user(content_parts=["How long can I", " return an item?"])
    check_answer(reply([message], generation_kwargs={"temperature": 0}).text)


@case("name")
def name():
    check_answer(reply([ChatMessage.from_user(QUESTION, name="bob")], generation_kwargs={"temperature": 0}).text)


@case("neutral")
def neutral():
    options = {"temperature": 0, "n": 1, "parallel_tool_calls": False, "store": False, "response_format": {"type": "text"}}
    check_answer(reply(ask(), tools=[], generation_kwargs=options).text)


@case("user")
def user():
    check_text(reply(ask(), generation_kwargs={"user": USER}).text)


@case("feedback")
def feedback():
    heads = []
    asking = generator(generation_kwargs={"user": USER}, http_client_kwargs={"event_hooks": {"response": [lambda r: heads.append(r.headers)]}})
    check_text(asking.run(ask())["replies"][0].text)
    send_feedback(heads[0]["x-nightshift-interaction"], heads[0].get("x-nightshift-feedback-token"))


@case("responses")
def responses():
    first = reply(ask(), kind=OpenAIResponsesChatGenerator)
    check_text(first.text)
    check_text(reply([*ask(), first, *ask(FOLLOW_UP)], kind=OpenAIResponsesChatGenerator).text)
    pieces = []
    reply(ask(), kind=OpenAIResponsesChatGenerator, streaming_callback=lambda c: pieces.append(c.content))
    check_text("".join(pieces))


@case("400")
def bad_request():
    check_raises(openai.BadRequestError, lambda: reply(ask(), generation_kwargs={"temperature": 9}), "temperature")


@case("401")
def wrong_key():
    check_raises(openai.AuthenticationError, lambda: reply(ask(), url=GUARDED_URL, key="wrong"))
    check_text(reply(ask(), url=GUARDED_URL, key=KEY).text)


@case("404")
def no_model():
    check_raises(openai.NotFoundError, lambda: reply(ask(), model="nope"), "nope")


@case("429")
def busy():
    until_raises(openai.RateLimitError, lambda: reply(ask(), url=GUARDED_URL, key=KEY, max_retries=0))


run()
