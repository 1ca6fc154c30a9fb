// live_list.js — attempts as they happen, of an organization or of one webhook.

import { fill, h, keyed } from '../page/dom.js';
import { bindKeys } from '../page/keys.js';
import { badge, chip, time } from '../page/parts.js';
import { note } from '../page/router.js';
import { follow, rowKey } from '../page/stream.js';
import { fromUs, t } from '../page/text.js';
import { shortId } from '../pure/format.js';
import { placeLabel, placeOfRow, queryText } from '../pure/paths.js';
import { filterBar, isWanted, rowHref } from './delivery_list.js';

const ROWS_MAX = 500; // on the page; older ones make room
const DRAWN_MAX = 100; // rows of one paint: the page answers in between
const RATE_MS = 5000; // over which attempts are counted

/**
 * @param {{place: import('../pure/paths.js').Place, hook: string|null, stream: string, list: string, query: URLSearchParams, signal: AbortSignal}} options
 * @returns {HTMLElement}
 */
export function livePanel({ place, hook, stream, list, query, signal }) {
  const filter = { state: query.get('state') ?? '', error: query.get('error') ?? '', kind: query.get('kind') ?? '', code: query.get('code') ?? '' };
  /** @type {{key: string, row: any, gap?: string}[]} newest first; row null: a gap */
  let shown = [];
  /** @type {{key: string, row: any}[]} while it is paused */
  let held = [];
  let isPaused = false;
  let left = 0;
  let recent = /** @type {{at: number, n: number}[]} */ ([]);
  const state = h('span', { role: 'status' });
  const rate = h('span', { class: 'quiet number' });
  const skipped = h('p', { class: 'quiet', role: 'status' });
  const body = h('ul', { class: 'live-list', 'aria-label': t('nav.live') });
  const pause = h('button', { type: 'button', 'aria-pressed': 'false', onclick: () => toggle() }, t('hook.pause'));
  const known = new Set();

  const paint = () => {
    keyed(body, shown, (one) => one.key, (one) => (one.row ? liveRow(one.row, place, hook) : h('li', { class: 'gap' }, one.gap)));
    fill(skipped, shown.length === 0 ? t('live.empty') : left > 0 && t('live.more', { n: left }));
  };
  const toggle = () => {
    isPaused = !isPaused;
    pause.setAttribute('aria-pressed', String(isPaused));
    fill(pause, t(isPaused ? 'live.go-on' : 'hook.pause'));
    if (!isPaused) take(held.splice(0));
  };
  /** @param {{key: string, row: any}[]} rows newest first */
  const take = (rows) => {
    shown = [...rows.slice(0, DRAWN_MAX), ...shown];
    const gone = [...rows.slice(DRAWN_MAX), ...shown.splice(ROWS_MAX)];
    left += gone.length;
    gone.forEach((one) => known.delete(one.key));
    paint();
  };
  const onBatch = ({ rows, more }) => {
    const now = performance.now();
    recent = [...recent, { at: now, n: rows.length + more }].filter((one) => now - one.at < RATE_MS);
    const fresh = rows.filter((one) => isWanted(one, filter)).map((one) => ({ key: rowKey(one), row: one })).filter(({ key }) => !known.has(key) && known.add(key)).reverse();
    left += more;
    if (!isPaused) return take(fresh);
    held = [...fresh, ...held].slice(0, ROWS_MAX);
    return fill(pause, t('live.held', { n: held.length }));
  };
  paint();
  follow({ stream, list }, { onBatch, onState: (now) => fill(state, badge(now === 'live' ? 'ok' : 'waiting').firstElementChild, ' ', t(`stream.${now}`)),
    onGap: (n) => {
      shown = [{ key: `gap ${performance.now()}`, row: null, gap: n === null ? t('live.gap') : t('live.gap-of', { n }) }, ...shown];
      paint();
    } }, signal);
  const timer = setInterval(() => {
    recent = recent.filter((one) => performance.now() - one.at < RATE_MS);
    fill(rate, t('live.rate', { n: Math.round(recent.reduce((sum, one) => sum + one.n, 0) / (RATE_MS / 1000)) }));
  }, 1000);
  signal.addEventListener('abort', () => clearInterval(timer));
  bindKeys({ p: toggle }, signal);
  return h('div', { class: 'live' }, h('div', { class: 'filter-row' }, filterBar(filter, () => {
    note(location.pathname + queryText(filter));
    shown = shown.filter(({ row }) => row === null || isWanted(row, filter));
    paint();
  }), h('div', { class: 'list-actions' }, state, rate, pause)), skipped, body);
}

/** @param {any} one @param {import('../pure/paths.js').Place} place @param {string|null} hook */
function liveRow(one, place, hook) {
  const address = rowHref(one, place, hook);
  const label = `${one.kind} ${shortId(one.id)}`;
  const at = hook === null ? [placeLabel(placeOfRow(place.org, one)), one.hookName ?? t('deliveries.deleted')].filter(Boolean).join(' / ') : '';
  return h('li', null, time(one.timestamp * 1000), badge(one.state), address ? h('a', { class: 'row-link cut', href: address }, label) : h('span', { class: 'cut' }, label),
    h('span', { class: 'quiet cut' }, at), chip(one), h('span', { class: 'number' }, fromUs(one.timing.totalUs)));
}
