// The steady load for long: answers stay as fast in the second half as they have to be in the first, and the server's memory is
// watched.
import exec from 'k6/execution';
import http from 'k6/http';
import { sleep } from 'k6';
import { Gauge } from 'k6/metrics';
import { anyQuestion, ask } from './lib/client.js';
export { setup } from './lib/client.js';
import { summary } from './lib/report.js';
import { limits, number, settings, steady } from './lib/settings.js';

const pause = number('PAUSE', 1);
const memory = new Gauge('server_memory_mib');
const limit = number('MEMORY_MIB', 0);

export const options = steady(4, '30m', Object.assign({
  mixed: ['count==0'],
  'time_to_first_token{half:first}': limits.time_to_first_token,
  'time_to_first_token{half:second}': limits.time_to_first_token,
}, limit > 0 ? { server_memory_mib: [`value<${limit}`] } : {}));

export default function () {
  ask(settings.track, anyQuestion(), { tags: { half: exec.scenario.progress < 0.5 ? 'first' : 'second' } });
  if (exec.vu.idInTest === 1 && exec.vu.iterationInScenario % 10 === 0) watch();
  sleep(pause * (0.5 + Math.random())); // seconds, PAUSE on average
}

function watch() {
  const found = /^process_resident_memory_bytes (\S+)$/m.exec(http.get(`${settings.base}/metrics`).body || '');
  if (found) memory.add(Number(found[1]) / (1 << 20));
}

export const handleSummary = summary('soak', options);
