//! HTTP servers of a scripted world: they answer as the host `controller`, to `METHOD URL`.
//!
//! Owns: what the faults mean for a request. Must not: open a connection.

use std::sync::Arc;

use super::{Answer, Fault, World};
use crate::clock::Clock;
use crate::http::{Client, HttpError, Limits, Request, Response, Scheme};
use crate::id::HostName;

/// Whoever answers requests in this world.
pub fn client(world: Arc<World>, clock: Arc<dyn Clock>) -> Client {
    Client::new(move |request, limits| {
        let (world, clock) = (Arc::clone(&world), Arc::clone(&clock));
        Box::pin(async move { answer(&world, &*clock, &request, limits).await })
    })
}

async fn answer(world: &World, clock: &dyn Clock, request: &Request, limits: Limits) -> Result<Response, HttpError> {
    let scheme = match request.url.scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    let server = format!("{scheme}://{}", request.url.authority());
    let text = format!("{} {server}{}", request.method, request.url.path);
    let not_sent = |why: &str| HttpError::NotSent {
        server: server.clone(),
        why: why.to_owned(),
        timed_out: false,
    };
    let Some(answer) = world.take(&HostName::controller(), "", &text, clock.now()) else {
        return Err(not_sent("the test has no answer to this request"));
    };
    let limit = request.timeout.unwrap_or(limits.request);
    let endless = matches!(answer.then, Some(Fault::Hang | Fault::NeverReturns));
    if endless || answer.after > limit {
        clock.sleep(limit).await;
        return Err(HttpError::TimedOut {
            server,
            status: None,
            after: limit,
        });
    }
    clock.sleep(answer.after).await;
    match answer.then {
        Some(Fault::Refuse) => Err(not_sent("connection refused")),
        Some(Fault::Cut | Fault::Reboot) => Err(HttpError::Cut {
            server: server.clone(),
            status: None,
            why: "the connection ended".to_owned(),
        }),
        _ => Ok(response(answer)),
    }
}

fn response(answer: Answer) -> Response {
    Response {
        status: answer.status,
        headers: Vec::new(),
        body: answer.stdout.into_bytes(),
    }
}
