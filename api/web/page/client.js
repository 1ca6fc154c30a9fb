// client.js — calls of the API: one way in, one kind of error, waits where the server asks for them; and who is
// logged in.

/**
 * @typedef {{method?: string, body?: any, signal?: AbortSignal}} Options
 * @typedef {{rows: any[], next: string|null}} Page
 */

const WAIT_MAX_S = 30;

/** What an answer other than 2xx throws; status 0: there was no answer. */
export class ApiError extends Error {
  /**
   * @param {number} status @param {string} message of the server
   * @param {{method: string, path: string, field?: string, retryAfterS?: number}} more
   */
  constructor(status, message, { method, path, field, retryAfterS = 0 }) {
    super(message);
    this.status = status;
    this.request = `${method} ${path}`;
    this.field = field ?? fieldOf(message);
    this.retryAfterS = retryAfterS;
  }
}

/** @param {string} message @returns {string|undefined} the member that it names first */
function fieldOf(message) {
  return /(?:^|: )([a-z][A-Za-z]+)(?:\[\d+\]|\.\w+)?(?: |:)/.exec(message)?.[1];
}

/** Called at 401: the session is over. @type {() => void} */
let onLoggedOut = () => {};

/** @param {() => void} callback */
export function whenLoggedOut(callback) {
  onLoggedOut = callback;
}

/**
 * @param {string} path @param {Options} options
 * @returns {Promise<Response>} 2xx
 * @throws {ApiError}
 */
async function request(path, { method = 'GET', body, signal }) {
  /** @type {Object<string, string>} */
  const headers = { Accept: 'application/json' };
  if (method !== 'GET') headers['X-Posthorn'] = '1';
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, { method, headers, signal, credentials: 'same-origin', cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, '', { method, path });
  }
  if (response.ok) return response;
  throw await errorOf(response, method, path);
}

/** @param {Response} response @param {string} method @param {string} path */
async function errorOf(response, method, path) {
  const text = await response.text().catch(() => '');
  let message = text.slice(0, 500) || response.statusText;
  let field;
  try {
    ({ message = message, field } = JSON.parse(text));
  } catch {
    // a proxy's own page: its text has to do
  }
  const retryAfterS = Math.min(Number(response.headers.get('Retry-After')) || 0, WAIT_MAX_S);
  if (response.status === 401) onLoggedOut();
  return new ApiError(response.status, String(message), { method, path, field, retryAfterS });
}

/**
 * @param {string} path @param {Options} [options]
 * @returns {Promise<any>} the answer's JSON; null if it has none
 */
export async function call(path, options = {}) {
  const response = await request(path, options);
  const text = await response.text();
  return text === '' ? null : JSON.parse(text);
}

/**
 * A page of a list.
 * @param {string} path with its query @param {{signal?: AbortSignal, token?: string|null}} options
 * @returns {Promise<Page>}
 */
export async function page(path, { signal, token }) {
  const full = token ? `${path}${path.includes('?') ? '&' : '?'}continuationToken=${encodeURIComponent(token)}` : path;
  const response = await request(full, { signal });
  return { rows: await response.json(), next: response.headers.get('X-Continuation-Token') };
}

/**
 * The first rows of a list that its filter may thin out: short pages with a token are gone on with, a few times.
 * @param {string} path @param {{signal?: AbortSignal, token?: string|null, wanted?: number, requests?: number}} options
 * @returns {Promise<Page>}
 */
export async function pages(path, { signal, token = null, wanted = 50, requests = 5 }) {
  const rows = [];
  let next = token;
  for (let i = 0; i < requests; i++) {
    const one = await page(path, { signal, token: next });
    rows.push(...one.rows);
    next = one.next;
    if (!next || rows.length >= wanted) break;
  }
  return { rows, next };
}

// --- who is logged in, and what they may do. The server refuses in any case; here it only decides

/**
 * @typedef {{org: string|null, scopes: string[], admin: boolean, version?: string, expiresAt?: number|null}} Session
 */

/** @type {Session|null} */
let session = null;

/** @returns {Session|null} */
export function currentSession() {
  return session;
}

/** Asks the server. @returns {Promise<Session|null>} null: nobody is logged in */
export async function loadSession() {
  try {
    session = await call('/api/session');
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    session = null;
  }
  return session;
}

/** @param {'read'|'write'} scope @returns {boolean} */
export function may(scope) {
  return session !== null && (session.admin || session.scopes.includes(scope));
}

/** @returns {boolean} */
export function isAdmin() {
  return session !== null && session.admin;
}

/**
 * Logs in.
 * @param {{token?: string, code?: string}} secret either
 */
export async function logIn({ token, code }) {
  /** @type {Object<string, string>} */
  const headers = { 'X-Posthorn': '1' };
  if (token) headers.Authorization = `token ${token}`;
  if (code) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch('/dashboard/session', { method: 'POST', headers, credentials: 'same-origin',
      body: code ? JSON.stringify({ code }) : undefined });
  } catch {
    throw new ApiError(0, '', { method: 'POST', path: '/dashboard/session' });
  }
  if (response.ok) return;
  const { message = response.statusText } = await response.json().catch(() => ({}));
  throw new ApiError(response.status, message, { method: 'POST', path: '/dashboard/session',
    retryAfterS: Number(response.headers.get('Retry-After')) || 0 });
}

/** The server says that it is over. */
export function forgetSession() {
  session = null;
}

/** Ends the session, here and on the server. */
export async function logOut() {
  await call('/dashboard/session', { method: 'DELETE' });
  session = null;
}

/** @returns {Promise<string[]>} names of the organizations that the session may see */
export async function organizations() {
  if (session?.org) return [session.org];
  const [user, akinon] = await Promise.all([call('/api/user'), call('/api/v1/organizations?limit=1000')]);
  return [...user.organizations.map((org) => org.githubLogin).filter((name) => name !== '-'),
    ...akinon.map((org) => org._id)];
}
