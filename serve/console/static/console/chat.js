// The chat page: questions, streamed answers, and the settings they are asked with.

import { field, h, problem, replace } from './dom.js';
import { get, segment } from './api.js';
import { may, person } from './person.js';
import { reply } from './reply.js';
import { versionName } from './format.js';

export function chatView() {
  const track = h('select', { id: 'chat-track', onchange: () => loadVersions() });
  const version = h('select', { id: 'chat-version' });
  const system = h('textarea', { id: 'chat-system', rows: 2, placeholder: 'You are …' });
  const temperature = h('input', { id: 'chat-temperature', type: 'number', min: 0, max: 2, step: 0.1, placeholder: 'default' });
  const maxTokens = h('input', { id: 'chat-max', type: 'number', min: 1, step: 1, placeholder: 'default' });
  const seed = h('input', { id: 'chat-seed', type: 'number', min: 0, step: 1, placeholder: 'any' });
  const name = h('input', { id: 'chat-name', maxlength: 64, autocomplete: 'off', spellcheck: 'false', onchange: () => { person.name = name.value.trim(); name.value = person.name; } });
  const whole = h('input', { id: 'chat-whole', type: 'checkbox' });
  const log = h('div', { class: 'log', role: 'log', 'aria-label': 'Conversation', tabindex: 0 });
  const trouble = h('div', {});
  const question = h('textarea', { id: 'chat-question', rows: 1, 'aria-label': 'Your message', placeholder: 'Ask something' });
  const send = h('button', { type: 'submit', class: 'primary', disabled: true }, 'Send');
  const stop = h('button', { type: 'button', hidden: true, onclick: () => running?.stop() }, 'Stop');
  const fresh = h('button', { type: 'button', class: 'small', onclick: clear }, 'New conversation');
  const composer = h('form', { class: 'composer', onsubmit: submit }, question, stop, send);
  const element = h('div', { class: 'page chat' },
    h('h1', { class: 'unseen' }, 'Chat'),
    h('div', { class: 'chat-head' },
      h('div', { class: 'row' }, field('Track', track), field('Version', version)),
      h('div', { class: 'chat-more' }, h('details', {}, h('summary', {}, 'Settings'), h('div', { class: 'settings' },
        field('System prompt', system),
        field('Your name', name, 'Goes with what you ask and say, so that nights can tell people apart. Kept in this browser; the server keeps a keyed hash.'),
        h('div', { class: 'row' }, field('Temperature', temperature), field('Longest answer (tokens)', maxTokens), field('Seed', seed)),
        h('label', { class: 'check' }, whole, 'Send the earlier messages with each question'))), fresh),
      trouble),
    log, composer);

  let turns = []; // {question, reply}
  let running = null;
  let wanted = ''; // a model named by a link from the versions page
  let serial = 0; // of loadVersions: a slow answer for a track no longer chosen is dropped

  clear();
  question.addEventListener('input', fit);
  question.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      composer.requestSubmit();
    }
  });

  function clear() {
    running?.stop();
    turns = [];
    const what = h('p', {});
    replace(log, h('div', { class: 'empty' }, h('p', {}, 'Ask a question. If the answer is wrong, correct it.'), what));
    may('editor').then((editor) => replace(what, editor
      ? 'The next night learns what you correct.'
      : 'What you say is learned when enough people say the same.'), () => {}); // the status line tells of a server that does not answer
    question.focus();
  }

  function fit() {
    question.rows = Math.min(8, question.value.split('\n').length);
    send.disabled = !question.value.trim() || running !== null || !track.value;
  }

  async function loadTracks() {
    try {
      const models = (await get('v1/models')).data.filter((model) => !model.id.includes('@') && !model.tracks);
      const [name, number] = (wanted || track.value).split('@');
      replace(track, models.map((model) => h('option', { value: model.id }, model.id)));
      if (models.some((model) => model.id === name)) track.value = name;
      track.champions = new Map(models.map((model) => [model.id, model.champion]));
      replace(trouble);
      await loadVersions(wanted ? number : version.value);
      wanted = '';
    } catch (error) {
      replace(trouble, problem(error, loadTracks));
    }
    fit();
  }

  // Keys that may only generate cannot list versions: they still choose between champion and base model.
  async function loadVersions(keep = '') {
    const mine = ++serial;
    const name = track.value;
    let list = [];
    try {
      list = (await get(`v1/adapters?track=${segment(name)}`)).data;
    } catch (error) {
      if (error.status !== 403) replace(trouble, problem(error, () => loadVersions(keep)));
    }
    if (mine !== serial) return;
    const champion = (track.champions.get(name) ?? '').split('@')[1];
    replace(version,
      h('option', { value: '' }, champion ? `champion (${champion})` : 'champion'),
      list.sort((a, b) => b.version - a.version).map((v) => h('option', { value: v.version }, `${v.version} · ${v.state}`)),
      h('option', { value: 'base' }, 'base model'));
    version.value = [...version.options].some((option) => option.value === keep) ? keep : '';
  }

  function request(text) {
    const messages = [];
    if (system.value.trim()) messages.push({ role: 'system', content: system.value.trim() });
    if (whole.checked) {
      for (const turn of turns) {
        if (!turn.reply.text()) continue;
        messages.push({ role: 'user', content: turn.question }, { role: 'assistant', content: turn.reply.text() });
      }
    }
    messages.push({ role: 'user', content: text });
    const body = {
      model: version.value ? versionName(track.value, version.value) : track.value,
      messages, user: person.name, stream: true, stream_options: { include_usage: true },
    };
    if (temperature.value !== '') body.temperature = Number(temperature.value);
    if (maxTokens.value !== '') body.max_tokens = Number(maxTokens.value);
    if (seed.value !== '') body.seed = Number(seed.value);
    return body;
  }

  function submit(event) {
    event.preventDefault();
    const text = question.value.trim();
    if (!text || running || !track.value) return;
    const turn = { question: text, reply: reply({ started, ended, grown: follow }) };
    const body = request(text);
    if (turns.length === 0) replace(log);
    log.append(h('article', { class: 'question', 'aria-label': 'You' }, text), turn.reply.element);
    turns.push(turn);
    question.value = '';
    log.scrollTop = log.scrollHeight;
    turn.reply.ask(body);
    fit();
  }

  function started(which) {
    running = which;
    stop.hidden = false;
    send.hidden = true;
    fit();
  }

  function ended() {
    running = null;
    stop.hidden = true;
    send.hidden = false;
    fit();
    if (document.activeElement === document.body) question.focus();
  }

  // follow keeps the newest text in sight unless the reader scrolled up; change makes the log longer.
  function follow(change) {
    const near = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
    change();
    if (near) log.scrollTop = log.scrollHeight;
  }

  return {
    element,
    title: 'Chat',
    show(rest, query) {
      wanted = query.get('model') ?? '';
      name.value = person.name;
      loadTracks();
    },
  };
}
