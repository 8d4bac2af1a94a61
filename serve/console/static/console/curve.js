// The loss curve, drawn by hand as SVG: axes with round numbers, a line that grows, the value under the pointer.

import { h, replace, s } from './dom.js';
import { figure } from './format.js';

// lossCurve keeps points by step: the same step told twice is one point.
export function lossCurve() {
  const points = new Map();
  let ordered = [];
  let expected = 0; // steps of the whole night, while it is known when it ends
  let chosen = -1;
  let width = 720; // as wide as it is shown, so that a pixel is a pixel and letters keep their size
  const height = () => (width < 520 ? 230 : 300);
  const plot = { left: 56, top: 12, get right() { return width - 16; }, get bottom() { return height() - 44; } };
  const grid = s('g', { class: 'grid' });
  const line = s('path', { class: 'line' });
  const end = s('circle', { class: 'end', r: 4 });
  const cross = s('line', { class: 'cross', y1: plot.top });
  const dot = s('circle', { class: 'dot', r: 5 });
  const pick = s('g', { class: 'pick', visibility: 'hidden' }, cross, dot);
  const svg = s('svg', {
    role: 'img', tabindex: 0, class: 'curve',
    'aria-label': 'Training loss by step. Left and right arrow keys read the values.',
  }, grid, line, end, pick);
  const readout = h('output', { class: 'readout' });
  const empty = h('p', { class: 'empty' }, 'The curve begins with the first training step.');
  const element = h('figure', { class: 'chart' }, h('figcaption', {}, h('span', {}, 'Training loss'), readout), svg, empty);

  const x = (step) => plot.left + (step - first()) / Math.max(1, last() - first()) * (plot.right - plot.left);
  const first = () => ordered[0].step;
  const last = () => Math.max(expected, ordered.at(-1).step);
  let low = 0;
  let high = 1;
  const y = (loss) => plot.bottom - (loss - low) / (high - low) * (plot.bottom - plot.top);

  function add(list, steps = 0) {
    for (const point of list) {
      if (Number.isFinite(point?.step) && Number.isFinite(point.loss)) points.set(point.step, { step: point.step, loss: point.loss });
    }
    ordered = [...points.values()].sort((a, b) => a.step - b.step);
    expected = steps;
    draw();
  }

  function draw() {
    svg.dataset.points = ordered.length;
    svg.toggleAttribute('hidden', ordered.length === 0);
    empty.hidden = ordered.length > 0;
    if (ordered.length === 0) return;
    svg.setAttribute('viewBox', `0 0 ${width} ${height()}`);
    const losses = ordered.map((p) => p.loss);
    const ys = ticks(Math.min(...losses), Math.max(...losses), 4);
    [low, high] = [ys[0], ys.at(-1)];
    const xs = ticks(first(), last(), width < 520 ? 4 : 6).filter((step) => step >= first() && step <= last() && Number.isInteger(step));
    replace(grid,
      ys.map((loss) => [
        s('line', { x1: plot.left, x2: plot.right, y1: y(loss), y2: y(loss) }),
        s('text', { x: plot.left - 8, y: y(loss) + 4, 'text-anchor': 'end' }, figure(loss)),
      ]),
      xs.map((step) => s('text', { x: x(step), y: plot.bottom + 18, 'text-anchor': 'middle' }, step)),
      s('text', { class: 'axis', x: (plot.left + plot.right) / 2, y: height() - 6, 'text-anchor': 'middle' }, 'step'),
      s('text', { class: 'axis', x: 0, y: 0, 'text-anchor': 'middle', transform: `translate(12 ${(plot.top + plot.bottom) / 2}) rotate(-90)` }, 'loss, nats per token'));
    line.setAttribute('d', ordered.map((p, i) => `${i ? 'L' : 'M'}${x(p.step).toFixed(1)} ${y(p.loss).toFixed(1)}`).join(''));
    const newest = ordered.at(-1);
    end.setAttribute('cx', x(newest.step));
    end.setAttribute('cy', y(newest.loss));
    show(chosen < ordered.length ? chosen : -1);
  }

  // show marks one point; −1 marks none and reads out the newest.
  function show(index) {
    chosen = index;
    const point = ordered[index] ?? ordered.at(-1);
    if (!point) return;
    pick.setAttribute('visibility', index < 0 ? 'hidden' : 'visible');
    cross.setAttribute('x1', x(point.step));
    cross.setAttribute('x2', x(point.step));
    cross.setAttribute('y2', plot.bottom);
    dot.setAttribute('cx', x(point.step));
    dot.setAttribute('cy', y(point.loss));
    replace(readout, `step ${point.step}: `, h('b', {}, figure(point.loss)));
  }

  svg.addEventListener('pointermove', (event) => {
    if (!ordered.length) return;
    const box = svg.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * width;
    let best = 0;
    ordered.forEach((p, i) => { if (Math.abs(x(p.step) - at) < Math.abs(x(ordered[best].step) - at)) best = i; });
    show(best);
  });
  svg.addEventListener('pointerleave', () => show(-1));
  svg.addEventListener('blur', () => show(-1));
  svg.addEventListener('keydown', (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !ordered.length) return;
    event.preventDefault();
    const from = chosen < 0 ? (move > 0 ? -1 : ordered.length) : chosen;
    show(Math.min(ordered.length - 1, Math.max(0, from + move)));
  });
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now === 0 || now === width) return;
    width = now;
    draw();
  }).observe(element);
  draw();
  return { element, add };
}

// ticks returns about n round numbers that enclose low…high.
export function ticks(low, high, n) {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
  const from = Math.floor(low / unit + 1e-9);
  const to = Math.max(from + 1, Math.ceil(high / unit - 1e-9));
  return Array.from({ length: to - from + 1 }, (_, i) => Number(((from + i) * unit).toPrecision(12)));
}
