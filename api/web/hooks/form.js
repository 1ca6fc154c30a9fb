// form.js — S4: a webhook is made or changed. One form for every kind of destination; on a change only what differs
// from before is sent, and what somebody else changed meanwhile is shown beside it.

import { ApiError, call } from '../page/client.js';
import { fill, h } from '../page/dom.js';
import { say } from '../page/notice.js';
import { errorBox, errorText, field, pageHead, skeleton } from '../page/parts.js';
import { go, note } from '../page/router.js';
import { t } from '../page/text.js';
import { createBody, formOf, fromApi, updateBody } from '../pure/hook.js';
import { attemptPath, hooksApi, href, placeLabel, queryText } from '../pure/paths.js';
import { newSecret } from '../pure/signature.js';
import { apiOf, loadHook, secretOnce } from '../shared/actions.js';
import { filtersSection } from './filters_menu.js';
import { policySection } from './policy_fields.js';
import { trySection } from './try_events.js';

/**
 * @typedef {import('../pure/hook.js').Hook} Hook
 * @typedef {import('../app.js').Context} Context
 * @typedef {{form: any, context: Context, before: Hook|null, proposed: string[], errors: Map<string, string>}} State
 */

const PULUMI_FORMATS = ['raw', 'slack', 'ms_teams', 'pulumi_deployments', 'cloudevents'];

/**
 * @param {string} format @param {import('../pure/paths.js').Place} place
 * @returns {boolean} deployments are those of a stack or environment
 */
function isPossible(format, place) {
  return format !== 'pulumi_deployments' || place.kind !== 'org';
}

/** What a draft without an address is judged with. */
const EXAMPLE_URLS = { slack: 'https://hooks.slack.com/services/x', pulumi_deployments: 'project/stack' };

/** Members of the API that have another name in the form. */
const FIELDS = { displayName: 'title', name: 'title', payloadUrl: 'url', url: 'url', events: 'filters',
  clientKey: 'clientCertificate' };

/** @param {Context} context */
export async function show(context) {
  const { main, place, params, query, signal, setTitle } = context;
  const isNew = params.hook === undefined;
  setTitle(t(isNew ? 'hooks.create' : 'hook.edit'), placeLabel(place), place.org);
  let before = null;
  if (!isNew) {
    fill(main, skeleton(8));
    before = await loadHook(place, params.hook, signal);
    setTitle(t('hook.edit'), before.title, place.org);
  }
  const form = before ? structuredClone(formOf(before)) : {
    title: '', name: '', url: '', format: formatOf(context), active: true, filters: [], groups: [], secret: '' };
  const proposed = before ? proposedFilters(form, query) : [];
  fill(main, pageHead({ title: isNew ? t('hooks.create') : t('form.edit', { name: before?.title ?? '' }),
    above: h('a', { href: href(place, ['hooks']) }, [place.org, placeLabel(place)].filter(Boolean).join(' / ')) }),
  formElement({ form, context, before, proposed, errors: new Map() }, query));
}

/**
 * Filters that the address proposes are filled in; nothing is stored before the reader saves.
 * @param {any} form it is changed @param {URLSearchParams} query @returns {string[]} those that are new
 */
function proposedFilters(form, query) {
  const names = (query.get('filter') ?? '').split(',').filter((name) => name !== '' && !form.filters.includes(name));
  form.filters = [...form.filters, ...names];
  return names;
}

/** @param {Context} context */
function formatOf({ place, query }) {
  if (place.kind === 'akinon') return 'akinon';
  const wanted = query.get('type') ?? 'raw';
  return PULUMI_FORMATS.includes(wanted) && isPossible(wanted, place) ? wanted : 'raw';
}

/** @param {State} state @param {URLSearchParams} query */
function formElement(state, query) {
  const sections = h('div', { class: 'sections' });
  const problem = h('div', { class: 'problem' });
  const draw = () => fill(sections, destinationSection(state, draw), addressSection(state),
    filtersSection(state, (key, field) => judge(state, key, field)), policySection(state));
  draw();
  const trial = trySection(state.context.place, (n) => judged(state, { events: n }), () => JSON.stringify(state.form));
  const element = h('form', { class: 'hook-form', novalidate: true, oninput: trial.look, onclick: trial.look,
    onsubmit: (event) => {
    event.preventDefault();
    submit(state, event.submitter?.value ?? '', { element, problem, draw });
  } }, sections, trial.element, problem, buttons(state));
  if (query.get('type')) note(href(state.context.place, ['hooks', 'new'], { type: state.form.format }));
  return element;
}

