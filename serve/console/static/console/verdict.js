// The verdict as a table: every check with its figures and what they mean.

import { h } from './dom.js';
import { figure } from './format.js';
import { checkName, sentence } from './words.js';

const interval = ({ low, high }) => (typeof low === 'number' && typeof high === 'number' ? `${figure(low)} to ${figure(high)}` : '–');

export function verdictTable(verdict, selection) {
  const edited = selection?.by_editors > 0 && !selection.held_out; // editors alone are behind it
  const cell = (label, className, ...content) => h('td', { 'data-label': label, class: className }, ...content);
  return h('section', { class: 'card verdict', 'aria-labelledby': 'verdict-title' },
    h('h2', { id: 'verdict-title' }, 'Verdict ', h('span', { class: `pill ${verdict.pass ? 'good' : 'bad'}` }, verdict.pass ? 'passed' : 'rejected')),
    h('table', { class: 'stack' },
      h('thead', {}, h('tr', {}, ['Check', 'Result', 'Value', '95 % interval', 'Limit', 'What it means']
        .map((name, i) => h('th', { scope: 'col', class: i > 1 && i < 5 ? 'number' : null }, name)))),
      h('tbody', {}, (verdict.checks ?? []).map((check) => {
        const [name, of] = checkName(check.name);
        return h('tr', {},
          h('th', { scope: 'row' }, name, of && h('span', { class: 'hint' }, ` ${of}`)),
          cell('Result', null, h('span', { class: `pill ${check.pass ? 'good' : 'bad'}` }, check.pass ? 'pass' : 'fail')),
          cell('Value', 'number', figure(check.value)),
          cell('95 % interval', 'number', interval(check)),
          cell('Limit', 'number', figure(check.limit)),
          cell('', 'meaning', sentence(check, edited), check.detail && h('span', { class: 'hint' }, check.detail)));
      }))));
}
