// The old way, written from what is told of the Node script that the dispatcher replaces: each page load without a session
// runs t3's command, all else is piped, nothing is compressed or kept. Environment: DISPATCHER_PORT, T3_UPSTREAM_PORT, T3_BIN, T3CODE_HOME.
"use strict";
const { execFile } = require("node:child_process");
const http = require("node:http");
const net = require("node:net");
const { promisify } = require("node:util");

const { DISPATCHER_PORT, T3_UPSTREAM_PORT, T3_BIN, T3CODE_HOME } = process.env;
const t3 = { host: "127.0.0.1", port: Number(T3_UPSTREAM_PORT) };
const MINT = ["auth", "pairing", "create", "--base-dir", T3CODE_HOME, "--ttl", "5m", "--json"];

function isPageLoadWithoutSession({ method, headers }) {
  if (method !== "GET" || /(^|;\s*)t3_session=/.test(headers.cookie ?? "")) return false;
  const destination = headers["sec-fetch-dest"];
  return destination ? destination === "document" : (headers.accept ?? "").includes("text/html");
}

/** t3's Set-Cookie lines for a new session. */
async function pair() {
  const { stdout } = await promisify(execFile)(T3_BIN, MINT, { timeout: 15_000 });
  const body = JSON.stringify({ credential: JSON.parse(stdout).credential });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const asked = http.request({ ...t3, path: "/api/auth/browser-session", method: "POST", headers });
    asked.on("error", reject).on("response", (answer) => {
      const cookies = answer.headers["set-cookie"];
      answer.resume();
      answer.on("end", () => (cookies ? resolve(cookies) : reject(new Error(`exchange: ${answer.statusCode}`))));
    });
    asked.end(body);
  });
}

function forward(request, response) {
  const { method, url: path, headers } = request;
  const asked = http.request({ ...t3, path, method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on("error", () => response.writeHead(502).end());
  request.pipe(asked);
}

const server = http.createServer(async (request, response) => {
  if (isPageLoadWithoutSession(request)) {
    try {
      const cookies = await pair();
      const headers = { location: request.url, "set-cookie": cookies, "cache-control": "no-store" };
      return response.writeHead(302, headers).end();
    } catch (error) {
      console.error(error.message);
    }
  }
  forward(request, response);
});

server.on("upgrade", ({ method, url, rawHeaders }, socket, head) => {
  const t3Side = net.connect(t3, () => {
    const lines = [`${method} ${url} HTTP/1.1`];
    for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
    t3Side.write(`${lines.join("\r\n")}\r\n\r\n`);
    t3Side.write(head);
    socket.pipe(t3Side).pipe(socket);
  });
  t3Side.on("error", () => socket.destroy());
  socket.on("error", () => t3Side.destroy());
});

server.listen({ host: "127.0.0.1", port: Number(DISPATCHER_PORT), backlog: 4096 });
