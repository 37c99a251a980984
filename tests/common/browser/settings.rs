//! Settings of a tab: cookies, headers and screen.

use serde_json::{Map, Value, json};

use super::page::Page;

impl Page {
    /// The cookies sent to this page's address, `HttpOnly` ones included.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let mut reply = self.must("Network.getCookies", json!({})).await;
        serde_json::from_value(reply["cookies"].take()).expect("a list of cookies")
    }

    /// Deletes the cookies that this tab shares with the others of its context.
    pub(crate) async fn clear_cookies(&self) {
        self.must("Network.clearBrowserCookies", json!({})).await;
    }

    pub(crate) async fn set_cookie(&self, name: &str, value: &str, url: &str) {
        let params = json!({ "name": name, "value": value, "url": url });
        self.must("Network.setCookie", params).await;
    }

    /// Headers for every request of this tab, a WebSocket's handshake included.
    pub(crate) async fn set_extra_headers(&self, headers: &[(&str, &str)]) {
        let pairs = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).into()));
        let params = json!({ "headers": pairs.collect::<Map<_, _>>() });
        self.must("Network.setExtraHTTPHeaders", params).await;
    }

    pub(crate) async fn set_viewport(&self, width: u32, height: u32, scale: f64, mobile: bool) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile
        });
        self.must("Emulation.setDeviceMetricsOverride", params)
            .await;
        let touch = json!({ "enabled": mobile });
        self.must("Emulation.setTouchEmulationEnabled", touch).await;
    }
}
