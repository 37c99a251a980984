//! One tab: navigation, and what it shows.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::devtools::{DevTools, Log, REPLY};

/// How long a page that failed may take to report its state.
const STATE_REPLY: Duration = Duration::from_secs(5);

/// How often the browser is asked for its windows.
const POLL: Duration = Duration::from_millis(20);

const STATE: &str =
    "`${location.href} \"${document.title}\" ${document.body?.innerText.slice(0, 500)}`";

/// Evaluated at each DOM mutation and at an interval for the rest. An expression that throws is not true yet.
const WATCH: &str = "new Promise(resolve => {
    const look = async () => {
        let value;
        try { value = await (EXPRESSION); } catch { return; }
        if (!value) return;
        observer.disconnect(); clearInterval(timer); resolve(value);
    };
    const observer = new MutationObserver(look), timer = setInterval(look, 50);
    observer.observe(document, { attributes: true, childList: true, characterData: true, subtree: true });
    look();
})";

/// A tab. It is closed with its browser at the latest.
pub(crate) struct Page {
    devtools: DevTools,
    context: Value,
    target: Value,
    session: String,
    pub(super) log: Log,
}

impl Page {
    pub(super) async fn open(devtools: &DevTools, context: &Value) -> Self {
        // In a window of its own a tab stays visible.
        let params =
            json!({ "url": "about:blank", "browserContextId": context, "newWindow": true });
        let target = devtools.browser("Target.createTarget", params).await["targetId"].take();
        Self::attach(devtools, context, target).await
    }

    async fn attach(devtools: &DevTools, context: &Value, target: Value) -> Self {
        let params = json!({ "targetId": target, "flatten": true });
        let attached = devtools.browser("Target.attachToTarget", params).await;
        let session = attached["sessionId"]
            .as_str()
            .expect("a session")
            .to_owned();
        let log = devtools.events(&session);
        let (devtools, context) = (devtools.clone(), context.clone());
        let page = Self {
            devtools,
            context,
            target,
            session,
            log,
        };
        for domain in ["Page", "Runtime", "Network", "Log"] {
            page.must(&format!("{domain}.enable"), json!({})).await;
        }
        let focus = json!({ "enabled": true });
        page.must("Emulation.setFocusEmulationEnabled", focus).await;
        page
    }

    /// A second tab with the same cookies.
    pub(crate) async fn sibling(&self) -> Page {
        Page::open(&self.devtools, &self.context).await
    }

    /// The other tabs and windows with the same cookies.
    pub(crate) async fn others(&self) -> Vec<Value> {
        let reply = self.devtools.browser("Target.getTargets", json!({})).await;
        let targets = reply["targetInfos"].as_array().expect("a list");
        let is_other = |target: &&Value| {
            target["type"] == "page"
                && target["browserContextId"] == self.context
                && target["targetId"] != self.target
        };
        let others = targets.iter().filter(is_other);
        others.map(|target| target["targetId"].clone()).collect()
    }

    /// The window that this page has opened, once it is there.
    pub(crate) async fn opened(&self, limit: Duration) -> Page {
        let opened = async {
            loop {
                if let Some(target) = self.others().await.pop() {
                    return target;
                }
                sleep(POLL).await;
            }
        };
        let target = timeout(limit, opened).await.expect("a window is opened");
        Page::attach(&self.devtools, &self.context, target).await
    }

    pub(crate) async fn close(self) {
        let params = json!({ "targetId": self.target });
        self.devtools.browser("Target.closeTarget", params).await;
    }

    /// Any call of the protocol, in this tab's session.
    pub(crate) async fn command(&self, method: &str, params: Value) -> Result<Value, Value> {
        let call = self.devtools.call(Some(&self.session), method, params);
        let late = |_| Err(json!({ "message": format!("no reply in {REPLY:?}") }));
        timeout(REPLY, call).await.unwrap_or_else(late)
    }

