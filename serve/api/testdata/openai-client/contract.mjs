// The contract with OpenAI's official client. Prints one line a check; exits with 1 when one fails.
// usage: node contract.mjs BASE_URL KEY

import assert from 'node:assert/strict';
import OpenAI, { APIUserAbortError, AuthenticationError, BadRequestError, ConflictError, NotFoundError, PermissionDeniedError } from 'openai';

const [base, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: base, apiKey: key, maxRetries: 0 });
const messages = [{ role: 'user', content: 'How long may I return a tent?' }];
let failed = 0;

async function check(name, run) {
  try {
    await run();
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error.stack}`);
  }
}

// refused wants an error of a class, with our code and parameter in it.
async function refused(promise, kind, code, param = null) {
  const error = await promise.then(() => assert.fail('it was accepted'), (e) => e);
  assert.ok(error instanceof kind, `${error.constructor.name} (${error.message}), want ${kind.name}`);
  assert.equal(error.code, code);
  assert.equal(error.param, param);
  assert.ok(error.requestID, 'no request id');
}

await check('models', async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes('default'));
  const model = await client.models.retrieve('default');
  assert.equal(model.object, 'model');
  assert.equal(model.owned_by, 'nightshift');
});

let plain;
await check('chat', async () => {
  const { data, response } = await client.chat.completions.create({ model: 'default', messages, temperature: 0, max_tokens: 12 }).withResponse();
  plain = data;
  assert.equal(data.object, 'chat.completion');
  assert.equal(data.model, 'default@base');
  assert.equal(data.choices[0].message.role, 'assistant');
  assert.ok(['stop', 'length'].includes(data.choices[0].finish_reason));
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.equal(data.nightshift.logged, true);
  assert.equal(response.headers.get('x-nightshift-adapter'), 'default@base');
  assert.equal(data.id, `chatcmpl-${data.nightshift.interaction}`);
});

await check('chat stream with usage', async () => {
  const stream = await client.chat.completions.create({ model: 'default', messages, temperature: 0, max_tokens: 12, stream: true, stream_options: { include_usage: true } });
  let text = '';
  let usage = null;
  let origin = null;
  for await (const chunk of stream) {
    assert.equal(chunk.object, 'chat.completion.chunk');
    text += chunk.choices[0]?.delta?.content ?? '';
    usage = chunk.usage ?? usage;
    origin = chunk.nightshift ?? origin;
  }
  assert.equal(text, plain.choices[0].message.content);
  assert.deepEqual(usage, plain.usage);
  assert.equal(origin.logged, true);
});

await check('chat stream helper', async () => {
  const runner = client.chat.completions.stream({ model: 'default', messages, temperature: 0, max_tokens: 12 });
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.content, plain.choices[0].message.content);
});

await check('second turn with the message as it came', async () => {
  const defaults = { tools: [], tool_choice: 'auto', response_format: { type: 'text' }, modalities: ['text'], service_tier: 'auto', store: true, top_logprobs: 0, stop: null };
  const turns = [...messages, plain.choices[0].message, { role: 'user', content: [{ type: 'text', text: 'And a boat?' }] }];
  const second = await client.chat.completions.create({ model: 'default', messages: turns, temperature: 0, max_tokens: 12 });
  const same = await client.chat.completions.create({ model: 'default', messages: turns, temperature: 0, max_tokens: 12, ...defaults });
  assert.equal(same.choices[0].message.content, second.choices[0].message.content);
});

await check('completions', async () => {
  const whole = await client.completions.create({ model: 'default@base', prompt: 'Once upon', temperature: 0, max_tokens: 8 });
  assert.equal(whole.object, 'text_completion');
  let text = '';
  for await (const chunk of await client.completions.create({ model: 'default@base', prompt: 'Once upon', temperature: 0, max_tokens: 8, stream: true })) {
    text += chunk.choices[0].text;
  }
  assert.equal(text, whole.choices[0].text);
});

await check('choices and log-probabilities', async () => {
  const request = { model: 'default', messages, temperature: 1, seed: 7, max_tokens: 6, n: 2, logprobs: true, top_logprobs: 2, logit_bias: { 5: -100 } };
  const whole = await client.chat.completions.create(request);
  assert.deepEqual(whole.choices.map((c) => c.index), [0, 1]);
  assert.notEqual(whole.choices[0].nightshift.feedback_token, whole.choices[1].nightshift.feedback_token);
  for (const c of whole.choices) {
    assert.equal(Buffer.from(c.logprobs.content.flatMap((t) => t.bytes)).toString(), c.message.content);
    assert.ok(c.logprobs.content.every((t) => t.logprob <= 0 && t.top_logprobs.length === 2));
  }
  const final = await client.chat.completions.stream(request).finalChatCompletion();
  assert.deepEqual(final.choices.map((c) => c.message.content), whole.choices.map((c) => c.message.content));
  assert.deepEqual(final.choices.map((c) => c.logprobs.content), whole.choices.map((c) => c.logprobs.content));
  const prompt = 'Once upon a time';
  const scored = await client.completions.create({ model: 'default', prompt, echo: true, logprobs: 1, max_tokens: 0 });
  assert.equal(scored.choices[0].text, prompt);
  assert.equal(scored.choices[0].logprobs.tokens.join(''), prompt);
  assert.equal(scored.choices[0].logprobs.token_logprobs[0], null);
  assert.equal(scored.usage.completion_tokens, 0);
});

await check('feedback', async () => {
  const accepted = await client.post('/feedback', { body: { interaction: plain.nightshift.interaction, token: plain.nightshift.feedback_token, id: 'sdk-1', rating: 'up' } });
  assert.deepEqual(accepted, { accepted: 1, ids: ['sdk-1'] });
  await refused(client.post('/feedback', { body: { interaction: plain.nightshift.interaction, id: 'sdk-1', rating: 'down', token: plain.nightshift.feedback_token } }),
    ConflictError, 'feedback_exists', 'id');
});

await check('errors', async () => {
  await refused(client.chat.completions.create({ model: 'default@99', messages }), NotFoundError, 'model_not_found', 'model');
  await refused(client.chat.completions.create({ model: 'default', messages, tools: [{ type: 'function', function: { name: 'f' } }] }), BadRequestError, 'unsupported_field', 'tools');
  await refused(client.chat.completions.create({ model: 'default', messages, n: 0 }), BadRequestError, 'invalid_value', 'n');
  await refused(client.chat.completions.create({ model: 'default', messages, stream: true, temperature: 9 }), BadRequestError, 'invalid_value', 'temperature');
  await refused(client.chat.completions.create({ model: 'closed', messages }), PermissionDeniedError, 'track_not_allowed');
  await refused(new OpenAI({ baseURL: base, apiKey: 'wrong', maxRetries: 0 }).models.list(), AuthenticationError, 'invalid_api_key');
});

await check('abort', async () => {
  const controller = new AbortController();
  const stream = await client.completions.create({ model: 'default', prompt: 'a', seed: 3, max_tokens: 240, n: 16, stream: true }, { signal: controller.signal });
  let chunks = 0;
  for await (const chunk of stream) {
    if (++chunks === 2) controller.abort();
  }
  assert.ok(chunks >= 2);
  const waiting = new AbortController();
  const whole = client.completions.create({ model: 'default', prompt: 'a', seed: 3, max_tokens: 240 }, { signal: waiting.signal });
  waiting.abort();
  await assert.rejects(whole, APIUserAbortError);
});

process.exit(failed ? 1 : 0);
