// SPDX-License-Identifier: MIT
// dashboard_page.js — runs in each page before its own scripts: when it is drawn, how long input waits for its
// paint, how long the page was busy at a stretch, and how many attempts it says go by.
'use strict';

(() => {
  /** Calls back once what was changed until now is painted. */
  const painted = (then) => requestAnimationFrame(() => {
    const after = new MessageChannel();
    after.port1.onmessage = () => then(performance.now());
    after.port2.postMessage(0);
  });

  /** What a condition of the page's elements was, once it holds and is painted: milliseconds since navigation. */
  const when = (holds, root = document) => new Promise((resolve) => {
    const look = () => {
      if (!holds()) return false;
      watch.disconnect();
      painted(resolve);
      return true;
    };
    const watch = new MutationObserver(look);
    watch.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ['aria-busy', 'disabled'] });
    look();
  });

  const isLoaded = () => {
    const regions = [...document.querySelectorAll('main .region')];
    return regions.length > 0 && regions.every((one) => !one.hasAttribute('aria-busy'));
  };

  const rows = () => document.querySelectorAll('main tbody tr').length;

  const bench = { painted, when, rows, inputs: [], events: [], tasks: [], rates: [], drawnAt: when(isLoaded) };
  window.bench = bench;

  for (const type of ['keydown', 'pointerdown', 'wheel']) {
    addEventListener(type, (event) => painted((at) => bench.inputs.push({ type, ms: at - event.timeStamp })),
      { capture: true, passive: true });
  }
  const observe = (type, to, more) => new PerformanceObserver((list) => to.push(...list.getEntries().map((one) =>
    ({ type: one.name, ms: one.duration, at: one.startTime })))).observe({ type, ...more });
  observe('longtask', bench.tasks, {});
  observe('event', bench.events, { durationThreshold: 16 });

  // What the page itself counts: to listen to each row would cost as much as the page's own work for it.
  setInterval(() => {
    const rate = document.querySelector('.list-actions .number')?.textContent.replace(/\D/g, '');
    if (rate) bench.rates.push(Number(rate));
  }, 1000);

  /** When so many rows are painted: milliseconds since navigation. */
  bench.wholeAt = (n) => when(() => rows() >= n);

  /** The next older page: milliseconds from the click to its paint; null: there is none. */
  bench.older = async () => {
    const last = () => [...document.querySelectorAll('main tbody a.row-link')].at(-1)?.href;
    const button = () => document.querySelector('.after-list button:not([disabled]):last-of-type');
    const before = last();
    const found = button();
    if (!found) return null;
    const start = performance.now();
    found.click();
    return await when(() => last() !== before && button() !== null) - start;
  };
})();
