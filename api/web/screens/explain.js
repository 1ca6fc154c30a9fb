// explain.js — what would happen with an event that nobody posts: which webhooks want it, and what they would be
// sent.

import { call } from '../page/client.js';
import { append, fill, h } from '../page/dom.js';
import { errorBox, field, pageHead, skeleton } from '../page/parts.js';
import { t } from '../page/text.js';
import { prettyJson } from '../pure/format.js';
import { orgApi, scopeApi } from '../pure/paths.js';
import { verdicts } from './event.js';

/** An example by kind, to be changed. @type {Object<string, any>} */
const EXAMPLES = {
  'order.created': { number: 1, customer: { id: 'c-7' }, total: 42.5 },
  stack_update: { organization: { name: 'Acme', githubLogin: 'acme' }, projectName: 'website', stackName: 'prod',
    kind: 'update', result: 'failed' },
  deployment: { organization: { name: 'Acme', githubLogin: 'acme' }, projectName: 'website', stackName: 'prod',
    version: 127, operation: 'update', status: 'running' },
  stack: { organization: { name: 'Acme', githubLogin: 'acme' }, action: 'created', projectName: 'website',
    stackName: 'prod' },
};

/** @param {import('../app.js').Context} context */
export async function show({ main, place, query, signal, setTitle }) {
  setTitle(t('nav.explain'), place.org);
  const isAkinon = place.kind === 'akinon';
  let kind = isAkinon ? 'deployment.build.created' : 'order.created';
  let text = JSON.stringify(isAkinon ? { build: 7 } : EXAMPLES[kind], null, 2);
  const id = query.get('event');
  if (id) {
    const event = await call(`${orgApi(place.org)}/events/${encodeURIComponent(id)}?limit=1`, { signal });
    kind = event.kind;
    text = prettyJson(event.payload) ?? event.payload;
  }
  const kindInput = h('input',
    { type: 'text', name: 'kind', value: kind, list: 'kinds', autocomplete: 'off', spellcheck: 'false' });
  const payload = h('textarea', { name: 'payload', rows: 14, spellcheck: 'false', class: 'code', value: text });
  kindInput.addEventListener('change', () => {
    const example = EXAMPLES[kindInput.value];
    if (example && Object.values(EXAMPLES)
      .some((e) => JSON.stringify(e, null, 2) === payload.value)) payload.value = JSON.stringify(example, null, 2);
  });
  const result = h('div', null);
  const bodyOf = (value) => (isAkinon ? { event: kindInput.value, data: value }
    : { kind: kindInput.value, payload: value });
  const run = async (event) => {
    event.preventDefault();
    fill(result, skeleton(4));
    try {
      const { hooks } = await call(`${scopeApi(place)}/explain?limit=1000`,
        { method: 'POST', body: bodyOf(JSON.parse(payload.value)), signal });
      fill(result, hooks.length > 0 ? verdicts(hooks, place, t('explain.result')) : h('p', null, t('explain.none')));
    } catch (error) {
      if (!signal.aborted) fill(result, errorBox(error));
    }
  };
  append(main, pageHead({ title: t('nav.explain'), above: place.org,
    below: h('span', { class: 'quiet' }, t('explain.what')) }),
    h('form', { class: 'stack', onsubmit: run },
      h('datalist', { id: 'kinds' }, ...Object.keys(EXAMPLES).map((name) => h('option', { value: name }))),
      field({ label: t('explain.kind'), input: kindInput }),
      field({ label: t('event.payload'), input: payload, isWide: true }),
      h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary' }, t('explain.run')))), result);
}
