"""LiteLLM's library."""

import asyncio
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # prices come with the package: it need not look for newer ones

import litellm  # noqa: E402

from contract import (FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, case, check, check_answer, check_longer,  # noqa: E402
                      check_raises, check_text, interaction_of, run, send_feedback, until_raises)


def ask(messages, url=URL, key="none", model="openai/default", **more):
    return litellm.completion(model=model, api_base=url, api_key=key, messages=messages, **more)


def asked(text=QUESTION):
    return [{"role": "user", "content": text}]


def tokens(response):
    return response.usage.prompt_tokens, response.usage.completion_tokens


@case("turn")
def turn():
    for provider in ("openai", "hosted_vllm", "litellm_proxy"):
        check_text(ask(asked(), model=f"{provider}/default").choices[0].message.content)
    check_text(asyncio.run(litellm.acompletion(model="openai/default", api_base=URL, api_key="none", messages=asked()))
               .choices[0].message.content)
    check_text(litellm.text_completion(model="text-completion-openai/default", api_base=URL, api_key="none", prompt="How long can I",
                                       max_tokens=8).choices[0].text)


@case("second turn")
def second_turn():
    first = ask(asked())
    for again in (first.choices[0].message, first.choices[0].message.model_dump()):
        for provider in ("openai", "hosted_vllm"):
            second = ask([*asked(), again, *asked(FOLLOW_UP)], model=f"{provider}/default")
            check_text(second.choices[0].message.content)
            check_longer(tokens(second), (first.usage.prompt_tokens, first.usage.completion_tokens))


@case("stream")
def stream():
    chunks = list(ask(asked(), stream=True))
    check_text("".join(c.choices[0].delta.content or "" for c in chunks))


@case("stream usage")
def stream_usage():
    chunks = list(ask(asked(), stream=True, stream_options={"include_usage": True}))
    check(chunks[-1].usage.completion_tokens > 0, "the last chunk has no usage")


@case("system")
def system():
    plain = ask(asked())
    for role in ("system", "developer"):
        answer = ask([{"role": role, "content": SYSTEM}, *asked()])
        check_text(answer.choices[0].message.content)
        check(tokens(answer)[0] > tokens(plain)[0], f"the {role} message is not in the prompt")


@case("parts")
def parts():
    content = [{"type": "text", "text": "How long can I"}, {"type": "text", "text": " return an item?"}]
    for provider in ("openai", "hosted_vllm"):
        check_answer(ask([{"role": "user", "content": content}], model=f"{provider}/default", temperature=0).choices[0].message.content)


@case("name")
def name():
    check_answer(ask([{"role": "user", "content": QUESTION, "name": "bob"}], temperature=0).choices[0].message.content)


@case("neutral")
def neutral():
    answer = ask(asked(), temperature=0, tools=[], tool_choice="none", response_format={"type": "text"}, parallel_tool_calls=True,
                 service_tier="auto", store=True, n=1, allowed_openai_params=["tools", "tool_choice", "parallel_tool_calls", "service_tier", "store"])
    check_answer(answer.choices[0].message.content)


@case("batch")
def batch():
    for answer in litellm.batch_completion(model="openai/default", api_base=URL, api_key="none", messages=[asked(), asked(FOLLOW_UP)]):
        check_text(answer.choices[0].message.content)
    both = litellm.text_completion(model="text-completion-openai/default", api_base=URL, api_key="none",
                                   prompt=["How long can I", "How much does"], max_tokens=4)
    check(len(both.choices) == 2, f"two prompts have {len(both.choices)} answers")


@case("models")
def models():
    found = litellm.get_valid_models(check_provider_endpoint=True, custom_llm_provider="openai", api_base=URL, api_key="none")
    check(any(m.endswith("default") for m in found), f"the list is {found}")


@case("user")
def user():
    check_text(ask(asked(), user=USER, allowed_openai_params=["user"]).choices[0].message.content)


@case("feedback")
def feedback():
    answer = ask(asked(), user=USER, allowed_openai_params=["user"])
    headers = answer._hidden_params["additional_headers"]
    interaction = interaction_of(answer.id)
    check(headers["llm_provider-x-nightshift-interaction"] == interaction, f"the id is of {interaction}, the header of {headers}")
    send_feedback(interaction, headers.get("llm_provider-x-nightshift-feedback-token"))
    send_feedback(interaction, answer.nightshift["feedback_token"])


@case("responses")
def responses():
    first = litellm.responses(model="openai/default", api_base=URL, api_key="none", input=QUESTION)
    check_text(first.output[0].content[0].text)
    second = litellm.responses(model="openai/default", api_base=URL, api_key="none", input=FOLLOW_UP, previous_response_id=first.id)
    check_text(second.output[0].content[0].text)
    events = list(litellm.responses(model="openai/default", api_base=URL, api_key="none", input=QUESTION, stream=True))
    check_text("".join(e.delta for e in events if e.type == "response.output_text.delta"))
    bridged = litellm.anthropic_messages if hasattr(litellm, "anthropic_messages") else litellm.anthropic.messages.acreate
    answer = asyncio.run(bridged(model="openai/default", api_base=URL, api_key="none", messages=asked(), max_tokens=32))
    check_text(answer["content"][0]["text"])


@case("400")
def bad_request():
    check_raises(litellm.BadRequestError, lambda: ask(asked(), temperature=9), "temperature")


@case("401")
def wrong_key():
    check_raises(litellm.AuthenticationError, lambda: ask(asked(), GUARDED_URL, "wrong"))
    check_text(ask(asked(), GUARDED_URL, KEY).choices[0].message.content)


@case("404")
def no_model():
    check_raises(litellm.NotFoundError, lambda: ask(asked(), model="openai/nope"), "nope")


@case("429")
def busy():
    until_raises(litellm.RateLimitError, lambda: ask(asked(), GUARDED_URL, KEY, max_retries=0))


run()
