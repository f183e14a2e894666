//! The command line as people type it.

use super::*;

fn parsed(args: &[&str]) -> Result<Cli, String> {
    let args = std::iter::once(&"varve").chain(args);
    Cli::try_parse_from(args).map_err(|error| error.to_string())
}

#[test]
fn no_two_roles_claim_the_same_flag() {
    Cli::command().debug_assert();
}

#[test]
fn every_flag_has_help_and_a_variable_of_the_same_name() {
    let mut command = Cli::command_with_variables();
    command.build();
    let run = command.find_subcommand("run").unwrap();
    for arg in run.get_arguments().filter(|arg| arg.get_id() != "help") {
        let long = arg.get_long().unwrap();
        assert!(arg.get_help().is_some(), "--{long} has no help");
        assert!(arg.get_env().is_some(), "--{long} has no variable");
        let is_general = ["target", "config.file", "tenancy.enabled"].contains(&long);
        assert_eq!(arg.get_help_heading().is_none(), is_general, "--{long} has a heading");
        let value = arg.get_value_names().unwrap_or_default().first().map(ToString::to_string);
        let value = value.unwrap_or_default();
        assert!(value.len() <= 12, "--{long} says nothing about its value: {value}");
    }
    assert_eq!(variable("web.listen-address"), "VARVE_WEB_LISTEN_ADDRESS");
}

#[test]
fn a_node_needs_no_configuration() {
    let Command::Run(config) = parsed(&["run"]).unwrap().command else { unreachable!() };
    assert_eq!(config.storage.storage_path, PathBuf::from("./data"));
    assert_eq!(config.web.web_listen_address.to_string(), "127.0.0.1:9009");
}

#[test]
fn a_target_that_needs_a_cluster_is_refused_by_name() {
    let error = parsed(&["run", "--target=gateway,ruler"]).unwrap_err();
    for part in [
        "--target=gateway,ruler needs other nodes for ingester, querier, compactor",
        "cannot form a cluster yet",
        "--target=all",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let error = parsed(&["run", "--target=gateway,scraper"]).unwrap_err();
    assert!(error.contains("there is no role \"scraper\""), "{error}");
}

#[test]
fn all_roles_by_name_are_all() {
    for target in ["all", "gateway,ingester,querier,compactor,ruler", "ruler, all"] {
        let Command::Run(config) = parsed(&["run", "--target", target]).unwrap().command else {
            unreachable!()
        };
        assert_eq!(config.target, crate::roles::Target::All, "{target}");
    }
}

#[test]
fn a_mistyped_flag_is_answered_with_the_right_one() {
    let error = parsed(&["run", "--web.listen-adress=:1"]).unwrap_err();
    assert!(error.contains("--web.listen-address"), "{error}");
}

#[test]
fn a_cause_is_not_said_twice() {
    let cause = io::Error::other("disk full");
    let error = anyhow::Error::new(cause).context("cannot write: disk full").context("no node");
    assert_eq!(explained(&error), "no node: cannot write: disk full");
}
