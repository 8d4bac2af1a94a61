// The end of a run: a table for the terminal and a page that needs nothing else. A script exports
//   export const handleSummary = summary('name', options);
import { settings } from './settings.js';

const columns = ['avg', 'med', 'p(90)', 'p(95)', 'p(99)', 'max', 'count'];
const ours = /^(answers|tokens|failed|refused|mixed|answer_time|queue_time|prefill_time|decode_time|time_to_first_token|inter_token|feedback|swap|spanned|server_|checks)/;

export function summary(name, options) {
  const limits = plain(options.thresholds);
  return (data) => {
    const run = collect(name, limits, plain(data));
    const file = `${settings.results}/${name}-${run.when.slice(0, 19).replace(/:/g, '-')}.html`;
    return { stdout: `${text(run)}\n  report: ${file}\n`, [file]: page(run) };
  };
}

// k6's own objects cannot be iterated.
const plain = (object) => JSON.parse(JSON.stringify(object));

// collect takes what is shown out of k6's data.
function collect(name, limits, data) {
  const metrics = data.metrics || {};
  const names = Object.keys(metrics).filter((n) => ours.test(n)).sort();
  const run = {
    name, when: new Date().toISOString(), seconds: data.state.testRunDurationMs / 1000, timings: [], counts: [], thresholds: [], checks: [],
    settings: { server: settings.base, track: settings.track, 'max tokens': settings.maxTokens, temperature: settings.temperature },
  };
  for (const n of names) {
    const v = metrics[n].values;
    if (v.count === 0 && metrics[n].type === 'trend') continue;
    if (metrics[n].type === 'trend') run.timings.push([n + (metrics[n].contains === 'time' ? ', ms' : ''), ...columns.map((c) => shown(v[c], c === 'count'))]);
    else if (metrics[n].type === 'counter') run.counts.push([n, shown(v.count, true), `${shown(v.rate)} a second`]);
    else if (metrics[n].type === 'rate') run.counts.push([n, `${shown(v.rate * 100)} %`, `${v.passes} of ${v.passes + v.fails}`]);
    else run.counts.push([n, shown(v.value), `${shown(v.min)} to ${shown(v.max)}`]);
  }
  for (const metric of Object.keys(limits).sort()) {
    for (const limit of limits[metric]) run.thresholds.push([outcome(metrics[metric], limit), metric, limit]);
  }
  walk(data.root_group, (c) => run.checks.push([c.fails === 0 ? 'ok' : 'FAILED', c.name, `${c.passes} of ${c.passes + c.fails}`]));
  if (!metrics.answers) run.verdict = 'no answers';
  else run.verdict = run.thresholds.some((t) => t[0] === 'FAILED') ? 'FAILED' : 'passed';
  return run;
}

// outcome of a threshold. k6 passes one on a metric without samples; here that is said.
function outcome(metric, limit) {
  const t = metric && metric.thresholds && metric.thresholds[limit];
  const v = metric ? metric.values : {};
  if (!t || v.passes + v.fails === 0 || (metric.type === 'trend' && v.count === 0)) return 'not measured';
  return t.ok ? 'ok' : 'FAILED';
}

function walk(group, each) {
  for (const c of (group && group.checks) || []) each(c);
  for (const g of (group && group.groups) || []) walk(g, each);
}

function shown(v, whole) {
  if (v === undefined || v === null) return '-';
  return whole ? String(v) : v.toFixed(v < 10 ? 2 : v < 100 ? 1 : 0);
}

const tables = (run) => [
  [['timing', ...columns.map((c) => c.replace('med', 'p50').replace(/p\((\d+)\)/, 'p$1'))], run.timings],
  [['count', 'value', ''], run.counts],
  [['check', 'what', ''], run.checks],
  [['threshold', 'metric', 'limit'], run.thresholds],
].filter(([, rows]) => rows.length > 0);

function text(run) {
  const out = ['', `  ${run.name}: ${run.verdict}, ${run.seconds.toFixed(1)} s, ${run.settings.server}, track ${run.settings.track}`];
  for (const [head, rows] of tables(run)) {
    const all = [head, ...rows];
    const wide = head.map((_, i) => Math.max(...all.map((r) => r[i].length)));
    const numbers = head[0] === 'timing' || head[0] === 'count';
    out.push('');
    for (const r of all) out.push('  ' + r.map((c, i) => (numbers && i > 0 ? c.padStart(wide[i]) : c.padEnd(wide[i]))).join('  ').trimEnd());
  }
  return out.join('\n') + '\n';
}

const escape = (s) => String(s).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }[c]));

const style = `:root{color-scheme:light dark;--text:#1c1e21;--page:#fff;--line:#d5d9de;--dim:#5b636d;--good:#12733b;--bad:#b3261e}
@media (prefers-color-scheme:dark){:root{--text:#e4e6e9;--page:#15181c;--line:#363c44;--dim:#9aa3ad;--good:#5fcf8c;--bad:#ff8a80}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--text);background:var(--page);max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}p{color:var(--dim)}div{overflow-x:auto;margin:1.5rem 0}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .7rem;border-bottom:1px solid var(--line);white-space:nowrap}th{color:var(--dim);font-weight:600}
.numbers th+th,.numbers td+td{text-align:right}.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}`;

function page(run) {
  const mark = (c) => (c === 'ok' || c === 'passed' ? ' class="good"' : c === 'FAILED' || c === 'no answers' ? ' class="bad"' : '');
  const row = (tag, cells) => `<tr>${cells.map((c) => `<${tag}${tag === 'td' ? mark(c) : ''}>${escape(c)}</${tag}>`).join('')}</tr>`;
  const body = tables(run).map(([head, rows]) => `<div><table${head[0] === 'timing' || head[0] === 'count' ? ' class="numbers"' : ''}>
<thead>${row('th', head)}</thead><tbody>${rows.map((r) => row('td', r)).join('\n')}</tbody></table></div>`).join('\n');
  const about = Object.keys(run.settings).map((k) => `${k} ${run.settings[k]}`).join(', ');
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(run.name)}</title><style>${style}</style></head>
<body><h1>${escape(run.name)}: <span${mark(run.verdict)}>${run.verdict}</span></h1>
<p>${escape(run.when)}, ${run.seconds.toFixed(1)} s, ${escape(about)}</p>
${body}
</body></html>
`;
}
