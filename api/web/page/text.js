// text.js — the words of the page: t('key', {values}), and numbers and times in the reader's way.

import * as duration from '../pure/duration.js';
import * as format from '../pure/format.js';

/** @typedef {string|{one: string, other: string}} Entry */

/** Languages; only the catalogue of the one in use is loaded: text/en.json, text/de.json. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' };
const LANGUAGE_KEY = 'posthorn-language';

/** @type {Object<string, Entry>} */
let catalogue = {};
let language = 'en';
let plurals = new Intl.PluralRules('en');
let numbers = new Intl.NumberFormat('en');
let point = '.'; // before decimals
/** Made once: to make one takes as long as a row of a list. @type {Intl.DateTimeFormat} */
let clock;
/** @type {Intl.DateTimeFormat} */
let dayAndClock;
/** @type {Intl.DateTimeFormat} */
let full;

/** @returns {string} what the reader chose before, or else what the browser asks for */
export function wantedLanguage() {
  const chosen = localStorage.getItem(LANGUAGE_KEY) ?? navigator.language.slice(0, 2);
  return chosen in LANGUAGES ? chosen : 'en';
}

/** @param {string} name of LANGUAGES @param {boolean} [isChosen] by the reader, so that it stays */
export async function useLanguage(name, isChosen = false) {
  if (isChosen) localStorage.setItem(LANGUAGE_KEY, name);
  catalogue = await (await fetch(`/dashboard/text/${name}.json`)).json();
  language = name;
  plurals = new Intl.PluralRules(name);
  numbers = new Intl.NumberFormat(name);
  point = numbers.format(1.5)[1];
  clock = new Intl.DateTimeFormat(name, CLOCK);
  dayAndClock = new Intl.DateTimeFormat(name, { day: '2-digit', month: 'short', ...CLOCK });
  full = new Intl.DateTimeFormat(name, { year: 'numeric', month: 'short', day: '2-digit', ...CLOCK,
    fractionalSecondDigits: 3, timeZoneName: 'short' });
  document.documentElement.lang = name;
}

/** @returns {string} */
export function currentLanguage() {
  return language;
}

/** @param {number} value @returns {string} like 1,204 */
export function number(value) {
  return numbers.format(value);
}

/** @param {string} text with decimals as programs have them @returns {string} as the language has them */
export function local(text) {
  return text.replace(/(\d)\.(\d)/g, `$1${point}$2`);
}

/** @param {number} us microseconds @returns {string} */
export function fromUs(us) {
  return local(duration.fromUs(us));
}

/** @param {number} bytes @returns {string} */
export function bytesText(bytes) {
  return local(format.bytesText(bytes));
}

/** @param {number} share 0 to 1 @returns {string} */
export function percent(share) {
  return local(format.percent(share));
}

/**
 * The text of a key. {name} stands for a value; numbers are printed as the language has them. An entry with
 * one and other is chosen by the value n.
 * @param {string} key @param {Object<string, string|number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const entry = catalogue[key];
  if (entry === undefined) throw new Error(`text: no key ${key}`);
  const form = typeof entry === 'string' ? entry
    : entry[/** @type {'one'} */ (plurals.select(Number(values.n)))] ?? entry.other;
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === 'number' ? number(value) : String(value);
  });
}

/**
 * The text for a name that comes from the API.
 * @param {string} prefix of the key @param {string} name
 * @returns {string} the name itself if the catalogue has none for it
 */
export function named(prefix, name) {
  return hasText(`${prefix}.${name}`) ? t(`${prefix}.${name}`) : name;
}

/** @param {string} key @returns {boolean} */
export function hasText(key) {
  return key in catalogue;
}

/** @param {string} text of the server @returns {string} with its points in time as the reader's */
export function withTimes(text) {
  return text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => timeText(Date.parse(time)));
}

const CLOCK = /** @type {Intl.DateTimeFormatOptions} */ ({ hour: '2-digit', minute: '2-digit', second: '2-digit',
  hourCycle: 'h23' });

/** @param {number} ms unix milliseconds @returns {string} with the day unless it is today */
export function timeText(ms) {
  const date = new Date(ms);
  return (date.toDateString() === new Date().toDateString() ? clock : dayAndClock).format(date);
}

/** @param {number} ms unix milliseconds @returns {string} day, time with milliseconds, offset */
export function fullTime(ms) {
  return full.format(new Date(ms));
}

/** @param {number} ms unix milliseconds @returns {string} like "in 1 m 50 s" or "3 m ago" */
export function relative(ms) {
  const seconds = Math.round((ms - Date.now()) / 1000);
  if (seconds > 0) return t('time.in', { span: duration.fromSeconds(seconds) });
  return seconds > -2 ? t('filter.now') : t('time.ago', { span: duration.fromSeconds(-seconds) });
}
