// chart.js — pictures of numbers as SVG, each with the same numbers as a table.

import { linePath, logScale, logTicks, ticks } from '../pure/series.js';
import { h, s } from './dom.js';
import { currentLanguage, fromUs, number, t } from './text.js';

/** @typedef {{name: string, class: string, values: (number|null)[]}} Line */

const HEIGHT = 200;
const LEFT = 56;
const BOTTOM = 24;
const TOP = 8;
const NARROW = 720;
const SPARK_HEIGHT = 20;
/** Of the picture, and of what is within its axes. Text keeps its size on narrow screens: the picture is smaller. */
const width = () => (window.innerWidth < NARROW ? 340 : 640);
const PLOT = { get w() { return width() - LEFT - 8; }, h: HEIGHT - TOP - BOTTOM };

/** @param {number} ms @param {number} spanMs of the whole picture */
function timeLabel(ms, spanMs) {
  const date = new Date(ms);
  return spanMs > 36 * 3600e3
    ? date.toLocaleDateString(currentLanguage(), { day: '2-digit', month: 'short' })
    : date.toLocaleTimeString(currentLanguage(), { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}

/** @param {number[]} times unix milliseconds, one a slot */
function timeAxis(times) {
  const n = times.length;
  const span = n > 1 ? times[n - 1] - times[0] : 0;
  const step = Math.max(1, Math.ceil(n / (width() / 100)));
  const out = [];
  for (let i = 0; i < n; i += step) {
    const x = LEFT + ((i + 0.5) / n) * PLOT.w;
    out.push(s('text', { x: x.toFixed(1), y: HEIGHT - 6, class: 'axis', 'text-anchor': 'middle' },
      timeLabel(times[i], span)));
  }
  return out;
}

/** @param {number} y @param {string} text */
function rule(y, text) {
  return [s('line', { x1: LEFT, x2: LEFT + PLOT.w, y1: y.toFixed(1), y2: y.toFixed(1), class: 'rule' }),
    s('text', { x: LEFT - 8, y: (y + 4).toFixed(1), class: 'axis', 'text-anchor': 'end' }, text)];
}

/**
 * A picture with its name, its legend, and a table of what it shows.
 * @param {{title: string, marks: Node[], legend: [string, string][], head: string[], rows: string[][]}} chart
 */
function figure({ title, marks, legend, head, rows }) {
  return h('figure', { class: 'chart' },
    h('figcaption', null, title, h('span', { class: 'legend' }, ...legend.map(([name, colour]) =>
      h('span', { class: 'legend-item' },
        s('svg', { class: `key ${colour}`, viewBox: '0 0 12 12', 'aria-hidden': 'true' },
        s('rect', { width: 12, height: 12, rx: 2 })), name)))),
    s('svg', { viewBox: `0 0 ${width()} ${HEIGHT}`, role: 'img', 'aria-label': title }, ...marks),
    h('details', null, h('summary', null, t('chart.table')),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title },
        h('table', { class: 'plain-table' },
        h('thead', null, h('tr', null, ...head.map((name) => h('th', { scope: 'col' }, name)))),
        h('tbody', null, ...rows.map((cells) => h('tr', null, ...cells.map((c, i) =>
          (i === 0 ? h('th', { scope: 'row' }, c) : h('td', { class: 'number' }, c))))))))));
}

/**
 * Bars of counts over time, one upon the other.
 * @param {string} title @param {number[]} times @param {Line[]} parts
 */
export function stacked(title, times, parts) {
  const totals = times.map((_, i) => parts.reduce((sum, p) => sum + (p.values[i] ?? 0), 0));
  const scale = ticks(Math.max(1, ...totals));
  const top = scale[scale.length - 1];
  const slot = PLOT.w / Math.max(1, times.length);
  const marks = scale.flatMap((v) => rule(TOP + PLOT.h * (1 - v / top), number(v)));
  times.forEach((_, i) => {
    let y = TOP + PLOT.h;
    for (const part of parts) {
      const height = ((part.values[i] ?? 0) / top) * PLOT.h;
      if (height <= 0) continue;
      y -= height;
      marks.push(s('rect', { x: (LEFT + i * slot + slot * 0.12).toFixed(1), y: y.toFixed(1),
        width: Math.max(1, slot * 0.76).toFixed(1), height: height.toFixed(1), class: `fill ${part.class}` }));
    }
  });
  return figure({ title, marks: [...marks, ...timeAxis(times)], legend: parts.map((p) => [p.name, p.class]),
    head: [t('chart.time'), ...parts.map((p) => p.name)],
    rows: times.map((ms, i) => [new Date(ms).toLocaleString(currentLanguage()),
      ...parts.map((p) => number(p.values[i] ?? 0))]) });
}

/**
 * Lines of durations over time, on an axis of powers of ten.
 * @param {string} title @param {number[]} times @param {Line[]} lines microseconds
 */
export function durations(title, times, lines) {
  const all = lines.flatMap((l) => l.values.map(Number).filter((v) => v > 0));
  const scale = logTicks(Math.min(...all, 1e6), Math.max(...all, 1000));
  const y = logScale(scale[0], scale[scale.length - 1], PLOT.h);
  const x = (i) => LEFT + ((i + 0.5) / Math.max(1, times.length)) * PLOT.w;
  const marks = scale.flatMap((v) => rule(TOP + y(v), fromUs(v)));
  for (const line of lines) {
    marks.push(s('path', { d: linePath(line.values, x, (v) => TOP + y(v)), class: `line ${line.class}` }));
  }
  return figure({ title, marks: [...marks, ...timeAxis(times)], legend: lines.map((l) => [l.name, l.class]),
    head: [t('chart.time'), ...lines.map((l) => l.name)],
    rows: times.map((ms, i) => [new Date(ms).toLocaleString(currentLanguage()),
      ...lines.map((l) => (l.values[i] === null ? '–' : fromUs(l.values[i] ?? 0)))]) });
}

/**
 * Attempts in small bars, those that arrived below the others.
 * @param {{attempts: number[], succeeded: number[]}} series @param {string} label
 */
export function sparkline({ attempts, succeeded }, label) {
  const top = Math.max(1, ...attempts);
  const bar = (i, from, to, colour) => to > from && s('rect', { class: `fill ${colour}`, x: i * 6, width: 5,
    y: (SPARK_HEIGHT * (1 - to / top)).toFixed(1), height: ((SPARK_HEIGHT * (to - from)) / top).toFixed(1) });
  return s('svg', { class: 'spark', viewBox: `0 0 ${attempts.length * 6} ${SPARK_HEIGHT}`, role: 'img',
    'aria-label': label },
    ...attempts.map((n, i) => [bar(i, 0, succeeded[i], 'good'), bar(i, succeeded[i], n, 'bad')]));
}
