// One night, followed live: where it is, how the loss falls, what it selected, what the gate said.

import { h, problem, replace } from './dom.js';
import { get, segment, stream } from './api.js';
import { count, duration, short, versionName, when } from './format.js';
import { lossCurve } from './curve.js';
import { verdictTable } from './verdict.js';
import { path, running, stateName, states, tone } from './words.js';

const counts = [
  ['examples', 'Examples'], ['new', 'New'], ['rehearsal', 'Rehearsal'], ['held_out', 'Held out'], ['anchors', 'Anchors'], ['subjects', 'People'], ['by_editors', 'By editors'],
];
const heldOutBy = { people: 'of people it does not learn from', questions: 'of questions several people corrected' };

export function nightDetail(id) {
  const controller = new AbortController();
  const { signal } = controller;
  const pill = h('span', { class: 'pill', role: 'status' });
  const about = h('p', { class: 'lead' });
  const facts = h('dl', { class: 'tiles' });
  const steps = h('ol', { class: 'phases', 'aria-label': 'Phases' });
  const bar = h('progress', { 'aria-label': 'Progress of this phase', max: 1 });
  const at = h('p', { class: 'hint' });
  const progress = h('section', { class: 'card', 'aria-label': 'Progress' }, steps, bar, at);
  const curve = lossCurve();
  const selection = h('div', {});
  const verdict = h('div', {});
  const log = h('div', {});
  const trouble = h('div', {});
  const element = h('div', {},
    h('p', { class: 'back' }, h('a', { href: '#/learning' }, '← All nights')),
    h('h1', {}, `Night ${id} `, pill), about, trouble, facts, progress,
    h('section', { class: 'card', 'aria-label': 'Loss curve' }, curve.element), verdict, selection, log);
  let state = '';

  function showState(next, reason) {
    state = next;
    pill.className = `pill ${tone(next)}`;
    replace(pill, stateName(next));
    replace(about, states[next]?.[1] ?? '', reason ? ` Reason: ${reason}.` : '');
    const place = path.indexOf(next === 'waiting' ? 'queued' : next);
    progress.hidden = !running(next);
    replace(steps, path.map((phase, i) => h('li', {
      class: i < place ? 'done' : i === place ? 'now' : null, 'aria-current': i === place ? 'step' : null,
    }, stateName(i === 0 && next === 'waiting' ? 'waiting' : phase))));
    bar.removeAttribute('value');
    replace(at);
  }

  function showProgress(p) {
    if (!p) return;
    const open = isOpen(p);
    if (p.steps > 0 && !open) bar.value = Math.min(1, p.step / p.steps);
    else bar.removeAttribute('value');
    replace(at,
      open ? `Step ${count(p.step)} · ends when it has learned, after ${count(p.steps)} steps at most`
        : p.phase === 'anchors' && p.steps > 0 ? `The model answers questions that show what it forgets, once · ${count(p.step)} of ${count(p.steps)}`
        : p.steps > 0 ? `Step ${count(p.step)} of ${count(p.steps)}` : p.phase ?? '',
      typeof p.eta_seconds === 'number' && p.eta_seconds > 0 ? ` · about ${duration(p.eta_seconds)} left` : '');
    if (/^train/.test(p.phase ?? '') && p.loss > 0) curve.add([p], open ? 0 : p.steps);
  }

  // isOpen says that a training goes on until it has learned: nobody knows how long that takes.
  function isOpen(p) {
    return /^train/.test(p?.phase ?? '') && p.steps > 0 && !(p.eta_seconds > 0);
  }

  function show(night) {
    showState(night.state, night.reason);
    showProgress(running(night.state) ? night.progress : null);
    curve.add(night.curve ?? [], running(night.state) && /^train/.test(night.progress?.phase ?? '') && !isOpen(night.progress) ? night.progress.steps : 0);
    const tile = (name, ...value) => h('div', {}, h('dt', {}, name), h('dd', {}, ...value));
    const candidate = night.candidate && [versionName(night.track, night.candidate.version), ' ', h('code', {}, short(night.candidate.digest))];
    replace(facts,
      tile('Track', h('a', { href: `#/versions/${segment(night.track)}` }, night.track)),
      tile('Started', when(night.started)), tile('Finished', when(night.finished)), tile('Candidate', candidate || '–'));
    replace(selection, night.selection && h('section', { class: 'card', 'aria-labelledby': 'selection-title' },
      h('h2', { id: 'selection-title' }, 'Selection'),
      h('dl', { class: 'tiles' }, counts.filter(([name]) => night.selection[name] !== undefined).map(([name, label]) => tile(label, count(night.selection[name]))),
        night.selection.held_out_by && tile('What is held out', heldOutBy[night.selection.held_out_by] ?? night.selection.held_out_by))));
    replace(verdict, night.verdict && verdictTable(night.verdict, night.selection));
    replace(log, night.log?.length && h('details', { class: 'card' }, h('summary', {}, 'Log'), h('pre', { tabindex: 0 }, night.log.map(line).join('\n'))));
  }

  // follow reads the night, then its events until it is done; a broken connection is taken up again after a breath.
  async function follow() {
    try {
      replace(trouble);
      const night = await get(`v1/nights/${segment(id)}`, signal);
      show(night);
      if (!running(night.state)) return;
      const { events } = await stream('GET', `v1/nights/${segment(id)}/events`, undefined, signal);
      for await (const { event, data } of events) {
        const body = JSON.parse(data);
        if (event === 'progress') showProgress(body);
        else if (event === 'state') changed(body);
        else if (event === 'done') return void show(body);
      }
      setTimeout(() => { if (!signal.aborted) follow(); }, 2000);
    } catch (error) {
      if (signal.aborted) return;
      replace(trouble, problem(error, follow));
      if (error.status === 0) setTimeout(() => { if (!signal.aborted && trouble.firstChild) follow(); }, 5000);
    }
  }

  function changed({ state: next, reason }) {
    if (next !== state) showState(next, reason);
  }

  follow();
  return { element, close: () => controller.abort() };
}

const line = (entry) => (typeof entry === 'string' ? entry
  : [entry.time && when(entry.time), entry.message ?? entry.msg ?? JSON.stringify(entry)].filter(Boolean).join('  '));
