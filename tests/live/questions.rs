//! The questions that the real t3 and its stand-in are both asked.

/// A request: its head, the lines separated by `\n`, and its body. What is in braces is of the t3 that is asked.
pub(crate) struct Question {
    pub(crate) head: &'static str,
    pub(crate) body: &'static str,
}

const fn ask(head: &'static str) -> Question {
    Question { head, body: "" }
}

const fn post(head: &'static str, body: &'static str) -> Question {
    Question { head, body }
}

pub(crate) const STATIC_FILES: &[Question] = &[
    ask("GET /"),
    ask("HEAD /"),
    ask("GET /\nIf-None-Match: *"),
    ask("GET /\nAccept-Encoding: gzip, br"),
    ask("GET /nowhere/at/all"),
    ask("GET /health"),
    ask("GET /attachments/x\nCookie: {cookie}"),
    ask("GET /api/project-favicon?cwd=/"),
    ask("GET /assets/missing-12345678.js"),
    ask("GET /..%2fx"),
    ask("GET {script}"),
    ask("HEAD {script}"),
    ask("GET {script}\nAccept-Encoding: identity"),
    ask("GET {script}\nAccept-Encoding: gzip;q=1, br;q=0.1"),
    ask("GET {script}\nAccept-Encoding: br;q=0, gzip;q=0.5"),
    ask("GET {script}\nAccept-Encoding: zstd, deflate"),
    ask("HEAD {script}\nAccept-Encoding: br"),
    ask("GET {script}\nIf-None-Match: {etag}"),
    ask("HEAD {script}\nIf-None-Match: \"x\", {etag}"),
    ask("GET {script}\nIf-None-Match: *\nAccept-Encoding: br"),
    ask("GET {script}\nIf-None-Match: \"x\"\nIf-Modified-Since: {modified}"),
    ask("GET {script}\nIf-Modified-Since: {modified}"),
    ask("GET {script}\nIf-Modified-Since: Sun, 29 Nov 2020 02:53:00 GMT"),
    ask("GET {script}\nRange: bytes=0-9"),
    ask("GET /favicon.ico\nAccept-Encoding: br"),
    ask("GET /apple-touch-icon.png\nIf-None-Match: *"),
    ask("GET /manifest.webmanifest\nAccept-Encoding: br"),
    ask("POST {script}"),
];

pub(crate) const API: &[Question] = &[
    ask("GET /.well-known/t3/environment"),
    ask("HEAD /.well-known/t3/environment"),
    ask("GET /.well-known/oauth-protected-resource"),
    ask("GET /api/auth/session"),
    ask("GET /api/auth/session\nCookie: {cookie}"),
    ask("HEAD /api/auth/session\nCookie: {cookie}"),
    ask("GET /api/auth/session\nAuthorization: Bearer {admin}"),
    ask("GET /api/auth/session\nCookie: {name}={admin}"),
    ask("GET /api/auth/session\nCookie: t3_session={admin}"),
    ask("GET /api/auth/session\nCookie: {name}=bad; {cookie}"),
    ask("GET /api/auth/session\nCookie: {name}=bad\nAuthorization: Bearer {admin}"),
    ask("GET /api/orchestration/shell"),
    ask("GET /api/orchestration/shell\nCookie: {cookie}"),
    ask("GET /api/orchestration/snapshot\nCookie: {cookie}"),
    ask("GET /api/orchestration/threads/x"),
    ask("GET /api/orchestration/threads/x\nAuthorization: Bearer {admin}"),
    ask("GET /api/orchestration/threads/x\nAuthorization: Bearer {stranger}"),
    ask("GET /api/orchestration/threads/x/bounded\nAuthorization: Bearer {admin}"),
    ask("GET /api/orchestration/shell\nAuthorization: Bearer {guest}"),
    ask("GET /api/orchestration/shell\nAuthorization: Bearer {stranger}"),
    ask("GET /api/projects\nAuthorization: Bearer {admin}"),
    post("POST /api/pull-requests/diff", "{}"),
    post(
        "POST /api/pull-requests/diff\nAuthorization: Bearer {guest}",
        "{}",
    ),
    ask("GET /api/preview-stream/download\nAuthorization: Bearer {admin}"),
    ask("GET /api/preview-stream/ws\n{handshake}\nAuthorization: Bearer {admin}"),
    post(
        "POST /api/preview-stream/upload\nAuthorization: Bearer {admin}",
        "x",
    ),
    ask("GET /api/device-hub"),
    ask("GET /api/device-hub/x\nAuthorization: Bearer {admin}"),
    ask("GET /api/device-hub/api/devices"),
    ask("GET /api/device-hub/api/devices?wsTicket=bad\nAuthorization: Bearer {admin}"),
    ask("GET /api/device-hub/api/devices\nAuthorization: Bearer {guest}"),
    ask("GET /api/device-hub/api/devices\nAuthorization: Bearer {stranger}"),
    ask("GET /api/assets/none/none"),
    ask("GET /api/assets/none"),
    post("POST /api/attachments/upload/none.none", "x"),
    ask("GET /mcp"),
    ask("OPTIONS /api/auth/session\nOrigin: http://x\nAccess-Control-Request-Method: POST"),
    ask(
        "OPTIONS /oauth/token\nOrigin: t3code://app\nAccess-Control-Request-Method: POST\nAccess-Control-Request-Headers: authorization",
    ),
    ask("OPTIONS /api/orchestration/shell\nAuthorization: Bearer {admin}"),
    ask("POST /nowhere"),
    ask("PUT /nowhere"),
    ask("DELETE /nowhere"),
    ask("TRACE /nowhere"),
    ask("POST /api/auth/logout\nCookie: {cookie}"),
    post("POST /api/observability/v1/traces", "{}"),
    post(
        "POST /api/observability/v1/traces\nCookie: {cookie}",
        r#"{"resourceSpans":[]}"#,
    ),
    post("POST /api/connect/link-proof", "{}"),
];

