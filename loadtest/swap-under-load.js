// Versions are activated and rolled back while streams run: no stream fails, and none mixes two versions. An answer is mixed
// when its claims differ (header, model and fingerprint of each chunk, origin at the end), or when its text is not what the
// version that it names says to that question alone. What served before serves again at the end.
import exec from 'k6/execution';
import { sleep } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import { ask, call, question, questionCount, say, setup as ready } from './lib/client.js';
import { summary } from './lib/report.js';
import { limits, number, settings, statistics, word } from './lib/settings.js';

const duration = word('DURATION', '15s');
const path = `/v1/tracks/${settings.track}`;
const swaps = new Counter('swaps');
const swapTime = new Trend('swap_time', true);
const swapFailed = new Rate('swap_failed');
const spanned = new Counter('spanned'); // streams during which the version changed: the next one of the same user names another
const ofFirst = new Counter('answers_of_first');
const ofSecond = new Counter('answers_of_second');
let last = '';

export const options = {
  scenarios: {
    streams: { executor: 'constant-vus', vus: number('VUS', 8), duration, exec: 'stream' },
    swaps: { executor: 'constant-vus', vus: 1, duration, exec: 'swap' },
  },
  summaryTrendStats: statistics,
  thresholds: Object.assign({}, limits, {
    refused: ['rate==0'],
    mixed: ['count==0'],
    swap_failed: ['rate==0'],
    swaps: ['count>0'],
    spanned: ['count>0'],
    answers_of_first: ['count>0'],
    answers_of_second: ['count>0'],
  }),
};

// setup finds two versions, and what each of them says to every question.
export function setup() {
  if (settings.temperature !== 0) throw new Error('swap-under-load compares texts: leave TEMPERATURE at 0');
  ready();
  const before = call('GET', path);
  if (before.candidate) throw new Error(`track ${settings.track} tries version ${before.candidate.version} on a share of its traffic; wait for the end of that, or name another TRACK`);
  const [first, second] = pair();
  const said = {};
  for (const version of [first, second]) {
    const name = `${settings.track}@${version}`;
    said[name] = {};
    for (let i = 0; i < questionCount; i++) {
      const answer = ask(name, question(i), {});
      if (answer === null || answer.faults.length > 0) throw new Error(`ask ${name} alone: ${answer ? answer.faults : 'refused'}`);
      said[name][question(i)] = answer.text;
    }
  }
  const differ = Object.keys(said[`${settings.track}@${first}`]).filter((q) => said[`${settings.track}@${first}`][q] !== said[`${settings.track}@${second}`][q]);
  console.log(`versions ${first} and ${second} of track ${settings.track} answer ${differ.length} of ${questionCount} questions differently`);
  return { first, second, said, before: before.champion };
}

// pair is VERSIONS, such as 3,4 or base,4, else the two newest versions that may serve, else the base model and the only one.
function pair() {
  const wanted = word('VERSIONS', '');
  if (wanted) return wanted.split(',').map((v) => v.trim()).slice(0, 2);
  const usable = call('GET', `/v1/adapters?track=${settings.track}`).data.filter((a) => a.state !== 'rejected' && a.self_test !== 'fail');
  const newest = usable.map((a) => String(a.version)).sort((a, b) => b - a).slice(0, 2);
  if (newest.length === 0) throw new Error(`track ${settings.track} has no version to swap to: let a night make one, or import an adapter`);
  return newest.length === 1 ? ['base', newest[0]] : newest.reverse();
}

const onTrack = (version) => (version === 'base' ? 'base' : Number(version));

export function stream(data) {
  const text = question(exec.scenario.iterationInTest);
  const answer = ask(settings.track, text, { expect: (a) => difference(data.said, a, text) });
  if (answer === null) return;
  if (answer.version === `${settings.track}@${data.first}`) ofFirst.add(1);
  if (answer.version === `${settings.track}@${data.second}`) ofSecond.add(1);
  if (last !== '' && last !== answer.version) spanned.add(1);
  last = answer.version;
}

function difference(said, answer, text) {
  const alone = said[answer.version];
  return alone === undefined || alone[text] === answer.text ? '' : `${answer.version} says to "${text}" "${answer.text}", alone it says "${alone[text]}"`;
}

// swap activates one version after the other; every second way back to the first is a rollback.
export function swap(data) {
  const i = exec.scenario.iterationInTest;
  const to = i % 2 === 0 ? data.first : data.second;
  const back = i % 4 === 2;
  const wrong = change(back, to);
  swaps.add(1);
  swapFailed.add(wrong !== '');
  if (wrong) say(`swap: ${wrong}`);
  sleep(number('SWAP_EVERY_MS', 200) / 1000);
}

// change rolls back, or activates a version, and says what went wrong.
function change(back, to) {
  const reason = 'load test';
  try {
    const done = back ? call('POST', `${path}/rollback`, { reason }) : call('POST', `${path}/activate`, { version: onTrack(to), reason });
    swapTime.add(done.swap_ms);
    const champion = String(done.version === null ? 'base' : done.version);
    return done.serving && champion === to ? '' : `${back ? 'a rollback' : 'an activation'} made ${champion} the champion (serving: ${done.serving}), it should be ${to}`;
  } catch (e) {
    return e.message;
  }
}

export function teardown(data) {
  call('POST', `${path}/activate`, { version: data.before.version === null ? 'base' : data.before.version, reason: 'end of the load test' });
  if (!data.before.hold) call('DELETE', `${path}/hold`, { reason: 'end of the load test' });
}

export const handleSummary = summary('swap-under-load', options);
