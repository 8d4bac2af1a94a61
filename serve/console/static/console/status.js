// The status line: what serves, whether the store keeps up, when the next night is.

import { h, replace } from './dom.js';
import { get, key } from './api.js';
import { duration } from './format.js';

const every = 15_000;

export function statusLine(element, { changeKey }) {
  const list = h('dl', { class: 'facts' });
  const keyButton = h('button', { type: 'button', class: 'link', onclick: () => changeKey() }, 'API key');
  replace(element, list, keyButton);

  const fact = (name, value, className) => h('div', { class: className }, h('dt', {}, name), h('dd', {}, value));

  function show(status) {
    const store = status.store ?? {};
    replace(list,
      fact('Model', status.model || '–', 'good'),
      store.degraded
        ? fact('Store', `${store.kind} is degraded${store.detail ? `: ${store.detail}` : ''}`, 'warn')
        : fact('Store', store.kind || '–'),
      fact('Updater', status.updater === 'none' ? 'none: no nights' : status.updater || '–'),
      fact('Schedule', status.schedule || 'by hand'),
      fact('Up', duration(status.uptime_seconds)),
      fact('Nightshift', status.version || '–'));
    element.dataset.state = store.degraded ? 'degraded' : 'ok';
    keyButton.hidden = status.auth === 'none' && !key.get();
  }

  async function refresh() {
    try {
      show(await get('v1/status'));
    } catch (error) {
      element.dataset.state = 'down';
      replace(list, fact('Server', error.status === 401 ? 'wants an API key' : error.message, 'warn'));
      keyButton.hidden = error.status !== 401;
    }
  }

  return {
    refresh,
    start() {
      refresh();
      setInterval(() => { if (!document.hidden) refresh(); }, every);
      document.addEventListener('visibilitychange', () => { if (!document.hidden) refresh(); });
    },
  };
}
