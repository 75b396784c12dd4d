// node-oidc-provider as the token call meets it: one client, codes issued beforehand, memory only.
//
// node server.mjs PORT [pages]
//   serves on PORT, with "pages" also the sign-in and consent that come with the library, and
//   issues on its standard input's command "codes COUNT FILE" (or "openid_codes", "tokens"): the
//   values are in the file, one a line, when it has printed "done"
//
// The adapter is ours because the one that comes with the library keeps 1,000 artifacts and drops
// the rest. It is the least that the library's adapter contract asks for, so it costs the peer
// next to nothing.
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const [port, pages] = process.argv.slice(2);
const CLIENT = 'benchmark';
const REDIRECT_URI = 'https://auth.worksmobile.com/cb';

const artifacts = new Map();
const grants = new Map();
const sessions = new Map(); // ids by uid

class MemoryAdapter {
  constructor(model) {
    this.model = model;
  }

  key(id) {
    return `${this.model}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    artifacts.set(key, { payload, expiresAt: Date.now() + expiresIn * 1000 });
    if (this.model === 'Session') sessions.set(payload.uid, id);
    if (payload.grantId && this.model !== 'Grant') {
      const members = grants.get(payload.grantId);
      if (members) members.push(key);
      else grants.set(payload.grantId, [key]);
    }
  }

  async find(id) {
    const found = artifacts.get(this.key(id));
    return found && found.expiresAt > Date.now() ? found.payload : undefined;
  }

  async findByUid(uid) {
    return this.find(sessions.get(uid));
  }

  async consume(id) {
    artifacts.get(this.key(id)).payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    artifacts.delete(this.key(id));
  }

  async revokeByGrantId(grantId) {
    for (const key of grants.get(grantId) ?? []) artifacts.delete(key);
    grants.delete(grantId);
  }
}

const provider = new Provider(`http://127.0.0.1:${port}`, {
  adapter: MemoryAdapter,
  clients: [{
    client_id: CLIENT,
    client_secret: 'benchmark-secret',
    redirect_uris: [REDIRECT_URI],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_post',
  }],
  cookies: { keys: ['benchmark'] },
  features: { devInteractions: { enabled: pages === 'pages' } },
  pkce: { required: () => false },
  scopes: ['openid', 'read'],
  ttl: { AccessToken: 86400, AuthorizationCode: 600, Grant: 86400, IdToken: 3600 },
  findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.on('server_error', (ctx, error) => console.error(error));

// Codes are issued in two kinds: with the scope "openid" an ID token is signed for each token
// call, as OpenID Connect demands, without it none. The userinfo endpoint needs the scope.
async function issue(position, Model, scope, extra) {
  const client = await provider.Client.find(CLIENT);
  const accountId = `user-${position % 5000}`;
  const grant = new provider.Grant({ accountId, clientId: CLIENT });
  grant.addOIDCScope(scope);
  const grantId = await grant.save();
  return new Model({ accountId, client, grantId, gty: 'authorization_code', scope, ...extra }).save();
}

const issues = {
  codes: (position) => issue(position, provider.AuthorizationCode, 'read', {
    redirectUri: REDIRECT_URI,
  }),
  openid_codes: (position) => issue(position, provider.AuthorizationCode, 'openid', {
    redirectUri: REDIRECT_URI,
  }),
  tokens: (position) => issue(position, provider.AccessToken, 'openid', {}),
};

createInterface({ input: process.stdin }).on('line', async (line) => {
  const [what, count, file] = line.split(' ');
  const values = [];
  for (let position = 0; position < Number(count); position += 1) {
    values.push(await issues[what](position));
  }
  writeFileSync(file, values.map((value) => `${value}\n`).join(''));
  console.log('done');
});
provider.listen(Number(port), '127.0.0.1');
