//! `http`: one request from the control machine.
//!
//! Owns: what counts as answered. Must not: follow redirects or judge the status (`expect` does; without one, 2xx is success).

use super::{Done, End, Hands, Job};
use crate::http::{Body, HttpError, Limits, Request, Url};
use crate::plan::Value;
use crate::secret::Secret;
use crate::transport::{Sink, Stream};

pub(super) async fn send(
    job: &Job,
    method: &str,
    url: &str,
    headers: &[(String, Secret)],
    body: Option<&Secret>,
    hands: &Hands,
    sink: &mut dyn Sink,
) -> Done {
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(error) => return Done::end(End::Failed(error.to_string())),
    };
    let mut request = Request::new(method, url);
    request.headers = headers.to_vec();
    request.body = body.map(|b| Body::Text(b.clone()));
    request.timeout = Some(job.timeout);
    let answer = match hands.http.send(request, Limits::default()).await {
        Ok(answer) => answer,
        Err(error) => return Done::end(no_answer(job, &error)),
    };
    sink.take(Stream::Out, &answer.body);
    let mut done = Done::end(End::Good);
    done.more
        .insert("status".to_owned(), Value::Int(i64::from(answer.status)));
    let headers = answer
        .headers
        .iter()
        .map(|(k, v)| (k.clone(), Value::Text(v.clone())))
        .collect();
    done.more.insert("headers".to_owned(), Value::Map(headers));
    if let Ok(json) = serde_json::from_slice::<Value>(&answer.body) {
        done.more.insert("json".to_owned(), json);
    }
    done
}

fn no_answer(job: &Job, error: &HttpError) -> End {
    if job.changes && error.may_have_acted() {
        return End::Unknown {
            why: error.to_string(),
            stopped: false,
        };
    }
    match error {
        HttpError::NotSent { timed_out: false, .. } => End::Unreachable(error.to_string()),
        HttpError::NotSent { .. } | HttpError::TimedOut { .. } => End::TimedOut,
        _ => End::Failed(error.to_string()),
    }
}
