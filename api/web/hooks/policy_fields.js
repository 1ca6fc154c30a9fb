// policy_fields.js — how a webhook is delivered to: attempts, limits, order, headers, certificate. What is left empty
// is as the settings have it.

import { fill, h } from '../page/dom.js';
import { field, select } from '../page/parts.js';
import { t } from '../page/text.js';
import { isSecretHeader } from '../pure/hook.js';

/** @typedef {import('./form.js').State} State */

/** @param {State} state */
export function policySection(state) {
  const { form, before, errors } = state;
  const keys = ['retrySchedule', 'timeout', 'maxInFlight', 'rateLimit', 'orderKey', 'headers', 'secretHeaders',
    'clientCertificate', 'headerCase', 'traceContext', 'handshake', 'signingKey'];
  const isOpen = keys.some((key) => errors.has(key)) || (before !== null
    && keys.some((key) => before.raw[key] !== undefined && key !== 'headers'));
  return h('details', { class: 'fieldset', open: isOpen }, h('summary', null, t('form.policy')),
    h('div', { class: 'grid' },
      converted(state, 'retrySchedule', t('form.retries'), t('form.retries-hint'), {
        print: (v) => (v ?? []).join(', '), read: (text) => list(text) }),
      converted(state, 'timeout', t('form.timeout'), t('form.timeout-hint'),
        { print: (v) => v ?? '', read: (text) => text || undefined }),
      converted(state, 'maxInFlight', t('form.in-flight'), t('form.in-flight-hint'),
        { print: (v) => v ?? '', read: whole, type: 'number' }),
      rateFields(state),
      orderFields(state),
      field({ label: t('form.header-case'), hint: t('form.header-case-hint'), input: select(form.headerCase ?? '',
        [['', t('form.case-documented')], ['lower', t('form.case-lower')]],
        { onchange: (e) => { form.headerCase = e.target.value || undefined; } }) }),
      h('label', { class: 'check wide' }, h('input', { type: 'checkbox', name: 'traceContext',
        checked: form.traceContext === true,
        onchange: (e) => { form.traceContext = e.target.checked || undefined; } }), t('form.trace-context')),
      h('p', { class: 'field-error' }, errors.get('traceContext') ?? ''),
      h('label', { class: 'check wide' }, h('input', { type: 'checkbox', name: 'handshake',
        checked: form.handshake === true,
        onchange: (e) => { form.handshake = e.target.checked || undefined; } }), t('form.handshake')),
      h('p', { class: 'field-error' }, errors.get('handshake') ?? ''),
      signingField(state),
      headerFields(state),
      certificateFields(state),
      h('label', { class: 'check wide' }, h('input', { type: 'checkbox', checked: form.paused === true,
        onchange: (e) => { form.paused = e.target.checked || undefined; } }), t('form.paused'))));
}

/** @param {string} text @returns {string[]|undefined} */
function list(text) {
  const parts = text.split(/[\s,]+/).filter(Boolean);
  return parts.length > 0 ? parts : undefined;
}

/** @param {string} text @returns {number|undefined} */
function whole(text) {
  return text === '' ? undefined : Number(text);
}

/**
 * @param {State} state @param {string} key @param {string} label @param {string} hint
 * @param {{print: (value: any) => string, read: (text: string) => any, type?: string}} how
 */
function converted({ form, errors }, key, label, hint, { print, read, type = 'text' }) {
  const input = h('input',
    { type, name: key, value: print(form[key]), autocomplete: 'off', min: type === 'number' ? 1 : null,
    oninput: (event) => { form[key] = read(event.target.value.trim()); } });
  return field({ label, hint, input, error: errors.get(key) });
}

/** @param {State} state */
function rateFields({ form, errors }) {
  const set = (key) => (event) => {
    const next = { ...form.rateLimit, [key]: whole(event.target.value) };
    form.rateLimit = next.perSecond === undefined ? undefined : next;
  };
  return [field({ label: t('form.rate'), hint: t('form.rate-hint'), error: errors.get('rateLimit'),
    input: h('input', { type: 'number', name: 'rateLimit', min: 1, value: form.rateLimit?.perSecond ?? '',
      oninput: set('perSecond') }) }),
  field({ label: t('form.burst'), hint: t('form.burst-hint'),
    input: h('input', { type: 'number', min: 1, value: form.rateLimit?.burst ?? '', oninput: set('burst') }) })];
}

