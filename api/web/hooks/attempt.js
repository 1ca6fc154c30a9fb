// attempt.js — S7: one attempt: why it ended so, where its time went, the request as it was sent, the answer, the
// signature; and what can be done with it. With ?with=N it is compared with another one (S8).

import { call, may, page } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { bindKeys } from '../page/keys.js';
import { confirmed, say } from '../page/notice.js';
import { badge, chip, copy, copyButton, empty, pageHead, region, skeleton, time } from '../page/parts.js';
import { go } from '../page/router.js';
import { local, t } from '../page/text.js';
import { waterfall } from '../page/waterfall.js';
import { shortId } from '../pure/format.js';
import { attemptName, attemptPath, hookApi, href, isEventId, orgOf, placeLabel } from '../pure/paths.js';
import { next, outcome, pattern } from '../pure/why.js';
import { attempted } from '../shared/actions.js';
import { compareScreen } from './compare.js';
import { exchange, sentRequest } from './exchange.js';

/**
 * @typedef {import('../app.js').Context} Context
 * @typedef {{context: Context, attempts: any[], attempt: any, api: string}} Shown attempts: of the delivery, oldest
 *   first
 */

const RETRY_VIEW_MS = 1000; // an attempt that was asked for is in the history a moment later

/**
 * Every attempt of a delivery, oldest first.
 * @param {string} api of the webhook @param {string} event @param {AbortSignal} signal @returns {Promise<any[]>}
 */
export async function loadAttempts(api, event, signal) {
  const out = [];
  let token = null;
  do {
    const one = await page(`${api}/deliveries?limit=1000&id=${encodeURIComponent(event)}`, { signal, token });
    out.push(...one.rows);
    token = one.next;
  } while (token && out.length < 1000);
  return out.reverse();
}

/** @param {Context} context */
export async function show(context) {
  const { main, place, params, query, signal, setTitle } = context;
  const api = hookApi(place, params.hook);
  fill(main, skeleton(8));
  let attempts = await loadAttempts(api, params.event, signal);
  if (!findAttempt(attempts, params.attempt)) {
    await new Promise((resolve) => { setTimeout(resolve, RETRY_VIEW_MS); });
    attempts = await loadAttempts(api, params.event, signal);
  }
  if (signal.aborted) return;
  const attempt = findAttempt(attempts, params.attempt);
  const back = h('a', { href: href(place, ['hooks', params.hook]) },
    [place.org, placeLabel(place), params.hook].filter(Boolean).join(' / '));
  if (!attempt) {
    setTitle(t('attempt.lost'), place.org);
    fill(main, pageHead({ title: t('attempt.lost'), above: back }), empty(t('attempt.lost-why')));
    return;
  }
  const shown = { context, attempts, attempt, api };
  setTitle(t('attempt.title', { n: attempt.attempt }), attempt.kind, params.hook, place.org);
  if (query.get('with')) {
    fill(main, ...await compareScreen(shown, back));
    return;
  }
  fill(main, head(shown, back), why(shown), attemptChips(shown),
    h('section', { class: 'panel', 'aria-label': t('attempt.waterfall') }, waterfall(attempt)),
    exchange(shown));
  bindKeys(keysOf(shown), signal);
}

/** @param {any[]} attempts @param {string} n @returns {any} */
export function findAttempt(attempts, n) {
  return attempts.find((one) => String(one.attempt) === n && !one.reason)
    ?? attempts.find((one) => String(one.attempt) === n);
}

/** @param {Shown} shown @param {any} other @param {Object<string, string>} [query] @returns {string} */
export function attemptAddress({ context: { place, params } }, other, query = {}) {
  return attemptPath(place, params.hook, other, query);
}

/** @param {Shown} shown @returns {Promise<string>} the request as a command; masked values are its variables */
async function curlOf(shown) {
  return (await sentRequest(shown)).curl;
}

/** @param {Shown} shown @param {Node} back */
function head(shown, back) {
  const { attempt, attempts, context: { params, place } } = shown;
  return pageHead({ title: [attempt.kind, ' ', h('span', { class: 'quiet code' }, shortId(attempt.id))], above: back,
    below: [badge(attempt.state), h('span', { class: 'quiet' },
      t('attempt.of', { n: attempt.attempt, all: attempts.length })), time(attempt.timestamp * 1000)],
    actions: [
      may('write') && h('button', { type: 'button', class: 'primary', onclick: () => redeliver(shown) },
        t('attempt.redeliver')),
      attempt.payload !== '' && !attempt.reason
        && copyButton(t('attempt.curl'), () => curlOf(shown), { title: t('attempt.curl-variables') }),
      compareMenu(shown),
      h('a', { class: 'button', href: href(orgOf(place), ['events', params.event]) }, t('attempt.event')),
    ] });
}

