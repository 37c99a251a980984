// What an open tab of T3 Code tells its person while single sign-on has signed out, or nobody is there to answer.
// A module of the dispatcher's own; of the page it touches nothing but the element that it adds.

const ALIVE = '/dispatcher/alive', SIGNED_IN = '/dispatcher/signed-in', CHANNEL = 't3-dispatcher';
const PAUSE_MS = 60000, TIMEOUT_MS = 10000;
// While something is away it is asked more often, ever more slowly.
const FIRST_MS = 2000, LONGEST_MS = 15000;
// A person who goes from window to window asks no more often than this.
const LEAST_MS = 5000;
// A client of t3's that is about to fail would not hear the first of these.
const WAKE_MS = [0, 500, 1500];
// What a window has sent goes out before it closes.
const CLOSE_MS = 100;

const TEXTS = {
  signedOut: 'You have been signed out. What you have typed here stays.',
  denied: 'This account may not use T3 Code here.',
  refused: 'Single sign-on does not let this browser in.',
  starting: 'T3 Code is starting…',
  down: 'T3 Code is not running. Waiting for it…',
  draining: 'T3 Code is restarting…',
  unreachable: 'T3 Code cannot be reached. Trying again…',
  offline: 'This device is offline.',
  foreign: 'Something else answers in place of T3 Code. Reload this page to see it.',
};
const ASKS_TO_SIGN_IN = ['signedOut', 'denied', 'refused'];
const IS_AWAY = ['starting', 'down', 'draining', 'unreachable', 'offline'];

const STYLE = `
  :host { all: initial !important; position: fixed !important; z-index: 2147483647 !important; inset: 0 0 auto !important;
    display: flex !important; justify-content: center !important; pointer-events: none !important; }
  div { pointer-events: auto; box-sizing: border-box; max-width: calc(100vw - 1rem); display: flex; flex-wrap: wrap;
    align-items: center; gap: .25rem .75rem; margin: calc(.5rem + env(safe-area-inset-top)) .5rem; padding: .375rem .75rem;
    font: 14px/1.5 system-ui, sans-serif; color: #18181b; background: #fff; border: 1px solid #a1a1aa; border-radius: .5rem;
    box-shadow: 0 2px 12px #0003; overflow-wrap: anywhere; }
  p { margin: 0; flex: 1 1 auto; }
  button, a { font: inherit; color: inherit; background: none; border: 1px solid #71717a; border-radius: .375rem; margin: 0;
    padding: .125rem .625rem; cursor: pointer; text-decoration: none; }
  .first { color: #fff; background: #18181b; border-color: #18181b; }
  :focus-visible { outline: 2px solid #2563eb; outline-offset: 2px; }
  [hidden] { display: none; }
  @media (prefers-color-scheme: dark) {
    div { color: #fafafa; background: #27272a; border-color: #71717a; }
    .first { color: #18181b; background: #fafafa; border-color: #fafafa; }
    :focus-visible { outline-color: #93c5fd; }
  }`;

/** The element that is added to the page while something is to be said. */
class Bar {
  #host;
  #text;
  #signIn;
  #link;
  #hidden = '';

