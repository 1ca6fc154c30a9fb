// deliveries.js — S6: attempts of every webhook of an organization.

import { append, h } from '../page/dom.js';
import { pageHead } from '../page/parts.js';
import { named, t } from '../page/text.js';
import { href, orgApi, orgOf } from '../pure/paths.js';
import { deliveryList } from '../shared/delivery_list.js';

/** @param {import('../app.js').Context} context */
export function show({ main, place, query, signal, setTitle }) {
  setTitle(named('state', query.get('state')?.split(',')[0] ?? ''), t('nav.deliveries'), place.org);
  const org = orgOf(place);
  append(main, pageHead({ title: t('nav.deliveries'), above: place.org,
    actions: h('a', { class: 'button', href: href(org, ['live'], Object.fromEntries(query)) },
      t('deliveries.follow')) }),
  deliveryList({ place: org, hook: null, api: `${orgApi(place.org)}/deliveries`, segments: ['deliveries'], query,
    signal }));
}
