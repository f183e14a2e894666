//! `/api/v1/query` and `/api/v1/query_range`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use model::{Failure, TimestampMs};
use promql::grid::Grid;

use super::form::Form;
use super::limit::{limit_of, warning};
use super::time::{NANOS_PER_MS, read_duration_ns, read_time_ms};
use super::{Door, bad_data, bad_parameter, respond};
use crate::encode::value_body;
use crate::engine::Question;

/// The most points a series may have in an answer, less one.
const POINTS_MAX: i128 = 11_000;

pub(super) async fn instant(State(door): State<Arc<Door>>, request: Request) -> Response {
    respond(ask(&door, request, instant_grid).await)
}

pub(super) async fn range(State(door): State<Arc<Door>>, request: Request) -> Response {
    respond(ask(&door, request, range_grid).await)
}

/// When a query is evaluated, and whether its answer is a matrix over that.
type GridOf = fn(&Door, &Form) -> Result<(Grid, bool), Failure>;

async fn ask(door: &Door, request: Request, grid_of: GridOf) -> Result<Body, Failure> {
    let tenant = door.tenant(request.headers())?;
    let form = Form::read(request).await?;
    let limit = limit_of(&form)?;
    let (grid, is_range) = grid_of(door, &form)?;
    let question = Question {
        tenant,
        grid,
        is_range,
        timeout: timeout(&form)?,
        lookback_ms: lookback(&form)?,
        text: form.take("query"),
    };
    let mut value = door.engine.answer(question).await?;
    let is_cut = limit > 0 && value.truncate(limit);
    value_body(value, if is_cut { warning() } else { &[] })
}

fn instant_grid(door: &Door, form: &Form) -> Result<(Grid, bool), Failure> {
    let at_ms = time_or(form, "time", door.clock.now_ms())?;
    Ok((Grid::instant(at_ms), false))
}

fn range_grid(_door: &Door, form: &Form) -> Result<(Grid, bool), Failure> {
    let time = |name: &'static str| {
        read_time_ms(form.first(name)).map_err(|error| bad_parameter(name, error))
    };
    let (start_ms, end_ms) = (time("start")?, time("end")?);
    if end_ms < start_ms {
        return Err(bad_parameter("end", "end timestamp must not be before start time"));
    }
    let step_ns =
        read_duration_ns(form.first("step")).map_err(|error| bad_parameter("step", error))?;
    let step_ms = step_ns / NANOS_PER_MS;
    if step_ms <= 0 {
        return Err(bad_parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    let range_ns = i128::from(end_ms - start_ms) * i128::from(NANOS_PER_MS);
    if range_ns / i128::from(step_ns) > POINTS_MAX {
        return Err(bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query \
             resolution (?step=XX)",
        ));
    }
    Ok((Grid::range(start_ms, end_ms, step_ms), true))
}

/// The time in parameter `name`, or `default` when there is none.
pub(super) fn time_or(
    form: &Form,
    name: &'static str,
    default: TimestampMs,
) -> Result<TimestampMs, Failure> {
    match form.first(name) {
        "" => Ok(default),
        text => read_time_ms(text).map_err(|error| {
            bad_parameter(name, format_args!("invalid time value for '{name}': {error}"))
        }),
    }
}

fn timeout(form: &Form) -> Result<Option<Duration>, Failure> {
    match form.first("timeout") {
        "" => Ok(None),
        text => {
            let ns = read_duration_ns(text).map_err(|error| bad_parameter("timeout", error))?;
            // A timeout that has passed already is one that passes at once.
            Ok(Some(Duration::from_nanos(u64::try_from(ns).unwrap_or(0))))
        }
    }
}

fn lookback(form: &Form) -> Result<Option<i64>, Failure> {
    match form.first("lookback_delta") {
        "" => Ok(None),
        text => {
            let ns = read_duration_ns(text).map_err(|error| {
                bad_data(format!("error parsing lookback delta duration: {error}"))
            })?;
            Ok(Some(ns / NANOS_PER_MS).filter(|ms| *ms > 0))
        }
    }
}
