// Is everything there that the other scripts need? One user, every question once, streamed and in one piece.
import { check } from 'k6';
import { ask, question, questionCount } from './lib/client.js';
import { summary } from './lib/report.js';
import { limits, settings, statistics } from './lib/settings.js';

export const options = {
  scenarios: { once: { executor: 'shared-iterations', vus: 1, iterations: questionCount, maxDuration: '5m' } },
  summaryTrendStats: statistics,
  thresholds: Object.assign({}, limits, { refused: ['rate==0'], mixed: ['count==0'], checks: ['rate==1'] }),
};

export default function () {
  const text = question(__ITER);
  const streamed = ask(settings.track, text, {});
  const whole = ask(settings.track, text, { stream: false });
  check([streamed, whole], {
    'an answer': ([s, w]) => s !== null && w !== null && s.text !== '' && w.text !== '',
    'timings': ([s, w]) => s.timings !== null && w.timings !== null,
    'time to first token': ([s, w]) => s.timings.first_token_ms > 0 && w.timings.first_token_ms > 0,
    'a token for feedback': ([s, w]) => s.origin.feedback_token !== '' && w.origin.feedback_token !== '',
    'recorded': ([s, w]) => s.origin.logged && w.origin.logged,
  });
}

export const handleSummary = summary('smoke', options);
