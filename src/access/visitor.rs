//! Who a request is from, and what that one may have.

use std::borrow::Cow;

use crate::access::identity::Browser;
use crate::http_rules::gates::GateCredentials;

/// Who a request is from.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The browser, and the person if one is known.
    pub browser: Browser,
    /// What it may have.
    pub standing: Standing,
    /// Did a trusted proxy send its request on, whose forwarded fields count?
    pub is_proxied: bool,
    /// Did it speak https to the trusted proxy?
    pub is_https: bool,
}

/// What the fields of a request say of who sent it.
#[derive(Debug)]
pub struct Assessment<'a> {
    /// Is the peer a trusted proxy, whose word on clients counts?
    pub is_trusted: bool,
    /// The person, where the peer is trusted and names one.
    pub identity: Option<Cow<'a, str>>,
    /// What the visitor may have.
    pub standing: Standing,
    /// Did the visitor speak https to the trusted proxy?
    pub is_https: bool,
    /// Which `Authorization` is that of the gate which named the person.
    pub gate_credentials: GateCredentials,
}

/// What a visitor may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A session of t3.
    Allowed,
    /// Nothing is known of it: it gets what t3 gives to anyone.
    Unidentified,
    /// The person is known, and not on the list: it gets nothing.
    Denied,
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
