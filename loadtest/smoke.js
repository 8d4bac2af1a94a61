// Is everything there that the other scripts need? One user, every question once, streamed and in one piece.
import { check } from 'k6';
import { ask, question, questionCount } from './lib/client.js';
export { setup } from './lib/client.js';
import { summary } from './lib/report.js';
import { limits, settings, statistics } from './lib/settings.js';

export const options = {
  scenarios: { once: { executor: 'shared-iterations', vus: 1, iterations: questionCount, maxDuration: '5m' } },
  summaryTrendStats: statistics,
  thresholds: Object.assign({}, limits, { refused: ['rate==0'], mixed: ['count==0'], checks: ['rate==1'] }),
};

export default function () {
  const text = question(__ITER);
  const answers = [ask(settings.track, text, {}), ask(settings.track, text, { stream: false })];
  check(answers, {
    'an answer': both((a) => a.text),
    'time to first token': both((a) => a.timings && a.timings.first_token_ms > 0),
    'inter-token latency': both((a) => a.timings && a.timings.inter_token_p99_ms >= 0),
    'a token for feedback': both((a) => a.origin && a.origin.feedback_token),
    'recorded': both((a) => a.origin && a.origin.logged),
  });
}

const both = (holds) => (answers) => answers.every((a) => a !== null && holds(a));

export const handleSummary = summary('smoke', options);
