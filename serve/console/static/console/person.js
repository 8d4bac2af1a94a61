// Who sits at this console: a name of their own, and what the server lets them do.

import { get, identifier } from './api.js';

const nameKey = 'nightshift.user';

// person.name goes with questions and feedback as their user. Without one all consoles were one person to the nights; the name
// stays in this browser, and the server keeps a keyed hash of it.
export const person = {
  get name() {
    const kept = localStorage.getItem(nameKey);
    if (kept) return kept;
    const made = identifier().slice(0, 'console-'.length + 4);
    localStorage.setItem(nameKey, made);
    return made;
  },
  set name(value) {
    if (value) localStorage.setItem(nameKey, value);
    else localStorage.removeItem(nameKey);
  },
};

// may asks what this console may do: its key's roles say so, and on a server without keys, which only its own machine can reach,
// everything. An editor is whose corrections are learned without others saying the same.
export async function may(role) {
  const { roles = [] } = await get('v1/status');
  return roles.includes(role) || roles.includes('admin');
}
