// The frame: which page is shown, the key field, the status line.

import { chatView } from './chat.js';
import { learningView } from './learning.js';
import { keyField } from './key.js';
import { statusLine } from './status.js';
import { versionsView } from './versions.js';

const views = { chat: chatView(), learning: learningView(), versions: versionsView() };
const main = document.getElementById('main');
let shown = null;

// parse reads #/versions/support?x=y as view, rest and parameters.
function parse() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [view, ...rest] = path.split('/').map(decode);
  return { name: views[view] ? view : 'chat', rest, query: new URLSearchParams(query) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a hand-typed % is no reason to show nothing
  }
}

// Pages are made once and kept, so that an answer goes on streaming while another page is looked at.
function route() {
  const { name, rest, query } = parse();
  const first = shown === null;
  shown?.hide?.();
  shown = views[name];
  if (main.firstElementChild !== shown.element) main.replaceChildren(shown.element);
  main.dataset.view = name;
  document.title = `${shown.title} · Nightshift`;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.dataset.view === name) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  shown.show(rest, query);
  if (!first) main.focus({ preventScroll: true });
}

document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault(); // the address belongs to the router
  main.focus();
});
const status = statusLine(document.getElementById('status'), { changeKey: () => keyBar.open() });
const keyBar = keyField(document.getElementById('key'), () => {
  status.refresh();
  route();
});
addEventListener('hashchange', route);
status.start();
route();
