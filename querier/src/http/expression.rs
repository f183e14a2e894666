//! `/api/v1/format_query` and `/api/v1/parse_query`: what a text says, whatever data there is.
//!
//! Both take the whole language, also what this version does not execute yet.

use std::io::Write as _;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use model::Failure;
use promql::ast::Expr;
use promql::json::describe;
use promql::parse::{ParseOptions, parse};
use promql::pretty::Pretty;

use super::form::Form;
use super::{bad_parameter, respond};
use crate::encode::data_body;
use crate::encode::text::put_string;

pub(super) async fn format(request: Request) -> Response {
    respond(read(request).await.map(|expr| {
        let text = Pretty::new(&expr).to_string();
        Body::from(data_body(&[], |out| put_string(out, &text)))
    }))
}

pub(super) async fn describe_tree(request: Request) -> Response {
    respond(read(request).await.map(|expr| {
        let tree = describe(&expr);
        Body::from(data_body(&[], |out| {
            write!(out, "{tree}").expect("a vector takes whatever is written to it");
        }))
    }))
}

async fn read(request: Request) -> Result<Expr, Failure> {
    let form = Form::read(request).await?;
    parse(form.first("query"), &ParseOptions::default())
        .map_err(|errors| bad_parameter("query", errors))
}
