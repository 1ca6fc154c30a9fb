// signature.js — the two signatures of a delivery, checked with a secret that stays in the page.

const encoder = new TextEncoder();

/** @param {Uint8Array} key @param {string} text @returns {Promise<Uint8Array>} HMAC-SHA256 */
async function hmac(key, text) {
  const imported = await crypto.subtle.importKey('raw', /** @type {BufferSource} */ (key),
    { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, encoder.encode(text)));
}

/** @param {Uint8Array} bytes */
function hex(bytes) {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** @param {Uint8Array} bytes */
export function base64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}

/** @param {string} secret @returns {Uint8Array} the key of Standard Webhooks: base64 after whsec_, else the text */
function standardKey(secret) {
  if (!secret.startsWith('whsec_')) return encoder.encode(secret);
  try {
    return Uint8Array.from(atob(secret.slice(6)), (c) => c.charCodeAt(0));
  } catch {
    return encoder.encode(secret);
  }
}

/**
 * @param {string} secret
 * @param {{body: string, pulumi: string|null, standard: string|null, id: string|null, timestamp: string|null}} sent
 * @returns {Promise<{pulumi: boolean|null, standard: boolean|null}>} null: the request had no such header
 */
export async function check(secret, { body, pulumi, standard, id, timestamp }) {
  const key = encoder.encode(secret);
  const out = { pulumi: /** @type {boolean|null} */ (null), standard: /** @type {boolean|null} */ (null) };
  if (key.length === 0) return { pulumi: pulumi === null ? null : false, standard: standard === null ? null : false };
  if (pulumi !== null) out.pulumi = hex(await hmac(key, body)) === pulumi.toLowerCase();
  if (standard !== null) {
    const mac = base64(await hmac(standardKey(secret), `${id}.${timestamp}.${body}`));
    out.standard = standard.split(' ').includes(`v1,${mac}`);
  }
  return out;
}

/** @returns {string} a new secret that every library of Standard Webhooks reads: 32 random bytes */
export function newSecret() {
  return 'whsec_' + base64(crypto.getRandomValues(new Uint8Array(32)));
}
