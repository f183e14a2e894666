//! Who may use whom. The table here is the table in ARCHITECTURE.md, and both are what the manifests
//! say; a new arrow is a decision, and shows up as one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// A crate, the crates of ours that it uses, and the libraries that only it may name.
type Row = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Bottom floor first. `tests` may use more, but never a role a role.
const ARROWS: &[Row] = &[
    ("model", &[], &[]),
    ("promql", &["model"], &[]),
    ("proto", &["model"], &["prost-build"]),
    ("archive", &["model"], &["parquet", "object_store"]),
    ("chassis", &["model"], &["hyper", "tracing-subscriber"]),
    ("cluster", &["chassis", "model", "promql", "proto"], &["hashring"]),
    ("gateway", &["chassis", "cluster", "model", "proto"], &[]),
    (
        "ingester",
        &["archive", "chassis", "cluster", "model", "promql", "proto"],
        &["openraft", "rocksdb"],
    ),
    ("querier", &["archive", "chassis", "cluster", "model", "promql", "proto"], &["datafusion"]),
    ("compactor", &["chassis", "model"], &[]),
    ("ruler", &["chassis", "model"], &[]),
    (
        "node",
        &["chassis", "cluster", "compactor", "gateway", "ingester", "model", "querier", "ruler"],
        &["tikv-jemallocator"],
    ),
    ("loadtest", &["model"], &[]),
    ("xtask", &[], &[]),
];

const ROLES: &[&str] = &["gateway", "ingester", "querier", "compactor", "ruler"];

/// Crates that neither await nor do IO; nothing of the runtime may reach them.
const PURE: &[&str] = &["model", "promql", "proto"];

const RUNTIME: &[&str] = &["tokio", "tokio-util", "futures", "axum", "hyper", "tonic"];

/// One crate's manifest, as cargo reads it.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for a normal one.
    kind: Option<String>,
    /// Set for crates of ours.
    path: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Manifest>,
}

/// The manifests of the workspace below `root`.
pub(super) fn manifests(root: &Path) -> Result<Vec<Manifest>> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(root);
    let output = command.output().context("cannot run cargo metadata")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed: {said}");
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot read cargo metadata")?;
    Ok(metadata.packages)
}

pub(super) fn check(manifests: &[Manifest], architecture: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    for manifest in manifests {
        check_arrows(manifest, &mut breaches);
        check_fences(manifest, &mut breaches);
    }
    let written: BTreeSet<String> = ARROWS.iter().map(row_text).collect();
    let shown: BTreeSet<String> =
        architecture.lines().filter(|line| is_row(line)).map(squeeze).collect();
    for row in written.symmetric_difference(&shown) {
        let side = if shown.contains(row) { "tidy's table" } else { "ARCHITECTURE.md" };
        breaches.push(format!("{side} lacks the row {row}"));
    }
    breaches
}

fn check_arrows(manifest: &Manifest, breaches: &mut Vec<String>) {
    let name = manifest.name.as_str();
    let Some((_, allowed, _)) = ARROWS.iter().find(|(krate, ..)| *krate == name) else {
        breaches.push(format!("{name} is not in tidy's table of crates"));
        return;
    };
    let is_ours = |dependency: &&Dependency| dependency.path.is_some();
    let is_test = |dependency: &Dependency| dependency.kind.as_deref() == Some("dev");
    let ours = || manifest.dependencies.iter().filter(is_ours);
    let used: BTreeSet<&str> =
        ours().filter(|dep| !is_test(dep)).map(|dep| dep.name.as_str()).collect();
    let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
    for extra in used.difference(&allowed) {
        breaches.push(format!("{name} depends on {extra}; the table has no such arrow"));
    }
    for lacking in allowed.difference(&used) {
        breaches.push(format!("the table has the arrow {name} → {lacking}; the manifest has not"));
    }
    for dependency in ours() {
        let other = dependency.name.as_str();
        if ROLES.contains(&name) && ROLES.contains(&other) {
            breaches.push(format!("{name} depends on {other}: no role knows another"));
        }
    }
    if PURE.contains(&name) {
        let runtime = manifest.dependencies.iter().filter(|dep| !is_test(dep));
        for dependency in runtime.filter(|dep| RUNTIME.contains(&dep.name.as_str())) {
            breaches.push(format!("{name} is pure and may not name {}", dependency.name));
        }
    }
}

fn check_fences(manifest: &Manifest, breaches: &mut Vec<String>) {
    for (owner, _, fenced) in ARROWS {
        for dependency in &manifest.dependencies {
            let library = dependency.name.as_str();
            if fenced.contains(&library) && manifest.name != *owner {
                let name = &manifest.name;
                breaches.push(format!("{name} names {library}, which only {owner} may name"));
            }
        }
    }
}

/// A row as it stands in ARCHITECTURE.md.
fn row_text((name, uses, fenced): &Row) -> String {
    let code = |names: &[&str], between: &str| {
        names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
    };
    squeeze(&format!("| `{name}` | {} | {} |", code(uses, " "), code(fenced, ", ")))
}

fn is_row(line: &str) -> bool {
    let name = line.strip_prefix("| `").and_then(|rest| rest.split_once("` |"));
    name.is_some_and(|(name, _)| ARROWS.iter().any(|(krate, ..)| *krate == name))
}

/// With single spaces, so that a table may be laid out as one likes.
fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str, dependencies: &[(&str, Option<&str>, bool)]) -> Manifest {
        let dependencies = dependencies.iter().map(|(name, kind, is_ours)| Dependency {
            name: (*name).to_owned(),
            kind: kind.map(str::to_owned),
            path: is_ours.then(String::new),
        });
        Manifest { name: name.to_owned(), dependencies: dependencies.collect() }
    }

    fn breaches(manifest: Manifest) -> Vec<String> {
        let table: String = ARROWS.iter().map(|row| row_text(row) + "\n").collect();
        check(&[manifest], &table)
    }

    #[test]
    fn an_arrow_or_a_library_out_of_place_is_named() {
        let ruler = manifest(
            "ruler",
            &[("model", None, true), ("chassis", None, true), ("querier", None, true)],
        );
        let expected = [
            "ruler depends on querier; the table has no such arrow",
            "ruler depends on querier: no role knows another",
        ];
        assert_eq!(breaches(ruler), expected);
        let model = manifest("model", &[("rocksdb", Some("dev"), false), ("tokio", None, false)]);
        let expected = [
            "model is pure and may not name tokio",
            "model names rocksdb, which only ingester may name",
        ];
        assert_eq!(breaches(model), expected);
    }

    #[test]
    fn both_tables_must_agree() {
        let table: String = ARROWS.iter().skip(1).map(|row| row_text(row) + "\n").collect();
        assert_eq!(check(&[], &table), ["ARCHITECTURE.md lacks the row | `model` | | |"]);
    }
}
