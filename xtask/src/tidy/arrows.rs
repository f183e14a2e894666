//! Who may use whom. The table here is the table in ARCHITECTURE.md, and both are what the manifests
//! say; a new arrow is a decision, and shows up as one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::TextFile;

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
    ("loadtest", &["model", "promql"], &[]),
    ("xtask", &[], &[]),
];

const ROLES: &[&str] = &["gateway", "ingester", "querier", "compactor", "ruler"];

/// Crates that neither await nor do IO; nothing of the runtime may reach them.
const PURE: &[&str] = &["model", "promql", "proto"];

const RUNTIME: &[&str] = &["tokio", "tokio-util", "futures", "axum", "hyper", "tonic"];

/// The page that shows the table, and the section that holds it.
const PAGE: &str = "ARCHITECTURE.md";
const SECTION: &str = "## Who may use whom";

const DECISION: &str = "that is a decision: write it down in docs/decisions, then add it to \
                        ARCHITECTURE.md and xtask/src/tidy/arrows.rs";

/// One crate's manifest, as cargo reads it.
#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    name: String,
    manifest_path: String,
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
    workspace_root: String,
}

/// The manifests of the workspace below `root`, with paths from there.
pub(super) fn manifests(root: &Path) -> Result<Vec<Manifest>> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(root);
    let output = command.output().context("cannot run cargo metadata")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed: {said}");
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cannot read cargo metadata")?;
    let mut manifests = metadata.packages;
    for manifest in &mut manifests {
        let path = manifest.manifest_path.strip_prefix(&metadata.workspace_root);
        let path = path.map(|path| path.trim_start_matches('/').to_owned());
        manifest.manifest_path = path.context("a crate of ours lies outside of the checkout")?;
    }
    Ok(manifests)
}

pub(super) fn check(manifests: &[Manifest], files: &[TextFile]) -> Vec<String> {
    let mut breaches = Vec::new();
    for manifest in manifests {
        check_arrows(manifest, files, &mut breaches);
        check_fences(manifest, files, &mut breaches);
    }
    check_page(text_of(files, PAGE), &mut breaches);
    breaches
}

fn text_of<'a>(files: &'a [TextFile], path: &str) -> &'a str {
    files.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str())
}

/// The table of the page is the table here.
fn check_page(page: &str, breaches: &mut Vec<String>) {
    let written: Vec<String> = ARROWS.iter().map(row_text).collect();
    let shown: Vec<(usize, String)> = rows(page).collect();
    for row in written.iter().filter(|row| !shown.iter().any(|(_, shown)| shown == *row)) {
        breaches.push(format!("{PAGE}:1: the table lacks the row {row}"));
    }
    for (number, row) in shown.iter().filter(|(_, row)| !written.contains(row)) {
        breaches.push(format!(
            "{PAGE}:{number}: tidy's table (xtask/src/tidy/arrows.rs) lacks the row {row}"
        ));
    }
}

/// The rows of the section about arrows, with their lines.
fn rows(page: &str) -> impl Iterator<Item = (usize, String)> {
    let lines = page.lines().enumerate().skip_while(|(_, line)| !line.starts_with(SECTION));
    let section = lines.skip(1).take_while(|(_, line)| !line.starts_with("## "));
    section.filter(|(_, line)| line.starts_with("| `")).map(|(at, line)| (at + 1, squeeze(line)))
}

/// Where a crate names another: `node/Cargo.toml:17`.
fn place(manifest: &Manifest, name: &str, files: &[TextFile]) -> String {
    let names_it =
        |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    let path = &manifest.manifest_path;
    let at = text_of(files, path).lines().position(names_it).unwrap_or(0);
    format!("{path}:{}", at + 1)
}

