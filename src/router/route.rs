//! The route of a request: which part responds to it. Pure.

use http::{Method, Request};
use http_body::Body;

use crate::pairing::policy::{self, RouteKind};
use crate::responses::devices;

/// The part that responds to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The dispatcher, for a probe of itself.
    Health,
    /// The dispatcher, for a probe of t3.
    Ready,
    /// The dispatcher, for a probe's WebSocket, which ends here.
    Probe,
    /// The dispatcher: the probe takes only upgrades.
    NoProbe,
    /// t3; after its 101 the two connections become a tunnel.
    Upgrade,
    /// t3, or the dispatcher with a new session and a redirect to the page.
    Page,
    /// t3, or the dispatcher with the state of a new session.
    OwnSession,
    /// t3, or the dispatcher with the manifest of the home-screen app.
    Manifest,
    /// The dispatcher, for a tab that may have been signed out; t3 where no page has the script that asks.
    Tab(TabPart),
    /// The dispatcher, with the page of a person's devices; t3 where no device can be paired.
    Devices,
    /// t3.
    Forward,
}

/// What a tab of t3's page asks the dispatcher for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TabPart {
    /// Whether its requests still reach t3.
    Alive,
    /// The script that asks.
    Script,
    /// The page that a sign-in in a small window ends at.
    SignedIn,
}

impl Route {
    /// The kind of request that it is to the pairing policy.
    pub fn kind(self) -> RouteKind {
        match self {
            Self::Page => RouteKind::PageLoad,
            Self::OwnSession => RouteKind::SessionQuery,
            Self::Upgrade => RouteKind::Upgrade,
            _ => RouteKind::Other,
        }
    }
}

