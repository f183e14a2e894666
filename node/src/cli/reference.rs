//! The command line as a page of Markdown, from the same definitions that parse it.

use std::fmt::Write;

use clap::{Arg, Command};

const HEAD: &str = "\
# Command line

Every flag can also be given as the variable beside it. Written by `cargo xtask fix`.
";

/// One section a command, one row a flag.
pub(super) fn page(command: &Command) -> String {
    let mut page = HEAD.to_owned();
    sections(command, "", &mut page);
    page
}

fn sections(command: &Command, parents: &str, page: &mut String) {
    let name = format!("{parents}{}", command.get_name());
    let flags: Vec<&Arg> = command.get_arguments().filter(|arg| is_ours(arg)).collect();
    if !command.has_subcommands() {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let end = if about.ends_with('?') { "" } else { "." };
        write!(page, "\n## `{name}`\n\n{about}{end}\n").expect("a String takes any text");
    }
    if !flags.is_empty() {
        page.push_str("\n| flag | variable | default | meaning |\n|---|---|---|---|\n");
        flags.into_iter().for_each(|flag| row(flag, page));
    }
    for child in command.get_subcommands().filter(|child| child.get_name() != "help") {
        sections(child, &format!("{name} "), page);
    }
}

fn is_ours(arg: &Arg) -> bool {
    arg.get_long().is_some_and(|long| !matches!(long, "help" | "version")) && !arg.is_hide_set()
}

fn row(flag: &Arg, page: &mut String) {
    let long = flag.get_long().unwrap_or_default();
    let variable = flag.get_env().map(|name| name.to_string_lossy()).unwrap_or_default();
    let default: Vec<_> =
        flag.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    let default =
        if default.is_empty() { String::new() } else { format!("`{}`", default.join(",")) };
    let help = flag.get_long_help().or_else(|| flag.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    writeln!(page, "| `--{long}` | `{variable}` | {default} | {help} |")
        .expect("a String takes any text");
}
