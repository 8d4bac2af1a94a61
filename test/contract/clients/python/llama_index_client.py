"""LlamaIndex: OpenAILike of llama-index-llms-openai-like."""

import openai
from llama_index.core.base.llms.types import ChatMessage, TextBlock
from llama_index.core.chat_engine import SimpleChatEngine
from llama_index.llms.openai_like import OpenAILike

from contract import (FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, absent, case, check, check_answer, check_longer,
                      check_raises, check_text, interaction_of, run, send_feedback, until_raises)

absent("batch", "one request an answer; complete() takes one prompt")
absent("models", "lists no models")


def model(url=URL, key="none", **more):
    return OpenAILike(model="default", api_base=url, api_key=key, is_chat_model=True, **more)


def ask(text=QUESTION):
    return [ChatMessage(role="user", content=text)]


def tokens(response):
    return response.raw.usage.prompt_tokens, response.raw.usage.completion_tokens


@case("turn")
def turn():
    check_text(model().chat(ask()).message.content)
    check_text(model().complete(QUESTION).text)
    raw = OpenAILike(model="default", api_base=URL, api_key="none")
    check_text(raw.complete("How long can I").text)


@case("second turn")
def second_turn():
    first = model().chat(ask())
    second = model().chat([*ask(), first.message, *ask(FOLLOW_UP)])
    check_text(second.message.content)
    check_longer(tokens(second), tokens(first))
    engine = SimpleChatEngine.from_defaults(llm=model(), system_prompt=SYSTEM)
    check_text(str(engine.chat(QUESTION)))
    check_text(str(engine.chat(FOLLOW_UP)))


@case("stream")
def stream():
    check_text("".join(c.delta or "" for c in model().stream_chat(ask())))
    check_text("".join(c.delta or "" for c in model().stream_complete(QUESTION)))


@case("stream usage")
def stream_usage():
    last = list(model(additional_kwargs={"stream_options": {"include_usage": True}}).stream_chat(ask()))[-1]
    check(last.raw.usage and last.raw.usage.completion_tokens > 0, f"the last chunk has usage {last.raw.usage}")


@case("system")
def system():
    answer = model().chat([ChatMessage(role="system", content=SYSTEM), *ask()])
    check_text(answer.message.content)
    check(tokens(answer)[0] > tokens(model().chat(ask()))[0], "the system message is not in the prompt")


@case("parts")
def parts():
    message = ChatMessage(role="user", blocks=[TextBlock(text="How long can I"), TextBlock(text=" return an item?")])
    check_answer(model(temperature=0).chat([message]).message.content)


@case("name")
def name():
    message = ChatMessage(role="user", content=QUESTION, additional_kwargs={"name": "bob"})
    check_answer(model(temperature=0).chat([message]).message.content)


@case("neutral")
def neutral():
    more = {"tools": [], "response_format": {"type": "text"}, "parallel_tool_calls": False}
    check_answer(model(temperature=0, additional_kwargs=more).chat(ask()).message.content)


@case("user")
def user():
    check_text(model(additional_kwargs={"user": USER}).chat(ask()).message.content)


@case("feedback")
def feedback():
    answer = model(additional_kwargs={"user": USER}).chat(ask())
    origin = answer.raw.nightshift
    check(origin["interaction"] == interaction_of(answer.raw.id), f"the id {answer.raw.id} is not of {origin}")
    send_feedback(origin["interaction"], origin["feedback_token"])
    last = list(model(additional_kwargs={"user": USER}).stream_chat(ask()))[-1]
    send_feedback(last.raw.nightshift["interaction"], last.raw.nightshift["feedback_token"])


absent("responses", "OpenAILike calls chats and completions only")


@case("400")
def bad_request():
    check_raises(openai.BadRequestError, lambda: model(temperature=2, additional_kwargs={"top_p": 9}).chat(ask()), "top_p")


@case("401")
def wrong_key():
    check_raises(openai.AuthenticationError, lambda: model(GUARDED_URL, "wrong").chat(ask()))
    check_text(model(GUARDED_URL, KEY).chat(ask()).message.content)


@case("404")
def no_model():
    check_raises(openai.NotFoundError, lambda: OpenAILike(model="nope", api_base=URL, api_key="none", is_chat_model=True).chat(ask()), "nope")


@case("429")
def busy():
    until_raises(openai.RateLimitError, lambda: model(GUARDED_URL, KEY, max_retries=0).chat(ask()))


run()
