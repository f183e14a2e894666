//! What lies where: the top level, the floor plan of the roles, names of files.

use std::collections::BTreeSet;

use super::TextFile;

/// Everything that may lie at the root.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "compactor",
    "core",
    "deploy",
    "docs",
    "gateway",
    "ingester",
    "loadtest",
    "node",
    "proto",
    "querier",
    "ruler",
    "rustfmt.toml",
    "xtask",
];

const ROLES: &[&str] = &["gateway", "ingester", "querier", "compactor", "ruler"];

/// The rooms that every house has: whoever knows one role finds the way in all.
const ROOMS: &[&str] = &["lib", "config", "role", "metrics", "http", "grpc"];

/// Names for what has no subject.
const BANNED_FILES: &[&str] =
    &["base", "common", "helper", "helpers", "misc", "mod", "shared", "util", "utils"];

pub(super) fn check(files: &[TextFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    let top: BTreeSet<&str> = files.iter().filter_map(|file| file.path.split('/').next()).collect();
    for name in top.iter().filter(|name| !TOP_LEVEL.contains(name)) {
        breaches
            .push(format!("{name}:1: has no place at the top level; put it into a folder there"));
    }
    for name in TOP_LEVEL.iter().filter(|name| !top.contains(*name)) {
        breaches.push(format!("{name}:1: is missing at the top level"));
    }
    for role in ROLES {
        for room in ROOMS {
            let path = format!("{role}/src/{room}.rs");
            if !files.iter().any(|file| file.path == path) {
                breaches.push(format!("{path}:1: is missing; every role has the same floor plan"));
            }
        }
    }
    for file in files {
        let stem = file.path.rsplit('/').next().and_then(|name| name.strip_suffix(".rs"));
        if let Some(stem) = stem.filter(|stem| BANNED_FILES.contains(stem)) {
            breaches.push(format!("{}:1: {stem} names no subject; name what it holds", file.path));
        }
        if file.path.ends_with("/Cargo.toml") && !file.text.contains("[lints]\nworkspace = true") {
            let remedy = "add `[lints]` with `workspace = true`";
            breaches.push(format!("{}:1: keeps out of the lints; {remedy}", file.path));
        }
    }
    breaches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_out_of_place_is_named() {
        let mut files: Vec<TextFile> = Vec::new();
        let mut add =
            |path: &str| files.push(TextFile { path: path.to_owned(), text: String::new() });
        TOP_LEVEL.iter().skip(1).for_each(|name| add(&format!("{name}/a")));
        for role in ROLES {
            for room in ROOMS.iter().filter(|room| (*role, **room) != ("ruler", "grpc")) {
                add(&format!("{role}/src/{room}.rs"));
            }
        }
        add("node/src/util.rs");
        add("junk/a");
        add("node/Cargo.toml");
        let expected = [
            "junk:1: has no place at the top level; put it into a folder there",
            ".cargo:1: is missing at the top level",
            "ruler/src/grpc.rs:1: is missing; every role has the same floor plan",
            "node/src/util.rs:1: util names no subject; name what it holds",
            "node/Cargo.toml:1: keeps out of the lints; add `[lints]` with `workspace = true`",
        ];
        assert_eq!(check(&files), expected);
    }
}
