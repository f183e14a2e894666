//! The role: builds its parts and hands out its routes. The only wiring of the querier.

use std::sync::Arc;

use chassis::Context;
use cluster::IngesterClient;

use crate::config::{Config, ConfigError};
use crate::engine::Engine;
use crate::http::{self, Door};
use crate::metrics::QuerierMetrics;

/// The querier of one node. Cheap to clone; all clones are the same querier.
#[derive(Debug, Clone)]
pub struct Querier {
    door: Arc<Door>,
}

/// Why a querier cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that it cannot work with.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// DataFusion's runtime does not start.
    #[error("query runtime cannot start: {0}")]
    Runtime(#[from] datafusion::error::DataFusionError),
}

// === impl Querier ===

impl Querier {
    /// A querier that asks `client`; registers its metrics.
    ///
    /// # Errors
    /// When a setting is out of range or DataFusion's runtime does not start.
    pub fn new(
        config: Config,
        context: &Context,
        client: Arc<dyn IngesterClient>,
    ) -> Result<Self, Error> {
        config.validate()?;
        let metrics = Arc::new(QuerierMetrics::default());
        let engine = Engine::new(&config, Arc::clone(&client), Arc::clone(&metrics))?;
        metrics.register(&mut context.metrics.lock(), engine.memory_pool());
        let clock = Arc::clone(&context.clock);
        Ok(Self { door: Arc::new(Door { config, engine, client, clock }) })
    }

    /// The querier's routes: Prometheus' API for queries and labels.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.door))
    }
}
