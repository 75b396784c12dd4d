// The customer's side of LINE WORKS single sign-on, on Express: see README.md.

import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import cookies from 'cookie-parser';
import express from 'express';

const { SSO_CLIENT_ID, SSO_CLIENT_SECRET, SSO_SECRET_KEY, PORT = '8080' } = process.env;
if (!SSO_CLIENT_ID || !SSO_CLIENT_SECRET || !SSO_SECRET_KEY) {
  throw new Error('SSO_CLIENT_ID, SSO_CLIENT_SECRET and SSO_SECRET_KEY must be set');
}
const [CODE_LIFETIME, TOKEN_LIFETIME, SESSION_LIFETIME] = [60, 24 * 3600, 12 * 3600];
const COOKIE = { httpOnly: true, path: '/', sameSite: 'lax', secure: true, signed: true };
const FORM = 'application/x-www-form-urlencoded';
const ORIGIN = process.env.SSO_REDIRECT_ORIGIN ?? 'https://auth.worksmobile.com';
const REDIRECT_URI = new RegExp(
  `^${ORIGIN.replaceAll('.', '\\.')}(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?` +
    "(\\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?$",
);
const ERRORS = {
  101: [403, 'access_denied: Wrong user name or password'],
  201: [400, 'invalid_request: Missing or invalid request'],
  203: [400, 'unsupported_grant_type: The grant_type is not supported'],
  301: [401, 'unauthorized_client: Invalid client ID or secret'],
  302: [400, 'invalid_authorization: Invalid authorization code'],
  303: [401, 'invalid_access: Access token verification failed'],
};

// Stands for the company's directory. The first one is nobody: a hash for unknown names.
const [NOBODY, ...PEOPLE] = JSON.parse(readFileSync(new URL('employees.json', import.meta.url)));
const EMPLOYEES = new Map(PEOPLE.flatMap((each) => [
  [each.username, each], [each.worksAccount, each],
]));
const hash = promisify(scrypt);

const now = () => Date.now() / 1000;
const newSecret = () => randomBytes(32).toString('base64url');
const refused = (number) => Object.assign(new Error(ERRORS[number][1]), { number });

const codes = new Map();
const tokens = new Map();

function newCode(userKey) {
  for (const kept of [codes, tokens]) {
    for (const [key, grant] of kept) if (grant.expiresAt < now()) kept.delete(key);
  }
  const code = newSecret();
  codes.set(code, { code, userKey, expiresAt: now() + CODE_LIFETIME });
  return code;
}

async function signedIn(username, password) {
  const found = EMPLOYEES.get(username.trim().toLowerCase()) ?? NOBODY;
  const [salt, right] = found.passwordHash.split(':').map((each) => Buffer.from(each, 'base64'));
  // Hashing for unknown names as well: an answer must not tell by its time who works here.
  return timingSafeEqual(await hash(password, salt, 32), right) ? found : undefined;
}

// Digests have one length, which timingSafeEqual requires.
function same(one, other) {
  const [a, b] = [one, other].map((each) => createHash('sha256').update(each).digest());
  return timingSafeEqual(a, b);
}

// The form of a call, with each of these names. Express' own parser makes an array of what is there
// twice, and refuses a charset that clients do send.
function formOf(request, ...names) {
  const pairs = [...new URLSearchParams(typeof request.body === 'string' ? request.body : '')];
  const form = new Map(pairs);
  if (form.size !== pairs.length || names.some((name) => !form.get(name))) throw refused(201);
  return Object.fromEntries(form);
}

function checkClient({ client_id: id, client_secret: secret }) {
  if (!same(JSON.stringify([id, secret]), JSON.stringify([SSO_CLIENT_ID, SSO_CLIENT_SECRET]))) {
    throw refused(301);
  }
}

// Templates escape nothing by themselves here: no text of a stranger gets into this page.
function page(response, title, { message = '', status = 200, csrf = '' } = {}) {
  const form = csrf && `<form method="post"><input type="hidden" name="csrf" value="${csrf}">
<p><label>User name <input name="username" autocomplete="username" required></label></p>
<p><label>Password
<input name="password" type="password" autocomplete="current-password" required></label></p>
<p><button>Sign in</button></p></form>`;
  response.status(status).send(`<!doctype html><html lang="en">
<meta name="viewport" content="width=device-width"><title>${title}</title><h1>${title}</h1>
${message && `<p role="alert">${message}</p>`}${form}</html>`);
}

function signInPage(request, response, message, status) {
  const csrf = request.signedCookies['__Host-csrf'] || newSecret();
  response.cookie('__Host-csrf', csrf, COOKIE);
  page(response, 'Sign in', { message, status, csrf });
}

