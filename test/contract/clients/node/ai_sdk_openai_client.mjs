// The AI SDK with @ai-sdk/openai: its default model, which calls /v1/responses, and .chat().
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateText, streamText } from "ai";
import {
  FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, check, checkAnswer, checkLonger, checkText, checkThrows, interactionOf, run,
  sendFeedback, untilThrows,
} from "./contract.mjs";

const provider = createOpenAI({ baseURL: URL, apiKey: "none" });
const chat = provider.chat("default");
const guarded = (apiKey) => createOpenAI({ baseURL: GUARDED_URL, apiKey }).chat("default");
const asked = (content = QUESTION) => [{ role: "user", content }];
const options = (openai) => ({ providerOptions: { openai } });
const failed = (status) => (e) => APICallError.isInstance(e) && e.statusCode === status;
const tokens = (r) => [r.usage.inputTokens, r.usage.outputTokens];

async function twoTurns(model) {
  const first = await generateText({ model, messages: asked() });
  const second = await generateText({ model, messages: [...asked(), ...first.response.messages, ...asked(FOLLOW_UP)] });
  checkText(second.text);
  checkLonger(tokens(second), tokens(first));
}

async function streamed(model) {
  const stream = streamText({ model, prompt: QUESTION });
  let all = "";
  for await (const piece of stream.textStream) all += piece;
  checkText(all);
  return stream.totalUsage;
}

await run({
  "turn": async () => {
    checkText((await generateText({ model: chat, prompt: QUESTION })).text);
    checkText((await generateText({ model: provider.completion("default"), prompt: "How long can I", maxOutputTokens: 8 })).text);
  },

  "second turn": () => twoTurns(chat),

  "stream": () => streamed(chat),

  "stream usage": async () => {
    const usage = await streamed(chat);
    check(usage.outputTokens > 0, `usage is ${JSON.stringify(usage)}`);
  },

  "system": async () => {
    const plain = await generateText({ model: chat, prompt: QUESTION });
    for (const systemMessageMode of ["system", "developer"]) {
      const answer = await generateText({ model: chat, system: SYSTEM, prompt: QUESTION, ...options({ systemMessageMode }) });
      checkText(answer.text);
      check(answer.usage.inputTokens > plain.usage.inputTokens, `the ${systemMessageMode} message is not in the prompt`);
    }
  },

  "parts": async () => {
    const content = [{ type: "text", text: "How long can I" }, { type: "text", text: " return an item?" }];
    checkAnswer((await generateText({ model: chat, messages: asked(content), temperature: 0 })).text);
  },

  "neutral": async () => {
    const neutral = {
      parallelToolCalls: true, store: true, serviceTier: "auto", textVerbosity: "medium", reasoningEffort: "none", logprobs: false, metadata: {},
      logitBias: {}, promptCacheKey: "page",
    };
    checkAnswer((await generateText({ model: chat, prompt: QUESTION, temperature: 0, tools: {}, toolChoice: "auto", ...options(neutral) })).text);
  },

  "user": async () => {
    checkText((await generateText({ model: chat, prompt: QUESTION, ...options({ user: USER }) })).text);
    checkText((await generateText({ model: chat, prompt: QUESTION, ...options({ safetyIdentifier: USER }) })).text);
  },

  "feedback": async () => {
    const answer = await generateText({ model: chat, prompt: QUESTION, ...options({ user: USER }) });
    const { interaction, feedback_token: token } = answer.response.body.nightshift;
    check(interactionOf(answer.response.id) === interaction, `the id ${answer.response.id} is not of ${interaction}`);
    await sendFeedback(interaction, token);
    const stream = streamText({ model: chat, prompt: QUESTION, ...options({ user: USER }) });
    checkText(await stream.text);
    const { headers } = await stream.response;
    await sendFeedback(headers["x-nightshift-interaction"], headers["x-nightshift-feedback-token"]);
  },

  "responses": async () => {
    const model = provider("default");
    const answer = await generateText({ model, prompt: QUESTION, ...options({ user: USER }) });
    checkText(answer.text);
    const { headers } = answer.response;
    await sendFeedback(headers["x-nightshift-interaction"], headers["x-nightshift-feedback-token"]);
    await twoTurns(model);
    const usage = await streamed(model);
    check(usage.outputTokens > 0, `usage is ${JSON.stringify(usage)}`);
    const { responseId } = answer.providerMetadata.openai;
    checkText((await generateText({ model, prompt: FOLLOW_UP, ...options({ previousResponseId: responseId }) })).text);
    checkText((await generateText({ model, system: SYSTEM, prompt: QUESTION, ...options({ store: false }) })).text);
  },

  "400": async () => {
    await checkThrows(failed(400), () => generateText({ model: chat, prompt: QUESTION, temperature: 9 }), "temperature");
  },

  "401": async () => {
    await checkThrows(failed(401), () => generateText({ model: guarded("wrong"), prompt: QUESTION }));
    checkText((await generateText({ model: guarded(KEY), prompt: QUESTION })).text);
  },

  "404": () => checkThrows(failed(404), () => generateText({ model: provider.chat("nope"), prompt: QUESTION }), "nope"),

  "429": async () => {
    await untilThrows(failed(429), () => generateText({ model: guarded(KEY), prompt: QUESTION, maxRetries: 0 }));
  },
}, {
  "name": "messages have no name",
  "batch": "one prompt a call",
  "models": "lists no models",
});
