// The learning page: start a night, the nights so far, and one night in detail.

import { field, h, problem, replace } from './dom.js';
import { get, post, segment } from './api.js';
import { duration, moment, versionName, when } from './format.js';
import { nightDetail } from './night.js';
import { planCard } from './plan.js';
import { running, stateName, tone } from './words.js';

const every = 10_000; // the list is read again this often while a night runs

export function learningView() {
  const track = h('select', { id: 'night-track', onchange: () => plan.refresh() });
  const plan = planCard(() => track.value);
  const dry = h('input', { id: 'night-dry', type: 'checkbox' });
  const start = h('button', { type: 'submit', class: 'primary' }, 'Start a night');
  const trouble = h('div', {});
  const filter = h('select', { 'aria-label': 'Nights of', onchange: () => load() });
  const list = h('div', {});
  const overview = h('div', {},
    h('h1', {}, 'Learning'),
    h('p', { class: 'lead' }, 'A night trains a candidate from the feedback of the day, tests it against the champion, and lets it serve only if it is better.'),
    h('section', { class: 'card', 'aria-labelledby': 'next-title' },
      h('h2', { id: 'next-title' }, 'Next night'),
      h('form', { class: 'row', onsubmit: begin, 'aria-label': 'Start a night' },
        field('Track', track),
        h('label', { class: 'check' }, dry, h('span', {}, 'Dry run', h('span', { class: 'hint' }, 'train and judge, publish nothing'))),
        h('span', { class: 'grow' }), start),
      plan.element), // last: it grows when it is read again, and a button must not move away from the hand
    trouble,
    h('div', { class: 'row between' }, h('h2', {}, 'Nights'), filter),
    list);
  const element = h('div', { class: 'page' }, overview);
  let detail = null;
  let timer = 0;
  let serial = 0;

  async function begin(event) {
    event.preventDefault();
    start.disabled = true;
    try {
      const night = await post('v1/nights', { track: track.value, dry_run: dry.checked });
      replace(trouble);
      location.hash = `#/learning/${segment(night.id)}`;
    } catch (error) {
      replace(trouble, problem(error));
    } finally {
      start.disabled = false;
    }
  }

  async function loadTracks() {
    try {
      const names = (await get('v1/tracks')).data.map((t) => t.track);
      const [chosen, shown] = [track.value, filter.value];
      replace(track, names.map((name) => h('option', { value: name }, name)));
      replace(filter, h('option', { value: '' }, 'all tracks'), names.map((name) => h('option', { value: name }, name)));
      if (names.includes(chosen)) track.value = chosen;
      if (names.includes(shown)) filter.value = shown;
      replace(trouble);
      plan.refresh();
    } catch (error) {
      replace(trouble, problem(error, loadTracks));
    }
  }

  async function load() {
    clearTimeout(timer);
    const mine = ++serial;
    try {
      const query = new URLSearchParams({ limit: 50 });
      if (filter.value) query.set('track', filter.value);
      const { data } = await get(`v1/nights?${query}`);
      if (mine !== serial) return;
      replace(list, data.length ? table(data) : h('p', { class: 'empty' }, 'No night yet.'));
      if (data.some((night) => running(night.state))) timer = setTimeout(load, every);
    } catch (error) {
      if (mine === serial) replace(list, problem(error, load));
    }
  }

  return {
    element,
    title: 'Learning',
    show([id]) {
      detail?.close();
      detail = id ? nightDetail(id) : null;
      replace(element, detail ? detail.element : overview);
      plan.stop();
      if (detail) return;
      loadTracks();
      load();
    },
    hide() {
      clearTimeout(timer);
      serial++;
      plan.stop();
      detail?.close();
    },
  };
}

function table(nights) {
  const cell = (label, ...content) => h('td', { 'data-label': label }, ...content);
  return h('div', { class: 'card flush' }, h('table', { class: 'stack' },
    h('thead', {}, h('tr', {}, ['Night', 'Track', 'State', 'Started', 'Took', 'Candidate'].map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, nights.map((night) => h('tr', {},
      h('th', { scope: 'row' }, h('a', { href: `#/learning/${segment(night.id)}` }, night.id)),
      cell('Track', night.track),
      cell('State', h('span', { class: `pill ${tone(night.state)}` }, stateName(night.state))),
      cell('Started', when(night.started)),
      cell('Took', took(night)),
      cell('Candidate', night.candidate ? versionName(night.track, night.candidate.version) : '–'))))));
}

function took({ started, finished }) {
  const [from, to] = [moment(started), moment(finished)];
  return from && to ? duration((to - from) / 1000) : '–';
}
