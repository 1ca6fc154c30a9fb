// home.js — /dashboard itself: the only organization, or which one.

import { append, h } from '../page/dom.js';
import { empty, pageHead, region } from '../page/parts.js';
import { go } from '../page/router.js';
import { organizations } from '../page/client.js';
import { t } from '../page/text.js';
import { href, isEntityId } from '../pure/paths.js';

/** @param {string} org */
function firstPage(org) {
  return href({ org, kind: 'org' });
}

/** @param {import('../app.js').Context} context */
export async function show({ main, signal, setTitle }) {
  setTitle(t('home.title'));
  append(main, pageHead({ title: t('home.title') }), region({ signal, load: organizations, draw: (names) => {
    if (names.length === 1) {
      go(firstPage(names[0]), true);
      return null;
    }
    if (names.length === 0) return empty(t('home.empty'), openForm());
    return h('div', { class: 'stack' }, h('ul', { class: 'link-list' }, ...names.map((name) =>
      h('li', null, h('a', { class: 'row-link', href: firstPage(name) }, name),
      isEntityId(name) && h('span', { class: 'quiet' }, ' Akinon')))), openForm());
  } }).element);
}

/** An organization is there as soon as it has a webhook, so any name can be gone to. */
function openForm() {
  const input = h('input',
    { type: 'text', 'aria-label': t('home.name'), placeholder: t('home.name'), autocomplete: 'off',
    pattern: '[A-Za-z0-9._\\-]+' });
  return h('form', { class: 'inline-form', onsubmit: (event) => {
    event.preventDefault();
    if (input.value.trim()) go(firstPage(input.value.trim()));
  } }, input, h('button', { type: 'submit' }, t('place.open')));
}
