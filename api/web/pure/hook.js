// hook.js — webhooks of both dialects as one thing, and forms as bodies of requests.

import { placeOfRow } from './paths.js';

/**
 * @typedef {import('./paths.js').Place} Place
 * @typedef {{id: string, title: string, url: string, active: boolean, format: string, filters: string[],
 *   groups: string[], place: Place, state: string, raw: any}} Hook
 */

export const FORMATS = ['raw', 'slack', 'ms_teams', 'pulumi_deployments', 'cloudevents', 'akinon'];

/** Members that a form changes one by one, the same in both dialects. */
export const POLICY = ['retrySchedule', 'timeout', 'maxInFlight', 'rateLimit', 'ordered', 'orderKey', 'headerCase',
  'traceContext', 'handshake', 'paused', 'headers', 'secretHeaders', 'pattern', 'signingKey'];

/**
 * @param {any} raw of either dialect @param {Place} place of the list it came from
 * @returns {Hook}
 */
export function fromApi(raw, place) {
  const isAkinon = typeof raw._id === 'string';
  return {
    id: isAkinon ? raw._id : raw.name,
    title: isAkinon ? raw.name : raw.displayName,
    url: isAkinon ? raw.url : raw.payloadUrl,
    active: raw.active,
    format: isAkinon ? 'akinon' : raw.format,
    filters: (isAkinon ? raw.events : raw.filters) ?? [],
    groups: raw.groups ?? [],
    place: isAkinon || place.kind !== 'org' ? place : placeOfRow(place.org, raw),
    state: stateOf(raw),
    raw,
  };
}

/** @param {any} raw @returns {string} ok, failing, paused, awaiting, disabled, inactive, or what its status says */
export function stateOf(raw) {
  if (raw.disabled) return 'disabled';
  if (!raw.active) return 'inactive';
  const state = raw.status?.state ?? raw.state;
  if (typeof state === 'string') return state;
  if (raw.paused) return 'paused';
  if (raw.handshakeState && raw.handshakeState.state !== 'allowed') return raw.handshakeState.state;
  return raw.failing ? 'failing' : 'ok';
}

/** @param {Hook} hook @returns {string} as the history shows it, without a path: those of chats are secrets */
export function destination(hook) {
  if (hook.format === 'pulumi_deployments') return hook.url;
  try {
    return new URL(hook.url).host;
  } catch {
    return hook.url;
  }
}

/**
 * A form's values as the body of a request that makes a webhook.
 * @param {any} form @param {Place} place
 */
export function createBody(form, place) {
  const policy = Object.fromEntries(POLICY.filter((key) => isGiven(form[key])).map((key) => [key, form[key]]));
  if (place.kind === 'akinon') {
    return { name: form.title, url: form.url, active: form.active, events: form.filters, ...policy,
      ...certificate(form) };
  }
  return {
    organizationName: place.org,
    ...(place.kind === 'stack' ? { projectName: place.project, stackName: place.name } : {}),
    ...(place.kind === 'env' ? { projectName: place.project, envName: place.name } : {}),
    ...(form.name ? { name: form.name } : {}),
    displayName: form.title,
    payloadUrl: form.url,
    active: form.active,
    format: form.format,
    filters: form.filters,
    groups: form.groups,
    ...(form.secret ? { secret: form.secret } : {}),
    ...policy,
    ...certificate(form),
  };
}

/** @param {any} form */
function certificate(form) {
  return form.clientCertificate ? { clientCertificate: form.clientCertificate, clientKey: form.clientKey } : {};
}

/** @param {any} value @returns {boolean} whether a form says something other than the default */
function isGiven(value) {
  if (value === undefined || value === null || value === '' || value === false) return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

/**
 * What a form changes, as the body of a PATCH: nothing that is as it was.
 * @param {any} before a form's values @param {any} after
 * @param {boolean} isAkinon
 */
export function updateBody(before, after, isAkinon) {
  const names = isAkinon
    ? { title: 'name', url: 'url', filters: 'events', active: 'active' }
    : { title: 'displayName', url: 'payloadUrl', filters: 'filters', groups: 'groups', format: 'format',
      active: 'active' };
  /** @type {Object<string, any>} */
  const out = {};
  for (const [key, member] of Object.entries(names)) {
    if (!isSame(before[key], after[key])) out[member] = after[key];
  }
  for (const key of POLICY) {
    if (!isSame(before[key], after[key])) out[key] = after[key] ?? EMPTY[key] ?? null;
  }
  if (after.secret) out.secret = after.secret;
  // Pulumi's clients send the whole state as these three; filters that are absent then become empty.
  if ('displayName' in out && 'payloadUrl' in out && 'active' in out) {
    out.filters = after.filters;
    out.groups = after.groups;
  }
  return { ...out, ...certificate(after) };
}

/** What takes a member of the policy away, where null does not. */
const EMPTY = /** @type {Object<string, any>} */ ({ headers: {}, secretHeaders: [] });

/** @param {any} a @param {any} b */
function isSame(a, b) {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}

/** @param {Hook} hook @returns {any} a form's values */
export function formOf(hook) {
  const policy = Object.fromEntries(POLICY.map((key) => [key, hook.raw[key]]).filter(([, v]) => v !== undefined));
  return { title: hook.title, name: hook.id, url: hook.url, format: hook.format, active: hook.active,
    filters: hook.filters, groups: hook.groups, secret: '', clientCertificate: '', clientKey: '', ...policy,
    ...(policy.pattern ? { pattern: JSON.stringify(policy.pattern, null, 2) } : {}) };
}

/** @param {string} name of a header @param {any} raw a webhook @returns {boolean} whether its value is a secret */
export function isSecretHeader(name, raw) {
  return /^cookie$|authorization|token|secret|auth|password|api-?key/i.test(name) || (raw.secretHeaders ?? [])
    .includes(name);
}

/** @param {string} value @returns {string} as the history shows it */
export function masked(value) {
  return `${value.length >= 16 ? value.slice(0, 4) : ''}********`;
}
