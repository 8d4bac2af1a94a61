// Few users, then many at once, then few again. Under the spike the server may refuse (429 with Retry-After), but what it takes
// it answers; after the spike it refuses nobody.
import { sleep } from 'k6';
import { anyQuestion, ask } from './lib/client.js';
export { setup } from './lib/client.js';
import { summary } from './lib/report.js';
import { limits, number, settings, statistics, word } from './lib/settings.js';

const duration = word('DURATION', '20s'); // of each of the three parts
const found = /^(\d+)(s|m)$/.exec(duration);
if (!found) throw new Error(`DURATION is "${duration}", it must be seconds or minutes such as 20s`);
const length = Number(found[1]) * (found[2] === 'm' ? 60 : 1);
const part = (name, vus, begin) => ({
  executor: 'constant-vus', vus, duration, startTime: `${begin}s`, gracefulStop: settings.timeout, tags: { part: name }, env: { PART: name },
});
const few = number('VUS', 4);
const rest = number('RECOVERY', 5); // seconds after the spike, for what it left in the queue

export const options = {
  scenarios: { before: part('before', few, 0), spike: part('spike', number('PEAK_VUS', 100), length), after: part('after', few, 2 * length + rest) },
  summaryTrendStats: statistics,
  thresholds: {
    failed: limits.failed,
    mixed: ['count==0'],
    'refused{part:before}': ['rate==0'],
    'refused{part:spike}': [`rate<=${number('MAX_REFUSED', 1)}`],
    'refused{part:after}': ['rate==0'],
    'time_to_first_token{part:before}': limits.time_to_first_token,
    'time_to_first_token{part:spike}': [`p(95)<${number('SPIKE_FIRST_TOKEN_MS', 35000)}`], // engine.wait and a little
    'time_to_first_token{part:after}': limits.time_to_first_token,
  },
};

export default function () {
  const answer = ask(settings.track, anyQuestion(), { tags: { part: __ENV.PART } });
  sleep(answer === null ? 1 : 0.1);
}

export const handleSummary = summary('spike', options);
