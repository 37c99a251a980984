//! A bare proxy of hyper and its pooled client: what the libraries themselves cost.

use std::convert::Infallible;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HeaderName};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, server::conn::http1};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::Failure;

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Proxies every connection until the process ends; upgrades are not its business.
pub(crate) async fn run(listen: u16, upstream: u16) -> Result<(), Failure> {
    let listener = super::listen(listen)?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = client.clone();
        let service = service_fn(move |request| forward(client.clone(), request, upstream));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn forward(
    client: Client<HttpConnector, Incoming>,
    mut request: Request<Incoming>,
    upstream: u16,
) -> Result<Answer, Infallible> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str());
    let uri = format!("http://127.0.0.1:{upstream}{target}");
    *request.uri_mut() = uri.parse::<Uri>().expect("it came as a target");
    request.headers_mut().remove(CONNECTION);
    Ok(match client.request(request).await {
        Ok(mut answer) => {
            answer.headers_mut().remove(CONNECTION);
            answer
                .headers_mut()
                .remove(HeaderName::from_static("keep-alive"));
            answer.map(BodyExt::boxed)
        }
        Err(_) => {
            let body = Empty::new().map_err(|never| match never {});
            let mut answer = Response::new(body.boxed());
            *answer.status_mut() = hyper::StatusCode::BAD_GATEWAY;
            answer
        }
    })
}
