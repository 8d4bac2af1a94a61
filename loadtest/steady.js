// A constant number of users who ask, read and ask again.
import { sleep } from 'k6';
import { anyQuestion, ask } from './lib/client.js';
export { setup } from './lib/client.js';
import { summary } from './lib/report.js';
import { number, settings, steady } from './lib/settings.js';

const pause = number('PAUSE', 1);

export const options = steady(8, '1m', { mixed: ['count==0'] });

export default function () {
  ask(settings.track, anyQuestion(), {});
  sleep(pause * (0.5 + Math.random())); // seconds, PAUSE on average
}

export const handleSummary = summary('steady', options);
