// text.js — the words of the page: t('key', {values}), and numbers and times in the reader's way.

import * as format from '../pure/format.js';

/** @typedef {string|{one: string, other: string}} Entry */

/** Languages; only the catalogue of the one in use is loaded: text/en.json, text/de.json. */
export const LANGUAGES = { en: 'English', de: 'Deutsch' };
const LANGUAGE_KEY = 'posthorn-language';

/** @type {Object<string, Entry>} */
let catalogue = {};
let language = 'en';
/** @type {Intl.PluralRules|null} */
let plurals = null;
/** @type {Intl.NumberFormat|null} */
let numbers = null;
/** @type {Intl.DateTimeFormat|null} */
let dayAndClock = null;
/** @type {Intl.DateTimeFormat|null} */
let full = null;

/** @returns {string} what the reader chose before, or else what the browser asks for */
export function wantedLanguage() {
  const chosen = localStorage.getItem(LANGUAGE_KEY) ?? navigator.language.slice(0, 2);
  return chosen in LANGUAGES ? chosen : 'en';
}

/**
 * Loads a catalogue. What Intl has of a language is made when it is first needed: the first of each kind takes as
 * long as fifty rows of a list.
 * @param {string} name of LANGUAGES @param {boolean} [isChosen] by the reader, so that it stays
 */
export async function useLanguage(name, isChosen = false) {
  if (isChosen) localStorage.setItem(LANGUAGE_KEY, name);
  catalogue = await (await fetch(new URL(`../text/${name}.json`, import.meta.url))).json();
  language = name;
  plurals = numbers = dayAndClock = full = null;
  document.documentElement.lang = name;
}

/** @returns {string} */
export function currentLanguage() {
  return language;
}

/** @param {number} value @returns {string} like 1,204 */
export function number(value) {
  if (Number.isInteger(value) && value > -1000 && value < 1000) return String(value);
  numbers ??= new Intl.NumberFormat(language);
  return numbers.format(value);
}

/** @param {string} text with decimals as programs have them @returns {string} as the language has them */
export function local(text) {
  return text.replace(/(\d)\.(\d)/g, `$1${t('number.point')}$2`);
}

/** @param {number} us microseconds @returns {string} */
export function fromUs(us) {
  return local(format.fromUs(us));
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
    : entry[/** @type {'one'} */ (pluralForm(Number(values.n)))] ?? entry.other;
  return form.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === 'number' ? number(value) : String(value);
  });
}

/** @param {number} n @returns {Intl.LDMLPluralRule} */
function pluralForm(n) {
  plurals ??= new Intl.PluralRules(language);
  return plurals.select(n);
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
  if (date.toDateString() === new Date().toDateString()) {
    return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
  }
  dayAndClock ??= new Intl.DateTimeFormat(language, { day: '2-digit', month: 'short', ...CLOCK });
  return dayAndClock.format(date);
}

/** @param {number} ms unix milliseconds @returns {string} day, time with milliseconds, offset */
export function fullTime(ms) {
  full ??= new Intl.DateTimeFormat(language, { year: 'numeric', month: 'short', day: '2-digit', ...CLOCK,
    fractionalSecondDigits: 3, timeZoneName: 'short' });
  return full.format(new Date(ms));
}

/** @param {number} ms unix milliseconds @returns {string} like "in 1 m 50 s" or "3 m ago" */
export function relative(ms) {
  const seconds = Math.round((ms - Date.now()) / 1000);
  if (seconds > 0) return t('time.in', { span: format.fromSeconds(seconds) });
  return seconds > -2 ? t('filter.now') : t('time.ago', { span: format.fromSeconds(-seconds) });
}
