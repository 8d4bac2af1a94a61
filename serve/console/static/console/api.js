// The REST API: JSON requests, and server-sent events read from a fetch stream (an EventSource cannot send a key).

const keyName = 'nightshift.key';

// A Problem is any request that did not work. Status 0: the server was not reached.
export class Problem extends Error {
  constructor(message, { status = 0, code = null, request = '' } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.request = request;
  }
}

// The key stays in this tab: sessionStorage, never a cookie, never the address.
export const key = {
  get: () => sessionStorage.getItem(keyName) ?? '',
  set(value) {
    if (value) sessionStorage.setItem(keyName, value);
    else sessionStorage.removeItem(keyName);
  },
};

// listeners hears 'denied' when the server wants a key or refuses the one it got.
export const listeners = new EventTarget();

// get, post and remove return the decoded body.
export const get = (path, signal) => json('GET', path, undefined, signal);
export const post = (path, body, signal) => json('POST', path, body, signal);
export const remove = (path, signal) => json('DELETE', path, undefined, signal);

// segment makes a name safe as one part of a path.
export const segment = (name) => encodeURIComponent(name);

async function json(method, path, body, signal) {
  const response = await send(method, path, body, signal);
  try {
    return response.status === 204 ? null : await response.json();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('The server sent something that is not JSON.', { status: response.status });
  }
}

async function send(method, path, body, signal) {
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (key.get()) headers.Authorization = `Bearer ${key.get()}`;
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI), {
      method, headers, signal, cache: 'no-store', credentials: 'omit',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem('The server cannot be reached.');
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  const request = response.headers.get('X-Request-Id') ?? '';
  let message = `The server answered ${response.status}.`;
  let code = null;
  try {
    const { error } = await response.json();
    message = error.message || message;
    code = error.code ?? null;
  } catch { /* not ours, perhaps a proxy's page: the status is all there is */ }
  const wait = Number(response.headers.get('Retry-After'));
  if (response.status === 429 && wait > 0) message += ` Try again in ${wait} s.`;
  if (response.status === 401) listeners.dispatchEvent(new Event('denied'));
  return new Problem(message, { status: response.status, code, request });
}

// stream sends a request and returns its response headers and an iterator over its events: {event, data}.
export async function stream(method, path, body, signal) {
  const response = await send(method, path, body, signal);
  return { headers: response.headers, events: events(response.body) };
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let current = { event: 'message', data: [] };
  try {
    for (;;) {
      let piece;
      try {
        piece = await reader.read();
      } catch (error) {
        if (error.name === 'AbortError') throw error;
        throw new Problem('The connection to the server broke.');
      }
      if (piece.done) return;
      const lines = (rest + piece.value).split('\n');
      rest = lines.pop();
      for (const raw of lines) {
        const line = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
        if (line === '') {
          if (current.data.length) yield { event: current.event, data: current.data.join('\n') };
          current = { event: 'message', data: [] };
        } else if (line.startsWith('data:')) {
          current.data.push(value(line, 5));
        } else if (line.startsWith('event:')) {
          current.event = value(line, 6);
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // already broken or already at its end: nothing is left to cancel
  }
}

const value = (line, from) => (line[from] === ' ' ? line.slice(from + 1) : line.slice(from));

// identifier makes an idempotency key; randomUUID is missing on plain http addresses other than localhost.
export function identifier() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')}`;
}
