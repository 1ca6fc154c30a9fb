// switcher.js — another organization, stack, environment or project, by typing a part of its name.

import { contains } from '../pure/format.js';
import { href, isEntityId, orgOf, placeLabel } from '../pure/paths.js';
import { organizations, pages } from './client.js';
import { fill, h } from './dom.js';
import { openDialog } from './notice.js';
import { go } from './router.js';
import { errorBox } from './parts.js';
import { t } from './text.js';

/**
 * @typedef {import('../pure/paths.js').Place} Place
 * @typedef {{place: Place, hooks: number|null, failing: number}} Choice
 */

const RECENT_KEY = 'posthorn-places';
const RECENT_MAX = 5;
const SHOWN_MAX = 50;

/** @returns {Place[]} those that were chosen last, names only */
function recent() {
  try {
    return JSON.parse(sessionStorage.getItem(RECENT_KEY) ?? '[]');
  } catch {
    return [];
  }
}

/** @param {Place} place */
function remember(place) {
  const others = recent().filter((other) => JSON.stringify(other) !== JSON.stringify(place));
  sessionStorage.setItem(RECENT_KEY, JSON.stringify([place, ...others].slice(0, RECENT_MAX)));
}

/** @param {string} org @param {any} row of /places @returns {Choice} */
function choiceOf(org, row) {
  const kinds = { organization: 'org', stack: 'stack', environment: 'env', akinon: 'akinon' };
  const kind = /** @type {Place['kind']} */ (kinds[row.kind] ?? 'org');
  /** @type {Place} */
  const place = { org, kind };
  if (row.project) place.project = row.project;
  if (row.name && kind !== 'org' && kind !== 'akinon') place.name = row.name;
  return { place, hooks: row.hooks ?? null, failing: row.failing ?? 0 };
}

/** @param {Place} now @returns {Promise<Choice[]>} */
async function allPlaces(now) {
  const { rows } = await pages(`/api/orgs/${encodeURIComponent(now.org)}/places?limit=1000`, { wanted: 2000 });
  const own = rows.map((row) => choiceOf(now.org, row));
  const others = (await organizations()).filter((name) => name !== now.org)
    .map((org) => ({ place: orgOf({ org, kind: 'org' }), hooks: null, failing: 0 }));
  return [...own, ...others];
}

/** @param {Place} place @returns {string} */
function nameOf(place) {
  return [place.org, placeLabel(place)].filter(Boolean).join(' / ');
}

/** @param {Place} now */
export function openSwitcher(now) {
  return openDialog({ title: t('place.switch'), body: (close) => combobox(now, close) });
}

/** @param {Place} now @param {() => void} close */
function combobox(now, close) {
  /** @type {Choice[]} */
  let choices = recent().map((place) => ({ place, hooks: null, failing: 0 }));
  let shown = choices;
  let active = 0;
  const list = h('ul', { role: 'listbox', id: 'places', 'aria-label': t('place.list'), class: 'places' });
  const state = h('div', null);
  const input = h('input', { type: 'text', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'places',
    'aria-autocomplete': 'list', 'aria-label': t('place.type'), placeholder: t('place.type'), autocomplete: 'off',
    spellcheck: 'false' });
  const choose = (choice) => {
    if (!choice) return;
    remember(choice.place);
    close();
    go(href(choice.place, choice.place.kind === 'org' ? [] : ['hooks']));
  };
  const draw = () => {
    shown = choices.filter((c) => contains(nameOf(c.place), input.value)).slice(0, SHOWN_MAX);
    active = Math.max(0, Math.min(active, shown.length - 1));
    fill(list, ...shown.map((choice, i) => h('li',
      { role: 'option', id: `place-${i}`, 'aria-selected': String(i === active),
      onclick: () => choose(choice) },
    h('span', null, nameOf(choice.place)), h('span', { class: 'quiet' }, t(`place.${choice.place.kind}`)),
    choice.failing > 0 && h('span', { class: 'bad-text' }, t('place.failing', { n: choice.failing })),
    choice.hooks !== null && h('span', { class: 'quiet' }, t('place.hooks', { n: choice.hooks })))));
    if (shown.length > 0) input.setAttribute('aria-activedescendant', `place-${active}`);
    else input.removeAttribute('aria-activedescendant');
    list.children[active]?.scrollIntoView({ block: 'nearest' });
  };
  input.addEventListener('input', draw);
  input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') {
      event.preventDefault();
      choose(shown[active]);
    }
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    event.preventDefault();
    active += event.key === 'ArrowDown' ? 1 : -1;
    draw();
  });
  draw();
  allPlaces(now).then((all) => {
    choices = all;
    draw();
  }, (error) => fill(state, errorBox(error)));
  return [input, state, list, addPlace(now, close)];
}

/**
 * A place that nothing has named yet is there as soon as it has a webhook.
 * @param {Place} now @param {() => void} close
 */
function addPlace(now, close) {
  const isAkinon = isEntityId(now.org);
  const input = h('input', { type: 'text', 'aria-label': t('place.other'), autocomplete: 'off',
    placeholder: t(isAkinon ? 'place.other-id' : 'place.other-hint'), pattern: isAkinon ? '[0-9a-fA-F]{24}' : null });
  const kind = h('select', { 'aria-label': t('place.kind') },
    ...(isAkinon ? ['akinon'] : ['stack', 'env']).map((k) => h('option', { value: k }, t(`place.${k}`))));
  return h('form', { class: 'inline-form', onsubmit: (event) => {
    event.preventDefault();
    const [project, name] = input.value.split('/').map((part) => part.trim());
    if (!project || (!isAkinon && !name)) return;
    close();
    go(href({ org: now.org, kind: /** @type {'stack'} */ (kind.value), project, name }, ['hooks']));
  } }, h('span', { class: 'quiet' }, t('place.other')), kind, input, h('button', { type: 'submit' }, t('place.open')));
}