/** @param {State} state */
function orderFields({ form, errors }) {
  const key = h('input', { type: 'text', name: 'orderKey', value: form.orderKey ?? '', placeholder: 'customer.id',
    disabled: !form.ordered,
    autocomplete: 'off', oninput: (e) => { form.orderKey = e.target.value.trim() || undefined; } });
  return [field({ label: t('form.order'), hint: t('form.order-hint'),
    input: select(form.ordered ? '1' : '', [['', t('form.unordered')], ['1', t('form.ordered')]], {
    onchange: (e) => {
      form.ordered = e.target.value === '1' || undefined;
      key.disabled = !form.ordered;
      if (!form.ordered) {
        form.orderKey = undefined;
        key.value = '';
      }
    } }) }), field({ label: t('form.order-key'), hint: t('form.order-key-hint'), input: key,
    error: errors.get('orderKey') })];
}

/** @param {State} state */
function signingField({ form, before, errors }) {
  return field({ label: t('form.signing'), hint: before?.raw.publicKey ?? t('form.signing-hint'),
    error: errors.get('signingKey'),
    input: select(form.signingKey ?? '', [['', t('form.signing-none')], ['own', t('form.signing-own')],
      ['new', t('form.signing-new')], ['organization', t('form.signing-organization')]],
    { onchange: (e) => { form.signingKey = e.target.value || undefined; } }) });
}

/** @param {State} state */
function headerFields({ form, errors }) {
  /** @type {{name: string, value: string, isSecret: boolean}[]} */
  const rows = Object.entries(form.headers ?? {}).map(([name, value]) => ({ name, value: String(value),
    isSecret: (form.secretHeaders ?? []).includes(name) }));
  const body = h('div', { class: 'header-rows' });
  const store = () => {
    const named = rows.filter((r) => r.name !== '');
    form.headers = named.length > 0 ? Object.fromEntries(named.map((r) => [r.name, r.value])) : undefined;
    const secret = named.filter((r) => r.isSecret).map((r) => r.name);
    form.secretHeaders = secret.length > 0 ? secret : undefined;
  };
  const draw = () => fill(body, ...rows.map((one, i) => h('div', { class: 'header-row' },
    h('input', { type: 'text', 'aria-label': t('form.header-name'), placeholder: 'X-Name', value: one.name,
      autocomplete: 'off',
      oninput: (e) => { one.name = e.target.value.trim(); store(); } }),
    h('input', { type: isSecretHeader(one.name, form) ? 'password' : 'text', 'aria-label': t('form.header-value'),
      value: one.value, autocomplete: 'off',
      oninput: (e) => { one.value = e.target.value; store(); } }),
    h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: one.isSecret,
      onchange: (e) => { one.isSecret = e.target.checked; store(); } }), t('form.header-secret')),
    h('button', { type: 'button', 'aria-label': t('form.take-away', { name: one.name || t('form.header-name') }),
      onclick: () => {
      rows.splice(i, 1);
      store();
      draw();
    } }, '×'))));
  draw();
  return h('div', { class: 'field wide' }, h('span', { class: 'label' }, t('form.headers')),
    h('p', { class: 'hint' }, t('form.headers-hint')),
    h('p', { class: 'field-error' }, errors.get('headers') ?? errors.get('secretHeaders') ?? ''), body,
    h('div', null, h('button', { type: 'button', onclick: () => {
      rows.push({ name: '', value: '', isSecret: false });
      draw();
      /** @type {HTMLElement|null} */ (body.lastElementChild?.querySelector('input'))?.focus();
    } }, t('form.header-add'))));
}

/** @param {State} state */
function certificateFields({ form, before, errors }) {
  const area = (key) => h('textarea',
    { rows: 3, name: key, spellcheck: 'false', class: 'code', placeholder: '-----BEGIN …',
    value: form[key] ?? '', oninput: (e) => { form[key] = e.target.value; } });
  const hint = t(before?.raw.hasClientCertificate ? 'form.certificate-kept' : 'form.certificate-hint');
  return [field({ label: t('form.certificate'), hint, input: area('clientCertificate'),
    error: errors.get('clientCertificate'), isWide: true }),
    field({ label: t('form.key'), hint: t('form.key-hint'), input: area('clientKey'), isWide: true })];
}
