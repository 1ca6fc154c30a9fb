// router.js — shows the screen of an address, and follows links without loading the page anew.

import { parsePath } from '../pure/paths.js';

/**
 * @typedef {import('../pure/paths.js').Route} Route
 * @typedef {Route & {query: URLSearchParams}} Target
 */

/** @type {(target: Target) => void} */
let show = () => {};

/** @returns {Target} of the address that is shown now */
export function currentTarget() {
  return { ...parsePath(location.pathname), query: new URLSearchParams(location.search) };
}

/**
 * Goes to an address of the dashboard.
 * @param {string} href @param {boolean} [isReplaced]: "back" does not come here again
 */
export function go(href, isReplaced = false) {
  if (isReplaced) history.replaceState(null, '', href);
  else history.pushState(null, '', href);
  show(currentTarget());
}

/** Changes the query of the address; what is shown stays. @param {string} href */
export function note(href) {
  history.replaceState(null, '', href);
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

/** @param {(target: Target) => void} showTarget called at once, and whenever the address changes */
export function startRouter(showTarget) {
  show = showTarget;
  document.addEventListener('click', onClick);
  window.addEventListener('popstate', () => show(currentTarget()));
  show(currentTarget());
}
