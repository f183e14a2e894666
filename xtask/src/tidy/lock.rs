//! Cargo.lock: libraries whose types cross our crates come in one version, from one registry.

use std::collections::BTreeMap;

/// With two of these in the tree a value made by one crate does not fit the other; or, for rustls,
/// two stacks of cryptography have to be kept patched.
const SINGLE: &[&str] = &[
    "arrow",
    "arrow-array",
    "arrow-buffer",
    "arrow-schema",
    "axum",
    "datafusion",
    "object_store",
    "openraft",
    "parquet",
    "prost",
    "rocksdb",
    "rustls",
    "tonic",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(lock: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut versions: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    let mut line = 1;
    let mut packages = lock.split("[[package]]\n");
    line += packages.next().map_or(0, |head| head.lines().count());
    for package in packages {
        // The name stands below the heading of its package.
        let number = line + 1;
        line += 1 + package.lines().count();
        let field = |name: &str| {
            let mut pairs = package.lines().filter_map(|line| line.split_once(" = "));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
        };
        let (Some(name), Some(version)) = (field("name"), field("version")) else { continue };
        versions.entry(name).or_default().push((version, number));
        if field("source").is_some_and(|source| source != REGISTRY) {
            breaches.push(format!(
                "Cargo.lock:{number}: {name} does not come from the public registry; take it from there"
            ));
        }
    }
    for (name, versions) in versions.iter().filter(|(name, _)| SINGLE.contains(*name)) {
        for (version, number) in versions.iter().skip(1) {
            let first = versions[0].0;
            breaches.push(format!(
                "Cargo.lock:{number}: {name} {version} beside {first}; `cargo tree --invert \
                 {name}@{version}` shows who wants it, agree on one"
            ));
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
            "Cargo.lock:17: syn does not come from the public registry; take it from there",
            "Cargo.lock:7: arrow 60.1.0 beside 59.3.2; `cargo tree --invert arrow@60.1.0` shows \
             who wants it, agree on one",
        ];
        assert_eq!(check(&lock), expected);
    }
}
