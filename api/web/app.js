// app.js — the beginning: language, theme, session, frame, and then the screen of the address.

import { whenLoggedOut } from './page/client.js';
import { append, fill, h } from './page/dom.js';
import { frame, frameFor } from './page/frame.js';
import { startKeys } from './page/keys.js';
import { noticeList } from './page/notice.js';
import { currentTarget, startRouter } from './page/router.js';
import { currentSession, forgetSession, loadSession } from './page/session.js';
import { errorBox } from './page/states.js';
import { t, useLanguage, wantedLanguage } from './page/text.js';
import { startTheme } from './page/theme.js';

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

let leaving = new AbortController();

/** @param {string[]} parts most special first */
function setTitle(...parts) {
  document.title = [...parts.filter(Boolean), 'posthorn'].join(' · ');
}

/** @param {import('./page/router.js').Target} target */
async function show(target) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const name = currentSession() ? target.screen : 'login';
  const main = frameFor({ ...target, screen: name });
  fill(main);
  window.scrollTo(0, 0);
  try {
    const screen = await SCREENS[name]();
    if (signal.aborted) return;
    await screen.show({ ...target, main, signal, setTitle });
  } catch (error) {
    if (!signal.aborted) fill(main, h('h1', { tabindex: '-1' }, t('error.title')),
      errorBox(error, () => show(currentTarget())));
  }
  if (!signal.aborted && !main.contains(document.activeElement)) {
    /** @type {HTMLElement|null} */ (main.querySelector('h1'))?.focus({ preventScroll: true });
  }
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
  try {
    await session;
    startRouter(show);
  } catch (error) {
    setTitle(t('error.title'));
    fill(document.body, errorBox(error, () => location.reload()));
  }
}

start();
