// diff.js — what differs between two texts, line by line (Myers, 1986), and between two
// lists of headers.

/** More lines than that are not compared: the work grows with lines × differences. */
export const LINES_MAX = 5000;
const EDITS_MAX = 1000; // more differences are not told one by one

/**
 * @typedef {{kind: 'same'|'gone'|'new', text: string}} Line
 * @typedef {{name: string, left: string|null, right: string|null, same: boolean}} HeaderPair
 */

/**
 * The furthest points that each number of edits reaches.
 * @param {string[]} a @param {string[]} b
 * @returns {Map<number, number>[]|null} null: more than EDITS_MAX edits
 */
function trace(a, b) {
  const max = Math.min(a.length + b.length, EDITS_MAX);
  const reach = new Map([[1, 0]]);
  const steps = [];
  for (let d = 0; d <= max; d++) {
    steps.push(new Map(reach));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && at(reach, k - 1) < at(reach, k + 1));
      let x = down ? at(reach, k + 1) : at(reach, k - 1) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach.set(k, x);
      if (x >= a.length && x - k >= b.length) return steps;
    }
  }
  return null;
}

/** @param {Map<number, number>} reach @param {number} k */
function at(reach, k) {
  return reach.get(k) ?? -1;
}

/**
 * @param {string[]} a @param {string[]} b
 * @returns {Line[]|null} null: too different
 */
function edits(a, b) {
  const steps = trace(a, b);
  if (!steps) return null;
  /** @type {Line[]} */
  const out = [];
  let x = a.length;
  let y = b.length;
  for (let d = steps.length - 1; d >= 0; d--) {
    const reach = steps[d];
    const k = x - y;
    const down = k === -d || (k !== d && at(reach, k - 1) < at(reach, k + 1));
    const beforeX = d === 0 ? 0 : at(reach, down ? k + 1 : k - 1);
    const beforeY = d === 0 ? 0 : beforeX - (down ? k + 1 : k - 1);
    while (x > beforeX && y > beforeY) {
      out.push({ kind: 'same', text: a[--x] });
      y--;
    }
    if (d === 0) break;
    if (down) out.push({ kind: 'new', text: b[--y] });
    else out.push({ kind: 'gone', text: a[--x] });
  }
  return out.reverse();
}

/**
 * @param {string} left @param {string} right
 * @returns {Line[]|null} null: too long or too different to be told line by line
 */
export function diffLines(left, right) {
  const a = left.split('\n');
  const b = right.split('\n');
  if (a.length > LINES_MAX || b.length > LINES_MAX) return null;
  return edits(a, b);
}

/** @param {string} left @param {string} right @returns {number} first byte (UTF-8) that differs; -1: none */
export function firstDifference(left, right) {
  const encoder = new TextEncoder();
  const a = encoder.encode(left);
  const b = encoder.encode(right);
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return i;
  return a.length === b.length ? -1 : n;
}

/**
 * Headers side by side, by name whatever its case, in the order of the left, then what only the right has.
 * @param {[string, string][]} left @param {[string, string][]} right
 * @returns {HeaderPair[]}
 */
export function diffHeaders(left, right) {
  const rest = right.slice();
  /** @type {HeaderPair[]} */
  const out = left.map(([name, value]) => {
    const i = rest.findIndex(([other]) => other.toLowerCase() === name.toLowerCase());
    const found = i < 0 ? null : rest.splice(i, 1)[0][1];
    return { name, left: value, right: found, same: found === value };
  });
  for (const [name, value] of rest) out.push({ name, left: null, right: value, same: false });
  return out;
}
