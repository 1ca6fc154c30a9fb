// router.js — shows the screen of an address, and follows links without loading the page anew.

import { parsePath } from '../pure/paths.js';

/**
 * @typedef {import('../pure/paths.js').Route} Route
 * @typedef {Route & {query: URLSearchParams}} Target
 */

/** @type {(target: Target) => void} */
let show = () => {};
/** @type {(target: Target) => void} */
let noted = () => {};
/** @type {(target: Target) => boolean} */
let replaces = () => false;

/** @param {URL|Location} url @returns {Target} */
function targetOf(url) {
  return { ...parsePath(url.pathname), query: new URLSearchParams(url.search) };
}

/** @returns {Target} of the address that is shown now */
export function currentTarget() {
  return targetOf(location);
}

/**
 * Goes to an address of the dashboard.
 * @param {string} href @param {boolean} [isReplaced]: "back" does not come here again
 */
export function go(href, isReplaced = false) {
  const url = new URL(href, location.href);
  if (isReplaced || replaces(targetOf(url))) history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  show(currentTarget());
}

/** Changes the query of the address; what is shown stays. @param {string} href */
export function note(href) {
  history.replaceState(null, '', href);
  noted(currentTarget());
}

/** @param {MouseEvent} event */
function onClick(event) {
  if (event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey
    || event.altKey) return;
  const link = /** @type {Element|null} */ (event.target)?.closest?.('a[href]');
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || parsePath(url.pathname).screen === 'not-found') return;
  if (url.hash && url.pathname === location.pathname) return;
  event.preventDefault();
  go(url.pathname + url.search);
}

/**
 * @param {{show: (target: Target) => void, noted: (target: Target) => void,
 *   replaces: (target: Target) => boolean}} options
 *   show is called at once, and whenever the address changes; noted when only its query did; replaces says whether
 *   "back" skips what is shown now
 */
export function startRouter(options) {
  ({ show, noted, replaces } = options);
  document.addEventListener('click', onClick);
  window.addEventListener('popstate', () => show(currentTarget()));
  show(currentTarget());
}
