// fetch (undici), or node:http with an agent that keeps connections: what LINE WORKS does for each
// code on a line of standard input.
import http from "node:http";
import { createInterface } from "node:readline";

const [how, url, client_id, client_secret] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });

async function byFetch(address, body) {
  return (await fetch(address, { method: "POST", body })).json();
}

function byHttp(address, body) {
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  return new Promise((resolve, reject) => {
    const request = http.request(address, { method: "POST", agent, headers }, (answer) => {
      let text = "";
      answer.on("data", (part) => (text += part));
      answer.on("end", () => resolve(JSON.parse(text)));
    });
    request.on("error", reject);
    request.end(body.toString());
  });
}

async function post(path, fields) {
  const form = new URLSearchParams({ client_id, client_secret, ...fields });
  return (how === "fetch" ? byFetch : byHttp)(url + path, form);
}

for await (const code of createInterface({ input: process.stdin })) {
  const { access_token } = await post("/accessToken", { grant_type: "authorization_code", code });
  const { user_id } = await post("/userInfo", { access_token });
  console.log(user_id);
}
agent.destroy();
