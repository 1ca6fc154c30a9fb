// compare.js — S8: two attempts side by side: their times on one scale, headers by name, bodies line by line. The
// other one is any of the same organization.

import { call } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { badge, chip, empty, pageHead, time } from '../page/parts.js';
import { note } from '../page/router.js';
import { t } from '../page/text.js';
import { waterfall } from '../page/waterfall.js';
import { diffHeaders, diffLines, firstDifference } from '../pure/diff.js';
import { parseHeaders, prettyJson, shortId, visible } from '../pure/format.js';
import { attemptNamed, attemptPath, hookApi, placeOfRow, orgApi } from '../pure/paths.js';
import { attemptAddress, findAttempt, loadAttempts } from './attempt.js';

/** @typedef {import('./attempt.js').Shown} Shown */

const CONTEXT_LINES = 3; // around what differs

/**
 * The other attempt: N of the same delivery, EVENT/N of the same webhook, EVENT alone (its newest attempt, here or else
 * at another webhook), or what attemptName() calls any other.
 * @param {Shown} shown @returns {Promise<{attempt: any, address: string}|null>}
 */
async function otherOf({ attempts, api, context: { query, signal, place, params } }) {
  const wanted = query.get('with') ?? '';
  const found = (at, hook, attempt) => attempt && { attempt, address: attemptPath(at, hook, attempt) };
  if (wanted.startsWith('/')) {
    const { screen, place: at, params: other } = attemptNamed(place.org, wanted);
    if (screen !== 'attempt' || !at) return null;
    const list = await loadAttempts(hookApi(at, other.hook), other.event, signal);
    return found(at, other.hook, findAttempt(list, other.attempt));
  }
  const [event, n] = /^\d+$/.test(wanted) ? [null, wanted] : wanted.split('/');
  const list = event === null ? attempts : await loadAttempts(api, event, signal);
  if (list.length > 0) return found(place, params.hook, n === undefined ? list.at(-1) : findAttempt(list, n));
  const { deliveries } = await call(`${orgApi(place.org)}/events/${encodeURIComponent(event ?? '')}?limit=1000`,
    { signal });
  const elsewhere = deliveries.find((one) => one.hookName);
  if (!elsewhere) return null;
  const at = placeOfRow(place.org, elsewhere);
  return found(at, elsewhere.hookName, (await loadAttempts(hookApi(at, elsewhere.hookName), elsewhere.id, signal))
    .at(-1));
}

/** @param {Shown} shown @param {Node} back @returns {Promise<Node[]>} */
export async function compareScreen(shown, back) {
  const { attempt, context: { query, setTitle, place, params } } = shown;
  const other = await otherOf(shown);
  setTitle(t('compare.title'), attempt.kind, params.hook, place.org);
  const above = [back, ' / ',
    h('a', { href: attemptAddress(shown, attempt) }, t('attempt.title', { n: attempt.attempt }))];
  if (!other) return [pageHead({ title: t('compare.title'), above }), empty(t('attempt.lost'))];
  let isAll = query.get('all') === '1';
  const body = h('div', null);
  const draw = () => fill(body, parts(attempt, other.attempt, isAll));
  draw();
  const toggle = h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: !isAll, onchange: () => {
    isAll = !isAll;
    note(attemptAddress(shown, attempt, { with: query.get('with') ?? '', ...(isAll ? { all: '1' } : {}) }));
    draw();
  } }), t('compare.changed'));
  return [pageHead({ title: t('compare.title'), above, actions: toggle }),
    sides({ attempt, address: attemptAddress(shown, attempt) }, other), body];
}

/** @typedef {{attempt: any, address: string}} Side */

/** @param {Side} left @param {Side} right */
function sides(left, right) {
  const scaleUs = Math.max(left.attempt.timing.totalUs, right.attempt.timing.totalUs);
  const delivery = ({ address }) => address.replace(/\/\d+$/, '');
  const isOne = delivery(left) === delivery(right);
  const side = ({ attempt, address }) => {
    const title = t('attempt.title', { n: attempt.attempt });
    const label = isOne ? title : `${attempt.kind} ${shortId(attempt.id)} · ${title}`;
    return h('section', { class: 'panel', 'aria-label': label },
      h('h2', null, h('a', { href: address }, label), ' ', chip(attempt)),
      h('p', null, badge(attempt.state), ' ', time(attempt.timestamp * 1000), ' ',
        h('span', { class: 'quiet' }, decodeURIComponent(address.split('/hooks/')[1].split('/')[0]))),
      attempt.error && h('p', { class: 'code' }, visible(attempt.error.message)),
      waterfall(attempt, scaleUs, `${t('attempt.waterfall')}: ${label}`));
  };
  return h('div', { class: 'pair' }, side(left), side(right));
}

/** @param {any} left @param {any} right @param {boolean} isAll */
function parts(left, right, isAll) {
  const headers = (key) => diffHeaders(parseHeaders(left[key]), parseHeaders(right[key]));
  return [
    block(t('compare.request-headers'), headerTable(headers('requestHeaders'), isAll)),
    block(t('compare.request-body'), bodyDiff(left.payload, right.payload, isAll)),
    block(t('compare.response-headers'), headerTable(headers('responseHeaders'), isAll)),
    block(t('compare.response-body'), bodyDiff(left.responseBody, right.responseBody, isAll)),
  ];
}

/** @param {string} title @param {Node} content */
function block(title, content) {
  return h('section', { class: 'panel' }, h('h2', null, title), content);
}

/** @param {import('../pure/diff.js').HeaderPair[]} pairs @param {boolean} isAll */
function headerTable(pairs, isAll) {
  const shown = pairs.filter((pair) => isAll || !pair.same);
  if (shown.length === 0) return h('p', { class: 'quiet' }, t('compare.same'));
  const cell = (value, kind) => h('td', { class: `code long ${kind}` }, value === null ? '–' : visible(value));
  return h('table', { class: 'plain-table headers' }, h('thead', null,
    h('tr', null, ...['name', 'left', 'right'].map((k) => h('th', { scope: 'col' }, t(`compare.${k}`))))),
    h('tbody', null, ...shown.map((pair) => h('tr', null, h('th', { scope: 'row', class: 'code' }, visible(pair.name)),
      cell(pair.left, pair.same ? '' : 'gone'), cell(pair.right, pair.same ? '' : 'new')))));
}

/** @param {string} left @param {string} right @param {boolean} isAll */
function bodyDiff(left, right, isAll) {
  if (left === right) return h('p', { class: 'quiet' }, t(left === '' ? 'compare.both-empty' : 'compare.same'));
  const lines = diffLines(prettyJson(left) ?? left, prettyJson(right) ?? right);
  if (lines === null) return h('p', null, t('compare.from-byte', { n: firstDifference(left, right) }));
  const near = (i) => lines.slice(Math.max(0, i - CONTEXT_LINES), i + CONTEXT_LINES + 1)
    .some((line) => line.kind !== 'same');
  const signs = { same: ' ', gone: '−', new: '+' };
  const out = [];
  let isCut = false;
  lines.forEach((line, i) => {
    if (!isAll && !near(i)) {
      if (!isCut) out.push(h('div', { class: 'quiet' }, '…'));
      isCut = true;
      return;
    }
    isCut = false;
    out.push(h('div', { class: line.kind }, h('span', { class: 'sign' }, signs[line.kind]),
      line.kind !== 'same' && h('span', { class: 'unseen' }, t(`compare.${line.kind}`)), visible(line.text)));
  });
  return h('div', { class: 'text-block diff', tabindex: '0', role: 'region', 'aria-label': t('compare.lines') },
    ...out);
}
