//! Who a request is from, and what that one may have.

use std::borrow::Cow;
use std::sync::Arc;

use crate::access::identity::Browser;
use crate::access::rights::Rights;
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
    /// The groups that single sign-on states of the person, as a dispatcher behind this one is told them.
    pub groups: Option<Box<[u8]>>,
}

/// What the fields of a request say of who sent it.
#[derive(Debug)]
pub struct Assessment<'a> {
    /// Is the peer a trusted proxy, whose word on clients counts?
    pub is_trusted: bool,
    /// The person, where the peer is trusted and names one.
    pub identity: Option<Name<'a>>,
    /// Is there a token that has not been verified, or did not count?
    pub is_unverified: bool,
    /// What the visitor may have.
    pub standing: Standing,
    /// What the person's session may do.
    pub rights: Rights,
    /// Did the visitor speak https to the trusted proxy?
    pub is_https: bool,
    /// Which `Authorization` is that of the gate which named the person.
    pub gate_credentials: GateCredentials,
}

/// Whom a request names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claimed<'a> {
    /// Nobody: nothing names a person, or several things do.
    Nobody,
    /// Nobody as yet: the token has not been verified, or did not count.
    Unverified,
    /// The person of a token that was verified.
    Known(Arc<Person>),
    /// Somebody as a field states it, which is where no signature is needed.
    Stated(Cow<'a, str>),
}

/// The person whom a verified token names.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    /// As the claim has it, in the text of an identity.
    pub(super) stated: Box<str>,
    /// The same without a domain that is taken off.
    pub(super) name: Arc<str>,
    /// The groups that the same token states; `None` if it states nothing of them.
    pub(super) groups: Option<Vec<Box<str>>>,
}

/// The name of a person whom a request names.
#[derive(Debug, Clone)]
pub enum Name<'a> {
    /// As a field of the request states it.
    Stated(Cow<'a, str>),
    /// As a token does that was verified.
    Verified(Arc<Person>),
}

impl Name<'_> {
    /// The same, for as long as it is needed.
    pub fn to_shared(&self) -> Arc<str> {
        match self {
            Self::Stated(name) => Arc::from(&**name),
            Self::Verified(person) => Arc::clone(&person.name),
        }
    }
}

impl std::ops::Deref for Name<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Stated(name) => name,
            Self::Verified(person) => &person.name,
        }
    }
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
