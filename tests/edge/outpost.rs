//! A double of Authentik with its outpost: forward-auth, and the sign-in that it leads to. It can state the
//! person as other gates do, too.
//!
//! What a browser meets is what it meets there: a redirect to the outpost's `start` on the application's own
//! host, one to the sign-in on another host, one back to the outpost's `callback`, which sets its cookie, and one
//! to where the person wanted to go.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// The application's host, and that of the sign-in.
pub(crate) const APPLICATION: &str = "t3.test";
pub(crate) const SIGN_IN: &str = "auth.test";

/// The outpost's own paths, on the application's host.
pub(crate) const PREFIX: &str = "/outpost.goauthentik.io/";

/// The outpost's cookie, and that of the sign-in.
const OUTPOST_COOKIE: &str = "authentik_proxy_b1e55ed";
const SIGN_IN_COOKIE: &str = "authentik_session";

/// The title of the page with the form.
pub(crate) const TITLE: &str = "Sign in";

/// What the error pages' service says.
pub(crate) const ERROR_PAGE: &str = "This is the proxy's error page";

/// The gate as which the double answers a proxy that asks it. The sign-in is Authentik's in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Manner {
    #[default]
    Authentik,
    /// By https://www.authelia.com/reference/guides/proxy-authorization/.
    Authelia,
}

/// The double. Ends with the test.
pub(crate) struct Outpost {
    pub(crate) addr: SocketAddr,
    state: Arc<State>,
    accepting: AbortHandle,
}

#[derive(Default)]
struct State {
    manner: Manner,
    /// The people of the outpost's sessions and of the sign-in's, by cookie.
    outpost: Mutex<HashMap<String, String>>,
    sign_in: Mutex<HashMap<String, String>>,
    numbers: AtomicUsize,
}

type Answer = Response<Full<Bytes>>;

impl Manner {
    /// The value of `DISPATCHER_GATE`.
    pub(crate) fn gate(self) -> &'static str {
        match self {
            Self::Authentik => "authentik",
            Self::Authelia => "authelia",
        }
    }

    /// The fields of its answer: the name that somebody signs in with, the address, what the person is called,
    /// the groups.
    pub(crate) fn fields(self) -> [&'static str; 4] {
        match self {
            Self::Authentik => [
                "x-authentik-username",
                "x-authentik-email",
                "x-authentik-name",
                "x-authentik-groups",
            ],
            Self::Authelia => [
                "remote-user",
                "remote-email",
                "remote-name",
                "remote-groups",
            ],
        }
    }

    /// The groups of everybody, as it joins them.
    fn groups(self) -> &'static str {
        match self {
            Self::Authentik => "Home Server Admins|Users",
            Self::Authelia => "Home Server Admins,Users",
        }
    }

    /// A proxy's configuration for Authentik with this gate's names instead.
    pub(crate) fn names(self, configuration: &str) -> String {
        let mut text = configuration.to_owned();
        if self == Self::Authelia {
            for (name, own) in [
                ("X-authentik-username", "Remote-User"),
                ("X-authentik-groups", "Remote-Groups"),
                ("X-authentik-*", "Remote-*"),
                ("x_authentik_username", "remote_user"),
                ("x_authentik_groups", "remote_groups"),
                (
                    "/outpost.goauthentik.io/auth/nginx",
                    "/api/authz/auth-request",
                ),
                (
                    "/outpost.goauthentik.io/auth/caddy",
                    "/api/authz/forward-auth",
                ),
                (
                    "location /outpost.goauthentik.io ",
                    "location ~ ^/(outpost.goauthentik.io|api/authz)/ ",
                ),
            ] {
                text = text.replace(name, own);
            }
        }
        text
    }
}

impl Outpost {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let state = Arc::new(State {
            manner,
            ..State::default()
        });
        let shared = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let state = Arc::clone(&state);
                        async move { Ok::<_, Infallible>(state.answer(request).await) }
                    });
                    let io = TokioIo::new(stream);
                    let _ = http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
        Self {
            addr,
            state,
            accepting: accepting.abort_handle(),
        }
    }

    pub(crate) fn manner(&self) -> Manner {
        self.state.manner
    }

    /// Ends every session of the outpost's; who is signed in gets another without a form.
    pub(crate) fn end_sessions(&self) {
        self.state.outpost.lock().clear();
    }

    /// Signs everybody out.
    pub(crate) fn sign_out(&self) {
        self.state.sign_in.lock().clear();
        self.end_sessions();
    }

    /// The cookie of a session of `user`'s, for a client that is no browser.
    pub(crate) fn cookie_of(&self, user: &str) -> String {
        let value = self.state.value();
        let held = self
            .state
            .outpost
            .lock()
            .insert(value.clone(), user.to_owned());
        assert_eq!(held, None);
        format!("{OUTPOST_COOKIE}={value}")
    }
}

