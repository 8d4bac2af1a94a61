'use strict';
// The forms of the page: they send what they show to the server that the page comes from, and show what it answers.

const key = document.querySelector('#key');

document.querySelectorAll('[data-script]').forEach((part) => { part.hidden = false; });

for (const form of document.forms) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (form.contains(key)) return;
    if (form.underWay) form.underWay.abort();
    else send(form);
  });
}

async function send(form) {
  const button = form.querySelector('button');
  const status = form.querySelector('[role=status]');
  const answer = form.querySelector('.answer');
  const begin = performance.now();
  form.underWay = new AbortController();
  button.textContent = 'Stop';
  status.textContent = 'Waiting …';
  answer.hidden = true;
  try {
    const [address, options] = request(form);
    const response = await fetch(address, { ...options, signal: form.underWay.signal });
    let text = '';
    for (const reader = response.body.getReader(), decoder = new TextDecoder(); ;) { // a stream is shown as it comes
      const { done, value } = await reader.read();
      if (done) break;
      text += decoder.decode(value, { stream: true });
      show(answer, text);
    }
    show(answer, pretty(text));
    status.textContent = `${response.status} ${response.statusText}, ${Math.round(performance.now() - begin)} ms`;
    if (response.ok) offerFeedback(text);
  } catch (error) {
    status.textContent = error.name === 'AbortError' ? 'Stopped.' : `No answer: ${error.message}`;
  } finally {
    form.underWay = null;
    button.textContent = 'Send';
  }
}

// request is the address and the options for fetch.
function request(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll('input')) {
    if (input.dataset.in === 'path') path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    else if (input.value !== '') query.set(input.name, input.value);
  }
  const address = new URL(`.${path}`, document.baseURI);
  address.search = query;
  const options = { method: form.dataset.method, headers: {} };
  if (key.value !== '') options.headers.Authorization = `Bearer ${key.value}`;
  const body = form.elements.body?.value.trim();
  if (body) {
    options.headers['Content-Type'] = 'application/json';
    options.body = body;
  }
  return [address, options];
}

function show(answer, text) {
  answer.textContent = text === '' ? '(empty)' : text;
  answer.hidden = false;
}

// parsed is a JSON text's value, undefined for another text.
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function pretty(text) {
  const value = parsed(text);
  return value === undefined ? text : JSON.stringify(value, null, 2);
}

// offerFeedback has the feedback's form be about the answer that came last, of which a stream tells in one of its events.
function offerFeedback(text) {
  const origin = [text, ...text.split('\n').map((line) => line.replace(/^data: /, ''))]
    .map((part) => parsed(part)?.nightshift).findLast((found) => found?.feedback_token);
  const body = document.querySelector('form[data-path="/v1/feedback"]')?.elements.body;
  const feedback = parsed(body?.value);
  if (origin && feedback) body.value = JSON.stringify({ ...feedback, interaction: origin.interaction, token: origin.feedback_token }, null, 2);
}
