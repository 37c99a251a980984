//! How the engine of an app's origin fetches: what it asks leave for, and what a page may read (Fetch standard).

use super::app::App;
use super::http::{Client, Response};

/// The media type of a form.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// A request by fetch.
#[derive(Debug, Clone, Copy)]
pub struct Fetch<'a> {
    pub method: &'a str,
    pub target: &'a str,
    /// Fields beside those of the engine, each `Name: value`.
    pub fields: &'a [String],
    pub body: &'a [u8],
}

impl App {
    /// A fetch as the engine of its origin makes it, the preflight first where one is due. The page must be allowed to
    /// read the response, whatever it is.
    pub async fn fetch(&self, fetch: &Fetch<'_>) -> Response {
        if let Some(origin) = self.origin {
            self.preflight(origin, fetch).await;
        }
        let (method, target) = (fetch.method, fetch.target);
        let mut head = format!("{method} {target}\n{}", self.engine(true));
        for field in fetch.fields {
            head.push_str(field);
            head.push('\n');
        }
        if !fetch.body.is_empty() || method == "POST" {
            head.push_str(&format!("Content-Length: {}\n", fetch.body.len()));
        }
        let mut client = Client::connect(self.to).await;
        client.send_head(head.trim_end()).await;
        client.send(fetch.body).await;
        let response = client.response(method == "HEAD").await;
        if let Some(origin) = self.origin {
            assert_readable(&response, origin, &format!("{method} {target}"));
        }
        assert_eq!(response.header("set-cookie"), "", "{method} {target}");
        response
    }

    /// Asks for leave, and needs it (Fetch standard, "CORS-preflight fetch").
    async fn preflight(&self, origin: &str, fetch: &Fetch<'_>) {
        let names = fetch.fields.iter().filter_map(|field| unsafe_name(field));
        let names: Vec<_> = names.collect();
        let is_simple = ["GET", "HEAD", "POST"].contains(&fetch.method);
        if names.is_empty() && is_simple {
            return;
        }
        let (method, target) = (fetch.method, fetch.target);
        let mut head = format!(
            "OPTIONS {target}\n{}Access-Control-Request-Method: {method}",
            self.engine(true)
        );
        if !names.is_empty() {
            head.push_str(&format!(
                "\nAccess-Control-Request-Headers: {}",
                names.join(",")
            ));
        }
        let response = Client::connect(self.to).await.exchange(&head).await;
        let of = format!("the preflight of {method} {target}");
        assert!((200..300).contains(&response.status), "{of}: {response:?}");
        assert_readable(&response, origin, &of);
        let allowed = listed(&response, "access-control-allow-methods");
        assert!(
            is_simple || allowed.contains(&method.to_owned()),
            "{of}: {allowed:?}"
        );
        // `*` would not stand for `authorization`.
        let allowed = listed(&response, "access-control-allow-headers");
        for name in names {
            assert!(allowed.contains(&name), "{of}: {name} of {allowed:?}");
        }
    }

    /// The fields that the engine adds, each ended by a line feed.
    pub(super) fn engine(&self, is_fetch: bool) -> String {
        let mut fields = format!("Host: {}\n", self.host);
        if let Some(origin) = self.origin {
            fields.push_str(&format!("Origin: {origin}\n"));
        }
        if is_fetch {
            fields.push_str("Accept: */*\n");
        }
        if is_fetch && self.origin.is_some() {
            fields.push_str(
                "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: cors\nSec-Fetch-Dest: empty\n",
            );
        }
        fields
    }
}

/// May a page of that origin read it, having sent no credentials of the engine's (Fetch standard, "CORS check")?
#[track_caller]
pub fn assert_readable(response: &Response, origin: &str, of: &str) {
    let allowed = response.all("access-control-allow-origin");
    let [allowed] = allowed.as_slice() else {
        panic!("{allowed:?} may read {} to {of}", response.status);
    };
    assert!(allowed == "*" || allowed == origin, "{allowed}: {of}");
}

/// The name of a field that needs leave, in lower case.
fn unsafe_name(field: &str) -> Option<String> {
    let (name, value) = field.split_once(": ")?;
    let name = name.to_ascii_lowercase();
    let is_safe = match name.as_str() {
        "accept" | "accept-language" | "content-language" => true,
        "content-type" => [FORM, "multipart/form-data", "text/plain"]
            .iter()
            .any(|safe| value.starts_with(safe)),
        _ => false,
    };
    (!is_safe).then_some(name)
}

/// What a field lists, as it is written.
fn listed(response: &Response, name: &str) -> Vec<String> {
    let lines = response.all(name);
    let names = lines.iter().flat_map(|line| line.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}