/** @param {State} state */
function buttons({ before, context }) {
  const back = href(context.place, before ? ['hooks', before.id] : ['hooks']);
  return h('div', { class: 'actions form-actions' },
    h('button', { type: 'submit', class: 'primary', value: '' }, t(before ? 'form.save' : 'form.create')),
    h('button', { type: 'submit', value: 'ping' }, t(before ? 'form.save-ping' : 'form.create-ping')),
    h('a', { class: 'button', href: back }, t('dialog.cancel')));
}

/** @param {State} state @param {() => void} draw */
function destinationSection({ form, context, before }, draw) {
  if (context.place.kind === 'akinon') return null;
  const choose = (format) => () => {
    form.format = format;
    if (!before) note(href(context.place, ['hooks', 'new'], { type: format }));
    draw();
    /** @type {HTMLElement|null} */ (context.main.querySelector(`input[value=${format}]`))?.focus();
  };
  return h('fieldset', null, h('legend', null, t('form.destination')), h('div', { class: 'choices' },
    ...PULUMI_FORMATS.map((format) => h('label', { class: 'choice' },
      h('input', { type: 'radio', name: 'format', value: format, checked: form.format === format,
        disabled: !isPossible(format, context.place), onchange: choose(format) }),
      h('span', null, h('strong', null, t(`format.${format}`)), h('span', { class: 'quiet' },
        t(isPossible(format, context.place) ? `format.${format}-what` : 'form.not-here')))))));
}

/**
 * A text input of the form.
 * @param {State} state @param {string} key
 * @param {{label: string, hint?: string, type?: string, isWide?: boolean, props?: any}} options
 */
function textField(state, key, { label, hint, type = 'text', isWide, props = {} }) {
  const { form, errors } = state;
  const input = h('input', { type, name: key, value: form[key] ?? '', autocomplete: 'off', spellcheck: 'false',
    ...props,
    oninput: (event) => { form[key] = event.target.value; } });
  const element = field({ label, hint, input, error: errors.get(key), isWide });
  if (key === 'url') input.addEventListener('change', () => judge(state, key, element));
  return element;
}

/**
 * The webhook as it would be. Nothing is stored.
 * @param {State} state @param {Object<string, number>} [query] what else is asked for @returns {Promise<any>}
 */
function judged({ form, before, context: { place, signal } }, query) {
  const url = form.url || EXAMPLE_URLS[form.format] || 'https://example.com/';
  const draft = { ...form, title: form.title || '-', url };
  const rest = queryText({ dryRun: 'true', ...query });
  return before
    ? call(apiOf(before) + rest, { method: 'PATCH', body: updateBody(formOf(before), draft, before.format === 'akinon'),
      signal })
    : call(hooksApi(place) + rest, { method: 'POST', body: createBody(draft, place), signal });
}

/**
 * Asks the server whether it would take a value, and says so below it. Nothing is stored.
 * @param {State} state @param {string} key @param {HTMLElement} element of the field
 */
async function judge(state, key, element) {
  const note = /** @type {HTMLElement} */ (element.querySelector('.field-error'));
  const input = /** @type {HTMLElement} */ (element.querySelector('input, textarea'));
  const wrong = state.form[key] ? await judged(state).then(() => null, (error) => error) : null;
  const isIt = wrong instanceof ApiError && wrong.field && (FIELDS[wrong.field] ?? wrong.field) === key;
  note.textContent = isIt ? wrong.message : '';
  if (isIt) input.setAttribute('aria-invalid', 'true');
  else input.removeAttribute('aria-invalid');
}

