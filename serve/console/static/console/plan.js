// What the next night of a track waits for, as the server says it.

import { h, replace } from './dom.js';
import { get, segment } from './api.js';
import { may } from './person.js';

const every = 5_000;

// nextNight reads a track's plan: null where nobody learns, or where the key may not see it.
export async function nextNight(track) {
  if (!await may('admin')) return null;
  return (await get(`v1/tracks/${segment(track)}`)).next_night ?? null;
}

// planCard shows the plan of the track that track() names, and keeps it up to date while it is watched.
export function planCard(track) {
  const element = h('div', { class: 'plan', role: 'status', 'aria-live': 'polite' });
  let timer = 0;
  let serial = 0;
  let shown = '';

  async function refresh() {
    clearTimeout(timer);
    const mine = ++serial;
    let plan = null;
    try {
      if (track()) plan = await nextNight(track());
      if (mine === serial) show(plan);
    } catch (error) {
      if (mine === serial) show({ sentences: [error.message], help: [] });
    }
    if (mine === serial) timer = setTimeout(() => (document.hidden ? later() : refresh()), every);
  }

  function later() {
    document.addEventListener('visibilitychange', refresh, { once: true });
  }

  // show draws only what is new, so that screen readers do not say the same again.
  function show(plan) {
    const text = plan ? JSON.stringify([plan.ready, plan.sentences, plan.help]) : '';
    if (text === shown) return;
    shown = text;
    if (!plan) return replace(element);
    return replace(element,
      h('p', {}, h('span', { class: `pill ${plan.ready ? 'good' : ''}` }, plan.ready ? 'ready' : 'waits'),
        plan.ready ? ' A night started now would train.' : ' A night started now would be skipped.'),
      h('ul', {}, plan.sentences.map((sentence) => h('li', {}, sentence))),
      plan.help.length > 0 && [h('h3', {}, 'What helps'), h('ul', { class: 'hint' }, plan.help.map((sentence) => h('li', {}, sentence)))]);
  }

  return { element, refresh, stop: () => { clearTimeout(timer); serial++; } };
}
