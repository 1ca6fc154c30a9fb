// format.js — bytes, spans of time, headers and bodies as text for people; spans also as the API has them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** @param {number} bytes @returns {string} like 1.2 GiB */
export function bytesText(bytes) {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${UNITS[unit]}`;
}

/**
 * Headers of the history: "Name: value" and CRLF each.
 * @param {string} text @returns {[string, string][]}
 */
export function parseHeaders(text) {
  /** @type {[string, string][]} */
  const out = [];
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    if (colon < 0) out.push([line, '']);
    else out.push([line.slice(0, colon), line.slice(colon + 1).trim()]);
  }
  return out;
}

/** @param {[string, string][]} headers @param {string} name @returns {string|null} its first value */
export function headerValue(headers, name) {
  return headers.find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1] ?? null;
}

/**
 * Why an event or an attempt has no body: the key of a text.
 * @param {{payloadErased?: boolean, payloadLocked?: boolean}} record
 */
export function whyNoBody({ payloadErased, payloadLocked }) {
  if (payloadErased) return 'body.erased';
  return payloadLocked ? 'body.locked' : 'body.removed';
}

/** @param {string} body @returns {string|null} JSON with line breaks; null: it is none, or no container */
export function prettyJson(body) {
  if (!/^\s*[[{]/.test(body)) return null;
  try {
    JSON.parse(body);
  } catch {
    return null;
  }
  return indent(body);
}

/**
 * Indents JSON without reading its numbers: they stay as they were sent.
 * @param {string} json valid
 */
function indent(json) {
  const out = [];
  let depth = 0;
  const newLine = () => out.push('\n', '  '.repeat(depth));
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g)) {
    const before = out.at(-1);
    if (token === '}' || token === ']') {
      depth--;
      if (before !== '{' && before !== '[') newLine();
      out.push(token);
      continue;
    }
    if (before === '{' || before === '[') newLine();
    out.push(token);
    if (token === '{' || token === '[') depth++;
    else if (token === ',') newLine();
    else if (token === ':') out.push(' ');
  }
  return out.join('');
}

/**
 * Control and direction characters by name, so that text cannot look like other text.
 * @param {string} text @returns {string}
 */
export function visible(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) =>
    c === '\r' ? '␍' : `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}⟩`);
}

/** @param {string} url @returns {string} its host, or the text */
export function hostOf(url) {
  try {
    return new URL(url).host || url;
  } catch {
    return url;
  }
}

/** @param {number} share 0 to 1 @returns {string} like 98.2 %, never 100 % unless it is all */
export function percent(share) {
  const value = Math.floor(share * 1000) / 10;
  return `${value === 100 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;
}

/** @param {string} text @param {string} wanted words @returns {boolean} whether each word is in the text */
export function contains(text, wanted) {
  const lower = text.toLowerCase();
  return wanted.toLowerCase().split(/\s+/).every((word) => lower.includes(word));
}

/** @param {string} id a UUID @returns {string} its beginning and end: ids of one second begin alike */
export function shortId(id) {
  return id.length > 16 ? `${id.slice(0, 8)}…${id.slice(-4)}` : id;
}

/** @param {string} text @returns {string} one word of a POSIX shell */
export function quote(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// --- spans of time: printed for people, and read and printed as the API has them.

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
