// frame.js — what is around every screen: skip link, place, navigation, search, the reader's menu, dark or light, and
// the panel beside the screen.

import { hasHooks, href, isEventId, orgOf, placeLabel } from '../pure/paths.js';
import { fill, h, icon } from './dom.js';
import { bindKeys, showKeys } from './keys.js';
import { say } from './notice.js';
import { go } from './router.js';
import { currentSession, isAdmin, logOut, may } from './client.js';
import { errorText } from './parts.js';
import { LANGUAGES, currentLanguage, t, useLanguage } from './text.js';

/** @typedef {import('../pure/paths.js').Place} Place */

const ORG_NAV = [['overview', []], ['hooks', ['hooks']], ['deliveries', ['deliveries']], ['events', ['events']],
  ['replays', ['replays']], ['live', ['live']]];
/** What a screen belongs to in the navigation. */
const SECTIONS = { attempt: 'hooks', event: 'events', explain: 'events', 'replay-new': 'replays' };

/** The place that the navigation is about; it stays while a screen without one is shown. @type {Place|null} */
let place = null;
const header = h('header', { class: 'top' });
const main = h('main', { id: 'main', tabindex: '-1' });
const banner = h('div', { class: 'offline', role: 'status', hidden: true });

/** @returns {Node[]} put once into the page */
export function frame() {
  fill(banner, icon('warning'), t('frame.offline'));
  banner.hidden = navigator.onLine;
  window.addEventListener('offline', () => { banner.hidden = false; });
  window.addEventListener('online', () => { banner.hidden = true; });
  bindKeys({
    '/': () => /** @type {HTMLElement|null} */ (main.querySelector('.filters input')
      ?? header.querySelector('.search input'))?.focus(),
    'g o': () => place && switchPlace(place),
    'g w': () => goTo([]), 'g h': () => goTo(['hooks']), 'g d': () => goTo(['deliveries']),
    'g e': () => goTo(['events']),
    'g r': () => goTo(['replays']), 'g l': () => goTo(['live']),
  });
  return [h('a', { class: 'skip', href: '#main' }, t('frame.skip')), banner, header,
    h('div', { class: 'work' }, main, panel)];
}

/** @param {string[]} segments */
function goTo(segments) {
  if (place) go(href(orgOf(place), segments));
}

/** @param {import('./router.js').Target} target @returns {HTMLElement} where its screen draws */
export function frameFor(target) {
  place = target.place ?? place;
  header.hidden = target.screen === 'login';
  if (target.screen !== 'login') drawHeader(target);
  return main;
}

/** @param {import('./router.js').Target} target */
function drawHeader(target) {
  const section = SECTIONS[target.screen] ?? target.screen.split('-')[0].replace(/^hook$/, 'hooks');
  fill(header,
    h('a', { class: 'brand', href: '/dashboard' }, horn(), h('span', null, 'posthorn')),
    place && switcherButton(place),
    place && navigation(place, section),
    place && searchBox(place),
    h('button', { type: 'button', class: 'plain', 'aria-label': t('keys.title'), title: t('keys.title'),
      onclick: showKeys }, icon('help')),
    menu(place));
}

function horn() {
  const mark = icon('horn');
  mark.setAttribute('class', 'icon brand-mark');
  return mark;
}

/** @param {Place} at */
async function switchPlace(at) {
  const { openSwitcher } = await import('./switcher.js');
  openSwitcher(at);
}

/** @param {Place} at */
function switcherButton(at) {
  const label = placeLabel(at) || t('place.all');
  return h('button', { type: 'button', class: 'switcher', 'aria-haspopup': 'dialog', onclick: () => switchPlace(at) },
    h('span', { class: 'unseen' }, t('place.switch')), h('strong', null, at.org), h('span', { class: 'quiet' }, label),
    icon('down'));
}

/** @param {Place} at @param {string} section */
function navigation(at, section) {
  return h('nav', { 'aria-label': t('nav.main') }, h('ul', null, ...ORG_NAV.map(([name, segments]) => {
    const target = name === 'hooks' ? at : orgOf(at);
    return h('li', null, h('a', { href: href(target, /** @type {string[]} */ (segments)),
      'aria-current': name === section ? 'page' : null }, t(`nav.${name}`)));
  })));
}

