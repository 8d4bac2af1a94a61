// Reads an answer and says what is wrong with it. Pure: nothing here speaks to a server or counts.

// read takes the status, the headers and the whole body of a completion, streamed or not. It returns
//   text      what was answered
//   version   the version that the answer names, such as "support@17" or "support@base"
//   names     every different claim about the version, the headers' and each chunk's
//   timings, usage, origin   as the server sent them, null without
//   faults    why the answer is not a whole one
//   mixed     why it is not the answer of one version
export function read(status, headers, body, stream) {
  const answer = { text: '', version: '', names: [], timings: null, usage: null, origin: null, faults: [], mixed: [] };
  if (status !== 200) {
    answer.faults.push(`status ${status}: ${String(body).slice(0, 200)}`);
    return answer;
  }
  const chunks = stream ? events(String(body), answer.faults) : [parse(body, answer.faults)];
  let finish = null;
  for (const c of chunks.filter((c) => c !== null)) {
    if (c.error) {
      answer.faults.push(`error in the answer: ${c.error.message}`);
      continue;
    }
    for (const choice of c.choices || []) {
      answer.text += (choice.delta && choice.delta.content) || (choice.message && choice.message.content) || '';
      finish = choice.finish_reason || finish;
    }
    note(answer.names, `${c.model} ${c.system_fingerprint}`);
    answer.timings = c.timings || answer.timings;
    answer.usage = c.usage || answer.usage;
    answer.origin = c.nightshift || answer.origin;
  }
  if (finish === null) answer.faults.push('it has no end: no finish_reason');
  compare(answer, headers['X-Nightshift-Adapter']);
  return answer;
}

// events returns the chunks of a stream of server-sent events.
function events(body, faults) {
  const chunks = [];
  let done = false;
  for (const event of body.split('\n\n')) {
    const data = event.split('\n').filter((l) => l.startsWith('data:')).map((l) => l.slice(5).trimStart()).join('\n');
    if (data === '') continue; // a comment that keeps the connection alive
    if (done) faults.push('something follows [DONE]');
    if (data === '[DONE]') done = true;
    else chunks.push(parse(data, faults));
  }
  if (!done) faults.push('the stream breaks off: no [DONE]');
  return chunks;
}

function parse(data, faults) {
  try {
    return JSON.parse(data);
  } catch (e) {
    faults.push(`not JSON: ${String(data).slice(0, 80)}`);
    return null;
  }
}

function note(list, name) {
  if (!list.includes(name)) list.push(name);
}

// compare holds the chunks, the header and the origin of an answer against each other.
function compare(answer, header) {
  const { names, mixed, faults, origin } = answer;
  if (names.length > 1) mixed.push(`its chunks name ${names.join(' and ')}`);
  const [model, fingerprint] = (names[0] || '').split(' ');
  answer.version = model || '';
  if (!header) faults.push('no header X-Nightshift-Adapter');
  else if (header !== model) mixed.push(`its header names ${header}, its chunks ${model}`);
  if (!origin) {
    faults.push('no object nightshift');
    return;
  }
  const named = `${origin.track}@${origin.version === null ? 'base' : origin.version}`;
  if (named !== model) mixed.push(`it ends as ${named} and began as ${model}`);
  const digest = origin.digest.replace(/^sha256:/, '').slice(0, 12);
  if (fingerprint !== `ns_${digest || 'base'}`) mixed.push(`its fingerprint is ${fingerprint}, its digest begins with ${digest || 'nothing'}`);
}