    /// A call that has to succeed.
    pub(super) async fn must(&self, method: &str, params: Value) -> Value {
        let result = self.command(method, params).await;
        result.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Returns once the new document, or the one it sends the tab on to, has loaded.
    pub(crate) async fn navigate(&self, url: &str) {
        let seen = self.log.borrow().len();
        let result = self.must("Page.navigate", json!({ "url": url })).await;
        let error = result["errorText"].as_str();
        // For an error status without a body the browser shows a page of its own: a document all the same.
        let failed = error.filter(|error| *error != "net::ERR_HTTP_RESPONSE_CODE_FAILURE");
        assert!(failed.is_none(), "{url}: {failed:?}");
        // Without a loader the document is the same, and only its fragment changed.
        if result["loaderId"].is_string() {
            self.loaded(seen).await;
        }
    }

    pub(crate) async fn reload(&self) {
        let seen = self.log.borrow().len();
        self.must("Page.reload", json!({})).await;
        self.loaded(seen).await;
    }

    async fn loaded(&self, seen: usize) {
        let mut log = self.log.clone();
        let loaded = log.wait_for(|log| {
            let mut since = log[seen..]
                .iter()
                .skip_while(|event| !commits_document(event));
            since.any(|event| event["method"] == "Page.loadEventFired")
        });
        if timeout(REPLY, loaded).await.is_err() {
            panic!("not loaded in {REPLY:?}: {}", self.state().await);
        }
    }

    /// Waits until the expression is truthy, in whichever document the tab shows then; returns its value.
    pub(crate) async fn wait_for(&self, expression: &str, limit: Duration) -> Value {
        let watch = WATCH.replace("EXPRESSION", expression);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            let seen = self.log.borrow().len();
            let mut log = self.log.clone();
            let renewed = log.wait_for(|log| log[seen..].iter().any(starts_document));
            tokio::pin!(renewed);
            let result = tokio::select! {
                result = self.run(&watch) => result,
                _ = &mut renewed => continue,
                () = sleep_until(deadline) => break,
            };
            match result {
                Ok(value) => return value,
                Err(error) if error["exceptionId"].is_u64() => panic!("{expression}: {error}"),
                // The document was replaced: evaluate in the next one.
                Err(_) => drop(timeout_at(deadline, renewed).await),
            }
        }
        panic!(
            "not within {limit:?}: {expression}\nthe page: {}",
            self.state().await
        );
    }

    async fn state(&self) -> Value {
        let state = timeout(STATE_REPLY, self.run(STATE)).await;
        state.map_or("it does not answer".into(), |state| {
            state.unwrap_or_else(|error| error)
        })
    }

    /// The value of an expression, awaited if it is a promise.
    pub(crate) async fn evaluate(&self, expression: &str) -> Value {
        let result = timeout(REPLY, self.run(expression)).await;
        let result = result.unwrap_or_else(|_| panic!("{expression}: not settled in {REPLY:?}"));
        result.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    async fn run(&self, expression: &str) -> Result<Value, Value> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true
        });
        let session = Some(self.session.as_str());
        let mut reply = self
            .devtools
            .call(session, "Runtime.evaluate", params)
            .await?;
        match reply["exceptionDetails"].take() {
            Value::Null => Ok(reply["result"]["value"].take()),
            exception => Err(exception),
        }
    }

    /// A PNG of what the viewport shows.
    pub(crate) async fn screenshot(&self, path: &Path) {
        let reply = self
            .must("Page.captureScreenshot", json!({ "format": "png" }))
            .await;
        let data = reply["data"].as_str().expect("a picture").as_bytes();
        let png = data_encoding::BASE64
            .decode(data)
            .expect("a picture in Base64");
        std::fs::write(path, png).expect("the picture is written");
    }
}

fn starts_document(event: &Value) -> bool {
    let method = &event["method"];
    method == "Page.loadEventFired" || method == "Runtime.executionContextCreated"
}

fn commits_document(event: &Value) -> bool {
    event["method"] == "Page.frameNavigated" && event["params"]["frame"]["parentId"].is_null()
}
