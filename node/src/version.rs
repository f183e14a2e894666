//! `varve version`.

use serde::Serialize;

/// The version of this build.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
struct Version {
    name: &'static str,
    version: &'static str,
    os: &'static str,
    arch: &'static str,
}

/// One line for a person, or one JSON object.
pub(crate) fn text(as_json: bool) -> String {
    let version = Version {
        name: "varve",
        version: VERSION,
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
    };
    if as_json {
        return serde_json::to_string(&version).expect("four strings are always JSON");
    }
    format!("{} {} ({}/{})", version.name, version.version, version.os, version.arch)
}
