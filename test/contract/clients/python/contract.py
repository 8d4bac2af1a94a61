"""What the clients in Python share. A client is a file that defines cases and calls run().

A case is a function: it passes when it returns and fails when it raises. Results go to the suite as lines of JSON, through the file
descriptor that CONTRACT_FD names; without it, to standard output, so that a client can be run by hand.
"""

import json
import os
import time
import traceback
import urllib.request

URL = os.environ["CONTRACT_URL"]  # of a server without keys; ends in /v1
GUARDED_URL = os.environ["CONTRACT_GUARDED_URL"]  # of a server with keys, one slot and a queue of one
KEY = os.environ["CONTRACT_KEY"]  # of the guarded server
USER = os.environ["CONTRACT_USER"]  # whom the cases "user" and "feedback" name; the suite looks for this person in the store

QUESTION = "How long can I return an item?"
ANSWER = "30 days"  # is in the right answer; asked for at temperature 0
FOLLOW_UP = "How much does shipping cost?"
SYSTEM = "You work for an outdoor shop."

REFUSALS_WAIT = 120  # seconds in which the busy server must refuse somebody once

_cases = []
_absent = []


def case(name):
    def register(function):
        _cases.append((name, function))
        return function

    return register


def absent(name, why):
    """The client has nothing that this case could try."""
    _absent.append((name, why))


def _report(line):
    text = json.dumps(line) + "\n"
    fd = os.environ.get("CONTRACT_FD")
    os.write(int(fd) if fd else 1, text.encode())


def run():
    for name, why in _absent:
        _report({"case": name, "result": "absent", "detail": why})
    for name, function in _cases:
        _report({"case": name, "result": "begins"})
        try:
            function()
        except Exception as e:  # whatever a client raises is a finding
            traceback.print_exc()
            _report({"case": name, "result": "fail", "detail": f"{type(e).__name__}: {e}"})
        else:
            _report({"case": name, "result": "pass"})


def check(condition, otherwise):
    if not condition:
        raise AssertionError(otherwise)


def check_text(text):
    check(isinstance(text, str) and text.strip(), f"the answer is {text!r}")
    return text


def check_answer(text):
    check(ANSWER in check_text(text), f"the answer {text!r} does not say {ANSWER!r}")


def check_longer(second, first):
    """The second turn's prompt holds the first turn. Both are (prompt tokens, completion tokens)."""
    check(second[0] > first[0] + first[1], f"the first turn had {first} tokens, the second has a prompt of {second[0]}")


def check_raises(kind, function, *words):
    """The function raises this kind of error, and its message has the words."""
    try:
        result = function()
    except kind as e:
        for word in words:
            check(word in str(e), f"the error {str(e)!r} does not have {word!r}")
        return e
    raise AssertionError(f"no {kind.__name__} came, but {result!r}")


def until_raises(kind, function):
    """The suite keeps the guarded server busy: sooner or later it refuses. Other errors are not caught."""
    end = time.monotonic() + REFUSALS_WAIT
    while time.monotonic() < end:
        try:
            function()
        except kind as e:
            return e
    raise AssertionError(f"no {kind.__name__} in {REFUSALS_WAIT} s")


def send_feedback(interaction, token):
    """Rates an answer as a page does that holds the answer's token and no key."""
    check(interaction and token, f"interaction {interaction!r}, token {token!r}")
    body = json.dumps({"interaction": interaction, "token": token, "rating": "up"}).encode()
    request = urllib.request.Request(URL + "/feedback", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        check(response.status == 202, f"feedback was answered with {response.status}")


def interaction_of(answer_id):
    """chatcmpl-INTERACTION, cmpl-INTERACTION and resp_INTERACTION name the interaction."""
    for prefix in ("chatcmpl-", "cmpl-", "resp_"):
        if answer_id.startswith(prefix):
            return answer_id[len(prefix):]
    raise AssertionError(f"the id {answer_id!r} names no interaction")
