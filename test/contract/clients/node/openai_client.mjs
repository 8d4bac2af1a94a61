// The openai package of npm.
import OpenAI from "openai";
import {
  FOLLOW_UP, GUARDED_URL, KEY, QUESTION, SYSTEM, URL, USER, check, checkAnswer, checkLonger, checkText, checkThrows, run, untilThrows,
} from "./contract.mjs";

const client = new OpenAI({ baseURL: URL, apiKey: "none" });
const guarded = new OpenAI({ baseURL: GUARDED_URL, apiKey: KEY, maxRetries: 0 });
const asked = (content = QUESTION) => [{ role: "user", content }];
const ask = (more) => client.chat.completions.create({ model: "default", messages: asked(), ...more });
const text = (answer) => answer.choices[0].message.content;

async function rate(interaction, token) {
  check(token, `there is no token for ${interaction}`);
  const result = await client.post("/feedback", { body: { interaction, token, rating: "up" } });
  check(result.accepted === 1, `the answer to feedback is ${JSON.stringify(result)}`);
}

await run({
  "turn": async () => checkText(text(await ask())),

  "second turn": async () => {
    const first = await ask();
    const second = await ask({ messages: [...asked(), first.choices[0].message, ...asked(FOLLOW_UP)] });
    checkText(text(second));
    checkLonger([second.usage.prompt_tokens], [first.usage.prompt_tokens, first.usage.completion_tokens]);
  },

  "stream": async () => {
    let all = "";
    for await (const chunk of await ask({ stream: true })) all += chunk.choices[0]?.delta?.content ?? "";
    checkText(all);
    const helper = client.chat.completions.stream({ model: "default", messages: asked() });
    checkText(await helper.finalContent());
  },

  "stream usage": async () => {
    let usage;
    for await (const chunk of await ask({ stream: true, stream_options: { include_usage: true } })) usage = chunk.usage ?? usage;
    check(usage?.completion_tokens > 0, `usage is ${JSON.stringify(usage)}`);
  },

  "system": async () => {
    const plain = await ask();
    for (const role of ["system", "developer"]) {
      const answer = await ask({ messages: [{ role, content: SYSTEM }, ...asked()] });
      checkText(text(answer));
      check(answer.usage.prompt_tokens > plain.usage.prompt_tokens, `the ${role} message is not in the prompt`);
    }
  },

  "parts": async () => {
    const parts = [{ type: "text", text: "How long can I" }, { type: "text", text: " return an item?" }];
    checkAnswer(text(await ask({ messages: asked(parts), temperature: 0 })));
  },

  "name": async () => checkAnswer(text(await ask({ messages: [{ role: "user", content: QUESTION, name: "bob" }], temperature: 0 }))),

  "neutral": async () =>
    checkAnswer(text(await ask({
      temperature: 0, tools: [], tool_choice: "none", parallel_tool_calls: true, response_format: { type: "text" }, service_tier: "auto",
      modalities: ["text"], verbosity: "medium", reasoning_effort: "none", metadata: {}, logit_bias: {}, stop: null, n: 1, audio: null,
    }))),

  "batch": async () => {
    const both = await client.completions.create({ model: "default", prompt: ["How long can I", "How much does"], max_tokens: 4 });
    check(both.choices.length === 2, `two prompts have ${both.choices.length} answers`);
    const several = await ask({ n: 3 });
    check(several.choices.length === 3, `n: 3 has ${several.choices.length} answers`);
  },

  "models": async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    check(ids.includes("default"), `the list is ${ids}`);
    check((await client.models.retrieve("default")).id === "default", "default cannot be retrieved");
  },

  "user": async () => {
    checkText(text(await ask({ user: USER })));
    checkText(text(await ask({ safety_identifier: USER })));
  },

  "feedback": async () => {
    const { data, response } = await client.chat.completions.create({ model: "default", messages: asked(), user: USER }).withResponse();
    await rate(data.nightshift.interaction, data.nightshift.feedback_token);
    await rate(response.headers.get("X-Nightshift-Interaction"), response.headers.get("X-Nightshift-Feedback-Token"));
    let origin;
    for await (const chunk of await ask({ stream: true, user: USER })) origin = chunk.nightshift ?? origin;
    await rate(origin.interaction, origin.feedback_token);
  },

  "responses": async () => {
    checkAnswer((await client.responses.create({ model: "default", input: QUESTION, temperature: 0 })).output_text);
    const first = await client.responses.create({ model: "default", input: QUESTION, instructions: SYSTEM });
    checkText(first.output_text);
    checkText((await client.responses.create({ model: "default", input: FOLLOW_UP, previous_response_id: first.id })).output_text);
    checkText((await client.responses.create({ model: "default", input: [...asked(), ...first.output, ...asked(FOLLOW_UP)] })).output_text);
    let all = "";
    const stream = client.responses.stream({ model: "default", input: QUESTION });
    for await (const event of stream) if (event.type === "response.output_text.delta") all += event.delta;
    check((await stream.finalResponse()).output_text === checkText(all), "the pieces are not the answer");
  },

  "400": async () => {
    const is = (e) => e instanceof OpenAI.BadRequestError;
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "object", properties: {} } } }];
    await checkThrows(is, () => ask({ tools }), "tools");
    await checkThrows(is, () => ask({ messages: asked([{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }]) }),
      "images are not supported");
    const error = await checkThrows(is, () => ask({ temperature: 9 }), "temperature");
    check(error.param === "temperature" && error.code && error.type, `param ${error.param}, code ${error.code}, type ${error.type}`);
  },

  "401": async () => {
    const wrong = new OpenAI({ baseURL: GUARDED_URL, apiKey: "wrong" });
    await checkThrows((e) => e instanceof OpenAI.AuthenticationError, () => wrong.models.list());
    checkText(text(await guarded.chat.completions.create({ model: "default", messages: asked() })));
  },

  "404": () => checkThrows((e) => e instanceof OpenAI.NotFoundError, () => ask({ model: "nope" }), "nope"),

  "429": async () => {
    const is = (e) => e instanceof OpenAI.RateLimitError;
    const error = await untilThrows(is, () => guarded.chat.completions.create({ model: "default", messages: asked() }));
    check(Number(error.headers.get("Retry-After")) >= 1, "Retry-After is missing");
  },
});
