// app.js — the beginning: language, theme, session, frame, and then the screen of the address.

import { closeBeside, frame, frameFor, hasRoom, isBeside, openBeside, startTheme } from './page/frame.js';
import { currentSession, forgetSession, loadSession, whenLoggedOut } from './page/client.js';
import { append, fill, h } from './page/dom.js';
import { startKeys } from './page/keys.js';
import { noticeList } from './page/notice.js';
import { currentTarget, go, startRouter } from './page/router.js';
import { errorBox, startTimes } from './page/parts.js';
import { t, useLanguage, wantedLanguage } from './page/text.js';

/**
 * What a screen gets. It draws into main; what it began ends with the signal.
 * @typedef {{main: HTMLElement, place: import('./pure/paths.js').Place, params: Object<string, string>,
 *   query: URLSearchParams, screen: string, signal: AbortSignal, setTitle: (...parts: string[]) => void}} Context
 */

const hook = () => import('./hooks/hook.js');
const form = () => import('./hooks/form.js');

/** @type {Object<string, () => Promise<{show: (context: any) => any}>>} */
const SCREENS = {
  login: () => import('./screens/login.js'),
  home: () => import('./screens/home.js'),
  overview: () => import('./screens/overview.js'),
  hooks: () => import('./hooks/list.js'),
  'hook-new': form,
  'hook-edit': form,
  hook,
  'hook-timing': hook,
  'hook-settings': hook,
  'hook-replays': hook,
  'hook-live': hook,
  attempt: () => import('./hooks/attempt.js'),
  deliveries: () => import('./screens/deliveries.js'),
  events: () => import('./screens/events.js'),
  event: () => import('./screens/event.js'),
  explain: () => import('./screens/explain.js'),
  replays: () => import('./screens/replays.js'),
  'replay-new': () => import('./screens/replay_new.js'),
  live: () => import('./screens/live.js'),
  tokens: () => import('./screens/tokens.js'),
  system: () => import('./screens/system.js'),
  'not-found': () => import('./screens/not_found.js'),
};

/** Screens with a list of deliveries, beside which an attempt is shown where there is room. */
const LISTS = ['deliveries', 'hook'];

let leaving = new AbortController();
let leavingBeside = new AbortController();
/** What is drawn: the screen, its address with what was noted since, and its title. */
const drawn = { screen: '', address: '', title: '' };

/** @param {string[]} parts most special first */
function setTitle(...parts) {
  document.title = [...parts.filter(Boolean), 'posthorn'].join(' · ');
}

/** @returns {string} */
function address() {
  return location.pathname + location.search;
}

/** @param {import('./page/router.js').Target} target @returns {boolean} whether it is shown beside what is drawn */
function goesBeside(target) {
  return target.screen === 'attempt' && !target.query.has('with') && LISTS.includes(drawn.screen) && hasRoom()
    && currentSession() !== null;
}

/** @param {import('./page/router.js').Target} target */
function show(target) {
  leavingBeside.abort();
  if (goesBeside(target)) {
    leavingBeside = new AbortController();
    if (!isBeside()) drawn.title = document.title;
    return draw(target, openBeside(leavingBeside.signal, () => go(drawn.address)), leavingBeside.signal);
  }
  if (isBeside()) {
    closeBeside();
    document.title = drawn.title;
    if (address() === drawn.address) return undefined;
  }
  leaving.abort();
  leaving = new AbortController();
  const screen = currentSession() ? target.screen : 'login';
  const main = frameFor({ ...target, screen });
  Object.assign(drawn, { screen, address: address() });
  if (main.firstChild) { // to scroll is to lay out, which takes long
    fill(main);
    window.scrollTo(0, 0);
  }
  return draw({ ...target, screen }, main, leaving.signal);
}

/**
 * @returns {Promise<boolean>} whether the server has other files now, after an upgrade: then a module that was not
 *   loaded before cannot be loaded any more
 */
async function isReplaced() {
  const answer = await fetch(import.meta.url, { method: 'HEAD', cache: 'no-store' }).catch(() => null);
  return answer?.status === 404;
}

/** @param {import('./page/router.js').Target} target @param {HTMLElement} main @param {AbortSignal} signal */
async function draw(target, main, signal) {
  try {
    const screen = await SCREENS[target.screen]();
    if (signal.aborted) return;
    await screen.show({ ...target, main, signal, setTitle });
  } catch (error) {
    if (error instanceof TypeError && await isReplaced()) return location.reload();
    if (!signal.aborted) {
      const again = () => {
        fill(main);
        draw(target, main, signal);
      };
      fill(main, h('h1', { tabindex: '-1' }, t('error.title')), errorBox(error, again));
    }
  }
  if (!signal.aborted && !main.contains(document.activeElement)) {
    /** @type {HTMLElement|null} */ (main.querySelector('h1'))?.focus({ preventScroll: true });
  }
  return undefined;
}

/**
 * A filter has changed, so what is beside is no longer what the address says.
 * @param {import('./page/router.js').Target} target
 */
function noted(target) {
  if (isBeside() && target.screen === 'attempt') return;
  drawn.address = address();
  if (!isBeside()) return;
  leavingBeside.abort();
  closeBeside();
  document.title = drawn.title;
}

async function start() {
  const target = currentTarget();
  // What is needed next is fetched at once, not one after the other.
  const session = target.screen === 'login' ? null : loadSession();
  session?.catch(() => {});
  SCREENS[target.screen]().catch(() => {});
  startTheme();
  await useLanguage(wantedLanguage());
  append(document.body, frame(), noticeList());
  whenLoggedOut(() => {
    if (!currentSession()) return;
    forgetSession();
    show(currentTarget());
  });
  startKeys();
  startTimes();
  try {
    await session;
    startRouter({ show, noted, replaces: (target) => isBeside() && goesBeside(target) });
  } catch (error) {
    setTitle(t('error.title'));
    fill(document.body, errorBox(error, () => location.reload()));
  }
}

start();
