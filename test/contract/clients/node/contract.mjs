// What the clients for Node.js share. A client is a file that calls run() with its cases.
//
// A case is an async function: it passes when it returns and fails when it throws. Results go to the suite as lines of JSON, through
// the file descriptor that CONTRACT_FD names; without it, to standard output, so that a client can be run by hand.
import fs from "node:fs";

export const URL = process.env.CONTRACT_URL; // of a server without keys; ends in /v1
export const GUARDED_URL = process.env.CONTRACT_GUARDED_URL; // of a server with keys, one slot and a queue of one
export const KEY = process.env.CONTRACT_KEY; // of the guarded server
export const USER = process.env.CONTRACT_USER; // whom the cases "user" and "feedback" name; the suite looks for this person in the store

export const QUESTION = "How long can I return an item?";
export const ANSWER = "30 days"; // is in the right answer; asked for at temperature 0
export const FOLLOW_UP = "How much does shipping cost?";
export const SYSTEM = "You work for an outdoor shop.";

const REFUSALS_WAIT = 120_000; // milliseconds in which the busy server must refuse somebody once

function report(line) {
  fs.writeSync(Number(process.env.CONTRACT_FD ?? 1), JSON.stringify(line) + "\n");
}

// run takes the cases by name, and by name why the client has nothing that a case could try.
export async function run(cases, absent = {}) {
  for (const [name, detail] of Object.entries(absent)) report({ case: name, result: "absent", detail });
  for (const [name, tried] of Object.entries(cases)) {
    report({ case: name, result: "begins" });
    try {
      await tried();
      report({ case: name, result: "pass" });
    } catch (e) {
      console.error(e);
      report({ case: name, result: "fail", detail: `${e?.name}: ${e?.message}` });
    }
  }
  process.exit(0);
}

export function check(condition, otherwise) {
  if (!condition) throw new Error(otherwise);
}

export function checkText(text) {
  check(typeof text === "string" && text.trim(), `the answer is ${JSON.stringify(text)}`);
  return text;
}

export function checkAnswer(text) {
  check(checkText(text).includes(ANSWER), `the answer ${JSON.stringify(text)} does not say ${ANSWER}`);
}

// checkLonger: the second turn's prompt holds the first turn. Both are [prompt tokens, completion tokens].
export function checkLonger(second, first) {
  check(second[0] > first[0] + first[1], `the first turn had ${first} tokens, the second has a prompt of ${second[0]}`);
}

// checkThrows returns the error, which must be of this kind and have the words in its message.
export async function checkThrows(is, ask, ...words) {
  let result;
  try {
    result = await ask();
  } catch (e) {
    check(is(e), `another error came: ${e?.name}: ${e?.message}`);
    for (const word of words) check(e.message.includes(word), `the error ${JSON.stringify(e.message)} does not have ${word}`);
    return e;
  }
  throw new Error(`no error came, but ${JSON.stringify(result)}`);
}

// untilThrows: the suite keeps the guarded server busy; sooner or later it refuses. Other errors pass through.
export async function untilThrows(is, ask) {
  const end = Date.now() + REFUSALS_WAIT;
  while (Date.now() < end) {
    try {
      await ask();
    } catch (e) {
      if (is(e)) return e;
      throw e;
    }
  }
  throw new Error(`no refusal in ${REFUSALS_WAIT / 1000} s`);
}

// sendFeedback rates an answer as a page does that holds the answer's token and no key.
export async function sendFeedback(interaction, token) {
  check(interaction && token, `interaction ${interaction}, token ${token}`);
  const response = await fetch(URL + "/feedback", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ interaction, token, rating: "up" }),
  });
  check(response.status === 202, `feedback was answered with ${response.status}: ${await response.text()}`);
}

// interactionOf: chatcmpl-INTERACTION, cmpl-INTERACTION and resp_INTERACTION name the interaction.
export function interactionOf(id) {
  const found = /^(?:chatcmpl-|cmpl-|resp_)(.+)$/.exec(id);
  check(found, `the id ${id} names no interaction`);
  return found[1];
}