/** @param {State} state */
function addressSection(state) {
  const { form, before, context } = state;
  const isChat = form.format === 'slack' || form.format === 'ms_teams';
  return h('fieldset', null, h('legend', null, t('form.address')), h('div', { class: 'grid' },
    textField(state, 'title', { label: t('form.title'), props: { required: true, maxlength: 255 } }),
    !before && context.place.kind !== 'akinon'
      && textField(state, 'name', { label: t('form.name'), hint: t('form.name-hint'), props: { maxlength: 32 } }),
    textField(state, 'url',
      { label: t(`form.url-${form.format}`), hint: t(`form.url-${form.format}-hint`), isWide: true,
      type: form.format === 'pulumi_deployments' ? 'text' : 'url', props: { required: true } }),
    form.format !== 'akinon' && !isChat && secretField(state),
    h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: form.active,
      onchange: (event) => { form.active = event.target.checked; } }), t('form.active'))));
}

/** @param {State} state */
function secretField(state) {
  const shown = h('div', { role: 'status' });
  const input = h('input', { type: 'password', name: 'secret', value: state.form.secret, autocomplete: 'new-password',
    spellcheck: 'false',
    oninput: (event) => {
      state.form.secret = event.target.value;
      fill(shown);
    } });
  const make = h('button', { type: 'button', onclick: () => {
    state.form.secret = newSecret();
    input.value = state.form.secret;
    fill(shown, h('p', { class: 'hint' }, t('form.secret-once')), secretOnce(state.form.secret));
  } }, t('form.generate'));
  return h('div', { class: 'wide' }, h('div', { class: 'with-button' },
    field({ label: t('form.secret'),
      hint: t(state.before?.raw.hasSecret ? 'form.certificate-kept' : 'form.secret-hint'), input,
      error: state.errors.get('secret') }), make), shown);
}

/**
 * @param {State} state @param {string} then "ping", or nothing
 * @param {{element: HTMLFormElement, problem: HTMLElement, draw: () => void}} parts
 */
async function submit(state, then, { element, problem, draw }) {
  const { before, form, context: { place, signal } } = state;
  fill(problem);
  state.errors.clear();
  element.setAttribute('aria-busy', 'true');
  try {
    const hook = before ? await update(state)
      : fromApi(await call(hooksApi(place), { method: 'POST', body: createBody(form, place) }), place);
    say(t(before ? 'form.saved' : 'form.created', { name: hook.title }));
    if (then !== 'ping') return go(href(place, ['hooks', hook.id]));
    go(attemptPath(place, hook.id, await call(`${apiOf(hook)}/ping`, { method: 'POST' })));
  } catch (error) {
    if (signal.aborted) return undefined;
    if (error instanceof ApiError && error.field) state.errors.set(FIELDS[error.field] ?? error.field, error.message);
    draw();
    const wrong = element.querySelector('[aria-invalid]');
    wrong?.closest('details')?.setAttribute('open', '');
    fill(problem, error instanceof ApiError && error.status === 409 && before ? await conflict(state, error)
      : errorBox(error));
    /** @type {HTMLElement|null} */ (wrong)?.focus();
  } finally {
    element.removeAttribute('aria-busy');
  }
  return undefined;
}

/** @param {State} state @returns {Promise<Hook>} as it is afterwards */
async function update({ before, form }) {
  const hook = /** @type {Hook} */ (before);
  const body = updateBody(formOf(hook), form, hook.format === 'akinon');
  if (Object.keys(body).length === 0) return hook;
  return fromApi(await call(apiOf(hook), { method: 'PATCH', body }), hook.place);
}

/** Somebody else changed it: theirs and yours, member by member. @param {State} state @param {ApiError} error */
async function conflict({ before, form, context }, error) {
  const hook = /** @type {Hook} */ (before);
  const theirs = formOf(await loadHook(context.place, hook.id, context.signal));
  const names = Object.keys({ ...theirs, ...form })
    .filter((key) => JSON.stringify(theirs[key] ?? null) !== JSON.stringify(form[key] ?? null));
  return [h('p', { class: 'error-box', role: 'alert' }, errorText(error)), h('table', { class: 'plain-table' },
    h('thead', null, h('tr', null,
      ...['member', 'theirs', 'yours'].map((k) => h('th', { scope: 'col' }, t(`form.${k}`))))),
    h('tbody', null, ...names.filter((key) => key !== 'secret')
      .map((key) => h('tr', null, h('th', { scope: 'row' }, key),
      h('td', { class: 'code' }, JSON.stringify(theirs[key] ?? null)),
      h('td', { class: 'code' }, JSON.stringify(form[key] ?? null))))))];
}
