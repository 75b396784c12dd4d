// Stands for the company's directory, with one person in it.

import { randomBytes, scrypt as scryptWithCallback, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

const scrypt = promisify(scryptWithCallback);

async function employee(userKey, worksAccount, password) {
  const salt = randomBytes(16);
  return { userKey, worksAccount, salt, hash: await scrypt(password, salt, 32) };
}

const alice = await employee('E-1001', 'alice@example', 'paper lantern by the river');
const nobody = await employee('', '', randomBytes(32).toString('hex'));
export const employees = new Map([['alice', alice], [alice.worksAccount, alice]]);

export async function signedIn(username, password) {
  const found = employees.get(username.trim().toLowerCase()) ?? nobody;
  // Hashing for unknown names as well: an answer must not tell by its time who works here.
  const isRight = timingSafeEqual(await scrypt(password, found.salt, 32), found.hash);
  return isRight && found !== nobody ? found : undefined;
}
