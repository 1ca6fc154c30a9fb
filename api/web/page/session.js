// session.js — who is logged in, and what they may do. The server refuses in any case; here it only decides
// which buttons are drawn.

import { ApiError, call } from './client.js';

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
