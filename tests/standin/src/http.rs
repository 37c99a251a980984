//! HTTP/1.1 without a library, so that it can also be violated on purpose.

pub(crate) mod body;
pub(crate) mod coding;
pub(crate) mod form;
pub(crate) mod head;
pub(crate) mod response;
pub(crate) mod target;
pub(crate) mod wire;
