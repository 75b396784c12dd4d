// node-oidc-provider with a login form that believes everybody, on a free port of this machine.
//
// node server.mjs '{"redirect_uris": [...], "post_logout_redirect_uris": [...]}'
//   prints its issuer, and runs until its standard input ends
//
// Whoever logs in as "hanako" is hanako. "mallory" has the same address, and it is not verified.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { redirect_uris, post_logout_redirect_uris } = JSON.parse(process.argv[2]);
const shared = {
  redirect_uris,
  post_logout_redirect_uris,
  grant_types: ['authorization_code'],
  response_types: ['code'],
};
const signing = (type, options, alg) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), use: 'sig', alg,
});

const configuration = {
  clients: [
    { ...shared, client_id: 'worksgate', client_secret: 'secret of +%/& worksgate' },
    {
      ...shared,
      client_id: 'worksgate-post',
      client_secret: 'secret-of-worksgate-post',
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: 'ES256',
    },
    {
      ...shared,
      client_id: 'worksgate-public',
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'EdDSA',
    },
  ],
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username', 'employee_number'],
    email: ['email', 'email_verified'],
    groups: ['groups'],
  },
  cookies: { keys: ['openid-provider-of-the-tests'] },
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
  features: { rpInitiatedLogout: { enabled: true } },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      name: `${id[0].toUpperCase()}${id.slice(1)} Yamada`,
      preferred_username: id,
      employee_number: `E-${id}`,
      email: 'hanako@company.example',
      email_verified: id === 'hanako',
      groups: id === 'hanako' ? ['staff', 'accounts'] : ['guests'],
    }),
  }),
  jwks: {
    keys: [
      signing('rsa', { modulusLength: 2048 }, 'RS256'),
      signing('ec', { namedCurve: 'P-256' }, 'ES256'),
      signing('ed25519', {}, 'EdDSA'),
    ],
  },
  pkce: { required: () => true },
  ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  server.on('request', new Provider(issuer, configuration).callback());
  console.log(issuer);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit());
