// pattern_field.js — which events a webhook is for by what is in them: a pattern, as text, which the server judges.

import { h } from '../page/dom.js';
import { field } from '../page/parts.js';
import { t } from '../page/text.js';

/** @typedef {import('./form.js').State} State */

/**
 * What each says is in the catalogue.
 * @type {[string, any][]}
 */
const EXAMPLES = [
  ['form.pattern-above', { payload: { total: [{ numeric: ['>', 100] }] } }],
  ['form.pattern-both', { kind: [{ prefix: 'order.' }], payload: { country: ['DE', 'AT'] } }],
  ['form.pattern-or', { payload: { $or: [{ vip: [true] }, { status: [{ 'anything-but': 'ok' }] }] } }],
];
/** Numbers that a browser may have rounded when it read them. */
const LONG_NUMBER = /\d{16}/;

/** @param {State} state @param {(key: string, element: HTMLElement) => void} judge */
export function patternField({ form, before, errors }, judge) {
  const isRounded = LONG_NUMBER.test(JSON.stringify(before?.raw.pattern ?? null));
  const input = h('textarea', { name: 'pattern', rows: form.pattern ? 8 : 2, spellcheck: 'false', class: 'code',
    value: form.pattern ?? '', readonly: isRounded,
    oninput: () => { form.pattern = input.value.trim() || undefined; } });
  const element = field({ label: t('form.pattern'), hint: t(isRounded ? 'form.pattern-long' : 'form.pattern-hint'),
    input, error: errors.get('pattern'), isWide: true });
  input.addEventListener('change', () => judge('pattern', element));
  const use = (example) => () => {
    input.value = JSON.stringify(example, null, 2);
    input.dispatchEvent(new Event('input', { bubbles: true }));
    judge('pattern', element);
    input.focus();
  };
  return [element, !isRounded && h('details', null, h('summary', null, t('form.pattern-examples')),
    h('ul', { class: 'stack' }, ...EXAMPLES.map(([key, example]) => h('li', { class: 'actions' },
      h('button', { type: 'button', onclick: use(example) }, t(key)), h('code', null, JSON.stringify(example))))))];
}
