// try_events.js — which of the newest events a webhook would get, as its form has it now. Nothing is stored or sent.

import { fill, h } from '../page/dom.js';
import { empty, errorBox, skeleton, time } from '../page/parts.js';
import { t } from '../page/text.js';
import { shortId } from '../pure/format.js';
import { href, orgOf, placeLabel, placeOfRow } from '../pure/paths.js';
import { reasonText, yesOrNo } from '../shared/verdict.js';

/** @typedef {import('../pure/paths.js').Place} Place */

const EVENTS = 20;

/**
 * @param {Place} place of the webhook @param {(events: number) => Promise<any>} judge the form, and so many events
 * @param {() => string} formNow
 * @returns {{element: HTMLElement, look: () => void}} look: the form may have changed, so that the answer is old
 */
export function trySection(place, judge, formNow) {
  const result = h('div', { 'aria-live': 'polite' });
  let judged = '';
  const run = async () => {
    const mine = formNow();
    judged = mine;
    fill(result, skeleton(4));
    const drawn = await judge(EVENTS).then((answer) => verdicts(answer, place), (error) => errorBox(error, run));
    if (mine === judged) fill(result, drawn);
  };
  const look = () => {
    if (judged === '' || judged === formNow()) return;
    judged = '';
    fill(result);
  };
  const element = h('fieldset', null, h('legend', null, t('try.title')),
    h('div', { class: 'actions' }, h('button', { type: 'button', onclick: run }, t('try.run', { n: EVENTS }))), result);
  return { element, look };
}

/** @param {any} answer @param {Place} place */
function verdicts({ recentEvents, recentEventsFrom }, place) {
  const back = recentEventsFrom && h('p', { class: 'quiet' }, t('deliveries.back-to'), ' ', time(recentEventsFrom));
  if (recentEvents.length === 0) return [empty(t('try.none')), back];
  const wanted = recentEvents.filter((one) => one.wouldGet).length;
  return [h('p', { class: 'large' }, t('try.n', { n: wanted, all: recentEvents.length })),
    h('ul', { class: 'verdicts' }, ...recentEvents.map((one) => h('li', { class: 'verdict' }, yesOrNo(one.wouldGet),
      h('a', { class: 'two', href: eventHref(one, place), target: '_blank', rel: 'noopener' },
        h('strong', null, one.kind), h('span', { class: 'quiet code' }, shortId(one.id))),
      h('span', { class: 'two' }, time(one.acceptedAt),
        h('span', { class: 'quiet' }, placeLabel(placeOfRow(place.org, one)))),
      h('span', null, reasonText({ reason: one.why, reasonCode: one.whyCode }))))), back];
}

/** @param {any} event @param {Place} place @returns {string} its screen, in a tab of its own: the form stays */
function eventHref(event, place) {
  return href(orgOf(place), ['events', event.id]);
}
