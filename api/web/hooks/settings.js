// settings.js — a webhook's settings as they are, and the same as text for other tools.

import { h } from '../page/dom.js';
import { copyButton, facts, textBlock } from '../page/parts.js';
import { may } from '../page/client.js';
import { named, t } from '../page/text.js';
import { quote } from '../pure/format.js';
import { isSecretHeader, masked } from '../pure/hook.js';
import { placeLabel } from '../pure/paths.js';
import { rotateSecret } from '../shared/actions.js';

/** @typedef {import('../pure/hook.js').Hook} Hook */

/** @param {Hook} hook @param {() => void} again */
export function settingsTab(hook, again) {
  const { raw } = hook;
  const names = (list) => (list.length > 0
    ? h('span', { class: 'chips' }, ...list.map((name) => h('code', { class: 'chip' }, name))) : null);
  const panel = (...children) => h('section', { class: 'panel' }, ...children);
  return h('div', { class: 'region' },
    panel(facts([
      [t('form.title'), hook.title], [t('form.name'), h('code', null, hook.id)],
      [t('hooks.place'), [hook.place.org, placeLabel(hook.place)].filter(Boolean).join(' / ')],
      [t('form.destination'), named('format', hook.format)],
      [t('form.url-akinon'), h('code', { class: 'long' }, hook.url)],
      [t('keys.g-e'), names([...hook.groups.map((g) => named('group', g)), ...hook.filters]) ?? t('form.all')],
      hook.format === 'akinon' ? [null, null] : [t('form.secret'), secretLine(hook, again)],
    ])),
    raw.pattern && panel(h('h2', null, t('form.pattern')),
      textBlock(JSON.stringify(raw.pattern, null, 2), t('form.pattern'))),
    panel(h('h2', null, t('form.policy')), facts([
      [t('form.retries'), raw.retrySchedule?.join(', ') ?? t('settings.default')],
      [t('form.timeout'), raw.timeout ?? t('settings.default')],
      [t('form.in-flight'), raw.maxInFlight ?? t('settings.default')],
      [t('form.rate'), raw.rateLimit
        ? `${raw.rateLimit.perSecond}${raw.rateLimit.burst ? ` (${t('form.burst')} ${raw.rateLimit.burst})` : ''}`
          : t('settings.no-limit')],
      [t('form.order'), raw.ordered ? raw.orderKey ? h('code', null, raw.orderKey) : t('form.ordered')
        : t('form.unordered')],
      [t('form.headers'), raw.headers && Object.keys(raw.headers).length > 0
        ? h('ul', { class: 'bare' }, ...Object.entries(raw.headers).map(([name, value]) =>
        h('li', null, h('code', { class: 'long' },
          `${name}: ${isSecretHeader(name, raw) ? masked(String(value)) : value}`)))) : t('settings.none')],
      [t('form.certificate'), raw.hasClientCertificate ? t('settings.set') : t('settings.none')],
    ])),
    hook.format !== 'akinon' && panel(h('h2', null, t('settings.as')), h('div', { class: 'actions' },
      copyButton(t('settings.cli'), () => asCommand(hook)), copyButton(t('settings.yaml'), () => asYaml(hook)),
      copyButton(t('settings.terraform'), () => asTerraform(hook)),
      copyButton(t('settings.json'), () => JSON.stringify(raw, null, 2)))));
}

/** @param {Hook} hook @param {() => void} again */
function secretLine(hook, again) {
  const { hasSecret } = hook.raw;
  return [t(hasSecret ? 'settings.set' : 'settings.none'),
    may('write') && h('p', null,
      h('button', { type: 'button', onclick: async () => (await rotateSecret(hook)) && again() }, t('rotate.title')))];
}

/** @param {Hook} hook @returns {string} */
function asCommand(hook) {
  const { place } = hook;
  /** @type {[string, string|undefined][]} */
  const options = [['org', place.org], ['project', place.project], [place.kind === 'env' ? 'env' : 'stack', place.name],
    ['display-name', hook.title],
    ['url', hook.url], ['format', hook.format], ['filters', hook.filters.join(',')], ['groups', hook.groups.join(',')],
    ['pattern', hook.raw.pattern && JSON.stringify(hook.raw.pattern)]];
  return ['posthorn hook create', ...options.filter(([, value]) => value)
    .map(([name, value]) => `--${name} ${quote(String(value))}`)].join(' ');
}

/** @param {Hook} hook @returns {[string, any][]} as Pulumi's provider names them */
function members(hook) {
  const { place } = hook;
  return [['organizationName', place.org], ['projectName', place.project],
    [place.kind === 'env' ? 'environmentName' : 'stackName', place.name],
    ['displayName', hook.title], ['payloadUrl', hook.url], ['active', hook.active], ['format', hook.format],
    ['filters', hook.filters.length > 0 ? hook.filters : undefined],
    ['groups', hook.groups.length > 0 ? hook.groups : undefined]]
    .filter(([, value]) => value !== undefined).map(([k, v]) => [String(k), v]);
}

/** JSON is YAML, so values need no other quoting. @param {Hook} hook @returns {string} */
function asYaml(hook) {
  return [`${hook.id}:`, '  type: pulumiservice:Webhook', '  properties:',
    ...members(hook).map(([name, value]) => `    ${name}: ${JSON.stringify(value)}`), ''].join('\n');
}

/** @param {string} name like payloadUrl @returns {string} like payload_url */
function snake(name) {
  return name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
}

/** @param {Hook} hook @returns {string} */
function asTerraform(hook) {
  const text = (value) => JSON.stringify(value).replaceAll('${', '$${').replaceAll('%{', '%%{');
  return [`resource "pulumiservice_webhook" ${JSON.stringify(hook.id)} {`,
    ...members(hook).map(([name, value]) => `  ${snake(name)} = ${text(value)}`), '}', ''].join('\n');
}
