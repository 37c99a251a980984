//! A view of a message's header by name, whoever parsed it. Pure.

use http::{HeaderMap, HeaderName};

/// The header of one message.
pub trait HeaderView {
    /// The values of the lines called `name`, in their order.
    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]>;

    /// The value of `name`, if it has exactly one line.
    fn single<'a>(&'a self, name: &'a HeaderName) -> Option<&'a [u8]> {
        let mut lines = self.lines(name);
        let line = lines.next()?;
        lines.next().is_none().then_some(line)
    }
}

impl HeaderView for HeaderMap {
    fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(http::HeaderValue::as_bytes)
    }
}