pub(crate) const SESSIONS: &[Question] = &[
    ask("GET /api/auth/clients"),
    ask("GET /api/auth/clients\nCookie: {cookie}"),
    ask("GET /api/auth/clients\nCookie: {name}=bad"),
    ask("GET /api/auth/clients\nAuthorization: Bearer {admin}"),
    ask("GET /api/auth/pairing-links\nCookie: {cookie}"),
    ask("GET /api/auth/pairing-links\nAuthorization: Bearer {admin}"),
    ask("HEAD /api/auth/pairing-links\nAuthorization: Bearer {admin}"),
    post("POST /api/auth/pairing-token", "{}"),
    post("POST /api/auth/pairing-token\nCookie: {cookie}", "{}"),
    post(
        "POST /api/auth/pairing-token\nCookie: {cookie}",
        r#"{"scopes":["nope"]}"#,
    ),
    post(
        "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
        "",
    ),
    post(
        "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
        "{",
    ),
    post(
        "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
        r#"{"scopes":["nope"]}"#,
    ),
    post(
        "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
        r#"{"scopes":[]}"#,
    ),
    post(
        "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
        r#"{"scopes":["access:read","access:read"]}"#,
    ),
    post(
        "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
        r#"{"label":""}"#,
    ),
    post(
        "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}\nContent-Type: text/plain",
        "{}",
    ),
    post(
        "POST /api/auth/pairing-token\nAuthorization: Bearer {admin}",
        r#"{"label":"bob","ttl":"1s"}"#,
    ),
    post(
        "POST /api/auth/pairing-links/revoke\nCookie: {cookie}",
        r#"{"id":"x"}"#,
    ),
    post(
        "POST /api/auth/pairing-links/revoke\nAuthorization: Bearer {admin}",
        r#"{"id":"x"}"#,
    ),
    post(
        "POST /api/auth/pairing-links/revoke\nAuthorization: Bearer {admin}",
        "{}",
    ),
    post("POST /api/auth/browser-session", "{"),
    post("POST /api/auth/browser-session", ""),
    post("POST /api/auth/browser-session", "[]"),
    post("POST /api/auth/browser-session", r#"{"credential":""}"#),
    post(
        "POST /api/auth/browser-session",
        r#"{"credential":"63ZRCHFUYSNW"}"#,
    ),
    post(
        "POST /api/auth/browser-session\nContent-Type: application/x-www-form-urlencoded",
        "credential=x",
    ),
    post(
        "POST /api/auth/browser-session/\nCookie: {cookie}",
        r#"{"credential":" {credential} "}"#,
    ),
    // The exchange has left the session alive whose cookie it carried.
    ask("GET /api/auth/session\nCookie: {cookie}"),
    ask("GET /api/auth/clients\nAuthorization: Bearer {admin}"),
    ask("POST /api/auth/websocket-ticket"),
    ask("POST /api/auth/websocket-ticket\nCookie: {cookie}"),
    post("POST /oauth/token", "{}"),
    post(
        "POST /oauth/token\nContent-Type: application/x-www-form-urlencoded",
        "a=b",
    ),
    post(
        "POST /oauth/token\nContent-Type: application/x-www-form-urlencoded",
        "{form}&subject_token=63ZRCHFUYSNW",
    ),
    post(
        "POST /oauth/token\nContent-Type: application/x-www-form-urlencoded",
        "{form}&subject_token={credential}&scope=nope",
    ),
    post(
        "POST /oauth/token\nContent-Type: application/x-www-form-urlencoded",
        "{form}&subject_token={credential}&scope=relay:write",
    ),
    post(
        "POST /oauth/token\nContent-Type: application/x-www-form-urlencoded\nDPoP: x",
        "{form}&subject_token={credential}",
    ),
    post(
        "POST /oauth/token\nContent-Type: application/x-www-form-urlencoded\nUser-Agent: Telephone",
        "{form}&subject_token={credential}&client_label=phone&client_device_type=mobile&client_os=iOS",
    ),
    post(
        "POST /api/auth/clients/revoke\nCookie: {cookie}",
        r#"{"sessionId":"x"}"#,
    ),
    post(
        "POST /api/auth/clients/revoke\nAuthorization: Bearer {admin}",
        r#"{"sessionId":"{own}"}"#,
    ),
    post(
        "POST /api/auth/clients/revoke\nAuthorization: Bearer {admin}",
        r#"{"sessionId":"x"}"#,
    ),
    post(
        "POST /api/auth/clients/revoke-others\nAuthorization: Bearer {admin}",
        "",
    ),
    ask("GET /api/auth/session\nCookie: {cookie}"),
    ask("GET /ws\n{handshake}\nCookie: {cookie}"),
];

/// None that wedges the real one, which a bad handshake with a session does (contract §7).
pub(crate) const SOCKETS: &[Question] = &[
    ask("GET /ws"),
    ask("GET /ws\nCookie: {cookie}"),
    ask("HEAD /ws\nCookie: {cookie}"),
    ask("GET /ws\n{handshake}"),
    ask("GET /ws\n{handshake}\nSec-WebSocket-Protocol: a, a"),
    ask("GET /ws\n{handshake}\nCookie: {name}=bad"),
    ask("GET /ws\n{handshake}\nCookie: {cookie}"),
    ask("GET /ws/?orchestrationProtocol=2\n{handshake}\nAuthorization: Bearer {admin}"),
    ask("GET /ws?wsTicket={ticket}\n{handshake}"),
    ask("GET /ws?wsTicket=bad\n{handshake}\nCookie: {cookie}"),
    ask("GET /ws?wsTicket=\n{handshake}\nCookie: {cookie}"),
    ask("GET /ws?wsTicket=%20\n{handshake}"),
    ask(
        "GET /ws\n{handshake}\nCookie: {cookie}\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    ),
    ask(
        "GET /ws\n{handshake}\nCookie: {cookie}\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; server_max_window_bits=10",
    ),
    ask("GET /ws\n{handshake}\nCookie: {cookie}\nSec-WebSocket-Extensions: foo; a=b"),
    ask("GET /ws\n{handshake}\nCookie: {cookie}\nSec-WebSocket-Protocol: one, two"),
    ask("GET /\n{handshake}"),
    ask("GET /\nConnection: Upgrade\nUpgrade: h2c"),
    ask("POST /ws\n{handshake}\nCookie: {cookie}"),
];

/// Whole requests, byte for byte, that `\n` and a `Host` are not added to.
pub(crate) const RAW: &[&str] = &[
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET /.well-known/t3/environment HTTP/1.0\r\n\r\n",
    "nonsense\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: t3\r\n bad: folded\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: t3\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: t3\r\nContent-Length: x\r\n\r\n",
    "GET http://t3/.well-known/t3/environment HTTP/1.1\r\nHost: t3\r\n\r\n",
    "POST /nowhere HTTP/1.1\r\nHost: t3\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
];

/// A cookie of so many bytes, the largest that fits and one that does not (contract §7).
pub(crate) const COOKIE_BYTES: [usize; 2] = [16_000, 17_000];
