//! What a file may hold, and how a mistake is shown.

use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, expected: Expect) {
    let seen = match ConfigFile::parse(text) {
        Ok(file) => file.warnings().join("\n"),
        Err(snippet) => snippet,
    };
    expected.assert_eq(&seen);
}

#[test]
fn a_stock_file_is_accepted_and_says_what_has_no_effect() {
    let stock = r#"
# my global config
global:
  scrape_interval: 15s
  evaluation_interval: 15s
  external_labels: { cluster: "eu-1" }
alerting:
  alertmanagers:
    - static_configs:
        - targets:
          # - alertmanager:9093
rule_files:
  # - "first_rules.yml"
scrape_configs:
  - job_name: "prometheus"
    static_configs:
      - targets: ["localhost:9090"]
        labels:
          app: "prometheus"
    relabel_configs:
      - { source_labels: [__address__], regex: "(.+):.*", replacement: "${1}", target_label: host }
"#;
    check(stock, expect![[]]);
}

#[test]
fn nothing_is_a_configuration_too() {
    check("", expect![[]]);
    check("# only a comment\n", expect![[]]);
}

#[test]
fn a_typing_mistake_is_shown_in_its_place() {
    check("global:\n  scrape_interval: 15s\nscrape_config:\n  - job_name: a\n", expect![[]]);
    check("global:\n  scrape_intervall: 15s\n", expect![[]]);
    check("global: [\n", expect![[]]);
    check("global: {}\nglobal: {}\n", expect![[]]);
}

#[test]
fn durations_are_prometheus_durations() {
    assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
    assert!(parse_duration("5 minutes").is_err());
}
