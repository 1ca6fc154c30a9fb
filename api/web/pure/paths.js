// paths.js — addresses of the dashboard and of the API: read and made.

/**
 * Where webhooks belong.
 * @typedef {{org: string, kind: 'org'|'stack'|'env'|'akinon', project?: string, name?: string}} Place
 * @typedef {{screen: string, place: Place|null, params: Object<string,string>}} Route
 */

export const ROOT = '/dashboard';

const LETTERS = { s: 'stack', e: 'env', a: 'akinon' };

/** What stands after the place, and the screen it belongs to. The first that fits wins. */
const PATTERNS = [
  ['', 'overview'],
  ['hooks', 'hooks'],
  ['hooks/new', 'hook-new'],
  ['hooks/:hook', 'hook'],
  ['hooks/:hook/edit', 'hook-edit'],
  ['hooks/:hook/timing', 'hook-timing'],
  ['hooks/:hook/settings', 'hook-settings'],
  ['hooks/:hook/replays', 'hook-replays'],
  ['hooks/:hook/live', 'hook-live'],
  ['hooks/:hook/deliveries/:event/:attempt', 'attempt'],
  ['deliveries', 'deliveries'],
  ['events', 'events'],
  ['events/:event', 'event'],
  ['explain', 'explain'],
  ['replays', 'replays'],
  ['replays/new', 'replay-new'],
  ['live', 'live'],
  ['tokens', 'tokens'],
];

/** @param {string} segment @returns {string|null} null: not a valid escape */
function decoded(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/**
 * Takes the place from the beginning of the segments.
 * @param {string[]} segments they are shortened
 * @returns {Place|null}
 */
function takePlace(segments) {
  if (segments.shift() !== 'o') return null;
  const org = segments.shift();
  if (!org) return null;
  const kind = LETTERS[segments[0]];
  if (!kind) return { org, kind: 'org' };
  const n = kind === 'akinon' ? 2 : 3;
  if (segments.length < n) return { org, kind: 'org' };
  const [, project, name] = segments.splice(0, n);
  return kind === 'akinon' ? { org, kind, project } : { org, kind: /** @type {'stack'} */ (kind), project, name };
}

/** @param {string[]} segments @param {string} pattern */
function match(segments, pattern) {
  const wanted = pattern === '' ? [] : pattern.split('/');
  if (wanted.length !== segments.length) return null;
  /** @type {Object<string,string>} */
  const params = {};
  for (let i = 0; i < wanted.length; i++) {
    if (wanted[i][0] === ':') params[wanted[i].slice(1)] = segments[i];
    else if (wanted[i] !== segments[i]) return null;
  }
  return params;
}

/**
 * @param {string} path of a URL, without its query
 * @returns {Route} screen 'not-found' if it is none of the dashboard's
 */
export function parsePath(path) {
  const none = { screen: 'not-found', place: null, params: {} };
  if (path !== ROOT && !path.startsWith(ROOT + '/')) return none;
  const raw = path.slice(ROOT.length).split('/').filter((s) => s !== '');
  const segments = raw.map(decoded);
  if (segments.includes(null)) return none;
  const parts = /** @type {string[]} */ (segments);
  if (parts.length === 0) return { screen: 'home', place: null, params: {} };
  if (parts.length === 1 && (parts[0] === 'login' || parts[0] === 'system')) {
    return { screen: parts[0], place: null, params: {} };
  }
  const place = takePlace(parts);
  if (!place) return none;
  for (const [pattern, screen] of PATTERNS) {
    const params = match(parts, pattern);
    if (params) return { screen, place, params };
  }
  return none;
}

/** @param {Place} place @returns {string} the beginning of its addresses */
export function placePath(place) {
  const e = encodeURIComponent;
  const org = `${ROOT}/o/${e(place.org)}`;
  if (place.kind === 'org') return org;
  const project = e(place.project ?? '');
  if (place.kind === 'akinon') return `${org}/a/${project}`;
  return `${org}/${place.kind === 'stack' ? 's' : 'e'}/${project}/${e(place.name ?? '')}`;
}

/**
 * An address of the dashboard.
 * @param {Place} place
 * @param {string[]} [segments] unescaped
 * @param {Object<string, string|number|undefined|null>} [query] empty values are left out
 */
export function href(place, segments = [], query = {}) {
  const path = [placePath(place), ...segments.map(encodeURIComponent)].join('/');
  return path + queryText(query);
}

/** @param {Object<string, string|number|undefined|null>} query @returns {string} with its ?, or empty */
export function queryText(query) {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') out.set(key, String(value));
  }
  const text = out.toString();
  return text ? '?' + text : '';
}

