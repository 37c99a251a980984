// The page: shows whether this browser is paired, and keeps a live socket as t3's own page does.

const PING_EVERY_MS = 5000;
/** Seconds before each new attempt; after the last it waits for its user (contract §5). */
const WAITS_S = [1, 2, 4, 8, 16, 32, 64];
/** How long session and exchange are retried, and how often (contract §6). */
const RETRY_FOR_MS = 15000;
const RETRY_EVERY_MS = 500;

const $ = (id) => document.getElementById(id);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function show(state) {
  document.documentElement.dataset.state = state;
  const words = { live: "live WebSocket", "pair-screen": "not paired", paired: "paired" };
  $("state").textContent = words[state] ?? state;
  $("cockpit").hidden = state === "pair-screen" || state === "loading";
  $("pairing").hidden = state !== "pair-screen";
  $("trouble").hidden = state !== "disconnected";
}

/** Network errors and 502, 503, 504 are waited out; everything else counts. */
async function patiently(path, options) {
  const end = Date.now() + RETRY_FOR_MS;
  for (;;) {
    try {
      const answer = await fetch(path, options);
      if (![502, 503, 504].includes(answer.status) || Date.now() > end) return answer;
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await sleep(RETRY_EVERY_MS);
  }
}

async function session() {
  const answer = await patiently("/api/auth/session");
  if (!answer.ok) throw new Error(`session: ${answer.status}`);
  const session = await answer.json();
  $("paired").textContent = session.authenticated ? "yes" : "no";
  $("expires").textContent = session.expiresAt ? new Date(session.expiresAt).toLocaleString() : "–";
  $("method").textContent = session.sessionMethod ?? "–";
  $("scopes").textContent = session.scopes?.join(", ") ?? session.role ?? "–";
  return session.authenticated;
}

async function environment() {
  const environment = await (await patiently("/.well-known/t3/environment", { credentials: "include" })).json();
  $("environment").textContent = environment.environmentId;
  $("label").textContent = environment.label;
  $("version").textContent = environment.serverVersion;
  protocol = environment.orchestrationProtocolVersion ?? 1;
}

async function exchange(credential) {
  const answer = await patiently("/api/auth/browser-session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ credential }),
  });
  $("refusal").textContent = answer.ok ? "" : `Refused (${answer.status}).`;
  return answer.ok;
}

/** Of the server; none needs no query on /ws. */
let protocol = 1;
let described;
let attempt = 0;
let sockets = 0;

const query = () => (protocol > 1 ? `?clientSurface=web&connectionMethod=direct&orchestrationProtocol=${protocol}` : "");

function connect() {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws${query()}`);
  let pinging;
  let pongDue = false;
  let asked = 0;
  let rounds = 0;
  const ping = () => {
    // No Pong before the next tick: the socket counts as dead (contract §5).
    if (pongDue) return socket.close();
    pongDue = true;
    socket.send(JSON.stringify({ _tag: "Ping" }));
    measure();
  };
  const measure = () => {
    asked = performance.now();
    socket.send(JSON.stringify({ _tag: "Request", id: "1", tag: "echo", payload: asked, headers: [] }));
  };
  socket.onopen = () => {
    attempt = 0;
    sockets += 1;
    $("sockets").textContent = sockets;
    pinging = setInterval(ping, PING_EVERY_MS);
    measure();
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message._tag === "Pong") {
      pongDue = false;
      $("pongs").textContent = Number($("pongs").textContent) + 1;
    } else if (message._tag === "Exit" && message.requestId === "1") {
      $("trip").textContent = (performance.now() - asked).toFixed(1);
      show("live");
      // The first round shares the line with the page's own loading.
      rounds += 1;
      if (rounds < 3) measure();
    }
  };
  socket.onclose = () => {
    clearInterval(pinging);
    reconnect();
  };
}

/** Ends the wait for the next attempt, and for the user. */
let wake = () => {};
for (const event of ["online", "focus"]) {
  addEventListener(event, () => {
    attempt = 0;
    wake();
  });
}

/** Opens /ws again and asks nothing else (contract §9). */
async function reconnect() {
  let isAwake = false;
  const awake = new Promise((done) => {
    wake = () => done((isAwake = true));
  });
  show("disconnected");
  if (attempt >= WAITS_S.length) {
    $("trouble").textContent = "Disconnected from T3 Server. Reload to try again.";
    await awake;
  } else {
    const wait = WAITS_S[attempt];
    attempt += 1;
    for (let left = wait; left > 0 && !isAwake; left -= 1) {
      $("trouble").textContent =
        `Disconnected from T3 Server … Reconnecting in ${left} s … Attempt ${attempt}/${WAITS_S.length}`;
      await Promise.race([sleep(1000), awake]);
    }
  }
  connect();
}

/** The token of a pairing link: the fragment's first, then the query's (contract §6). */
function linkToken() {
  const fragment = new URLSearchParams(location.hash.slice(1)).get("token");
  return fragment ?? new URLSearchParams(location.search).get("token");
}

async function enter() {
  history.replaceState(null, "", location.pathname === "/pair" ? "/" : location.href);
  show("paired");
  await described;
  connect();
}

$("pair").onsubmit = async (event) => {
  event.preventDefault();
  if ((await exchange($("code").value.trim())) && (await session())) enter();
};

async function main() {
  show("loading");
  described = environment().catch(() => {});
  // Whoever is paired already spends no token (contract §6).
  if (await session()) return enter();
  const token = location.pathname === "/pair" ? linkToken() : null;
  if (token && (await exchange(token)) && (await session())) return enter();
  show("pair-screen");
}

main().catch((error) => {
  $("refusal").textContent = String(error);
  show("pair-screen");
});
