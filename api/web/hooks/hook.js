// hook.js — S5: one webhook: its state and why, what can be done, and its tabs.

import { call, may } from '../page/client.js';
import { append, h } from '../page/dom.js';
import { ago, badge, pageHead, region, time } from '../page/parts.js';
import { go } from '../page/router.js';
import { hasText, named, number, t, withTimes } from '../page/text.js';
import { shortId } from '../pure/format.js';
import { destination } from '../pure/hook.js';
import { hookApi, href, placeLabel } from '../pure/paths.js';
import { deliveryList } from '../shared/delivery_list.js';
import { apiOf, loadHook, remove, rotateSecret, sendPing, setActive, setPaused } from '../shared/actions.js';

/**
 * @typedef {import('../pure/hook.js').Hook} Hook
 * @typedef {import('../app.js').Context} Context
 */

const TABS = [['deliveries', []], ['timing', ['timing']], ['settings', ['settings']], ['replays', ['replays']],
  ['live', ['live']]];
const REFRESH_MS = 5000;

/** @param {Context} context */
export async function show(context) {
  const { main, place, params, query, signal, setTitle, screen } = context;
  const again = () => go(location.pathname + location.search, true);
  const tab = screen === 'hook' ? 'deliveries' : screen.slice('hook-'.length);
  const api = hookApi(place, params.hook);
  const loading = loadHook(place, params.hook, signal);
  // What needs of the webhook only what the address says is asked for meanwhile.
  const status = call(`${api}/status`, { signal });
  status.catch(() => {}); // the region says it
  const list = tab === 'deliveries' && deliveryList({ place, hook: params.hook,
    api: `${api}/deliveries`, segments: ['hooks', params.hook], query, signal });
  const hook = await loading;
  const body = list || await tabBody(tab, hook, context, again);
  if (signal.aborted) return;
  setTitle(tab === 'deliveries' ? '' : t(`tab.${tab}`), hook.title, place.org);
  append(main, pageHead({ title: hook.title,
    above: h('a', { href: href(place, ['hooks']) }, [place.org, placeLabel(place)].filter(Boolean).join(' / ')),
    below: [h('span', { class: 'code cut', title: hook.url }, destination(hook)),
      h('span', { class: 'quiet' }, named('format', hook.format)), h('span', { class: 'quiet code' }, hook.id)],
    actions: may('write') && actions(hook, again) }),
  statusRegion(hook, status, signal).element, hook.raw.secretOverlap && overlapRegion(hook, signal).element,
  tabs(hook, tab), body);
}

/** @param {Hook} hook @param {() => void} again draws the screen anew */
function actions(hook, again) {
  const run = (action) => async () => (await action()) && again();
  const button = (/** @type {string} */ text, /** @type {() => any} */ onclick, /** @type {string} */ style = '') =>
    h('button', { type: 'button', class: style, onclick }, text);
  return [
    button(t('hook.ping'), () => sendPing(hook)),
    hook.active && button(t(hook.raw.paused ? 'hook.resume' : 'hook.pause'),
      run(() => setPaused(hook, !hook.raw.paused))),
    h('a', { class: 'button', href: href(hook.place, ['hooks', hook.id, 'edit']) }, t('hook.edit')),
    h('details', { class: 'menu' }, h('summary', { 'aria-label': t('hooks.actions-of', { name: hook.title }) }, '⋯'),
      h('div', { class: 'menu-body' },
      button(t(hook.active ? 'hook.switch-off' : 'hook.switch-on'), run(() => setActive(hook, !hook.active))),
      hook.format !== 'akinon' && button(t('rotate.title'), run(() => rotateSecret(hook))),
      button(t('hook.delete'), async () => (await remove(hook)) && go(href(hook.place, ['hooks'])), 'danger-text'))),
  ];
}

/** @param {Hook} hook @param {string} now */
function tabs(hook, now) {
  return h('nav', { class: 'tabs', 'aria-label': t('tab.label') },
    h('ul', null, ...TABS.map(([name, segments]) => h('li', null,
    h('a', { href: href(hook.place, ['hooks', hook.id, .../** @type {string[]} */ (segments)]),
      'aria-current': name === now ? 'page' : null },
      t(`tab.${name}`))))));
}

