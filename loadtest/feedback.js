// Users who rate what they read. The ratings are real: nights learn from them, so name a track that may learn this.
import { check, sleep } from 'k6';
import { Rate, Trend } from 'k6/metrics';
import { anyQuestion, ask, feedback, say } from './lib/client.js';
export { setup } from './lib/client.js';
import { summary } from './lib/report.js';
import { number, settings, steady } from './lib/settings.js';

const pause = number('PAUSE', 0.5);
const lost = new Rate('feedback_failed');
const time = new Trend('feedback_time', true);

export const options = steady(8, '30s', {
  feedback_failed: ['rate==0'],
  feedback_time: [`p(95)<${number('FEEDBACK_MS', 250)}`],
  checks: ['rate==1'],
});

export default function () {
  const user = `loadtest-${__VU}-${__ITER % 5}`;
  const answer = ask(settings.track, anyQuestion(), { user });
  if (answer === null || answer.origin === null) return;
  const item = { id: `${answer.origin.interaction}-1`, interaction: answer.origin.interaction, token: answer.origin.feedback_token, user, rating: 'up' };
  if (__ITER % 4 === 0) Object.assign(item, { rating: 'down', correction: `Please call us. ${answer.text}`.trim() });
  send(item);
  if (__ITER % 10 === 0) send(item); // a client that was not sure and sends it again
  const forged = feedback(Object.assign({}, item, { token: `${item.token}x` }));
  check(forged, { 'a wrong token is refused': (r) => r.status === 403 });
  sleep(pause * (0.5 + Math.random())); // seconds, PAUSE on average
}

function send(item) {
  const r = feedback(item);
  lost.add(r.status !== 202);
  time.add(r.timings.duration);
  if (r.status !== 202) say(`feedback: status ${r.status} ${String(r.body).slice(0, 200)}`);
}

export const handleSummary = summary('feedback', options);
