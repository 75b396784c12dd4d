// Codes and tokens, in memory. Nothing here awaits, so each function is atomic in this process, and
// in no other.

import { randomBytes } from 'node:crypto';

export const TOKEN_LIFETIME = 24 * 3600;
const CODE_LIFETIME = 60;

export const now = () => Date.now() / 1000;
export const newSecret = () => randomBytes(32).toString('base64url');

// What codes and tokens stand for.
const codes = new Map();
const tokens = new Map();

export function newCode(userKey) {
  for (const kept of [codes, tokens]) {
    for (const [key, grant] of kept) {
      if (grant.expiresAt < now()) kept.delete(key);
    }
  }
  const code = newSecret();
  codes.set(code, { code, userKey, expiresAt: now() + CODE_LIFETIME });
  return code;
}

// A token for a code, which is used up by it; undefined if the code is worth nothing.
export function redeemed(code) {
  const grant = codes.get(code);
  if (!codes.delete(code)) {
    // A second use revokes what the first one got (RFC 6749 §4.1.2).
    for (const [key, other] of tokens) {
      if (other.code === code) tokens.delete(key);
    }
  }
  if (!grant || grant.expiresAt < now()) return undefined;
  const token = newSecret();
  tokens.set(token, { ...grant, expiresAt: now() + TOKEN_LIFETIME });
  return token;
}

export function userKeyOf(token) {
  const grant = tokens.get(token);
  return grant && grant.expiresAt >= now() ? grant.userKey : undefined;
}
