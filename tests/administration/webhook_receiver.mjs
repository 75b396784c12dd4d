// A receiver of alerts that is not ours: it compares the signature as docs/console.md describes it.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const secret = process.argv[2];

const isRight = (header, body) => {
  const { t, v1 } = Object.fromEntries(header.split(",").map((part) => part.split("=")));
  const expected = createHmac("sha256", secret).update(`${t}.`).update(body).digest("hex");
  return v1.length === expected.length && timingSafeEqual(Buffer.from(v1), Buffer.from(expected));
};

const server = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray());
  const isGood = isRight(request.headers["worksgate-signature"] ?? "", body);
  response.writeHead(isGood ? 204 : 401).end();
  console.log(JSON.stringify({ isGood, kind: JSON.parse(body).kind }));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
