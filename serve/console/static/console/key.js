// The API key field: appears when the server answers 401 or when asked for from the status line.

import { field, h, replace } from './dom.js';
import { key, listeners } from './api.js';

// keyField fills the element; changed is called when another key is in use.
export function keyField(element, changed) {
  const input = h('input', { type: 'password', name: 'key', autocomplete: 'off', spellcheck: 'false', maxlength: 512 });
  const note = h('p', { class: 'hint', role: 'status' });
  const forget = h('button', { type: 'button', onclick: () => use('') }, 'Forget the key');
  const form = h('form', {
    onsubmit: (event) => {
      event.preventDefault();
      use(input.value.trim());
    },
  }, field('API key', input), h('div', { class: 'row' },
    h('button', { type: 'submit', class: 'primary' }, 'Use this key'), forget,
    h('button', { type: 'button', onclick: () => { element.hidden = true; } }, 'Close')), note);
  replace(element, form);

  function use(value) {
    key.set(value);
    input.value = '';
    element.hidden = true;
    changed();
  }

  function open(text) {
    if (text || element.hidden) replace(note, text || 'Kept in this tab only, until it is closed.');
    forget.hidden = !key.get();
    if (!element.hidden) return;
    element.hidden = false;
    input.focus();
  }

  listeners.addEventListener('denied', () => open(key.get()
    ? 'The server refused the key this tab uses. Enter another one; it is kept in this tab only.'
    : 'This server wants an API key. It is kept in this tab only, until the tab is closed.'));
  return { open };
}