/**
 * Only what a tab needs is loaded.
 * @returns {Promise<HTMLElement>}
 * @param {string} tab @param {Hook} hook @param {Context} context @param {() => void} again
 */
async function tabBody(tab, hook, { query, signal, place }, again) {
  const api = apiOf(hook);
  if (tab === 'timing') return (await import('./timing.js')).timingTab(hook, signal, query);
  if (tab === 'settings') return (await import('./settings.js')).settingsTab(hook, again);
  if (tab === 'replays') {
    return (await import('../shared/replay_list.js')).replayList({ place, api: `${api}/replays`, hook, signal });
  }
  const { livePanel } = await import('../shared/live_list.js');
  return livePanel({ place, hook: hook.id, stream: `${api}/tail`, list: `${api}/deliveries`, query, signal });
}

/** How it goes, and why. @param {Hook} hook @param {Promise<any>|null} first status @param {AbortSignal} signal */
function statusRegion(hook, first, signal) {
  const load = () => {
    const status = first ?? call(`${apiOf(hook)}/status`, { signal });
    first = null;
    return status;
  };
  return region({ signal, everyMs: REFRESH_MS, lines: 2, label: t('hook.status'), load,
    draw: (status) => h('div', { class: 'status-line' },
      h('div', { class: 'status-state' }, badge(status.state), h('p', null, ...why(hook, status))),
      h('dl', { class: 'figures' },
        figure(t('status.waiting'), number(status.waiting) + (status.more ? ' +' : '')),
        figure(t('status.in-flight'), `${number(status.inFlight)} / ${number(status.window)}`),
        figure(t('keys.after'), status.nextAttemptAt ? ago(status.nextAttemptAt) : '–'),
        figure(t('status.failing-since'), status.failingSince ? ago(status.failingSince) : '–'))) });
}

/**
 * After a rotation: until when the old secret signs, too, and what has arrived since.
 * @param {Hook} hook @param {AbortSignal} signal
 */
function overlapRegion(hook, signal) {
  return region({ signal, everyMs: REFRESH_MS, lines: 1, label: t('rotate.title'),
    load: () => loadHook(hook.place, hook.id, signal),
    draw: ({ raw: { secretOverlap, sinceSecret } }) => secretOverlap && h('p', { class: 'panel' },
      t('rotate.overlap', { n: secretOverlap.secrets }), ' ', time(Date.parse(secretOverlap.until)), '. ',
      sinceSecret && [t('rotate.since', { n: sinceSecret.delivered, more: sinceSecret.moreDelivered ? '+' : '' }), ' ',
        time(Date.parse(sinceSecret.at)), '.']) });
}

/** @param {string} name @param {Node|string} value */
function figure(name, value) {
  return h('div', null, h('dt', null, name), h('dd', null, value));
}

/** @param {Hook} hook @param {any} status @returns {(Node|string)[]} */
function why(hook, status) {
  const { disabled } = hook.raw;
  if (disabled) return [named('disabled', disabled.reason), ' ', time(Date.parse(disabled.at))];
  /** @type {(Node|string)[]} */
  const out = [status.failing ? sentence(status.failing.reason) : whyState(status)];
  const { reason, at } = hook.raw.handshakeState ?? {};
  if (reason && ['awaiting', 'refused'].includes(status.state)) {
    out.push(' ', sentence(reason), ' ', time(Date.parse(at)));
  }
  if (status.blockedBy) {
    const address = href(hook.place, ['hooks', hook.id], { id: status.blockedBy });
    return [...out, ' ', t('status.blocked-by'), ' ', h('a', { href: address }, shortId(status.blockedBy))];
  }
  return out;
}

/** @param {any} status @returns {string} */
function whyState({ state, waiting }) {
  const key = `why-state.${state}`;
  return hasText(key) ? t(key, { n: waiting }) : named('state', state);
}

/** @param {string} reason of the server @returns {string} */
function sentence(reason) {
  const text = withTimes(reason.charAt(0).toUpperCase() + reason.slice(1));
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
