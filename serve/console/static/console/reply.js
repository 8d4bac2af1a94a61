// One answer: streamed as text, then what it was made by and what its reader thinks of it.

import { h, icon, problem, replace } from './dom.js';
import { Problem, identifier, post, stream } from './api.js';
import { count, figure, milliseconds, short } from './format.js';
import { may, person } from './person.js';
import { nextNight } from './plan.js';

// reply makes an answer that is not asked for yet. started and ended frame each attempt, grown wraps every change of height.
export function reply({ started, ended, grown }) {
  const words = document.createTextNode('');
  const body = h('p', { class: 'words' }, words);
  const under = h('div', { class: 'under' });
  const element = h('article', { class: 'reply', 'aria-label': 'Answer' }, body, under);
  let controller = null;
  let done = false; // the whole answer is here

  const self = { element, ask, text: () => (done ? words.data : ''), stop: () => controller?.abort() };

  async function ask(request) {
    controller = new AbortController();
    done = false;
    words.data = '';
    replace(under);
    element.setAttribute('aria-busy', 'true');
    started(self);
    const facts = { adapter: '', finish: '', nightshift: null, timings: null, usage: null };
    try {
      await read(request, facts);
      done = true;
      grown(() => settled(facts));
    } catch (error) {
      const again = () => ask(request);
      grown(() => (error.name === 'AbortError' ? stopped(facts, again) : failed(error, facts, again)));
    } finally {
      controller = null;
      element.removeAttribute('aria-busy');
      ended(self);
    }
  }

  async function read(request, facts) {
    const { headers, events } = await stream('POST', 'v1/chat/completions', request, controller.signal);
    facts.adapter = headers.get('X-Nightshift-Adapter') ?? '';
    for await (const { data } of events) {
      if (data === '[DONE]') return;
      const chunk = parse(data);
      if (chunk.error) throw new Problem(chunk.error.message, { code: chunk.error.code, request: headers.get('X-Request-Id') ?? '' });
      const choice = chunk.choices?.[0];
      if (choice?.delta?.content) grown(() => words.appendData(choice.delta.content));
      facts.finish = choice?.finish_reason ?? facts.finish;
      facts.adapter = chunk.model ?? facts.adapter;
      facts.nightshift = chunk.nightshift ?? facts.nightshift;
      facts.timings = chunk.timings ?? chunk.nightshift?.timings ?? facts.timings;
      facts.usage = chunk.usage ?? facts.usage;
    }
    throw new Problem('The answer broke off before its end.');
  }

  function settled(facts) {
    if (!words.data) replace(body, h('em', {}, 'The answer is empty.'));
    else replace(body, words);
    replace(under,
      h('div', { class: 'made' }, badge(facts), h('span', { class: 'timing' }, timing(facts)),
        facts.finish === 'length' && h('span', { class: 'note' }, 'cut at the token limit')),
      facts.nightshift && (facts.nightshift.logged
        ? feedback(facts.nightshift, words.data, grown)
        : h('p', { class: 'note' }, 'This answer was not recorded, so it cannot be rated.')));
  }

  function stopped(facts, again) {
    replace(under, h('div', { class: 'made' }, facts.adapter && badge(facts), h('span', { class: 'note' }, 'stopped')),
      h('button', { type: 'button', class: 'small', onclick: again }, icon('again'), 'Ask again'));
  }

  function failed(error, facts, again) {
    replace(under, facts.adapter && h('div', { class: 'made' }, badge(facts)), problem(error, again));
  }

  return self;
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Problem('The server sent an event that is not JSON.');
  }
}

function badge({ adapter, nightshift }) {
  const digest = short(nightshift?.digest);
  return h('span', { class: 'badge', title: nightshift?.digest || 'no adapter: the base model' },
    h('span', {}, adapter || 'unknown'), digest && h('code', {}, digest));
}

function timing({ timings, usage }) {
  const parts = [];
  if (usage) parts.push(`${count(usage.completion_tokens)} tokens`);
  if (timings?.tokens_per_second) parts.push(`${figure(timings.tokens_per_second)} tokens/s`);
  if (timings?.first_token_ms !== undefined) parts.push(`first after ${milliseconds(timings.first_token_ms)}`);
  return parts.join(' · ');
}

