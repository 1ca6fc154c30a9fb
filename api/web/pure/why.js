// why.js — what came of an attempt, and what happens next, as keys of the catalogue with their values.

import { fromSeconds, fromUs } from './format.js';
import { endedIn } from './series.js';

/** @typedef {{key: string, values?: Object<string, string|number>}} Sentence */

/** Classes that come from the answer, not from the way to it. */
const ANSWERED = ['status', 'gone'];

/** @param {any} attempt @returns {Sentence} what came of it */
export function outcome(attempt) {
  if (attempt.reason) return { key: 'why.cancelled', values: { reason: attempt.reason } };
  const total = fromUs(attempt.timing.totalUs);
  if (!attempt.error) return { key: 'why.delivered', values: { code: String(attempt.responseCode), total } };
  const name = attempt.error.class;
  if (ANSWERED.includes(name)) return { key: `why.${name}`, values: { code: String(attempt.responseCode), total } };
  return { key: name === 'timeout' ? `why.timeout-${endedIn(attempt.timing)}` : `why.${name}`, values: { total } };
}

/** @param {any} attempt the newest of its delivery @param {number} nowMs @returns {Sentence} what happens next */
export function next(attempt, nowMs) {
  if (attempt.state === 'retrying' && attempt.nextAttemptAt) {
    const seconds = Math.max(0, Math.round((attempt.nextAttemptAt - nowMs) / 1000));
    return { key: seconds > 0 ? 'next.in' : 'next.now',
      values: { n: attempt.attempt + 1, span: fromSeconds(seconds) } };
  }
  return { key: `next.${attempt.state}`, values: { n: attempt.attempt } };
}

/**
 * How many of the newest attempts to the same webhook ended the same way.
 * @param {any} attempt @param {any[]} others newest first
 * @returns {{same: number, all: number}}
 */
export function pattern(attempt, others) {
  const kind = attempt.error?.class;
  const real = others.filter((row) => !row.reason).slice(0, 10);
  const same = real.filter((row) => row.error?.class === kind
    && (kind !== 'status' || row.responseCode === attempt.responseCode));
  return { same: same.length, all: real.length };
}
