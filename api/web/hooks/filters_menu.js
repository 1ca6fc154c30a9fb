// filters_menu.js — which events a webhook is for: all, groups, single filters, kinds of the organization's own.

import { call } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { errorBox } from '../page/parts.js';
import { named, t } from '../page/text.js';
import { contains } from '../pure/format.js';
import { orgApi } from '../pure/paths.js';
import { patternField } from './pattern_field.js';

/**
 * @typedef {{name: string, kind: string, levels: string[]}} Filter
 * @typedef {import('./form.js').State} State
 */

const SEEN_MAX = 20; // kinds
const LEVELS = { org: 'organization', stack: 'stack', env: 'environment' };

/** @param {State} state @param {(key: string, element: HTMLElement) => void} judge a field, by the server */
export function filtersSection(state, judge) {
  const { form, context, proposed, errors } = state;
  const isAkinon = context.place.kind === 'akinon';
  const body = h('div', null);
  let isAll = !isAkinon && form.filters.length === 0 && form.groups.length === 0;
  const choose = (all) => () => {
    isAll = all;
    if (all) {
      form.filters = [];
      form.groups = [];
    }
    draw();
  };
  const radio = (all, label) => h('label', { class: 'check' },
    h('input', { type: 'radio', name: 'which', checked: isAll === all, onchange: choose(all) }), label);
  const draw = () => fill(body, !isAll && [!isAkinon && menuOfFilters(state), customKinds(state)]);
  draw();
  return h('fieldset', null, h('legend', null, t('keys.g-e')),
    !isAkinon && h('div', { class: 'row-of-checks' }, radio(true, t('form.all')), radio(false, t('form.only'))),
    proposed.length > 0 && h('p', { role: 'status' }, t('form.proposed', { names: proposed.join(', ') })),
    h('p', { class: 'field-error' }, errors.get('filters') ?? errors.get('groups') ?? ''), body,
    patternField(state, judge));
}

/** @type {Promise<any>|null} the server's table; it does not change while the server runs */
let table = null;

/** @param {State} state */
function menuOfFilters({ form, context }) {
  const list = h('div', { class: 'filter-groups' });
  const search = h('input', { type: 'search', placeholder: t('form.search-filters'),
    'aria-label': t('form.search-filters'), autocomplete: 'off',
    oninput: () => draw() });
  /** @type {{name: string, filters: Filter[]}[]} */
  let groups = [];
  const level = LEVELS[context.place.kind];
  const draw = () => fill(list, ...groups.map((group) => groupBox(group.name,
    group.filters.filter((f) => f.levels.includes(level) && contains(`${f.name} ${f.kind}`, search.value)), form,
    draw)));
  table ??= call('/api/kinds');
  table.then((kinds) => {
    groups = kinds.groups;
    draw();
  }, (error) => {
    table = null;
    fill(list, errorBox(error));
  });
  return [search, list];
}

/** @param {any[]} names @param {string} name @param {boolean} isIn */
function toggled(names, name, isIn) {
  return isIn ? [...names, name] : names.filter((other) => other !== name);
}

/** @param {string} group @param {Filter[]} filters @param {any} form @param {() => void} draw */
function groupBox(group, filters, form, draw) {
  if (filters.length === 0) return null;
  const isWhole = form.groups.includes(group);
  const whole = h('input', { type: 'checkbox', checked: isWhole, onchange: () => {
    form.groups = toggled(form.groups, group, !isWhole);
    form.filters = form.filters.filter((name) => isWhole || !filters.some((f) => f.name === name));
    draw();
  } });
  return h('fieldset', { class: 'filter-group' },
    h('legend', null, h('label', { class: 'check' }, whole, named('group', group))),
    ...filters.map((filter) => h('label', { class: 'check' },
      h('input', { type: 'checkbox', value: filter.name, disabled: isWhole,
      checked: isWhole || form.filters.includes(filter.name),
      onchange: (event) => { form.filters = toggled(form.filters, filter.name, event.target.checked); } }),
    h('code', null, filter.name))));
}

/** @param {string} name @returns {boolean} whether it is a kind of somebody's own, or a pattern of such */
function isCustom(name) {
  return /[.:/*]/.test(name);
}

/** @param {State} state */
function customKinds({ form, context }) {
  const isAkinon = context.place.kind === 'akinon';
  const own = (name) => isAkinon || isCustom(name);
  const chips = h('ul', { class: 'chips' });
  const input = h('input', { type: 'text', 'aria-label': t('form.custom'),
    placeholder: isAkinon ? 'deployment.build.created' : 'order.*', autocomplete: 'off', spellcheck: 'false' });
  const add = (/** @type {string} */ kind) => {
    const name = kind.trim();
    if (name !== '' && !form.filters.includes(name)) form.filters = [...form.filters, name];
    input.value = '';
    draw();
    input.focus();
  };
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter') return;
    event.preventDefault();
    add(input.value);
  });
  const draw = () => fill(chips, ...form.filters.filter(own).map((name) => h('li', { class: 'chip' }, name,
    h('button', { type: 'button', class: 'plain', 'aria-label': t('form.take-away', { name }), onclick: () => {
      form.filters = toggled(form.filters, name, false);
      draw();
      input.focus();
    } }, '×'))));
  draw();
  return h('div', { class: 'field' }, h('span', { class: 'label' }, t('form.custom')),
    h('div', { class: 'inline-form' }, input,
      h('button', { type: 'button', onclick: () => add(input.value) }, t('form.add'))),
    h('p', { class: 'hint' }, t(isAkinon ? 'form.custom-akinon' : 'form.custom-hint')), chips,
    seenLately(context.place, add));
}

/**
 * Kinds of the newest events, then others of the catalogue, to be added by a press. Without
 * them the form is whole, too.
 * @param {import('../pure/paths.js').Place} place @param {(kind: string) => void} add
 */
function seenLately(place, add) {
  const list = h('div', { class: 'seen' });
  call(`${orgApi(place.org)}/kinds`).then(({ kinds, catalogue }) => {
    const described = new Map(catalogue.map((entry) => [entry.kind, entry.description]));
    const names = [...new Set([...kinds.map((seen) => seen.kind), ...described.keys()])].slice(0, SEEN_MAX);
    fill(list, names.length > 0 && [h('p', { class: 'hint' }, t('form.seen')),
      h('ul', { class: 'chips' }, ...names.map((kind) => h('li', null, h('button',
        { type: 'button', class: 'chip', title: described.get(kind) || null,
        'aria-label': t('form.add-kind', { name: kind }), onclick: () => add(kind) }, '+ ', kind))))]);
  }, () => {});
  return list;
}
