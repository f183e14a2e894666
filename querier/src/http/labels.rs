//! `/api/v1/series`, `/api/v1/labels` and `/api/v1/label/{name}/values`.

use std::convert::identity;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use cluster::client::SeriesRequest;
use model::{Failure, Matcher, TenantId, TimeRange};
use promql::check::selects_all;
use promql::parse::parse_selector;

use super::form::Form;
use super::limit::{limit_of, one_more, truncate};
use super::query::time_or;
use super::{Door, bad_data, bad_parameter, respond};
use crate::encode::{series_body, texts_body};

/// The series that a request is about, and how many entries it wants of them.
struct Scope {
    request: SeriesRequest,
    limit: usize,
}

pub(super) async fn series(State(door): State<Arc<Door>>, request: Request) -> Response {
    respond(list_series(&door, request).await)
}

pub(super) async fn names(State(door): State<Arc<Door>>, request: Request) -> Response {
    respond(list_names(&door, request).await)
}

pub(super) async fn values(
    State(door): State<Arc<Door>>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let answer = match name {
        Ok(Path(name)) => list_values(&door, &name, request).await,
        Err(_) => Err(bad_data("invalid label name: it is not UTF-8")),
    };
    respond(answer)
}

async fn list_series(door: &Door, request: Request) -> Result<Body, Failure> {
    let tenant = door.tenant(request.headers())?;
    let form = Form::read(request).await?;
    if form.all("match[]").next().is_none() {
        return Err(bad_data("no match[] parameter provided"));
    }
    let blame = |failure: Failure| bad_parameter("match[]", failure.message);
    let scope = Scope::read(&form, tenant, blame)?;
    let mut series = door.client.series(scope.request).await?;
    let warnings = truncate(&mut series, scope.limit);
    Ok(Body::from(series_body(&series, warnings)))
}

async fn list_names(door: &Door, request: Request) -> Result<Body, Failure> {
    let tenant = door.tenant(request.headers())?;
    let scope = Scope::read(&Form::read(request).await?, tenant, identity)?;
    let names = door.client.label_names(scope.request).await?;
    Ok(list(names, scope.limit))
}

async fn list_values(door: &Door, name: &str, request: Request) -> Result<Body, Failure> {
    let tenant = door.tenant(request.headers())?;
    let scope = Scope::read(&Form::read(request).await?, tenant, identity)?;
    let values = door.client.label_values(name, scope.request).await?;
    Ok(list(values, scope.limit))
}

fn list(mut texts: Vec<String>, limit: usize) -> Body {
    let warnings = truncate(&mut texts, limit);
    Body::from(texts_body(texts.iter().map(String::as_str), warnings))
}

// === impl Scope ===

impl Scope {
    /// Reads what all three have in common; of a wrong selector, only `/api/v1/series` says in
    /// which parameter it stood.
    fn read(
        form: &Form,
        tenant: TenantId,
        blame: impl Fn(Failure) -> Failure,
    ) -> Result<Self, Failure> {
        let limit = limit_of(form)?;
        let start_ms = time_or(form, "start", TimeRange::ALL.start_ms)?;
        let end_ms = time_or(form, "end", TimeRange::ALL.end_ms)?;
        let matcher_sets = form.all("match[]").map(|text| matchers(text).map_err(&blame));
        let matcher_sets = matcher_sets.collect::<Result<_, Failure>>()?;
        let range = TimeRange::new(start_ms, end_ms);
        let request = SeriesRequest { tenant, matcher_sets, range, limit: one_more(limit) };
        Ok(Self { request, limit })
    }
}

fn matchers(text: &str) -> Result<Vec<Matcher>, Failure> {
    let matchers = parse_selector(text).map_err(|error| bad_data(error.to_string()))?;
    if selects_all(&matchers) {
        return Err(bad_data("match[] must contain at least one non-empty matcher"));
    }
    Ok(matchers)
}
