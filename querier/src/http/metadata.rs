//! `/api/v1/metadata`: type, help and unit of metric families.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use cluster::client::FamilyMetadata;
use model::Failure;

use super::form::Form;
use super::limit::read_integer;
use super::{Door, bad_data, respond};
use crate::encode::text::put_string;
use crate::encode::{data_body, put_comma};

pub(super) async fn metadata(State(door): State<Arc<Door>>, request: Request) -> Response {
    respond(list(&door, request).await)
}

async fn list(door: &Door, request: Request) -> Result<Body, Failure> {
    let tenant = door.tenant(request.headers())?;
    let form = Form::read(request).await?;
    let families_max = count(&form, "limit")?;
    let per_family_max = count(&form, "limit_per_metric")?;
    let family = Some(form.first("metric")).filter(|metric| !metric.is_empty());
    let records = door.client.metadata(&tenant, family).await?;
    let mut families: BTreeMap<&str, Vec<&FamilyMetadata>> = BTreeMap::new();
    for record in &records {
        let family = families.entry(&record.family).or_default();
        if family.len() < per_family_max && !family.contains(&record) {
            family.push(record);
        }
    }
    let body = data_body(&[], |out| {
        out.push(b'{');
        for (i, (family, records)) in families.iter().take(families_max).enumerate() {
            put_comma(out, i);
            put_string(out, family);
            out.push(b':');
            put_records(out, records);
        }
        out.push(b'}');
    });
    Ok(Body::from(body))
}

fn put_records(out: &mut Vec<u8>, records: &[&FamilyMetadata]) {
    out.push(b'[');
    for (i, record) in records.iter().enumerate() {
        put_comma(out, i);
        let fields = [
            (r#"{"type":"#, record.kind),
            (r#","unit":"#, &record.unit),
            (r#","help":"#, &record.help),
        ];
        for (name, value) in fields {
            out.extend_from_slice(name.as_bytes());
            put_string(out, value);
        }
        out.push(b'}');
    }
    out.push(b']');
}

/// The most entries wanted. Prometheus takes anything below 1 as no limit for entries of a family,
/// and anything below 0 for families.
fn count(form: &Form, name: &str) -> Result<usize, Failure> {
    let text = form.first(name);
    if text.is_empty() {
        return Ok(usize::MAX);
    }
    let number = read_integer(text).map_err(|_| bad_data(format!("{name} must be a number")))?;
    let is_unlimited = number < 0 || (number == 0 && name == "limit_per_metric");
    Ok(if is_unlimited { usize::MAX } else { usize::try_from(number).unwrap_or(usize::MAX) })
}
