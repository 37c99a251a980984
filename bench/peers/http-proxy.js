// npm's http-proxy with kept upstream connections. Arguments: the port to listen on, t3's port.
"use strict";
const http = require("node:http");
const { createProxyServer } = require("http-proxy");

const [listen, upstream] = process.argv.slice(2).map(Number);
const agent = new http.Agent({ keepAlive: true });
const proxy = createProxyServer({ target: { host: "127.0.0.1", port: upstream }, agent });
const server = http.createServer((request, response) => proxy.web(request, response));
server.on("upgrade", (request, socket, head) => proxy.ws(request, socket, head));
proxy.on("error", (_error, _request, response) => response.destroy());
server.listen({ host: "127.0.0.1", port: listen, backlog: 4096 });
