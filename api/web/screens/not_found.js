// not_found.js — an address that is none.

import { append, h } from '../page/dom.js';
import { pageHead } from '../page/parts.js';
import { t } from '../page/text.js';

/** @param {import('../app.js').Context} context */
export function show({ main, setTitle }) {
  setTitle(t('lost.title'));
  append(main, pageHead({ title: t('lost.title') }), h('p', null, t('lost.text')),
    h('p', null, h('a', { href: '/dashboard' }, t('lost.home'))));
}
