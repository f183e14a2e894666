//! Cargo.lock: libraries whose types cross our crates come in one version, from one registry.

use std::collections::BTreeMap;

/// With two of these in the tree a value made by one crate does not fit the other; or, for rustls,
/// two stacks of cryptography have to be kept patched.
const SINGLE: &[&str] = &[
    "arrow",
    "arrow-array",
    "arrow-schema",
    "datafusion",
    "object_store",
    "parquet",
    "prost",
    "rustls",
    "tonic",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(lock: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let mut pairs = package.lines().filter_map(|line| line.split_once(" = "));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
        };
        let (Some(name), Some(version)) = (field("name"), field("version")) else { continue };
        versions.entry(name).or_default().push(version);
        if field("source").is_some_and(|source| source != REGISTRY) {
            breaches.push(format!("Cargo.lock: {name} does not come from the public registry"));
        }
    }
    for (name, versions) in versions {
        if SINGLE.contains(&name) && versions.len() > 1 {
            let versions = versions.join(" and ");
            breaches.push(format!("Cargo.lock holds {name} twice: {versions}"));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_version_and_another_registry_are_named() {
        let package = |name: &str, version: &str, source: &str| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\n\n"
            )
        };
        let lock = package("arrow", "59.3.2", REGISTRY)
            + &package("arrow", "60.1.0", REGISTRY)
            + &package("syn", "1.0.0", REGISTRY)
            + &package("syn", "2.0.0", "registry+https://a.example");
        let expected = [
            "Cargo.lock: syn does not come from the public registry",
            "Cargo.lock holds arrow twice: 59.3.2 and 60.1.0",
        ];
        assert_eq!(check(&lock), expected);
    }
}