function toLineWorks(response, { redirect_uri: uri }, userKey) {
  // response.redirect encodes some characters: the address has to stay byte for byte.
  const location = `${uri}${uri.includes('?') ? '&' : '?'}code=${newCode(userKey)}`;
  response.status(303).set('Location', location).end();
}

const app = express();
app.disable('x-powered-by');
app.use((_request, response, next) => {
  response.set({
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
  });
  next();
});
app.use(express.text({ type: FORM, limit: '16kb' }));
app.use(cookies(SSO_SECRET_KEY));

// Never a redirect if the request is wrong: the address may be an attacker's.
function checkRequest(request, response, next) {
  const { response_type: kind, client_id: id, redirect_uri: uri } = request.query;
  const isRight = kind === 'code' && id === SSO_CLIENT_ID && typeof uri === 'string';
  if (isRight && REDIRECT_URI.test(uri)) return next();
  return page(response, 'This is not a request of LINE WORKS', { status: 400 });
}

app.get('/login', checkRequest, (request, response) => {
  const session = request.signedCookies['__Host-sso'];
  const found = session && session.until > now() && EMPLOYEES.get(session.worksAccount);
  const worksId = `${request.query.worksId ?? ''}`.toLowerCase();
  if (!found || !['', found.worksAccount].includes(worksId)) return signInPage(request, response);
  return toLineWorks(response, request.query, found.userKey);
});

app.post('/login', checkRequest, async (request, response) => {
  const { csrf = '', username = '', password = '' } = formOf(request);
  if (!same(csrf, request.signedCookies['__Host-csrf'] || '-')) {
    return signInPage(request, response, 'The page was too old. Please try again.', 403);
  }
  const found = await signedIn(username, password);
  if (!found) return signInPage(request, response, 'User name or password is wrong.', 403);
  const session = { worksAccount: found.worksAccount, until: now() + SESSION_LIFETIME };
  response.cookie('__Host-sso', session, COOKIE);
  response.clearCookie('__Host-csrf', COOKIE);
  return toLineWorks(response, request.query, found.userKey);
});

app.post('/accessToken', (request, response) => {
  const { grant_type: grantType } = formOf(request);
  if (grantType && grantType !== 'authorization_code') throw refused(203);
  const form = formOf(request, 'grant_type', 'client_id', 'client_secret', 'code');
  checkClient(form);
  // Nothing here awaits: nobody gets in between, and no code gets two tokens.
  const grant = codes.get(form.code);
  if (!codes.delete(form.code)) {
    // A second use revokes what the first one got (RFC 6749 §4.1.2).
    for (const [key, other] of tokens) if (other.code === form.code) tokens.delete(key);
  }
  if (!grant || grant.expiresAt < now()) throw refused(302);
  const token = newSecret();
  tokens.set(token, { ...grant, expiresAt: now() + TOKEN_LIFETIME });
  response.json({ access_token: token, token_type: 'Bearer', expires_in: TOKEN_LIFETIME });
});

app.post('/userInfo', (request, response) => {
  const form = formOf(request, 'client_id', 'client_secret', 'access_token');
  checkClient(form);
  const grant = tokens.get(form.access_token);
  if (!grant || grant.expiresAt < now()) throw refused(303);
  response.json({ user_id: grant.userKey });
});

app.get('/apiLogin/:clientId', async (request, response) => {
  const given = [request.query.email, request.query.password];
  const isBase64 = given.every((each) => /^[A-Za-z0-9+/]+={0,2}$/.test(`${each}`));
  if (!isBase64 || given.some((each) => typeof each !== 'string')) throw refused(201);
  const [email, password] = given.map((each) => Buffer.from(each, 'base64').toString());
  const found = request.params.clientId === SSO_CLIENT_ID && (await signedIn(email, password));
  if (!found) throw refused(101);
  response.json({ code: newCode(found.userKey) });
});

app.get('/logout', (request, response) => {
  response.clearCookie('__Host-sso', COOKIE);
  const { redirect_uri: uri } = request.query;
  const isKnown = typeof uri === 'string' && REDIRECT_URI.test(uri);
  return isKnown ? response.status(303).set('Location', uri).end() : page(response, 'You are signed out');
});

// A body that cannot be read (too large, in an unknown charset) is a bad request, too.
app.use((error, _request, response, next) => {
  const number = error.number ?? (error.status < 500 ? 201 : undefined);
  if (number === undefined) return next(error);
  const [status, description] = ERRORS[number];
  return response.status(status).json({ error: `${number}`, error_description: description });
});

app.listen(Number(PORT), '127.0.0.1');