/** @param {Place} at */
function searchBox(at) {
  const input = h('input', { type: 'search', name: 'q', placeholder: t('search.hint'), 'aria-label': t('search.label'),
    autocomplete: 'off', spellcheck: 'false' });
  return h('form', { class: 'search', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text === '') return;
    input.value = '';
    go(isEventId(text) ? href(orgOf(at), ['events', text.toLowerCase()]) : href(orgOf(at), ['hooks'], { q: text }));
  } }, icon('search'), input);
}

/** @param {Place|null} at */
function menu(at) {
  const session = currentSession();
  const who = session?.admin ? t('menu.admin') : session?.scopes.join(', ') ?? '';
  const details = h('details', { class: 'menu' },
    h('summary', null, h('span', { class: 'unseen' }, t('menu.label')), who, icon('down')),
    h('div', { class: 'menu-body' },
      choice(t('menu.theme'), currentTheme(), allThemes().map((name) => [name, t(`theme.${name}`)]), useTheme),
      choice(t('menu.language'), currentLanguage(), Object.entries(LANGUAGES), async (name) => {
        await useLanguage(name, true);
        location.reload();
      }),
      isAdmin() && at && h('a', { href: href(orgOf(at), ['tokens']) }, t('nav.tokens')),
      isAdmin() && h('a', { href: '/dashboard/system' }, t('nav.system')),
      at && hasHooks(at) && may('write') && h('a', { href: href(at, ['explain']) }, t('nav.explain')),
      h('button', { type: 'button', onclick: leave }, t('menu.log-out')),
      session?.version && h('p', { class: 'quiet' }, `posthorn ${session.version}`)));
  details.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    details.open = false;
    details.querySelector('summary')?.focus();
  });
  details.addEventListener('focusout', (event) => {
    if (event.relatedTarget instanceof Node && !details.contains(event.relatedTarget)) details.open = false;
  });
  return details;
}

/**
 * @param {string} label @param {string} now @param {[string, string][]} options @param {(name: string) => void} use
 */
function choice(label, now, options, use) {
  return h('label', { class: 'menu-choice' }, label, h('select', { value: now,
    onchange: (event) => use(event.target.value) }, ...options.map(([value, text]) => h('option', { value }, text))));
}

async function leave() {
  try {
    await logOut();
    location.assign('/dashboard');
  } catch (error) {
    say(errorText(error), 'bad');
  }
}

// --- dark or light: as the system has it, or as the reader chose.

const KEY = 'posthorn-theme';
const THEMES = ['system', 'light', 'dark'];

/** @returns {string} of THEMES */
function currentTheme() {
  const chosen = localStorage.getItem(KEY) ?? 'system';
  return THEMES.includes(chosen) ? chosen : 'system';
}

/** @param {string} theme of THEMES */
function useTheme(theme) {
  if (theme === 'system') localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  startTheme();
}

export function startTheme() {
  const theme = currentTheme();
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** @returns {string[]} */
function allThemes() {
  return THEMES;
}

// --- a panel beside the screen, for what a list has one of. The screen stays as it is.

const WIDE = '(min-width: 1100px)';

const besideBody = h('div', { class: 'beside-body' });
const panel = h('aside', { class: 'beside', hidden: true });
/** What had the focus before, and gets it again. @type {Element|null} */
let before = null;

/** @returns {boolean} whether there is room for it */
export function hasRoom() {
  return window.matchMedia(WIDE).matches;
}

/** @returns {boolean} */
export function isBeside() {
  return !panel.hidden;
}

/**
 * @param {AbortSignal} signal keys end with it @param {() => void} close what its button does, and Escape
 * @returns {HTMLElement} where to draw
 */
export function openBeside(signal, close) {
  if (panel.hidden) before = document.activeElement;
  panel.hidden = false;
  panel.setAttribute('aria-label', t('attempt.panel'));
  fill(panel, h('button', { type: 'button', class: 'plain beside-close', 'aria-label': t('keys.Esc'),
    title: t('keys.Esc'), onclick: close }, icon('dead')), besideBody);
  bindKeys({ Escape: close }, signal);
  return besideBody;
}

/** The focus goes back to where it was, if that is still there. */
export function closeBeside() {
  panel.hidden = true;
  fill(besideBody);
  if (before instanceof HTMLElement && before.isConnected) before.focus();
}
