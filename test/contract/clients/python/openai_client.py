"""The openai package, synchronous and asynchronous."""

import asyncio

import openai
from openai import AsyncOpenAI, OpenAI

from contract import (FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, case, check, check_answer, check_longer,
                      check_raises, check_text, run, until_raises)

client = OpenAI(base_url=URL, api_key="none")
guarded = OpenAI(base_url=GUARDED_URL, api_key=KEY, max_retries=0)
ask = client.chat.completions.create


def asked(text=QUESTION):
    return [{"role": "user", "content": text}]


@case("turn")
def turn():
    answer = ask(model="default", messages=asked())
    check_text(answer.choices[0].message.content)
    check(answer.choices[0].finish_reason == "stop", answer.choices[0].finish_reason)

    async def later():
        async with AsyncOpenAI(base_url=URL, api_key="none") as c:
            return await c.chat.completions.create(model="default", messages=asked())

    check_text(asyncio.run(later()).choices[0].message.content)


@case("second turn")
def second_turn():
    messages = asked()
    first = ask(model="default", messages=messages)
    follow_up = asked(FOLLOW_UP)
    for again in (first.choices[0].message, first.choices[0].message.model_dump(), first.choices[0].message.to_dict()):
        second = ask(model="default", messages=[*messages, again, *follow_up])
        check_text(second.choices[0].message.content)
        check_longer((second.usage.prompt_tokens, 0), (first.usage.prompt_tokens, first.usage.completion_tokens))


@case("stream")
def stream():
    chunks = list(ask(model="default", messages=asked(), stream=True))
    check_text("".join(c.choices[0].delta.content or "" for c in chunks if c.choices))
    with client.chat.completions.stream(model="default", messages=asked()) as events:
        for _ in events:
            pass
        check_text(events.get_final_completion().choices[0].message.content)


@case("stream usage")
def stream_usage():
    chunks = list(ask(model="default", messages=asked(), stream=True, stream_options={"include_usage": True}))
    check(chunks[-1].usage and chunks[-1].usage.completion_tokens > 0, f"the last chunk has usage {chunks[-1].usage}")


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
    answer = ask(model="default", messages=[{"role": "user", "content": content}], temperature=0)
    check_answer(answer.choices[0].message.content)


@case("name")
def name():
    answer = ask(model="default", messages=[{"role": "user", "content": QUESTION, "name": "bob"}], temperature=0)
    check_answer(answer.choices[0].message.content)


@case("neutral")
def neutral():
    answer = ask(model="default", messages=asked(), temperature=0, tools=[], tool_choice="none", parallel_tool_calls=True,
                 response_format={"type": "text"}, service_tier="auto", modalities=["text"], verbosity="medium",
                 reasoning_effort="none", metadata={}, logit_bias={}, stop=None, n=1, top_logprobs=None)
    check_answer(answer.choices[0].message.content)


@case("batch")
def batch():
    both = client.completions.create(model="default", prompt=["How long can I", "How much does"], max_tokens=4)
    check([c.index for c in both.choices] == [0, 1], f"choices {[c.index for c in both.choices]}")
    several = ask(model="default", messages=asked(), n=3)
    check([c.index for c in several.choices] == [0, 1, 2], f"choices {[c.index for c in several.choices]}")


@case("models")
def models():
    check("default" in [m.id for m in client.models.list()], "the list has no default")
    check(client.models.retrieve("default").id == "default", "default cannot be retrieved")


@case("user")
def user():
    check_text(ask(model="default", messages=asked(), user=USER).choices[0].message.content)
    check_text(ask(model="default", messages=asked(), safety_identifier=USER).choices[0].message.content)


@case("feedback")
def feedback():
    answer = ask(model="default", messages=asked(), user=USER)
    origin = answer.model_extra["nightshift"]
    rate(origin["interaction"], origin["feedback_token"])
    raw = client.chat.completions.with_raw_response.create(model="default", messages=asked(), user=USER)
    rate(raw.headers["X-Nightshift-Interaction"], raw.headers.get("X-Nightshift-Feedback-Token"))
    chunks = list(ask(model="default", messages=asked(), user=USER, stream=True))
    origin = chunks[-1].model_extra["nightshift"]
    rate(origin["interaction"], origin["feedback_token"])


def rate(interaction, token):
    check(token, f"there is no token for {interaction}")
    result = client.post("/feedback", cast_to=object, body={"interaction": interaction, "token": token, "rating": "up"})
    check(result["accepted"] == 1, f"the answer to feedback is {result}")


@case("responses")
def responses():
    check_answer(client.responses.create(model="default", input=QUESTION, temperature=0).output_text)
    first = client.responses.create(model="default", input=QUESTION, instructions=SYSTEM)
    check_text(first.output_text)
    by_id = client.responses.create(model="default", input=FOLLOW_UP, previous_response_id=first.id)
    check_text(by_id.output_text)
    check_longer((by_id.usage.input_tokens, 0), (len(QUESTION.split()), first.usage.output_tokens))
    resent = client.responses.create(model="default", input=[*asked(), *first.output, *asked(FOLLOW_UP)])
    check_text(resent.output_text)
    with client.responses.stream(model="default", input=QUESTION) as events:
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        check(events.get_final_response().output_text == check_text(text), "the pieces are not the answer")


@case("400")
def bad_request():
    function = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    check_raises(openai.BadRequestError, lambda: ask(model="default", messages=asked(), tools=[function]), "tools")
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
    check_raises(openai.BadRequestError, lambda: ask(model="default", messages=asked(), response_format=schema), "response_format")
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    check_raises(openai.BadRequestError, lambda: ask(model="default", messages=[{"role": "user", "content": image}]),
                 "images are not supported")
    error = check_raises(openai.BadRequestError, lambda: ask(model="default", messages=asked(), temperature=9), "temperature")
    check(error.param == "temperature" and error.code and error.type, f"param {error.param}, code {error.code}, type {error.type}")


@case("401")
def wrong_key():
    check_raises(openai.AuthenticationError, lambda: OpenAI(base_url=GUARDED_URL, api_key="wrong").models.list())
    check_text(guarded.chat.completions.create(model="default", messages=asked()).choices[0].message.content)


@case("404")
def no_model():
    check_raises(openai.NotFoundError, lambda: ask(model="nope", messages=asked()), "nope")


@case("429")
def busy():
    error = until_raises(openai.RateLimitError, lambda: guarded.chat.completions.create(model="default", messages=asked()))
    check(int(error.response.headers["Retry-After"]) >= 1, "Retry-After is missing")


run()
