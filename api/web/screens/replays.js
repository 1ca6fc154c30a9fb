// replays.js — S10: replays of an organization.

import { append, h } from '../page/dom.js';
import { pageHead } from '../page/parts.js';
import { may } from '../page/client.js';
import { t } from '../page/text.js';
import { href, orgApi } from '../pure/paths.js';
import { replayList } from '../shared/replay_list.js';

/** @param {import('../app.js').Context} context */
export function show({ main, place, signal, setTitle }) {
  setTitle(t('nav.replays'), place.org);
  append(main, pageHead({ title: t('nav.replays'), above: place.org,
    actions: may('write') && h('a',
      { class: 'button primary', href: href(place, ['replays', 'new'], { state: 'dead' }) }, t('replays.new')) }),
  replayList({ place, api: `${orgApi(place.org)}/replays`, hook: null, signal }));
}