impl Drop for Outpost {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let query = head.uri.query().unwrap_or_default();
        let host = text(&head.headers, &HOST);
        if host.starts_with(SIGN_IN) {
            let body = body.collect().await.map(|body| body.to_bytes());
            let form = body.unwrap_or_default();
            let form =
                (head.method == Method::POST).then(|| String::from_utf8_lossy(&form).into_owned());
            return self.sign_in_page(&host, query, &head.headers, form);
        }
        match path
            .strip_prefix(PREFIX)
            .or(path.strip_prefix("/api/authz/"))
        {
            // Each kind of proxy has an end point of its own there.
            Some("auth/traefik" | "auth/caddy" | "forward-auth") => {
                self.forward_auth(&head.headers, StatusCode::FOUND)
            }
            Some("auth/nginx" | "auth-request") => {
                self.forward_auth(&head.headers, StatusCode::UNAUTHORIZED)
            }
            Some("start") => {
                let host = host.replacen(APPLICATION, SIGN_IN, 1);
                redirect(&format!("https://{host}/login?{query}"))
            }
            Some("callback") => self.callback(query),
            _ => page(StatusCode::OK, ERROR_PAGE),
        }
    }

    /// Whether a request of an application's may pass, and whose it is.
    fn forward_auth(&self, headers: &HeaderMap, refusal: StatusCode) -> Answer {
        let cookie = cookie(headers, OUTPOST_COOKIE);
        let user = self.outpost.lock().get(&cookie).cloned();
        if let Some(user) = user {
            let mut answer = page(StatusCode::OK, "");
            let name = user.split('@').next().unwrap_or_default();
            let [username, email, display_name, groups] = self.manner.fields();
            for (field, value) in [
                (username, user.as_str()),
                (email, &format!("{name}@example.org")),
                (display_name, "Ada Lövelace"),
                (groups, self.manner.groups()),
                ("x-authentik-uid", "7c1e6f"),
                ("set-cookie", &session_cookie(&cookie)),
            ] {
                let name = HeaderName::from_static(field);
                let value = http::HeaderValue::from_bytes(value.as_bytes());
                answer.headers_mut().append(name, value.expect("a value"));
            }
            return answer;
        }
        let of = |name: &'static str| text(headers, &HeaderName::from_static(name));
        let (host, uri) = (of("x-forwarded-host"), of("x-forwarded-uri"));
        let wanted = encoded(&format!("https://{host}{uri}"));
        let mut answer = redirect(&format!("https://{host}{PREFIX}start?rd={wanted}"));
        *answer.status_mut() = refusal;
        answer
    }

    /// The form, or the way back for who is signed in.
    fn sign_in_page(
        &self,
        host: &str,
        query: &str,
        headers: &HeaderMap,
        form: Option<String>,
    ) -> Answer {
        let mut cookie = cookie(headers, SIGN_IN_COOKIE);
        let user = form.as_deref().and_then(|form| form.strip_prefix("user="));
        let is_new = user.is_some();
        if let Some(user) = user {
            cookie = self.value();
            let user = decoded(user);
            self.sign_in.lock().insert(cookie.clone(), user);
        }
        if !self.sign_in.lock().contains_key(&cookie) {
            let form = format!(
                "<!doctype html><title>{TITLE}</title><form method=post action='/login?{query}'>\
                <input name=user><button>{TITLE}</button></form>"
            );
            return page(StatusCode::OK, &form);
        }
        let host = host.replacen(SIGN_IN, APPLICATION, 1);
        let mut answer = redirect(&format!(
            "https://{host}{PREFIX}callback?code={cookie}&{query}"
        ));
        if is_new {
            let line = format!("{SIGN_IN_COOKIE}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax");
            let line = line.parse().expect("a value");
            answer.headers_mut().insert(SET_COOKIE, line);
        }
        answer
    }

    fn callback(&self, query: &str) -> Answer {
        let of = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(held, _)| *held == name)
                .map(|(_, value)| value)
        };
        let user = self
            .sign_in
            .lock()
            .get(of("code").unwrap_or_default())
            .cloned();
        let Some(user) = user else {
            return page(StatusCode::BAD_REQUEST, "no such code");
        };
        let value = self.value();
        self.outpost.lock().insert(value.clone(), user);
        let mut answer = redirect(&decoded(of("rd").unwrap_or("/")));
        let line = session_cookie(&value).parse().expect("a value");
        answer.headers_mut().insert(SET_COOKIE, line);
        answer
    }

    fn value(&self) -> String {
        format!("session-{}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }
}

fn session_cookie(value: &str) -> String {
    format!("{OUTPOST_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax")
}

fn page(status: StatusCode, body: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::copy_from_slice(body.as_bytes())));
    *answer.status_mut() = status;
    let html = http::HeaderValue::from_static("text/html; charset=utf-8");
    answer
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, html);
    answer
}

fn redirect(to: &str) -> Answer {
    let mut answer = page(StatusCode::FOUND, "");
    let to = to.parse().expect("a value");
    answer.headers_mut().insert(LOCATION, to);
    answer
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).map(http::HeaderValue::as_bytes);
    String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
}

fn cookie(headers: &HeaderMap, name: &str) -> String {
    let lines = headers.get_all(COOKIE).iter();
    let lines = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned());
    let pairs = lines.collect::<Vec<_>>().join("; ");
    let mut pairs = pairs.split("; ").filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(held, _)| *held == name);
    found.map_or_else(String::new, |(_, value)| value.to_owned())
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let encode = |byte: u8| match plain(&byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.first_chunk::<2>().filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