/// Decides on the fields that would be forwarded; `is_proxied` says whether the forwarded ones are a
/// trusted proxy's.
pub fn of<B: Body>(request: &Request<B>, wants_websocket: bool, is_proxied: bool) -> Route {
    let (method, headers) = (request.method(), request.headers());
    let is_get = matches!(*method, Method::GET | Method::HEAD);
    let is_bodiless = request.body().is_end_stream();
    match request.uri().path() {
        "/healthz" | "/probe/healthz" if is_get => Route::Health,
        "/readyz" if is_get => Route::Ready,
        "/probe/ws" if wants_websocket => Route::Probe,
        "/probe/ws" if is_get => Route::NoProbe,
        _ if wants_websocket => Route::Upgrade,
        "/manifest.webmanifest" if is_get && is_bodiless => Route::Manifest,
        "/dispatcher/alive" if is_get => Route::Tab(TabPart::Alive),
        "/dispatcher/tab.js" if is_get => Route::Tab(TabPart::Script),
        "/dispatcher/signed-in" if is_get => Route::Tab(TabPart::SignedIn),
        devices::PATH => Route::Devices,
        path => match policy::route_kind(method, path, headers, !is_bodiless, is_proxied) {
            RouteKind::PageLoad => Route::Page,
            RouteKind::SessionQuery => Route::OwnSession,
            RouteKind::Upgrade | RouteKind::Other => Route::Forward,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Empty = http_body_util::Empty<bytes::Bytes>;
    use crate::http_rules::{header_map, validation};

    fn request(head: &str) -> (Request<Empty>, bool) {
        let mut lines = head.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let mut builder = Request::builder()
            .method(first.next().unwrap_or_default())
            .uri(first.next().unwrap_or_default());
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            builder = builder.header(name, value);
        }
        let mut request = builder.body(Empty::new()).expect("a test's request");
        let wants = validation::is_asked_for(request.headers());
        header_map::strip_request(request.headers_mut());
        (request, wants)
    }

    const ROUTES: [(&str, Route); 47] = [
        ("GET /healthz", Route::Health),
        ("HEAD /healthz", Route::Health),
        ("GET /healthz?x", Route::Health),
        ("GET /readyz", Route::Ready),
        ("GET /healthz/", Route::Forward),
        ("GET /probe/healthz", Route::Health),
        ("GET /probe/ws", Route::NoProbe),
        (
            "GET /probe/ws\nconnection: upgrade\nupgrade: websocket",
            Route::Probe,
        ),
        ("GET /probe/ws/", Route::Forward),
        ("POST /probe/ws", Route::Forward),
        (
            "GET /api/auth/session\nsec-fetch-site: same-origin\nsec-fetch-dest: empty",
            Route::OwnSession,
        ),
        ("GET /api/auth/session", Route::Forward),
        (
            "GET /api/auth/session\nsec-fetch-site: cross-site",
            Route::Forward,
        ),
        (
            "GET /api/auth/session/\nsec-fetch-site: same-origin",
            Route::Forward,
        ),
        ("GET /manifest.webmanifest", Route::Manifest),
        ("HEAD /manifest.webmanifest?x", Route::Manifest),
        ("POST /manifest.webmanifest", Route::Forward),
        (
            "GET /manifest.webmanifest\naccept: text/html",
            Route::Manifest,
        ),
        ("GET /dispatcher/alive", Route::Tab(TabPart::Alive)),
        ("HEAD /dispatcher/alive?x", Route::Tab(TabPart::Alive)),
        ("GET /dispatcher/tab.js?v=1", Route::Tab(TabPart::Script)),
        (
            "GET /dispatcher/signed-in\nsec-fetch-dest: document\nsec-fetch-site: cross-site",
            Route::Tab(TabPart::SignedIn),
        ),
        ("POST /dispatcher/alive", Route::Forward),
        ("GET /dispatcher/alive/", Route::Forward),
        ("GET //dispatcher/alive", Route::Forward),
        ("GET /dispatcher/../dispatcher/alive", Route::Forward),
        (
            "GET /dispatcher/alive\nconnection: upgrade\nupgrade: websocket",
            Route::Upgrade,
        ),
        ("GET /dispatcher/devices", Route::Devices),
        ("POST /dispatcher/devices?x", Route::Devices),
        ("DELETE /dispatcher/devices", Route::Devices),
        ("GET /dispatcher/devices/", Route::Forward),
        ("GET /dispatcher/%64evices", Route::Forward),
        (
            "GET /dispatcher/devices\nsec-fetch-dest: document\ncookie: t3_session=x",
            Route::Devices,
        ),
        ("GET //healthz", Route::Forward),
        ("POST /healthz", Route::Forward),
        ("GET /\nsec-fetch-dest: document", Route::Page),
        ("GET /t/1?a=b%20c\naccept: text/html", Route::Page),
        (
            "GET /\naccept: text/html\ncookie: t3_session=x",
            Route::Page,
        ),
        ("GET /\naccept: text/html\ncookie: other=x", Route::Page),
        (
            "GET /\naccept: text/html\nauthorization: Bearer x",
            Route::Forward,
        ),
        (
            "GET /\naccept: text/html\nconnection: cookie\ncookie: t3_session=x",
            Route::Page,
        ),
        (
            "GET /assets/index.js\naccept: */*\nsec-fetch-dest: script",
            Route::Forward,
        ),
        ("GET /api/x\nsec-fetch-dest: empty", Route::Forward),
        ("POST /\naccept: text/html", Route::Forward),
        (
            "GET /ws\nconnection: upgrade\nupgrade: websocket",
            Route::Upgrade,
        ),
        (
            "GET /\nsec-fetch-dest: document\naccept: text/html\nconnection: upgrade\nupgrade: websocket",
            Route::Upgrade,
        ),
        (
            "GET /\naccept: text/html\nconnection: upgrade\nupgrade: h2c",
            Route::Page,
        ),
    ];

    #[test]
    fn each_kind_of_request_has_its_route() {
        for (head, expected) in ROUTES {
            let (request, wants) = request(head);
            assert_eq!(of(&request, wants, false), expected, "{head}");
        }
    }
}
