// marks.js — deliveries of a list that the reader marks: they are redelivered one by one, or two are compared.

import { call, may } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { bindKeys } from '../page/keys.js';
import { confirmed, say } from '../page/notice.js';
import { errorText, meter } from '../page/parts.js';
import { t } from '../page/text.js';
import { attemptName, attemptPath, hookApi } from '../pure/paths.js';

/**
 * @typedef {import('../pure/paths.js').Place} Place
 * @typedef {{key: string, at: Place, hook: string, newest: any}} Markable a delivery whose webhook is there
 */

const MARKED_MAX = 100; // at once; a replay takes any number
const AT_ONCE = 4; // requests

/**
 * @param {AbortSignal} signal what is not sent yet when the reader leaves is not sent
 * @param {() => void} changed after a redelivery
 */
export function marks(signal, changed) {
  /** @type {Map<string, Markable>} */
  const marked = new Map();
  const bar = h('div', { class: 'marks', role: 'region', 'aria-label': t('marks.label'), hidden: true });
  /** @type {Markable[]} */
  let shown = [];
  const draw = () => {
    const [first, second] = marked.values();
    bar.hidden = marked.size === 0;
    fill(bar, h('span', { role: 'status' }, t('marks.n', { n: marked.size })),
      may('write') && h('button', { type: 'button', class: 'primary', onclick: redeliver }, t('attempt.redeliver')),
      marked.size === 2 && h('a', { class: 'button', href: compareHref(first, second) }, t('attempt.compare')),
      h('button', { type: 'button', onclick: () => set(shown.slice(0, MARKED_MAX)) }, t('marks.all')),
      h('button', { type: 'button', onclick: () => set([]) }, t('marks.none')),
      marked.size >= MARKED_MAX && h('span', { class: 'quiet' }, t('marks.many', { n: MARKED_MAX })));
  };
  /** @param {Markable[]} wanted */
  const set = (wanted) => {
    marked.clear();
    for (const one of wanted) marked.set(one.key, one);
    for (const box of document.querySelectorAll('main input.mark')) {
      /** @type {HTMLInputElement} */ (box).checked = marked.has(/** @type {HTMLInputElement} */ (box).value);
    }
    draw();
  };
  const redeliver = async () => {
    const wanted = [...marked.values()];
    const text = t('marks.redeliver', { n: wanted.length });
    if (!await confirmed({ title: t('attempt.redeliver'), text, action: t('attempt.redeliver') })) return;
    const refused = await redeliverAll(wanted, signal, (done) => {
      const label = t('hooks.count', { n: done, all: wanted.length });
      fill(bar, h('div', { class: 'progress' }, meter(done, wanted.length, label),
        h('span', { role: 'status' }, label)));
    });
    if (signal.aborted) return;
    set(refused.map(({ one }) => one));
    const sent = wanted.length - refused.length;
    if (sent > 0) say(t('marks.sent', { n: sent }));
    if (refused.length > 0) say(t('marks.refused', { n: refused.length, why: errorText(refused[0].error) }), 'bad');
    else changed();
  };
  bindKeys({ x: () => /** @type {HTMLElement|null|undefined} */ (
    document.activeElement?.closest('tr')?.querySelector('input.mark'))?.click() }, signal);
  return {
    bar,
    /** @param {Markable[]} rows that the list shows now */
    show(rows) {
      shown = rows;
    },
    /** @param {Markable|null} one */
    box: (one) => one && h('input', { type: 'checkbox', class: 'mark', value: one.key, checked: marked.has(one.key),
      'aria-label': t('marks.one', { name: one.newest.kind }), onchange: (event) => {
        if (event.target.checked && marked.size >= MARKED_MAX) event.target.checked = false;
        if (event.target.checked) marked.set(one.key, one);
        else marked.delete(one.key);
        draw();
      } }),
  };
}

/** @param {Markable} left @param {Markable} right @returns {string} address of their newest attempts side by side */
function compareHref(left, right) {
  const path = (one, query) => attemptPath(one.at, one.hook, one.newest, query);
  return path(left, { with: attemptName(left.at.org, path(right)) });
}

/**
 * @param {Markable[]} wanted @param {AbortSignal} signal @param {(done: number) => void} tell
 * @returns {Promise<{one: Markable, error: unknown}[]>} those that the server refused
 */
async function redeliverAll(wanted, signal, tell) {
  const queue = [...wanted];
  const refused = /** @type {{one: Markable, error: unknown}[]} */ ([]);
  let done = 0;
  const work = async () => {
    for (let one = queue.shift(); one && !signal.aborted; one = queue.shift()) {
      try {
        await call(`${hookApi(one.at, one.hook)}/deliveries/${one.newest.id}/redeliver`, { method: 'POST', signal });
      } catch (error) {
        refused.push({ one, error });
      }
      tell(++done);
    }
  };
  tell(0);
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return refused;
}
