"""Fields at the values that change nothing, sent by the openai package: each answer is bit for bit the one without.

Compared is all that an answer has but ids, times, the feedback token and how long it took: texts, log-probabilities, ends, usage.
"""

import json

from openai import OpenAI

from contract import ANSWER, FOLLOW_UP, QUESTION, URL, USER, case, check, run

client = OpenAI(base_url=URL, api_key="none", max_retries=0)

OWN = ("id", "created", "nightshift", "timings", "created_at", "completed_at")  # of each answer


def bare(answer):
    body = json.loads(answer.to_json())
    for name in OWN:
        body.pop(name, None)
    return body


def pieces(chunks):
    """What a stream says, chunk by chunk."""
    return [bare(c) for c in chunks]


def conversation(**note):
    return [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "Within 30 days.", **note},
            {"role": "user", "content": FOLLOW_UP}]


CHAT = {"model": "default", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0}
WITH_LOGPROBS = {"logprobs": True, "top_logprobs": 3}


def chat(more, base=CHAT):
    """The answers in one piece, with log-probabilities unless the field is about them, and streamed."""
    logprobs = {} if {"logprobs", "top_logprobs"} & set(more) else WITH_LOGPROBS
    whole = client.chat.completions.create(**base, extra_body={**logprobs, **more})
    options = {"stream": True, "stream_options": {"include_usage": True, **more.get("stream_options", {})}}
    streamed = client.chat.completions.create(**base, extra_body={**logprobs, **more, **options})
    return bare(whole), pieces(streamed)


RAW = {"model": "default", "prompt": "How long can I", "temperature": 0, "max_tokens": 12}


def raw(more, base=RAW):
    logprobs = {} if "logprobs" in more else {"logprobs": 3}
    whole = client.completions.create(**base, extra_body={**logprobs, **more})
    streamed = client.completions.create(**base, extra_body={**logprobs, **more, "stream": True})
    return bare(whole), pieces(streamed)


RESPONSE = {"model": "default", "input": QUESTION, "temperature": 0}


def response(more, base=RESPONSE):
    return client.responses.create(**base, extra_body=more).output_text


IN_ALL = [
    {"service_tier": "auto"}, {"service_tier": "default"}, {"store": None}, {"safety_identifier": "bob"}, {"prompt_cache_key": "page"},
    {"user": ""}, {"user": None}, {"metadata": {}}, {"a_field_that_nobody_knows": None},
]

IN_COMPLETIONS = [  # chats and raw completions
    {"n": 1}, {"n": None}, {"n": 1.0}, {"best_of": 1}, {"echo": False}, {"stop": ""}, {"stop": []}, {"stop": None}, {"seed": None},
    {"frequency_penalty": 0}, {"presence_penalty": 0.0}, {"logit_bias": {}}, {"logit_bias": None}, {"stream_options": None}, {"top_p": 1},
    {"top_k": -1}, {"min_p": 0}, {"repetition_penalty": 1}, {"skip_special_tokens": True}, {"length_penalty": 1}, {"use_beam_search": False},
    {"include_stop_str_in_output": False}, {"stop_token_ids": []}, {"prompt_logprobs": None}, {"guided_json": None},
    {"structured_outputs": None}, {"priority": 0},
]

IN_CHATS = [
    {"max_tokens": -1}, {"max_tokens": 1024}, {"max_tokens": 1024.0}, {"max_completion_tokens": None}, {"max_tokens": None},
    {"tools": []}, {"tools": None}, {"functions": []}, {"tool_choice": "none"}, {"tool_choice": "auto"}, {"function_call": "none"},
    {"parallel_tool_calls": True}, {"parallel_tool_calls": False}, {"response_format": {"type": "text"}}, {"response_format": None},
    {"modalities": ["text"]}, {"verbosity": "medium"}, {"reasoning_effort": "none"}, {"top_logprobs": 0}, {"logprobs": False},
    {"stream_options": {"include_obfuscation": False}}, {"add_generation_prompt": True}, {"continue_final_message": False},
    {"chat_template_kwargs": {}}, {"chat_template_kwargs": None}, {"audio": None}, {"prediction": None}, {"web_search_options": None},
    {"reasoning": None}, {"thinking": None}, {"grammar": None}, {"json_schema": None}, {"provider": None},
]

