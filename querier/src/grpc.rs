//! Where other nodes will ask this querier over gRPC. Nothing yet: on a single node HTTP is the only
//! way in, and the way out to the ingesters is `cluster::IngesterClient`.
