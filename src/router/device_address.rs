//! Where a person's apps connect: the address in a pairing link.

use http::header::HOST;

use crate::config::device_options::DeviceConfig;
use crate::http_rules::{HeaderView, forwarded};
use crate::router::context::RequestContext;
use crate::router::instance_router::InstanceRouter;

impl InstanceRouter<'_> {
    /// Where the person's apps connect.
    ///
    /// # Errors
    /// Why no app of that person's can.
    pub(super) fn device_base(
        &self,
        context: &RequestContext<'_>,
        identity: &str,
    ) -> Result<String, &'static str> {
        let (headers, visitor) = (&context.head.headers, &context.visitor);
        let forwarded = forwarded::host(headers).filter(|_| visitor.is_proxied);
        let host = forwarded.or(headers.single(&HOST)).unwrap_or_default();
        let scheme = match visitor.is_https {
            true => "https",
            false => "http",
        };
        let authority = authority(&self.services.devices, identity, host)?;
        Ok(format!("{scheme}://{authority}"))
    }
}

/// The host and the port at which the apps of the person of `identity` connect, where the page's is `page_host`.
fn authority(
    config: &DeviceConfig,
    identity: &str,
    page_host: &[u8],
) -> Result<String, &'static str> {
    if let Some(host) = &config.host {
        let why = "Your name cannot be part of a host name, so that no app can find your T3 Code: ask the administrator \
            for a name of lower-case letters, digits and hyphens.";
        return host.authority_for(identity).ok_or(why);
    }
    let name = without_port(str::from_utf8(page_host).unwrap_or_default());
    let port = config.port.ok_or("No port for apps is set up here.")?;
    Ok(format!("{name}:{port}"))
}

/// `host` without its port; an address stays in its brackets.
fn without_port(host: &str) -> &str {
    let end = match host.rfind(']') {
        Some(bracket) => bracket + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    &host[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::device_host::DeviceHost;

    #[test]
    fn apps_connect_to_the_configured_host_or_to_the_page_s_with_another_port() {
        let config = |host: Option<&str>| DeviceConfig {
            port: Some(8443),
            host: host.map(|host| DeviceHost::parse(host).expect("a host")),
        };
        for (host, page_host, expected) in [
            (None, "t3.test", "t3.test:8443"),
            (None, "t3.test:8080", "t3.test:8443"),
            (None, "192.0.2.1:80", "192.0.2.1:8443"),
            (None, "[::1]", "[::1]:8443"),
            (None, "[::1]:8080", "[::1]:8443"),
            (Some("apps.test"), "t3.test", "apps.test"),
            (Some("apps.test:444"), "t3.test", "apps.test:444"),
            (Some("{user}.t3.test"), "t3.test", "ada.t3.test"),
        ] {
            let found = authority(&config(host), "ada", page_host.as_bytes());
            assert_eq!(found.as_deref(), Ok(expected), "{page_host}");
        }
        let each = config(Some("{user}.t3.test"));
        assert!(authority(&each, "Ada Lovelace", b"t3.test").is_err());
    }
}
