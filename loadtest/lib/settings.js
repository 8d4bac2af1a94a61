// Settings of all scripts, from variables of the environment (k6 run -e NAME=value). loadtest/README.md lists them.

const given = (name) => __ENV[name] !== undefined && __ENV[name] !== '';

export const word = (name, fallback) => (given(name) ? __ENV[name] : fallback);

export function number(name, fallback) {
  if (!given(name)) return fallback;
  const n = Number(__ENV[name]);
  if (!Number.isFinite(n) || n < 0) throw new Error(`${name} is "${__ENV[name]}", it must be a number that is not negative`);
  return n;
}

export const settings = {
  base: word('BASE_URL', 'http://127.0.0.1:8080').replace(/\/+$/, ''),
  key: word('API_KEY', ''),
  track: word('TRACK', 'default'),
  maxTokens: number('MAX_TOKENS', 48),
  temperature: number('TEMPERATURE', 0),
  timeout: word('TIMEOUT', '60s'),
  results: word('RESULTS', import.meta.resolve('../results').replace(/^file:\/\//, '')),
};

// Statistics that the summary and the report show of every timing.
export const statistics = ['avg', 'min', 'med', 'p(90)', 'p(95)', 'p(99)', 'max', 'count'];

// Limits that every script holds the server to.
export const limits = {
  failed: ['rate==0'],
  time_to_first_token: [`p(95)<${number('FIRST_TOKEN_MS', 1000)}`],
  inter_token_p99: [`p(95)<${number('INTER_TOKEN_MS', 250)}`],
};

// options of a script whose users ask one question after the other.
export const steady = (vus, duration, thresholds) => ({
  scenarios: { users: { executor: 'constant-vus', vus: number('VUS', vus), duration: word('DURATION', duration) } },
  summaryTrendStats: statistics,
  thresholds: Object.assign({}, limits, { refused: ['rate==0'] }, thresholds),
});
