"""pydantic-ai: Agent over OpenAIChatModel and OpenAIResponsesModel."""

import asyncio

from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from contract import (FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, absent, case, check, check_answer, check_longer,
                      check_raises, check_text, interaction_of, run, send_feedback, until_raises)

absent("name", "messages have no name")
absent("batch", "one conversation a run")
absent("models", "lists no models")


def agent(url=URL, key="none", model="default", kind=OpenAIChatModel, http_client=None, **more):
    return Agent(kind(model, provider=OpenAIProvider(base_url=url, api_key=key, http_client=http_client)), **more)


def tokens(result):
    return result.usage().input_tokens, result.usage().output_tokens


@case("turn")
def turn():
    check_text(agent().run_sync(QUESTION).output)


@case("second turn")
def second_turn():
    first = agent().run_sync(QUESTION)
    second = agent().run_sync(FOLLOW_UP, message_history=first.all_messages())
    check_text(second.output)
    check_longer(tokens(second), tokens(first))


async def streamed(a):
    async with a.run_stream(QUESTION) as answer:
        return [p async for p in answer.stream_text(delta=True)], answer.usage()


@case("stream")
def stream():
    check_text("".join(asyncio.run(streamed(agent()))[0]))


@case("stream usage")
def stream_usage():
    _, usage = asyncio.run(streamed(agent()))
    check(usage.output_tokens > 0, f"usage is {usage}")


@case("system")
def system():
    plain = agent().run_sync(QUESTION)
    for with_system in (agent(system_prompt=SYSTEM), agent(instructions=SYSTEM)):
        answer = with_system.run_sync(QUESTION)
        check_text(answer.output)
        check(tokens(answer)[0] > tokens(plain)[0], "the system message is not in the prompt")


@case("parts")
def parts():
    check_text(agent(model_settings={"temperature": 0}).run_sync(["How long can I", " return an item?"]).output)


@case("neutral")
def neutral():
    settings = {"temperature": 0, "parallel_tool_calls": True, "openai_store": False, "openai_service_tier": "auto", "logit_bias": {}}
    check_answer(agent(tools=[], model_settings=settings).run_sync(QUESTION).output)


@case("user")
def user():
    check_text(agent(model_settings={"openai_user": USER}).run_sync(QUESTION).output)


@case("feedback")
def feedback():
    heads = []

    async def keep(response):
        heads.append(response.headers)

    asking = agent(http_client=DefaultAsyncHttpxClient(event_hooks={"response": [keep]}), model_settings={"openai_user": USER})
    answer = asking.run_sync(QUESTION)
    interaction = interaction_of(answer.response.provider_response_id)
    check(heads[0]["x-nightshift-interaction"] == interaction, f"the id is of {interaction}, the header of {heads[0]}")
    send_feedback(interaction, heads[0].get("x-nightshift-feedback-token"))


@case("responses")
def responses():
    first = agent(kind=OpenAIResponsesModel).run_sync(QUESTION)
    check_text(first.output)
    second = agent(kind=OpenAIResponsesModel).run_sync(FOLLOW_UP, message_history=first.all_messages())
    check_text(second.output)
    check_longer(tokens(second), tokens(first))
    check_text("".join(asyncio.run(streamed(agent(kind=OpenAIResponsesModel)))[0]))


def status(function):
    return check_raises(ModelHTTPError, function).status_code


@case("400")
def bad_request():
    check_raises(ModelHTTPError, lambda: agent(model_settings={"temperature": 9}).run_sync(QUESTION), "400", "temperature")


@case("401")
def wrong_key():
    check(status(lambda: agent(GUARDED_URL, "wrong").run_sync(QUESTION)) == 401, "another status")
    check_text(agent(GUARDED_URL, KEY).run_sync(QUESTION).output)


@case("404")
def no_model():
    check(status(lambda: agent(model="nope").run_sync(QUESTION)) == 404, "another status")


@case("429")
def busy():
    provider = OpenAIProvider(openai_client=AsyncOpenAI(base_url=GUARDED_URL, api_key=KEY, max_retries=0))
    impatient = Agent(OpenAIChatModel("default", provider=provider))
    error = until_raises(ModelHTTPError, lambda: impatient.run_sync(QUESTION))
    check(error.status_code == 429, f"status {error.status_code}")


run()
