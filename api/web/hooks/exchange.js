// exchange.js — the request, the answer and the signature of an attempt, each under its tab. All bytes are others':
// they are shown as text and saved as files of no type.

import { ApiError, call } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { badge, copyButton, download, field, region, textBlock } from '../page/parts.js';
import { note } from '../page/router.js';
import { bytesText, t } from '../page/text.js';
import { headerValue, parseHeaders, prettyJson, visible, whyNoBody } from '../pure/format.js';
import { check } from '../pure/signature.js';

const TABS = ['request', 'response', 'signature'];

/** @param {import('./attempt.js').Shown} shown */
export function exchange(shown) {
  const { attempt, context: { query } } = shown;
  const wanted = query.get('tab') ?? '';
  let now = TABS.includes(wanted) ? wanted : 'request';
  const panels = { request: () => requestPanel(shown), response: () => responsePanel(attempt),
    signature: () => signaturePanel(attempt) };
  const panel = h('div', { role: 'tabpanel', id: 'exchange', class: 'panel' });
  const list = h('div', { role: 'tablist', class: 'tabs', 'aria-label': t('attempt.exchange') });
  const choose = (/** @type {string} */ name, isFocused = true) => {
    now = name;
    draw();
    note(`${location.pathname}?tab=${name}`);
    if (isFocused) /** @type {HTMLElement|null} */ (list.querySelector('[aria-selected=true]'))?.focus();
  };
  const draw = () => {
    fill(list, ...TABS.map((name) => h('button',
      { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-selected': String(name === now),
      'aria-controls': 'exchange', tabindex: name === now ? 0 : -1, onclick: () => choose(name) },
      t(`attempt.${name}`))));
    panel.setAttribute('aria-labelledby', `tab-${now}`);
    fill(panel, panels[now]());
  };
  list.addEventListener('keydown', (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by) choose(TABS[(TABS.indexOf(now) + by + TABS.length) % TABS.length]);
  });
  draw();
  return h('section', { 'aria-label': t('attempt.exchange') }, list, panel);
}

/** @param {[string, string, (string|null)?][]} headers name, value, and the variable of one that is masked */
function headerTable(headers) {
  if (headers.length === 0) return h('p', { class: 'quiet' }, t('headers.none'));
  return h('table', { class: 'plain-table headers', 'aria-label': t('form.headers') },
    h('tbody', null, ...headers.map(([name, value, variable]) => h('tr', null,
    h('th', { scope: 'row', class: 'code' }, visible(name)), h('td', { class: 'code long' }, visible(value),
      variable && h('span', { class: 'quiet' }, ' ', t('headers.masked')))))));
}

/** @param {string} title @param {string} body @param {string} file */
function bodyBlock(title, body, file) {
  const pretty = prettyJson(body);
  let how = pretty === null ? 'raw' : 'pretty';
  const block = h('div', null);
  const draw = () => fill(block, textBlock(how === 'pretty' && pretty !== null ? pretty : body, title));
  draw();
  const wrap = h('input',
    { type: 'checkbox', checked: true, onchange: () => block.classList.toggle('no-wrap', !wrap.checked) });
  return [h('div', { class: 'body-head' }, h('h2', { class: 'minor' }, title, ' ',
    h('span', { class: 'quiet' }, bytesText(new TextEncoder().encode(body).length))),
    h('div', { class: 'actions' },
      pretty !== null && h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: true, onchange: (e) => {
        how = e.target.checked ? 'pretty' : 'raw';
        draw();
      } }), t('body.pretty')),
      h('label', { class: 'check' }, wrap, t('body.wrap')), copyButton(t('copy.it'), () => body),
      h('button', { type: 'button', onclick: () => download(file, body) }, t('body.download')))), block];
}

/**
 * The request as it was sent; without its body if that was removed or erased.
 * @param {import('./attempt.js').Shown} shown @returns {Promise<any>}
 */
export async function sentRequest({ api, attempt, context: { signal } }) {
  try {
    return await call(`${api}/deliveries/${attempt.id}/request?attempt=${attempt.attempt}`, { signal });
  } catch (error) {
    if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 410)) throw error;
    const headers = parseHeaders(attempt.requestHeaders).map(([name, value]) => ({ name, value, variable: null }));
    return { method: 'POST', url: attempt.requestUrl, headers, body: null, bodyEncoding: 'utf-8', curl: null };
  }
}

/** @param {import('./attempt.js').Shown} shown */
function requestPanel(shown) {
  const { attempt, context: { signal } } = shown;
  if (attempt.reason) return h('p', null, t('attempt.no-request'));
  return region({ signal, lines: 8, load: () => sentRequest(shown),
    draw: ({ method, url, headers, body, bodyEncoding }) => [
    h('p', { class: 'code long' }, h('strong', null, method), ' ', visible(url)),
    h('h2', { class: 'minor' }, t('form.headers')),
    headerTable(headers.map((one) => [one.name, one.value, one.variable])),
    body === null ? h('p', { class: 'quiet' }, t(whyNoBody(attempt)))
      : bodyBlock(t('body.title'), body, `${attempt.id}-request.txt`),
    bodyEncoding === 'base64' && h('p', { class: 'quiet' }, t('body.base64')),
  ] }).element;
}

/** @param {any} attempt */
function responsePanel(attempt) {
  if (attempt.responseCode === 0) return [h('p', null, t('attempt.no-response')),
    attempt.error && h('p', { class: 'code' }, visible(attempt.error.message))];
  return [h('p', { class: 'code' }, h('strong', null, String(attempt.responseCode))),
    h('h2', { class: 'minor' }, t('form.headers')), headerTable(parseHeaders(attempt.responseHeaders)),
    attempt.responseBody === ''
      ? h('p', { class: 'quiet' }, t(attempt.payloadLocked || attempt.payloadErased ? whyNoBody(attempt) : 'body.none'))
      : bodyBlock(t('body.title'), attempt.responseBody, `${attempt.id}-response.txt`),
    attempt.responseTruncated && h('p', { class: 'quiet' }, t('body.truncated'))];
}

/** @param {any} attempt */
function signaturePanel(attempt) {
  const headers = parseHeaders(attempt.requestHeaders);
  const sent = { body: attempt.payload, pulumi: headerValue(headers, 'Pulumi-Webhook-Signature'),
    standard: headerValue(headers, 'webhook-signature'),
    id: headerValue(headers, 'webhook-id'), timestamp: headerValue(headers, 'webhook-timestamp') };
  if (sent.pulumi === null && sent.standard === null) return h('p', null, t('signature.none'));
  if (attempt.payload === '') return h('p', null, t(whyNoBody(attempt)));
  const result = h('div', { role: 'status' });
  const input = h('input', { type: 'password', autocomplete: 'off', spellcheck: 'false' });
  return h('form', { class: 'stack', onsubmit: async (event) => {
    event.preventDefault();
    const found = await check(input.value, sent);
    const line = (name, isGood) => isGood !== null && h('p', null,
      badge(isGood ? 'delivered' : 'dead').firstElementChild?.cloneNode(true), ' ', h('code', null, name), ' ',
      t(isGood ? 'signature.fits' : 'signature.wrong'));
    fill(result, line('Pulumi-Webhook-Signature', found.pulumi), line('webhook-signature', found.standard));
  } }, h('p', null, t('signature.what')),
  h('div', { class: 'with-button' }, field({ label: t('signature.secret'), hint: t('signature.hint'), input }),
    h('button', { type: 'submit', class: 'primary' }, t('signature.check'))), result);
}
