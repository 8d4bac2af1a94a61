// Asks the server and counts. The server's own timings stand in the last chunk of a stream; k6 hands a body over when all of it
// is there, so its own clock cannot tell when a token came.
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import { read } from './answer.js';
import { settings } from './settings.js';

const questions = JSON.parse(open('../questions.json'));

const failed = new Rate('failed'); // answers that are no whole answer; 429 is not among them
const refused = new Rate('refused'); // 429
const mixed = new Counter('mixed');
const answers = new Counter('answers');
const tokens = new Counter('tokens');
const whole = new Trend('answer_time', true);
const speed = new Trend('tokens_per_second');
const trends = {
  queue_ms: new Trend('queue_time', true),
  prefill_ms: new Trend('prefill_time', true),
  decode_ms: new Trend('decode_time', true),
  first_token_ms: new Trend('time_to_first_token', true),
  inter_token_p50_ms: new Trend('inter_token_p50', true),
  inter_token_p99_ms: new Trend('inter_token_p99', true),
  inter_token_max_ms: new Trend('inter_token_max', true),
};

const headers = Object.assign({ 'Content-Type': 'application/json' }, settings.key ? { Authorization: `Bearer ${settings.key}` } : {});

// question is one of the list; the same number gives the same question.
export const question = (i) => questions[i % questions.length];
export const questionCount = questions.length;
export const anyQuestion = () => question(Math.floor(Math.random() * questions.length));

// call makes a request that is not a completion, and returns its body.
export function call(method, path, body) {
  const r = http.request(method, settings.base + path, body ? JSON.stringify(body) : null, { headers, timeout: settings.timeout });
  if (r.status !== 200) throw new Error(`${method} ${settings.base}${path}: ${r.status ? `status ${r.status} ${String(r.body).slice(0, 300).trim()}` : r.error}`);
  return r.json();
}

// setup ends a run that has nothing to run against. Scripts export it.
export function setup() {
  call('GET', '/readyz');
}

// feedback sends an item and returns the response.
export const feedback = (item) => http.post(`${settings.base}/v1/feedback`, JSON.stringify(item), { headers, timeout: settings.timeout });

// ask puts a question to a model and counts the answer. options:
//   stream   false for an answer in one piece
//   tags     of the samples
//   expect   (answer) => why it is not the answer of the version that it names, "" when it is
// It returns what read returns, and null when the server refused for want of room.
export function ask(model, text, options) {
  const { stream = true, tags = {}, expect = null, user = `loadtest-${__VU}` } = options || {};
  const body = {
    model, stream, user, messages: [{ role: 'user', content: text }],
    max_tokens: settings.maxTokens, temperature: settings.temperature,
  };
  if (stream) body.stream_options = { include_usage: true };
  const r = http.post(`${settings.base}/v1/chat/completions`, JSON.stringify(body), { headers, tags, timeout: settings.timeout });
  const full = r.status === 429 && r.headers['Retry-After'] !== undefined;
  refused.add(full, tags);
  if (full) return null;
  const answer = read(r.status, r.headers, r.error && !r.status ? r.error : r.body, stream);
  if (expect && answer.faults.length === 0) {
    const why = expect(answer);
    if (why) answer.mixed.push(why);
  }
  count(answer, r, tags);
  return answer;
}

let said = 0;

// say tells what is wrong on the console, the first few times of each user.
export function say(why) {
  said++;
  if (said <= 5) console.error(said < 5 ? why : `${why} (this user says no more)`);
}

// count adds an answer to the metrics, and says on the console what is wrong with it.
function count(answer, r, tags) {
  failed.add(answer.faults.length > 0, tags);
  mixed.add(answer.mixed.length > 0 ? 1 : 0, tags);
  for (const why of answer.faults) say(`failed: ${why}`);
  for (const why of answer.mixed) say(`mixed: ${why}`);
  if (answer.faults.length > 0) return;
  answers.add(1, tags);
  whole.add(r.timings.duration, tags);
  if (answer.usage) tokens.add(answer.usage.completion_tokens, tags);
  const t = answer.timings || {};
  const several = t.tokens_per_second > 0; // one token has no inter-token latency
  if (several) speed.add(t.tokens_per_second, tags);
  for (const name of Object.keys(trends)) {
    if (t[name] !== undefined && (several || !name.startsWith('inter_token'))) trends[name].add(t[name], tags);
  }
}
