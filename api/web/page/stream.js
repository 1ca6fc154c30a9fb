// stream.js — attempts as they happen. One stream of an address for all tabs of a browser: the tab that holds the
// lock reads it and tells the others; a hidden tab lets go of it.

import { page } from './client.js';

const BATCH_MS = 100; // 10 paints a second at most
const BATCH_ROWS = 500; // more of one batch are counted, not kept
const POLL_MS = 5000;
const STREAM_AGAIN_MS = 30_000;

/**
 * @typedef {'connecting'|'live'|'again'|'polling'|'hidden'} StreamState
 * @typedef {{rows: any[], more: number}} Batch newest last; more: rows that were left out
 * @typedef {{onBatch: (batch: Batch) => void, onState: (state: StreamState) => void,
 *   onGap: (skipped: number|null) => void}} Listener
 */

/** @param {any} row @returns {string} which attempt it is */
export function rowKey(row) {
  return [row.id, row.projectName, row.stackName ?? row.envName, row.hookName, row.attempt, row.state].join('/');
}

/** What the tab that reads the stream does. */
class Leader {
  /**
   * @param {string} streamPath @param {string|null} listPath for polls, and for what happened between two streams
   * @param {(kind: string, value: any) => void} tell
   */
  constructor(streamPath, listPath, tell) {
    this.streamPath = streamPath;
    this.listPath = listPath;
    this.tell = tell;
    /** @type {any[]} as texts, which are read when their batch is told: many may come in one turn of the page */
    this.rows = [];
    this.more = 0;
    this.isEnded = false;
    this.timers = new Set();
  }

  start() {
    this.tell('state', 'connecting');
    this.every(BATCH_MS, () => this.flush());
    this.connect();
  }

  /** @param {number} ms @param {() => void} run */
  every(ms, run) {
    const timer = setInterval(run, ms);
    this.timers.add(timer);
    return timer;
  }

  connect() {
    if (this.isEnded) return;
    const source = new EventSource(this.streamPath);
    this.source = source;
    source.addEventListener('open', () => {
      this.stopPolling();
      this.tell('state', 'live');
    });
    source.addEventListener('delivery', (event) => this.take(event.data));
    source.addEventListener('gap', (event) => this.tell('gap', skippedOf(event.data)));
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) this.poll();
      else this.tell('state', 'again');
    });
  }

  /** @param {any} row or its text */
  take(row) {
    if (this.rows.length < BATCH_ROWS) this.rows.push(row);
    else this.more++;
  }

  flush() {
    if (this.rows.length === 0) return;
    this.tell('batch', { rows: this.rows.map((row) => (typeof row === 'string' ? JSON.parse(row) : row)),
      more: this.more });
    this.rows = [];
    this.more = 0;
  }

  /** The server has no stream left for us (429), or does not answer: rows are asked for instead. */
  poll() {
    if (this.isEnded || this.polling !== undefined) return;
    this.tell('state', this.listPath ? 'polling' : 'again');
    let since = Math.floor(Date.now() / 1000) - 10;
    const seen = new Set();
    this.polling = this.every(POLL_MS, async () => {
      if (!this.listPath) return;
      const separator = this.listPath.includes('?') ? '&' : '?';
      const { rows } = await page(`${this.listPath}${separator}limit=200&since=${since}`, {})
        .catch(() => ({ rows: [] }));
      for (const row of rows.reverse()) {
        if (seen.has(rowKey(row))) continue;
        seen.add(rowKey(row));
        since = Math.max(since, row.timestamp - 1);
        this.take(row);
      }
    });
    this.again = setTimeout(() => this.connect(), STREAM_AGAIN_MS);
  }

  stopPolling() {
    if (this.polling !== undefined) clearInterval(this.polling);
    this.polling = undefined;
  }

  end() {
    this.isEnded = true;
    this.source?.close();
    clearTimeout(this.again);
    for (const timer of this.timers) clearInterval(timer);
    this.flush();
  }
}

/** @param {string} data of a gap @returns {number|null} null: it does not say how many */
function skippedOf(data) {
  try {
    const value = JSON.parse(data);
    return value.skipped ?? value.n ?? null;
  } catch {
    return null;
  }
}

/** @param {AbortSignal} signal @returns {Promise<void>} its end */
function ended(signal) {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
}

/**
 * Follows a stream until the signal.
 * @param {{stream: string, list: string|null}} paths
 * @param {Listener} listener @param {AbortSignal} signal
 */
export function follow({ stream, list }, listener, signal) {
  const channel = new BroadcastChannel(`posthorn ${stream}`);
  const hear = (kind, value) => {
    if (signal.aborted) return;
    if (kind === 'batch') listener.onBatch(value);
    else if (kind === 'gap') listener.onGap(value);
    else listener.onState(value);
  };
  /** @type {StreamState|null} of the stream that this tab reads; null: another one reads it */
  let state = null;
  let hasOthers = false; // other tabs that follow it; to copy each batch for nobody costs much
  let hasHeard = false; // another tab read it for this one: what comes before this one reads is missing
  channel.addEventListener('message', ({ data: { kind, value } }) => {
    if (kind === 'who') return channel.postMessage({ kind: 'here' });
    if (kind !== 'hello' && kind !== 'here') {
      hasHeard = !document.hidden;
      return hasHeard && hear(kind, value);
    }
    hasOthers = true;
    return state && channel.postMessage({ kind: 'state', value: state });
  });
  const tell = (kind, value) => {
    if (kind === 'state') state = value;
    hear(kind, value);
    if (hasOthers && !signal.aborted) channel.postMessage({ kind, value });
  };
  let shown = new AbortController();
  let hiddenAt = 0;
  const want = () => {
    const turn = shown;
    navigator.locks.request(`posthorn ${stream}`, { signal: turn.signal }, async () => {
      const leader = new Leader(stream, list, tell);
      hasOthers = false;
      channel.postMessage({ kind: 'who' });
      leader.start();
      if (hasHeard) {
        hear('gap', null);
        channel.postMessage({ kind: 'gap', value: null });
      }
      await ended(turn.signal);
      leader.end();
      state = null;
    }).catch(() => {}); // aborted while it waited: another tab has it
  };
  const onVisibility = () => {
    shown.abort();
    if (document.hidden) {
      hiddenAt = Date.now();
      listener.onState('hidden');
      return;
    }
    if (hiddenAt > 0) listener.onGap(null); // what happened meanwhile is in the list of deliveries
    shown = new AbortController();
    want();
    channel.postMessage({ kind: 'hello' });
  };
  document.addEventListener('visibilitychange', onVisibility);
  if (!document.hidden) want();
  channel.postMessage({ kind: 'hello' });
  signal.addEventListener('abort', () => {
    document.removeEventListener('visibilitychange', onVisibility);
    shown.abort();
    channel.close();
  });
}