IN_RAW = [{"max_tokens": 12.0}, {"suffix": None}, {"suffix": ""}, {"prompt": ["How long can I"]}]

IN_RESPONSES = [
    {"tools": []}, {"tool_choice": "auto"}, {"parallel_tool_calls": True}, {"text": {"format": {"type": "text"}}}, {"truncation": "disabled"},
    {"include": []}, {"instructions": None}, {"previous_response_id": None}, {"max_output_tokens": None}, {"background": False},
    {"reasoning": None}, {"stream": False}, {"top_p": 1},
]

NOTES = [  # in the message of the assistant
    {"refusal": None}, {"audio": None}, {"annotations": []}, {"annotations": None}, {"function_call": None}, {"tool_calls": None},
    {"tool_calls": []}, {"name": "shop"}, {"name": None}, {"reasoning_content": None}, {"reasoning_content": "thought"}, {"id": "msg_1"},
]

SAME = [  # two ways to say one thing
    ("content as one part", [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}], [{"role": "user", "content": QUESTION}]),
    ("content as two parts", [{"role": "user", "content": [{"type": "text", "text": "How long can"}, {"type": "text", "text": " I return an item?"}]}],
     [{"role": "user", "content": QUESTION}]),
    ("role developer", [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": QUESTION}],
     [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]),
    ("content null of an assistant", conversation(content=None), conversation(content="")),
]


def same(ask, more, **base):
    def tried():
        without, with_it = ask({}, **base), ask(more, **base)
        check(with_it == without, f"with {json.dumps(more)} the answer is {with_it}, without {without}")

    return tried


def define():
    for title, ask, fields in (("chat", chat, IN_ALL + IN_COMPLETIONS + IN_CHATS), ("completion", raw, IN_ALL + IN_COMPLETIONS + IN_RAW),
                               ("response", response, IN_ALL + IN_RESPONSES)):
        for more in fields:
            case(f"{title}: {json.dumps(more)}")(same(ask, more))
    for note in NOTES:
        noted = {"messages": conversation(**note)}
        case(f"message: {json.dumps(note)}")(same(chat, noted, base=CHAT | {"messages": conversation()}))
    for title, one, other in SAME:
        case(f"message: {title}")(same(chat, {"messages": one}, base=CHAT | {"messages": other}))


define()


@case("chat: {\"store\": false} leaves no record")
def not_stored():
    """USER is of this suite's row; the suite finds this person in the store if anything is kept."""
    raw_answer = client.chat.completions.with_raw_response.create(**CHAT, user=USER, store=False)
    without = bare(client.chat.completions.create(**CHAT))
    check(bare(raw_answer.parse()) == without, "the answer is another one")
    check("X-Nightshift-Feedback-Token" not in raw_answer.headers, "there is a feedback token in the head")
    origin = json.loads(raw_answer.parse().to_json()).get("nightshift") or {}
    check(not origin.get("feedback_token"), f"there is a feedback token: {origin}")


@case("ignored notes are named")
def notes_named():
    answer = client.chat.completions.with_raw_response.create(**CHAT | {"messages": conversation(reasoning_content="thought")})
    named = answer.headers.get("X-Nightshift-Ignored", "")
    check("messages[1].reasoning_content" in named, f"X-Nightshift-Ignored is {named!r}")


@case("the answer is right")
def right():
    """So that all of the above is not compared with an answer to something else."""
    check(ANSWER in client.chat.completions.create(**CHAT).choices[0].message.content, "it is not")


run()
