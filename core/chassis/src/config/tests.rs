//! What a file may hold, and how a mistake is shown.

use expect_test::{Expect, expect};

use super::*;

fn check(text: &str, expected: Expect) {
    let seen = match ConfigFile::parse("prometheus.yml", text) {
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
    check(
        stock,
        expect![[r#"
        global has no effect: it concerns scraping and rules, which are not there yet
        scrape_configs has no effect: nothing is scraped yet; let a Prometheus scrape and remote_write to /api/v1/write
        alerting has no effect: rules are not evaluated yet; let a Prometheus that reads from here evaluate them"#]],
    );
}

#[test]
fn nothing_is_a_configuration_too() {
    check("", expect![[""]]);
    check("# only a comment\n", expect![[""]]);
}

#[test]
fn a_typing_mistake_is_shown_in_its_place() {
    check(
        "global:\n  scrape_interval: 15s\nscrape_config:\n  - job_name: a\n",
        expect![[r#"
             --> prometheus.yml:3:1
              |
            1 | global:
            2 |   scrape_interval: 15s
            3 | scrape_config:
              | ^ unknown field `scrape_config`, expected one of global, runtime, scrape_configs, scrape_config_files, rule_files, alerting, remote_write, remote_read, storage, tracing, otlp
            4 |   - job_name: a
              |"#]],
    );
    check(
        "global:\n  scrape_intervall: 15s\n",
        expect![[r#"
             --> prometheus.yml:2:3
              |
            1 | global:
            2 |   scrape_intervall: 15s
              |   ^ unknown field `scrape_intervall`, expected one of scrape_interval, scrape_timeout, scrape_protocols, scrape_classic_histograms, scrape_native_histograms, always_scrape_classic_histograms, convert_classic_histograms_to_nhcb, scrape_failure_log_file, extra_scrape_metrics, evaluation_interval, rule_query_offset, external_labels, query_log_file, body_size_limit, sample_limit, target_limit, label_limit, label_name_length_limit, label_value_length_limit, keep_dropped_targets, metric_name_validation_scheme, metric_name_escaping_scheme"#]],
    );
    check(
        "global: [\n",
        expect![[r#"
             --> prometheus.yml:1:9
              |
            1 | global: [
              |         ^ expected mapping start"#]],
    );
    check(
        "global: {}\nglobal: {}\n",
        expect![[r#"
             --> prometheus.yml:2:1
              |
            1 | global: {}
            2 | global: {}
              | ^ duplicate mapping key `global` is not allowed here"#]],
    );
}

#[test]
fn durations_are_prometheus_durations() {
    assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
    assert!(parse_duration("5 minutes").is_err());
}
