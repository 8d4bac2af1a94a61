"""LangChain: ChatOpenAI and OpenAI of langchain-openai."""

import openai
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI, OpenAI

from contract import (FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, case, check, check_answer, check_longer, check_raises,
                      check_text, interaction_of, run, send_feedback, until_raises)


def chat(url=URL, key="none", **more):
    return ChatOpenAI(model="default", base_url=url, api_key=key, **more)


def tokens(message):
    return message.usage_metadata["input_tokens"], message.usage_metadata["output_tokens"]


@case("turn")
def turn():
    check_text(chat().invoke(QUESTION).content)


@case("second turn")
def second_turn():
    messages = [HumanMessage(QUESTION)]
    first = chat().invoke(messages)
    second = chat().invoke([*messages, first, HumanMessage(FOLLOW_UP)])
    check_text(second.content)
    check_longer(tokens(second), tokens(first))


@case("stream")
def stream():
    check_text("".join(c.content for c in chat().stream(QUESTION)))


@case("stream usage")
def stream_usage():
    pieces = list(chat(stream_usage=True).stream(QUESTION))
    total = sum(p.usage_metadata["output_tokens"] for p in pieces if p.usage_metadata)
    check(total > 0, "the stream has no usage")


@case("system")
def system():
    answer = chat().invoke([SystemMessage(SYSTEM), HumanMessage(QUESTION)])
    check_text(answer.content)
    check(tokens(answer)[0] > tokens(chat().invoke(QUESTION))[0], "the system message is not in the prompt")


@case("parts")
def parts():
    content = [{"type": "text", "text": "How long can I"}, {"type": "text", "text": " return an item?"}]
    check_answer(chat(temperature=0).invoke([HumanMessage(content)]).content)
    history = [HumanMessage(QUESTION), AIMessage([{"type": "text", "text": "Within 30 days."}]), HumanMessage(FOLLOW_UP)]
    check_text(chat().invoke(history).content)


@case("name")
def name():
    check_answer(chat(temperature=0).invoke([HumanMessage(QUESTION, name="bob")]).content)


@case("neutral")
def neutral():
    check_answer(chat(temperature=0).bind_tools([]).invoke(QUESTION).content)
    check_answer(chat(temperature=0, n=1, store=False, service_tier="default", verbosity="medium", reasoning_effort="none")
                 .bind(response_format={"type": "text"}).invoke(QUESTION).content)


@case("batch")
def batch():
    for answer in chat().batch([QUESTION, FOLLOW_UP]):
        check_text(answer.content)
    raw = OpenAI(model="default", base_url=URL, api_key="none", max_tokens=8)
    check_text(raw.invoke("How long"))
    check(len(raw.batch(["How long can I", "How much does"])) == 2, "two prompts have not two answers")


@case("models")
def models():
    check("default" in [m.id for m in chat().root_client.models.list()], "the list has no default")


@case("user")
def user():
    check_text(chat().invoke(QUESTION, user=USER).content)


@case("feedback")
def feedback():
    answer = chat(include_response_headers=True).invoke(QUESTION, user=USER)
    headers = answer.response_metadata["headers"]
    interaction = interaction_of(answer.response_metadata["id"])
    check(headers["x-nightshift-interaction"] == interaction, f"the id is of {interaction}, the header of {headers}")
    send_feedback(interaction, headers.get("x-nightshift-feedback-token"))


@case("responses")
def responses():
    by_responses = chat(use_responses_api=True)
    first = by_responses.invoke(QUESTION)
    check_text(first.text)
    second = by_responses.invoke([HumanMessage(QUESTION), first, HumanMessage(FOLLOW_UP)])
    check_text(second.text)
    check_longer(tokens(second), tokens(first))
    check_text("".join(p.text for p in by_responses.stream(QUESTION)))
    by_id = chat(use_responses_api=True, use_previous_response_id=True)
    check_text(by_id.invoke([HumanMessage(QUESTION), first, HumanMessage(FOLLOW_UP)]).text)


@case("400")
def bad_request():
    check_raises(openai.BadRequestError, lambda: chat(temperature=9).invoke(QUESTION), "temperature")

    def weather(city: str) -> str:
        """The weather of a city."""
        return city

    check_raises(openai.BadRequestError, lambda: chat().bind_tools([weather]).invoke(QUESTION), "tools")
    schema = {"title": "answer", "type": "object", "properties": {"days": {"type": "integer"}}}
    check_raises(openai.BadRequestError, lambda: chat().with_structured_output(schema, method="json_schema").invoke(QUESTION), "response_format")


@case("401")
def wrong_key():
    check_raises(openai.AuthenticationError, lambda: chat(GUARDED_URL, "wrong").invoke(QUESTION))
    check_text(chat(GUARDED_URL, KEY).invoke(QUESTION).content)


@case("404")
def no_model():
    check_raises(openai.NotFoundError, lambda: ChatOpenAI(model="nope", base_url=URL, api_key="none").invoke(QUESTION), "nope")


@case("429")
def busy():
    until_raises(openai.RateLimitError, lambda: chat(GUARDED_URL, KEY, max_retries=0).invoke(QUESTION))


run()
