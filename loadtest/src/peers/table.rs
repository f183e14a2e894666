//! Prints figures and ratios as one Markdown table.

use std::io::Write;

use crate::peers::Figures;
use crate::peers::writes::{WriteFigure, WriteLoad};
use crate::server::Product;

const PRODUCTS: [Product; 3] = [Product::Prometheus, Product::VictoriaMetrics, Product::Varve];
const LOADS: [WriteLoad; 3] = [WriteLoad::New, WriteLoad::Steady, WriteLoad::Million];

/// Which of two figures is the better one.
#[derive(Debug, Clone, Copy)]
enum Better {
    Less,
    More,
}

/// A measured quantity of a write load: its name, which direction is better, how to read it.
type Quantity = (&'static str, Better, fn(&WriteFigure) -> f64);

const QUANTITIES: [Quantity; 6] = [
    ("server CPU, µs a sample", Better::Less, |figure| figure.cpu_us_per_sample),
    ("k samples/s", Better::More, |figure| figure.samples_per_second / 1e3),
    ("ack p99, ms", Better::Less, |figure| figure.ack_p99_ms),
    ("peak memory, MB", Better::Less, |figure| figure.peak_bytes as f64 / 1e6),
    ("bytes on disk a sample", Better::Less, |figure| figure.disk_bytes_per_sample),
    ("ready after kill -9, s", Better::Less, |figure| figure.ready_after_kill_s),
];

/// Prints everything measured; the last column is Varve over the better peer.
///
/// # Errors
/// The output is closed.
pub fn print(figures: &Figures, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "| | Prometheus | VictoriaMetrics | Varve | Varve ÷ better peer |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for load in LOADS {
        let of_load = |product| {
            figures.writes.iter().find(|figure| figure.product == product && figure.load == load)
        };
        if PRODUCTS.into_iter().all(|product| of_load(product).is_none()) {
            continue;
        }
        for (name, better, read) in QUANTITIES {
            let values = PRODUCTS.map(|product| of_load(product).map(read));
            writeln!(out, "{}", row(&format!("{load}: {name}"), better, values))?;
        }
    }
    let mut names: Vec<&str> = figures.queries.iter().map(|figure| figure.name).collect();
    names.dedup();
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            continue;
        }
        let median = |product| {
            let figure =
                figures.queries.iter().find(|f| f.product == product && f.name == *name)?;
            (figure.status == 200).then_some(figure.median_ms)
        };
        writeln!(out, "{}", row(&format!("{name}, ms"), Better::Less, PRODUCTS.map(median)))?;
    }
    Ok(())
}

fn row(name: &str, better: Better, values: [Option<f64>; 3]) -> String {
    let [prometheus, victoria, varve] = values;
    let peer = match better {
        Better::Less => prometheus.into_iter().chain(victoria).reduce(f64::min),
        Better::More => prometheus.into_iter().chain(victoria).reduce(f64::max),
    };
    let ratio = varve.zip(peer).map(|(ours, theirs)| ours / theirs);
    let [a, b, c] = values.map(cell);
    format!("| {name} | {a} | {b} | {c} | {} |", cell(ratio))
}

/// Three digits that matter; a dash where nothing was measured or the query was refused.
fn cell(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value >= 100.0 => format!("{value:.0}"),
        Some(value) if value >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Better, row};

    #[test]
    fn the_ratio_is_to_the_better_peer() {
        let values = [Some(10.6), Some(3.0), Some(1.0)];
        assert_eq!(row("cpu", Better::Less, values), "| cpu | 10.6 | 3.00 | 1.00 | 0.33 |");
        let values = [Some(120.0), Some(464.0), None];
        assert_eq!(row("rate", Better::More, values), "| rate | 120 | 464 | – | – |");
    }
}