// feedback is thumbs and "edit the answer" for one recorded interaction.
function feedback({ interaction, track, feedback_token: token }, answer, grown) {
  const next = h('p', { class: 'note next', role: 'status' });
  const note = h('p', { class: 'note', role: 'status' });
  const corrected = h('div', {});
  const up = thumb('up', 'Good answer');
  const down = thumb('down', 'Bad answer');
  const edit = h('button', { type: 'button', class: 'small', onclick: () => grown(open) }, icon('edit'), 'Edit the answer');
  const buttons = h('div', { class: 'row' }, up, down, edit, note);
  const box = h('div', { class: 'feedback' }, buttons, corrected, next);

  function thumb(name, label) {
    return h('button', {
      type: 'button', class: 'small thumb', 'aria-label': label, title: label, 'aria-pressed': 'false',
      onclick: () => rate(name),
    }, icon(name));
  }

  async function rate(rating) {
    const chosen = rating === 'up' ? up : down;
    if (chosen.getAttribute('aria-pressed') === 'true') return;
    if (await save({ rating }, rating === 'up' ? 'Rating saved.' : 'Rating saved. Edit the answer to say what is right.')) {
      grown(() => replace(next));
      up.setAttribute('aria-pressed', String(rating === 'up'));
      down.setAttribute('aria-pressed', String(rating === 'down'));
    }
  }

  // save posts once per identifier: trying again after a broken connection cannot count twice. One at a time: no button is
  // disabled meanwhile, which would take the keyboard's focus away.
  let saving = false;
  async function save(what, saved) {
    if (saving) return false;
    saving = true;
    const item = { id: identifier(), interaction, ...(token ? { token } : {}), user: person.name, ...what };
    replace(note, 'Saving …');
    try {
      await post('v1/feedback', item).catch((error) => (error.status === 0 ? post('v1/feedback', item) : Promise.reject(error)));
      note.className = 'note good';
      replace(note, saved);
      return true;
    } catch (error) {
      note.className = 'note bad';
      replace(note, `Not saved. ${error.message}`);
      return false;
    } finally {
      saving = false;
    }
  }

  // tell says what becomes of what was saved, as the server sees it.
  async function tell(editor) {
    const plan = await nextNight(track).catch(() => null);
    if (!plan) return;
    const says = editor && plan.ready && plan.by_editors > 0 ? 'The next night learns this.' : plan.sentences.join(' ');
    grown(() => replace(next, says, ' ', h('a', { href: '#/learning' }, plan.ready ? 'Start a night' : 'What would help')));
  }

  let last = answer; // what the editor starts from
  function open() {
    const text = h('textarea', { 'aria-label': 'The answer as it should be', rows: Math.min(12, 2 + Math.ceil(last.length / 70)) });
    text.value = last;
    const submit = h('button', { type: 'submit', class: 'primary small', disabled: true }, 'Save the correction');
    const cancel = h('button', { type: 'button', class: 'small', onclick: () => close() }, 'Cancel');
    const form = h('form', { class: 'editor' }, text, h('div', { class: 'row' }, submit, cancel));
    text.addEventListener('input', () => { submit.disabled = !text.value.trim() || text.value.trim() === last.trim(); });
    text.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') close();
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !submit.disabled) form.requestSubmit();
    });
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const correction = text.value.trim();
      const editor = await may('editor').catch(() => false);
      if (!await save({ correction, ...(editor ? { editor } : {}) }, 'Correction saved.')) return;
      last = correction;
      close();
      grown(() => replace(corrected, h('figure', { class: 'correction' }, h('figcaption', {}, 'Your correction'), h('p', { class: 'words' }, correction))));
      tell(editor);
    });
    function close() {
      form.remove();
      edit.hidden = false;
      edit.focus();
    }
    edit.hidden = true;
    box.append(form);
    text.focus();
  }

  return box;
}
