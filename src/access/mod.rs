//! The door: who a request is from, whether that one is paired, and what it may take along.

pub mod browser;
pub mod forwarded;
pub mod identity;
pub mod secret_file;
pub mod withheld;

use std::borrow::Cow;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, StatusCode};
use ipnet::IpNet;
use tracing::warn;

use crate::access::browser::Browser;
use crate::access::secret_file::SecretFile;
use crate::access::withheld::SECRET_HEADER;
use crate::config::options::AccessConfig;
use crate::http_rules::header_view::Fields;

/// The door of the pod.
#[derive(Debug)]
pub struct Door {
    config: AccessConfig,
    secret: Option<SecretFile>,
    has_warned: AtomicBool,
}

/// Who a request is from.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The browser, and the person if one is known.
    pub browser: Browser,
    /// What that one may have.
    pub standing: Standing,
    /// Did it speak https to the believed proxy?
    pub is_https: bool,
}

/// What the fields of a request say of who sent it.
#[derive(Debug)]
pub struct Look<'a> {
    /// Is what the peer says of others to be believed?
    pub is_believed: bool,
    /// The person, where the peer is believed and names one.
    pub identity: Option<Cow<'a, str>>,
    /// What the visitor may have.
    pub standing: Standing,
    /// Did the visitor speak https to the believed proxy?
    pub is_https: bool,
}

/// What a visitor may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A session of its own.
    Welcome,
    /// What t3 gives to anyone.
    Stranger,
    /// Nothing: it is known, and not on the list.
    Barred,
}

impl Door {
    /// A door as `config` says.
    ///
    /// # Errors
    /// Where the file of the door's secret cannot be read.
    pub fn new(config: AccessConfig) -> io::Result<Self> {
        let secret = config.secret_file.as_deref();
        let secret = secret.map(SecretFile::open).transpose()?;
        Ok(Self {
            config,
            secret,
            has_warned: AtomicBool::new(false),
        })
    }

    /// Looks at who sent `fields` from `peer`.
    pub fn look<'a>(&'a self, fields: &'a (impl Fields + ?Sized), peer: IpAddr) -> Look<'a> {
        let is_believed = self.believes(fields, peer);
        let identity = self.config.identity_header.as_ref();
        let identity = identity
            .filter(|_| is_believed)
            .and_then(|name| identity::stated(fields, name));
        Look {
            is_believed,
            standing: self.standing(identity.as_deref(), peer),
            is_https: is_believed && forwarded::is_https(fields),
            identity,
        }
    }

    /// Looks at who sent `headers` from `peer`, and leaves in them what may go on to t3.
    pub fn admit(&self, headers: &mut HeaderMap, peer: IpAddr) -> Visitor {
        let Look {
            is_believed,
            identity,
            standing,
            is_https,
        } = self.look(headers, peer);
        let believed = self.config.trusted_proxies.as_deref().unwrap_or_default();
        let visitor = Visitor {
            standing,
            is_https,
            browser: Browser {
                identity: identity.as_deref().map(Arc::from),
                user_agent: headers.get(USER_AGENT).cloned(),
                address: match is_believed {
                    true => forwarded::client(headers, peer, believed),
                    false => peer,
                },
            },
        };
        withheld::strip(headers, self.config.identity_header.as_ref());
        match is_believed {
            true => forwarded::append(headers, peer),
            false => forwarded::replace(headers, peer),
        }
        visitor
    }

    /// The field by which single sign-on says who somebody is.
    pub fn identity_header(&self) -> Option<&HeaderName> {
        self.config.identity_header.as_ref()
    }

    /// Is an upgrade from a page of another origin refused? It is once single sign-on lets a
    /// browser's requests through by a cookie: t3 itself checks no origin (CWE-1385).
    pub fn refuses_foreign_upgrades(&self) -> bool {
        self.config.identity_header.is_some()
    }

    /// The status of the page for a person who waits.
    pub fn waiting_status(&self) -> StatusCode {
        self.config.waiting_status
    }

    /// Says once what to configure, when somebody would have been paired.
    pub fn explain_stranger(&self, peer: IpAddr) {
        if self.config.identity_header.is_none() && !self.has_warned.swap(true, Ordering::Relaxed) {
            warn!(
                %peer,
                "a page load from another machine is not paired: set DISPATCHER_IDENTITY_HEADER \
                 to the header by which single sign-on says who it let through"
            );
        }
    }

    /// Is what the peer says of others to be believed? It must be one of the trusted proxies, or
    /// any peer where an identity header was configured without them, and bring the secret where
    /// there is one.
    fn believes(&self, fields: &(impl Fields + ?Sized), peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let is_proxy = match &self.config.trusted_proxies {
            Some(networks) => networks
                .iter()
                .any(|network: &IpNet| network.contains(&peer)),
            None => self.config.identity_header.is_some(),
        };
        is_proxy && self.brings_secret(fields)
    }

    fn brings_secret(&self, fields: &(impl Fields + ?Sized)) -> bool {
        let Some(secret) = &self.secret else {
            return true;
        };
        let offered = fields.single(&SECRET_HEADER);
        offered.is_some_and(|offered| secret.is(offered))
    }

    fn standing(&self, identity: Option<&str>, peer: IpAddr) -> Standing {
        match (identity, &self.config.identity_header) {
            (Some(identity), _) => match &self.config.allowed_users {
                Some(list) if !identity::is_listed(identity, list) => Standing::Barred,
                _ => Standing::Welcome,
            },
            (None, None) if peer.to_canonical().is_loopback() => Standing::Welcome,
            (None, _) => Standing::Stranger,
        }
    }
}

impl Visitor {
    /// The person's name, or the browser's address: by which its tunnels are counted.
    pub fn owner(&self) -> Cow<'_, str> {
        match &self.browser.identity {
            Some(identity) => Cow::Borrowed(identity),
            None => Cow::Owned(self.browser.address.to_string()),
        }
    }
}
