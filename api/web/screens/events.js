// events.js — an event is found by its id; the newest ones are listed, with how many webhooks wanted each.

import { may, pages } from '../page/client.js';
import { append, h } from '../page/dom.js';
import { empty, field, pageHead, region, row, table, time } from '../page/parts.js';
import { go } from '../page/router.js';
import { t } from '../page/text.js';
import { hasHooks, href, isEventId, orgApi, placeLabel, placeOfRow } from '../pure/paths.js';

const SHOWN = 50;

/** @param {import('../app.js').Context} context */
export function show({ main, place, signal, setTitle }) {
  setTitle(t('nav.events'), place.org);
  append(main, pageHead({ title: t('nav.events'), above: place.org,
    actions: hasHooks(place) && may('write')
      && h('a', { class: 'button', href: href(place, ['explain']) }, t('nav.explain')) }),
  idForm(place), region({ signal, lines: 8,
    load: () => pages(`${orgApi(place.org)}/events?limit=${SHOWN}`, { signal, wanted: SHOWN }),
    draw: ({ rows }) => newest(rows, place) }).element);
}

/** @param {import('../pure/paths.js').Place} place */
function idForm(place) {
  const input = h('input', { type: 'search', name: 'id', autocomplete: 'off', spellcheck: 'false', class: 'code' });
  const element = field({ label: t('events.id'), hint: t('events.id-hint'), input });
  return h('form', { class: 'filters', onsubmit: (event) => {
    event.preventDefault();
    const id = input.value.trim().toLowerCase();
    if (isEventId(id)) go(href(place, ['events', id]));
    else {
      input.setAttribute('aria-invalid', 'true');
      /** @type {HTMLElement} */ (element.querySelector('.field-error')).textContent = t('events.no-id');
    }
  } }, element, h('button', { type: 'submit', class: 'primary' }, t('keys.Enter')));
}

/** @param {any[]} rows events, newest first @param {import('../pure/paths.js').Place} place */
function newest(rows, place) {
  const columns = [{ title: t('events.accepted') }, { title: t('attempt.event') }, { title: t('hooks.place') },
    { title: 'Id', class: 'grow' }, { title: t('keys.g-h'), class: 'number' }];
  if (rows.length === 0) return empty(t('events.empty'), h('code', null, 'posthorn send'));
  return [h('h2', null, t('events.newest')),
    table(t('events.newest'), columns, rows.map((one) => row(columns, [
    time(one.acceptedAt), h('span', { class: 'cut' }, one.kind), placeLabel(placeOfRow(place.org, one)) || '–',
    h('a', { class: 'row-link code', href: href(place, ['events', one.id]) }, one.id),
    one.matched === null ? '–' : String(one.matched)])))
      .element];
}
