// series.js — numbers over time as points of a picture, and an attempt as bars.

/**
 * @typedef {{queueUs: number, dnsUs: number, connectUs: number, tlsUs: number, firstByteUs: number,
 *   totalUs: number, reusedConnection: boolean}} Timing
 * @typedef {{phase: string, from: number, to: number}} Bar microseconds from the start of the attempt
 */

/** Phases of an attempt, in their order. */
export const PHASES = ['dns', 'connect', 'tls', 'firstByte', 'rest'];

/**
 * Bars of the phases. Times of an attempt count from its start, so a bar is the difference to the one before;
 * a phase that was not reached, or a connection that was there already, has none.
 * @param {Timing} timing
 * @returns {Bar[]}
 */
export function bars(timing) {
  /** @type {[string, number][]} */
  const ends = [['dns', timing.dnsUs], ['connect', timing.connectUs], ['tls', timing.tlsUs],
    ['firstByte', timing.firstByteUs], ['rest', timing.totalUs]];
  const out = [];
  let from = 0;
  for (const [phase, to] of ends) {
    const isBefore = phase !== 'firstByte' && phase !== 'rest';
    if (to <= 0 || (isBefore && timing.reusedConnection) || to <= from) continue;
    out.push({ phase, from, to });
    from = to;
  }
  return out;
}

/** @param {Timing} timing @returns {string} the phase in which an attempt without an answer ended */
export function endedIn(timing) {
  if (timing.firstByteUs > 0) return 'rest';
  if (timing.reusedConnection || timing.tlsUs > 0 || timing.connectUs > 0) return 'firstByte';
  return timing.dnsUs > 0 ? 'connect' : 'dns';
}

/** @param {number} max @param {number} n about so many @returns {number[]} whole and round numbers from 0 */
export function ticks(max, n = 4) {
  if (!(max > 0)) return [0];
  const raw = Math.max(1, max / n);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw) ?? raw;
  const out = [];
  for (let v = 0; v <= max + step * 0.999; v += step) out.push(Number(v.toPrecision(12)));
  return out;
}

/** @param {number} min @param {number} max @returns {number[]} powers of ten around both, both > 0 */
export function logTicks(min, max) {
  const low = Math.floor(Math.log10(Math.max(min, 1)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(max, 1))));
  return Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
}

/** @param {number} low @param {number} high @param {number} size @returns {(v: number) => number} 0 at the bottom */
export function logScale(low, high, size) {
  const from = Math.log10(low);
  const span = Math.log10(high) - from || 1;
  return (v) => size - ((Math.log10(Math.max(v, low)) - from) / span) * size;
}

/**
 * Pieces of a line; a gap (null) ends one.
 * @param {(number|null)[]} values @param {(i: number) => number} x @param {(v: number) => number} y
 * @returns {string} of an SVG path
 */
export function linePath(values, x, y) {
  let pen = 'M';
  let out = '';
  values.forEach((value, i) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    const isAlone = pen === 'M' && (values[i + 1] ?? null) === null; // a short line, to be seen at all
    out += `${pen}${(x(i) - (isAlone ? 4 : 0)).toFixed(1)} ${y(value).toFixed(1)}${isAlone ? 'h8' : ''}`;
    pen = 'L';
  });
  return out;
}

/** @param {Object<string, number>} outcomes @returns {number} of all that ended, 0 to 1; NaN if nothing did */
export function share(outcomes) {
  const good = outcomes.delivered ?? 0;
  const bad = (outcomes.dead ?? 0) + (outcomes.retrying ?? 0);
  return good / (good + bad);
}
