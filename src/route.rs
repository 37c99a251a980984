//! The one decision per request: who answers it. Pure.

use http::{Method, Request, Uri};

use crate::session;

/// Who answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The dispatcher, for a probe.
    Health,
    /// t3, and on its 101 the two sockets become a tunnel.
    Upgrade,
    /// The dispatcher, with a new session and the way back to the page.
    Pair,
    /// t3.
    Forward,
}

/// Who answers: decided on the very fields that would be forwarded.
pub fn of<B>(request: &Request<B>, wants_websocket: bool, cookie_name: &str) -> Route {
    let headers = request.headers();
    if is_health_probe(request.method(), request.uri()) {
        Route::Health
    } else if wants_websocket {
        Route::Upgrade
    } else if session::is_page_load(request.method(), headers)
        && session::session_cookie(headers, cookie_name).is_none()
    {
        Route::Pair
    } else {
        Route::Forward
    }
}

fn is_health_probe(method: &Method, target: &Uri) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && target.path() == "/healthz"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{headers, websocket};

    fn request(head: &str) -> (Request<()>, bool) {
        let mut lines = head.lines();
        let mut first = lines.next().unwrap_or_default().split(' ');
        let mut builder = Request::builder()
            .method(first.next().unwrap_or_default())
            .uri(first.next().unwrap_or_default());
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap_or_default();
            builder = builder.header(name, value);
        }
        let mut request = builder.body(()).expect("a test's request");
        let wants = websocket::asks_for_websocket(request.method(), request.headers());
        headers::strip_request(request.headers_mut());
        (request, wants)
    }

    #[test]
    fn each_kind_of_request_has_its_route() {
        for (head, expected) in [
            ("GET /healthz", Route::Health),
            ("HEAD /healthz", Route::Health),
            ("GET /healthz?x", Route::Health),
            ("GET /healthz/", Route::Forward),
            ("GET //healthz", Route::Forward),
            ("POST /healthz", Route::Forward),
            ("GET /\nsec-fetch-dest: document", Route::Pair),
            ("GET /t/1?a=b%20c\naccept: text/html", Route::Pair),
            (
                "GET /\naccept: text/html\ncookie: t3_session=x",
                Route::Forward,
            ),
            ("GET /\naccept: text/html\ncookie: other=x", Route::Pair),
            (
                "GET /\naccept: text/html\nauthorization: Bearer x",
                Route::Forward,
            ),
            (
                "GET /\naccept: text/html\nconnection: cookie\ncookie: t3_session=x",
                Route::Pair,
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
                Route::Pair,
            ),
        ] {
            let (request, wants) = request(head);
            assert_eq!(
                of(&request, wants, session::DEFAULT_COOKIE_NAME),
                expected,
                "{head}"
            );
        }
    }
}
