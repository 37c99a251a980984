//! Who a request says it is from, by the header that single sign-on sets. Pure.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

/// The one non-empty value of `name`; none where it is missing, empty or repeated.
pub fn stated(headers: &HeaderMap, name: &HeaderName) -> Option<Arc<str>> {
    let mut lines = headers.get_all(name).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let stated = String::from_utf8_lossy(line.as_bytes());
    let stated = stated.trim();
    (!stated.is_empty()).then(|| Arc::from(stated))
}
