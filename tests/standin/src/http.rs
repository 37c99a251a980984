//! HTTP/1.1 by hand, so that it can also be done wrong on purpose.

pub(crate) mod answer;
pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod target;
pub(crate) mod wire;
