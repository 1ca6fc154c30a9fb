// live.js — S11: attempts of an organization as they happen.

import { append } from '../page/dom.js';
import { pageHead } from '../page/parts.js';
import { t } from '../page/text.js';
import { orgApi } from '../pure/paths.js';
import { livePanel } from '../shared/live_list.js';

/** @param {import('../app.js').Context} context */
export function show({ main, place, query, signal, setTitle }) {
  setTitle(t('nav.live'), place.org);
  const api = orgApi(place.org);
  append(main, pageHead({ title: t('nav.live'), above: place.org }),
    livePanel({ place, hook: null, stream: `${api}/tail`, list: `${api}/deliveries`, query, signal }));
}