/** @param {Shown} shown */
function compareMenu(shown) {
  const others = shown.attempts.filter((one) => one.attempt !== shown.attempt.attempt && !one.reason);
  return h('details', { class: 'menu' }, h('summary', null, t('attempt.compare')), h('div', { class: 'menu-body' },
    ...others.map((one) => h('a', { href: attemptAddress(shown, shown.attempt, { with: String(one.attempt) }) },
      t('attempt.title', { n: one.attempt }), ' ', chip(one))),
    h('button', { type: 'button', onclick: () => compareGood(shown) }, t('attempt.compare-good')), compareForm(shown)));
}

/** With an attempt that the reader names. @param {Shown} shown */
function compareForm(shown) {
  const input = h('input', { type: 'text', 'aria-label': t('compare.paste'), placeholder: t('compare.paste'),
    autocomplete: 'off', spellcheck: 'false' });
  return h('form', { class: 'inline-form', onsubmit: (event) => {
    event.preventDefault();
    const text = input.value.trim().toLowerCase();
    const wanted = isEventId(text) ? text : attemptName(shown.context.place.org, input.value);
    if (wanted) go(attemptAddress(shown, shown.attempt, { with: wanted }));
    else say(t('compare.no-attempt'), 'bad');
  } }, input, h('button', { type: 'submit' }, t('place.open')));
}

/** With the newest attempt that the webhook's receiver took. @param {Shown} shown */
function compareGood(shown) {
  return attempted(async () => {
    const { rows: [good] } = await page(`${shown.api}/deliveries?state=delivered&limit=1`, {});
    if (good) go(attemptAddress(shown, shown.attempt, { with: `${good.id}/${good.attempt}` }));
    else say(t('attempt.never-good'), 'bad');
  });
}

/** In words: what came of it, how the others went, what happens next. @param {Shown} shown */
function why({ attempt, attempts, api, context: { signal } }) {
  const newest = attempts[attempts.length - 1];
  const { key, values } = outcome(attempt);
  const more = attempt.error && region({ signal, lines: 1,
    load: () => Promise.all([page(`${api}/deliveries?limit=20`, { signal }), call(`${api}/status`, { signal })]),
    draw: ([{ rows }, status]) => h('p', null, othersText(attempt, rows, status.failingSince)) });
  const then = next(newest, Date.now());
  return h('section', { class: `panel why ${attempt.error ? 'bad' : 'good'}`, 'aria-label': t('attempt.why') },
    h('p', { class: 'why-first' },
      h('strong', null, t(key, values && { ...values, total: local(String(values.total ?? '')) }))),
    attempt.error && !attempt.reason && h('p', { class: 'code' }, attempt.error.message),
    more && more.element, h('p', null, t(then.key, then.values)));
}

/**
 * @param {any} attempt @param {any[]} rows of the webhook, newest first
 * @param {number|null} failingSince null: the newest succeeded
 */
function othersText(attempt, rows, failingSince) {
  const { same, all } = pattern(attempt, rows);
  const text = t('why.others', { n: same, all });
  return failingSince === null ? [text, ' ', t('why.works-again')]
    : [text, ' ', t('why.since'), ' ', time(failingSince), '.'];
}

/** @param {Shown} shown */
function attemptChips(shown) {
  if (shown.attempts.length < 2) return null;
  return h('nav', { class: 'attempts', 'aria-label': t('attempt.all') },
    h('ul', { class: 'chips' }, ...shown.attempts.map((one) => h('li', null,
    h('a', { href: attemptAddress(shown, one), 'aria-current': one === shown.attempt ? 'page' : null,
      title: t('attempt.title', { n: one.attempt }) },
      h('span', { class: 'number' }, String(one.attempt)), chip(one))))));
}

/** @param {Shown} shown */
function redeliver({ api, attempt, context }) {
  return attempted(async () => {
    if (!await confirmed({ title: t('attempt.redeliver'), text: t('attempt.redeliver-text'),
      action: t('attempt.redeliver') })) return;
    const made = await call(`${api}/deliveries/${encodeURIComponent(attempt.id)}/redeliver`, { method: 'POST' });
    go(attemptPath(context.place, context.params.hook, made));
  });
}

/** @param {Shown} shown @returns {import('../page/keys.js').Bindings} */
function keysOf(shown) {
  const { attempt, attempts } = shown;
  const at = attempts.indexOf(attempt);
  const to = (other) => other && go(attemptAddress(shown, other));
  return {
    ...(may('write') ? { r: () => redeliver(shown) } : {}),
    c: () => copy(() => curlOf(shown)),
    '[': () => to(attempts[at - 1]),
    ']': () => to(attempts[at + 1]),
  };
}
