// The versions page: what serves each track, what else there is, and the way from one to the other.

import { confirm, h, problem, replace } from './dom.js';
import { get, post, remove, segment } from './api.js';
import { count, milliseconds, short, versionName, when } from './format.js';

export function versionsView() {
  const tabs = h('nav', { class: 'tabs', 'aria-label': 'Tracks' });
  const note = h('p', { class: 'note', role: 'status' });
  const trouble = h('div', {});
  const champion = h('div', {});
  const list = h('div', {});
  const element = h('div', { class: 'page' }, h('h1', {}, 'Versions'), tabs, note, trouble, champion, list);
  let name = ''; // the track shown
  let track = null;
  let serial = 0;
  let shown = ''; // what champion and list were drawn from

  async function load() {
    const mine = ++serial;
    try {
      const tracks = (await get('v1/tracks')).data;
      if (mine !== serial) return;
      track = tracks.find((t) => t.track === name) ?? tracks[0];
      replace(tabs, tracks.map((t) => h('a', { href: `#/versions/${segment(t.track)}`, 'aria-current': t === track ? 'page' : null }, t.track)));
      replace(trouble);
      if (!track) {
        shown = '';
        replace(list, h('p', { class: 'empty' }, 'No track yet.'));
        return;
      }
      name = track.track;
      const { data } = await get(`v1/adapters?track=${segment(name)}`);
      if (mine !== serial) return;
      const now = JSON.stringify([track, data]);
      if (now === shown) return; // nobody loses a button while it is pressed
      shown = now;
      replace(champion, championCard());
      replace(list, table(data));
    } catch (error) {
      if (mine === serial) replace(trouble, problem(error, load));
    }
  }

  function championCard() {
    const now = track.champion ?? {};
    const held = Boolean(now.hold);
    const why = typeof now.hold === 'string' ? now.hold : now.hold?.reason;
    return h('section', { class: 'card champion', 'aria-labelledby': 'champion-title' },
      h('div', {}, h('h2', { id: 'champion-title' }, 'Champion'),
        h('p', { class: 'big' }, versionName(name, now.version), ' ', held && h('span', { class: 'pill warn' }, 'held')),
        h('p', { class: 'hint' }, now.digest ? h('code', {}, short(now.digest)) : 'the base model, without an adapter',
          now.activation ? ` · activation ${now.activation}` : '', now.since ? ` · since ${when(now.since)}` : '')),
      h('dl', { class: 'tiles' }, [['Versions', track.versions], ['Interactions', track.interactions], ['Feedback', track.feedback]]
        .map(([label, value]) => h('div', {}, h('dt', {}, label), h('dd', {}, count(value))))),
      held && h('p', { class: 'note' }, 'Held: no night can replace this version.', why ? ` Reason: ${why}` : ''),
      h('div', { class: 'row' },
        h('button', { type: 'button', onclick: rollback }, 'Roll back'),
        held ? h('button', { type: 'button', onclick: release }, 'Release the hold') : h('button', { type: 'button', onclick: hold }, 'Hold')));
  }

  function table(versions) {
    const cell = (label, ...content) => h('td', { 'data-label': label }, ...content);
    const rows = [...versions].sort((a, b) => b.version - a.version).map((v) => h('tr', {},
      h('th', { scope: 'row' }, versionName(name, v.version), ' ', h('code', {}, short(v.digest))),
      cell('State', h('span', { class: `pill ${{ champion: 'good', rejected: 'bad' }[v.state] ?? ''}` }, v.state)),
      cell('Night', v.night ? h('a', { href: `#/learning/${segment(v.night)}` }, v.night) : 'imported'),
      cell('Created', when(v.created)),
      cell('Examples', count(v.examples)),
      cell('Gate', v.gate ?? '–'),
      cell('Self-test', v.self_test ?? '–'),
      h('td', { class: 'actions' }, actions(v.version, v.state === 'champion'))));
    rows.push(h('tr', {},
      h('th', { scope: 'row' }, versionName(name, 'base')), cell('State', !track.champion?.digest ? h('span', { class: 'pill good' }, 'champion') : 'available'),
      h('td', { colspan: 5, class: 'hint' }, 'the model as it came, without an adapter'),
      h('td', { class: 'actions' }, actions('base', !track.champion?.digest))));
    return h('div', { class: 'card flush' }, h('table', { class: 'stack' },
      h('thead', {}, h('tr', {}, ['Version', 'State', 'Night', 'Created', 'Examples', 'Gate', 'Self-test'].map((label) => h('th', { scope: 'col' }, label)),
        h('th', { scope: 'col' }, h('span', { class: 'unseen' }, 'Actions')))),
      h('tbody', {}, rows)));
  }

  function actions(version, serving) {
    const full = versionName(name, version);
    return [
      h('a', { href: `#/chat?model=${segment(full)}`, 'aria-label': `Try ${full}` }, 'Try'),
      !serving && h('button', { type: 'button', class: 'small', 'aria-label': `Activate ${full}`, onclick: () => activate(version) }, 'Activate'),
    ];
  }

  // act asks, posts, says what happened, and shows the new state.
  async function act(question, call, done) {
    const reason = await confirm(question);
    if (reason === null) return;
    const on = name;
    try {
      const result = await call(reason, segment(on));
      const text = done(result);
      await load();
      note.className = 'note good';
      replace(note, text);
      note.scrollIntoView({ block: 'nearest' });
    } catch (error) {
      note.className = 'note';
      replace(note);
      if (error.status === 409) await load(); // someone else was faster: show what serves now, then say so
      replace(trouble, problem(error));
    }
  }

  const served = (result) => `${versionName(name, result.version)} serves now (activation ${result.activation}, swapped in ${milliseconds(result.swap_ms)}).`;

  function activate(version) {
    const full = versionName(name, version);
    const expect = track.champion?.activation;
    return act({
      title: `Activate ${full}?`, action: 'Activate',
      text: `It answers new requests of ${name} at once. Requests that are running finish on ${versionName(name, track.champion?.version)}.`,
    }, (reason, at) => post(`v1/tracks/${at}/activate`, { version, reason, ...(expect ? { expect } : {}) }), served);
  }

  const rollback = () => act({
    title: `Roll ${name} back?`, action: 'Roll back',
    text: `The version before ${versionName(name, track.champion?.version)} serves again, and is held: no night replaces it until you release it.`,
  }, (reason, at) => post(`v1/tracks/${at}/rollback`, { reason }), served);

  const hold = () => act({
    title: `Hold ${versionName(name, track.champion?.version)}?`, action: 'Hold', text: 'Nights go on training and judging, but none can replace it.',
  }, (reason, at) => post(`v1/tracks/${at}/hold`, { reason }), () => 'Held. No night can replace this version.');

  const release = () => act({
    title: 'Release the hold?', action: 'Release', text: `The next night that passes its gate may replace ${versionName(name, track.champion?.version)}.`,
  }, (reason, at) => remove(`v1/tracks/${at}/hold`), () => 'Released. The next good night may replace this version.');

  return {
    element,
    title: 'Versions',
    show([wanted]) {
      if (wanted && wanted !== name) replace(note);
      name = wanted ?? name;
      load();
    },
  };
}
