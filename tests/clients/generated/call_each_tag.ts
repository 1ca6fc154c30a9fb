// call_each_tag.ts — one operation of each tag through the client in TypeScript that was
// generated from our document. Arguments: the document, URLs of the API, of the intake
// and of a receiver, a token.

import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';

import * as sdk from './client';
import { createClient } from './client/client';

const [documentPath, api, intake, receiver, token] = process.argv.slice(2);
const auth = () => `token ${token}`;
const client = createClient({ auth, baseUrl: api });
const intakeClient = createClient({ auth, baseUrl: intake });
const path = { orgName: 'typescript' };
const akinon = {
  organizationId: '5f0c1a2b3c4d5e6f70819203',
  projectId: '63ea10b94a472e003305232c',
};

interface Operation { operationId?: string; tags?: string[] }

// Names differ in their case only, which is the generator's.
function everyOperationIsThere(): Set<string> {
  const document = JSON.parse(readFileSync(documentPath, 'utf8'));
  const names = new Set(Object.keys(sdk).map((name) => name.toLowerCase()));
  const tags = new Set<string>();
  for (const item of Object.values<Record<string, Operation>>(document.paths)) {
    for (const { operationId, tags: [tag] = [] } of Object.values(item)) {
      if (operationId === undefined) continue;
      assert.ok(names.has(operationId.toLowerCase()), operationId);
      tags.add(tag);
    }
  }
  return tags;
}

const calls: Record<string, () => Promise<void>> = {
  'Pulumi webhooks': async () => {
    const made = await sdk.createOrganizationWebhook({
      client, path, throwOnError: true,
      body: { organizationName: 'typescript', displayName: 'd', active: true,
              payloadUrl: receiver },
    });
    assert.equal(made.response.status, 201);
    const listed = await sdk.listOrganizationWebhook({ client, path, throwOnError: true });
    assert.deepEqual(listed.data.map((hook) => hook.name), [made.data.name]);
  },
  'Akinon webhooks': async () => {
    const made = await sdk.createWebhook({
      client, path: akinon, throwOnError: true,
      body: { name: 'x', url: receiver, events: ['build'] },
    });
    assert.deepEqual(made.data.events, ['build']);
  },
  Intake: async () => {
    const posted = await sdk.postOrganizationEvents({
      client: intakeClient, path, throwOnError: true,
      body: { kind: 'order.created', payload: { number: 1 } },
    });
    assert.equal(posted.response.status, 202);
    await sdk.postProjectEvents({
      client: intakeClient, path: akinon, throwOnError: true,
      body: { event: 'build', data: {} },
    });
  },
  Tokens: async () => {
    const made = await sdk.createToken({
      client, path, throwOnError: true, body: { scopes: ['read'] } });
    assert.match(made.data.token, /^pht_/);
  },
  "Pulumi's command line": async () => {
    const user = await sdk.getUser({ client, throwOnError: true });
    assert.ok(user.data.organizations.some((org) => org.githubLogin === 'typescript'));
  },
  Operations: async () => {
    const health = await sdk.getHealth({ client, throwOnError: true });
    assert.equal(health.response.status, 200);
  },
  Dashboard: async () => {
    const session = await sdk.getSession({ client, throwOnError: true });
    assert.equal(session.data.admin, true);
    const link = await sdk.createLoginCode({
      client, throwOnError: true, body: { org: 'typescript' } });
    assert.ok(link.data.url.endsWith(`/dashboard/login#${link.data.code}`));
  },
  History: async () => {
    const rows = await sdk.listOrganizationDeliveries({ client, path, throwOnError: true });
    assert.ok(Array.isArray(rows.data));
    const refused = await sdk.getOrganizationEvent({
      client, path: { ...path, event: 'none' } });
    assert.equal(refused.error?.code, 404);
  },
};

async function main() {
  assert.deepEqual(new Set(Object.keys(calls)), everyOperationIsThere());
  for (const [tag, call] of Object.entries(calls)) {
    await call().catch((error) => {
      throw new Error(`${tag}: ${JSON.stringify(error)} ${error}`);
    });
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