/** @param {Place} place @returns {string} the API's list of webhooks of this place */
export function hooksApi(place) {
  const e = encodeURIComponent;
  const org = e(place.org);
  const project = e(place.project ?? '');
  const name = e(place.name ?? '');
  if (place.kind === 'stack') return `/api/stacks/${org}/${project}/${name}/hooks`;
  if (place.kind === 'env') return `/api/esc/environments/${org}/${project}/${name}/hooks`;
  if (place.kind === 'akinon') return `/api/v1/organizations/${org}/projects/${project}/settings/webhooks`;
  return `/api/orgs/${org}/hooks`;
}

/** @param {Place} place @param {string} hook @returns {string} */
export function hookApi(place, hook) {
  return `${hooksApi(place)}/${encodeURIComponent(hook)}`;
}

/**
 * The address of an attempt.
 * @param {Place} place @param {string} hook @param {{id: string, attempt: number}} one
 * @param {Object<string, string>} [query]
 */
export function attemptPath(place, hook, one, query) {
  return href(place, ['hooks', hook, 'deliveries', one.id, String(one.attempt)], query);
}

/**
 * What a comparison calls an attempt of the same organization: its address without the organization's.
 * @param {string} org @param {string} address of an attempt, with a server or without
 * @returns {string|null} null: it is none
 */
export function attemptName(org, address) {
  const path = address.trim().replace(/^https?:\/\/[^/]+/, '').replace(/[?#].*$/, '');
  const { screen, place } = parsePath(path);
  return screen === 'attempt' && place?.org === org ? path.slice(placePath({ org, kind: 'org' }).length) : null;
}

/** @param {string} org @param {string} name of attemptName() @returns {Route} */
export function attemptNamed(org, name) {
  return parsePath(placePath({ org, kind: 'org' }) + name);
}

/** @param {string} org of either dialect @returns {string} what it has beside webhooks */
export function orgApi(org) {
  return `${isEntityId(org) ? '/api/v1/organizations' : '/api/orgs'}/${encodeURIComponent(org)}`;
}

/** @param {Place} place @returns {string} where an event of its organization, or Akinon project, is judged */
export function scopeApi(place) {
  return orgApi(place.org) + (place.kind === 'akinon' ? `/projects/${encodeURIComponent(place.project ?? '')}` : '');
}

/** @param {Place} place @returns {Place} its organization */
export function orgOf({ org }) {
  return { org, kind: 'org' };
}

/** @param {Place} place @returns {boolean} whether webhooks can be made here: Akinon's are those of projects */
export function hasHooks({ org, kind }) {
  return kind !== 'org' || !isEntityId(org);
}

/**
 * The place of a row that names its webhook: of a list, the history, a replay.
 * @param {string} org
 * @param {{projectName?: string, stackName?: string, envName?: string}} row
 * @returns {Place}
 */
export function placeOfRow(org, row) {
  if (row.projectName && row.stackName) return { org, kind: 'stack', project: row.projectName, name: row.stackName };
  if (row.projectName && row.envName) return { org, kind: 'env', project: row.projectName, name: row.envName };
  if (row.projectName) return { org, kind: 'akinon', project: row.projectName };
  return { org, kind: 'org' };
}

/** @param {Place} place @returns {string} project/name, or empty for an organization */
export function placeLabel(place) {
  return [place.project, place.name].filter(Boolean).join('/');
}

/** @param {string} org @returns {boolean} whether it may be an organization of Akinon's: 24 hex digits */
export function isEntityId(org) {
  return /^[0-9a-fA-F]{24}$/.test(org);
}

/** @param {string} text @returns {boolean} whether it is an event's id */
export function isEventId(text) {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text.trim());
}
