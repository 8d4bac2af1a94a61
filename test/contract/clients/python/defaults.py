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


def conversation(**note):
    return [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "Within 30 days.", **note},
            {"role": "user", "content": FOLLOW_UP}]


CHAT = {"model": "default", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0}
WITH_LOGPROBS = {"logprobs": True, "top_logprobs": 3}


def twice(create, base, more):
    """The answer in one piece, and the chunks of the streamed one."""
    whole = create(**base, extra_body=more)
    streamed = create(**base, extra_body=more, stream=True)
    return bare(whole), [bare(c) for c in streamed]


def chat(more, base=CHAT):
    return twice(client.chat.completions.create, base, ({} if {"logprobs", "top_logprobs"} & set(more) else WITH_LOGPROBS) | more)


def stream(more, base=CHAT):
    return [bare(c) for c in client.chat.completions.create(**base, extra_body=more, stream=True)]


RAW = {"model": "default", "prompt": "How long can I", "temperature": 0, "max_tokens": 12}


def raw(more, base=RAW):
    return twice(client.completions.create, base, {"logprobs": 3} | more)


RESPONSE = {"model": "default", "input": QUESTION, "temperature": 0}


def response(more, base=RESPONSE):
    answer = client.responses.create(**base, extra_body=more)
    return answer.output_text, answer.status, bare(answer)["usage"]


IN_ALL = [
    {"service_tier": "auto"}, {"service_tier": "default"}, {"store": None}, {"safety_identifier": "bob"}, {"prompt_cache_key": "page"},
    {"user": ""}, {"user": None}, {"metadata": {}}, {"a_field_that_nobody_knows": None},
]

IN_COMPLETIONS = [  # chats and raw completions
    {"n": 1}, {"n": None}, {"n": 1.0}, {"best_of": 1}, {"echo": False}, {"stop": ""}, {"stop": []}, {"stop": None}, {"seed": None},
    {"frequency_penalty": 0}, {"presence_penalty": 0.0}, {"logit_bias": {}}, {"logit_bias": None}, {"top_p": 1},
    {"top_k": -1}, {"min_p": 0}, {"repetition_penalty": 1}, {"skip_special_tokens": True}, {"length_penalty": 1}, {"use_beam_search": False},
    {"include_stop_str_in_output": False}, {"stop_token_ids": []}, {"prompt_logprobs": None}, {"guided_json": None},
    {"structured_outputs": None}, {"priority": 0},
]

IN_CHATS = [
    {"max_tokens": -1}, {"max_tokens": 1024}, {"max_tokens": 1024.0}, {"max_completion_tokens": None}, {"max_tokens": None},
    {"tools": []}, {"tools": None}, {"functions": []}, {"tool_choice": "none"}, {"tool_choice": "auto"}, {"function_call": "none"},
    {"parallel_tool_calls": True}, {"parallel_tool_calls": False}, {"response_format": {"type": "text"}}, {"response_format": None},
    {"modalities": ["text"]}, {"verbosity": "medium"}, {"reasoning_effort": "none"}, {"top_logprobs": 0}, {"logprobs": False},
    {"add_generation_prompt": True}, {"continue_final_message": False},
    {"chat_template_kwargs": {}}, {"chat_template_kwargs": None}, {"audio": None}, {"prediction": None}, {"web_search_options": None},
    {"reasoning": None}, {"thinking": None}, {"grammar": None}, {"json_schema": None}, {"provider": None},
]

IN_STREAMS = [{"stream_options": None}, {"stream_options": {}}, {"stream_options": {"include_obfuscation": False}}]

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
    ("content as two parts", [{"role": "user", "content": [{"type": "text", "text": QUESTION[:12]}, {"type": "text", "text": QUESTION[12:]}]}],
     [{"role": "user", "content": QUESTION}]),
    ("role developer", [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": QUESTION}],
     [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]),
    ("content null of an assistant", conversation(content=None), conversation(content="")),
]


def same(ask, more, **base):
    def tried():
        about_logprobs = {"logprobs": None} if {"logprobs", "top_logprobs"} & set(more) else {}
        without, with_it = ask(about_logprobs, **base), ask(more, **base)
        check(with_it == without, f"with {json.dumps(more)} the answer is {with_it}, without {without}")

    return tried


def define():
    for title, ask, fields in (("chat", chat, IN_ALL + IN_COMPLETIONS + IN_CHATS), ("completion", raw, IN_ALL + IN_COMPLETIONS + IN_RAW),
                               ("stream", stream, IN_STREAMS), ("response", response, IN_ALL + IN_RESPONSES)):
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
