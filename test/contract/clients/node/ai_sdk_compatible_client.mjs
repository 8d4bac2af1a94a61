// The AI SDK with @ai-sdk/openai-compatible.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateText, streamText } from "ai";
import {
  FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, check, checkAnswer, checkLonger, checkText, checkThrows, interactionOf, run,
  sendFeedback, untilThrows,
} from "./contract.mjs";

const provider = createOpenAICompatible({ name: "nightshift", baseURL: URL });
const model = provider("default");
const guarded = (apiKey) => createOpenAICompatible({ name: "nightshift", baseURL: GUARDED_URL, apiKey })("default");
const asked = (content = QUESTION) => [{ role: "user", content }];
const options = (nightshift) => ({ providerOptions: { nightshift } });
const failed = (status) => (e) => APICallError.isInstance(e) && e.statusCode === status;
const tokens = (r) => [r.usage.inputTokens, r.usage.outputTokens];

await run({
  "turn": async () => {
    checkText((await generateText({ model, prompt: QUESTION })).text);
    checkText((await generateText({ model: provider.completionModel("default"), prompt: "How long can I", maxOutputTokens: 8 })).text);
  },

  "second turn": async () => {
    const first = await generateText({ model, messages: asked() });
    const second = await generateText({ model, messages: [...asked(), ...first.response.messages, ...asked(FOLLOW_UP)] });
    checkText(second.text);
    checkLonger(tokens(second), tokens(first));
  },

  "stream": async () => {
    let all = "";
    for await (const piece of streamText({ model, prompt: QUESTION }).textStream) all += piece;
    checkText(all);
  },

  "stream usage": async () => {
    const withUsage = createOpenAICompatible({ name: "nightshift", baseURL: URL, includeUsage: true })("default");
    const usage = await streamText({ model: withUsage, prompt: QUESTION }).totalUsage;
    check(usage.outputTokens > 0, `usage is ${JSON.stringify(usage)}`);
  },

  "system": async () => {
    const answer = await generateText({ model, system: SYSTEM, prompt: QUESTION });
    checkText(answer.text);
    check(answer.usage.inputTokens > (await generateText({ model, prompt: QUESTION })).usage.inputTokens, "the system message is not in the prompt");
  },

  "parts": async () => {
    const content = [{ type: "text", text: "How long can I" }, { type: "text", text: " return an item?" }];
    checkAnswer((await generateText({ model, messages: asked(content), temperature: 0 })).text);
  },

  "neutral": async () => {
    const neutral = { reasoningEffort: "none", textVerbosity: "medium", store: true, parallel_tool_calls: true };
    checkAnswer((await generateText({ model, prompt: QUESTION, temperature: 0, tools: {}, toolChoice: "auto", ...options(neutral) })).text);
  },

  "user": async () => checkText((await generateText({ model, prompt: QUESTION, ...options({ user: USER }) })).text),

  "feedback": async () => {
    const answer = await generateText({ model, prompt: QUESTION, ...options({ user: USER }) });
    const { interaction, feedback_token: token } = answer.response.body.nightshift;
    check(interactionOf(answer.response.id) === interaction, `the id ${answer.response.id} is not of ${interaction}`);
    await sendFeedback(interaction, token);
    const streamed = streamText({ model, prompt: QUESTION, ...options({ user: USER }) });
    checkText(await streamed.text);
    const { headers } = await streamed.response;
    await sendFeedback(headers["x-nightshift-interaction"], headers["x-nightshift-feedback-token"]);
  },

  "400": async () => {
    await checkThrows(failed(400), () => generateText({ model, prompt: QUESTION, temperature: 9 }), "temperature");
  },

  "401": async () => {
    await checkThrows(failed(401), () => generateText({ model: guarded("wrong"), prompt: QUESTION }));
    checkText((await generateText({ model: guarded(KEY), prompt: QUESTION })).text);
  },

  "404": () => checkThrows(failed(404), () => generateText({ model: provider("nope"), prompt: QUESTION }), "nope"),

  "429": async () => {
    await untilThrows(failed(429), () => generateText({ model: guarded(KEY), prompt: QUESTION, maxRetries: 0 }));
  },
}, {
  "name": "messages have no name",
  "batch": "one prompt a call",
  "models": "lists no models",
  "responses": "calls chats and completions only",
});
