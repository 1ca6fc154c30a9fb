// waterfall.js — where the time of an attempt went: one bar a phase, on one scale.

import { bars, endedIn } from '../pure/series.js';
import { h, s } from './dom.js';
import { fromUs, t } from './text.js';

/** @typedef {import('../pure/series.js').Timing} Timing */

const WIDTH = 1000;
const MIN_WIDTH = 3; // of what is too short to be seen

/**
 * @param {number} from @param {number} to @param {number} whole @param {string} colour
 */
function bar(from, to, whole, colour) {
  const x = (from / whole) * WIDTH;
  const width = Math.max(MIN_WIDTH, ((to - from) / whole) * WIDTH);
  return s('svg', { class: 'track', viewBox: `0 0 ${WIDTH} 12`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('rect', { x: 0, y: 0, width: WIDTH, height: 12, class: 'track-ground' }),
    s('rect', { x: Math.min(x, WIDTH - width).toFixed(2), y: 0, width: width.toFixed(2), height: 12,
      class: `fill ${colour}` }));
}

/**
 * @param {any} attempt with timing
 * @param {number} [scaleUs] of the whole width, to compare two
 * @param {string} [label]
 */
export function waterfall(attempt, scaleUs, label) {
  const timing = /** @type {Timing} */ (attempt.timing);
  const whole = Math.max(1, scaleUs ?? timing.totalUs);
  const failedIn = attempt.responseCode === 0 && attempt.error ? endedIn(timing) : null;
  const parts = bars(timing);
  const rows = [...parts];
  if (failedIn && !parts.some((p) => p.phase === failedIn) && parts.at(-1)?.phase === 'rest') {
    const last = rows.pop();
    if (last) rows.push({ ...last, phase: failedIn });
  }
  const line = (phase, us, drawn) =>
    h('tr', null, h('th', { scope: 'row' }, t(`phase.${phase}`)), h('td', { class: 'number' }, fromUs(us)),
      h('td', { class: 'bar' }, drawn));
  return h('table', { class: 'waterfall', 'aria-label': label ?? t('attempt.waterfall') },
    h('tbody', null,
      line('queue', timing.queueUs, h('span', { class: 'quiet' }, t('phase.queue-note'))),
      timing.reusedConnection && h('tr', null, h('th', { scope: 'row' }, t('phase.connect')),
        h('td', { class: 'number' }, '–'),
        h('td', { class: 'bar quiet' }, t('phase.reused'))),
      ...rows.map((p) => line(p.phase, p.to - p.from,
        bar(p.from, p.to, whole, p.phase === failedIn ? 'bad' : `phase-${p.phase}`))),
      h('tr', { class: 'sum' }, h('th', { scope: 'row' }, t('phase.total')),
        h('td', { class: 'number' }, fromUs(timing.totalUs)),
        h('td', { class: 'bar quiet' }, timing.reusedConnection ? '' : t('phase.new')))));
}
