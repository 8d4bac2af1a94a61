// What states and checks mean, in plain sentences.

import { figure } from './format.js';

export const states = {
  queued: ['Queued', 'Waiting for its turn.'],
  waiting: ['Waiting', 'Waiting until every server has shipped what was said before this night.'],
  selecting: ['Selecting', 'Choosing what to learn from, and what to hold back for the test.'],
  training: ['Training', 'Learning the new examples, with old ones mixed in.'],
  evaluating: ['Evaluating', 'Comparing the candidate with the champion.'],
  gating: ['Gating', 'Deciding whether the candidate may serve.'],
  published: ['Published', 'The candidate passed every check and serves now.'],
  rejected: ['Rejected', 'The candidate did not pass. The champion stays.'],
  failed: ['Failed', 'The night broke off. The champion stays.'],
  skipped: ['Skipped', 'There was nothing to do.'],
};

export const running = (state) => ['queued', 'waiting', 'selecting', 'training', 'evaluating', 'gating'].includes(state);
export const stateName = (state) => states[state]?.[0] ?? state;
export const path = ['queued', 'selecting', 'training', 'evaluating', 'gating'];

export const checkNames = {
  gain: 'Gain', pairing: 'Pairing', taught: 'Taught', retention: 'Retention', drift: 'Drift', behaviour: 'Behaviour', evidence: 'Evidence',
};

const known = (x) => typeof x === 'number' && Number.isFinite(x);

// of a night that learned what editors say, and nothing else.
const editedSentences = {
  gain: (c) => (c.pass
    ? 'What the editors wrote is likelier than before. Nothing was held out, so this is measured on what was learned.'
    : 'What the editors wrote is not likelier than before.'),
  taught: (c) => (c.pass
    ? 'It prefers every correction of the editors to the answer that was corrected.'
    : 'It still prefers an answer that an editor corrected: it did not take the correction in.'),
  evidence: () => 'Editors answer for what they say: that needs no number, no second person and no age.',
};

const sentences = {
  gain: (c) => (c.pass
    ? `Better than the champion on feedback it never trained on${known(c.low) ? `: by at least ${figure(c.low)} with 95 % confidence` : ''}.`
    : `Not proved better than the champion on feedback it never trained on${known(c.low) ? `: the gain may be as low as ${figure(c.low)}` : ''}.`),
  pairing: (c) => (c.pass
    ? (c.low > 0 ? 'It knows which correction belongs to which question.' : 'Too few held-out corrections of different questions to be mixed up.')
    : 'It cannot tell which correction belongs to which question: they may be mixed up.'),
  taught: (c) => (c.pass
    ? (c.low > 0 ? 'It prefers the corrections that it learned from to the answers that they correct.' : 'It learned from too few corrections to judge whether it took them in.')
    : 'It still prefers too many of the answers that people corrected: it did not take the corrections in.'),
  retention: (c) => (c.pass
    ? `What it knew before is kept${known(c.high) ? `: it lost at most ${figure(c.high)} nats per token, ${figure(c.limit)} are allowed` : ''}.`
    : `It may have forgotten too much${known(c.high) ? `: up to ${figure(c.high)} nats per token, only ${figure(c.limit)} are allowed` : ''}.`),
  drift: (c) => (c.pass
    ? 'On everything else it still answers much like the champion.'
    : 'Its answers moved too far from the champion’s where nothing was to change.'),
  behaviour: (c) => (c.pass
    ? 'Length, repetition and endings of its answers are as before.'
    : 'Its answers look wrong: too long, too short, repeating, or without an end.'),
  evidence: (c) => (c.pass
    ? 'Enough feedback, from enough different people.'
    : 'Too little feedback, or from too few different people.'),
};

const kind = (name) => name.split(/[^a-z]/)[0];

// checkName and sentence know checks by the first word: "retention/shop" is a retention check of the set "shop".
export function checkName(name) {
  const first = kind(name);
  const rest = name.slice(first.length).replace(/^[^a-z0-9]+/i, '');
  return [checkNames[first] ?? name, checkNames[first] ? rest : ''];
}

export const sentence = (check, edited) => ((edited && editedSentences[kind(check.name)]) || sentences[kind(check.name)])?.(check) ?? '';

// tone is the colour a state is shown in.
export function tone(state) {
  if (state === 'published') return 'good';
  if (state === 'rejected' || state === 'failed') return 'bad';
  return running(state) ? 'busy' : '';
}
