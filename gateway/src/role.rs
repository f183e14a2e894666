//! The role: builds its parts and hands out its routes. The only wiring of the gateway.

use std::sync::Arc;

use chassis::Context;
use cluster::IngesterClient;
use tokio::sync::Semaphore;

use crate::config::{Config, ConfigError};
use crate::distribute::Distributor;
use crate::http::{self, Door};
use crate::metrics::GatewayMetrics;
use crate::remote_write::labels::LabelLimits;

/// The gateway of one node. Cheap to clone; all clones are the same gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    door: Arc<Door>,
}

/// Why a gateway cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A setting that it cannot work with.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

// === impl Gateway ===

impl Gateway {
    /// A gateway that sends to `client`; registers its metrics.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn new(
        config: Config,
        context: &Context,
        client: Arc<dyn IngesterClient>,
    ) -> Result<Self, Error> {
        config.validate()?;
        let metrics = Arc::new(GatewayMetrics::default());
        let distributor = Arc::new(Distributor::new(
            client,
            config.series_cache_entries_max,
            LabelLimits {
                names_per_series_max: config.label_names_per_series_max,
                name_bytes_max: config.label_name_bytes_max,
                value_bytes_max: config.label_value_bytes_max,
            },
            config.request_samples_max,
            Arc::clone(&metrics),
        ));
        metrics.register(&mut context.metrics.lock(), &distributor);
        let in_flight = Arc::new(Semaphore::new(config.in_flight_bytes_max));
        Ok(Self { door: Arc::new(Door::new(config, distributor, in_flight, metrics)) })
    }

    /// The gateway's routes: remote write under all the paths that senders know.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.door))
    }
}
