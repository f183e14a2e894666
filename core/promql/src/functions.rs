//! The function table: names, signatures and what each is called in Prometheus.

/// One PromQL function.
#[derive(Debug, PartialEq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
}
