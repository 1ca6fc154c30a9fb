// dom.js — elements. Text is text: there is no way here from a string to markup.

/** @typedef {any} Child what append() takes: nodes, text, lists of these; null and false are nothing */

const SVG = 'http://www.w3.org/2000/svg';
const LINKS = /^(\/(?!\/)|#|blob:)/; // to this server, or to what the page made itself

/**
 * @param {Element} element @param {string} name @param {any} value
 */
function setProp(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === 'function') {
    element.addEventListener(name.slice(2), value);
    return;
  }
  if (name.startsWith('on') || name === 'style' || name === 'srcdoc') throw new Error(`h: ${name} is not allowed`);
  if (name === 'href' && !LINKS.test(value)) throw new Error(`h: a link to ${value} is not allowed`);
  if (name === 'value') /** @type {HTMLInputElement} */ (element).value = value;
  else if (name === 'checked') /** @type {HTMLInputElement} */ (element).checked = true;
  else element.setAttribute(name, value === true ? '' : String(value));
}

/** @param {Element|DocumentFragment} parent @param {Child[]} children */
export function append(parent, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, ...child);
    else parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * An element. Properties are attributes, functions (onclick, …) listeners; false and null leave it out.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Object<string, any>|null} [props]
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  const { value, ...rest } = props ?? {};
  for (const [name, v] of Object.entries(rest)) setProp(element, name, v);
  append(element, ...children);
  if (value !== undefined) setProp(element, 'value', value); // of a select: after its options
  return element;
}

/**
 * The same for SVG.
 * @param {string} tag @param {Object<string, any>|null} [props] @param {Child[]} children
 * @returns {SVGElement}
 */
export function s(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props ?? {})) setProp(element, name, value);
  append(element, ...children);
  return element;
}

/** @param {Element} parent @param {Child[]} children they take the place of what is there */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, ...children);
}

/**
 * Brings the children of an element to a list of items: a child whose item is the same object stays, so that
 * focus and selection do. Children are moved only if their order changed.
 * @template T
 * @param {Element} parent @param {T[]} items
 * @param {(item: T) => string} keyOf @param {(item: T) => Element} make
 */
export function keyed(parent, items, keyOf, make) {
  /** @type {Map<string, {item: T, element: Element}>} */
  const known = /** @type {any} */ (parent).keyed ?? new Map();
  const next = new Map();
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const old = known.get(key);
    const element = old && old.item === item ? old.element : make(item);
    if (old && old.element !== element) {
      if (at === old.element) at = old.element.nextElementSibling;
      old.element.remove();
    }
    next.set(key, { item, element });
    if (element === at) at = element.nextElementSibling;
    else parent.insertBefore(element, at);
  }
  for (const [key, old] of known) if (!next.has(key)) old.element.remove();
  /** @type {any} */ (parent).keyed = next;
}

/** Calls back once what was changed until now is painted. @param {() => void} run */
export function afterPaint(run) {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = run;
    channel.port2.postMessage(null);
  });
}

/** Pictures of 16 × 16, as strokes. */
const ICONS = {
  delivered: 'M3 8.5l3.2 3.2L13 5',
  dead: 'M4 4l8 8M12 4l-8 8',
  retrying: 'M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8',
  cancelled: 'M3 8h10',
  paused: 'M6 4v8M10 4v8',
  blocked: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M4.2 4.2l7.6 7.6',
  waiting: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3.2l2 1.6',
  off: 'M8 2.5v5M4.6 4.6a5 5 0 1 0 6.8 0',
  theme: 'M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11',
  horn: 'M2.5 9.5a3 3 0 1 0 6 0a3 3 0 1 0-6 0M5.5 6.5H10l4-3v9l-4-3',
  help: 'M6 6.2a2 2 0 1 1 2.8 1.9c-.6.3-.8.7-.8 1.4M8 12v.1',
  copy: 'M6 6h7v7H6zM3 10V3h7',
  down: 'M4 6l4 4 4-4',
  search: 'M7 3a4 4 0 1 0 0 8a4 4 0 1 0 0-8M10 10l3.5 3.5',
  warning: 'M8 2.5L14 13H2zM8 6.5v3M8 11.4v.1',
};

/** @param {string} name @returns {SVGElement} a decoration: the word beside it says the same */
export function icon(name) {
  const path = ICONS[name] ?? ICONS.waiting;
  return s('svg', { class: `icon icon-${name}`, viewBox: '0 0 16 16', 'aria-hidden': 'true', focusable: 'false' },
    s('path', { d: path }));
}