fn check_arrows(manifest: &Manifest, files: &[TextFile], breaches: &mut Vec<String>) {
    let name = manifest.name.as_str();
    let Some((_, allowed, _)) = ARROWS.iter().find(|(krate, ..)| *krate == name) else {
        let path = &manifest.manifest_path;
        breaches.push(format!("{path}:1: {name} is a new crate; {DECISION}"));
        return;
    };
    let is_test = |dependency: &Dependency| dependency.kind.as_deref() == Some("dev");
    let product = || manifest.dependencies.iter().filter(|dependency| !is_test(dependency));
    let is_ours = |dependency: &&Dependency| dependency.path.is_some();
    let used: BTreeSet<&str> = product().filter(is_ours).map(|dep| dep.name.as_str()).collect();
    let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
    for extra in used.difference(&allowed) {
        let place = place(manifest, extra, files);
        breaches.push(format!("{place}: {name} → {extra} is a new arrow; {DECISION}"));
    }
    for lacking in allowed.difference(&used) {
        let path = &manifest.manifest_path;
        breaches.push(format!("{path}:1: {name} → {lacking} is not there; take it out of {PAGE}"));
    }
    for other in manifest.dependencies.iter().filter(is_ours).map(|dep| dep.name.as_str()) {
        if ROLES.contains(&name) && ROLES.contains(&other) {
            let place = place(manifest, other, files);
            breaches.push(format!("{place}: {name} → {other}: no role knows another; use cluster"));
        }
    }
    if PURE.contains(&name) {
        for other in product().map(|dep| dep.name.as_str()).filter(|name| RUNTIME.contains(name)) {
            let place = place(manifest, other, files);
            breaches.push(format!("{place}: {name} is pure; what needs {other} belongs to a role"));
        }
    }
}

fn check_fences(manifest: &Manifest, files: &[TextFile], breaches: &mut Vec<String>) {
    for (owner, _, fenced) in ARROWS {
        for dependency in &manifest.dependencies {
            let library = dependency.name.as_str();
            if fenced.contains(&library) && manifest.name != *owner {
                let place = place(manifest, library, files);
                breaches.push(format!("{place}: only {owner} may name {library}; go through it"));
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
        let manifest_path = format!("{name}/Cargo.toml");
        Manifest { name: name.to_owned(), manifest_path, dependencies: dependencies.collect() }
    }

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    /// The page with the rows that `keep` chooses.
    fn page(keep: impl Fn(&Row) -> bool) -> TextFile {
        let rows: String =
            ARROWS.iter().filter(|row| keep(row)).map(|row| row_text(row) + "\n").collect();
        file(PAGE, &format!("# A\n{SECTION}\n{rows}"))
    }

    fn breaches(manifest: Manifest, text: &str) -> Vec<String> {
        let text = file(&manifest.manifest_path, text);
        check(&[manifest], &[page(|_| true), text])
    }

    #[test]
    fn an_arrow_or_a_library_out_of_place_is_named() {
        let ruler = manifest(
            "ruler",
            &[("model", None, true), ("chassis", None, true), ("querier", None, true)],
        );
        let text = "[dependencies]\nmodel.workspace = true\nquerier.workspace = true\n";
        let expected = [
            format!("ruler/Cargo.toml:3: ruler → querier is a new arrow; {DECISION}"),
            "ruler/Cargo.toml:3: ruler → querier: no role knows another; use cluster".to_owned(),
        ];
        assert_eq!(breaches(ruler, text), expected);
        let model = manifest("model", &[("rocksdb", Some("dev"), false), ("tokio", None, false)]);
        let expected = [
            "model/Cargo.toml:1: model is pure; what needs tokio belongs to a role",
            "model/Cargo.toml:2: only ingester may name rocksdb; go through it",
        ];
        assert_eq!(breaches(model, "tokio = \"1\"\nrocksdb = \"0.25\"\n"), expected);
    }

    #[test]
    fn a_new_crate_and_an_arrow_that_is_gone_are_named() {
        let expected = [format!("junk/Cargo.toml:1: junk is a new crate; {DECISION}")];
        assert_eq!(breaches(manifest("junk", &[]), ""), expected);
        let ruler = manifest("ruler", &[("model", None, true), ("chassis", Some("dev"), true)]);
        let expected =
            ["ruler/Cargo.toml:1: ruler → chassis is not there; take it out of ARCHITECTURE.md"];
        assert_eq!(breaches(ruler, ""), expected);
    }

    #[test]
    fn both_tables_must_agree() {
        let expected = ["ARCHITECTURE.md:1: the table lacks the row | `model` | | |"];
        assert_eq!(check(&[], &[page(|(name, ..)| *name != "model")]), expected);
        let mut page = page(|_| true);
        page.text += "| `junk` | `model` | |\n## Next\n| `x` | | |\n";
        let number = ARROWS.len() + 3;
        let expected = format!(
            "ARCHITECTURE.md:{number}: tidy's table (xtask/src/tidy/arrows.rs) lacks the row \
             | `junk` | `model` | |"
        );
        assert_eq!(check(&[], &[page]), [expected]);
    }
}