  show(state, signIn) {
    if (state === this.#hidden) return;
    this.#hidden = '';
    this.#host ?? this.#make(signIn);
    this.#host.dataset.state = state;
    const asks = ASKS_TO_SIGN_IN.includes(state);
    this.#signIn.hidden = !asks;
    if (!asks) this.#link.hidden = true;
    this.say(TEXTS[state]);
  }

  /** A screen reader reads what changes in a region that it knows: not what comes with it. */
  say(text) {
    const said = this.#text;
    setTimeout(() => { if (said.textContent !== text) said.textContent = text; }, 100);
  }

  /** No window may be opened: a link is followed in any case. */
  offerLink() {
    this.#signIn.hidden = true;
    this.#link.hidden = false;
    this.say('This browser opens no small window. Sign in in a new tab, and come back.');
  }

  remove() {
    this.#host?.remove();
    this.#host = undefined;
    this.#hidden = '';
  }

  #make(signIn) {
    this.#host = document.createElement('t3-dispatcher-bar');
    const root = this.#host.attachShadow({ mode: 'open' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    const make = (name, text, set) => Object.assign(document.createElement(name), { textContent: text }, set);
    const box = make('div', '');
    this.#text = make('p', '');
    this.#text.setAttribute('role', 'status');
    this.#text.setAttribute('aria-live', 'polite');
    this.#signIn = make('button', 'Sign in', { type: 'button', className: 'first', onclick: signIn });
    this.#link = make('a', 'Sign in in a new tab', { href: SIGNED_IN, target: '_blank', rel: 'noopener', hidden: true });
    this.#link.className = 'first';
    const hide = make('button', 'Hide', { type: 'button', onclick: () => this.#hide() });
    box.append(this.#text, this.#signIn, this.#link, hide);
    root.append(box);
    document.documentElement.append(this.#host);
  }

  /** Until there is something else to say. */
  #hide() {
    const state = this.#host.dataset.state;
    this.remove();
    this.#hidden = state;
  }
}

/** What the answer to a question says; nothing where it says nothing of the kind. */
async function meaning(answer) {
  if (answer.type === 'opaqueredirect') return 'signedOut';
  if (answer.status === 204) return 'well';
  const isJson = answer.headers.get('content-type')?.startsWith('application/json');
  const told = isJson ? await answer.json().catch(() => null) : null;
  switch (answer.status) {
    case 200: return told?.t3 ?? 'foreign';
    case 401: return 'signedOut';
    case 403:
      if (told?.error === 'not_signed_in') return 'signedOut';
      return told?.error === 'forbidden' ? 'denied' : 'refused';
    // Too many requests of this address: it says nothing of the session.
    case 429: return null;
    default: return answer.status >= 500 ? 'unreachable' : 'foreign';
  }
}

async function look() {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return await meaning(await fetch(ALIVE, { cache: 'no-store', redirect: 'manual', signal }));
  } catch {
    return navigator.onLine ? 'unreachable' : 'offline';
  }
}

function watch() {
  const bar = new Bar();
  let state = 'well', tries = 0, isAsking = false, isDue = false, isWaking = false;
  let timer, asked = Date.now(), small, channel;

  const isSeen = () => document.visibilityState === 'visible';

  async function ask() {
    clearTimeout(timer);
    isDue = isAsking;
    // Who is not seen asks nothing: a gate's session is not to be kept alive by it.
    if (isAsking || !isSeen()) return;
    isAsking = true;
    asked = Date.now();
    const seen = await look();
    isAsking = false;
    // One failure is the network's: a laptop that wakes up, another network.
    tries = IS_AWAY.includes(seen) ? tries + 1 : 0;
    if (seen && (seen !== 'unreachable' || tries > 1)) become(seen);
    if (isDue) return ask();
    if (isSeen()) timer = setTimeout(ask, pause());
  }

  const pause = () => (tries ? Math.min(FIRST_MS * 1.5 ** (tries - 1), LONGEST_MS) : PAUSE_MS);

  function become(next) {
    const was = state;
    state = next;
    if (next !== 'well') return next === was || bar.show(next, signIn);
    bar.remove();
    small?.close();
    small = undefined;
    channel?.close();
    channel = undefined;
    if (was !== 'well') for (const after of WAKE_MS) setTimeout(wake, after);
  }

  /** t3's clients try again at once when one of these tells them so: which one depends on the version. */
  function wake() {
    isWaking = true;
    dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
    isWaking = false;
  }

  /** Opens the page behind the gate, which leads to the sign-in and closes itself afterwards. */
  function signIn() {
    small?.close();
    if (!channel) {
      channel = new BroadcastChannel(CHANNEL);
      channel.onmessage = ask;
    }
    small = open('', '_blank', 'popup,width=520,height=680');
    if (!small) return bar.offerLink();
    // The pages of the sign-in have no hold of this one.
    small.opener = null;
    small.location = SIGNED_IN;
  }

  const notice = () => {
    if (isWaking) return;
    if (!isSeen()) return clearTimeout(timer);
    const since = Date.now() - asked;
    if (since >= LEAST_MS || state !== 'well') return ask();
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS - since);
  };
  addEventListener('focus', notice);
  addEventListener('online', () => { if (!isWaking) ask(); });
  document.addEventListener('visibilitychange', notice);
  if (isSeen()) timer = setTimeout(ask, PAUSE_MS);
}

if (location.pathname === SIGNED_IN) {
  // The tabs hear it, whichever window this is; only a window that a script has opened closes.
  new BroadcastChannel(CHANNEL).postMessage('signed in');
  setTimeout(() => close(), CLOSE_MS);
} else {
  watch();
}
