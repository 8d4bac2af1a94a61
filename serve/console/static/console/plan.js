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
      if (mine === serial) show({ sentences: [error.message], help: [], needs: [] });
    }
    if (mine === serial) timer = setTimeout(() => (document.hidden ? later() : refresh()), every);
  }

  function later() {
    document.addEventListener('visibilitychange', refresh, { once: true });
  }

  // show draws only what is new, so that screen readers do not say the same again.
  function show(plan) {
    const text = plan ? JSON.stringify([plan.ready, plan.sentences, plan.help, plan.needs]) : '';
    if (text === shown) return;
    shown = text;
    if (!plan) return replace(element);
    const waits = plan.needs.length > 0 && (plan.new + plan.held_out > plan.by_editors || plan.too_young + plan.unconfirmed > 0);
    return replace(element,
      h('p', { class: 'plan-head' }, h('span', { class: `pill ${plan.ready ? 'good' : ''}` }, plan.ready ? 'ready' : 'nothing to run yet'),
        plan.ready ? ' A night started now would train.' : ' A night started now would be skipped.'),
      h('ul', { class: 'plan-says' }, plan.sentences.map((sentence) => h('li', {}, sentence))),
      waits && h('ul', { class: 'needs', 'aria-label': 'What a night asks of what people say' }, plan.needs.filter((n) => n.name !== 'largest_share' || !n.met).map(need)),
      plan.help.length > 0 && h('p', { class: 'hint' }, 'What helps: ', plan.help.join(' ')));
  }

  return { element, refresh, stop: () => { clearTimeout(timer); serial++; } };
}

const names = { examples: 'examples', people: 'people', held_out_corrections: 'corrections held out', held_out: 'held out', largest_share: 'share of one person' };

// need is one condition with a meter; the sentences above say the same in words.
function need({ name, have, need: least, met }) {
  const text = name === 'largest_share' ? `${Math.round(100 * have)} % of at most ${Math.round(100 * least)} %` : `${have} of ${least}`;
  return h('li', { class: met ? 'met' : null },
    h('meter', { min: 0, max: least, value: Math.min(have, least), 'aria-label': names[name] ?? name }),
    h('span', {}, h('strong', {}, text), ` ${names[name] ?? name}`));
}
