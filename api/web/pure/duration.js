// duration.js — spans of time: printed for people, and read and printed as the API has them.

const UNITS_S = { d: 86400, h: 3600, m: 60, s: 1 };

/** @param {number} value @returns {string} three digits at most, without useless zeros */
function digits(value) {
  if (value >= 100) return value.toFixed(0);
  if (value >= 10) return value.toFixed(1).replace(/\.0$/, '');
  return value.toFixed(2).replace(/\.?0+$/, '');
}

/** @param {number} us microseconds @returns {string} like 40 µs, 1.3 ms, 29.98 s, 4 m 10 s */
export function fromUs(us) {
  if (us < 1000) return `${Math.round(us)} µs`;
  if (us < 999_500) return `${digits(us / 1000)} ms`;
  if (us < 60_000_000) return `${(us / 1e6).toFixed(2).replace(/\.?0+$/, '')} s`;
  return fromSeconds(Math.round(us / 1e6));
}

/** @param {number} ms milliseconds */
export function fromMs(ms) {
  return fromUs(ms * 1000);
}

/** @param {number} seconds @returns {string} its two largest units, like 1 m 50 s or 2 d 3 h */
export function fromSeconds(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const out = [];
  for (const [unit, size] of Object.entries(UNITS_S)) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) out.push(`${n} ${unit}`);
    else if (out.length > 0) break;
    if (out.length === 2) break;
  }
  return out.join(' ') || '0 s';
}

/**
 * A duration as settings have it: 10ms, 5s, 2m, 1h, 7d.
 * @param {string} text @returns {number|null} milliseconds; null: it is none
 */
export function parse(text) {
  const found = /^(\d+)(ms|s|m|h|d)$/.exec(text.trim());
  if (!found) return null;
  const unit = /** @type {'s'|'ms'} */ (found[2]);
  return Number(found[1]) * (unit === 'ms' ? 1 : UNITS_S[unit] * 1000);
}

/**
 * A point in time as a filter has it: "-24h" counts back from now, everything else is the API's to judge.
 * @param {string} text @param {number} nowMs
 * @returns {string} unix seconds, or the text
 */
export function pointInTime(text, nowMs) {
  const trimmed = text.trim();
  if (trimmed === '' || trimmed === 'now') return '';
  const back = /^-\s?(\d+\s?(?:s|m|h|d))$/.exec(trimmed);
  const ms = back ? parse(back[1].replace(' ', '')) : null;
  return ms === null ? trimmed : String(Math.floor((nowMs - ms) / 1000));
}
