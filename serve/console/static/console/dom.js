// Elements from data. Nothing here or elsewhere makes markup from strings: text is always a text node.

const svgSpace = 'http://www.w3.org/2000/svg';

// h makes an HTML element. Properties named on… are listeners, true and false are boolean attributes,
// null and undefined are left out; all others are attributes.
export function h(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

// s makes an SVG element the same way.
export function s(tag, properties, ...children) {
  return fill(document.createElementNS(svgSpace, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// replace puts new children in the place of all old ones.
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

// field is a labelled control.
export function field(label, control, hint) {
  return h('label', { class: 'field' }, h('span', { class: 'label' }, label), control, hint && h('span', { class: 'hint' }, hint));
}

const shapes = {
  up: 'M8 11 12 3.5a2 2 0 0 1 2 2V9.5h5a2 2 0 0 1 2 2.3l-1.2 6.5a2 2 0 0 1-2 1.7H8ZM8 11H4v9h4',
  down: 'M16 13 12 20.5a2 2 0 0 1-2-2V14.5H5a2 2 0 0 1-2-2.3l1.2-6.5a2 2 0 0 1 2-1.7H16ZM16 13h4V4h-4',
  edit: 'M4 20l1-4.5L16.5 4a2 2 0 0 1 3 0l.5.5a2 2 0 0 1 0 3L8.5 19 4 20ZM14.5 6l3.5 3.5',
  again: 'M19.5 12a7.5 7.5 0 1 1-2.200-5.300L20 9.300M20 4v5.300h-5.300',
};

// icon draws one of the few pictures the console uses; the button around it carries the name.
export function icon(name) {
  return s('svg', { class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true' }, s('path', { d: shapes[name] }));
}

// problem shows an error with what can be done about it.
export function problem(error, retry) {
  const id = error.request ? `Request ${error.request}` : '';
  return h('div', { class: 'problem', role: 'alert' },
    h('p', {}, error.message), id && h('p', { class: 'hint' }, id),
    retry && h('button', { type: 'button', class: 'small', onclick: retry }, icon('again'), 'Try again'));
}

// confirm asks before something that changes what users get. It resolves to the reason typed, or null.
export function confirm({ title, text, action }) {
  const reason = h('input', { name: 'reason', maxlength: 200, autocomplete: 'off', placeholder: 'for the record, optional' });
  const cancel = h('button', { type: 'button' }, 'Cancel');
  const form = h('form', { method: 'dialog' },
    h('h2', { id: 'confirm-title' }, title), h('p', {}, text), field('Reason', reason),
    h('div', { class: 'row end' }, cancel, h('button', { type: 'submit', class: 'primary' }, action)));
  const dialog = h('dialog', { class: 'confirm', 'aria-labelledby': 'confirm-title' }, form);
  const back = document.activeElement;
  document.body.append(dialog);
  return new Promise((resolve) => {
    let answer = null;
    cancel.addEventListener('click', () => dialog.close());
    form.addEventListener('submit', () => { answer = reason.value.trim(); });
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (back?.isConnected) back.focus();
      resolve(answer);
    });
    dialog.showModal();
  });
}
